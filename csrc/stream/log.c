/* log.c - records as rows of the log. */
#include "stream/log.h"

#include <assert.h>

#include "base/error.h"

/* --- writing --- */

#define PIECES 4               /* head, keys, old and new image */

/* The next len bytes of what is left of the pieces. */
static void write_share(uint8_t *to, size_t len, struct slice **pieces)
{
	while (len > 0) {
		struct slice *piece = *pieces;
		size_t take = piece->len < len ? piece->len : len;

		to = slice_write(to, slice_of(piece->data, take));
		len -= take;
		*piece = slice_of(piece->data + take, piece->len - take);
		if (piece->len == 0)
			++*pieces;
	}
}

/* Rows of at most LOG_SHARE from the pieces, len bytes in all, as if they were one. */
static int append_rows(struct txn *txn, uint8_t key[RECORD_KEY], uint16_t *part,
	struct slice *pieces, size_t len, bool at_end)
{
	struct slice name = slice_of(key, RECORD_KEY);

	while (len > 0) {
		size_t share = len < LOG_SHARE ? len : LOG_SHARE;
		uint8_t *row;
		int err;

		set_u16(key + 12, (*part)++);
		err = (at_end ? txn_append_room : txn_put_room)(txn, TREE_LOG, name,
			ROW_CHECKSUM + share, &row);
		if (err)
			return err;
		write_share(row + ROW_CHECKSUM, share, &pieces);
		row_seal_here(row, ROW_CHECKSUM + share, name);
		len -= share;
	}
	return 0;
}

int log_append(struct txn *txn, uint32_t stream, const struct record *record, bool at_end)
{
	uint8_t head[RECORD_HEAD_MAX], key[RECORD_KEY];
	struct slice pieces[PIECES] = {
		slice_of(head, record_put_head(record, head)), record->keys, record->old_image,
		record->new_image,
	};
	size_t whole = pieces[0].len + record_body(record);
	size_t first = whole <= LOG_SHARE ? whole : whole - record->new_image.len;
	uint16_t part = 0;
	int err;

	record_set_key(key, stream, record->sequence, 0);
	err = append_rows(txn, key, &part, pieces, first, at_end);
	return err ? err : append_rows(txn, key, &part, &pieces[3], whole - first, at_end);
}

int log_last_stream(struct txn *txn, uint32_t *stream)
{
	struct slice key, value;
	struct cursor *cursor;
	int err = txn_cursor(txn, TREE_LOG, &cursor);

	*stream = 0;
	if (!err)
		err = cursor_move(cursor, MOVE_LAST, &key, &value);
	if (err)
		return err < 0 ? err : 0;
	if (key.len != RECORD_KEY)
		return ERR_CORRUPT;
	*stream = get_u32(key.data);
	return 0;
}

/* --- reading --- */

static bool is_of(struct slice key, uint32_t stream)
{
	return key.len == RECORD_KEY && get_u32(key.data) == stream;
}

/* What a row that isn't the stream's means: its end, or damage that must not look
 * like it. */
static int beyond(struct slice key)
{
	return key.len == RECORD_KEY ? END : ERR_CORRUPT;
}

static uint64_t sequence_of(struct slice key)
{
	return get_u64(key.data + 4);
}

static uint16_t part_of(struct slice key)
{
	return get_u16(key.data + 12);
}

/* The head of the record whose first row this is. */
static int decode_head(struct slice key, struct slice share, struct record *head)
{
	int err = record_get_head(head, sequence_of(key), share);

	return !err && part_of(key) != 0 ? ERR_CORRUPT : err;
}

static int read_head(struct slice key, struct slice value, struct record *head)
{
	struct slice share;
	int err = row_open(key, value, &share);

	return err ? err : decode_head(key, share, head);
}

int log_seek(struct cursor *cursor, uint32_t stream, uint64_t sequence, struct record *head)
{
	uint8_t bytes[RECORD_KEY];
	struct slice key = slice_of(bytes, sizeof bytes), value;
	int err;

	record_set_key(bytes, stream, sequence, 0);
	err = cursor_move(cursor, MOVE_FROM, &key, &value);
	if (err)
		return err;
	return is_of(key, stream) ? read_head(key, value, head) : beyond(key);
}

/* The first row of the stream's next record. */
static int next_first_row(struct cursor *cursor, uint32_t stream, struct slice *key,
	struct slice *value)
{
	do {
		int err = cursor_move(cursor, MOVE_NEXT, key, value);

		if (err)
			return err;
		if (!is_of(*key, stream))
			return beyond(*key);
	} while (part_of(*key) != 0);
	return 0;
}

