/* clock.h - wall clock, elapsed time and boot identity; manual clocks, and the process's clock.
 *
 * A manual clock advances only by clock_advance and clock_set; tests and replays use it. The
 * process's clock is the machine's, unless a test has replaced it by a manual clock. Databases
 * without a clock of their own and time limits use the process's clock. Whatever is compared with
 * another process (locks, boots of the machine) and all sleeps use the machine's clock.
 * All clocks are reference-counted and thread-safe.
 */
#ifndef OS_CLOCK_H
#define OS_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLOCK_BOOT_BYTES 16

struct clock;

/* Returns the machine's clock; it is never freed. */
struct clock *clock_system(void);

/* Returns the process's clock; it is never freed. */
struct clock *clock_process(void);

/* Returns a new manual clock that shows now_ms and has a unique boot identity. Returns NULL if
 * out of memory. */
struct clock *clock_manual(uint64_t now_ms);

struct clock *clock_share(struct clock *clock);   /* adds an owner; returns the clock */
void clock_drop(struct clock *clock);             /* removes an owner; NULL is allowed */

/* Returns the wall clock's time, in milliseconds since 1970, UTC. */
uint64_t clock_now_ms(const struct clock *clock);

/* Returns a monotonic time in milliseconds that includes suspended time. Processes can
 * compare their values within one boot. */
uint64_t clock_elapsed_ms(const struct clock *clock);

/* Returns CLOCK_MONOTONIC in microseconds, to measure intervals. The result is never 0. All
 * processes of a time namespace get the same values. */
uint64_t clock_monotonic_us(void);

/* Sleeps for us microseconds by the machine's clock, or until a signal. */
void clock_sleep_us(uint32_t us);

/* Stores the identity of the current boot in `boot`. Each boot has another identity. */
void clock_boot(const struct clock *clock, uint8_t boot[CLOCK_BOOT_BYTES]);

/* Formats ms since 1970 as "2026-01-31T12:00:00.000", UTC: 24 bytes with the NUL, for years
 * up to 9999. */
void clock_text(char *text, size_t size, uint64_t ms);

/* These functions are for manual clocks only. clock_advance changes the wall clock and the elapsed
 * time. clock_set changes only the wall clock, like an administrator who sets it. clock_reboot
 * starts a new boot, whose elapsed time starts at 0. */
void clock_advance(struct clock *clock, uint64_t ms);
void clock_set(struct clock *clock, uint64_t now_ms);
void clock_reboot(struct clock *clock);

/* Replaces the process's clock by a manual clock, until clock_restore; once in the life of the
 * manual clock, which is never freed then. Its elapsed time continues that of the clock it
 * replaces. If several clocks have replaced it, the last one that was not restored is in use. */
void clock_replace(struct clock *clock);

/* Ends the replacement by this clock. Does nothing if the clock does not replace the process's. */
void clock_restore(struct clock *clock);

/* Returns true if the process's clock is replaced by a manual clock. */
bool clock_is_replaced(void);

/* Advances the clock that replaces the process's, if there is one. */
void clock_pass(uint64_t ms);

#endif
