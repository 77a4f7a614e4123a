/* log.h - the rows of the log: records in their streams, in order.
 *
 *     key     stream id, sequence number; in a record's further rows their number
 *     value   checksum (u32), the row's share of the record
 *
 * Key order is commit order: reading a stream is one cursor walk, and trimming
 * it is deleting from the front. What a record is: codec/record.h.
 */
#ifndef STREAM_LOG_H
#define STREAM_LOG_H

#include "base/buffer.h"
#include "codec/record.h"
#include "codec/row.h"
#include "lmdb/store.h"

/* What of a record goes into one row. */
#define LOG_SHARE (STORE_ROW_SHARE - RECORD_KEY_MAX - ROW_CHECKSUM)

/* Writes the record's rows behind its stream's last one. at_end says that no
 * other stream's rows lie behind: then they append. */
int log_append(struct txn *txn, uint32_t stream, const struct record *record, bool at_end);

/* The stream of the tree's last row; 0 when there is none. */
int log_last_stream(struct txn *txn, uint32_t *stream);

/* Positions the cursor on the first row of a record and reads the head: its
 * slices have lengths and no address. Each is 0, END (no such record in the
 * stream) or an error; a row that is damaged is CORRUPT. */
int log_seek(struct cursor *cursor, uint32_t stream, uint64_t sequence, struct record *head);
int log_last(struct cursor *cursor, uint32_t stream, struct record *head);
int log_next(struct cursor *cursor, uint32_t stream, struct record *head);

/* log_next for those who copy the record: the checksum is left to log_copy. */
int log_step(struct cursor *cursor, uint32_t stream, struct record *head);
int log_previous(struct cursor *cursor, uint32_t stream, uint64_t sequence,
	struct record *head);

/* The sequence number in the key that the cursor is on, of a record that can't
 * be read; 0 when it is on none of this stream. */
uint64_t log_sequence_here(struct cursor *cursor, uint32_t stream);

/* Appends the whole record under the cursor to out (its rows verified) and
 * leaves the cursor on its last row; log_next goes on from there. */
int log_copy(struct cursor *cursor, uint32_t stream, const struct record *head,
	struct buffer *out);

/* log_step and log_copy in one. */
int log_take(struct cursor *cursor, uint32_t stream, struct record *head, struct buffer *out);

/* Deletes the record that the cursor is on the first row of, adding its rows to
 * *rows, and goes on to the next one as log_step does; CORRUPT is said of that
 * one, whatever keeps this one from going is STORE. */
int log_remove(struct cursor *cursor, uint32_t stream, struct record *head, uint64_t *rows);

#endif
