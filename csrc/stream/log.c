/* log.c - writes, reads and deletes records as rows of the log. */
#include "stream/log.h"

#include <assert.h>

#include "base/error.h"

/* --- writing --- */

#define PIECES 4               /* head, keys, old and new image */

/* Copies the next len bytes of the pieces and advances the pieces. */
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

/* Writes the next len bytes of the pieces as rows of at most LOG_SHARE bytes. */
static int append_rows(struct txn *txn, struct record_place *place, struct slice *pieces,
	size_t len, bool at_end)
{
	uint8_t bytes[RECORD_KEY_MAX];

	for (; len > 0; place->part++) {
		struct slice key = slice_of(bytes,
			record_set_key(bytes, place->stream, place->sequence, place->part));
		size_t share = len < LOG_SHARE ? len : LOG_SHARE;
		uint8_t *row;
		int err;

		err = (at_end ? txn_append_reserve : txn_put_reserve)(txn, TREE_LOG, key,
			ROW_CHECKSUM + share, &row);
		if (err)
			return err;
		write_share(row + ROW_CHECKSUM, share, &pieces);
		row_seal_here(row, ROW_CHECKSUM + share, key);
		len -= share;
	}
	return 0;
}

int log_append(struct txn *txn, uint32_t stream, const struct record *record, bool at_end)
{
	struct record_place place = { .stream = stream, .sequence = record->sequence };
	uint8_t head[RECORD_HEADER_MAX];
	struct slice pieces[PIECES] = {
		slice_of(head, record_put_header(record, head)), record->keys, record->old_image,
		record->new_image,
	};
	size_t whole = pieces[0].len + record_body(record);
	size_t first = whole <= LOG_SHARE ? whole : whole - record->new_image.len;
	int err = append_rows(txn, &place, pieces, first, at_end);

	txn_touch(txn, commit_group_bit(stream));
	return err ? err : append_rows(txn, &place, &pieces[3], whole - first, at_end);
}

int log_last_stream(struct txn *txn, uint32_t *stream)
{
	struct record_place place;
	struct slice key, value;
	struct cursor *cursor;
	int err = txn_cursor(txn, TREE_LOG, &cursor);

	*stream = 0;
	if (!err)
		err = cursor_move(cursor, MOVE_LAST, &key, &value);
	if (err)
		return err < 0 ? err : 0;
	if (!record_get_key(&place, key))
		return ERR_CORRUPT;
	*stream = place.stream;
	return 0;
}

/* --- reading --- */

/* A row and its decoded key. */
struct row {
	struct record_place place;
	struct slice key;
	struct slice value;
};

/* Decodes the key of a row. END if it belongs to another stream; CORRUPT if it is
 * malformed, which must not look like the end of the stream. */
static int place_row(struct row *row, uint32_t stream)
{
	if (!record_get_key(&row->place, row->key))
		return ERR_CORRUPT;
	return row->place.stream == stream ? 0 : END;
}

/* Moves the cursor to a row of the stream; END if there is none. */
static int go(struct cursor *cursor, enum move move, uint32_t stream, struct row *row)
{
	int err = cursor_move(cursor, move, &row->key, &row->value);

	return err ? err : place_row(row, stream);
}

/* Decodes the head of a record from its first row. */
static int decode_head(const struct row *row, struct slice share, struct record *head)
{
	int err = record_get_header(head, row->place.sequence, share);

	return !err && row->place.part != 0 ? ERR_CORRUPT : err;
}

static int read_head(const struct row *row, struct record *head)
{
	struct slice share;
	int err = row_open(row->key, row->value, &share);

	return err ? err : decode_head(row, share, head);
}

/* Decodes a head without verifying the row's checksum. */
static int peek_head(const struct row *row, struct record *head)
{
	if (row->value.len < ROW_CHECKSUM)
		return ERR_CORRUPT;
	return decode_head(row, slice_of(row->value.data + ROW_CHECKSUM,
		row->value.len - ROW_CHECKSUM), head);
}

int log_seek(struct cursor *cursor, uint32_t stream, uint64_t sequence, struct record *head)
{
	uint8_t key[RECORD_KEY_MAX];
	struct row row = { .key = slice_of(key, record_set_key(key, stream, sequence, 0)) };
	int err = go(cursor, MOVE_FROM, stream, &row);

	return err ? err : read_head(&row, head);
}

