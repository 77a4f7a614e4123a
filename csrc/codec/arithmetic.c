/* arithmetic.c - sums, products and quotients of decimal numbers, by schoolbook methods.
 *
 * Small sums and products, the usual case, are computed with 64-bit integers. All others are
 * computed with one byte per decimal digit, in arrays large enough for every digit of the exact
 * result, so that no digit has to be dropped before the result is rounded.
 */
#include "codec/arithmetic.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The sum of two integers below this limit fits in 64 bits. */
#define SCALED_LIMIT INT64_C(1000000000000000000)
/* Maximum number of digits of a quotient, which range from 10^(125 + 167) to one place more than
 * PLACES_MAX. */
#define WIDE (125 + PLACES_MAX + PLACES_MAX + 2)

/* +-d[0] d[1] ... x 10^exponent, where exponent is that of the last digit.
 * Leading and trailing zeros are allowed. */
struct wide {
	bool negative;
	unsigned count;
	int exponent;
	uint8_t digits[WIDE];
};

static void widen(struct wide *wide, struct slice bytes)
{
	wide->negative = number_sign(bytes) < 0;
	wide->count = number_to_digits(bytes, wide->digits, &wide->exponent);
}

static int narrow(struct number *number, const struct wide *wide)
{
	return number_from_digits(number, wide->negative, wide->digits, wide->count,
		wide->exponent);
}

/* Returns the exponent of the first digit. */
static inline int top_of(const struct wide *wide)
{
	return wide->exponent + (int)wide->count - 1;
}

/* Returns the digit of 10^exponent; 0 outside the array. */
static inline int digit_at(const struct wide *wide, int exponent)
{
	int i = top_of(wide) - exponent;

	return i >= 0 && i < (int)wide->count ? wide->digits[i] : 0;
}

static inline int lesser(int a, int b)
{
	return a < b ? a : b;
}

static inline int greater(int a, int b)
{
	return a > b ? a : b;
}

/* --- sums --- */

static int compare_magnitudes(const struct wide *a, const struct wide *b)
{
	int bottom = lesser(a->exponent, b->exponent);
	int exponent = greater(top_of(a), top_of(b)), order = 0;

	for (; order == 0 && exponent >= bottom; exponent--)
		order = digit_at(a, exponent) - digit_at(b, exponent);
	return order;
}

/* Sets *out to |a| + sign x |b|, column by column. The result must not be negative;
 * out must be different from a and b. */
static void add_columns(struct wide *out, const struct wide *a, const struct wide *b, int sign)
{
	int bottom = lesser(a->exponent, b->exponent);
	int top = greater(top_of(a), top_of(b)) + 1;
	int carry = 0, column, exponent;

	assert(top - bottom < WIDE);
	out->exponent = bottom;
	out->count = (unsigned)(top - bottom + 1);
	for (exponent = bottom; exponent <= top; exponent++) {
		column = digit_at(a, exponent) + sign * digit_at(b, exponent) + carry;
		carry = column < 0 ? -1 : column >= 10;
		out->digits[top - exponent] = (uint8_t)(column - 10 * carry);
	}
}

static void add_wide(struct wide *sum, const struct wide *a, const struct wide *b)
{
	if (a->negative == b->negative) {
		add_columns(sum, a, b, 1);
		sum->negative = a->negative;
	} else if (compare_magnitudes(a, b) >= 0) {
		add_columns(sum, a, b, -1);
		sum->negative = a->negative;
	} else {
		add_columns(sum, b, a, -1);
		sum->negative = b->negative;
	}
}

/* Adds n x 100^m and k x 100^j, m > j. Returns false if 64 bits are too few. */
static bool add_scaled(struct number *sum, int64_t n, int m, int64_t k, int j)
{
	for (; m > j; m--) {
		if (n >= SCALED_LIMIT / 100 || n <= -SCALED_LIMIT / 100)
			return false;
		n *= 100;
	}
	number_from_scaled(sum, n + k, j);
	return true;
}

