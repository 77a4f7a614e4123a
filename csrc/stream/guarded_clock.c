/* guarded_clock.c - retention clock and expiry clock. */
#include "stream/guarded_clock.h"

#include <string.h>

void time_sample_take(struct time_sample *sample, const struct clock *clock)
{
	sample->now_ms = clock_now_ms(clock);
	sample->elapsed_ms = clock_elapsed_ms(clock);
	clock_boot(clock, sample->boot);
}

static bool same_boot(const uint8_t a[BOOT_BYTES], const uint8_t b[BOOT_BYTES])
{
	return memcmp(a, b, BOOT_BYTES) == 0;
}

/* Returns a + b, at most UINT64_MAX. */
static uint64_t add_saturating(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* Returns the ms since elapsed_ms of that boot; 0 if the system was booted again since. */
static uint64_t elapsed_since(uint64_t elapsed_ms, const uint8_t boot[BOOT_BYTES],
	const struct time_sample *sample)
{
	return same_boot(boot, sample->boot) && sample->elapsed_ms > elapsed_ms ?
		sample->elapsed_ms - elapsed_ms : 0;
}

/* Returns true if the recorded jump was followed by enough elapsed time or by a boot. */
static bool is_confirmed(const struct clock_jump *jump, const struct time_sample *sample)
{
	if (jump->wall_ms == 0 || sample->now_ms < jump->wall_ms)
		return false;
	return !same_boot(jump->boot, sample->boot) ||
		elapsed_since(jump->elapsed_ms, jump->boot, sample) >= CLOCK_BOUND_MS;
}

/* Records this sample as the beginning of a jump, unless a jump is recorded already. */
static void record_jump(struct clock_jump *jump, const struct time_sample *sample)
{
	if (jump->wall_ms)
		return;
	jump->wall_ms = sample->now_ms;
	jump->elapsed_ms = sample->elapsed_ms;
	memcpy(jump->boot, sample->boot, BOOT_BYTES);
}

/* Next value of the retention clock (doc/format.md, "Time"). */
struct step {
	uint64_t clock_ms;
	uint64_t lead_ms;            /* lead that was added to the wall clock */
	bool jumps;                  /* the wall clock has jumped, and the jump is not confirmed */
	bool confirms;               /* the jump in the state is confirmed */
};

static struct step clock_step(const struct state *state, const struct time_sample *sample)
{
	const struct clock_jump *jump = &state->jump;
	struct step step = { .confirms = is_confirmed(jump, sample) };
	uint64_t base_ms = add_saturating(state->retention_ms,
		elapsed_since(state->elapsed_ms, state->boot, sample));
	uint64_t target_ms;

	if (jump->wall_ms || !same_boot(state->boot, sample->boot))
		step.lead_ms = state->lead_ms;
	target_ms = add_saturating(sample->now_ms, step.lead_ms);
	if (step.confirms) {
		uint64_t confirmed_ms = add_saturating(add_saturating(jump->wall_ms, step.lead_ms),
			elapsed_since(jump->elapsed_ms, jump->boot, sample));

		confirmed_ms = confirmed_ms < target_ms ? confirmed_ms : target_ms;
		base_ms = base_ms > confirmed_ms ? base_ms : confirmed_ms;
	}
	step.clock_ms = base_ms;
	if (target_ms > base_ms && state->retention_ms && target_ms - base_ms > CLOCK_BOUND_MS)
		step.jumps = true;
	else if (target_ms > base_ms || (target_ms >= state->retention_ms &&
			base_ms - target_ms <= CLOCK_SLACK_MS))
		step.clock_ms = target_ms;
	return step;
}

uint64_t retention_clock(const struct state *state, const struct time_sample *sample)
{
	return clock_step(state, sample).clock_ms;
}

int64_t retention_lead(uint64_t clock_ms, uint64_t now_ms)
{
	int64_t lead = (int64_t)(clock_ms - now_ms);

	return lead < -CLOCK_SLACK_MS || lead > CLOCK_SLACK_MS ? lead : 0;
}

uint64_t retention_clock_set(struct state *state, const struct time_sample *sample)
{
	struct step step = clock_step(state, sample);
	struct clock_jump *jump = &state->jump;
	bool forget = !step.jumps || step.confirms || sample->now_ms < jump->wall_ms;

	if (forget)
		memset(jump, 0, sizeof *jump);
	if (step.jumps)
		record_jump(jump, sample);
	state->lead_ms = step.jumps ? step.lead_ms :
		step.clock_ms > sample->now_ms ? step.clock_ms - sample->now_ms : 0;
	state->retention_ms = step.clock_ms;
	state->elapsed_ms = sample->elapsed_ms;
	memcpy(state->boot, sample->boot, BOOT_BYTES);
	return step.clock_ms;
}

uint64_t expiry_clock_set(struct state *state, const struct time_sample *sample)
{
	struct clock_jump *jump = &state->expiry_jump;
	uint64_t now = sample->now_ms;
	uint64_t base_ms = add_saturating(state->expiry_ms,
		elapsed_since(state->elapsed_ms, state->boot, sample));
	bool follows = state->expiry_ms == 0 || now <= add_saturating(base_ms, CLOCK_BOUND_MS) ||
		is_confirmed(jump, sample);

	if (follows || now < jump->wall_ms)
		memset(jump, 0, sizeof *jump);
	if (!follows)
		record_jump(jump, sample);
	state->expiry_ms = follows ? now : base_ms;
	return state->expiry_ms;
}
