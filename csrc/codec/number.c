/* number.c - encoding and decoding of numbers; the layout is in number.h.
 *
 * Integers and doubles are converted with a 64-bit integer and a power of ten. A text can have 38
 * digits and is converted with one byte per digit.
 */
#include "codec/number.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "codec/decimal.h"

#define HEADER_ZERO 0x80
#define HEADER_LONG 0x81        /* the second byte contains the exponent */
#define HEADER_FIRST 0x82       /* header of the exponent EXPONENT_SHORT */
#define EXPONENT_SHORT (-62)
#define EXPONENT_MIN (-64)
#define PAIRS_MAX 20
#define EIGHT_DIGITS UINT64_C(100000000)
#define EACH_BYTE UINT64_C(0x0101010101010101)

#define DECIMAL_EXPONENT_MAX 125
#define DECIMAL_EXPONENT_MIN (-130)
/* A double's shortest decimal is in range if the double is. */
#define DOUBLE_MIN 1e-130
#define DOUBLE_OVERFLOW 1e126
#define EXPONENT_HUGE ((int64_t)1 << 50)   /* a number with any digits is out of range */

/* Parts of an encoded number. flip is 0xff for a negative number, whose pairs of digits are
 * complemented, otherwise 0. */
struct parts {
	const uint8_t *pairs;
	unsigned count;
	int exponent;       /* of 100 */
	uint8_t flip;
};

/* --- writing --- */

static void set_zero(struct number *number)
{
	number->len = 1;
	number->bytes[0] = HEADER_ZERO;
}

/* Writes the header of a number, its exponent, at p. Returns the width of the header. */
static unsigned set_number_header(uint8_t *p, int exponent, uint8_t flip)
{
	if (exponent >= EXPONENT_SHORT) {
		p[0] = (uint8_t)(HEADER_FIRST + exponent - EXPONENT_SHORT) ^ flip;
		return 1;
	}
	p[0] = HEADER_LONG ^ flip;
	p[1] = (uint8_t)(exponent - EXPONENT_MIN + 1) ^ flip;
	return 2;
}

/* Returns the eight pairs of digits of n < 10^16, one per byte, the first in the lowest. */
static inline uint64_t eight_pairs(uint64_t n)
{
	uint64_t pairs = 0;

	for (int half = 0; half < 2; half++) {
		uint32_t eight = (uint32_t)(half ? n % EIGHT_DIGITS : n / EIGHT_DIGITS);
		uint32_t high = eight / 10000, low = eight % 10000;

		pairs |= (uint64_t)(high / 100 | high % 100 << 8 | low / 100 << 16 |
			low % 100 << 24) << 32 * half;
	}
	return pairs;
}

/* Encodes n x 100^exponent, 0 < n < 10^16, without a loop and with one store, because bytes that
 * were stored one by one are slow to load as a word (store forwarding fails). */
static void encode_short(struct number *number, bool negative, uint64_t n, int exponent)
{
	uint64_t pairs = eight_pairs(n);
	unsigned zeros = (unsigned)__builtin_ctzll(pairs) / 8, count;
	uint8_t flip = negative ? 0xff : 0;
	unsigned header = set_number_header(number->bytes, exponent + 8 - (int)zeros, flip);

	pairs >>= 8 * zeros;
	count = u64_width(pairs);
	pairs = (pairs << 1 | EACH_BYTE) ^ UINT64_C(1) << 8 * (count - 1);
	set_u64_little(number->bytes + header, pairs ^ flip * EACH_BYTE);
	number->len = (uint8_t)(header + count);
}

/* Encodes the number n x 100^exponent. */
static void encode(struct number *number, bool negative, uint64_t n, int exponent)
{
	uint8_t flip = negative ? 0xff : 0, buf[10], *at = buf + sizeof buf;
	unsigned header, count;

	if (n == 0) {
		set_zero(number);
		return;
	}
	if (n < EIGHT_DIGITS * EIGHT_DIGITS) {
		encode_short(number, negative, n, exponent);
		return;
	}
	for (; n % 100 == 0; n /= 100)
		exponent++;
	for (; n; n /= 100)
		*--at = (uint8_t)(n % 100 * 2 + 1) ^ flip;
	buf[sizeof buf - 1] ^= 1;
	count = (unsigned)(buf + sizeof buf - at);
	header = set_number_header(number->bytes, exponent + (int)count, flip);
	memcpy(number->bytes + header, at, count);
	number->len = (uint8_t)(header + count);
}

void number_from_scaled(struct number *number, int64_t n, int exponent)
{
	assert(abs(exponent) <= 2 * SCALED_EXPONENT - 10);
	encode(number, n < 0, n < 0 ? 0 - (uint64_t)n : (uint64_t)n, exponent);
}

