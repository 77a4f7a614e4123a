/* test_guarded_clock.c - tests of stream/guarded_clock.h: the expiry clock against a plain model.
 * test_retention.c tests the retention clock.
 */
#include "stream/guarded_clock.h"
#include "unit/check.h"

#define HOUR UINT64_C(3600000)
#define START (1000000 * HOUR)

/* Model of the clock: the rules of doc/format.md, "Time to live". */
struct plain_clock {
	uint64_t at, elapsed, boot;      /* at the last update; at 0: none is stored */
	bool noted;                      /* a jump is not confirmed yet */
	uint64_t wall, seen, seen_boot;
};

static uint64_t plain_set(struct plain_clock *clock, uint64_t now, uint64_t elapsed,
	uint64_t boot)
{
	uint64_t base = clock->at + (boot == clock->boot ? elapsed - clock->elapsed : 0);
	bool confirmed = clock->noted && now >= clock->wall &&
		(boot != clock->seen_boot || elapsed - clock->seen >= HOUR);

	clock->elapsed = elapsed;
	clock->boot = boot;
	if (clock->at == 0 || now <= base + HOUR || confirmed) {
		clock->noted = false;
		clock->at = now;
		return now;
	}
	if (!clock->noted || clock->wall > now) {
		clock->noted = true;
		clock->wall = now;
		clock->seen = elapsed;
		clock->seen_boot = boot;
	}
	clock->at = base;
	return base;
}

/* Sets both clocks as a transaction does. */
static uint64_t set_at(struct state *state, uint64_t now, uint64_t elapsed, uint64_t boot)
{
	struct time_sample sample = { .now_ms = now, .elapsed_ms = elapsed };
	uint64_t expiry_ms;

	memcpy(sample.boot, &boot, sizeof boot);
	expiry_ms = expiry_clock_set(state, &sample);
	retention_clock_set(state, &sample);
	CHECK_EQUAL_UINT(state->expiry_ms, expiry_ms);
	return expiry_ms;
}

static uint64_t random_span(void)
{
	static const uint64_t spans[] = { 1, 1000, HOUR / 2, HOUR - 1, HOUR, HOUR + 1, 24 * HOUR,
		10000 * HOUR };

	return check_random_below(spans[check_random_below(8)] + 1);
}

static void clock_follows_the_page(void)
{
	for (int round = 0; round < 3000; round++) {
		uint64_t now = START, elapsed = random_span(), boot = 1;
		struct plain_clock plain = { 0 };
		struct state state = { 0 };

		for (int i = 0; i < 40; i++) {
			uint64_t span = random_span(), expected;

			switch (check_random_below(8)) {
			case 0:
				now += span;
				break;
			case 1:
				now -= span;
				break;
			case 2:
				boot++;
				elapsed = span;
				break;
			default:
				now += span;
				elapsed += span;
			}
			expected = plain_set(&plain, now, elapsed, boot);
			CHECK(expected <= now);
			CHECK_EQUAL_UINT(set_at(&state, now, elapsed, boot), expected);
			CHECK_EQUAL_INT(state.expiry_jump.wall_ms != 0, plain.noted);
		}
	}
}

static void a_jump_has_bounds(void)
{
	struct state state = { 0 };

	CHECK_EQUAL_UINT(set_at(&state, START, 500, 1), START);
	CHECK_EQUAL_UINT(set_at(&state, START + HOUR + 7, 507, 1), START + HOUR + 7);
	state = (struct state){ 0 };
	set_at(&state, START, 500, 1);
	CHECK_EQUAL_UINT(set_at(&state, START + HOUR + 8, 507, 1), START + 7);
	CHECK_EQUAL_UINT(state.expiry_jump.wall_ms, START + HOUR + 8);
	/* confirmed after 1 h; 1 ms less is not enough */
	CHECK_EQUAL_UINT(set_at(&state, START + 9 * HOUR, 507 + HOUR - 1, 1), START + HOUR + 6);
	CHECK_EQUAL_UINT(set_at(&state, START + 9 * HOUR, 507 + HOUR, 1), START + 9 * HOUR);
	CHECK_EQUAL_UINT(state.expiry_jump.wall_ms, 0);
}

static void the_wall_clock_is_followed_backward(void)
{
	struct state state = { 0 };

	set_at(&state, START, 0, 1);
	CHECK_EQUAL_UINT(set_at(&state, START - 900000 * HOUR, 1, 1), START - 900000 * HOUR);
	CHECK_EQUAL_UINT(set_at(&state, START, 2, 1), START - 900000 * HOUR + 1);
	CHECK_EQUAL_UINT(set_at(&state, START - 900000 * HOUR, 3, 1), START - 900000 * HOUR);
	CHECK_EQUAL_UINT(state.expiry_jump.wall_ms, 0);
}

static void a_later_boot_confirms(void)
{
	struct state state = { 0 };

	set_at(&state, START, 0, 1);
	CHECK_EQUAL_UINT(set_at(&state, START + 9 * HOUR, 5, 2), START);
	CHECK_EQUAL_UINT(set_at(&state, START + 9 * HOUR, 5, 2), START);
	CHECK_EQUAL_UINT(set_at(&state, START + 9 * HOUR - 1, 0, 3), START);     /* before it */
	CHECK_EQUAL_UINT(set_at(&state, START + 9 * HOUR, 0, 4), START + 9 * HOUR);
}

static void a_clock_at_the_end_of_time_stays_there(void)
{
	struct state state = { 0 };

	CHECK_EQUAL_UINT(set_at(&state, UINT64_MAX, 0, 1), UINT64_MAX);
	CHECK_EQUAL_UINT(set_at(&state, UINT64_MAX, HOUR, 1), UINT64_MAX);
	CHECK_EQUAL_UINT(set_at(&state, 1, HOUR, 1), 1);
}

int main(void)
{
	clock_follows_the_page();
	a_jump_has_bounds();
	the_wall_clock_is_followed_backward();
	a_later_boot_confirms();
	a_clock_at_the_end_of_time_stays_there();
	return 0;
}
