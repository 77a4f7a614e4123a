/* test_stream_set.c - stream/stream_set.h: which streams a feed reads. */
#include "stream/stream_set.h"

#include <string.h>

#include "base/memory.h"
#include "unit/stores.h"

#define STREAMS 40

static bool exists[STREAMS + 1];

/* Creates the row of each stream with a probability of one half. */
static struct txn *begin_streams(struct store *store)
{
	struct txn *txn = begin_write(store);

	CHECK_EQUAL_INT(stream_write_of_tables(txn, 1), 0);
	exists[STREAM_OF_TABLES] = true;
	for (uint32_t id = STREAM_OF_TABLES + 1; id <= STREAMS; id++) {
		struct stream_row row = { .id = id, .table = 1, .view = VIEW_KEYS_ONLY,
			.status = STREAM_ENABLED, .retention = { .age_ms = 1000 }, .label = "label",
			.table_name = "orders", .schema = { .partition = { TYPE_S, 1, "p" } } };

		exists[id] = check_random_below(2);
		if (exists[id])
			CHECK_EQUAL_INT(stream_write_row(txn, &row), 0);
	}
	return txn;
}

/* The set contains the ids in `wanted`, and its streams are enumerated if they exist. */
static void check_members(struct txn *txn, const struct stream_set *set,
	const bool wanted[STREAMS + 1])
{
	struct stream_row row;
	uint32_t id = 0, with_row = 0;

	for (uint32_t i = 1; i <= STREAMS; i++) {
		CHECK(stream_set_has(set, i) == wanted[i]);
		if (!wanted[i] || !exists[i])
			continue;
		CHECK_EQUAL_INT(stream_set_next(set, txn, &id), 0);
		CHECK_EQUAL_UINT(id, i);
		CHECK_EQUAL_INT(stream_set_next_row(set, txn, &with_row, &row), 0);
		CHECK_EQUAL_UINT(with_row, i);
		CHECK_EQUAL_UINT(row.id, i);
		CHECK_EQUAL_STRING(row.table_name, i == STREAM_OF_TABLES ? "" : "orders");
	}
	CHECK_EQUAL_INT(stream_set_next(set, txn, &id), END);
	CHECK_EQUAL_INT(stream_set_next_row(set, txn, &with_row, &row), END);
}

static void check_set(struct txn *txn, struct slice ids, const bool wanted[STREAMS + 1])
{
	struct stream_set set = { 0 };

	CHECK_EQUAL_INT(stream_set_init(&set, ids), 0);
	check_members(txn, &set, wanted);
	stream_set_release(&set);
}

static void sets_of_any_size(struct store *store)
{
	struct txn *txn = begin_streams(store);

	for (int round = 0; round < 200; round++) {
		uint64_t percent = check_random_below(101);
		bool wanted[STREAMS + 1] = { false };
		struct buffer ids = { 0 };

		for (uint32_t id = 1; id <= STREAMS; id++) {
			wanted[id] = check_random_below(100) < percent || id == STREAMS / 2;
			if (wanted[id])
				buffer_put_u32(&ids, id);
		}
		check_set(txn, buffer_slice(&ids), wanted);
		buffer_release(&ids);
	}
	for (uint32_t id = 1; id <= STREAMS; id++) {
		bool wanted[STREAMS + 1] = { false };
		uint8_t bytes[4];

		wanted[id] = true;
		set_u32(bytes, id);
		check_set(txn, slice_of(bytes, sizeof bytes), wanted);
	}
	cancel_write(txn);
}

/* A set of all streams contains that of the changes of tables only if it is asked for. */
static void all_streams(struct store *store)
{
	struct txn *txn = begin_streams(store);
	struct stream_set with_tables = { .with_tables = true };
	bool wanted[STREAMS + 1];

	memset(wanted, true, sizeof wanted);
	check_members(txn, &with_tables, wanted);
	wanted[STREAM_OF_TABLES] = false;
	check_set(txn, slice_of(NULL, 0), wanted);
	cancel_write(txn);
}

/* The id of a damaged row is known, so the caller can report it. */
static void a_row_is_damaged(struct store *store)
{
	struct txn *txn = begin_write(store);
	uint8_t key[5] = { CATALOG_STREAM, 0, 0, 0, 7 };
	struct buffer bytes = { 0 };
	struct stream_set set = { 0 };
	struct stream_row row;
	uint32_t id = 0;

	CHECK_EQUAL_INT(txn_put(txn, TREE_CATALOG, slice_of(key, sizeof key),
		slice_of_text("no row")), 0);
	CHECK_EQUAL_INT(stream_set_next_row(&set, txn, &id, &row), ERR_CORRUPT);
	CHECK_EQUAL_UINT(id, 7);
	CHECK_EQUAL_INT(stream_read_bytes(txn, 7, &bytes), ERR_CORRUPT);
	CHECK_EQUAL_INT(stream_read_bytes(txn, 8, &bytes), END);
	CHECK_EQUAL_UINT(bytes.len, 0);
	cancel_write(txn);
}

/* The bytes of a row are those that stream_put writes. */
static void a_row_is_read_as_bytes(struct store *store)
{
	struct txn *txn = begin_write(store);
	struct buffer bytes = { 0 };
	struct stream_row row = { .id = 3, .table = 1, .view = VIEW_KEYS_ONLY,
		.status = STREAM_ENABLED, .retention = { .age_ms = 1000 }, .label = "label",
		.table_name = "orders", .schema = { .partition = { TYPE_S, 1, "p" } } }, read;

	CHECK_EQUAL_INT(stream_write_row(txn, &row), 0);
	CHECK_EQUAL_INT(stream_read_bytes(txn, 3, &bytes), 0);
	CHECK_EQUAL_INT(stream_get(&read, buffer_slice(&bytes)), 0);
	CHECK_EQUAL_STRING(read.label, "label");
	CHECK_EQUAL_UINT(read.retention.age_ms, 1000);
	buffer_clear(&bytes);
	buffer_release(&bytes);
	memory_fail_after(0);
	CHECK_EQUAL_INT(stream_read_bytes(txn, 3, &bytes), ERR_NO_MEMORY);
	memory_fail_after(-1);
	cancel_write(txn);
}

int main(void)
{
	struct store *store = open_small(store_path("stream_set"));

	sets_of_any_size(store);
	all_streams(store);
	a_row_is_damaged(store);
	a_row_is_read_as_bytes(store);
	store_close(store);
	return 0;
}
