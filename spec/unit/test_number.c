/* test_number.c - tests of codec/number.h against decimal strings: order, text, integers, and
 * exactly one encoding for each number.
 */
#include "codec/number.h"

#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>

#include "base/error.h"
#include "check.h"

#define ROUNDS 20000

/* --- reference implementation: plain decimals --- */

/* The number 0.d1 d2 d3 .. x 10^point. Zero has no digits; otherwise neither the first nor the
 * last digit is 0. */
struct plain {
	bool negative;
	int point;
	size_t len;
	char digits[NUMBER_MAX_DIGITS + 1];
};

static int compare_magnitudes(const struct plain *a, const struct plain *b)
{
	if (!a->len || !b->len)
		return (a->len > 0) - (b->len > 0);
	if (a->point != b->point)
		return a->point < b->point ? -1 : 1;
	/* the longer of two digit strings is greater, and NUL is less than '0' */
	return strcmp(a->digits, b->digits);
}

static int compare_plain(const struct plain *a, const struct plain *b)
{
	bool a_below = a->negative && a->len, b_below = b->negative && b->len;

	if (a_below != b_below)
		return a_below ? -1 : 1;
	return a_below ? compare_magnitudes(b, a) : compare_magnitudes(a, b);
}

static void print_plain(const struct plain *plain, char *text)
{
	int i, len = (int)plain->len;

	if (!len) {
		strcpy(text, "0");
		return;
	}
	if (plain->negative)
		*text++ = '-';
	if (plain->point <= 0)
		*text++ = '0';
	for (i = plain->point < 0 ? plain->point : 0; i < len || i < plain->point; i++) {
		if (i == plain->point)
			*text++ = '.';
		*text++ = i >= 0 && i < len ? plain->digits[i] : '0';
	}
	*text = '\0';
}

static size_t right_size(const struct plain *plain)
{
	bool exponent_odd = (plain->point - 1) % 2 != 0;

	if (!plain->len)
		return 1;
	return 1 + (plain->len + 1) / 2 + !(plain->len % 2 || exponent_odd) + plain->negative;
}

/* --- random numbers: few digits and many, near 1 and near the limits --- */

static int random_point(void)
{
	switch (check_random_below(4)) {
	case 0: return (int)check_random_below(256) - 129;
	case 1: return (int)check_random_below(3) - 129;
	case 2: return 126 - (int)check_random_below(3);
	default: return (int)check_random_below(12) - 4;
	}
}

static void random_plain(struct plain *plain)
{
	static const char *const alphabets[] = { "0123456789", "09", "01", "0000000001" };
	const char *alphabet = alphabets[check_random_below(4)];
	size_t i;

	*plain = (struct plain){ .negative = check_random_below(2) };
	if (check_random_below(50) == 0)
		return;
	plain->point = random_point();
	plain->len = 1 + check_random_below(check_random_below(2) ? NUMBER_MAX_DIGITS : 4);
	for (i = 0; i < plain->len; i++)
		plain->digits[i] = alphabet[check_random_below(strlen(alphabet))];
	if (plain->digits[0] == '0')
		plain->digits[0] = (char)('1' + check_random_below(9));
	if (plain->digits[plain->len - 1] == '0')
		plain->digits[plain->len - 1] = (char)('1' + check_random_below(9));
}

/* Changes a number slightly: to a neighbour, to one with more digits, or its sign. */
static void vary_plain(struct plain *plain)
{
	size_t at;

	switch (check_random_below(4)) {
	case 0:
		plain->negative = !plain->negative;
		return;
	case 1:
		plain->point += plain->point < 126 ? 1 : 0;
		return;
	case 2:
		if (plain->len && plain->len < NUMBER_MAX_DIGITS)
			plain->digits[plain->len++] = (char)('1' + check_random_below(9));
		return;
	default:
		at = plain->len ? check_random_below(plain->len) : 0;
		if (plain->len)
			plain->digits[at] = (char)('1' + check_random_below(9));
	}
}

static char *random_zeros(char *text)
{
	size_t zeros = check_random_below(3) ? 0 : check_random_below(60);

	memset(text, '0', zeros);
	return text + zeros;
}

