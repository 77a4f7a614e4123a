/* test_expiry.c - tests of codec/expiry.h against a plain model. */
#include "codec/expiry.h"
#include "unit/notation.h"

#define TEXT 128

static struct builder made;

static uint64_t expiry_of(const char *item)
{
	return item_expiry(notation_item(&made, item), slice_of_text("e"));
}

/* Returns the expiry of the item whose attribute is this number. */
static uint64_t expiry_at(const char *number)
{
	char item[TEXT + 20];

	snprintf(item, sizeof item, "{a: 'x', e: %s, z: 1}", number);
	return expiry_of(item);
}

/* --- random numbers, with decimal text as model --- */

/* A number of seconds: a sign, the digits before and after the point, and an exponent. */
struct plain_number {
	bool negative;
	char whole[NUMBER_MAX_DIGITS + 1], fraction[NUMBER_MAX_DIGITS + 1];
	int exponent;
};

static void random_digits(char *digits, size_t count)
{
	bool zeros = check_random_below(4) == 0;

	for (size_t i = 0; i < count; i++)
		digits[i] = (char)(zeros && check_random_below(8) ? '0' :
			'0' + (int)check_random_below(10));
	digits[count] = '\0';
}

static void random_number(struct plain_number *number)
{
	size_t digits = 1 + check_random_below(NUMBER_MAX_DIGITS);
	size_t whole = check_random_below(digits + 1);

	if (check_random_below(2)) {     /* near a time */
		whole = 8 + check_random_below(6);
		digits = whole + check_random_below(6);
	}
	number->negative = check_random_below(8) == 0;
	number->exponent = check_random_below(2) ? 0 : (int)check_random_below(41) - 20;
	random_digits(number->whole, whole);
	random_digits(number->fraction, digits - whole);
}

/* Writes the number in DynamoDB's grammar. */
static void number_text(char text[TEXT], const struct plain_number *number)
{
	char exponent[16] = "";

	if (number->exponent || check_random_below(8) == 0)
		snprintf(exponent, sizeof exponent, "%c%d", check_random_below(2) ? 'e' : 'E',
			number->exponent);
	snprintf(text, TEXT, "%s%s%s%s%s", number->negative ? "-" : "",
		number->whole, number->fraction[0] ? "." : "", number->fraction, exponent);
}

/* Moves the point of the text by the exponent and three digits; what follows it is dropped. */
static uint64_t plain_expiry(const struct plain_number *number)
{
	char digits[2 * NUMBER_MAX_DIGITS + 1], *at = digits;
	int point = (int)strlen(number->whole) + number->exponent + 3;
	uint64_t ms = 0;

	snprintf(digits, sizeof digits, "%s%s", number->whole, number->fraction);
	if (number->negative)
		return 0;
	for (int i = 0; i < point; i++) {
		ms = ms * 10 + (*at ? (uint64_t)(*at++ - '0') : 0);
		if (ms > EXPIRY_MAX)
			return 0;
	}
	return ms;
}

static void times_are_those_of_the_model(void)
{
	uint64_t runs = check_runs(100000), expiring = 0;

	for (uint64_t i = 0; i < runs; i++) {
		struct plain_number number;
		char text[TEXT];
		uint64_t expected;

		random_number(&number);
		number_text(text, &number);
		expected = plain_expiry(&number);
		expiring += expected != 0;
		if (expiry_at(text) == expected)
			continue;
		fprintf(stderr, "%s: expected %" PRIu64 "\n", text, expected);
		CHECK_EQUAL_UINT(expiry_at(text), expected);
	}
	CHECK(expiring > runs / 4);
	CHECK(expiring < runs);
}

/* --- bounds --- */

