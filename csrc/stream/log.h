/* log.h - stores the records of all streams as rows of one tree, the log.
 *
 *     key     stream id, sequence number; part number in a record's later rows
 *     value   checksum (u32), the row's part of the record
 *
 * Within a stream, key order is commit order: a stream is read with one range
 * scan and trimmed by deleting rows from its beginning. codec/record.h has the
 * layout of records.
 */
#ifndef STREAM_LOG_H
#define STREAM_LOG_H

#include "base/buffer.h"
#include "codec/record.h"
#include "codec/row.h"
#include "lmdb/cursor.h"

/* Maximum number of a record's bytes in one row. */
#define LOG_SHARE (STORE_ROW_SHARE - RECORD_KEY_MAX - ROW_CHECKSUM)

/* Writes a record after the last record of its stream. at_end: the tree has no rows of
 * streams with a higher id, so LMDB can append. */
int log_append(struct txn *txn, uint32_t stream, const struct record *record, bool at_end);

/* Sets *stream to the stream of the tree's last row; 0 if the tree is empty. */
int log_last_stream(struct txn *txn, uint32_t *stream);

/* log_seek, log_last, log_next, log_step, log_step_back and log_previous position the cursor on
 * the first row of a record and decode the record's header: the slices of *header have lengths but
 * no address. They return 0, END if the stream has no such record, or an error, which is CORRUPT
 * for a damaged row. */

/* Finds the first record with at least this sequence number. */
int log_seek(struct cursor *cursor, uint32_t stream, uint64_t sequence, struct record *header);
int log_last(struct cursor *cursor, uint32_t stream, struct record *header);
int log_next(struct cursor *cursor, uint32_t stream, struct record *header);

/* Like log_next, but does not verify the checksum, because log_copy verifies it later. */
int log_step(struct cursor *cursor, uint32_t stream, struct record *header);

/* A row, which points into the page, and its decoded key. */
struct log_row {
	struct record_place place;
	struct slice key;
	struct slice value;
};

/* Like log_step, and sets *row to the first row of the record. */
int log_step_row(struct cursor *cursor, uint32_t stream, struct record *header,
	struct log_row *row);

/* Sets *row to the row under the cursor. Returns END if it belongs to another stream. */
int log_here(struct cursor *cursor, uint32_t stream, struct log_row *row);

/* Like log_next. If the record has only one row, also sets *bytes to the record without its
 * sequence number and the addresses of the slices of *record, all of which point into this row;
 * otherwise sets *bytes to an empty slice. */
int log_next_in_place(struct cursor *cursor, uint32_t stream, struct record *record,
	struct slice *bytes);

/* Finds the record before *header. The cursor must be on any row of *header. */
int log_step_back(struct cursor *cursor, uint32_t stream, struct record *header);

/* Finds the last record with a lower sequence number. */
int log_previous(struct cursor *cursor, uint32_t stream, uint64_t sequence,
	struct record *header);

/* Returns the sequence number in the key under the cursor, even if the record is damaged; 0 if
 * the row does not belong to this stream. */
uint64_t log_sequence_here(struct cursor *cursor, uint32_t stream);

/* Returns the sequence number at which to report a damaged record that was reached by a move from
 * the record with this sequence number: that of the row under the cursor if it is greater,
 * otherwise the next number. */
uint64_t log_damaged_after(struct cursor *cursor, uint32_t stream, uint64_t sequence);

/* Verifies the record under the cursor and appends it to out. Leaves the cursor on the
 * record's last row, so that log_next finds the next record. */
int log_copy(struct cursor *cursor, uint32_t stream, const struct record *header,
	struct buffer *out);

/* Verifies the checksum of a row. Returns 0 or CORRUPT. */
int log_verify_row(const struct log_row *row);

/* Like log_copy, for the record whose first row is *row, which is replaced with its last row. */
int log_copy_row(struct cursor *cursor, uint32_t stream, const struct record *header,
	struct log_row *row, struct buffer *out);

/* Combines log_step and log_copy. */
int log_take(struct cursor *cursor, uint32_t stream, struct record *header, struct buffer *out);

/* Replaces the contents of `annotation` with the annotation of a transaction, from the record that
 * contains it. Moves the cursor to that record. Returns CORRUPT if no marked record of the
 * transaction in this stream contains it. */
int log_annotation(struct cursor *cursor, uint32_t stream, uint64_t transaction,
	struct buffer *annotation);

/* Deletes the record whose first row is under the cursor, adds the number of its rows to
 * *rows, and moves to the next record like log_step. Returns CORRUPT if that next record is
 * damaged, STORE if damage prevents the deletion. */
int log_remove(struct cursor *cursor, uint32_t stream, struct record *header, uint64_t *rows);

#endif
