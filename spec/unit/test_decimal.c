/* test_decimal.c - conversions between doubles and decimals, compared with those of the C
 * library.
 */
#include "codec/decimal.h"

#include <math.h>

#include "check.h"

#define ROUNDS 2000

static double by_library(uint64_t digits, int exponent)
{
	char text[64];

	snprintf(text, sizeof text, "%" PRIu64 "e%d", digits, exponent);
	return strtod(text, NULL);
}

static struct decimal rounded(double d, int count)
{
	struct decimal decimal;
	char text[64];

	snprintf(text, sizeof text, "%.*e", count - 1, d);
	decimal.exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10) - (count - 1);
	*strchr(text, 'e') = '\0';
	if (count > 1)
		memmove(text + 1, text + 2, strlen(text + 1));
	decimal.digits = strtoull(text, NULL, 10);
	return decimal;
}

/* Reference: for each number of digits, tries the nearest decimal and its two neighbours. */
static struct decimal right_shortest(double d)
{
	struct decimal decimal = { 0 };
	int count;

	for (count = 1; count <= 17; count++) {
		decimal = rounded(d, count);
		if (by_library(decimal.digits, decimal.exponent) == d)
			return decimal;
		decimal.digits++;
		if (by_library(decimal.digits, decimal.exponent) == d)
			return decimal;
		decimal.digits -= 2;
		if (by_library(decimal.digits, decimal.exponent) == d)
			return decimal;
	}
	return decimal;
}

static struct decimal without_zeros(struct decimal decimal)
{
	while (decimal.digits && decimal.digits % 10 == 0) {
		decimal.digits /= 10;
		decimal.exponent++;
	}
	return decimal;
}

static void check_double(double d)
{
	struct decimal right = without_zeros(right_shortest(d));
	struct decimal decimal = without_zeros(decimal_of_double(d));
	bool same = false;

	if (decimal.digits != right.digits || decimal.exponent != right.exponent)
		fprintf(stderr, "%.17g (%a)\n", d, d);
	CHECK_EQUAL_UINT(decimal.digits, right.digits);
	CHECK_EQUAL_INT(decimal.exponent, right.exponent);
	CHECK(decimal_to_double(decimal, &same) == d && same);
}

static void doubles_of_every_size(void)
{
	uint64_t bits;
	double d;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		do {
			bits = check_random() >> 1;
			memcpy(&d, &bits, sizeof d);
		} while (!(d > 1e-300 && d < 1e300));
		check_double(d);
	}
}

/* Doubles for which the fast path is used: fractions that are not too small. */
static void doubles_near_one(void)
{
	uint64_t bits;
	double d;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		bits = (1023 - 20 + check_random_below(75)) << 52 | check_random() >> 12;
		memcpy(&d, &bits, sizeof d);
		check_double(d);
		check_double((double)(1 + check_random_below(100000)) / 100);
		check_double((double)(check_random() >> 11 | 1) * 0x1p-53);
	}
}

/* The lower neighbour of a power of two is nearer than the upper one. */
static void powers_of_two_and_their_neighbours(void)
{
	uint64_t bits, exponent;
	int beside;
	double d;

	for (exponent = 30; exponent < 2010; exponent++)
		for (beside = -2; beside <= 2; beside++) {
			bits = (exponent << 52) + (uint64_t)(int64_t)beside;
			memcpy(&d, &bits, sizeof d);
			check_double(d);
		}
}

static void check_decimal(uint64_t digits, int exponent)
{
	struct decimal decimal = { digits, exponent }, again;
	double d, right = by_library(digits, exponent);
	bool same;

	d = decimal_to_double(decimal, &same);
	if (d != right)
		fprintf(stderr, "%" PRIu64 "e%d\n", digits, exponent);
	CHECK(d == right);
	decimal = without_zeros(decimal);
	again = without_zeros(right_shortest(right));
	CHECK_EQUAL_INT(same, decimal.digits == again.digits &&
		decimal.exponent == again.exponent);
}

static void decimals_of_every_size(void)
{
	uint64_t digits, power;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		digits = check_random() >> check_random_below(64) | 1;
		check_decimal(digits, (int)check_random_below(500) - 250);
		check_decimal(digits, -(int)check_random_below(25));
		for (power = 1; power < digits && power < UINT64_C(10000000000000000); power *= 10)
			;
		check_decimal(check_random() % power * 10 + 1 + check_random_below(9),
			-(int)check_random_below(25));
	}
}

/* Decimals exactly half-way between two doubles are rounded to even; also tests decimals
 * slightly below and above. */
static void decimals_half_way(void)
{
	uint64_t odd, half, five;
	int i, shift;

	for (i = 0; i < ROUNDS; i++) {
		odd = (UINT64_C(1) << 53) | (check_random() >> 11) | 1;
		for (shift = 1, five = 5; shift <= 4; shift++, five *= 5) {
			half = odd * five;
			if (half / five != odd)
				break;
			check_decimal(half, -shift);
			check_decimal(half + 1, -shift);
			check_decimal(half - 1, -shift);
		}
	}
}

/* The distance to the next double is different below and above 2^52. */
static void decimals_at_a_power_of_two(void)
{
	uint64_t tenths = (UINT64_C(1) << 52) * 10, n;

	for (n = tenths - 30; n <= tenths + 30; n++)
		check_decimal(n, -1);
}

int main(void)
{
	doubles_of_every_size();
	doubles_near_one();
	powers_of_two_and_their_neighbours();
	decimals_of_every_size();
	decimals_half_way();
	decimals_at_a_power_of_two();
	return 0;
}
