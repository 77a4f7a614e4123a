/* test_truncate.c - table/truncate.h: the bounds of a step, items that stay, and damage. */
#include "table/truncate.h"

#include "codec/row.h"
#include "lmdb/txn.h"
#include "table/items.h"
#include "unit/files.h"
#include "unit/tides.h"

static struct failure failure;
static const char *path;

static struct tide *open_empty(bool with_stream)
{
	struct tide_options options = { .in_memory = true, .max_bytes = 1 << 28 };
	struct tide_table_spec spec = spec_of("orders");
	struct tide *tide;

	if (!with_stream)
		spec.view = 0;
	MUST(tide_open(&tide, &options, &failure), failure);
	MUST(tide_create_table(tide, &spec, &failure), failure);
	return tide;
}

/* Puts items with the sort keys first to last, in transactions of a thousand. */
static void fill(struct tide *tide, int first, int last, const char *text)
{
	struct tide_table table = table_named("orders");
	char sort[16];

	begin(tide);
	for (int i = first; i <= last; i++) {
		snprintf(sort, sizeof sort, "%06d", i);
		put(tide, &table, "ann", sort, text);
		if (i % 1000 == 999) {
			commit(tide);
			begin(tide);
		}
	}
	commit(tide);
}

static uint64_t count(struct tide *tide)
{
	struct tide_table table = table_named("orders");
	struct tide_query_spec spec = { .committed = true };
	struct tide_query *query;
	uint64_t items = 0;

	MUST(tide_query_start(&query, tide, &table, &spec, &failure), failure);
	do {
		MUST(tide_query_fill(query, tide, 1000, &failure), failure);
		items += tide_query_count(query);
	} while (tide_query_more(query));
	tide_query_finish(query);
	return items;
}

static uint64_t last_sequence(struct tide *tide)
{
	struct tide_info info;

	MUST(tide_info(tide, &info, &failure), failure);
	return info.sequence;
}

/* Makes one step; returns the number of removed items. The first step also adds the record of the
 * truncation. */
static uint64_t step(struct tide *tide, struct tide_truncation *progress, bool *more)
{
	struct tide_table table = table_named("orders");
	uint64_t removed = 0, changes = progress->table == 0, before = last_sequence(tide);

	MUST(tide_truncate(tide, &table, progress, &removed, more, &failure), failure);
	changes += removed;
	CHECK_EQUAL_UINT(last_sequence(tide), before + changes);
	if (changes)
		CHECK_EQUAL_UINT(tide_last_change(tide), before + changes);
	return removed;
}

static void a_step_ends_after_so_many_items(bool with_stream)
{
	struct tide *tide = open_empty(with_stream);
	struct tide_truncation progress = { 0 };
	bool more = true;

	fill(tide, 0, 2 * TRUNCATE_ITEMS + 9, "small");
	CHECK_EQUAL_UINT(step(tide, &progress, &more), TRUNCATE_ITEMS);
	CHECK(more && count(tide) == TRUNCATE_ITEMS + 10);
	CHECK_EQUAL_UINT(step(tide, &progress, &more), TRUNCATE_ITEMS);
	CHECK(more);
	CHECK_EQUAL_UINT(step(tide, &progress, &more), 10);
	CHECK(!more && count(tide) == 0);
	CHECK_EQUAL_UINT(step(tide, &progress, &more), 0);
	CHECK(!more);
	check_clean(tide);
	tide_close(tide);
}

/* Items in parts count with their whole size. */
static void a_step_ends_after_so_many_bytes(bool with_stream)
{
	enum { SIZE = 300000 };
	struct tide *tide = open_empty(with_stream);
	struct tide_truncation progress = { 0 };
	char *big = malloc(SIZE + 1);
	bool more = true;

	CHECK(big != NULL);
	memset(big, 'b', SIZE);
	big[SIZE] = '\0';
	fill(tide, 1, 6, big);
	free(big);
	CHECK_EQUAL_UINT(step(tide, &progress, &more), 4);
	CHECK(more);
	CHECK_EQUAL_UINT(step(tide, &progress, &more), 2);
	CHECK(!more && count(tide) == 0);
	check_clean(tide);
	tide_close(tide);
}

/* Items that were put or changed after the first step stay; visiting them is bounded, too. */
static void later_items_stay(bool with_stream)
{
	enum { KEPT = TRUNCATE_VISITED + 100 };
	struct tide *tide = open_empty(with_stream);
	struct tide_truncation progress = { 0 };
	bool more = true;

	fill(tide, 1, TRUNCATE_ITEMS + 1, "old");
	CHECK_EQUAL_UINT(step(tide, &progress, &more), TRUNCATE_ITEMS);
	CHECK(more);
	fill(tide, 0, 0, "before");
	fill(tide, TRUNCATE_ITEMS + 2, TRUNCATE_ITEMS + 1 + KEPT, "after");
	CHECK_EQUAL_UINT(step(tide, &progress, &more), 1);
	CHECK(more && count(tide) == 1 + KEPT);
	CHECK_EQUAL_UINT(step(tide, &progress, &more), 0);
	CHECK(!more && count(tide) == 1 + KEPT);
	progress = (struct tide_truncation){ 0 };
	for (uint64_t left = 1 + KEPT; left > 0;)
		left -= step(tide, &progress, &more);
	check_clean(tide);
	tide_close(tide);
}

