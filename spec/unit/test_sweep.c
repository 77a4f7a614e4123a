/* test_sweep.c - table/sweep.h: damaged rows do not stop the removal of others. */
#include "codec/record.h"
#include "codec/row.h"
#include "codec/state.h"
#include "lmdb/txn.h"
#include "unit/tides.h"

#define RECORDS 10

static struct failure failure;
static struct clock *manual;
static const char *path;

static void fill(struct tide *tide, const char *name)
{
	struct tide_table table = create_table(tide, name);
	char sort[2] = "0";

	for (int i = 0; i < RECORDS; i++, sort[0]++)
		put_alone(tide, &table, "ann", sort, "v");
}

/* Begins a transaction on the store itself. No handle may be open. */
static struct txn *begin_below(struct store **store)
{
	struct store_options options = {
		.path = path, .durability = DURABILITY_NONE,
		.max_bytes = weak_options("").max_bytes, .clock = manual,
	};
	struct txn *txn;

	MUST(store_open(store, &options, &failure), failure);
	CHECK_EQUAL_INT(write_lock_try(store_shared_page(*store)), 0);
	MUST(writer_begin(&txn, *store, &failure), failure);
	return txn;
}

static void end_below(struct store *store, struct txn *txn)
{
	MUST(writer_commit(&txn, &failure), failure);
	write_lock_release(store_shared_page(store));
	store_close(store);
}

static void damage(enum tree tree, struct slice key)
{
	struct store *store;
	struct txn *txn = begin_below(&store);

	CHECK_EQUAL_INT(txn_put(txn, tree, key, slice_of_text("damaged")), 0);
	end_below(store, txn);
}

static uint64_t rows_in(enum tree tree)
{
	struct store *store;
	struct txn *txn = begin_below(&store);
	uint64_t rows;

	CHECK_EQUAL_INT(txn_count(txn, tree, &rows), 0);
	end_below(store, txn);
	return rows;
}

/* Lets all records expire and trims until nothing is left. Returns the error of the last
 * step. */
static int trim_all(void)
{
	struct tide *tide = open_with_clock(path, manual);
	struct tide_swept swept = { 0 };
	bool more = true;
	int err = 0;

	clock_advance(manual, DAY_MS);
	for (int steps = 0; !err && more; steps++) {
		err = tide_sweep(tide, &swept, &more, &failure);
		CHECK(steps < 100);
	}
	tide_close(tide);
	return err;
}

/* Damages the third record of the first table's stream. The two records before it, all records of
 * the second stream and the changes of tables are removed; then the damage is reported. */
static void a_record_is_damaged(void)
{
	struct tide *tide = open_with_clock(path, manual);
	uint8_t key[RECORD_KEY_MAX];
	size_t len = record_set_key(key, STREAM_ONE, 4, 0);

	fill(tide, "first");
	fill(tide, "second");
	tide_close(tide);
	damage(TREE_LOG, slice_of(key, len));
	CHECK_EQUAL_INT(trim_all(), ERR_CORRUPT);
	CHECK_EQUAL_UINT(rows_in(TREE_LOG), RECORDS - 2);
	CHECK_EQUAL_INT(trim_all(), ERR_CORRUPT);
}

/* The third item of a deleted table is damaged. The two items before it must be removed, and the
 * streams of all tables must be trimmed. The creation and the deletion stay, because the first
 * record of another stream is damaged: it is not known whether it has expired. */
static void a_deleted_item_is_damaged(void)
{
	struct tide *tide = open_with_clock(path, manual);
	const uint8_t key[] = { 3, 0x01, 'a', 'n', 'n', 0, 0x01, '2' };
	uint64_t items;

	fill(tide, "third");
	MUST(tide_delete_table(tide, slice_of_text("third"), &failure), failure);
	tide_close(tide);
	items = rows_in(TREE_ITEMS);
	damage(TREE_ITEMS, slice_of(key, sizeof key));
	CHECK_EQUAL_UINT(rows_in(TREE_ITEMS), items);
	CHECK_EQUAL_INT(trim_all(), ERR_CORRUPT);
	CHECK_EQUAL_UINT(rows_in(TREE_ITEMS), items - 2);
	CHECK_EQUAL_UINT(rows_in(TREE_LOG), RECORDS - 2 + 2);
}

/* A row with a valid checksum that is not an item's has the same effect as a damaged row. Uses
 * another file. */
static void a_deleted_row_is_no_item(void)
{
	const uint8_t key[] = { 1, 0x01, 'a', 'n', 'n', 0, 0x01, '2' };
	uint8_t row[ROW_CHECKSUM + 2] = { [ROW_CHECKSUM] = 0x14, 1 };
	struct tide *tide;
	struct store *store;
	struct txn *txn;

	path = tide_path("sweep-rows");
	tide = open_with_clock(path, manual);
	fill(tide, "only");
	MUST(tide_delete_table(tide, slice_of_text("only"), &failure), failure);
	tide_close(tide);
	row_seal_here(row, sizeof row, slice_of(key, sizeof key));
	txn = begin_below(&store);
	CHECK_EQUAL_INT(txn_put(txn, TREE_ITEMS, slice_of(key, sizeof key),
		slice_of(row, sizeof row)), 0);
	end_below(store, txn);
	CHECK_EQUAL_INT(trim_all(), ERR_CORRUPT);
	CHECK_EQUAL_UINT(rows_in(TREE_ITEMS), RECORDS - 2);
}

int main(void)
{
	path = tide_path("sweep");
	manual = clock_manual(UINT64_C(1700000000000));
	a_record_is_damaged();
	a_deleted_item_is_damaged();
	a_deleted_row_is_no_item();
	clock_drop(manual);
	return 0;
}