/* Writes a number in one of many ways, with the point at any position. */
static void random_text(const struct plain *plain, char *text)
{
	size_t before = check_random_below(plain->len + 1), i;
	const char *sign = plain->negative ? "-" : check_random_below(2) ? "+" : "";

	text += sprintf(text, "%s", sign);
	text = random_zeros(text);
	for (i = 0; i < before; i++)
		*text++ = plain->digits[i];
	if (before < plain->len || check_random_below(2))
		*text++ = '.';
	for (i = before; i < plain->len; i++)
		*text++ = plain->digits[i];
	if (!plain->len || text[-1] == '.' || before < plain->len)
		text = random_zeros(text);
	if (!plain->len)
		*text++ = '0';
	sprintf(text, "%c%s%d", "eE"[check_random_below(2)],
		plain->point >= (int)before && check_random_below(2) ? "+" : "",
		plain->point - (int)before);
}

static void parse(struct number *number, const char *text)
{
	int err = number_parse(number, slice_of_text(text));

	if (err)
		fprintf(stderr, "%s: %s\n", text, error_text(err));
	CHECK_EQUAL_INT(err, 0);
	CHECK_EQUAL_INT(number_width(number_slice(number)), number->len);
}

/* Returns the text of a number, valid until the next call. */
static const char *format(struct slice bytes)
{
	static char text[NUMBER_MAX_TEXT];
	size_t len;

	memset(text, 'x', sizeof text);
	len = number_format(bytes, text);
	CHECK(len < sizeof text && text[len] == '\0' && strlen(text) == len);
	return text;
}

/* --- text --- */

static void check_parse(const char *text, const char *expected)
{
	struct number number;

	parse(&number, text);
	CHECK_EQUAL_STRING(format(number_slice(&number)), expected);
}

static void forms_that_dynamodb_takes(void)
{
	check_parse("0", "0");
	check_parse("-0", "0");
	check_parse("+3", "3");
	check_parse(".123", "0.123");
	check_parse("0001.23", "1.23");
	check_parse("1.", "1");
	check_parse("1.50", "1.5");
	check_parse("1e+5", "100000");
	check_parse("1E-5", "0.00001");
	check_parse("-17.4E37", "-174000000000000000000000000000000000000");
	check_parse("1e-20", "0.00000000000000000001");
	check_parse("-100", "-100");
	check_parse("00000000000000000000000000000000000000000000000000012", "12");
	check_parse("0.00000000000000000000000000000000000000000000000000012e52", "1.2");
	check_parse("12345678901234567890123456789012345678",
		"12345678901234567890123456789012345678");
	check_parse("1234567890123456789012345678901234567800",
		"1234567890123456789012345678901234567800");
	check_parse("0e126", "0");
	check_parse("0e-131", "0");
	check_parse("-0.0e99999999999999999999999999", "0");
	check_parse("1e0000000000000000000000000000000000000002", "100");
}

static void refuse(const char *text, int err)
{
	struct number number;

	if (number_parse(&number, slice_of_text(text)) != err)
		fprintf(stderr, "\"%s\"\n", text);
	CHECK_EQUAL_INT(number_parse(&number, slice_of_text(text)), err);
}

static void forms_that_are_no_numbers(void)
{
	static const char *const texts[] = {
		"", " ", " 1", "1 ", "1\n", "0x1", "1e", "1e+", "1E-", "e5", ".e5", "--1", "+-1",
		"-", "+", ".", "-.", "1.2.3", "1..", "1e5.", "1e5e5", "1,5", "1_000", "NaN", "nan",
		"Infinity", "-inf", "12a", "\xd9\xa1", "1e 5", "1e+-5",
	};
	struct number number;
	size_t i;

	for (i = 0; i < sizeof texts / sizeof *texts; i++)
		refuse(texts[i], ERR_NUMBER_SYNTAX);
	CHECK_EQUAL_INT(number_parse(&number, slice_of("1\0", 2)), ERR_NUMBER_SYNTAX);
	CHECK_EQUAL_INT(number_parse(&number, slice_of(NULL, 0)), ERR_NUMBER_SYNTAX);
}

