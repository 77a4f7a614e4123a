/* catalog.c - reads and writes the rows that describe tables, and caches them. */
#include "table/catalog.h"

#include <stdatomic.h>
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

/* --- rows --- */

static struct slice name_key(uint8_t bytes[NAME_KEY_MAX], struct slice name)
{
	bytes[0] = CATALOG_TABLE;
	memcpy(bytes + 1, name.data, name.len);
	return slice_of(bytes, 1 + name.len);
}

static struct slice id_key(uint8_t bytes[ID_KEY], uint8_t kind, uint32_t id)
{
	bytes[0] = kind;
	set_u32(bytes + 1, id);
	return slice_of(bytes, ID_KEY);
}

static int delete_row(struct txn *txn, uint8_t kind, uint32_t id)
{
	uint8_t bytes[ID_KEY];
	int err = txn_delete(txn, TREE_CATALOG, id_key(bytes, kind, id));

	return err == END ? ERR_CORRUPT : err;
}

/* Writes a row that contains a table name. */
static int put_name(struct txn *txn, uint8_t kind, uint32_t id, struct slice name)
{
	uint8_t bytes[ID_KEY];
	struct buffer value = { 0 };

	row_start(&value);
	buffer_put_counted(&value, name);
	return row_write(txn, TREE_CATALOG, id_key(bytes, kind, id), &value);
}

int catalog_put_table(struct txn *txn, const struct table_row *row)
{
	uint8_t bytes[NAME_KEY_MAX];
	struct buffer value = { 0 };

	row_start(&value);
	table_put(&value, row);
	return row_write(txn, TREE_CATALOG, name_key(bytes, slice_of_text(row->name)), &value);
}

int catalog_delete_table(struct txn *txn, struct slice name)
{
	uint8_t bytes[NAME_KEY_MAX];
	int err = txn_delete(txn, TREE_CATALOG, name_key(bytes, name));

	return err == END ? ERR_CORRUPT : err;
}

int catalog_put_dropped(struct txn *txn, uint32_t table, struct slice name)
{
	return put_name(txn, CATALOG_DROPPED, table, name);
}

int catalog_delete_dropped(struct txn *txn, uint32_t table)
{
	return delete_row(txn, CATALOG_DROPPED, table);
}

int catalog_put_index(struct txn *txn, const struct index_row *row)
{
	uint8_t bytes[ID_KEY];
	struct buffer value = { 0 };

	row_start(&value);
	index_put(&value, row);
	return row_write(txn, TREE_CATALOG, id_key(bytes, CATALOG_INDEX, row->id), &value);
}

int catalog_delete_index(struct txn *txn, uint32_t index)
{
	return delete_row(txn, CATALOG_INDEX, index);
}

int catalog_read_index(struct txn *txn, uint32_t index, struct index_row *row)
{
	uint8_t bytes[ID_KEY];
	struct slice key = id_key(bytes, CATALOG_INDEX, index), value, payload;
	int err = txn_get(txn, TREE_CATALOG, key, &value);

	if (!err)
		err = row_open(key, value, &payload);
	row->id = index;
	return err ? err : index_get(row, payload);
}

int catalog_put_expiry(struct txn *txn, uint32_t index, struct slice name)
{
	return put_name(txn, CATALOG_EXPIRY, index, name);
}

int catalog_delete_expiry(struct txn *txn, uint32_t index)
{
	return delete_row(txn, CATALOG_EXPIRY, index);
}

int catalog_read_expiry(struct txn *txn, uint32_t index, struct slice *name)
{
	uint8_t bytes[ID_KEY];
	struct slice key = id_key(bytes, CATALOG_EXPIRY, index), value, payload;
	int err = txn_get(txn, TREE_CATALOG, key, &value);
	struct source source;

	if (!err)
		err = row_open(key, value, &payload);
	if (err)
		return err;
	source = source_of(payload);
	*name = source_counted(&source);
	return source_finish(&source);
}

static int read_table(struct table *table, struct slice key, struct slice value)
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

int catalog_read_table(struct txn *txn, struct slice name, struct table *table)
{
	uint8_t bytes[NAME_KEY_MAX];
	struct slice key, value;
	int err;

	if (name.len > TABLE_NAME_MAX)
		return END;
	key = name_key(bytes, name);
	err = txn_get(txn, TREE_CATALOG, key, &value);
	return err ? err : read_table(table, key, value);
}

int catalog_each_name(struct txn *txn, catalog_take_name *take, void *context)
{
	uint8_t start = CATALOG_TABLE;
	struct slice key = slice_of(&start, 1), value, payload;
	struct cursor *cursor;
	int err = txn_cursor(txn, TREE_CATALOG, &cursor);

	if (!err)
		err = cursor_move(cursor, MOVE_FROM, &key, &value);
	while (!err && key.data[0] == CATALOG_TABLE) {
		err = row_open(key, value, &payload);
		if (!err)
			err = take(context, slice_of(key.data + 1, key.len - 1));
		if (!err)
			err = cursor_move(cursor, MOVE_NEXT, &key, &value);
	}
	return err < 0 ? err : 0;
}

