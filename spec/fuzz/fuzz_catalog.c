/* fuzz_catalog.c - any rows in `meta` and `catalog`: each table, stream, label and expiry index is
 * found as its row says, or is CORRUPT, and every enumeration ascends and ends.
 *
 *     for each row: kind of key, how the payload is built (u8 each), the rest of the key
 *     (length and bytes), the payload (length and bytes)
 */
#include "fuzz/rows.h"
#include "table/catalog.h"

#define ROWS_MAX 24

static const uint8_t kinds[] = { META_STATE, CATALOG_TABLE, CATALOG_DROPPED, CATALOG_STREAM,
	CATALOG_HORIZON, CATALOG_INDEX, CATALOG_EXPIRY, CATALOG_LABEL, CATALOG_INCARNATION };

static struct catalog catalog;

static void put_rows(struct txn *txn, struct source *source)
{
	uint8_t bytes[STORE_KEY_MAX];

	for (int i = 0; i < ROWS_MAX && source_left(source); i++) {
		uint8_t kind = source_u8(source), how = source_u8(source);
		struct slice rest = source_counted(source), payload = source_counted(source);

		if (rest.len >= sizeof bytes)
			rest.len = sizeof bytes - 1;
		bytes[0] = kind < 0x50 ? kind : kinds[kind % sizeof kinds];
		memcpy(bytes + 1, rest.data, rest.len);
		fuzz_row(txn, bytes[0] < CATALOG_TABLE ? TREE_META : TREE_CATALOG,
			slice_of(bytes, 1 + rest.len), payload, how >= 0xf0);
	}
}

static int take_name(void *context, struct slice name)
{
	buffer_put_counted(context, name);
	return 0;
}

static void find_table(struct txn *txn, struct slice name)
{
	const struct table *found, *again;
	struct table read;
	int err = catalog_read_table(txn, name, &read);

	CHECK(err == 0 || err == ERR_CORRUPT || (err == END && name.len > TABLE_NAME_MAX));
	CHECK_EQUAL_INT(catalog_find(&catalog, txn, name, &found), err);
	if (err)
		return;
	CHECK(is_table_name(name));
	CHECK((read.row.ttl.index != 0) == (read.row.ttl.len != 0));
	CHECK_EQUAL_UINT(found->row.id, read.row.id);
	CHECK(slice_equal(slice_of_text(found->row.name), name));
	CHECK_EQUAL_INT(catalog_find(&catalog, txn, name, &again), 0);
	CHECK(again == found && catalog_cached(&catalog, name) == found);
}

static void check_tables(struct txn *txn)
{
	struct buffer names = { 0 };
	struct slice before = slice_of(NULL, 0);
	struct source source;

	fuzz_decoded(catalog_each_name(txn, take_name, &names));
	source = source_of(buffer_slice(&names));
	while (source_left(&source)) {
		struct slice name = source_counted(&source);

		CHECK(before.data == NULL || slice_compare(before, name) < 0);
		find_table(txn, name);
		before = name;
	}
	buffer_release(&names);
	for (size_t i = 1; i < catalog.count; i++)
		CHECK(strcmp(catalog.tables[i - 1]->row.name, catalog.tables[i]->row.name) < 0);
}

static void check_streams(struct txn *txn)
{
	uint32_t id = 0, before = 0, labelled;
	struct horizon horizon;
	struct stream *stream;

	while (stream_next_id(txn, &id) == 0) {
		CHECK(id > before);
		before = id;
		fuzz_decoded(stream_horizon(txn, id, &horizon));
		if (!fuzz_decoded(streams_find(&catalog.streams, txn, id, &stream)))
			continue;
		CHECK_EQUAL_UINT(stream->row.id, id);
		CHECK(streams_cached(&catalog.streams, id) == stream);
		if (stream_id_of_label(txn, slice_of_text(stream->row.table_name),
				slice_of_text(stream->row.label), &labelled) == 0)
			CHECK_EQUAL_INT(stream_remove(txn, &stream->row), 0);
	}
}

