/* log.c - writes, reads and deletes records as rows of the log. */
#include "stream/log.h"

#include <assert.h>

#include "base/error.h"

/* --- writing --- */

#define PIECES 5               /* header, keys, old image, new image, annotation */
#define PIECE_NEW 3            /* index of the new image */

/* Copies the next len bytes of the pieces and advances *pieces past these bytes. */
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

/* If the record needs several rows, its new image begins in a new row. */
int log_append(struct txn *txn, uint32_t stream, const struct record *record, bool at_end)
{
	struct record_place place = { .stream = stream, .sequence = record->sequence };
	uint8_t header[RECORD_HEADER_MAX];
	struct slice pieces[PIECES] = {
		slice_of(header, record_put_header(record, header)), record->keys,
			record->old_image,
		record->new_image, record->annotation,
	};
	size_t len = pieces[0].len + record_body(record);
	size_t last_len = len <= LOG_SHARE ? 0 :
		record->new_image.len + record->annotation.len;
	int err = append_rows(txn, &place, pieces, len - last_len, at_end);

	txn_touch(txn, commit_group_bit(stream));
	return err ? err : append_rows(txn, &place, &pieces[PIECE_NEW], last_len, at_end);
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

/* Decodes the key of a row. Returns END if the row belongs to another stream, and CORRUPT if
 * the key is malformed, because that must not look like the end of the stream. */
static int decode_row_key(struct log_row *row, uint32_t stream)
{
	if (!record_get_key(&row->place, row->key))
		return ERR_CORRUPT;
	return row->place.stream == stream ? 0 : END;
}

/* Moves the cursor to a row of the stream. Returns END if the move leads to no such row. */
static int move_in_stream(struct cursor *cursor, enum move move, uint32_t stream,
	struct log_row *row)
{
	int err = cursor_move(cursor, move, &row->key, &row->value);

	return err ? err : decode_row_key(row, stream);
}

/* Decodes the header of a record from its first row. */
static int decode_header(const struct log_row *row, struct slice share, struct record *header)
{
	int err = record_get_header(header, row->place.sequence, share);

	return !err && row->place.part != 0 ? ERR_CORRUPT : err;
}

static int read_header(const struct log_row *row, struct record *header)
{
	struct slice share;
	int err = row_open(row->key, row->value, &share);

	return err ? err : decode_header(row, share, header);
}

/* Decodes a header without verifying the row's checksum. */
static int peek_header(const struct log_row *row, struct record *header)
{
	if (row->value.len < ROW_CHECKSUM)
		return ERR_CORRUPT;
	return decode_header(row, slice_of(row->value.data + ROW_CHECKSUM,
		row->value.len - ROW_CHECKSUM), header);
}

int log_seek(struct cursor *cursor, uint32_t stream, uint64_t sequence, struct record *header)
{
	uint8_t key[RECORD_KEY_MAX];
	struct log_row row = { .key = slice_of(key, record_set_key(key, stream, sequence, 0)) };
	int err = move_in_stream(cursor, MOVE_FROM, stream, &row);

	return err ? err : read_header(&row, header);
}

/* Moves to the first row of the stream's next record. */
static int next_first_row(struct cursor *cursor, uint32_t stream, struct log_row *row)
{
	int err;

	do
		err = move_in_stream(cursor, MOVE_NEXT, stream, row);
	while (!err && row->place.part != 0);
	return err;
}

int log_next(struct cursor *cursor, uint32_t stream, struct record *header)
{
	struct log_row row;
	int err = next_first_row(cursor, stream, &row);

	return err ? err : read_header(&row, header);
}

int log_step_row(struct cursor *cursor, uint32_t stream, struct record *header,
	struct log_row *row)
{
	int err = next_first_row(cursor, stream, row);

	return err ? err : peek_header(row, header);
}

int log_step(struct cursor *cursor, uint32_t stream, struct record *header)
{
	struct log_row row;

	return log_step_row(cursor, stream, header, &row);
}

int log_next_in_place(struct cursor *cursor, uint32_t stream, struct record *record,
	struct slice *bytes)
{
	struct slice share;
	struct log_row row;
	int err = next_first_row(cursor, stream, &row);

	*bytes = slice_of(NULL, 0);
	if (err)
		return err;
	cursor_expect_next(row.key, row.value);
	err = row_open(row.key, row.value, &share);
	if (!err)
		err = decode_header(&row, share, record);
	if (!err && share.len == record_len(record)) {
		record_set_addresses(record, share.data);
		*bytes = share;
	}
	return err;
}

int log_step_back(struct cursor *cursor, uint32_t stream, struct record *header)
{
	uint64_t sequence = header->sequence;
	struct log_row row;
	int err;

	do
		err = move_in_stream(cursor, MOVE_PREVIOUS, stream, &row);
	while (!err && row.place.sequence == sequence);
	if (err)
		return err;
	if (row.place.part != 0)       /* the last row of a record that has several */
		return log_seek(cursor, stream, row.place.sequence, header);
	return read_header(&row, header);
}

/* Moves to the last record before this key. */
static int move_before_key(struct cursor *cursor, struct slice place, uint32_t stream,
	struct record *header)
{
	struct slice value;
	struct log_row row;
	int err = cursor_move(cursor, MOVE_FROM, &place, &value);

	if (err < 0)
		return err;
	err = move_in_stream(cursor, err == END ? MOVE_LAST : MOVE_PREVIOUS, stream, &row);
	if (err)
		return err;
	if (row.place.part != 0)       /* the row is not the first of its record */
		return log_seek(cursor, stream, row.place.sequence, header);
	return read_header(&row, header);
}

int log_last(struct cursor *cursor, uint32_t stream, struct record *header)
{
	uint8_t key[RECORD_KEY_MAX];
	size_t len = record_set_key(key, stream, UINT64_MAX, UINT16_MAX);

	return move_before_key(cursor, slice_of(key, len), stream, header);
}

int log_previous(struct cursor *cursor, uint32_t stream, uint64_t sequence,
	struct record *header)
{
	uint8_t key[RECORD_KEY_MAX];
	size_t len = record_set_key(key, stream, sequence, 0);

	return move_before_key(cursor, slice_of(key, len), stream, header);
}

uint64_t log_sequence_here(struct cursor *cursor, uint32_t stream)
{
	struct log_row row;

	return move_in_stream(cursor, MOVE_HERE, stream, &row) ? 0 : row.place.sequence;
}

uint64_t log_damaged_after(struct cursor *cursor, uint32_t stream, uint64_t sequence)
{
	uint64_t here = log_sequence_here(cursor, stream);

	return here > sequence ? here : sequence + 1;
}

/* Copies a record, starting at its first row, which is under the cursor. */
static int copy_rows(struct cursor *cursor, uint32_t stream, const struct record *header,
	struct log_row *row, struct buffer *out)
{
	size_t bytes_left = record_len(header);
	struct slice share;

	buffer_put_u64(out, header->sequence);
	for (uint16_t part = 0;; part++) {
		int err = row->place.part == part ? row_open(row->key, row->value, &share)
			: ERR_CORRUPT;

		if (err)
			return err;
		if (share.len == 0 || share.len > bytes_left)
			return ERR_CORRUPT;
		buffer_put_slice(out, share);
		bytes_left -= share.len;
		if (bytes_left == 0)
			return buffer_error(out);
		err = move_in_stream(cursor, MOVE_NEXT, stream, row);
		if (err < 0)
			return err;
		if (err == END || row->place.sequence != header->sequence)
			return ERR_CORRUPT;
		cursor_expect_next(row->key, row->value);
	}
}

int log_here(struct cursor *cursor, uint32_t stream, struct log_row *row)
{
	return move_in_stream(cursor, MOVE_HERE, stream, row);
}

int log_verify_row(const struct log_row *row)
{
	struct slice share;

	return row_open(row->key, row->value, &share);
}

int log_copy_row(struct cursor *cursor, uint32_t stream, const struct record *header,
	struct log_row *row, struct buffer *out)
{
	assert(row->place.sequence == header->sequence);
	cursor_expect_next(row->key, row->value);
	return copy_rows(cursor, stream, header, row, out);
}

int log_copy(struct cursor *cursor, uint32_t stream, const struct record *header,
	struct buffer *out)
{
	struct log_row row;
	int err = log_here(cursor, stream, &row);

	if (err < 0)
		return err;
	assert(err == 0);
	return log_copy_row(cursor, stream, header, &row, out);
}

int log_take(struct cursor *cursor, uint32_t stream, struct record *header, struct buffer *out)
{
	struct log_row row;
	int err = next_first_row(cursor, stream, &row);

	if (err)
		return err;
	cursor_expect_next(row.key, row.value);
	err = peek_header(&row, header);
	return err ? err : copy_rows(cursor, stream, header, &row, out);
}

/* Moves to the first marked record of the transaction. Returns CORRUPT if there is none, or if it
 * does not contain the annotation. */
static int seek_annotation(struct cursor *cursor, uint32_t stream, uint64_t transaction,
	struct record *header)
{
	int err = log_seek(cursor, stream, transaction, header);

	while (!err && !header->is_annotated && header->transaction == transaction)
		err = log_next(cursor, stream, header);
	if (err)
		return err == END ? ERR_CORRUPT : err;
	return header->transaction == transaction && header->annotation.len ? 0 : ERR_CORRUPT;
}

int log_annotation(struct cursor *cursor, uint32_t stream, uint64_t transaction,
	struct buffer *annotation)
{
	struct record header;
	size_t rest;
	int err = seek_annotation(cursor, stream, transaction, &header);

	buffer_clear(annotation);
	if (!err)
		err = log_copy(cursor, stream, &header, annotation);
	if (err)
		return err;
	rest = annotation->len - header.annotation.len;
	memmove(annotation->data, annotation->data + rest, header.annotation.len);
	annotation->len = header.annotation.len;
	return 0;
}

int log_remove(struct cursor *cursor, uint32_t stream, struct record *header, uint64_t *rows)
{
	struct log_row row;
	int err;

	do {
		err = cursor_delete(cursor);
		(*rows)++;
		if (!err)
			err = cursor_move(cursor, MOVE_NEXT, &row.key, &row.value);
		/* CORRUPT would mean that the next record is damaged, and the caller would
		 * commit although only a part of this record was deleted. */
		if (err)
			return err == ERR_CORRUPT ? ERR_STORE : err;
		err = decode_row_key(&row, stream);
	} while (!err && row.place.sequence == header->sequence);
	return err ? err : peek_header(&row, header);
}
