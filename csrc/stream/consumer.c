/* consumer.c - reads and writes the rows of consumers. */
#include "stream/consumer.h"

#include "codec/state.h"

#define ROW_MAX 2028             /* of key and value, so that two rows fit in a page */
#define ID_KEY 9                 /* kind and consumer id */
#define NAME_KEY (1 + CONSUMER_NAME_MAX)

/* --- keys --- */

static struct slice name_key(uint8_t bytes[NAME_KEY], struct slice name)
{
	bytes[0] = CONSUMER_ROW;
	return slice_of(bytes, (size_t)(slice_write(bytes + 1, name) - bytes));
}

static void set_id_key(uint8_t *bytes, uint8_t kind, uint64_t id)
{
	bytes[0] = kind;
	set_u64(bytes + 1, id);
}

static struct slice shard_key(uint8_t bytes[CONSUMER_SHARD_KEY], uint8_t kind, uint64_t id,
	uint16_t shard)
{
	set_id_key(bytes, kind, id);
	set_u16(bytes + ID_KEY, shard);
	return slice_of(bytes, CONSUMER_SHARD_KEY);
}

static struct slice progress_key(uint8_t bytes[CONSUMER_SHARD_KEY], uint64_t id, uint16_t shard)
{
	return shard_key(bytes, CONSUMER_PROGRESS, id, shard);
}

static struct slice floor_key(uint8_t bytes[CONSUMER_STREAM_KEY], uint64_t id, uint32_t stream)
{
	set_id_key(bytes, CONSUMER_FLOOR, id);
	set_u32(bytes + ID_KEY, stream);
	return slice_of(bytes, CONSUMER_STREAM_KEY);
}

/* Removes all rows of this kind that a consumer has. */
static int remove_rows(struct txn *txn, uint8_t kind, uint64_t id)
{
	uint8_t prefix[ID_KEY];
	struct slice key, value;
	struct cursor *cursor;
	int err = txn_cursor(txn, TREE_CONSUMERS, &cursor);

	set_id_key(prefix, kind, id);
	while (!err) {
		key = slice_of(prefix, ID_KEY);
		err = cursor_move(cursor, MOVE_FROM, &key, &value);
		if (!err && !slice_begins(key, slice_of(prefix, ID_KEY)))
			return 0;
		if (!err)
			err = cursor_delete(cursor);
	}
	return err == END ? 0 : err;
}

/* --- consumers --- */

int consumer_read(struct consumer_row *row, struct txn *txn, struct slice name)
{
	uint8_t bytes[NAME_KEY];
	struct slice key, value, payload;
	int err;

	if (!is_consumer_name(name))
		return END;
	key = name_key(bytes, name);
	err = txn_get(txn, TREE_CONSUMERS, key, &value);
	if (!err)
		err = row_open(key, value, &payload);
	return err ? err : consumer_get(row, payload);
}

int consumer_failed(struct failure *failure, int err, struct slice name)
{
	int len = name.len > CONSUMER_NAME_MAX ? CONSUMER_NAME_MAX : (int)name.len;

	if (err == END)
		return fail_as(failure, ERR_NOT_FOUND,
			"Requested resource not found: Consumer: %.*s not found", len,
			(const char *)name.data);
	return err ? fail_about(failure, err, "consumer %.*s", len, (const char *)name.data) : 0;
}

int consumer_write(struct txn *txn, struct slice name, const struct consumer_row *row)
{
	struct buffer value = { 0 };
	uint8_t bytes[NAME_KEY];
	struct slice key = name_key(bytes, name);

	row_start(&value);
	consumer_put(&value, row);
	if (value.len + key.len > ROW_MAX) {
		buffer_release(&value);
		return ERR_TOO_BIG;
	}
	return row_write(txn, TREE_CONSUMERS, key, &value);
}

int consumer_remove(struct txn *txn, struct slice name, uint64_t id)
{
	uint8_t bytes[NAME_KEY];
	int err = txn_delete(txn, TREE_CONSUMERS, name_key(bytes, name));

	if (!err)
		err = remove_rows(txn, CONSUMER_PROGRESS, id);
	if (!err)
		err = remove_rows(txn, CONSUMER_FLOOR, id);
	return err ? err : copy_remove(txn, id);
}

