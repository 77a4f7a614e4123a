/* test_clock.c - clock.h: the system's clock and manual clocks. */
#include <sys/wait.h>

#include "os/clock.h"
#include "unit/check.h"

static void system_time_passes(void)
{
	struct clock *clock = clock_system();
	uint64_t now = clock_now_ms(clock);
	uint64_t elapsed = clock_elapsed_ms(clock);

	CHECK(now > UINT64_C(1700000000000));
	while (clock_elapsed_ms(clock) == elapsed)
		;
	CHECK(clock_elapsed_ms(clock) > elapsed);
	CHECK(clock_share(clock) == clock);
	clock_drop(clock);
	clock_drop(clock);
	CHECK(clock_now_ms(clock) > 0);
}

static void a_boot_is_the_same_in_all_processes(void)
{
	uint8_t ours[CLOCK_BOOT_BYTES], theirs[CLOCK_BOOT_BYTES];
	static const uint8_t none[CLOCK_BOOT_BYTES];
	int ends[2];
	pid_t pid;

	CHECK(pipe(ends) == 0);
	pid = fork();
	if (pid == 0) {
		clock_boot(clock_system(), theirs);
		_exit(write(ends[1], theirs, sizeof theirs) != sizeof theirs);
	}
	clock_boot(clock_system(), ours);
	CHECK(read(ends[0], theirs, sizeof theirs) == sizeof theirs);
	CHECK(waitpid(pid, NULL, 0) == pid);
	CHECK_BYTES(ours, sizeof ours, theirs, sizeof theirs);
	CHECK(memcmp(ours, none, sizeof none) != 0);
}

static void manual_time_stands_still(void)
{
	struct clock *clock = clock_manual(5000);

	CHECK_EQUAL_UINT(clock_now_ms(clock), 5000);
	CHECK_EQUAL_UINT(clock_elapsed_ms(clock), 0);
	clock_advance(clock, 250);
	CHECK_EQUAL_UINT(clock_now_ms(clock), 5250);
	CHECK_EQUAL_UINT(clock_elapsed_ms(clock), 250);
	clock_set(clock, 100);
	CHECK_EQUAL_UINT(clock_now_ms(clock), 100);
	CHECK_EQUAL_UINT(clock_elapsed_ms(clock), 250);
	clock_drop(clock);
}

static void a_reboot_begins_another_boot(void)
{
	struct clock *clock = clock_manual(5000);
	struct clock *other = clock_manual(5000);
	uint8_t first[CLOCK_BOOT_BYTES], again[CLOCK_BOOT_BYTES];

	clock_boot(clock, first);
	clock_boot(clock, again);
	CHECK(memcmp(first, again, sizeof first) == 0);
	clock_boot(other, again);
	CHECK(memcmp(first, again, sizeof first) != 0);
	clock_boot(clock_system(), again);
	CHECK(memcmp(first, again, sizeof first) != 0);

	clock_advance(clock, 10);
	clock_reboot(clock);
	CHECK_EQUAL_UINT(clock_now_ms(clock), 5010);
	CHECK_EQUAL_UINT(clock_elapsed_ms(clock), 0);
	clock_boot(clock, again);
	CHECK(memcmp(first, again, sizeof first) != 0);
	clock_drop(clock);
	clock_drop(other);
}

static void a_clock_has_owners(void)
{
	struct clock *clock = clock_manual(1);

	CHECK(clock_share(clock) == clock);
	clock_drop(clock);
	CHECK_EQUAL_UINT(clock_now_ms(clock), 1);
	clock_drop(clock);
	clock_drop(NULL);
}

static void text_is_utc_to_the_millisecond(void)
{
	char text[32];

	clock_text(text, sizeof text, 0);
	CHECK_EQUAL_STRING(text, "1970-01-01T00:00:00.000");
	clock_text(text, sizeof text, UINT64_C(1709209800123));
	CHECK_EQUAL_STRING(text, "2024-02-29T12:30:00.123");
	clock_text(text, sizeof text, UINT64_MAX);
	CHECK(strlen(text) < sizeof text);
}

static void a_sleep_is_no_shorter(void)
{
	uint64_t before = clock_elapsed_ms(clock_system());

	clock_sleep_us(0);
	clock_sleep_us(12345);
	CHECK(clock_elapsed_ms(clock_system()) - before >= 12);
}

/* Returns true if the process's clock shows the time of the system's. */
static bool is_the_systems(void)
{
	uint8_t boot[CLOCK_BOOT_BYTES], system[CLOCK_BOOT_BYTES];
	uint64_t before = clock_now_ms(clock_system()), now = clock_now_ms(clock_process());

	clock_boot(clock_process(), boot);
	clock_boot(clock_system(), system);
	return !clock_is_replaced() && now >= before && now <= clock_now_ms(clock_system()) &&
		clock_elapsed_ms(clock_process()) <= clock_elapsed_ms(clock_system()) &&
		memcmp(boot, system, sizeof boot) == 0;
}

static void the_processs_clock_can_be_replaced(void)
{
	struct clock *clock = clock_manual(5000);
	uint8_t boot[CLOCK_BOOT_BYTES], own[CLOCK_BOOT_BYTES];
	uint64_t elapsed;

	CHECK(is_the_systems());
	clock_pass(10);
	CHECK(is_the_systems());
	CHECK(clock_share(clock_process()) == clock_process());
	clock_drop(clock_process());
	clock_replace(clock);
	CHECK(clock_is_replaced());
	elapsed = clock_elapsed_ms(clock_process());
	CHECK(elapsed > 0 && elapsed <= clock_elapsed_ms(clock_system()));
	clock_pass(250);
	CHECK_EQUAL_UINT(clock_now_ms(clock_process()), 5250);
	CHECK_EQUAL_UINT(clock_now_ms(clock), 5250);
	CHECK_EQUAL_UINT(clock_elapsed_ms(clock_process()), elapsed + 250);
	CHECK(clock_now_ms(clock_system()) > UINT64_C(1700000000000));
	clock_boot(clock_process(), boot);
	clock_boot(clock, own);
	CHECK_BYTES(boot, sizeof boot, own, sizeof own);
	clock_restore(clock);
	CHECK(is_the_systems());
	clock_restore(clock);
	clock_drop(clock);
}

/* Each of the orders in which three clocks are restored. */
static void replacements_end_in_any_order(void)
{
	static const int orders[][3] = {
		{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 },
	};

	for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
		struct clock *clocks[3];

		for (int each = 0; each < 3; each++) {
			clocks[each] = clock_manual(1000 * (uint64_t)(each + 1));
			clock_replace(clocks[each]);
		}
		for (int step = 0; step < 3; step++) {
			int top = 2;

			while (!clocks[top])
				top--;
			CHECK(clock_now_ms(clock_process()) == clock_now_ms(clocks[top]));
			clock_restore(clocks[orders[i][step]]);
			clock_drop(clocks[orders[i][step]]);
			clocks[orders[i][step]] = NULL;
		}
		CHECK(is_the_systems());
	}
}

int main(void)
{
	the_processs_clock_can_be_replaced();
	replacements_end_in_any_order();
	a_sleep_is_no_shorter();
	text_is_utc_to_the_millisecond();
	system_time_passes();
	a_boot_is_the_same_in_all_processes();
	manual_time_stands_still();
	a_reboot_begins_another_boot();
	a_clock_has_owners();
	return 0;
}
