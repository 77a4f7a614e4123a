/* guarded_clock.h - retention clock and expiry clock, which a wrong wall clock does not mislead.
 *
 * Records expire by the retention clock; items are removed by time to live only if they are
 * expired at the expiry clock too. A wrong wall clock must delete neither. doc/format.md, "Time",
 * has the rules of both clocks.
 */
#ifndef STREAM_GUARDED_CLOCK_H
#define STREAM_GUARDED_CLOCK_H

#include "codec/state.h"
#include "os/clock.h"

/* Largest step of the wall clock beyond the elapsed time that is trusted immediately.
 * A larger one is a jump, which must first be confirmed by this much elapsed time. */
#define CLOCK_BOUND_MS (UINT64_C(3600) * 1000)

/* Largest lag of the wall clock, compared with the elapsed time, at which the retention
 * clock follows the wall clock. Both times are rounded, and small corrections of the wall
 * clock should not create a lead. */
#define CLOCK_SLACK_MS 1000

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

/* Computes the expiry clock and stores it in the state. To be called before retention_clock_set,
 * which overwrites the time that both count from. */
uint64_t expiry_clock_set(struct state *state, const struct time_sample *sample);

#endif
