/* retention.h - retention clock, expiration and trimming of records.
 *
 * A record expires when its age, or the number or bytes of the records from it to
 * the end of its stream, exceeds a limit of the stream. Records of the newest
 * transaction expire by age only. A transaction expires as a whole, so the
 * expired records are a prefix of the stream. They are invisible to readers
 * immediately and are removed later in small steps by writers and db:trim.
 *
 * Time here is the retention clock (doc/format.md, "Time").
 */
#ifndef STREAM_RETENTION_H
#define STREAM_RETENTION_H

#include "codec/state.h"
#include "os/clock.h"
#include "stream/stream.h"

/* Largest step of the wall clock beyond the elapsed time that is trusted immediately.
 * A larger one is a jump, which must first be confirmed by this much elapsed time. */
#define CLOCK_BOUND_MS (UINT64_C(3600) * 1000)

/* Largest lag of the wall clock, compared with the elapsed time, at which the retention
 * clock follows the wall clock. Both times are rounded, and small corrections of the wall
 * clock should not create a lead. */
#define CLOCK_SLACK_MS 1000

/* A writer trims when at least TRIM_WORTH records can be removed, at most TRIM_ROWS_MAX
 * rows or TRIM_BYTES_MAX per step. (A longer transaction is hidden as a whole and then
 * removed in several steps.) Measurements: doc/architecture.md, "Trimming". */
#define TRIM_WORTH 64
#define TRIM_ROWS_MAX 256
#define TRIM_BYTES_MAX (UINT64_C(512) * 1024)

/* One reading of the clocks. */
struct time_sample {
	uint64_t now_ms;             /* wall clock, ms since 1970 */
	uint64_t elapsed_ms;         /* monotonic clock */
	uint8_t boot[BOOT_BYTES];    /* boot of the monotonic clock */
};

void time_sample_take(struct time_sample *sample, const struct clock *clock);

/* Computes the retention clock at the time of the sample from the value stored in state. */
uint64_t retention_clock(const struct state *state, const struct time_sample *sample);

/* Returns clock_ms - now_ms, the lead of the retention clock over the wall clock; 0 if they
 * differ by at most CLOCK_SLACK_MS. */
int64_t retention_lead(uint64_t clock_ms, uint64_t now_ms);

/* Computes the retention clock like retention_clock and stores it in the state, with the
 * fields that the next computation needs. */
uint64_t retention_clock_set(struct state *state, const struct time_sample *sample);

/* Sets *hidden to the sequence number of the newest expired record, 0 if none has expired.
 * bounds must come from the same snapshot as cursor. */
int retention_hidden(struct cursor *cursor, const struct stream_row *row,
	const struct bounds *bounds, uint64_t clock_ms, uint64_t *hidden);

/* Returns true if a limit is exceeded for this record, without regard to the other records
 * of its transaction. Records of the newest transaction expire by age only. */
bool retention_expired(const struct retention *limit, const struct stream_head *head,
	const struct record *record, uint64_t clock_ms);

/* Deletes expired records, oldest first, and stores the new trim horizon. Stops after
 * max_rows rows. *removed: number of records deleted. stream_load_bounds must have been
 * called in this transaction. Returns CORRUPT at the first damaged record; the records
 * before it have been deleted. */
int retention_trim(struct txn *txn, struct stream *stream, uint64_t clock_ms,
	uint64_t max_rows, uint64_t *removed);

/* Returns true if enough records may have expired to make trimming worthwhile. Reads no
 * rows. */
bool retention_due(const struct stream *stream, uint64_t clock_ms);

/* Stores the newest expired record in the trim horizon, so that expired records stay
 * invisible if the retention is extended later. */
int retention_hide(struct txn *txn, struct stream *stream, uint64_t clock_ms);

#endif
