/* numbers.c - measures the conversion of doubles to stored numbers and back.
 *
 *     numbers ROUNDS     prints for each kind of double: name, and the least of all rounds in ns of
 *                        processor time, of writing and of reading a number
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/number.h"
#include "lib/program.h"

#define COUNT 10000

static double doubles[COUNT];
static struct number numbers[COUNT];
static double sum;              /* so that results are not optimized away */

static double any_bits(uint64_t *state, double least, double below)
{
	uint64_t bits;
	double d;

	do {
		bits = chance(state) >> 1;
		memcpy(&d, &bits, sizeof d);
	} while (!(d >= least && d < below));
	return d;
}

static double amount(uint64_t *state)
{
	return (double)(chance(state) % 10000000) / 100;
}

static double fraction(uint64_t *state)
{
	return (double)(chance(state) >> 11 | 1) * 0x1p-53;
}

static double moment(uint64_t *state)
{
	return 1.7e9 + (double)(chance(state) % 100000000) / 1e6;
}

static double tiny(uint64_t *state)
{
	return any_bits(state, 1e-130, 1e-5);
}

static double medium(uint64_t *state)
{
	return any_bits(state, 1e-5, 1e15);
}

static double huge(uint64_t *state)
{
	return any_bits(state, 1e19, 1e126);
}

static double small_of_five_digits(uint64_t *state)
{
	char text[32];

	snprintf(text, sizeof text, "%de%d", (int)(1 + chance(state) % 99999),
		-10 - (int)(chance(state) % 100));
	return strtod(text, NULL);
}

static const struct kind {
	const char *name;
	double (*make)(uint64_t *state);
} kinds[] = {
	{ "amounts of money", amount },
	{ "times with microseconds", moment },
	{ "uniform from 0 to 1", fraction },
	{ "random bits, 1e-5 to 1e15", medium },
	{ "random bits, 1e-130 to 1e-5", tiny },
	{ "random bits, 1e19 to 1e126", huge },
	{ "five digits, 1e-109 to 1e-5", small_of_five_digits },
};

static double each(uint64_t start)
{
	return (double)(processor_ns() - start) / COUNT;
}

static double write_all(void)
{
	uint64_t start = processor_ns();
	int i;

	for (i = 0; i < COUNT; i++)
		if (number_from_double(&numbers[i], doubles[i]))
			die("number_from_double", "refused");
	return each(start);
}

static double read_all(void)
{
	uint64_t start = processor_ns();
	double d;
	int i;

	for (i = 0; i < COUNT; i++) {
		if (!number_to_double(number_slice(&numbers[i]), &d))
			die("number_to_double", "not the same");
		sum += d;
	}
	return each(start);
}

static void measure(const struct kind *kind, uint64_t rounds)
{
	uint64_t state = seed_of(1), i;
	double write = 1e9, read = 1e9, time;

	for (i = 0; i < COUNT; i++)
		doubles[i] = kind->make(&state);
	for (i = 0; i < rounds; i++) {
		time = write_all();
		write = time < write ? time : write;
		time = read_all();
		read = time < read ? time : read;
	}
	printf("%-28s write %6.0f read %6.0f\n", kind->name, write, read);
}

int main(int argc, char **argv)
{
	uint64_t rounds = argc == 2 ? number_of(argv[1]) : 0;
	size_t i;

	if (!rounds)
		die("numbers", "expects ROUNDS");
	for (i = 0; i < sizeof kinds / sizeof *kinds; i++)
		measure(&kinds[i], rounds);
	return sum < 0;
}