void number_from_integer(struct number *number, int64_t n)
{
	encode(number, n < 0, n < 0 ? 0 - (uint64_t)n : (uint64_t)n, 0);
}

/* --- text to number --- */

/* The parsed number 0.d1 d2 d3... x 10^scale. The array has one zero before and one after the
 * digits, so that pairs of digits can start at an even or an odd digit. */
struct digits {
	uint8_t padded[1 + NUMBER_MAX_DIGITS + 1];
	unsigned count;     /* number of digits without trailing zeros */
	bool too_many;
	int64_t scale;
};

/* Reads the digits of a number, with at most one decimal point. Returns the address after them,
 * NULL if there is no digit. */
static const uint8_t *read_digits(struct digits *digits, const uint8_t *p, const uint8_t *end)
{
	bool any = false, point = false, leading = true;
	unsigned seen = 0;

	for (; p < end; p++) {
		if (*p == '.' && !point) {
			point = true;
			continue;
		}
		if (*p < '0' || *p > '9')
			break;
		any = true;
		leading = leading && *p == '0';
		if (leading) {
			digits->scale -= point;
			continue;
		}
		digits->scale += !point;
		if (seen < NUMBER_MAX_DIGITS) {
			digits->padded[1 + seen++] = (uint8_t)(*p - '0');
			digits->count = *p == '0' ? digits->count : seen;
		} else if (*p != '0') {
			digits->too_many = true;
		}
	}
	return any ? p : NULL;
}

/* Reads the exponent of a number after the letter e. Returns the address after the exponent, NULL
 * if there is no digit. Ignores further digits after the exponent has reached EXPONENT_HUGE. */
static const uint8_t *read_exponent(int64_t *exponent, const uint8_t *p, const uint8_t *end)
{
	bool negative = p < end && *p == '-';
	const uint8_t *start;

	if (p < end && (*p == '-' || *p == '+'))
		p++;
	*exponent = 0;
	for (start = p; p < end && *p >= '0' && *p <= '9'; p++)
		if (*exponent < EXPONENT_HUGE)
			*exponent = *exponent * 10 + (*p - '0');
	if (negative)
		*exponent = -*exponent;
	return p > start ? p : NULL;
}

static int encode_digits(struct number *number, bool negative, const struct digits *digits)
{
	const uint8_t *pair = digits->padded + 1;
	uint8_t flip = negative ? 0xff : 0, *p = number->bytes;
	int scale;

	if (digits->scale > DECIMAL_EXPONENT_MAX + 1)
		return ERR_NUMBER_OVERFLOW;
	if (digits->scale < DECIMAL_EXPONENT_MIN + 1)
		return ERR_NUMBER_UNDERFLOW;
	if (digits->too_many)
		return ERR_NUMBER_DIGITS;
	scale = (int)digits->scale;
	if (scale % 2) {
		pair--;
		scale++;
	}
	p += set_number_header(p, scale / 2, flip);
	for (; pair < digits->padded + 1 + digits->count; pair += 2)
		*p++ = (uint8_t)((pair[0] * 10 + pair[1]) * 2 + 1) ^ flip;
	p[-1] ^= 1;
	number->len = (uint8_t)(p - number->bytes);
	return 0;
}

int number_parse(struct number *number, struct slice text)
{
	const uint8_t *p = text.data, *end;
	struct digits digits = { 0 };
	int64_t exponent = 0;
	bool negative;

	if (text.len == 0)
		return ERR_NUMBER_SYNTAX;
	end = p + text.len;
	negative = *p == '-';
	if (*p == '-' || *p == '+')
		p++;
	p = read_digits(&digits, p, end);
	if (p && p < end && (*p == 'e' || *p == 'E'))
		p = read_exponent(&exponent, p + 1, end);
	if (p != end || !p)
		return ERR_NUMBER_SYNTAX;
	if (digits.count == 0) {
		set_zero(number);
		return 0;
	}
	digits.scale += exponent;
	return encode_digits(number, negative, &digits);
}

int number_from_digits(struct number *number, bool negative, const uint8_t *from,
	unsigned count, int exponent)
{
	struct digits digits = { 0 };

	for (; count > 0 && *from == 0; count--)
		from++;
	for (; count > 0 && from[count - 1] == 0; count--)
		exponent++;
	if (count == 0) {
		set_zero(number);
		return 0;
	}
	digits.scale = exponent + (int)count;
	digits.too_many = count > NUMBER_MAX_DIGITS;
	digits.count = digits.too_many ? NUMBER_MAX_DIGITS : count;
	memcpy(digits.padded + 1, from, digits.count);
	return encode_digits(number, negative, &digits);
}

