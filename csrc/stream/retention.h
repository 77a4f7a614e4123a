/* retention.h - expiration and trimming of records.
 *
 * A record expires when its age, or the number or bytes of the records from it to
 * the end of its stream, exceeds a limit of the stream. Records of the newest
 * transaction expire by age only. A transaction expires as a whole, so the
 * expired records are a prefix of the stream. They are invisible to readers
 * immediately and are removed later in small steps by writers and db:sweep.
 *
 * A record that a consumer holds (hold.h) expires only if a cap of its stream is exceeded, too.
 *
 * Time here is the retention clock (doc/format.md, "Time").
 */
#ifndef STREAM_RETENTION_H
#define STREAM_RETENTION_H

#include "stream/guarded_clock.h"
#include "stream/stream.h"

/* A writer trims when at least TRIM_WORTH records can be removed. A step removes at most
 * TRIM_ROWS_MAX rows or TRIM_BYTES_MAX bytes; the records of a larger transaction are all hidden
 * first and then removed in several steps. Measurements: doc/architecture.md, "Trimming". */
#define TRIM_WORTH 64
#define TRIM_ROWS_MAX 256
#define TRIM_BYTES_MAX (UINT64_C(512) * 1024)

/* A writer looks again at a stream whose records are held after this pause, or after TRIM_WORTH
 * records and these for each hold: reading one takes as long as writing a twentieth of a record. */
#define TRIM_HELD_MS 1000
#define TRIM_HELD_RECORDS 4

/* Sets *hidden to the sequence number of the newest expired record, 0 if none has expired.
 * bounds must come from this transaction. If all records beyond a limit have sequence numbers up to
 * `floor`, sets *hidden to that of the last of them without reading holds. Uses the cursor of the
 * log. */
int retention_hidden(struct txn *txn, const struct stream_row *row, const struct bounds *bounds,
	uint64_t clock_ms, uint64_t floor, uint64_t *hidden);

/* The same without regard to holds. */
int retention_beyond_limits(struct txn *txn, const struct stream_row *row,
	const struct bounds *bounds, uint64_t clock_ms, uint64_t *beyond);

/* Returns true if records of the stream expire only by their age. */
static inline bool retention_by_age_only(const struct retention *limit)
{
	return !limit->max_bytes && !limit->max_count;
}

/* Returns true if a limit is exceeded for this record, without regard to the other records
 * of its transaction, and to holds. Records of the newest transaction expire by age only. */
bool retention_expired(const struct retention *limit, const struct stream_head *head,
	const struct record *record, uint64_t clock_ms);

/* Deletes expired records, oldest first, and stores the new trim horizon. Stops after
 * max_rows rows. *removed: number of records deleted. stream_load_bounds must have been
 * called in this transaction. Returns CORRUPT at the first damaged record; the records
 * before it have been deleted. */
int retention_trim(struct txn *txn, struct stream *stream, uint64_t clock_ms,
	uint64_t max_rows, uint64_t *removed);

/* The same for a stream whose row has no limits, without regard to holds: deletes the records that
 * are at least age_ms old and whose sequence numbers are less than `sequence`, at most
 * TRIM_ROWS_MAX rows. */
int retention_trim_before(struct txn *txn, struct stream *stream, uint64_t clock_ms,
	uint64_t age_ms, uint64_t sequence, uint64_t *removed);

/* Returns true if enough records may have expired to make trimming worthwhile. Reads no
 * rows. */
bool retention_due(const struct stream *stream, uint64_t clock_ms);

/* Stores the sequence number of the newest expired record in the trim horizon, so that expired
 * records stay invisible if the retention is extended later. */
int retention_hide(struct txn *txn, struct stream *stream, uint64_t clock_ms);

#endif