int log_next(struct cursor *cursor, uint32_t stream, struct record *head)
{
	struct slice key, value;
	int err = next_first_row(cursor, stream, &key, &value);

	return err ? err : read_head(key, value, head);
}

/* A head whose checksum is left to others. */
static int peek_head(struct slice key, struct slice value, struct record *head)
{
	if (value.len < ROW_CHECKSUM)
		return ERR_CORRUPT;
	return decode_head(key, slice_of(value.data + ROW_CHECKSUM, value.len - ROW_CHECKSUM),
		head);
}

int log_step(struct cursor *cursor, uint32_t stream, struct record *head)
{
	struct slice key, value;
	int err = next_first_row(cursor, stream, &key, &value);

	return err ? err : peek_head(key, value, head);
}

/* From the row that the cursor is on, which may be any part of its record. */
static int settle_on_first_row(struct cursor *cursor, uint32_t stream, struct slice key,
	struct slice value, struct record *head)
{
	if (!is_of(key, stream))
		return beyond(key);
	if (part_of(key) != 0)
		return log_seek(cursor, stream, sequence_of(key), head);
	return read_head(key, value, head);
}

/* The record before the place of this key. */
static int before(struct cursor *cursor, const uint8_t place[RECORD_KEY], uint32_t stream,
	struct record *head)
{
	struct slice key = slice_of(place, RECORD_KEY), value;
	int err = cursor_move(cursor, MOVE_FROM, &key, &value);

	if (err < 0)
		return err;
	err = cursor_move(cursor, err == END ? MOVE_LAST : MOVE_PREVIOUS, &key, &value);
	return err ? err : settle_on_first_row(cursor, stream, key, value, head);
}

int log_last(struct cursor *cursor, uint32_t stream, struct record *head)
{
	uint8_t place[RECORD_KEY];

	record_set_key(place, stream, UINT64_MAX, UINT16_MAX);
	return before(cursor, place, stream, head);
}

int log_previous(struct cursor *cursor, uint32_t stream, uint64_t sequence,
	struct record *head)
{
	uint8_t place[RECORD_KEY];

	record_set_key(place, stream, sequence, 0);
	return before(cursor, place, stream, head);
}

uint64_t log_sequence_here(struct cursor *cursor, uint32_t stream)
{
	struct slice key, value;

	if (cursor_move(cursor, MOVE_HERE, &key, &value) || !is_of(key, stream))
		return 0;
	return sequence_of(key);
}

/* From the record's first row on, which the cursor is on. */
static int copy_rows(struct cursor *cursor, uint32_t stream, const struct record *head,
	struct slice key, struct slice value, struct buffer *out)
{
	size_t left = record_len(head);
	struct slice share;

	buffer_put_u64(out, head->sequence);
	for (uint16_t part = 0;; part++) {
		int err = part_of(key) == part ? row_open(key, value, &share) : ERR_CORRUPT;

		if (err)
			return err;
		if (share.len == 0 || share.len > left)
			return ERR_CORRUPT;
		buffer_put_slice(out, share);
		left -= share.len;
		if (left == 0)
			return buffer_error(out);
		err = cursor_move(cursor, MOVE_NEXT, &key, &value);
		if (err < 0)
			return err;
		if (err == END || !is_of(key, stream) || sequence_of(key) != head->sequence)
			return ERR_CORRUPT;
		cursor_expect_next(key, value);
	}
}

int log_copy(struct cursor *cursor, uint32_t stream, const struct record *head,
	struct buffer *out)
{
	struct slice key, value;
	int err = cursor_move(cursor, MOVE_HERE, &key, &value);

	if (err < 0)
		return err;
	assert(err == 0 && is_of(key, stream) && sequence_of(key) == head->sequence);
	cursor_expect_next(key, value);
	return copy_rows(cursor, stream, head, key, value, out);
}

int log_take(struct cursor *cursor, uint32_t stream, struct record *head, struct buffer *out)
{
	struct slice key, value;
	int err = next_first_row(cursor, stream, &key, &value);

	if (err)
		return err;
	cursor_expect_next(key, value);
	err = peek_head(key, value, head);
	return err ? err : copy_rows(cursor, stream, head, key, value, out);
}

int log_remove(struct cursor *cursor, uint32_t stream, struct record *head, uint64_t *rows)
{
	struct slice key, value;
	int err;

	do {
		err = cursor_delete(cursor);
		if (!err)
			err = cursor_move(cursor, MOVE_NEXT, &key, &value);
		(*rows)++;
	} while (!err && is_of(key, stream) && sequence_of(key) == head->sequence);
	/* CORRUPT would be the next record: what is half gone must not be committed. */
	if (err)
		return err == ERR_CORRUPT ? ERR_STORE : err;
	return is_of(key, stream) ? peek_head(key, value, head) : beyond(key);
}
