/* fuzz_catalog.c - any rows in `meta`: a sorted catalog that finds each name, each stream and an
 * index in progress, or CORRUPT.
 *
 *     for each row: kind of key, how the payload is built (u8 each), the rest of the key
 *     (length and bytes), the payload (length and bytes)
 */
#include "fuzz/rows.h"
#include "table/catalog.h"

#define ROWS_MAX 24

static const uint8_t kinds[] = { META_STATE, META_TABLE, META_DROPPED, META_STREAM, META_HORIZON,
	META_INDEX };

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
		fuzz_row(txn, TREE_META, slice_of(bytes, 1 + rest.len), payload, how >= 0xf0);
	}
}

static void check_order(struct txn *txn, const struct catalog *catalog)
{
	for (size_t i = 0; i < catalog->count; i++) {
		struct slice name = slice_of_text(catalog->tables[i]->row.name);
		struct table table;

		CHECK(is_table_name(name));
		CHECK(catalog_find(catalog, name) == catalog->tables[i]);
		CHECK_EQUAL_INT(catalog_read_table(txn, name, &table), 0);
		CHECK_BYTES(&table, sizeof table, catalog->tables[i], sizeof table);
		CHECK(i == 0 || slice_compare(slice_of_text(catalog->tables[i - 1]->row.name),
			name) < 0);
	}
	for (size_t i = 0; i < catalog->streams.count; i++) {
		uint32_t id = catalog->streams.all[i].row.id;
		struct horizon horizon;

		CHECK(streams_find(&catalog->streams, id) == &catalog->streams.all[i]);
		CHECK(i == 0 || catalog->streams.all[i - 1].row.id < id);
		fuzz_decoded(stream_horizon(txn, id, &horizon));
	}
}

/* Checks the list of tables with time to live, and reads the first index in progress. */
static void check_expiring(struct txn *txn, const struct catalog *catalog)
{
	size_t expiring = 0;
	struct index_row row;

	for (size_t i = 0; i < catalog->count; i++) {
		const struct time_to_live *ttl = &catalog->tables[i]->row.ttl;

		CHECK((ttl->index != 0) == (ttl->len != 0));
		if (!ttl->index)
			continue;
		CHECK(expiring < catalog->expiring_count);
		CHECK(catalog->expiring[expiring++] == catalog->tables[i]);
	}
	CHECK_EQUAL_UINT(expiring, catalog->expiring_count);
	if (catalog->index && fuzz_decoded(catalog_read_index(txn, catalog->index, &row)))
		CHECK_EQUAL_UINT(row.id, catalog->index);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source source = source_of(slice_of(data, size));
	static struct catalog catalog;
	struct txn *txn = fuzz_begin();
	struct state state = { 0 };

	put_rows(txn, &source);
	fuzz_decoded(state_read(txn, &state));
	state.catalog_version = catalog.version + 1;
	if (fuzz_decoded(catalog_refresh(&catalog, txn, &state))) {
		check_order(txn, &catalog);
		check_expiring(txn, &catalog);
	} else {
		CHECK_EQUAL_UINT(catalog.version, 0);
	}
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
			.retention = { 1000, 0, 0 }, .label = "2026-01-31T12:00:00.000",
			.table_name = "orders", .schema = schema };
		struct horizon horizon = { i, i, i, i };
		char name[] = "table_0";

		name[6] = (char)('0' + (n + i) % 7);
		set_u32(id, i);
		if (i % 2)
			table.ttl = ttl;
		table_put(&payload, &table);
		put_row(out, META_TABLE, slice_of_text(name), &payload);
		stream_put(&payload, &stream);
		put_row(out, META_STREAM, slice_of(id, sizeof id), &payload);
		horizon_put(&payload, &horizon);
		put_row(out, META_HORIZON, slice_of(id, sizeof id), &payload);
		index_put(&payload, &index);
		put_row(out, META_INDEX, slice_of(id, sizeof id), &payload);
		buffer_put_counted(&payload, slice_of_text("dropped"));
		put_row(out, META_DROPPED, slice_of(id, sizeof id), &payload);
	}
	state_put(&payload, &state);
	put_row(out, META_STATE, slice_of(NULL, 0), &payload);
	return n < 10;
}
