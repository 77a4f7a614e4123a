/* program.h - what every program of the benches needs: an end with a reason, memory,
 * the clock, chance, and what its words on the command line mean.
 */
#ifndef BENCH_PROGRAM_H
#define BENCH_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

_Noreturn void die(const char *what, const char *why);

/* Zeroed; it dies where there is none. */
void *get_memory(size_t bytes);

uint64_t now_ns(void);
void sleep_ns(long nanoseconds);

/* Nanoseconds since `start`, for each of `count` operations: a line of its own. */
void print_each(uint64_t start, uint64_t count);

/* Chance (xorshift64), the same for the same seed; never 0. */
uint64_t chance(uint64_t *state);
uint64_t seed_of(uint64_t seed);

/* Reads a byte of each cache line. */
void touch(const void *bytes, size_t len);

bool is(const char *given, const char *wanted);

/* Above 0, or it dies. */
uint64_t number_of(const char *text);

#endif
