/* test_jump.c - tide_sweep after a jump of the wall clock: a sweep stores the jump that it
 * notices. */
#include "os/clock.h"
#include "stream/retention.h"
#include "unit/tides.h"

static struct failure failure;

/* Opens a handle and sweeps. Returns the number of records removed. */
static uint64_t sweep_once(const char *path, struct clock *clock)
{
	struct tide *tide = open_with_clock(path, clock);
	struct tide_swept swept = { 0 };
	bool more;

	do
		MUST(tide_sweep(tide, &swept, &more, &failure), failure);
	while (more);
	check_clean(tide);
	tide_close(tide);
	return swept.records;
}

/* A jump is confirmed by the time since it was first noticed, also if only trims have noticed
 * it. */
static void a_jump_noticed_only_by_trims(void)
{
	struct clock *clock = clock_manual(1000000);
	const char *path = tide_path("jump.tide");
	struct tide *tide = open_with_clock(path, clock);
	struct tide_table table = create_table(tide, "orders");

	put_alone(tide, &table, "a", "1", "v");
	tide_close(tide);
	CHECK_EQUAL_UINT(sweep_once(path, clock), 0);
	clock_set(clock, 1000000 + 10 * DAY_MS);
	CHECK_EQUAL_UINT(sweep_once(path, clock), 0);
	clock_advance(clock, CLOCK_BOUND_MS / 2);
	CHECK_EQUAL_UINT(sweep_once(path, clock), 0);
	clock_advance(clock, CLOCK_BOUND_MS / 2);
	CHECK_EQUAL_UINT(sweep_once(path, clock), 1);
	clock_drop(clock);
}

int main(void)
{
	a_jump_noticed_only_by_trims();
	return 0;
}