/* --- doubles --- */

int number_from_double(struct number *number, double d)
{
	struct decimal decimal;

	if (!isfinite(d))
		return ERR_NUMBER_FINITE;
	if (d == 0) {
		set_zero(number);
		return 0;
	}
	if (fabs(d) >= DOUBLE_OVERFLOW)
		return ERR_NUMBER_OVERFLOW;
	if (fabs(d) < DOUBLE_MIN)
		return ERR_NUMBER_UNDERFLOW;
	decimal = decimal_of_double(fabs(d));
	if (decimal.exponent % 2) {
		decimal.digits *= 10;
		decimal.exponent--;
	}
	encode(number, d < 0, decimal.digits, decimal.exponent / 2);
	return 0;
}

/* --- reading --- */

/* Checks the pairs of digits at p. Returns the number of pairs, 0 unless they are a canonical
 * mantissa of at most 38 digits. */
static unsigned check_pairs(const uint8_t *p, const uint8_t *end, uint8_t flip)
{
	const uint8_t *start = p;
	uint8_t byte, first;

	if (end - p > PAIRS_MAX)
		end = p + PAIRS_MAX;
	do {
		if (p == end)
			return 0;
		byte = *p++ ^ flip;
		if (byte >= 200)
			return 0;
	} while (byte & 1);
	first = *start ^ flip;
	if (first < 2 || byte == 0)
		return 0;
	if (p - start == PAIRS_MAX && (first >= 20 || byte % 20))
		return 0;
	return (unsigned)(p - start);
}

int number_width(struct slice bytes)
{
	const uint8_t *p = bytes.data, *end;
	uint8_t flip, header, second;
	unsigned count;

	if (bytes.len == 0)
		return ERR_CORRUPT;
	end = p + bytes.len;
	if (*p == HEADER_ZERO)
		return 1;
	flip = *p & 0x80 ? 0 : 0xff;
	header = *p++ ^ flip;
	if (header == HEADER_ZERO)
		return ERR_CORRUPT;
	if (header == HEADER_LONG) {
		second = p < end ? *p++ ^ flip : 0;
		if (second < 1 || second > 2)
			return ERR_CORRUPT;
	}
	count = check_pairs(p, end, flip);
	return count ? (int)(p - bytes.data) + (int)count : ERR_CORRUPT;
}

/* Splits an encoded number, which must not be zero, into its parts. */
static inline struct parts parts_of(struct slice bytes)
{
	const uint8_t *p = bytes.data;
	struct parts parts = { .flip = *p & 0x80 ? 0 : 0xff };
	uint8_t header = *p++ ^ parts.flip;

	assert(bytes.len >= 2);
	if (header == HEADER_LONG)
		parts.exponent = (*p++ ^ parts.flip) - 1 + EXPONENT_MIN;
	else
		parts.exponent = header - HEADER_FIRST + EXPONENT_SHORT;
	parts.pairs = p;
	parts.count = (unsigned)(bytes.data + bytes.len - p);
	return parts;
}

static inline bool is_zero(struct slice bytes)
{
	return bytes.data[0] == HEADER_ZERO;
}

static inline unsigned pair_at(const struct parts *parts, unsigned i)
{
	return (unsigned)(parts->pairs[i] ^ parts->flip) >> 1;
}

/* Returns the mantissa as an integer. It must have at most nine pairs of digits, or ten if it is
 * below 10^19. */
static inline uint64_t mantissa_of(const struct parts *parts)
{
	uint64_t n = 0;
	unsigned i;

	for (i = 0; i < parts->count; i++)
		n = n * 100 + pair_at(parts, i);
	return n;
}

bool number_to_integer(struct slice bytes, int64_t *n)
{
	struct parts parts;
	uint64_t magnitude;
	int zeros;

	*n = 0;
	if (is_zero(bytes))
		return true;
	parts = parts_of(bytes);
	zeros = parts.exponent - (int)parts.count;
	if (zeros < 0 || parts.exponent > 10)
		return false;
	if (parts.exponent == 10 && pair_at(&parts, 0) >= 10)
		return false;
	for (magnitude = mantissa_of(&parts); zeros; zeros--)
		magnitude *= 100;
	if (magnitude > (uint64_t)INT64_MAX + (parts.flip & 1))
		return false;
	*n = (int64_t)(parts.flip ? 0 - magnitude : magnitude);
	return true;
}