/* Sets *sum to a + sign x b. */
static int add(struct number *sum, struct slice a, struct slice b, int sign)
{
	struct wide x, y, out;
	int64_t n, k;
	int m, j;

	if (number_to_scaled(a, &n, &m) && number_to_scaled(b, &k, &j))
		if (m >= j ? add_scaled(sum, n, m, sign * k, j) : add_scaled(sum, sign * k, j, n,
			m))
			return 0;
	widen(&x, a);
	widen(&y, b);
	y.negative ^= sign < 0;
	add_wide(&out, &x, &y);
	return narrow(sum, &out);
}

int number_add(struct number *sum, struct slice a, struct slice b)
{
	return add(sum, a, b, 1);
}

int number_subtract(struct number *difference, struct slice a, struct slice b)
{
	return add(difference, a, b, -1);
}

/* Negates a number by complementing all bytes of its encoding. Zero is unchanged. */
void number_negate(struct number *negative, struct slice a)
{
	uint8_t flip = number_sign(a) ? 0xff : 0;
	size_t i;

	for (i = 0; i < a.len; i++)
		negative->bytes[i] = a.data[i] ^ flip;
	negative->len = (uint8_t)a.len;
}

/* --- products --- */

static void multiply_wide(struct wide *product, const struct wide *a, const struct wide *b)
{
	unsigned i, j, column, carry;

	product->negative = a->negative != b->negative;
	product->count = a->count + b->count;
	product->exponent = a->exponent + b->exponent;
	memset(product->digits, 0, product->count);
	for (i = a->count; i-- > 0;) {
		for (carry = 0, j = b->count; j-- > 0; carry = column / 10) {
			column = product->digits[i + j + 1] + carry +
				(unsigned)a->digits[i] * b->digits[j];
			product->digits[i + j + 1] = (uint8_t)(column % 10);
		}
		product->digits[i] = (uint8_t)carry;
	}
}

static bool multiply_scaled(struct number *product, struct slice a, struct slice b)
{
	int64_t n, k, both;
	int m, j;

	if (!number_to_scaled(a, &n, &m) || !number_to_scaled(b, &k, &j))
		return false;
	if (abs(m + j) > SCALED_EXPONENT || __builtin_mul_overflow(n, k, &both))
		return false;
	number_from_scaled(product, both, m + j);
	return true;
}

int number_multiply(struct number *product, struct slice a, struct slice b)
{
	struct wide x, y, out;

	if (multiply_scaled(product, a, b))
		return 0;
	widen(&x, a);
	widen(&y, b);
	multiply_wide(&out, &x, &y);
	return narrow(product, &out);
}

/* --- quotients --- */

/* Running remainder of a long division. It has as many digits as the divisor and one leading
 * digit, which is nonzero only while a digit is being divided. */
struct rest {
	unsigned count;
	uint8_t digits[NUMBER_MAX_DIGITS + 1];
};

static bool reaches(const struct rest *rest, const struct wide *divisor)
{
	return rest->digits[0] || memcmp(rest->digits + 1, divisor->digits, divisor->count) >= 0;
}

static void take_away(struct rest *rest, const struct wide *divisor)
{
	int borrow = 0, column;
	unsigned i;

	for (i = divisor->count; i > 0; i--) {
		column = rest->digits[i] - divisor->digits[i - 1] - borrow;
		borrow = column < 0;
		rest->digits[i] = (uint8_t)(column + 10 * borrow);
	}
	rest->digits[0] = (uint8_t)(rest->digits[0] - borrow);
}

/* Appends the next digit of the dividend; returns the next digit of the quotient. */
static uint8_t divide_digit(struct rest *rest, const struct wide *divisor, int digit)
{
	uint8_t times = 0;

	memmove(rest->digits, rest->digits + 1, divisor->count);
	rest->digits[divisor->count] = (uint8_t)digit;
	for (; reaches(rest, divisor); times++)
		take_away(rest, divisor);
	return times;
}

/* Computes the digits of a / b down to 10^last. The remainder is in units of 10^(last + exponent
 * of b) and ignores the digits of a below that unit. */
static void divide_wide(struct wide *quotient, struct rest *rest, const struct wide *a,
	const struct wide *b, int last)
{
	int exponent = top_of(a) - b->exponent;

	*rest = (struct rest){ .count = b->count + 1 };
	quotient->negative = a->negative != b->negative;
	quotient->count = 0;
	quotient->exponent = last;
	for (; exponent >= last; exponent--)
		quotient->digits[quotient->count++] =
			divide_digit(rest, b, digit_at(a, exponent + b->exponent));
}

