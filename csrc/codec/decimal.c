/* decimal.c - shortest decimal of a double, and nearest double of a decimal.
 *
 * Both directions have a fast path with integers. Numbers with too many digits or a large exponent
 * are converted with strtod and snprintf. Their result does not depend on the locale: strtod gets
 * a text without a decimal point, and the decimal point that snprintf writes is skipped.
 */
#include "codec/decimal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Integers up to 2^53 and powers of ten up to 1e22 are exact as doubles. */
#define INTEGER_EXACT ((uint64_t)1 << 53)
#define POWER_EXACT 22
/* Different decimals of at most 15 digits have different doubles. */
#define DIGITS_15 UINT64_C(1000000000000000)
#define DIGITS_17 UINT64_C(100000000000000000)

static const double power_of_ten[POWER_EXACT + 1] = {
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

/* --- with the C library --- */

static double nearest_by_text(struct decimal decimal)
{
	char text[48];

	snprintf(text, sizeof text, "%llue%d", (unsigned long long)decimal.digits,
		decimal.exponent);
	return strtod(text, NULL);
}

/* Rounds d to count digits with snprintf. Skips the decimal point, which depends on the locale. */
static struct decimal round_to(double d, int count)
{
	struct decimal decimal = { 0 };
	const char *p;
	char text[64];

	snprintf(text, sizeof text, "%.*e", count - 1, d);
	for (p = text; *p != 'e'; p++)
		if (*p >= '0' && *p <= '9')
			decimal.digits = decimal.digits * 10 + (uint64_t)(*p - '0');
	decimal.exponent = (int)strtol(p + 1, NULL, 10) - (count - 1);
	return decimal;
}

/* Returns the shortest decimal of any d > 0. The distance between doubles is halved just below a
 * power of two. There the next decimal above d can read back as d although the nearest decimal
 * does not. */
static struct decimal shortest_by_text(double d)
{
	struct decimal decimal;
	int count;

	for (count = 15; count < 17; count++) {
		decimal = round_to(d, count);
		if (nearest_by_text(decimal) == d)
			return decimal;
		decimal.digits++;
		if (nearest_by_text(decimal) == d)
			return decimal;
	}
	return round_to(d, 17);
}

/* --- with 128-bit integers, from about 1e-5 to 2^53 --- */

#ifdef __SIZEOF_INT128__
__extension__ typedef __int128 i128;
__extension__ typedef unsigned __int128 u128;

#define FRACTION_BITS 52
#define LEADING_BIT ((uint64_t)1 << FRACTION_BITS)

/* A double as mantissa / 2^shift. */
struct binary {
	uint64_t mantissa;
	int shift;
};

/* Converts d to mantissa / 2^shift. Returns false if the products below would not fit in 128
 * bits. */
static bool to_binary(double d, struct binary *binary)
{
	uint64_t bits;

	memcpy(&bits, &d, sizeof bits);
	binary->shift = 1075 - (int)(bits >> FRACTION_BITS);
	binary->mantissa = (bits & (LEADING_BIT - 1)) | LEADING_BIT;
	return binary->shift >= 1 && binary->shift <= 69;
}

static double from_binary(struct binary binary)
{
	uint64_t exponent = (uint64_t)(1075 - binary.shift);
	uint64_t bits = exponent << FRACTION_BITS | (binary.mantissa & (LEADING_BIT - 1));
	double d;

	memcpy(&d, &bits, sizeof d);
	return d;
}

static u128 whole_power(int n)
{
	u128 power = (uint64_t)power_of_ten[n < 19 ? n : 19];

	return n > 19 ? power * (uint64_t)power_of_ten[n - 19] : power;
}

/* Range of the decimals that read back as one double, low to high, times 10^exponent. */
struct span {
	uint64_t low, high;
	int exponent;
};

/* Removes `zeros` digits if the span contains a multiple of power = 10^zeros. */
static inline bool drop(struct span *span, uint64_t power, int zeros)
{
	uint64_t low = span->low / power + (span->low % power != 0);
	uint64_t high = span->high / power;

	if (low > high)
		return false;
	*span = (struct span){ low, high, span->exponent + zeros };
	return true;
}

static void drop_digits(struct span *span)
{
	drop(span, 100000000, 8);
	drop(span, 10000, 4);
	while (drop(span, 10, 1))
		;
}

/* Returns the integer nearest to scaled / (2^shift x 10^dropped). */
static uint64_t nearest_integer(u128 scaled, int shift, int dropped)
{
	uint64_t power = (uint64_t)power_of_ten[dropped];
	uint64_t digits = (uint64_t)(scaled >> shift) / power;
	u128 rest = scaled - ((u128)(digits * power) << shift);
	u128 half = ((u128)power << shift) / 2;

	return digits + (rest > half || (rest == half && digits & 1));
}

/* Computes the shortest decimal of a d > 0 that is not an integer.
 *
 * d = mantissa / 2^shift is multiplied by 10^k, with k large enough that the neighbouring doubles
 * are at least 2 away, so that some integer reads back as d. In units of 1 / 2^shift all
 * quantities are integers: d (`scaled`) and the midpoints between d and its neighbours. A midpoint
 * reads back as d if the mantissa is even. (A power of two has a nearer lower neighbour. This does
 * not need a special case, because the powers of two in range are decimals of at most 12 digits,
 * and no shorter decimal is close to them.) */
static bool shortest_by_integers(double d, struct decimal *decimal)
{
	struct binary binary;
	struct span span;
	u128 scaled, power, reach;
	int k;

	if (!to_binary(d, &binary))
		return false;
	k = ((binary.shift + 1) * 1233 >> 12) + 1;  /* 1233 / 4096 is slightly below log10(2) */
	power = whole_power(k);
	scaled = binary.mantissa * power;
	reach = power / 2 - (binary.mantissa & 1);
	span.high = (uint64_t)((scaled + reach) >> binary.shift);
	span.low = (uint64_t)((scaled - reach - 1) >> binary.shift) + 1;
	span.exponent = -k;
	drop_digits(&span);
	decimal->digits = nearest_integer(scaled, binary.shift, span.exponent + k);
	decimal->exponent = span.exponent;
	return true;
}

/* Computes the double nearest to a decimal of 16 or 17 digits that is divided by a power of ten of
 * at most 1e22. The floating-point quotient is rounded twice, so it can be wrong by one or two
 * units in the last place. The exact difference corrects it. (Decimals half-way between two
 * doubles have more digits.) Returns false at a power of two, where the unit changes. */
static bool nearest_by_integers(struct decimal decimal, double *d)
{
	struct binary binary;
	i128 power, rest;

	if (decimal.digits >= DIGITS_17 || decimal.exponent < -POWER_EXACT || decimal.exponent >= 0)
		return false;
	if (!to_binary((double)decimal.digits / power_of_ten[-decimal.exponent], &binary))
		return false;
	power = (i128)whole_power(-decimal.exponent);
	rest = ((i128)decimal.digits << binary.shift) - (i128)binary.mantissa * power;
	for (; 2 * rest > power; rest -= power)
		binary.mantissa++;
	for (; 2 * rest < -power; rest += power)
		binary.mantissa--;
	*d = from_binary(binary);
	return binary.mantissa > LEADING_BIT && binary.mantissa < 2 * LEADING_BIT;
}

#else

static bool shortest_by_integers(double d, struct decimal *decimal)
{
	(void)d;
	(void)decimal;
	return false;
}

static bool nearest_by_integers(struct decimal decimal, double *d)
{
	(void)decimal;
	(void)d;
	return false;
}

#endif

/* --- choosing the fastest method --- */

/* Tries a decimal with four places and at most 15 digits, which represents most amounts of money
 * and measurements. The quotient is rounded only once. If the quotient equals d, the decimal reads
 * back as d, and no other decimal of at most 15 digits does. */
static bool has_few_digits(double d, struct decimal *decimal)
{
	if (d >= 1e11)
		return false;
	decimal->digits = (uint64_t)(d * 1e4 + 0.5);
	decimal->exponent = -4;
	return (double)decimal->digits / 1e4 == d;
}

struct decimal decimal_of_double(double d)
{
	struct decimal decimal = { 0 };

	if (d < (double)INTEGER_EXACT && d == (double)(uint64_t)d)
		decimal.digits = (uint64_t)d;
	else if (!has_few_digits(d, &decimal) && !shortest_by_integers(d, &decimal))
		decimal = shortest_by_text(d);
	return decimal;
}

/* Converts a decimal with one multiplication or division. The digits and the power of ten are
 * exact as doubles, so the result is correctly rounded. */
static double by_operation(struct decimal decimal)
{
	if (decimal.exponent < 0)
		return (double)decimal.digits / power_of_ten[-decimal.exponent];
	return (double)decimal.digits * power_of_ten[decimal.exponent];
}

static struct decimal without_zeros(struct decimal decimal)
{
	for (; decimal.digits % 10 == 0; decimal.digits /= 10)
		decimal.exponent++;
	return decimal;
}

static bool is_shortest_of(struct decimal decimal, double d)
{
	struct decimal shortest;

	if (decimal.digits < DIGITS_15)
		return true;
	if (decimal.digits >= DIGITS_17)
		return false;
	shortest = without_zeros(decimal_of_double(d));
	return decimal.digits == shortest.digits && decimal.exponent == shortest.exponent;
}

double decimal_to_double(struct decimal decimal, bool *same)
{
	double d;

	if (decimal.digits >= DIGITS_15)
		decimal = without_zeros(decimal);
	if (decimal.digits <= INTEGER_EXACT && abs(decimal.exponent) <= POWER_EXACT)
		d = by_operation(decimal);
	else if (!nearest_by_integers(decimal, &d))
		d = nearest_by_text(decimal);
	*same = is_shortest_of(decimal, d);
	return d;
}
