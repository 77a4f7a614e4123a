/* check.h - checks, random values and a temporary directory for unit tests.
 *
 * Each test program tests one header. The first check that fails prints its
 * position, the actual and the expected value, and exits with status 1; later
 * failures are usually consequences of the first.
 *
 * Properties are tested on random values. The seed is random and is printed;
 * `SEED=n` repeats a run. Long tests can be shortened: `RUNS=n` sets the number
 * of random values, `EVERY=n` runs one in n of many cases.
 */
#ifndef UNIT_CHECK_H
#define UNIT_CHECK_H

#include <ftw.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition) \
	check_that((condition), __FILE__, __LINE__, #condition)

/* For signed and unsigned integers of any width. */
#define CHECK_EQUAL_INT(actual, expected) \
	check_equal_int((intmax_t)(actual), (intmax_t)(expected), \
		__FILE__, __LINE__, #actual)
#define CHECK_EQUAL_UINT(actual, expected) \
	check_equal_uint((uintmax_t)(actual), (uintmax_t)(expected), \
		__FILE__, __LINE__, #actual)

#define CHECK_EQUAL_STRING(actual, expected) \
	check_equal_string((actual), (expected), __FILE__, __LINE__, #actual)

#define CHECK_BYTES(actual, actual_length, expected, expected_length) \
	check_bytes((actual), (actual_length), (expected), (expected_length), \
		__FILE__, __LINE__, #actual)

static inline void check_that(bool holds, const char *file, int line,
	const char *text)
{
	if (holds)
		return;
	fprintf(stderr, "%s:%d: check failed: %s\n", file, line, text);
	exit(1);
}

static inline void check_equal_int(intmax_t actual, intmax_t expected,
	const char *file, int line, const char *text)
{
	if (actual == expected)
		return;
	fprintf(stderr, "%s:%d: %s is %" PRIdMAX ", not %" PRIdMAX "\n",
		file, line, text, actual, expected);
	exit(1);
}

static inline void check_equal_uint(uintmax_t actual, uintmax_t expected,
	const char *file, int line, const char *text)
{
	if (actual == expected)
		return;
	fprintf(stderr, "%s:%d: %s is %" PRIuMAX " (0x%" PRIxMAX "), not %" PRIuMAX
		" (0x%" PRIxMAX ")\n", file, line, text, actual, actual, expected,
		expected);
	exit(1);
}

static inline void check_equal_string(const char *actual, const char *expected,
	const char *file, int line, const char *text)
{
	if (actual && expected && strcmp(actual, expected) == 0)
		return;
	if (!actual && !expected)
		return;
	fprintf(stderr, "%s:%d: %s is \"%s\", not \"%s\"\n", file, line, text,
		actual ? actual : "(NULL)", expected ? expected : "(NULL)");
	exit(1);
}

static inline void check_print_bytes(const char *name, const uint8_t *bytes,
	size_t length, size_t from)
{
	size_t i;

	fprintf(stderr, "  %-9s%zu bytes, from %zu:", name, length, from);
	for (i = from; i < length && i < from + 24; i++)
		fprintf(stderr, " %02x", bytes[i]);
	fprintf(stderr, i < length ? " ...\n" : "\n");
}

static inline void check_bytes(const void *actual, size_t actual_length,
	const void *expected, size_t expected_length, const char *file, int line,
	const char *text)
{
	const uint8_t *a = actual, *e = expected;
	size_t same = 0;

	while (same < actual_length && same < expected_length && a[same] == e[same])
		same++;
	if (same == actual_length && same == expected_length)
		return;
	fprintf(stderr, "%s:%d: %s differs at byte %zu\n", file, line, text, same);
	check_print_bytes("is", a, actual_length, same);
	check_print_bytes("should be", e, expected_length, same);
	exit(1);
}

/* -- random values: splitmix64, with the same results on every machine */

static inline uint64_t *check_random_state(void)
{
	static uint64_t state;
	static bool seeded;
	const char *text = getenv("SEED");

	if (!seeded) {
		state = (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();
		if (text && *text)
			state = strtoull(text, NULL, 10);
		seeded = true;
		fprintf(stderr, "SEED=%" PRIu64 "\n", state);
	}
	return &state;
}

static inline uint64_t check_random(void)
{
	uint64_t z = *check_random_state() += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* Returns a random number from 0 to limit - 1; limit is at least 1. */
static inline uint64_t check_random_below(uint64_t limit)
{
	return check_random() % limit;
}

static inline void check_random_bytes(void *bytes, size_t length)
{
	uint8_t *put = bytes;
	size_t i;

	for (i = 0; i < length; i++)
		put[i] = (uint8_t)check_random();
}

/* Returns the number of runs: RUNS, or `usual` if RUNS is not set. */
static inline uint64_t check_runs(uint64_t usual)
{
	const char *text = getenv("RUNS");

	return text && *text ? strtoull(text, NULL, 10) : usual;
}

/* Returns the distance from one tested case to the next (EVERY). */
static inline long check_step(void)
{
	const char *text = getenv("EVERY");
	uint64_t every = text && *text ? strtoull(text, NULL, 10) : 1;

	return every > 1 ? 1 + (long)check_random_below(2 * every - 1) : 1;
}

/* -- temporary directory, removed at exit */

struct check_directory {
	char path[4096];
	pid_t owner;                    /* other processes do not remove it */
};

static inline struct check_directory *check_directory_state(void)
{
	static struct check_directory directory;

	return &directory;
}

static inline int check_remove_entry(const char *path, const struct stat *status,
	int kind, struct FTW *walk)
{
	(void)status;
	(void)kind;
	(void)walk;
	return remove(path);
}

static inline void check_remove_directory(void)
{
	struct check_directory *directory = check_directory_state();

	if (directory->owner == getpid())
		nftw(directory->path, check_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Returns the path of the directory, which the first call creates. */
static inline const char *check_directory(void)
{
	struct check_directory *directory = check_directory_state();
	const char *base = getenv("TMPDIR");

	if (directory->owner)
		return directory->path;
	snprintf(directory->path, sizeof directory->path, "%s/tidetable-XXXXXX",
		base && *base ? base : "/tmp");
	CHECK(mkdtemp(directory->path) != NULL);
	directory->owner = getpid();
	atexit(check_remove_directory);
	return directory->path;
}

#endif
