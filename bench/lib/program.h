/* program.h - functions that all programs of the benches use: exit with a message,
 * memory, time, random numbers, arguments of the command line.
 */
#ifndef BENCH_PROGRAM_H
#define BENCH_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

_Noreturn void die(const char *what, const char *why);

/* Returns zeroed memory; exits with a message if there is none. */
void *get_memory(size_t bytes);

uint64_t now_ns(void);

/* Returns the processor time of this process, which other programs delay less than the clock. */
uint64_t processor_ns(void);
void sleep_ns(long nanoseconds);

/* Prints a line with the nanoseconds since `start` per operation. */
void print_each(uint64_t start, uint64_t count);

/* Returns a pseudorandom number (xorshift64), never 0. */
uint64_t chance(uint64_t *state);
uint64_t seed_of(uint64_t seed);

/* Reads a byte of each cache line. */
void touch(const void *bytes, size_t len);

bool is(const char *given, const char *wanted);

/* Returns a number greater than 0; exits with a message if it is not. */
uint64_t number_of(const char *text);

#endif