bool number_to_scaled(struct slice bytes, int64_t *n, int *exponent)
{
	struct parts parts;

	*n = 0;
	*exponent = 0;
	if (is_zero(bytes))
		return true;
	parts = parts_of(bytes);
	if (parts.count > 9)
		return false;
	*exponent = parts.exponent - (int)parts.count;
	*n = (int64_t)mantissa_of(&parts);
	if (parts.flip)
		*n = -*n;
	return abs(*exponent) <= SCALED_EXPONENT;
}

/* Converts a number that has more pairs of digits than struct decimal can contain. Such a number
 * has at least 18 digits, so it is not the shortest decimal of any double. The last digit of 20
 * pairs is 0 and is omitted, so that the mantissa is below 10^38. */
static double long_double_of(const struct parts *parts)
{
	int exponent = 2 * (parts->exponent - (int)parts->count);
	u128 n = 0;
	unsigned i;

	for (i = 0; i < parts->count - 1; i++)
		n = n * 100 + pair_at(parts, i);
	if (parts->count == PAIRS_MAX)
		return decimal_nearest_double(n * 10 + pair_at(parts, i) / 10, exponent + 1);
	return decimal_nearest_double(n * 100 + pair_at(parts, i), exponent);
}

bool number_to_double(struct slice bytes, double *d)
{
	struct decimal decimal;
	struct parts parts;
	bool same = false;

	*d = 0;
	if (is_zero(bytes))
		return true;
	parts = parts_of(bytes);
	if (parts.count > 9) {
		*d = long_double_of(&parts);
	} else {
		decimal.digits = mantissa_of(&parts);
		decimal.exponent = 2 * (parts.exponent - (int)parts.count);
		*d = decimal_to_double(decimal, &same);
	}
	if (parts.flip)
		*d = -*d;
	return same;
}

/* --- printing and counting --- */

/* Writes the decimal digits of a number without leading and trailing zeros and returns how many
 * there are. Sets *point to the position of the decimal point among the digits, which may be
 * negative. */
static size_t digits_of(const struct parts *parts, char *digits, int *point)
{
	size_t len = 0;
	unsigned i, pair;

	*point = 2 * parts->exponent;
	for (i = 0; i < parts->count; i++) {
		pair = pair_at(parts, i);
		if (i > 0 || pair >= 10)
			digits[len++] = (char)('0' + pair / 10);
		else
			--*point;
		digits[len++] = (char)('0' + pair % 10);
	}
	return digits[len - 1] == '0' ? len - 1 : len;
}

unsigned number_to_digits(struct slice bytes, uint8_t digits[NUMBER_MAX_DIGITS], int *exponent)
{
	char text[2 * PAIRS_MAX] = { 0 };
	struct parts parts;
	size_t len, i;

	*exponent = 0;
	if (is_zero(bytes))
		return 0;
	parts = parts_of(bytes);
	len = digits_of(&parts, text, exponent);
	*exponent -= (int)len;
	for (i = 0; i < len; i++)
		digits[i] = (uint8_t)(text[i] - '0');
	return (unsigned)len;
}

static char *put(char *to, const char *from, size_t len)
{
	memcpy(to, from, len);
	return to + len;
}

static char *put_zeros(char *to, size_t count)
{
	memset(to, '0', count);
	return to + count;
}

size_t number_format(struct slice bytes, char text[NUMBER_MAX_TEXT])
{
	char digits[2 * PAIRS_MAX], *to = text;
	struct parts parts;
	size_t len, before;
	int point;

	if (is_zero(bytes)) {
		memcpy(text, "0", 2);
		return 1;
	}
	parts = parts_of(bytes);
	len = digits_of(&parts, digits, &point);
	before = point > 0 ? (size_t)point : 0;
	if (parts.flip)
		*to++ = '-';
	if (before >= len) {
		to = put_zeros(put(to, digits, len), before - len);
	} else if (before > 0) {
		to = put(put(to, digits, before), ".", 1);
		to = put(to, digits + before, len - before);
	} else {
		to = put_zeros(put(to, "0.", 2), (size_t)-point);
		to = put(to, digits, len);
	}
	*to = '\0';
	return (size_t)(to - text);
}

size_t number_size(struct slice bytes)
{
	struct parts parts;
	unsigned first, digits;
	bool odd;

	if (is_zero(bytes))
		return 1;
	parts = parts_of(bytes);
	first = pair_at(&parts, 0);
	digits = 2 * parts.count - (first < 10) - (pair_at(&parts, parts.count - 1) % 10 == 0);
	/* the exponent of the first digit is odd if it is the high digit of its pair */
	odd = digits % 2 || first >= 10;
	return 1 + (digits + 1) / 2 + !odd + (parts.flip & 1);
}
