/* guarded_clock.h - retention clock and expiry clock: the wall clock without unconfirmed jumps.
 *
 * Records expire by the retention clock. An item is removed by time to live only if it has expired
 * by the expiry clock too. So a wrong wall clock deletes neither records nor items. The rules of
 * both clocks are in doc/format.md, "Time".
 */
#ifndef STREAM_GUARDED_CLOCK_H
#define STREAM_GUARDED_CLOCK_H

#include "codec/state.h"
#include "os/clock.h"

/* Largest step of the wall clock beyond the elapsed time that is trusted immediately.
 * A larger step is a jump, which must first be confirmed by this much elapsed time. */
#define CLOCK_BOUND_MS (UINT64_C(3600) * 1000)

/* Largest lag of the wall clock, compared with the elapsed time, at which the retention
 * clock follows the wall clock. Both times are rounded, and a small correction of the wall
 * clock must not create a lead. */
#define CLOCK_SLACK_MS 1000

/* One reading of the clocks. */
struct time_sample {
	uint64_t now_ms;             /* wall clock, ms since 1970 */
	uint64_t elapsed_ms;         /* monotonic clock */
	uint8_t boot[BOOT_BYTES];    /* id of the boot since which elapsed_ms counts */
};

void time_sample_take(struct time_sample *sample, const struct clock *clock);

/* Returns the retention clock at the time of the sample, computed from the value in state. */
uint64_t retention_clock(const struct state *state, const struct time_sample *sample);

/* Returns clock_ms - now_ms, the lead of the retention clock over the wall clock; 0 if they
 * differ by at most CLOCK_SLACK_MS. */
int64_t retention_lead(uint64_t clock_ms, uint64_t now_ms);

/* Computes the retention clock like retention_clock and stores it in the state, with the
 * fields that the next computation needs. */
uint64_t retention_clock_set(struct state *state, const struct time_sample *sample);

/* Computes the expiry clock and stores it in the state. Must be called before
 * retention_clock_set, which overwrites the elapsed time from which both clocks are computed. */
uint64_t expiry_clock_set(struct state *state, const struct time_sample *sample);

#endif
