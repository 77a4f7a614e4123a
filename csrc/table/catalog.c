/* catalog.c - the tables and streams of a file, cached in memory. */
#include "table/catalog.h"

#include <string.h>

#include "base/memory.h"

#define NAME_KEY_MAX (1 + TABLE_NAME_MAX)
#define ID_KEY 5

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

static struct slice id_key(uint8_t bytes[ID_KEY], uint8_t kind, uint32_t id)
{
	bytes[0] = kind;
	set_u32(bytes + 1, id);
	return slice_of(bytes, ID_KEY);
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
	uint8_t bytes[ID_KEY];
	struct buffer value = { 0 };

	row_start(&value);
	buffer_put_counted(&value, name);
	return meta_write(txn, id_key(bytes, META_DROPPED, table), &value);
}

int catalog_delete_dropped(struct txn *txn, uint32_t table)
{
	uint8_t bytes[ID_KEY];
	int err = txn_delete(txn, TREE_META, id_key(bytes, META_DROPPED, table));

	return err == END ? ERR_CORRUPT : err;
}

int catalog_put_index(struct txn *txn, const struct index_row *row)
{
	uint8_t bytes[ID_KEY];
	struct buffer value = { 0 };

	row_start(&value);
	index_put(&value, row);
	return meta_write(txn, id_key(bytes, META_INDEX, row->id), &value);
}

int catalog_delete_index(struct txn *txn, uint32_t index)
{
	uint8_t bytes[ID_KEY];
	int err = txn_delete(txn, TREE_META, id_key(bytes, META_INDEX, index));

	return err == END ? ERR_CORRUPT : err;
}

int catalog_read_index(struct txn *txn, uint32_t index, struct index_row *row)
{
	uint8_t bytes[ID_KEY];
	struct slice key = id_key(bytes, META_INDEX, index), value, payload;
	int err = txn_get(txn, TREE_META, key, &value);

	if (!err)
		err = row_open(key, value, &payload);
	row->id = index;
	return err ? err : index_get(row, payload);
}

/* --- loading --- */

/* Returns the memory of a new table, which is tables[count]; NULL if there is none. */
static struct table *make_room(struct catalog *catalog)
{
	struct table *table;

	if (catalog->count < catalog->allocated)
		return catalog->tables[catalog->count];
	if (catalog->count == catalog->cap) {
		struct table **tables = memory_grow(catalog->tables, &catalog->cap, sizeof *tables);

		if (!tables)
			return NULL;
		catalog->tables = tables;
	}
	table = memory_alloc(sizeof *table);
	if (table)
		catalog->tables[catalog->allocated++] = table;
	return table;
}

/* Enters the new table, which is tables[count], at its place by name. */
static int enter(struct catalog *catalog, size_t place)
{
	struct table *table = catalog->tables[catalog->count];

	if (table->row.ttl.index && catalog->expiring_count == catalog->expiring_cap) {
		struct table **expiring = memory_grow(catalog->expiring, &catalog->expiring_cap,
			sizeof *expiring);

		if (!expiring)
			return ERR_NO_MEMORY;
		catalog->expiring = expiring;
	}
	if (table->row.ttl.index)
		catalog->expiring[catalog->expiring_count++] = table;
	memmove(catalog->tables + place + 1, catalog->tables + place,
		(catalog->count - place) * sizeof *catalog->tables);
	catalog->tables[place] = table;
	catalog->count++;
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
	struct table *table = make_room(catalog);
	int err = table ? read_row(table, key, value) : ERR_NO_MEMORY;

	return err ? err : enter(catalog, catalog->count);
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
	catalog->expiring_count = 0;
	if (!err)
		err = cursor_move(cursor, MOVE_FROM, &key, &value);
	while (!err && key.len > 1 && key.data[0] == META_TABLE) {
		err = catalog_add_row(catalog, key, value);
		if (!err)
			err = cursor_move(cursor, MOVE_NEXT, &key, &value);
	}
	return err < 0 ? err : 0;
}

/* Sets *id to the id of the first row of this kind; 0: there is none. */
static int load_first(struct txn *txn, uint8_t kind, uint32_t *id)
{
	uint8_t bytes[ID_KEY];
	struct slice key = id_key(bytes, kind, 0), value;
	struct cursor *cursor;
	int err = txn_cursor(txn, TREE_META, &cursor);

	*id = 0;
	if (!err)
		err = cursor_move(cursor, MOVE_FROM, &key, &value);
	if (!err && key.len == ID_KEY && key.data[0] == kind)
		*id = get_u32(key.data + 1);
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
		err = load_first(txn, META_DROPPED, &catalog->dropped);
	if (!err)
		err = load_first(txn, META_INDEX, &catalog->index);
	if (!err)
		err = streams_load(&catalog->streams, txn);
	if (!err)
		catalog->version = state->catalog_version;
	return err;
}

/* Returns the position of the first table whose name is not less. */
static size_t position_of(const struct catalog *catalog, struct slice name)
{
	size_t low = 0, high = catalog->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct slice other = slice_of_text(catalog->tables[middle]->row.name);

		if (slice_compare(other, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t catalog_position(const struct catalog *catalog, struct slice name)
{
	size_t at = position_of(catalog, name);

	return at < catalog->count && slice_equal(name,
		slice_of_text(catalog->tables[at]->row.name)) ? at : catalog->count;
}

static struct table *find(const struct catalog *catalog, struct slice name)
{
	size_t at = catalog_position(catalog, name);

	return at < catalog->count ? catalog->tables[at] : NULL;
}

const struct table *catalog_find(const struct catalog *catalog, struct slice name)
{
	return find(catalog, name);
}

int catalog_enter(struct catalog *catalog, const struct table_row *row,
	const struct stream_row *stream)
{
	struct table *table = make_room(catalog);
	int err = !table ? ERR_NO_MEMORY : stream ? streams_enter(&catalog->streams, stream) : 0;

	if (err)
		return err;
	*table = (struct table){ .row = *row };
	return enter(catalog, position_of(catalog, slice_of_text(row->name)));
}

const struct table *catalog_with_id(const struct catalog *catalog, uint32_t id)
{
	for (size_t i = 0; i < catalog->count; i++)
		if (catalog->tables[i]->row.id == id)
			return catalog->tables[i];
	return NULL;
}

void catalog_forget_expiries(struct catalog *catalog)
{
	for (size_t i = 0; i < catalog->expiring_count; i++)
		catalog->expiring[i]->next_expiry_ms = 0;
}

void catalog_set_expiry(struct catalog *catalog, const struct table *table, uint64_t expiry_ms)
{
	find(catalog, slice_of_text(table->row.name))->next_expiry_ms = expiry_ms;
}

void catalog_lower_expiry(struct catalog *catalog, const struct table *table, uint64_t expiry_ms)
{
	struct table *own = find(catalog, slice_of_text(table->row.name));

	if (own->next_expiry_ms > expiry_ms)
		own->next_expiry_ms = expiry_ms;
}

void catalog_release(struct catalog *catalog)
{
	for (size_t i = 0; i < catalog->allocated; i++)
		memory_free(catalog->tables[i]);
	memory_free(catalog->tables);
	memory_free(catalog->expiring);
	streams_release(&catalog->streams);
	*catalog = (struct catalog){ 0 };
}