/* The last item visited may have been kept, changed, or deleted meanwhile. */
static void a_step_continues_after_the_last_item(void)
{
	struct tide *tide = open_empty(false);
	struct tide_table table = table_named("orders");
	struct tide_truncation progress = { 0 };
	struct builder builder = { 0 };
	struct tide_change change;
	bool more = true;
	char sort[16];

	fill(tide, 0, TRUNCATE_ITEMS, "old");
	CHECK_EQUAL_UINT(step(tide, &progress, &more), TRUNCATE_ITEMS);
	fill(tide, TRUNCATE_ITEMS - 1, TRUNCATE_ITEMS - 1, "again");     /* the last one */
	CHECK_EQUAL_UINT(step(tide, &progress, &more), 1);
	CHECK(!more && count(tide) == 1);
	snprintf(sort, sizeof sort, "%06d", TRUNCATE_ITEMS - 1);
	begin(tide);
	MUST(tide_delete(tide, &table, item_of(&builder, "ann", sort, NULL), &change, &failure),
		failure);
	commit(tide);
	CHECK_EQUAL_UINT(step(tide, &progress, &more), 0);
	CHECK(!more && count(tide) == 0);
	builder_release(&builder);
	tide_close(tide);
}

static void a_table_that_is_replaced_is_not_found(void)
{
	struct tide *tide = open_empty(true);
	struct tide_table table = table_named("orders");
	struct tide_truncation progress = { 0 }, before;
	uint64_t removed = 7;
	bool more = true;

	fill(tide, 1, TRUNCATE_ITEMS + 5, "old");
	step(tide, &progress, &more);
	before = progress;
	begin(tide);
	CHECK_EQUAL_INT(tide_truncate(tide, &table, &progress, &removed, &more, &failure),
		ERR_NESTED);
	tide_abort(tide);
	MUST(tide_delete_table(tide, slice_of_text("orders"), &failure), failure);
	CHECK_EQUAL_INT(tide_truncate(tide, &table, &progress, &removed, &more, &failure),
		ERR_NOT_FOUND);
	create_table(tide, "orders");
	fill(tide, 1, 3, "new");
	CHECK_EQUAL_INT(tide_truncate(tide, &table, &progress, &removed, &more, &failure),
		ERR_NOT_FOUND);
	CHECK(strstr(failure.message, "was deleted while it was being truncated"));
	CHECK(removed == 7 && memcmp(&before, &progress, sizeof before) == 0);
	CHECK_EQUAL_UINT(count(tide), 3);
	tide_close(tide);
}

/* --- damage --- */

/* Replaces the row of an item. No handle may be open. */
static void replace_row(struct slice key, struct slice row)
{
	struct store_options options = {
		.path = path, .durability = DURABILITY_NONE,
		.max_bytes = weak_options("").max_bytes, .clock = clock_system(),
	};
	struct store *store;
	struct txn *txn;

	MUST(store_open(&store, &options, &failure), failure);
	CHECK_EQUAL_INT(write_lock_try(store_shared_page(store)), 0);
	MUST(writer_begin(&txn, store, &failure), failure);
	CHECK_EQUAL_INT(txn_put(txn, TREE_ITEMS, key, row), 0);
	MUST(writer_commit(&txn, &failure), failure);
	write_lock_release(store_shared_page(store));
	store_close(store);
}

enum damage { NO_CHECKSUM, NO_ITEM, NO_ATTRIBUTES };

/* The items before the damaged third one are removed, then each step fails. An item without
 * attributes is only read for a record. */
static void the_items_before_a_damaged_one_go(bool with_stream, enum damage damage)
{
	const uint8_t key[] = { 1, 0x01, 'a', 'n', 'n', 0, 0x01, '3' };
	uint8_t row[ROW_CHECKSUM + 3] = { [ROW_CHECKSUM] = damage == NO_ITEM ? 0x14 : 0x11, 1, 0 };
	struct tide_table_spec spec = spec_of("orders");
	struct tide_table table = table_named("orders");
	struct tide_truncation progress = { 0 };
	uint64_t removed = 0;
	struct tide *tide;
	bool more = false;

	path = tide_path("truncate.tide");
	tide = open_tide(path);
	if (!with_stream)
		spec.view = 0;
	MUST(tide_create_table(tide, &spec, &failure), failure);
	for (int i = 1; i <= 5; i++)
		put_alone(tide, &table, "ann", (char[]){ (char)('0' + i), '\0' }, "v");
	tide_close(tide);
	if (damage != NO_CHECKSUM)
		row_seal_here(row, sizeof row, slice_of(key, sizeof key));
	replace_row(slice_of(key, sizeof key), slice_of(row, sizeof row));
	tide = open_tide(path);
	MUST(tide_truncate(tide, &table, &progress, &removed, &more, &failure), failure);
	if (damage == NO_ATTRIBUTES && !with_stream) {
		CHECK(removed == 5 && !more);
	} else {
		CHECK(removed == 2 && more);
		for (int i = 0; i < 2; i++)
			CHECK_EQUAL_INT(tide_truncate(tide, &table, &progress, &removed, &more,
				&failure), ERR_CORRUPT);
		CHECK(removed == 2 && strstr(failure.message, "table orders"));
	}
	tide_close(tide);
	remove_files(path);
}

int main(void)
{
	for (int with_stream = 0; with_stream < 2; with_stream++) {
		a_step_ends_after_so_many_items(with_stream);
		a_step_ends_after_so_many_bytes(with_stream);
		later_items_stay(with_stream);
		the_items_before_a_damaged_one_go(with_stream, NO_CHECKSUM);
		the_items_before_a_damaged_one_go(with_stream, NO_ITEM);
		the_items_before_a_damaged_one_go(with_stream, NO_ATTRIBUTES);
	}
	a_step_continues_after_the_last_item();
	a_table_that_is_replaced_is_not_found();
	return 0;
}
