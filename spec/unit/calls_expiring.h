/* calls_expiring.h - calls of tide.h with time to live, for calls.h. */
#ifndef UNIT_CALLS_EXPIRING_H
#define UNIT_CALLS_EXPIRING_H

#include "unit/calling.h"

#define EXPIRY_MS (START_MS + 2000)      /* of the items of the table `expiring` */
#define WAIT_MS (EXPIRY_MS - START_MS + 1)       /* until they are expired */
#define MANY 40                          /* items that are indexed in several steps */

static void fill_expiring(struct tide *tide)
{
	struct tide_table table = create_expiring(tide, "expiring"), many;
	struct tide_table_spec spec = spec_of("many");

	begin(tide);
	put_expiring(tide, &table, "ann", "1", "old", EXPIRY_MS);
	put_expiring(tide, &table, "ann", "2", "old", EXPIRY_MS);
	put_expiring(tide, &table, "ann", "big", big, EXPIRY_MS);
	put_expiring(tide, &table, "ann", deep, "old", EXPIRY_MS);
	put_expiring(tide, &table, "bob", "big", big, EXPIRY_MS);
	put_expiring(tide, &table, "bob", deep, "old", EXPIRY_MS);
	commit(tide);
	spec.view = 0;
	MUST(tide_create_table(tide, &spec, &failure), failure);
	many = table_named("many");
	put_many_expiring(tide, &many, 0, MANY, EXPIRY_MS + DAY_MS);
}

static const struct table_row *row_of(struct tide *tide, const char *name)
{
	struct tide_table table = table_named(name);
	const struct table_row *row;

	MUST(tide_describe_table(tide, &table, &row, &failure), failure);
	return row;
}

static int run_enable_ttl(struct tide *tide)
{
	return tide_set_ttl(tide, slice_of_text("many"), slice_of_text("e"), &failure);
}

static bool sign_enable_ttl(struct tide *tide)
{
	return row_of(tide, "many")->ttl.index != 0;
}

static int run_change_ttl(struct tide *tide)
{
	return tide_set_ttl(tide, slice_of_text("expiring"), slice_of_text("f"), &failure);
}

static bool sign_change_ttl(struct tide *tide)
{
	return row_of(tide, "expiring")->ttl.name[0] == 'f';
}

static int run_disable_ttl(struct tide *tide)
{
	return tide_set_ttl(tide, slice_of_text("expiring"), slice_of(NULL, 0), &failure);
}

static bool sign_disable_ttl(struct tide *tide)
{
	return row_of(tide, "expiring")->ttl.index == 0;
}

/* Enables time to live and builds the index in steps. */
static int run_build(struct tide *tide)
{
	int err = run_enable_ttl(tide);

	return err ? err : run_trim(tide);
}

static bool sign_build(struct tide *tide)
{
	int64_t due_ms;
	bool expires;

	MUST(tide_next_expiry(tide, &expires, &due_ms, &failure), failure);
	return sign_enable_ttl(tide) && expires && due_ms > 0;
}

/* Writes to expired items, of which some are big or have long keys; the commit removes others. */
static int run_expired(struct tide *tide)
{
	struct tide_table table = table_named("expiring");
	struct tide_change change;
	int err = tide_begin(tide, &failure);

	if (err)
		return err;
	err = tide_put(tide, &table, expiring_item(&made, "ann", "1", big, EXPIRY_MS + DAY_MS),
		&change, &failure);
	CHECK(err || change.old_item.len == 0);
	if (!err)
		err = tide_put(tide, &table, expiring_item(&made, "ann", "big", "small", 0),
			&change, &failure);
	if (!err)
		err = tide_delete(tide, &table, item_of(&made, "ann", deep, NULL), &change,
			&failure);
	if (err) {
		tide_abort(tide);
		return err;
	}
	return tide_commit(tide, &failure);
}

static bool is_visible(struct tide *tide, const char *sort)
{
	struct tide_table table = table_named("expiring");
	uint64_t sequence;

	MUST(tide_version(tide, &table, item_of(&made, "ann", sort, NULL), &sequence, &failure),
		failure);
	return sequence > 0;
}

static bool sign_expired(struct tide *tide)
{
	bool put = is_visible(tide, "1");

	CHECK_EQUAL_INT(is_visible(tide, "big"), put);
	CHECK(!is_visible(tide, deep));
	return put;
}

static bool sign_swept(struct tide *tide)
{
	int64_t due_ms;
	bool expires;

	MUST(tide_next_expiry(tide, &expires, &due_ms, &failure), failure);
	return expires && due_ms == INT64_MAX;
}

static int run_next_expiry(struct tide *tide)
{
	int64_t due_ms;
	bool expires;
	int err = tide_next_expiry(tide, &expires, &due_ms, &failure);

	CHECK(err || refusal == ERR_CORRUPT || (expires && due_ms == WAIT_MS));
	return err;
}

#endif
