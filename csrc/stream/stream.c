/* stream.c - reads and writes the rows that describe streams.
 *
 *     meta   0x20, stream id (u32)   stream          codec/schema.h
 *     meta   0x21, stream id (u32)   trim horizon
 */
#include "stream/stream.h"

#include "base/memory.h"
#include "codec/state.h"

#define META_KEY 5

static struct slice meta_key(uint8_t bytes[META_KEY], uint8_t kind, uint32_t id)
{
	bytes[0] = kind;
	set_u32(bytes + 1, id);
	return slice_of(bytes, META_KEY);
}

/* --- the set of streams --- */

static int append_stream(struct streams *streams, const struct stream *stream)
{
	if (streams->count == streams->cap) {
		struct stream *all = memory_grow(streams->all, &streams->cap, sizeof *all);

		if (!all)
			return ERR_NO_MEMORY;
		streams->all = all;
	}
	if (streams->count && stream->row.created_ms <
			streams->all[streams->count - 1].row.created_ms)
		streams->is_unordered = true;
	streams->all[streams->count++] = *stream;
	return 0;
}

int streams_enter(struct streams *streams, const struct stream_row *row)
{
	return append_stream(streams, &(struct stream){ .row = *row });
}

int streams_add_row(struct streams *streams, struct slice key, struct slice value)
{
	struct stream stream = { 0 };
	struct slice payload;
	int err = row_open(key, value, &payload);

	if (!err)
		err = stream_get(&stream.row, payload);
	if (err)
		return err;
	stream.row.id = get_u32(key.data + 1);
	return stream.row.id ? append_stream(streams, &stream) : ERR_CORRUPT;
}

int streams_load(struct streams *streams, struct txn *txn)
{
	uint8_t bytes[META_KEY];
	struct slice key = meta_key(bytes, META_STREAM, 0), value;
	struct cursor *cursor;
	int err = txn_cursor(txn, TREE_META, &cursor);

	streams->count = 0;
	streams->is_unordered = false;
	if (!err)
		err = cursor_move(cursor, MOVE_FROM, &key, &value);
	while (!err && key.len == META_KEY && key.data[0] == META_STREAM) {
		err = streams_add_row(streams, key, value);
		if (!err)
			err = cursor_move(cursor, MOVE_NEXT, &key, &value);
	}
	return err == END ? 0 : err;
}

void streams_release(struct streams *streams)
{
	memory_free(streams->all);
	*streams = (struct streams){ 0 };
}

struct stream *streams_find(const struct streams *streams, uint32_t id)
{
	size_t low = 0, high = streams->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (streams->all[middle].row.id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < streams->count && streams->all[low].row.id == id ? &streams->all[low] : NULL;
}

/* --- bounds --- */

int stream_horizon(struct txn *txn, uint32_t id, struct horizon *horizon)
{
	uint8_t bytes[META_KEY];
	struct slice key = meta_key(bytes, META_HORIZON, id), value, payload;
	int err = txn_get(txn, TREE_META, key, &value);

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

int meta_write(struct txn *txn, struct slice key, struct buffer *value)
{
	int err = row_seal(value, key);

	if (!err)
		err = txn_put(txn, TREE_META, key, buffer_slice(value));
	buffer_release(value);
	return err;
}

int stream_write_row(struct txn *txn, const struct stream_row *row)
{
	struct buffer value = { 0 };
	uint8_t bytes[META_KEY];

	row_start(&value);
	stream_put(&value, row);
	return meta_write(txn, meta_key(bytes, META_STREAM, row->id), &value);
}

int stream_write_horizon(struct txn *txn, uint32_t id, const struct horizon *horizon)
{
	struct buffer value = { 0 };
	uint8_t bytes[META_KEY];

	row_start(&value);
	horizon_put(&value, horizon);
	return meta_write(txn, meta_key(bytes, META_HORIZON, id), &value);
}

int stream_remove(struct txn *txn, uint32_t id)
{
	uint8_t bytes[META_KEY];
	int err = txn_delete(txn, TREE_META, meta_key(bytes, META_HORIZON, id));

	if (err < 0)
		return err;
	err = txn_delete(txn, TREE_META, meta_key(bytes, META_STREAM, id));
	return err < 0 ? err : 0;
}