static bool is_left(const struct rest *rest)
{
	unsigned i;

	for (i = 0; i < rest->count; i++)
		if (rest->digits[i])
			return true;
	return false;
}

/* --- rounding --- */

/* Returns true if rounding increases the magnitude. twice compares the discarded
 * part with half a unit: -1 below, 0 equal, 1 above. */
static bool grows(enum rounding rounding, bool negative, bool odd, int twice)
{
	switch (rounding) {
	case ROUND_HALF_EVEN: return twice > 0 || (twice == 0 && odd);
	case ROUND_HALF_UP: return twice >= 0;
	case ROUND_HALF_DOWN: return twice > 0;
	case ROUND_UP: return true;
	case ROUND_DOWN: return false;
	case ROUND_CEILING: return !negative;
	case ROUND_FLOOR: return negative;
	}
	return false;
}

/* Returns true if a digit below 10^exponent is not zero. */
static bool has_below(const struct wide *wide, int exponent)
{
	int at;

	for (at = wide->exponent; at < exponent; at++)
		if (digit_at(wide, at))
			return true;
	return false;
}

/* Truncates the number at 10^unit and adds one unit if the rounding mode requires that. `more` is
 * true if the exact value has nonzero digits that wide does not contain. */
static void round_wide(struct wide *wide, int unit, bool more, enum rounding rounding)
{
	const struct wide one = { .count = 1, .exponent = unit, .digits = { 1 } };
	int first = digit_at(wide, unit - 1);
	struct wide cut = *wide;
	int twice;

	more = more || has_below(wide, unit - 1);
	if (!first && !more)
		return;
	twice = first == 5 ? more : first > 5 ? 1 : -1;
	cut.count = (unsigned)greater((int)wide->count - (unit - wide->exponent), 0);
	cut.exponent = unit;
	if (grows(rounding, wide->negative, digit_at(wide, unit) % 2, twice)) {
		wide->negative = cut.negative;
		add_columns(wide, &cut, &one, 1);
	} else {
		*wide = cut;
	}
}

int number_round(struct number *rounded, struct slice a, int places, enum rounding rounding)
{
	struct wide wide;

	assert(places >= PLACES_MIN && places <= PLACES_MAX);
	widen(&wide, a);
	round_wide(&wide, -places, false, rounding);
	return narrow(rounded, &wide);
}

int number_divide(struct number *quotient, struct slice a, struct slice b, int places,
	enum rounding rounding)
{
	struct wide x, y, out;
	struct rest rest;
	int last = -places - 1;
	bool more;

	assert(number_sign(b) != 0);
	assert(places >= PLACES_MIN && places <= PLACES_MAX);
	widen(&x, a);
	widen(&y, b);
	divide_wide(&out, &rest, &x, &y, last);
	more = is_left(&rest) || has_below(&x, last + y.exponent);
	round_wide(&out, -places, more, rounding);
	return narrow(quotient, &out);
}

/* Removes the digits of 10^exponent and above from a. */
static void keep_below(struct wide *a, int exponent)
{
	unsigned count = (unsigned)greater(lesser(exponent - a->exponent, (int)a->count), 0);

	memmove(a->digits, a->digits + a->count - count, count);
	a->count = count;
}

/* Computes the remainder r of |a| / |b|. If the signs of a and b differ and r is not zero, the
 * result is |b| - r. */
int number_modulo(struct number *result, struct slice a, struct slice b)
{
	struct wide x, y, out, part = { 0 };
	struct rest rest;

	assert(number_sign(b) != 0);
	widen(&x, a);
	widen(&y, b);
	divide_wide(&out, &rest, &x, &y, 0);
	part.count = rest.count;
	part.exponent = y.exponent;
	memcpy(part.digits, rest.digits, rest.count);
	keep_below(&x, y.exponent);
	add_columns(&out, &part, &x, 1);
	if (x.negative != y.negative && has_below(&out, top_of(&out) + 1)) {
		part = out;
		add_columns(&out, &y, &part, -1);
	}
	out.negative = y.negative;
	return narrow(result, &out);
}
