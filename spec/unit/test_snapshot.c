/* test_snapshot.c - tide_snapshot: the state of the database at one commit, after later changes. */
#include "unit/tides.h"

static struct failure failure;
static struct builder made;

static struct tide_snapshot *take(struct tide *tide)
{
	struct tide_snapshot *snapshot;

	MUST(tide_snapshot_open(&snapshot, tide, &failure), failure);
	CHECK(snapshot != NULL);
	return snapshot;
}

/* Returns true if the item has this value in the snapshot. If value is NULL, returns true if the
 * item does not exist. */
static bool has_at(struct tide *tide, const struct tide_snapshot *snapshot,
	struct tide_table *table, const char *p, const char *s, const char *v)
{
	struct buffer out = { 0 };
	uint64_t sequence = 99;
	int err = tide_get_at(tide, snapshot, table, item_of(&made, p, s, NULL), &out, &sequence,
		&failure);
	bool same;

	CHECK(err >= 0);
	CHECK((err == END) == (sequence == 0));
	same = err ? !v : v && slice_equal(buffer_slice(&out), item_of(&made, p, s, v));
	buffer_release(&out);
	return same;
}

/* Returns the number of items of a query that is read in pages of at most max. */
static int count(struct tide *tide, struct tide_query *query, uint32_t max)
{
	uint64_t sequence;
	struct slice item;
	int items = 0;

	do {
		MUST(tide_query_fill(query, tide, max, &failure), failure);
		while (tide_query_next(query, &sequence, &item) == 0)
			items++;
	} while (tide_query_more(query));
	return items;
}

static struct tide_query *start_at(struct tide *tide, struct tide_table *table,
	const struct tide_snapshot *snapshot, const struct value *partition)
{
	struct tide_query_spec spec = { .snapshot = snapshot, .partition = partition };
	struct tide_query *query;

	MUST(tide_query_start(&query, tide, table, &spec, &failure), failure);
	return query;
}

static uint64_t version(struct tide *tide, struct tide_table *table, const char *s)
{
	uint64_t sequence = 99;

	MUST(tide_version(tide, table, item_of(&made, "ann", s, NULL), &sequence, &failure),
		failure);
	return sequence;
}

static uint64_t catalog_now(struct tide *tide)
{
	struct tide_snapshot *snapshot = take(tide);
	uint64_t version = tide_snapshot_catalog(snapshot);

	tide_snapshot_close(snapshot);
	return version;
}

static void it_stays_as_it_was(struct tide *tide, struct tide_table *table)
{
	struct tide_snapshot *snapshot;
	struct tide_query *query;
	uint64_t first;

	first = put_alone(tide, table, "ann", "1", "old");
	put_alone(tide, table, "ann", "2", "old");
	snapshot = take(tide);
	CHECK_EQUAL_UINT(tide_snapshot_commit(snapshot), tide_last_commit(tide));
	put_alone(tide, table, "ann", "1", "new");
	put_alone(tide, table, "ann", "3", "new");
	CHECK(tide_snapshot_commit(snapshot) < tide_last_commit(tide));
	CHECK_EQUAL_UINT(tide_snapshot_catalog(snapshot), catalog_now(tide));
	create_table(tide, "other");
	CHECK(tide_snapshot_catalog(snapshot) < catalog_now(tide));
	CHECK(has_at(tide, snapshot, table, "ann", "1", "old"));
	CHECK(has_at(tide, snapshot, table, "ann", "2", "old"));
	CHECK(has_at(tide, snapshot, table, "ann", "3", NULL));
	CHECK(has(tide, table, "ann", "1", "new"));
	CHECK(version(tide, table, "1") > first);
	CHECK(version(tide, table, "3") > version(tide, table, "1"));
	CHECK_EQUAL_UINT(version(tide, table, "4"), 0);
	query = start_at(tide, table, snapshot, NULL);
	CHECK_EQUAL_INT(count(tide, query, 1), 2);
	tide_query_rewind(query);
	CHECK_EQUAL_INT(count(tide, query, 2), 3);
	tide_query_finish(query);
	tide_snapshot_close(snapshot);
	tide_snapshot_close(NULL);
	tide_query_finish(NULL);
}

