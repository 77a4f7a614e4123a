/* decimal.c - shortest decimal of a double, and nearest double of a decimal.
 *
 * Both directions multiply or divide an integer by a power of ten with multiple-precision
 * arithmetic, so they are exact and need no bound for the error of an approximation. The range of
 * DynamoDB's numbers keeps the powers small: 10^n is 2^n x 5^n, and 5^168 has 391 bits. Integers
 * and decimals of a few digits have a fast path.
 */
#include "codec/decimal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Integers up to 2^53 and powers of ten up to 1e22 are exact as doubles. */
#define INTEGER_EXACT ((uint64_t)1 << 53)
#define POWER_EXACT 22
/* Different decimals of at most 15 digits have different doubles. */
#define DIGITS_15 UINT64_C(1000000000000000)
#define DIGITS_17 UINT64_C(100000000000000000)

/* A double is mantissa x 2^(bits of the exponent - EXPONENT_BIAS). */
#define FRACTION_BITS 52
#define LEADING_BIT ((uint64_t)1 << FRACTION_BITS)
#define EXPONENT_BIAS 1075

static const double power_of_ten[POWER_EXACT + 1] = {
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

/* --- powers of ten, exact --- */

#define POWER_MAX 168
#define STEP 27         /* 5^27 is the largest power of five below 2^64 */
#define LIMBS (POWER_MAX / STEP + 1)

/* A power of five: an integer in base 2^64, the lowest limb first, times 2^exponent. The
 * highest bit of the highest limb is 1. */
struct power {
	unsigned count;     /* of limbs */
	int exponent;
	uint64_t limb[LIMBS];
};

/* 5^0 to 5^26. */
static const uint64_t small_fives[STEP] = {
	1, 5, 25, 125, 625, 3125, 15625, 78125, 390625, 1953125, 9765625, 48828125, 244140625,
	1220703125, UINT64_C(6103515625), UINT64_C(30517578125), UINT64_C(152587890625),
	UINT64_C(762939453125), UINT64_C(3814697265625), UINT64_C(19073486328125),
	UINT64_C(95367431640625), UINT64_C(476837158203125), UINT64_C(2384185791015625),
	UINT64_C(11920928955078125), UINT64_C(59604644775390625), UINT64_C(298023223876953125),
	UINT64_C(1490116119384765625),
};

/* 5^27, 5^54 to 5^162. To compute them: take 5^n, append zero bits until its length is a multiple
 * of 64, and write it in base 2^64; the exponent is minus the number of these bits. */
static const struct power large_fives[LIMBS - 1] = {
	{ .count = 1, .exponent = -1, .limb = { UINT64_C(0xcecb8f27f4200f3a) } },
	{ .count = 2, .exponent = -2, .limb = {
		UINT64_C(0x999090b65f67d924), UINT64_C(0xa70c3c40a64e6c51),
	} },
	{ .count = 3, .exponent = -3, .limb = {
		UINT64_C(0xdf9f915627c04e28), UINT64_C(0x69a028bb3ded71a3),
		UINT64_C(0x86f0ac99b4e8dafd),
	} },
	{ .count = 4, .exponent = -5, .limb = {
		UINT64_C(0xdffef8f2564c1a20), UINT64_C(0xd74baad03bc1d8d3),
		UINT64_C(0xe80e6f4820cc9495), UINT64_C(0xda01ee641a708de9),
	} },
	{ .count = 5, .exponent = -6, .limb = {
		UINT64_C(0xe875c73fc6c5cb40), UINT64_C(0xda0b4f7be81d85c4),
		UINT64_C(0xc04c79ffe324301f), UINT64_C(0x5ec05dcff72e7f8f),
		UINT64_C(0xb01ae745b101e9e4),
	} },
	{ .count = 6, .exponent = -7, .limb = {
		UINT64_C(0xb333f64b07b8cc80), UINT64_C(0x795ce6703d77ec02),
		UINT64_C(0xcd10a54139faf1c0), UINT64_C(0x23bd6a2059c002f5),
		UINT64_C(0x14588f13be847307), UINT64_C(0x8e41ade9fbebc27d),
	} },
};

/* Writes power x n + sum to the power->count + 1 limbs at product, sum being power->count limbs or
 * NULL for 0. */
static inline void put_product(uint64_t *product, const struct power *power, uint64_t n,
	const uint64_t *sum)
{
	uint64_t carry = 0;
	unsigned i;

	for (i = 0; i < power->count; i++) {
		u128 limb = (u128)power->limb[i] * n + (sum ? sum[i] : 0) + carry;

		product[i] = (uint64_t)limb;
		carry = (uint64_t)(limb >> 64);
	}
	product[power->count] = carry;
}

static void shift_left_by_one(struct power *power)
{
	unsigned i;

	for (i = power->count - 1; i > 0; i--)
		power->limb[i] = power->limb[i] << 1 | power->limb[i - 1] >> 63;
	power->limb[0] <<= 1;
	power->exponent--;
}

/* Computes 5^n, n <= POWER_MAX, as the product of a large and a small power. */
static void set_power_of_five(struct power *power, unsigned n)
{
	uint64_t small = small_fives[n % STEP];
	int zeros = __builtin_clzll(small);
	const struct power *large;

	assert(n <= POWER_MAX);
	power->count = n / STEP + 1;
	power->exponent = -zeros;
	power->limb[0] = small << zeros;
	if (n < STEP)
		return;
	large = &large_fives[n / STEP - 1];
	put_product(power->limb, large, small << zeros, NULL);
	power->exponent += large->exponent;
	if (!(power->limb[large->count] >> 63))
		shift_left_by_one(power);
}

/* --- an integer times a power of ten --- */

/* A positive real number: bits x 2^exponent, bits >= 2^62. If it is inexact, the real number is
 * larger, by less than 2^exponent. */
struct truncated {
	uint64_t bits;
	int exponent;
	bool inexact;
};

static inline int leading_zeros(u128 n)
{
	uint64_t high = (uint64_t)(n >> 64);

	return high ? __builtin_clzll(high) : 64 + __builtin_clzll((uint64_t)n);
}

static inline bool any_bit(const uint64_t *limbs, unsigned count)
{
	uint64_t bits = 0;
	unsigned i;

	for (i = 0; i < count; i++)
		bits |= limbs[i];
	return bits != 0;
}

/* Computes n x power, which must have one limb. */
static inline struct truncated multiply_short(uint64_t n, const struct power *power)
{
	int zeros = __builtin_clzll(n);
	u128 product = (u128)(n << zeros) * power->limb[0];

	return (struct truncated){
		.bits = (uint64_t)(product >> 64),
		.exponent = power->exponent + 64 - zeros,
		.inexact = (uint64_t)product != 0,
	};
}

/* Computes n x power, n > 0. */
static struct truncated multiply(u128 n, const struct power *power)
{
	uint64_t low[LIMBS + 1], product[LIMBS + 1];
	unsigned count = power->count;
	int zeros = leading_zeros(n);
	bool rest = false;

	n <<= zeros;
	if ((uint64_t)n) {
		put_product(low, power, (uint64_t)n, NULL);
		put_product(product, power, (uint64_t)(n >> 64), low + 1);
		rest = low[0] != 0;
	} else {
		put_product(product, power, (uint64_t)(n >> 64), NULL);
	}
	return (struct truncated){
		.bits = product[count],
		.exponent = power->exponent + 64 * ((int)count + 1) - zeros,
		.inexact = rest || any_bit(product, count),
	};
}

/* Computes n / power, 0 < n < 2^127, by long division in base 2^64 (Knuth's algorithm D), of which
 * one digit is enough. The dividend is below the divisor, whose highest bit is 1, so the quotient
 * of their highest limbs is the digit or greater by 1 or 2. */
static struct truncated divide(u128 n, const struct power *power)
{
	uint64_t product[LIMBS + 1], digit;
	unsigned count = power->count;
	int zeros = leading_zeros(n) - 1;
	u128 high;

	n <<= zeros;
	digit = (uint64_t)(n / power->limb[count - 1]);
	for (;; digit--) {
		put_product(product, power, digit, NULL);
		high = (u128)product[count] << 64 | product[count - 1];
		if (high < n || (high == n && !any_bit(product, count - 1)))
			break;
	}
	return (struct truncated){
		.bits = digit,
		.exponent = -power->exponent - 64 * ((int)count - 1) - zeros,
		.inexact = high < n,
	};
}

/* A factor 10^exponent; one is used for several integers. */
struct scale {
	struct power fives;
	int exponent;
};

static inline void set_scale(struct scale *scale, int exponent)
{
	scale->exponent = exponent;
	set_power_of_five(&scale->fives, (unsigned)abs(exponent));
}

/* Computes n x 10^exponent, 0 < n < 2^127. */
static inline struct truncated apply_scale(const struct scale *scale, u128 n)
{
	struct truncated real;

	if (scale->exponent < 0)
		real = divide(n, &scale->fives);
	else if (scale->fives.count == 1 && n >> 64 == 0)
		real = multiply_short((uint64_t)n, &scale->fives);
	else
		real = multiply(n, &scale->fives);
	real.exponent += scale->exponent;
	return real;
}

/* --- shortest decimal --- */

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

/* Computes the integer part of n x 2^exponent x scale, which must be below 2^62. */
static inline struct truncated to_integer(const struct scale *scale, uint64_t n, int exponent)
{
	struct truncated real = apply_scale(scale, n);
	int places = -(real.exponent + exponent);

	assert(places > 0 && places < 64);
	real.inexact = real.inexact || real.bits << (64 - places);
	real.bits >>= places;
	return real;
}

/* Returns the integer nearest to twice / 2 / power, of two the even one. */
static uint64_t nearest_integer(struct truncated twice, uint64_t power)
{
	uint64_t digits = twice.bits / 2 / power;
	uint64_t rest = twice.bits - 2 * digits * power;

	return digits + (rest > power || (rest == power && (twice.inexact || digits & 1)));
}

static int floor_log10_of_power_of_two(int n)
{
	return ((n + 4096) * 1233 >> 12) - 1233;   /* 1233 / 4096 is slightly below log10(2) */
}

/* Computes the shortest decimal of any d in range; it does not end with zeros.
 *
 * d = mantissa x 2^exponent is scaled by a power of ten so that the neighbouring doubles are at
 * least 1.9 away and some integer reads back as d. The span of these integers ends at the midpoints
 * between d and its neighbours; a midpoint reads back as d if the mantissa is even. The lower
 * neighbour of a power of two is only half as far away. There the span may contain a decimal above
 * d although a decimal outside of it is nearer. */
static struct decimal shortest_by_powers(double d)
{
	struct truncated low, high;
	struct scale scale;
	struct span span;
	uint64_t bits, mantissa, nearest;
	int exponent, ten;

	memcpy(&bits, &d, sizeof bits);
	mantissa = (bits & (LEADING_BIT - 1)) | LEADING_BIT;
	exponent = (int)(bits >> FRACTION_BITS) - EXPONENT_BIAS;
	ten = floor_log10_of_power_of_two(exponent - 1);
	set_scale(&scale, -ten);
	low = to_integer(&scale, 4 * mantissa - 2 + (mantissa == LEADING_BIT), exponent - 2);
	high = to_integer(&scale, 2 * mantissa + 1, exponent - 1);
	span.low = low.bits + (low.inexact || mantissa & 1);
	span.high = high.bits - (!high.inexact && mantissa & 1);
	span.exponent = ten;
	drop_digits(&span);
	if (span.low == span.high)
		return (struct decimal){ span.low, span.exponent };
	nearest = nearest_integer(to_integer(&scale, mantissa, exponent + 1),
		(uint64_t)power_of_ten[span.exponent - ten]);
	nearest = nearest < span.low ? span.low : nearest;
	return (struct decimal){ nearest, span.exponent };
}

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

	assert(d >= 1e-130 && d <= 1e126);
	if (d < (double)INTEGER_EXACT && d == (double)(uint64_t)d)
		decimal.digits = (uint64_t)d;
	else if (!has_few_digits(d, &decimal))
		decimal = shortest_by_powers(d);
	return decimal;
}

