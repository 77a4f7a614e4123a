/* retention.h - how long records stay, and who takes them away.
 *
 * A record has expired when its age, or the records behind it by count or by
 * bytes, pass a limit of its stream; the newest transaction only by its age.
 * What has expired is a prefix of the stream, made of whole transactions; it is
 * out of sight at once (readers stop at the horizon) and is removed in small
 * steps by writers and by trim.
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

/* The wall clock is followed if it is at most this much behind the elapsed time: both are
 * rounded, and small corrections of the wall clock should leave no lead. */
#define CLOCK_SLACK_MS 1000

/* A writer trims when this many records can go, and takes at most
 * TRIM_ROWS_MAX rows or TRIM_BYTES_MAX at a time. (A longer transaction is hidden
 * whole first, and goes in as many steps.) Measured in doc/architecture.md, "Trimming". */
#define TRIM_WORTH 64
#define TRIM_ROWS_MAX 256
#define TRIM_BYTES_MAX (UINT64_C(512) * 1024)

struct time_sample {
	uint64_t now_ms;
	uint64_t elapsed_ms;
	uint8_t boot[BOOT_BYTES];
};

void time_sample_take(struct time_sample *moment, const struct clock *clock);

/* Returns the retention clock at a moment, computed from the state's. */
uint64_t retention_clock(const struct state *state, const struct time_sample *moment);

/* Returns how far it is ahead of the wall clock, negative: behind it; 0 if not by more
 * than CLOCK_SLACK_MS. */
int64_t retention_lead(uint64_t clock_ms, uint64_t now_ms);

/* The retention clock again, and stores it in the state, with what the next computation needs. */
uint64_t retention_clock_set(struct state *state, const struct time_sample *moment);

/* The last record out of sight at this clock: its sequence number, 0 when
 * every record is in sight. The bounds are those of the cursor's snapshot. */
int retention_hidden(struct cursor *cursor, const struct stream_row *row,
	const struct bounds *bounds, uint64_t clock_ms, uint64_t *hidden);

/* Returns true if this record by itself has expired; its transaction may not have. The
 * records of the stream's newest transaction expire by age only. */
bool retention_expired(const struct retention *limit, const struct stream_head *head,
	const struct record *record, uint64_t clock_ms);

/* Removes up to max_rows rows from the front and writes the horizon. *removed
 * counts records. The stream must be known in this transaction (stream_load_bounds).
 * CORRUPT when a record there is damaged: what lay before it has gone. */
int retention_trim(struct txn *txn, struct stream *stream, uint64_t clock_ms,
	uint64_t max_rows, uint64_t *removed);

/* True if a look at the front is due: cheap, no row is read. */
bool retention_due(const struct stream *stream, uint64_t clock_ms);

/* Hides for good what has expired (before the retention is changed). */
int retention_hide(struct txn *txn, struct stream *stream, uint64_t clock_ms);

#endif