int catalog_next_expiry(struct txn *txn, uint32_t *index)
{
	return row_next_id(txn, CATALOG_EXPIRY, index);
}

/* --- the cache --- */

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

static struct table *cached(const struct catalog *catalog, struct slice name)
{
	size_t at = position_of(catalog, name);

	return at < catalog->count && slice_equal(name,
		slice_of_text(catalog->tables[at]->row.name)) ? catalog->tables[at] : NULL;
}

static int make_room(struct catalog *catalog)
{
	struct table **tables;

	if (catalog->count < catalog->cap)
		return 0;
	tables = memory_grow(catalog->tables, &catalog->cap, sizeof *tables);
	if (!tables)
		return ERR_NO_MEMORY;
	catalog->tables = tables;
	return 0;
}

int catalog_enter(struct catalog *catalog, const struct table *table,
	const struct table **entered)
{
	size_t at = position_of(catalog, slice_of_text(table->row.name));
	struct table *own = make_room(catalog) ? NULL : memory_alloc(sizeof *own);

	if (!own)
		return ERR_NO_MEMORY;
	*own = *table;
	memmove(catalog->tables + at + 1, catalog->tables + at,
		(catalog->count - at) * sizeof *catalog->tables);
	catalog->tables[at] = own;
	catalog->count++;
	*entered = own;
	return 0;
}

int catalog_add_row(struct catalog *catalog, struct slice key, struct slice value,
	const struct table **entered)
{
	struct table table;
	int err = read_table(&table, key, value);

	return err ? err : catalog_enter(catalog, &table, entered);
}

const struct table *catalog_cached(const struct catalog *catalog, struct slice name)
{
	return cached(catalog, name);
}

int catalog_find(struct catalog *catalog, struct txn *txn, struct slice name,
	const struct table **table)
{
	struct table read;
	int err;

	*table = cached(catalog, name);
	if (*table)
		return 0;
	err = catalog_read_table(txn, name, &read);
	return err ? err : catalog_enter(catalog, &read, table);
}

int catalog_find_expiring(struct catalog *catalog, struct txn *txn, uint32_t index,
	const struct table **table)
{
	struct slice name;
	int err = catalog_read_expiry(txn, index, &name);

	if (!err)
		err = catalog_find(catalog, txn, name, table);
	if (err)
		return err == END ? ERR_CORRUPT : err;
	return (*table)->row.ttl.index == index ? 0 : ERR_CORRUPT;
}

/* Returns a number that no catalog of this process has had. */
static uint64_t new_generation(void)
{
	static atomic_uint_least64_t last;

	return atomic_fetch_add(&last, 1) + 1;
}

static void clear(struct catalog *catalog)
{
	for (size_t i = 0; i < catalog->count; i++)
		memory_free(catalog->tables[i]);
	catalog->count = 0;
	catalog->generation = new_generation();
	streams_clear(&catalog->streams);
}

/* Sets *id to the lowest id of a row of this kind; 0: there is none. */
static int first_id(struct txn *txn, uint8_t kind, uint32_t *id)
{
	int err;

	*id = 0;
	err = row_next_id(txn, kind, id);
	return err < 0 ? err : 0;
}

int catalog_refresh(struct catalog *catalog, struct txn *txn, const struct state *state)
{
	int err;

	if (catalog->version == state->catalog_version)
		return 0;
	catalog->version = 0;
	clear(catalog);
	err = first_id(txn, CATALOG_DROPPED, &catalog->dropped);
	if (!err)
		err = first_id(txn, CATALOG_INDEX, &catalog->index);
	if (!err)
		err = first_id(txn, CATALOG_EXPIRY, &catalog->expiring);
	if (!err)
		catalog->version = state->catalog_version;
	return err;
}

void catalog_limit(struct catalog *catalog)
{
	if (catalog->count > CATALOG_CACHED_MAX || catalog->streams.count > CATALOG_CACHED_MAX)
		clear(catalog);
}

void catalog_release(struct catalog *catalog)
{
	clear(catalog);
	memory_free(catalog->tables);
	streams_release(&catalog->streams);
	*catalog = (struct catalog){ 0 };
}

/* --- expiry --- */

void catalog_forget_expiries(struct catalog *catalog)
{
	catalog->epoch++;
}

uint64_t catalog_expiry(const struct catalog *catalog, const struct table *table)
{
	return table->epoch == catalog->epoch ? table->next_expiry_ms : 0;
}

void catalog_set_expiry(struct catalog *catalog, const struct table *table, uint64_t expiry_ms)
{
	struct table *own = cached(catalog, slice_of_text(table->row.name));

	own->next_expiry_ms = expiry_ms;
	own->epoch = catalog->epoch;
}

void catalog_lower_expiry(struct catalog *catalog, const struct table *table, uint64_t expiry_ms)
{
	if (catalog_expiry(catalog, table) > expiry_ms)
		catalog_set_expiry(catalog, table, expiry_ms);
}