/* --- nearest double --- */

double decimal_nearest_double(u128 digits, int exponent)
{
	struct truncated real;
	struct scale scale;
	uint64_t mantissa, rest, half, bits;
	int places;
	double d;

	set_scale(&scale, exponent);
	real = apply_scale(&scale, digits);
	places = 64 - (FRACTION_BITS + 1) - __builtin_clzll(real.bits);
	half = (uint64_t)1 << (places - 1);
	mantissa = real.bits >> places;
	rest = real.bits & (2 * half - 1);
	mantissa += rest > half || (rest == half && (real.inexact || mantissa & 1));
	/* the leading bit of the mantissa, or a carry beyond it, increments the exponent */
	bits = ((uint64_t)(real.exponent + places + EXPONENT_BIAS - 1) << FRACTION_BITS) + mantissa;
	memcpy(&d, &bits, sizeof d);
	return d;
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

/* decimal must not end with zeros. */
static bool is_shortest_of(struct decimal decimal, double d)
{
	struct decimal shortest;

	if (decimal.digits < DIGITS_15)
		return true;
	if (decimal.digits >= DIGITS_17)
		return false;
	shortest = shortest_by_powers(d);
	return decimal.digits == shortest.digits && decimal.exponent == shortest.exponent;
}

double decimal_to_double(struct decimal decimal, bool *same)
{
	double d;

	if (decimal.digits >= DIGITS_15)
		decimal = without_zeros(decimal);
	if (decimal.digits <= INTEGER_EXACT && abs(decimal.exponent) <= POWER_EXACT)
		d = by_operation(decimal);
	else
		d = decimal_nearest_double(decimal.digits, decimal.exponent);
	*same = is_shortest_of(decimal, d);
	return d;
}