static void limits_of_magnitude_and_precision(void)
{
	struct number number;

	parse(&number, "1e125");
	parse(&number, "-9.9999999999999999999999999999999999999E+125");
	parse(&number, "1e-130");
	parse(&number, "-1.2345678901234567890123456789012345678e-130");
	parse(&number, "0.1e126");
	parse(&number, "10e-131");
	refuse("1e126", ERR_NUMBER_OVERFLOW);
	refuse("-10e125", ERR_NUMBER_OVERFLOW);
	refuse("1.0e100000000", ERR_NUMBER_OVERFLOW);
	refuse("1e99999999999999999999999999999", ERR_NUMBER_OVERFLOW);
	refuse("9.9e-131", ERR_NUMBER_UNDERFLOW);
	refuse("0.1e-130", ERR_NUMBER_UNDERFLOW);
	refuse("-1e-99999999999999999999999999999", ERR_NUMBER_UNDERFLOW);
	refuse("123456789012345678901234567890123456789", ERR_NUMBER_DIGITS);
	refuse("1.00000000000000000000000000000000000001", ERR_NUMBER_DIGITS);
	refuse("100000000000000000000000000000000000000000001", ERR_NUMBER_DIGITS);
}

/* A number with a million additional zeros. */
static void a_long_text_of_zeros(void)
{
	static char text[1000100];
	struct number number;
	size_t len;

	memset(text, '0', 1000000);
	strcpy(text + 1000000, "12e-1");
	check_parse(text, "1.2");
	memset(text, '0', 1000002);
	text[1] = '.';
	strcpy(text + 1000002, "12e1000000");
	check_parse(text, "0.12");
	memset(text, '0', 1000000);
	text[0] = '7';
	len = (size_t)sprintf(text + 1000000, "e-1000000");
	CHECK_EQUAL_INT(number_parse(&number, slice_of(text, 1000000 + len)), 0);
	CHECK_EQUAL_STRING(format(number_slice(&number)), "0.7");
}

static void any_form_of_a_number_is_that_number(void)
{
	char text[512], right[512];
	struct number number, again;
	struct plain plain;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		random_plain(&plain);
		random_text(&plain, text);
		print_plain(&plain, right);
		parse(&number, text);
		CHECK_EQUAL_STRING(format(number_slice(&number)), right);
		CHECK_EQUAL_UINT(number_size(number_slice(&number)), right_size(&plain));
		parse(&again, right);
		CHECK_BYTES(again.bytes, again.len, number.bytes, number.len);
	}
}

/* --- bytes --- */

static int sign(int n)
{
	return (n > 0) - (n < 0);
}

static void bytes_compare_as_the_numbers_do(void)
{
	struct plain a, b;
	struct number x, y;
	char text[512];
	int i;

	for (i = 0; i < 4 * ROUNDS; i++) {
		random_plain(&a);
		b = a;
		if (check_random_below(4))
			vary_plain(&b);
		else
			random_plain(&b);
		random_text(&a, text);
		parse(&x, text);
		random_text(&b, text);
		parse(&y, text);
		CHECK_EQUAL_INT(sign(slice_compare(number_slice(&x), number_slice(&y))),
			sign(compare_plain(&a, &b)));
	}
}

/* A number keeps its order when other bytes follow it, as in a key. */
static void no_number_begins_another(void)
{
	uint8_t bytes[2 * NUMBER_MAX_BYTES];
	struct number number;
	struct plain plain;
	char text[512];
	size_t len;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		random_plain(&plain);
		random_text(&plain, text);
		parse(&number, text);
		memcpy(bytes, number.bytes, number.len);
		check_random_bytes(bytes + number.len, NUMBER_MAX_BYTES);
		CHECK_EQUAL_INT(number_width(slice_of(bytes, sizeof bytes)), number.len);
		for (len = 0; len < number.len; len++)
			CHECK_EQUAL_INT(number_width(slice_of(bytes, len)), ERR_CORRUPT);
	}
}

/* Checks that accepted bytes are equal to the encoding of their text. */
static bool check_bytes_canonical(const uint8_t *bytes, size_t len)
{
	int width = number_width(slice_of(bytes, len));
	struct number again;

	if (width < 0) {
		CHECK_EQUAL_INT(width, ERR_CORRUPT);
		return false;
	}
	CHECK(width > 0 && (size_t)width <= len && width <= NUMBER_MAX_BYTES);
	parse(&again, format(slice_of(bytes, (size_t)width)));
	CHECK_BYTES(bytes, (size_t)width, again.bytes, again.len);
	return true;
}

static void every_two_bytes(void)
{
	uint8_t bytes[2];
	uint32_t n, accepted = 0;

	for (n = 0; n < 0x10000; n++) {
		set_u16(bytes, (uint16_t)n);
		accepted += check_bytes_canonical(bytes, 2);
	}
	/* zero before 256 bytes; 126 exponents, two signs and 99 digits */
	CHECK_EQUAL_UINT(accepted, 256 + 126 * 2 * 99);
}