/* Moves to the first row of the stream's next record. */
static int next_first_row(struct cursor *cursor, uint32_t stream, struct row *row)
{
	int err;

	do
		err = go(cursor, MOVE_NEXT, stream, row);
	while (!err && row->place.part != 0);
	return err;
}

int log_next(struct cursor *cursor, uint32_t stream, struct record *head)
{
	struct row row;
	int err = next_first_row(cursor, stream, &row);

	return err ? err : read_head(&row, head);
}

int log_step(struct cursor *cursor, uint32_t stream, struct record *head)
{
	struct row row;
	int err = next_first_row(cursor, stream, &row);

	return err ? err : peek_head(&row, head);
}

/* Moves to the last record before this key. */
static int before(struct cursor *cursor, struct slice place, uint32_t stream,
	struct record *head)
{
	struct slice value;
	struct row row;
	int err = cursor_move(cursor, MOVE_FROM, &place, &value);

	if (err < 0)
		return err;
	err = go(cursor, err == END ? MOVE_LAST : MOVE_PREVIOUS, stream, &row);
	if (err)
		return err;
	if (row.place.part != 0)       /* a later row of its record */
		return log_seek(cursor, stream, row.place.sequence, head);
	return read_head(&row, head);
}

int log_last(struct cursor *cursor, uint32_t stream, struct record *head)
{
	uint8_t key[RECORD_KEY_MAX];
	size_t len = record_set_key(key, stream, UINT64_MAX, UINT16_MAX);

	return before(cursor, slice_of(key, len), stream, head);
}

int log_previous(struct cursor *cursor, uint32_t stream, uint64_t sequence,
	struct record *head)
{
	uint8_t key[RECORD_KEY_MAX];
	size_t len = record_set_key(key, stream, sequence, 0);

	return before(cursor, slice_of(key, len), stream, head);
}

uint64_t log_sequence_here(struct cursor *cursor, uint32_t stream)
{
	struct row row;

	return go(cursor, MOVE_HERE, stream, &row) ? 0 : row.place.sequence;
}

/* Copies a record, starting at its first row, which is under the cursor. */
static int copy_rows(struct cursor *cursor, uint32_t stream, const struct record *head,
	struct row *row, struct buffer *out)
{
	size_t left = record_len(head);
	struct slice share;

	buffer_put_u64(out, head->sequence);
	for (uint16_t part = 0;; part++) {
		int err = row->place.part == part ? row_open(row->key, row->value, &share)
			: ERR_CORRUPT;

		if (err)
			return err;
		if (share.len == 0 || share.len > left)
			return ERR_CORRUPT;
		buffer_put_slice(out, share);
		left -= share.len;
		if (left == 0)
			return buffer_error(out);
		err = go(cursor, MOVE_NEXT, stream, row);
		if (err < 0)
			return err;
		if (err == END || row->place.sequence != head->sequence)
			return ERR_CORRUPT;
		cursor_expect_next(row->key, row->value);
	}
}

int log_copy(struct cursor *cursor, uint32_t stream, const struct record *head,
	struct buffer *out)
{
	struct row row;
	int err = go(cursor, MOVE_HERE, stream, &row);

	if (err < 0)
		return err;
	assert(err == 0 && row.place.sequence == head->sequence);
	cursor_expect_next(row.key, row.value);
	return copy_rows(cursor, stream, head, &row, out);
}

int log_take(struct cursor *cursor, uint32_t stream, struct record *head, struct buffer *out)
{
	struct row row;
	int err = next_first_row(cursor, stream, &row);

	if (err)
		return err;
	cursor_expect_next(row.key, row.value);
	err = peek_head(&row, head);
	return err ? err : copy_rows(cursor, stream, head, &row, out);
}

int log_remove(struct cursor *cursor, uint32_t stream, struct record *head, uint64_t *rows)
{
	struct row row;
	int err;

	do {
		err = cursor_delete(cursor);
		(*rows)++;
		if (!err)
			err = cursor_move(cursor, MOVE_NEXT, &row.key, &row.value);
		/* STORE: CORRUPT would mean the next record, and the caller would commit the
		 * deletion of a part of this one */
		if (err)
			return err == ERR_CORRUPT ? ERR_STORE : err;
		err = place_row(&row, stream);
	} while (!err && row.place.sequence == head->sequence);
	return err ? err : peek_head(&row, head);
}
