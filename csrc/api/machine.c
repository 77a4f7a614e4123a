/* machine.c - the contract's doors to the machine: clocks, terminals, standard input. */
#include "os/clock.h"
#include "os/input.h"
#include "os/terminal.h"
#include "tide.h"

/* --- clocks --- */

struct clock *tide_clock_manual(uint64_t now_ms)
{
	return clock_manual(now_ms);
}

uint64_t tide_clock_now(const struct clock *clock)
{
	return clock_now_ms(clock);
}

void tide_clock_advance(struct clock *clock, uint64_t ms)
{
	clock_advance(clock, ms);
}

void tide_clock_set(struct clock *clock, uint64_t now_ms)
{
	clock_set(clock, now_ms);
}

void tide_clock_reboot(struct clock *clock)
{
	clock_reboot(clock);
}

void tide_clock_drop(struct clock *clock)
{
	clock_drop(clock);
}

uint64_t tide_elapsed_ms(void)
{
	return clock_elapsed_ms(clock_system());
}

/* --- terminals --- */

bool tide_terminal_size(int descriptor, unsigned *columns, unsigned *rows)
{
	return terminal_size(descriptor, columns, rows);
}

bool tide_terminal_wait(int descriptor, unsigned ms)
{
	return terminal_wait(descriptor, ms);
}

int tide_terminal_char_columns(uint32_t character)
{
	return terminal_char_columns(character);
}

/* --- standard input --- */

int tide_input_read(int descriptor, void *bytes, size_t size, int wait_ms, size_t *len,
	struct failure *failure)
{
	return input_read(descriptor, bytes, size, wait_ms, len, failure);
}