static void changed_and_random_bytes(void)
{
	uint8_t bytes[NUMBER_MAX_BYTES + 4];
	struct number number;
	struct plain plain;
	char text[512];
	int i, changes;

	for (i = 0; i < 4 * ROUNDS; i++) {
		random_plain(&plain);
		random_text(&plain, text);
		parse(&number, text);
		check_random_bytes(bytes, sizeof bytes);
		memcpy(bytes, number.bytes, number.len);
		for (changes = (int)check_random_below(3); changes; changes--)
			bytes[check_random_below(number.len)] = (uint8_t)check_random();
		check_bytes_canonical(bytes, check_random_below(sizeof bytes + 1));
		check_random_bytes(bytes, 2);
		memset(bytes + 2, (int)(check_random() | 1) & 0xc7, 22);
		check_bytes_canonical(bytes, sizeof bytes);
	}
}

static void bytes_that_are_no_number(void)
{
	static const struct { const char *bytes; size_t len; } cases[] = {
		{ "", 0 }, { "\x7f", 1 }, { "\x7f\x02", 2 },
		{ "\x81", 1 }, { "\x81\x00\x02", 3 }, { "\x81\x03\x02", 3 }, { "\x81\x01", 2 },
		{ "\x7e\xff\xfd", 3 }, { "\x7e\xfc\xfd", 3 },
		{ "\xc1", 1 }, { "\xc1\x00", 2 }, { "\xc1\x01\x02", 3 },         /* first pair 0 */
		{ "\xc1\x03\x00", 3 }, { "\xc1\x03", 2 },                        /* last pair 0 */
		{ "\xc1\xc8", 2 }, { "\xc1\xc9\x02", 3 }, { "\xc1\xff\x02", 3 }, /* above 99 */
	};
	size_t i;

	for (i = 0; i < sizeof cases / sizeof *cases; i++)
		CHECK_EQUAL_INT(number_width(slice_of(cases[i].bytes, cases[i].len)), ERR_CORRUPT);
	CHECK_EQUAL_INT(number_width(slice_of(NULL, 0)), ERR_CORRUPT);
}

/* Twenty pairs with 38 digits must start and end with a zero digit. */
static void thirty_nine_digits_are_no_number(void)
{
	uint8_t bytes[22];

	memset(bytes, 0x03, sizeof bytes);
	bytes[0] = 0xc1;
	bytes[20] = 0x14;                   /* 01 01 .. 01 10 */
	CHECK_EQUAL_INT(number_width(slice_of(bytes, 21)), 21);
	bytes[20] = 0x16;                   /* .. 11: 39 digits */
	CHECK_EQUAL_INT(number_width(slice_of(bytes, 21)), ERR_CORRUPT);
	bytes[20] = 0x14;
	bytes[1] = 0x15;                    /* 10 01 .. : 39 digits */
	CHECK_EQUAL_INT(number_width(slice_of(bytes, 21)), ERR_CORRUPT);
	bytes[1] = 0x13;                    /* 09 01 .. : 38 */
	CHECK_EQUAL_INT(number_width(slice_of(bytes, 21)), 21);
	bytes[20] = 0x15;
	bytes[21] = 0x14;                   /* 21 pairs */
	CHECK_EQUAL_INT(number_width(slice_of(bytes, 22)), ERR_CORRUPT);
}

/* --- integers --- */

static void check_integer(int64_t n)
{
	struct number number, parsed;
	int64_t again = ~n;
	char text[32];

	sprintf(text, "%" PRId64, n);
	number_from_integer(&number, n);
	parse(&parsed, text);
	CHECK_BYTES(number.bytes, number.len, parsed.bytes, parsed.len);
	CHECK(number_to_integer(number_slice(&number), &again));
	CHECK_EQUAL_INT(again, n);
}

static void integers_of_every_size(void)
{
	uint64_t power;
	int i, near;

	for (near = -2; near <= 2; near++) {
		for (i = 0; i < 64; i++) {
			check_integer((int64_t)((UINT64_C(1) << i) + (uint64_t)near));
			check_integer((int64_t)(0 - (UINT64_C(1) << i) + (uint64_t)near));
		}
		for (power = 1, i = 0; i < 19; i++, power *= 10) {
			check_integer((int64_t)power + near);
			check_integer(-(int64_t)power + near);
		}
	}
	for (i = -30000; i <= 30000; i++)
		check_integer(i);
	for (i = 0; i < ROUNDS; i++)
		check_integer((int64_t)check_random() >> check_random_below(64));
}

