/* test_decimal.c - conversions between doubles and decimals, compared with those of the C
 * library.
 */
#include "codec/decimal.h"

#include <math.h>

#include "check.h"

#define ROUNDS 2000
#define SMALLEST 1e-130
#define LARGEST 1e126

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

static bool is_in_range(double d)
{
	return d >= SMALLEST && d <= LARGEST;
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
		} while (!is_in_range(d));
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

static void check_with_neighbours(double d)
{
	uint64_t middle, bits;
	double neighbour;

	memcpy(&middle, &d, sizeof middle);
	for (bits = middle - 3; bits <= middle + 3; bits++) {
		memcpy(&neighbour, &bits, sizeof neighbour);
		if (is_in_range(neighbour))
			check_double(neighbour);
	}
}

/* The lower neighbour of a power of two is nearer than the upper one. */
static void powers_of_two_and_their_neighbours(void)
{
	int exponent;

	for (exponent = -431; exponent <= 418; exponent++)
		check_with_neighbours(ldexp(1, exponent));
}

static void powers_of_ten_and_their_neighbours(void)
{
	int exponent, digit;

	for (exponent = -130; exponent <= 126; exponent++)
		for (digit = 1; digit <= 9; digit++)
			check_with_neighbours(by_library((uint64_t)digit, exponent));
}

/* Doubles with few bits in the mantissa: the midpoints next to them are short decimals. */
static void doubles_of_few_bits(void)
{
	int i;

	for (i = 0; i < ROUNDS; i++)
		check_with_neighbours(ldexp((double)(1 + check_random_below(100000)),
			(int)check_random_below(800) - 420));
}

static void check_decimal(uint64_t digits, int exponent)
{
	struct decimal decimal = { digits, exponent }, again;
	double d, right = by_library(digits, exponent);
	bool same;

	if (!is_in_range(right))
		return;
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
		check_decimal(digits, (int)check_random_below(270) - 145);
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

/* Reads up to 38 digits; the text has a decimal point and an exponent. */
static void check_long(const char *text)
{
	double right = strtod(text, NULL);
	int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
	u128 digits = 0;
	const char *p;

	for (p = text; *p != 'e'; p++)
		if (*p != '.')
			digits = digits * 10 + (unsigned)(*p - '0');
	exponent -= (int)(p - strchr(text, '.') - 1);
	if (!is_in_range(right) || digits == 0)
		return;
	if (decimal_nearest_double(digits, exponent) != right)
		fprintf(stderr, "%s\n", text);
	CHECK(decimal_nearest_double(digits, exponent) == right);
}

static void decimals_of_38_digits(void)
{
	char text[64];
	int i, k;

	for (i = 0; i < ROUNDS; i++) {
		text[0] = (char)('1' + check_random_below(9));
		text[1] = '.';
		for (k = 2; k < 39; k++)
			text[k] = (char)('0' + check_random_below(10));
		snprintf(text + k, sizeof text - (size_t)k, "e%d",
			(int)check_random_below(256) - 130);
		check_long(text);
	}
}

static double next_double(double d)
{
	uint64_t bits;

	memcpy(&bits, &d, sizeof bits);
	bits++;
	memcpy(&d, &bits, sizeof d);
	return d;
}

/* Reads the 38 digits nearest to the midpoint of two doubles, and those that differ in the last
 * digit. Where the midpoint has at most 38 digits it is exact, and the even mantissa is right. */
static void check_midpoint(double d)
{
	double next = next_double(d);
	char text[64], last;

	if (!is_in_range(d) || !is_in_range(next))
		return;
	snprintf(text, sizeof text, "%.37Le", ((long double)d + (long double)next) / 2);
	last = text[38];
	check_long(text);
	text[38] = last < '9' ? last + 1 : '8';
	check_long(text);
	text[38] = last > '0' ? last - 1 : '1';
	check_long(text);
}

static void midpoints_with_38_digits(void)
{
	uint64_t bits;
	double d;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		bits = check_random() >> 1;
		memcpy(&d, &bits, sizeof d);
		check_midpoint(d);
		bits = (1023 - 60 + check_random_below(190)) << 52 | check_random() >> 12;
		memcpy(&d, &bits, sizeof d);
		check_midpoint(d);
		bits ^= 1;
		memcpy(&d, &bits, sizeof d);
		check_midpoint(d);
		bits &= ~UINT64_C(0) << check_random_below(52);
		memcpy(&d, &bits, sizeof d);
		check_midpoint(d);
	}
}

int main(void)
{
	doubles_of_every_size();
	doubles_near_one();
	powers_of_two_and_their_neighbours();
	powers_of_ten_and_their_neighbours();
	doubles_of_few_bits();
	decimals_of_every_size();
	decimals_half_way();
	decimals_at_a_power_of_two();
	decimals_of_38_digits();
	midpoints_with_38_digits();
	return 0;
}
