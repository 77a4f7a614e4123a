/* program.c - functions that all programs of the benches use. */
#include "lib/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CACHE_LINE 64

_Noreturn void die(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

void *get_memory(size_t bytes)
{
	void *memory = calloc(1, bytes ? bytes : 1);

	if (!memory)
		die("memory", strerror(errno));
	return memory;
}

static uint64_t read_clock(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

uint64_t now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t processor_ns(void)
{
	return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

void sleep_ns(long nanoseconds)
{
	struct timespec time = { .tv_nsec = nanoseconds };

	nanosleep(&time, NULL);
}

void print_each(uint64_t start, uint64_t count)
{
	printf("%.1f\n", (double)(now_ns() - start) / (double)count);
}

uint64_t chance(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

uint64_t seed_of(uint64_t seed)
{
	return seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
}

static volatile unsigned touched;        /* keeps reads from being optimized away */

void touch(const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	unsigned seen = 0;

	for (size_t i = 0; i < len; i += CACHE_LINE)
		seen += at[i];
	touched = seen;
}

bool is(const char *given, const char *wanted)
{
	return strcmp(given, wanted) == 0;
}

uint64_t number_of(const char *text)
{
	uint64_t number = strtoull(text, NULL, 10);

	if (!number)
		die(text, "should be a number above 0");
	return number;
}