/* Tests keys before, in and after the query's range. The keys of its items are in the range. */
static void places(struct tide *tide, struct tide_table *table)
{
	struct value ann = { TYPE_S, 0, slice_of_text("ann") };
	struct tide_snapshot *snapshot = take(tide);
	struct tide_query *query = start_at(tide, table, snapshot, &ann);
	static const struct { const char *p; int place; } others[] = {
		{ "an", -1 }, { "ann", 0 }, { "anna", 1 },
	};
	uint64_t sequence;
	struct slice item;
	struct key key;

	MUST(tide_query_fill(query, tide, 10, &failure), failure);
	CHECK_EQUAL_INT(tide_query_next(query, &sequence, &item), 0);
	MUST(tide_query_key(query, tide, item, &key, &failure), failure);
	CHECK_EQUAL_INT(tide_query_place(query, key_whole(&key)), 0);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		int place;

		MUST(tide_key_at(tide, snapshot, table, item_of(&made, others[i].p, "1", NULL),
			true, &key, &failure), failure);
		place = tide_query_place(query, key_whole(&key));
		CHECK_EQUAL_INT((place > 0) - (place < 0), others[i].place);
	}
	tide_query_finish(query);
	tide_snapshot_close(snapshot);
}

/* An invalid key gives the errors of put, or those of get. */
static void keys_that_are_none(struct tide *tide, struct tide_table *table)
{
	struct tide_snapshot *snapshot = take(tide);
	struct buffer out = { 0 };
	uint64_t sequence;
	struct key key;

	MUST(tide_key_at(tide, snapshot, table, item_of(&made, "ann", "1", "v"), false, &key,
		&failure), failure);
	CHECK_EQUAL_INT(tide_key_at(tide, snapshot, table, item_of(&made, "ann", "1", "v"), true,
		&key, &failure), ERR_KEY_SCHEMA);
	CHECK_EQUAL_INT(tide_key_at(tide, snapshot, table, item_of(&made, "", "1", "v"), false,
		&key, &failure), ERR_KEY_EMPTY);
	CHECK_EQUAL_INT(tide_get_at(tide, snapshot, table, slice_of("\0", 1), &out, &sequence,
		&failure), ERR_KEY_MISSING);
	CHECK_EQUAL_UINT(sequence, 0);
	CHECK_EQUAL_INT(tide_version(tide, table, slice_of("\0", 1), &sequence, &failure),
		ERR_KEY_MISSING);
	tide_snapshot_close(snapshot);
}

/* Tables that were deleted or created after the snapshot. */
static void tables_come_and_go(struct tide *tide)
{
	struct tide_table gone = create_table(tide, "gone"), young = table_named("young");
	struct tide_query_spec spec = { 0 };
	struct tide_snapshot *snapshot;
	struct tide_query *query;
	struct buffer out = { 0 };
	struct table_row row;
	uint64_t sequence;
	struct key key;

	put_alone(tide, &gone, "ann", "1", "old");
	snapshot = take(tide);
	MUST(tide_delete_table(tide, slice_of_text("gone"), &failure), failure);
	create_table(tide, "young");
	MUST(tide_describe_table_at(tide, snapshot, &gone, &row, &failure), failure);
	CHECK_EQUAL_STRING(row.name, "gone");
	CHECK(has_at(tide, snapshot, &gone, "ann", "1", "old"));
	query = start_at(tide, &gone, snapshot, NULL);
	CHECK_EQUAL_INT(count(tide, query, 1), 1);
	CHECK_EQUAL_INT(tide_describe_table_at(tide, snapshot, &young, &row, &failure),
		ERR_NOT_FOUND);
	CHECK(strstr(failure.message, "young"));
	CHECK_EQUAL_INT(tide_key_at(tide, snapshot, &young, item_of(&made, "ann", "1", NULL), true,
		&key, &failure), ERR_NOT_FOUND);
	CHECK_EQUAL_INT(tide_get_at(tide, snapshot, &young, item_of(&made, "ann", "1", NULL), &out,
		&sequence, &failure), ERR_NOT_FOUND);
	spec.snapshot = snapshot;
	tide_query_rewind(query);
	CHECK_EQUAL_INT(tide_query_fill(query, tide, 1, &failure), ERR_NOT_FOUND);
	tide_query_finish(query);
	CHECK_EQUAL_INT(tide_query_start(&query, tide, &young, &spec, &failure), ERR_NOT_FOUND);
	CHECK(query == NULL);
	CHECK_EQUAL_INT(tide_version(tide, &gone, item_of(&made, "ann", "1", NULL), &sequence,
		&failure), ERR_NOT_FOUND);
	tide_snapshot_close(snapshot);
	snapshot = take(tide);
	MUST(tide_describe_table_at(tide, snapshot, &young, &row, &failure), failure);
	CHECK_EQUAL_INT(tide_describe_table_at(tide, snapshot, &gone, &row, &failure),
		ERR_NOT_FOUND);
	tide_snapshot_close(snapshot);
}