int consumer_names(struct buffer *names, struct txn *txn)
{
	const uint8_t kind = CONSUMER_ROW;
	struct slice key = slice_of(&kind, 1), value;
	struct cursor *cursor;
	int err = txn_cursor(txn, TREE_CONSUMERS, &cursor);

	if (!err)
		err = cursor_move(cursor, MOVE_FROM, &key, &value);
	while (!err && key.data[0] == CONSUMER_ROW) {
		buffer_put_counted(names, slice_of(key.data + 1, key.len - 1));
		err = cursor_move(cursor, MOVE_NEXT, &key, &value);
	}
	return err < 0 ? err : buffer_error(names);
}

/* --- progress --- */

/* Positions the cursor on the row that contains the shard: the last row whose first shard is not
 * after it. */
static int find_progress(struct cursor *cursor, struct slice wanted, struct slice *key,
	struct slice *value)
{
	int err;

	*key = wanted;
	err = cursor_move(cursor, MOVE_FROM, key, value);
	if (!err && slice_equal(*key, wanted))
		return 0;
	if (err < 0)
		return err;
	return cursor_move(cursor, err == END ? MOVE_LAST : MOVE_PREVIOUS, key, value);
}

int progress_read(struct progress_row *row, struct txn *txn, uint64_t id, uint16_t shard)
{
	uint8_t bytes[CONSUMER_SHARD_KEY];
	struct slice wanted = progress_key(bytes, id, shard), key, value, payload;
	struct cursor *cursor;
	int err = txn_get(txn, TREE_CONSUMERS, wanted, &value);

	key = wanted;
	if (err == END) {
		err = txn_cursor(txn, TREE_CONSUMERS, &cursor);
		if (!err)
			err = find_progress(cursor, wanted, &key, &value);
	}
	if (err)
		return err;
	if (key.len != CONSUMER_SHARD_KEY || !slice_begins(key, slice_of(bytes, ID_KEY)))
		return END;
	err = row_open(key, value, &payload);
	if (!err)
		err = progress_get(row, payload);
	if (err)
		return err;
	row->first = get_u16(key.data + ID_KEY);
	return row->first <= shard && shard <= row->last ? 0 : ERR_CORRUPT;
}

int progress_write(struct txn *txn, uint64_t id, const struct progress_row *row)
{
	struct buffer value = { 0 };
	uint8_t bytes[CONSUMER_SHARD_KEY];

	row_start(&value);
	progress_put(&value, row);
	return row_write(txn, TREE_CONSUMERS, progress_key(bytes, id, row->first), &value);
}

int progress_remove(struct txn *txn, uint64_t id, uint16_t first)
{
	uint8_t bytes[CONSUMER_SHARD_KEY];

	return txn_delete(txn, TREE_CONSUMERS, progress_key(bytes, id, first));
}

int progress_next(struct progress_row *row, struct txn *txn, uint64_t id, uint16_t *shard)
{
	uint8_t bytes[CONSUMER_SHARD_KEY];
	struct slice key = progress_key(bytes, id, *shard), value, payload;
	int err = txn_get(txn, TREE_CONSUMERS, key, &value);

	if (!err)
		err = row_open(key, value, &payload);
	if (!err)
		err = progress_get(row, payload);
	if (err)
		return err;
	row->first = *shard;
	*shard = (uint16_t)(row->last + 1u);
	return row->first <= row->last ? 0 : ERR_CORRUPT;
}

void progress_take_older(struct progress_row *row, const struct progress_row *other)
{
	if (other->position > row->position || (other->position == row->position &&
			other->moved_ms >= row->moved_ms))
		return;
	row->position = other->position;
	row->moved_ms = other->moved_ms;
}

int progress_read_oldest(struct progress_row *row, struct txn *txn, uint64_t id)
{
	struct progress_row next;
	uint16_t shard = 0;
	int err = progress_next(row, txn, id, &shard);

	if (err)
		return err;
	while ((err = progress_next(&next, txn, id, &shard)) == 0)
		progress_take_older(row, &next);
	return err == END ? 0 : err;
}