/* Checks the expiry indexes, and reads the first index in progress. */
static void check_indexes(struct txn *txn)
{
	const struct table *table;
	uint32_t index = 0, before = 0;
	struct index_row row;

	CHECK((catalog.expiring != 0) == (catalog_next_expiry(txn, &index) == 0));
	CHECK_EQUAL_UINT(catalog.expiring, index);
	for (; index > before; catalog_next_expiry(txn, &index)) {
		before = index;
		if (fuzz_decoded(catalog_find_expiring(&catalog, txn, index, &table)))
			CHECK_EQUAL_UINT(table->row.ttl.index, index);
	}
	if (catalog.index && fuzz_decoded(catalog_read_index(txn, catalog.index, &row)))
		CHECK_EQUAL_UINT(row.id, catalog.index);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source source = source_of(slice_of(data, size));
	struct txn *txn = fuzz_begin();
	struct state state = { 0 };

	put_rows(txn, &source);
	fuzz_decoded(state_read(txn, &state));
	state.catalog_version = catalog.version + 1;
	CHECK_EQUAL_INT(catalog_refresh(&catalog, txn, &state), 0);
	CHECK(catalog.count == 0 && catalog.streams.count == 0);
	check_tables(txn);
	check_indexes(txn);
	check_streams(txn);
	cancel_write(txn);
	return 0;
}

static void put_row(struct buffer *out, uint8_t kind, struct slice rest, struct buffer *payload)
{
	buffer_put_u8(out, kind);
	buffer_put_u8(out, 0);
	buffer_put_counted(out, rest);
	buffer_put_counted(out, buffer_slice(payload));
	buffer_release(payload);
}

bool fuzz_seed(unsigned n, struct buffer *out)
{
	struct key_schema schema = { .partition = { TYPE_S, 1, "p" }, .sort = { TYPE_N, 1, "s" } };
	struct state state = { .sequence = n };
	struct buffer payload = { 0 };
	uint8_t id[4];

	for (unsigned i = 1; i <= 1 + n % 4; i++) {
		struct time_to_live ttl = { .index = i, .len = 1, .name = "e" };
		struct table_row table = { .id = i, .schema = schema };
		struct index_row index = { .work = (uint8_t)(1 + n % 2), .table = i,
			.done = slice_of_text("key") };
		struct stream_row stream = { .table = i, .view = 4, .status = 1,
			.retention = { .age_ms = 1000 }, .label = "2026-01-31T12:00:00.000",
			.table_name = "orders", .schema = schema };
		struct horizon horizon = { i, i, i, i };
		char name[] = "table_0";

		name[6] = (char)('0' + (n + i) % 7);
		set_u32(id, i);
		if (i % 2)
			table.ttl = ttl;
		table_put(&payload, &table);
		put_row(out, CATALOG_TABLE, slice_of_text(name), &payload);
		stream_put(&payload, &stream);
		put_row(out, CATALOG_STREAM, slice_of(id, sizeof id), &payload);
		horizon_put(&payload, &horizon);
		put_row(out, CATALOG_HORIZON, slice_of(id, sizeof id), &payload);
		index_put(&payload, &index);
		put_row(out, CATALOG_INDEX, slice_of(id, sizeof id), &payload);
		buffer_put_counted(&payload, slice_of_text(name));
		put_row(out, CATALOG_EXPIRY, slice_of(id, sizeof id), &payload);
		buffer_put_u32(&payload, i);
		put_row(out, CATALOG_LABEL, slice_of_text("orders/2026-01-31T12:00:00.000"),
			&payload);
		buffer_put_counted(&payload, slice_of_text("dropped"));
		put_row(out, CATALOG_DROPPED, slice_of(id, sizeof id), &payload);
	}
	state_put(&payload, &state);
	put_row(out, META_STATE, slice_of(NULL, 0), &payload);
	return n < 10;
}
