/* stream.c - reads and writes the rows that describe streams, and caches them. */
#include "stream/stream.h"

#include <string.h>

#include "base/memory.h"

#define ID_KEY 5
#define LABEL_KEY_MAX (1 + TABLE_NAME_MAX + 1 + LABEL_MAX)
#define LABEL_SEPARATOR '/'      /* no table name contains it */

static struct slice id_key(uint8_t bytes[ID_KEY], uint8_t kind, uint32_t id)
{
	bytes[0] = kind;
	set_u32(bytes + 1, id);
	return slice_of(bytes, ID_KEY);
}

/* The caller ensures that name and label are not too long. */
static struct slice label_key(uint8_t bytes[LABEL_KEY_MAX], struct slice table_name,
	struct slice label)
{
	bytes[0] = CATALOG_LABEL;
	memcpy(bytes + 1, table_name.data, table_name.len);
	bytes[1 + table_name.len] = LABEL_SEPARATOR;
	memcpy(bytes + 2 + table_name.len, label.data, label.len);
	return slice_of(bytes, 2 + table_name.len + label.len);
}

/* --- the cache --- */

/* Returns the position of the first stream whose id is not less. */
static size_t position_of(const struct streams *streams, uint32_t id)
{
	size_t low = 0, high = streams->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (streams->all[middle]->row.id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct stream *streams_cached(const struct streams *streams, uint32_t id)
{
	size_t at = position_of(streams, id);

	return at < streams->count && streams->all[at]->row.id == id ? streams->all[at] : NULL;
}

static int make_room(struct streams *streams)
{
	struct stream **all;

	if (streams->count < streams->cap)
		return 0;
	all = memory_grow(streams->all, &streams->cap, sizeof *all);
	if (!all)
		return ERR_NO_MEMORY;
	streams->all = all;
	return 0;
}

/* Caches a stream that is not cached yet. */
static int enter(struct streams *streams, const struct stream_row *row, struct stream **entered)
{
	size_t at = position_of(streams, row->id);
	struct stream *stream = make_room(streams) ? NULL : memory_alloc(sizeof *stream);

	if (!stream)
		return ERR_NO_MEMORY;
	*stream = (struct stream){ .row = *row };
	memmove(streams->all + at + 1, streams->all + at,
		(streams->count - at) * sizeof *streams->all);
	streams->all[at] = stream;
	streams->count++;
	*entered = stream;
	return 0;
}

/* Decodes a row; its id is in the key. */
static int read_row(struct stream_row *row, struct slice key, struct slice value)
{
	struct slice payload;
	int err = row_open(key, value, &payload);

	*row = (struct stream_row){ 0 };
	if (!err)
		err = stream_get(row, payload);
	row->id = get_u32(key.data + 1);
	if (!err && (row->id == 0 || (row->id == STREAM_OF_TABLES) != (row->view == 0)))
		err = ERR_CORRUPT;
	return err;
}

int stream_read_row(struct txn *txn, uint32_t id, struct stream_row *row)
{
	uint8_t bytes[ID_KEY];
	struct slice key = id_key(bytes, CATALOG_STREAM, id), value;
	int err = txn_get(txn, TREE_CATALOG, key, &value);

	return err ? err : read_row(row, key, value);
}

int stream_read_bytes(struct txn *txn, uint32_t id, struct buffer *out)
{
	uint8_t bytes[ID_KEY];
	struct slice key = id_key(bytes, CATALOG_STREAM, id), value, payload;
	struct stream_row row;
	int err = txn_get(txn, TREE_CATALOG, key, &value);

	if (!err)
		err = read_row(&row, key, value);
	if (!err)
		err = row_open(key, value, &payload);
	if (err)
		return err;
	buffer_put_slice(out, payload);
	return buffer_error(out);
}

int streams_find(struct streams *streams, struct txn *txn, uint32_t id, struct stream **stream)
{
	struct stream_row row;
	int err;

	*stream = streams_cached(streams, id);
	if (*stream || id == 0)
		return *stream ? 0 : END;
	err = stream_read_row(txn, id, &row);
	return err ? err : enter(streams, &row, stream);
}

int streams_add_row(struct streams *streams, struct slice key, struct slice value)
{
	struct stream *entered;
	struct stream_row row;
	int err = read_row(&row, key, value);

	return err ? err : enter(streams, &row, &entered);
}

void streams_clear(struct streams *streams)
{
	for (size_t i = 0; i < streams->count; i++)
		memory_free(streams->all[i]);
	streams->count = 0;
}

void streams_release(struct streams *streams)
{
	streams_clear(streams);
	memory_free(streams->all);
	*streams = (struct streams){ 0 };
}

/* --- searching in the tree --- */

/* Moves to the next row of this kind. Sets *id, *key and *value. */
static int next_row(struct txn *txn, uint8_t kind, uint32_t *id, struct slice *key,
	struct slice *value)
{
	uint8_t bytes[ID_KEY];
	struct cursor *cursor;
	int err = *id == UINT32_MAX ? END : txn_cursor(txn, TREE_CATALOG, &cursor);

	*key = id_key(bytes, kind, *id + 1);
	if (!err)
		err = cursor_move(cursor, MOVE_FROM, key, value);
	if (err)
		return err;
	if (key->len != ID_KEY || key->data[0] != kind)
		return END;
	*id = get_u32(key->data + 1);
	return 0;
}

int row_next_id(struct txn *txn, uint8_t kind, uint32_t *id)
{
	struct slice key, value;

	return next_row(txn, kind, id, &key, &value);
}

int stream_next_row(struct txn *txn, uint32_t *id, struct stream_row *row)
{
	struct slice key, value;
	int err = next_row(txn, CATALOG_STREAM, id, &key, &value);

	return err ? err : read_row(row, key, value);
}

int stream_exists(struct txn *txn, uint32_t id, bool *exists)
{
	uint8_t bytes[ID_KEY];
	struct slice value;
	int err = txn_get(txn, TREE_CATALOG, id_key(bytes, CATALOG_STREAM, id), &value);

	*exists = !err;
	return err < 0 ? err : 0;
}

int stream_id_of_label(struct txn *txn, struct slice table_name, struct slice label,
	uint32_t *id)
{
	uint8_t bytes[LABEL_KEY_MAX];
	struct slice key, value, payload;
	int err;

	if (table_name.len > TABLE_NAME_MAX || label.len > LABEL_MAX)
		return END;
	key = label_key(bytes, table_name, label);
	err = txn_get(txn, TREE_CATALOG, key, &value);
	if (!err)
		err = row_open(key, value, &payload);
	if (err)
		return err;
	if (payload.len != 4)
		return ERR_CORRUPT;
	*id = get_u32(payload.data);
	return 0;
}

/* --- bounds --- */

int stream_horizon(struct txn *txn, uint32_t id, struct horizon *horizon)
{
	uint8_t bytes[ID_KEY];
	struct slice key = id_key(bytes, CATALOG_HORIZON, id), value, payload;
	int err = txn_get(txn, TREE_CATALOG, key, &value);

	*horizon = (struct horizon){ 0 };
	if (err)
		return err == END ? 0 : err;
	err = row_open(key, value, &payload);
	return err ? err : horizon_get(horizon, payload);
}

int stream_bounds(struct txn *txn, uint32_t id, struct bounds *bounds)
{
	struct horizon *horizon = &bounds->horizon;
	struct cursor *cursor;
	struct record last;
	int err = stream_horizon(txn, id, horizon);

	if (!err)
		err = txn_cursor(txn, TREE_LOG, &cursor);
	if (!err)
		err = log_last(cursor, id, &last);
	if (err < 0)
		return err;
	if (err == END)
		bounds->head = (struct stream_head){ horizon->removed, horizon->ordinal,
			horizon->stream_bytes, 0 };
	else
		bounds->head = (struct stream_head){ last.sequence, last.ordinal,
			last.stream_bytes, last.transaction };
	return 0;
}

int stream_load_bounds(struct streams *streams, struct stream *stream, struct txn *txn)
{
	int err;

	if (stream_is_known(streams, stream))
		return 0;
	stream->hint = (struct trim_hint){ 0 };
	err = stream_bounds(txn, stream->row.id, &stream->bounds);
	stream->epoch = err ? 0 : streams->epoch;
	return err;
}

/* --- rows --- */

int row_write(struct txn *txn, enum tree tree, struct slice key, struct buffer *value)
{
	int err = row_seal(value, key);

	if (!err)
		err = txn_put(txn, tree, key, buffer_slice(value));
	buffer_release(value);
	return err;
}

int stream_write_row(struct txn *txn, const struct stream_row *row)
{
	struct buffer value = { 0 };
	uint8_t bytes[ID_KEY];

	row_start(&value);
	stream_put(&value, row);
	return row_write(txn, TREE_CATALOG, id_key(bytes, CATALOG_STREAM, row->id), &value);
}

int stream_write_of_tables(struct txn *txn, uint64_t now_ms)
{
	const struct stream_row row = {
		.id = STREAM_OF_TABLES,
		.status = STREAM_ENABLED,
		.created_ms = now_ms,
		.retention = { .age_ms = UINT64_MAX },
	};

	return stream_write_row(txn, &row);
}

int stream_write_horizon(struct txn *txn, uint32_t id, const struct horizon *horizon)
{
	struct buffer value = { 0 };
	uint8_t bytes[ID_KEY];

	row_start(&value);
	horizon_put(&value, horizon);
	return row_write(txn, TREE_CATALOG, id_key(bytes, CATALOG_HORIZON, id), &value);
}

int stream_write_label(struct txn *txn, const struct stream_row *row)
{
	struct buffer value = { 0 };
	uint8_t bytes[LABEL_KEY_MAX];

	row_start(&value);
	buffer_put_u32(&value, row->id);
	return row_write(txn, TREE_CATALOG, label_key(bytes, slice_of_text(row->table_name),
		slice_of_text(row->label)), &value);
}

bool stream_label_key(struct slice key, struct slice *table_name, struct slice *label)
{
	const uint8_t *end = key.len > 1 && key.data[0] == CATALOG_LABEL ?
		memchr(key.data + 1, LABEL_SEPARATOR, key.len - 1) : NULL;

	if (!end)
		return false;
	*table_name = slice_of(key.data + 1, (size_t)(end - key.data) - 1);
	*label = slice_of(end + 1, key.len - table_name->len - 2);
	return is_table_name(*table_name) && label->len >= 1 && label->len <= LABEL_MAX;
}

int stream_find_rows(struct txn *txn, const struct stream_row *row)
{
	uint8_t bytes[LABEL_KEY_MAX];
	struct slice value;
	int err = txn_get(txn, TREE_CATALOG, id_key(bytes, CATALOG_HORIZON, row->id), &value);

	if (err >= 0)
		err = txn_get(txn, TREE_CATALOG, id_key(bytes, CATALOG_STREAM, row->id), &value);
	if (err >= 0)
		err = txn_get(txn, TREE_CATALOG, label_key(bytes, slice_of_text(row->table_name),
			slice_of_text(row->label)), &value);
	return err < 0 ? err : 0;
}

int stream_remove(struct txn *txn, const struct stream_row *row)
{
	uint8_t bytes[LABEL_KEY_MAX];
	int err = txn_delete(txn, TREE_CATALOG, id_key(bytes, CATALOG_HORIZON, row->id));

	if (err >= 0)
		err = txn_delete(txn, TREE_CATALOG, id_key(bytes, CATALOG_STREAM, row->id));
	if (err >= 0)
		err = txn_delete(txn, TREE_CATALOG, label_key(bytes,
			slice_of_text(row->table_name), slice_of_text(row->label)));
	return err < 0 ? err : 0;
}