static void check_no_integer(const char *text)
{
	struct number number;
	int64_t n;

	parse(&number, text);
	CHECK(!number_to_integer(number_slice(&number), &n));
}

static void numbers_that_are_no_int64(void)
{
	check_no_integer("9223372036854775808");
	check_no_integer("-9223372036854775809");
	check_no_integer("9999999999999999999");
	check_no_integer("10000000000000000000");
	check_no_integer("18446744073709551616");
	check_no_integer("-92233720368547758080");
	check_no_integer("1e20");
	check_no_integer("1e125");
	check_no_integer("0.5");
	check_no_integer("-1.5");
	check_no_integer("1000000.01");
	check_no_integer("9223372036854775807.1");
	check_no_integer("1e-130");
}

/* Compared with strtoll, for texts without a point. */
static void integers_by_any_text(void)
{
	char text[512], right[512];
	struct number number;
	struct plain plain;
	int64_t n, right_n;
	bool is;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		random_plain(&plain);
		plain.point = (int)check_random_below(24) - 2;
		random_text(&plain, text);
		print_plain(&plain, right);
		errno = 0;
		right_n = strtoll(right, NULL, 10);
		is = errno == 0 && !strchr(right, '.');
		parse(&number, text);
		CHECK_EQUAL_INT(number_to_integer(number_slice(&number), &n), is);
		CHECK(!is || n == right_n);
	}
}

/* --- doubles --- */

static double random_double(void)
{
	uint64_t bits;
	double d;

	do {
		bits = check_random();
		memcpy(&d, &bits, sizeof d);
	} while (!isfinite(d) || fabs(d) > 9e125 || fabs(d) < 2e-130);
	return d;
}

static bool same_bits(double a, double b)
{
	return memcmp(&a, &b, sizeof a) == 0;
}

/* Returns the double that is `steps` doubles further from zero. */
static double beside(double d, int steps)
{
	uint64_t bits;

	memcpy(&bits, &d, sizeof bits);
	bits += (uint64_t)(int64_t)steps;
	memcpy(&d, &bits, sizeof d);
	return d;
}

static void check_double(double d)
{
	struct number number;
	double again = -d;

	CHECK_EQUAL_INT(number_from_double(&number, d), 0);
	CHECK_EQUAL_INT(number_width(number_slice(&number)), number.len);
	CHECK(number_to_double(number_slice(&number), &again));
	CHECK(same_bits(again, d));
	CHECK(strtod(format(number_slice(&number)), NULL) == d);
}

static void a_double_comes_back_as_it_was(void)
{
	double d;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		check_double(random_double());
		check_double((double)(int64_t)check_random() / 1024);
		check_double((double)check_random_below(1000000) / 1000 - 500.001);
		check_double((double)(check_random() >> 11) * 0x1p-53 + 0x1p-60);
	}
	for (d = 0x1p-420; d < 1e125; d *= 2) {
		check_double(d);
		check_double(-beside(d, -1));
		check_double(beside(d, 1));
	}
}

static void check_shortest(double d, const char *text)
{
	struct number number, parsed;

	CHECK_EQUAL_INT(number_from_double(&number, d), 0);
	parse(&parsed, text);
	CHECK_BYTES(number.bytes, number.len, parsed.bytes, parsed.len);
}

static void a_double_is_written_as_short_as_can_be(void)
{
	check_shortest(0.1, "0.1");
	check_shortest(-0.3, "-0.3");
	check_shortest(19.99, "19.99");
	check_shortest(0.1 + 0.2, "0.30000000000000004");
	check_shortest(1.0 / 3, "0.3333333333333333");
	check_shortest(1700000000.123456, "1700000000.123456");
	check_shortest(9007199254740993.0, "9007199254740992");
	check_shortest(0x1p60, "1152921504606847000");
	check_shortest(1e23, "1e23");
	check_shortest(1e-7, "1e-7");
	check_shortest(1e125, "1e125");
	check_shortest(-1e-130, "-1e-130");
	check_shortest(0x1p-44, "5.684341886080802e-14");
}

