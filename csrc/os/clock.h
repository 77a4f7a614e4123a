/* clock.h - the door to time.
 *
 * A clock tells the wall's time, how much time has passed, and on which boot
 * of the machine. A manual clock stands still until it is told: for tests, and
 * for whoever replays. Clocks are shared by reference and may be used from
 * several threads.
 */
#ifndef OS_CLOCK_H
#define OS_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLOCK_BOOT_BYTES 16

struct clock;

/* The machine's own clock; never freed. */
struct clock *clock_system(void);

/* A clock that says now_ms, on a boot of its own. NULL: out of memory. */
struct clock *clock_manual(uint64_t now_ms);

struct clock *clock_share(struct clock *clock);   /* one more owner */
void clock_drop(struct clock *clock);             /* one less; NULL is fine */

/* Milliseconds since 1970, UTC. */
uint64_t clock_now_ms(const struct clock *clock);

/* Milliseconds that never jump and never run backwards, suspended time
 * included; comparable within one boot, across processes. */
uint64_t clock_elapsed_ms(const struct clock *clock);

/* Microseconds of CLOCK_MONOTONIC, for intervals: the same in all processes of one time
 * namespace, and not 0. */
uint64_t clock_monotonic_us(void);

/* Sleeps so long by the machine's own clock, or until a signal. */
void clock_sleep_us(uint32_t us);

/* Which boot of the machine: bytes that differ from boot to boot. */
void clock_boot(const struct clock *clock, uint8_t boot[CLOCK_BOOT_BYTES]);

/* Ms since 1970 as "2026-01-31T12:00:00.000", UTC: 24 bytes with the NUL, until the
 * year 9999. */
void clock_text(char *text, size_t size, uint64_t ms);

/* Manual clocks only. advance moves the wall's time and the elapsed time; set
 * moves the wall's time alone (somebody set the clock); reboot begins another
 * boot, its elapsed time at 0. */
void clock_advance(struct clock *clock, uint64_t ms);
void clock_set(struct clock *clock, uint64_t now_ms);
void clock_reboot(struct clock *clock);

#endif