static void times_have_bounds(void)
{
	CHECK_EQUAL_UINT(expiry_at("0"), EXPIRY_NEVER);
	CHECK_EQUAL_UINT(expiry_at("0.0009"), EXPIRY_NEVER);
	CHECK_EQUAL_UINT(expiry_at("0.00099999999999999999999999999999999999999"), EXPIRY_NEVER);
	CHECK_EQUAL_UINT(expiry_at("0.001"), 1);
	CHECK_EQUAL_UINT(expiry_at("1e-3"), 1);
	CHECK_EQUAL_UINT(expiry_at("0.0019999"), 1);
	CHECK_EQUAL_UINT(expiry_at("-0.001"), EXPIRY_NEVER);
	CHECK_EQUAL_UINT(expiry_at("-1700000000"), EXPIRY_NEVER);
	CHECK_EQUAL_UINT(expiry_at("1700000000"), UINT64_C(1700000000000));
	CHECK_EQUAL_UINT(expiry_at("17e8"), UINT64_C(1700000000000));
	CHECK_EQUAL_UINT(expiry_at("1699999999.9999"), UINT64_C(1699999999999));
	CHECK_EQUAL_UINT(EXPIRY_MAX, UINT64_C(281474976710655));
	CHECK_EQUAL_UINT(expiry_at("281474976710.655"), EXPIRY_MAX);
	CHECK_EQUAL_UINT(expiry_at("281474976710.655999999999"), EXPIRY_MAX);
	CHECK_EQUAL_UINT(expiry_at("281474976710.656"), EXPIRY_NEVER);
	CHECK_EQUAL_UINT(expiry_at("1700000000000"), EXPIRY_NEVER);      /* ms by mistake */
	CHECK_EQUAL_UINT(expiry_at("18446744073709552.616"), EXPIRY_NEVER);      /* 2^64 and 1 ms */
	CHECK_EQUAL_UINT(expiry_at("9.9999999999999999999999999999999999999E+125"), EXPIRY_NEVER);
	CHECK_EQUAL_UINT(expiry_at("-9.9999999999999999999999999999999999999E+125"), EXPIRY_NEVER);
	CHECK_EQUAL_UINT(expiry_at("1E-130"), EXPIRY_NEVER);
}

static void only_a_number_is_a_time(void)
{
	CHECK_EQUAL_UINT(expiry_of("{e: 5}"), 5000);
	CHECK_EQUAL_UINT(expiry_of("{f: 5}"), EXPIRY_NEVER);
	CHECK_EQUAL_UINT(expiry_of("{}"), EXPIRY_NEVER);
	CHECK_EQUAL_UINT(expiry_of("{ee: 5}"), EXPIRY_NEVER);
	CHECK_EQUAL_UINT(expiry_of("{e: '1700000000'}"), EXPIRY_NEVER);
	CHECK_EQUAL_UINT(expiry_of("{e: b'1700000000'}"), EXPIRY_NEVER);
	CHECK_EQUAL_UINT(expiry_of("{e: true}"), EXPIRY_NEVER);
	CHECK_EQUAL_UINT(expiry_of("{e: null}"), EXPIRY_NEVER);
	CHECK_EQUAL_UINT(expiry_of("{e: <5, 6>}"), EXPIRY_NEVER);
	CHECK_EQUAL_UINT(expiry_of("{e: [5]}"), EXPIRY_NEVER);
	CHECK_EQUAL_UINT(expiry_of("{e: {e: 5}}"), EXPIRY_NEVER);
	CHECK_EQUAL_UINT(expiry_of("{d: {e: 5}}"), EXPIRY_NEVER);
}

static void an_item_is_expired_for_five_years(void)
{
	uint64_t now = UINT64_C(1700000000000), years = UINT64_C(1825) * 86400 * 1000;

	CHECK(!is_expired(EXPIRY_NEVER, now));
	CHECK(!is_expired(EXPIRY_NEVER, 1));
	CHECK(!is_expired(now + 1, now));
	CHECK(!is_expired(now, now));
	CHECK(is_expired(now - 1, now));
	CHECK(is_expired(now - years + 1, now));
	CHECK(!is_expired(now - years, now));
	CHECK(!is_expired(1, now));
	CHECK(is_expired(1, 2));
	CHECK(!is_expired(1, 1));
	CHECK(!is_expired(EXPIRY_MAX, 0));
}

int main(void)
{
	times_are_those_of_the_model();
	times_have_bounds();
	only_a_number_is_a_time();
	an_item_is_expired_for_five_years();
	builder_release(&made);
	return 0;
}
