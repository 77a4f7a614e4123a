/* catalog.c - the tables and streams of a file, cached in memory. */
#include "table/catalog.h"

#include <string.h>

#include "base/memory.h"

#define NAME_KEY_MAX (1 + TABLE_NAME_MAX)
#define DROPPED_KEY 5

/* --- the row of the state --- */

static const uint8_t state_key[] = { META_STATE };

int state_read(struct txn *txn, struct state *state)
{
	struct slice key = slice_of(state_key, sizeof state_key), value, payload;
	int err = txn_get(txn, TREE_META, key, &value);

	if (!err)
		err = row_open(key, value, &payload);
	if (!err)
		err = state_get(state, payload);
	return err == END ? ERR_CORRUPT : err;
}

int state_write(struct txn *txn, const struct state *state, struct buffer *scratch)
{
	struct slice key = slice_of(state_key, sizeof state_key);
	int err;

	row_start(scratch);
	state_put(scratch, state);
	err = row_seal(scratch, key);
	return err ? err : txn_put(txn, TREE_META, key, buffer_slice(scratch));
}

/* --- tables --- */

static struct slice name_key(uint8_t bytes[NAME_KEY_MAX], struct slice name)
{
	bytes[0] = META_TABLE;
	memcpy(bytes + 1, name.data, name.len);
	return slice_of(bytes, 1 + name.len);
}

static struct slice dropped_key(uint8_t bytes[DROPPED_KEY], uint32_t table)
{
	bytes[0] = META_DROPPED;
	set_u32(bytes + 1, table);
	return slice_of(bytes, DROPPED_KEY);
}

int catalog_put_table(struct txn *txn, const struct table_row *row)
{
	uint8_t bytes[NAME_KEY_MAX];
	struct buffer value = { 0 };

	row_start(&value);
	table_put(&value, row);
	return meta_write(txn, name_key(bytes, slice_of_text(row->name)), &value);
}

int catalog_delete_table(struct txn *txn, struct slice name)
{
	uint8_t bytes[NAME_KEY_MAX];
	int err = txn_delete(txn, TREE_META, name_key(bytes, name));

	return err == END ? ERR_CORRUPT : err;
}

int catalog_put_dropped(struct txn *txn, uint32_t table, struct slice name)
{
	uint8_t bytes[DROPPED_KEY];
	struct buffer value = { 0 };

	row_start(&value);
	buffer_put_counted(&value, name);
	return meta_write(txn, dropped_key(bytes, table), &value);
}

int catalog_delete_dropped(struct txn *txn, uint32_t table)
{
	uint8_t bytes[DROPPED_KEY];
	int err = txn_delete(txn, TREE_META, dropped_key(bytes, table));

	return err == END ? ERR_CORRUPT : err;
}

/* --- loading --- */

static int add(struct catalog *catalog, const struct table *table)
{
	if (catalog->count == catalog->cap) {
		size_t cap = catalog->cap ? catalog->cap * 2 : 8;
		struct table *tables = memory_realloc(catalog->tables, cap * sizeof *tables);

		if (!tables)
			return ERR_NO_MEMORY;
		catalog->tables = tables;
		catalog->cap = cap;
	}
	catalog->tables[catalog->count++] = *table;
	return 0;
}

static int read_row(struct table *table, struct slice key, struct slice value)
{
	struct slice name = slice_of(key.data + 1, key.len - 1), payload;
	int err = row_open(key, value, &payload);

	*table = (struct table){ 0 };
	if (!err && !is_table_name(name))
		err = ERR_CORRUPT;
	if (!err)
		err = table_get(&table->row, payload);
	if (!err)
		memcpy(table->row.name, name.data, name.len);
	return err;
}

int catalog_add_row(struct catalog *catalog, struct slice key, struct slice value)
{
	struct table table;
	int err = read_row(&table, key, value);

	return err ? err : add(catalog, &table);
}

int catalog_read_table(struct txn *txn, struct slice name, struct table *table)
{
	uint8_t bytes[NAME_KEY_MAX];
	struct slice key = name_key(bytes, name), value;
	int err = txn_get(txn, TREE_META, key, &value);

	return err ? err : read_row(table, key, value);
}

static int load_tables(struct catalog *catalog, struct txn *txn)
{
	uint8_t start = META_TABLE;
	struct slice key = slice_of(&start, 1), value;
	struct cursor *cursor;
	int err = txn_cursor(txn, TREE_META, &cursor);

	catalog->count = 0;
	if (!err)
		err = cursor_move(cursor, MOVE_FROM, &key, &value);
	while (!err && key.len > 1 && key.data[0] == META_TABLE) {
		err = catalog_add_row(catalog, key, value);
		if (!err)
			err = cursor_move(cursor, MOVE_NEXT, &key, &value);
	}
	return err < 0 ? err : 0;
}

static int load_dropped(struct catalog *catalog, struct txn *txn)
{
	uint8_t bytes[DROPPED_KEY];
	struct slice key = dropped_key(bytes, 0), value;
	struct cursor *cursor;
	int err = txn_cursor(txn, TREE_META, &cursor);

	catalog->dropped = 0;
	if (!err)
		err = cursor_move(cursor, MOVE_FROM, &key, &value);
	if (!err && key.len == DROPPED_KEY && key.data[0] == META_DROPPED)
		catalog->dropped = get_u32(key.data + 1);
	return err < 0 ? err : 0;
}

int catalog_refresh(struct catalog *catalog, struct txn *txn, const struct state *state)
{
	int err;

	if (catalog->version == state->catalog_version)
		return 0;
	catalog->version = 0;
	err = load_tables(catalog, txn);
	if (!err)
		err = load_dropped(catalog, txn);
	if (!err)
		err = streams_load(&catalog->streams, txn);
	if (!err)
		catalog->version = state->catalog_version;
	return err;
}

const struct table *catalog_find(const struct catalog *catalog, struct slice name)
{
	size_t low = 0, high = catalog->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct table *table = &catalog->tables[middle];
		int order = slice_compare(slice_of_text(table->row.name), name);

		if (order == 0)
			return table;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

void catalog_release(struct catalog *catalog)
{
	memory_free(catalog->tables);
	streams_release(&catalog->streams);
	*catalog = (struct catalog){ 0 };
}
