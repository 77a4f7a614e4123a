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
#include "lmdb/store.h"

/* Maximum number of a record's bytes in one row. */
#define LOG_SHARE (STORE_ROW_SHARE - RECORD_KEY_MAX - ROW_CHECKSUM)

/* Writes a record after the last one of its stream. at_end: the tree has no rows of
 * streams with a higher id, so LMDB can append. */
int log_append(struct txn *txn, uint32_t stream, const struct record *record, bool at_end);

/* Sets *stream to the stream of the tree's last row; 0 if the tree is empty. */
int log_last_stream(struct txn *txn, uint32_t *stream);

/* log_seek, log_last, log_next, log_step and log_previous position the cursor on the first
 * row of a record and decode its head, whose slices have lengths but no address. They return
 * 0, END (no such record in the stream) or an error; CORRUPT for a damaged row. */

/* Finds the first record with at least this sequence number. */
int log_seek(struct cursor *cursor, uint32_t stream, uint64_t sequence, struct record *head);
int log_last(struct cursor *cursor, uint32_t stream, struct record *head);
int log_next(struct cursor *cursor, uint32_t stream, struct record *head);

/* Like log_next without verifying the checksum, for callers of log_copy, which does. */
int log_step(struct cursor *cursor, uint32_t stream, struct record *head);

/* Finds the last record with a lower sequence number. */
int log_previous(struct cursor *cursor, uint32_t stream, uint64_t sequence,
	struct record *head);

/* Returns the sequence number in the key under the cursor, also of a damaged record; 0 if
 * the row is not one of this stream. */
uint64_t log_sequence_here(struct cursor *cursor, uint32_t stream);

/* Verifies the record under the cursor and appends it to out. Leaves the cursor on the
 * record's last row, from where log_next continues. */
int log_copy(struct cursor *cursor, uint32_t stream, const struct record *head,
	struct buffer *out);

/* Combines log_step and log_copy. */
int log_take(struct cursor *cursor, uint32_t stream, struct record *head, struct buffer *out);

/* Deletes the record whose first row is under the cursor, adds the number of its rows to
 * *rows, and moves to the next record like log_step. CORRUPT refers to that next record;
 * damage that prevents the deletion is STORE. */
int log_remove(struct cursor *cursor, uint32_t stream, struct record *head, uint64_t *rows);

#endif