/* --- copies --- */

int copy_read(struct copy_row *row, struct txn *txn, uint64_t id)
{
	uint8_t bytes[CONSUMER_SHARD_KEY];
	struct slice key = shard_key(bytes, CONSUMER_COPY, id, 0), value, payload;
	int err = txn_get(txn, TREE_CONSUMERS, key, &value);

	if (!err)
		err = row_open(key, value, &payload);
	return err ? err : copy_get(row, payload);
}

int copy_write(struct txn *txn, uint64_t id, const struct copy_row *row)
{
	struct buffer value = { 0 };
	uint8_t bytes[CONSUMER_SHARD_KEY];

	row_start(&value);
	copy_put(&value, row);
	return row_write(txn, TREE_CONSUMERS, shard_key(bytes, CONSUMER_COPY, id, 0), &value);
}

int copy_remove(struct txn *txn, uint64_t id)
{
	return remove_rows(txn, CONSUMER_COPY, id);
}

/* --- floors --- */

static int write_floor(struct txn *txn, uint64_t id, uint32_t stream, uint64_t hidden,
	uint64_t last)
{
	struct buffer value = { 0 };
	uint8_t bytes[CONSUMER_STREAM_KEY];

	row_start(&value);
	buffer_put_u64(&value, hidden);
	buffer_put_u64(&value, last);
	return row_write(txn, TREE_CONSUMERS, floor_key(bytes, id, stream), &value);
}

int floors_write(struct txn *txn, uint64_t id, const struct feed *feed)
{
	int err = remove_rows(txn, CONSUMER_FLOOR, id);

	if (!err && feed->started > feed->position)
		err = write_floor(txn, id, 0, feed->started, feed->started);
	for (size_t i = 0; i < feed->floors.count && !err; i++) {
		const struct floor *floor = &feed->floors.all[i];

		if (floor->hidden > feed->position || (!feed->streams.one &&
				floor->last > feed->position))
			err = write_floor(txn, id, floor->stream, floor->hidden, floor->last);
	}
	return err;
}

int floor_read(uint64_t *floor, struct txn *txn, uint64_t id, uint32_t stream)
{
	uint8_t bytes[CONSUMER_STREAM_KEY];
	struct slice key = floor_key(bytes, id, stream), value, payload;
	int err = txn_get(txn, TREE_CONSUMERS, key, &value);

	if (!err && (row_open(key, value, &payload) || payload.len != CONSUMER_FLOOR_BYTES))
		err = ERR_CORRUPT;
	if (!err)
		*floor = get_u64(payload.data);
	return err;
}

static int add_floor(struct feed *feed, struct slice key, struct slice value)
{
	struct slice payload;
	uint32_t stream;

	if (key.len != CONSUMER_STREAM_KEY || row_open(key, value, &payload) ||
			payload.len != CONSUMER_FLOOR_BYTES)
		return ERR_CORRUPT;
	stream = get_u32(key.data + ID_KEY);
	if (stream == 0) {
		feed->started = get_u64(payload.data);
		return 0;
	}
	return floors_add(&feed->floors, (struct floor){ .stream = stream,
		.hidden = get_u64(payload.data), .last = get_u64(payload.data + 8) });
}

int floors_read(struct feed *feed, struct txn *txn, uint64_t id)
{
	uint8_t prefix[ID_KEY];
	struct slice key = slice_of(prefix, ID_KEY), value;
	struct cursor *cursor;
	int err = txn_cursor(txn, TREE_CONSUMERS, &cursor);

	set_id_key(prefix, CONSUMER_FLOOR, id);
	if (!err)
		err = cursor_move(cursor, MOVE_FROM, &key, &value);
	while (!err && slice_begins(key, slice_of(prefix, ID_KEY))) {
		err = add_floor(feed, key, value);
		if (!err)
			err = cursor_move(cursor, MOVE_NEXT, &key, &value);
	}
	return err == END ? 0 : err;
}