/* Commit numbers in a transaction; taking a snapshot in it is refused. */
static void in_a_transaction(struct tide *tide, struct tide_table *table)
{
	struct tide_snapshot *snapshot = take(tide), *none;
	uint64_t before = tide_last_commit(tide), sequence;

	begin(tide);
	CHECK_EQUAL_INT(tide_snapshot_open(&none, tide, &failure), ERR_NESTED);
	CHECK(none == NULL);
	CHECK_EQUAL_UINT(tide_last_commit(tide), before);
	sequence = put(tide, table, "ann", "1", "inside");
	CHECK_EQUAL_UINT(tide_last_commit(tide), before);
	CHECK_EQUAL_UINT(version(tide, table, "1"), sequence);
	CHECK(has_at(tide, snapshot, table, "ann", "1", "new"));
	commit(tide);
	CHECK_EQUAL_UINT(tide_last_commit(tide), before + 1);
	CHECK(has_at(tide, snapshot, table, "ann", "1", "new"));
	tide_snapshot_close(snapshot);
}

/* Counts the items that a query of the table returns, pinned or not. */
static int count_all(struct tide *tide, struct tide_table *table, bool committed, bool pinned)
{
	struct tide_query_spec spec = { .committed = committed };
	struct tide_query *query;
	size_t bytes;
	int items;

	MUST(tide_query_start(&query, tide, table, &spec, &failure), failure);
	bytes = tide_query_bytes(query);
	CHECK(bytes > 0);
	if (pinned)
		MUST(tide_query_pin(query, tide, 0, &failure), failure);
	items = count(tide, query, 10);
	CHECK(tide_query_bytes(query) > bytes);
	tide_query_finish(query);
	return items;
}

/* Reads of the last commit do not see the writes of the open transaction; other reads do. */
static void reads_of_the_last_commit(struct tide *tide)
{
	struct tide_table table = create_table(tide, "committed");
	struct buffer out = { 0 };
	struct tide_info info;
	uint64_t last = put_alone(tide, &table, "ann", "1", "old"), sequence;

	begin(tide);
	put(tide, &table, "ann", "1", "new");
	put(tide, &table, "ann", "2", "new");
	CHECK(has(tide, &table, "ann", "1", "new"));
	MUST(tide_get_committed(tide, &table, item_of(&made, "ann", "1", NULL), &out, &sequence,
		&failure), failure);
	CHECK(slice_equal(buffer_slice(&out), item_of(&made, "ann", "1", "old")));
	CHECK_EQUAL_UINT(sequence, last);
	CHECK_EQUAL_INT(tide_get_committed(tide, &table, item_of(&made, "ann", "2", NULL), &out,
		&sequence, &failure), END);
	for (int pinned = 0; pinned < 2; pinned++) {
		CHECK_EQUAL_INT(count_all(tide, &table, true, pinned), 1);
		CHECK_EQUAL_INT(count_all(tide, &table, false, pinned), 2);
	}
	MUST(tide_info(tide, &info, &failure), failure);
	CHECK_EQUAL_UINT(info.sequence, last);
	commit(tide);
	CHECK_EQUAL_INT(count_all(tide, &table, true, true), 2);
	buffer_release(&out);
}

int main(void)
{
	struct tide *tide = open_tide(tide_path("snapshot.tide"));
	struct tide_table table = create_table(tide, "orders");

	it_stays_as_it_was(tide, &table);
	places(tide, &table);
	keys_that_are_none(tide, &table);
	tables_come_and_go(tide);
	in_a_transaction(tide, &table);
	reads_of_the_last_commit(tide);
	check_clean(tide);
	builder_release(&made);
	tide_close(tide);
	return 0;
}