static void doubles_that_are_no_numbers(void)
{
	struct number number;

	CHECK_EQUAL_INT(number_from_double(&number, NAN), ERR_NUMBER_FINITE);
	CHECK_EQUAL_INT(number_from_double(&number, INFINITY), ERR_NUMBER_FINITE);
	CHECK_EQUAL_INT(number_from_double(&number, -INFINITY), ERR_NUMBER_FINITE);
	CHECK_EQUAL_INT(number_from_double(&number, 1e126), ERR_NUMBER_OVERFLOW);
	CHECK_EQUAL_INT(number_from_double(&number, -DBL_MAX), ERR_NUMBER_OVERFLOW);
	CHECK_EQUAL_INT(number_from_double(&number, beside(1e-130, -1)), ERR_NUMBER_UNDERFLOW);
	CHECK_EQUAL_INT(number_from_double(&number, DBL_MIN), ERR_NUMBER_UNDERFLOW);
	CHECK_EQUAL_INT(number_from_double(&number, -0x1p-1074), ERR_NUMBER_UNDERFLOW);
}

/* The double nearest to these numbers is 1e126, which is out of range. */
static void the_largest_numbers_have_a_double(void)
{
	static const char *const texts[] = {
		"9.9999999999999999e125", "9.99999999999999999e125",
		"9.9999999999999999999999999999999999999e125",
	};
	struct number number;
	double d;
	size_t i;

	for (i = 0; i < sizeof texts / sizeof *texts; i++) {
		parse(&number, texts[i]);
		CHECK(!number_to_double(number_slice(&number), &d));
		CHECK(same_bits(d, 1e126));
	}
	check_double(beside(1e126, -1));
	check_double(1e-130);
}

static void both_zeros_are_zero(void)
{
	struct number number;
	double d = 1;

	CHECK_EQUAL_INT(number_from_double(&number, -0.0), 0);
	CHECK_EQUAL_STRING(format(number_slice(&number)), "0");
	CHECK(number_to_double(number_slice(&number), &d));
	CHECK(same_bits(d, 0.0));
}

/* Compared with the nearest double according to strtod. */
static void any_number_has_a_nearest_double(void)
{
	struct number number, again;
	struct plain plain;
	char text[512];
	double d, right;
	bool same;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		random_plain(&plain);
		if (i % 2 && plain.len > 18)
			plain.digits[plain.len = 15 + check_random_below(4)] = '\0';
		if (plain.len)
			plain.digits[plain.len - 1] = '7';
		random_text(&plain, text);
		parse(&number, text);
		right = plain.len ? strtod(text, NULL) : 0;
		same = number_to_double(number_slice(&number), &d);
		CHECK(same_bits(d, right));
		CHECK_EQUAL_INT(same, number_from_double(&again, right) == 0 &&
			slice_equal(number_slice(&again), number_slice(&number)));
	}
}

/* Uses a locale with a decimal comma, if this machine has one. */
static void the_locale_changes_nothing(void)
{
	static const char *const places[] = { "", "de_DE.UTF-8", "fr_FR.UTF-8", "ps_AF.UTF-8" };
	struct number number;
	double d;
	size_t i;

	for (i = 0; i < sizeof places / sizeof *places; i++) {
		if (!setlocale(LC_ALL, places[i]))
			continue;
		fprintf(stderr, "the point is \"%s\"\n", localeconv()->decimal_point);
		check_shortest(1e23, "1e23");
		check_shortest(-1.2345678901234567e-20, "-1.2345678901234567e-20");
		check_shortest(0.1, "0.1");
		parse(&number, "3.1415926535897932384626433832795028842");
		CHECK(!number_to_double(number_slice(&number), &d));
		CHECK(same_bits(d, 0x1.921fb54442d18p+1));
		CHECK_EQUAL_STRING(format(number_slice(&number)),
			"3.1415926535897932384626433832795028842");
	}
	setlocale(LC_ALL, "C");
}

int main(void)
{
	forms_that_dynamodb_takes();
	forms_that_are_no_numbers();
	limits_of_magnitude_and_precision();
	a_long_text_of_zeros();
	any_form_of_a_number_is_that_number();
	bytes_compare_as_the_numbers_do();
	no_number_begins_another();
	every_two_bytes();
	changed_and_random_bytes();
	bytes_that_are_no_number();
	thirty_nine_digits_are_no_number();
	integers_of_every_size();
	numbers_that_are_no_int64();
	integers_by_any_text();
	a_double_comes_back_as_it_was();
	a_double_is_written_as_short_as_can_be();
	doubles_that_are_no_numbers();
	the_largest_numbers_have_a_double();
	both_zeros_are_zero();
	any_number_has_a_nearest_double();
	the_locale_changes_nothing();
	return 0;
}
