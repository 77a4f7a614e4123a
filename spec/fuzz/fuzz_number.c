/* fuzz_number.c - conversions of numbers between text, stored bytes, integers and doubles,
 * in both directions, and the order of two numbers.
 */
#include "codec/number.h"
#include "fuzz/fuzz.h"

static bool is_refusal(int err)
{
	return err == ERR_NUMBER_SYNTAX || err == ERR_NUMBER_OVERFLOW ||
		err == ERR_NUMBER_UNDERFLOW || err == ERR_NUMBER_DIGITS;
}

static void is_this(const struct number *number, struct slice bytes)
{
	CHECK_BYTES(number->bytes, number->len, bytes.data, bytes.len);
}

/* Checks that bytes accepted by number_width encode to the same bytes. */
static void check_round_trip(struct slice bytes)
{
	char text[NUMBER_MAX_TEXT];
	struct number again;
	size_t len = number_format(bytes, text);
	int64_t integer;
	double d;

	CHECK_EQUAL_UINT(len, strlen(text));
	CHECK_EQUAL_INT(number_parse(&again, slice_of_text(text)), 0);
	is_this(&again, bytes);
	CHECK(number_size(bytes) >= 1 && number_size(bytes) <= NUMBER_MAX_BYTES);
	if (number_to_integer(bytes, &integer)) {
		number_from_integer(&again, integer);
		is_this(&again, bytes);
	}
	if (number_to_double(bytes, &d)) {
		CHECK_EQUAL_INT(number_from_double(&again, d), 0);
		is_this(&again, bytes);
	}
}

/* Compares plain decimals: integer parts of equal length compare like their
 * texts. */
static int compare_texts(const char *a, const char *b)
{
	size_t a_whole = strcspn(a, "."), b_whole = strcspn(b, ".");

	if (*a == '-' && *b == '-')
		return compare_texts(b + 1, a + 1);
	if (*a == '-' || *b == '-')
		return *a == '-' ? -1 : 1;
	if (a_whole != b_whole)
		return a_whole < b_whole ? -1 : 1;
	return strcmp(a, b);
}

static void check_order(struct slice a, struct slice b)
{
	char a_text[NUMBER_MAX_TEXT], b_text[NUMBER_MAX_TEXT];

	number_format(a, a_text);
	number_format(b, b_text);
	CHECK_EQUAL_INT(fuzz_sign(slice_compare(a, b)), fuzz_sign(compare_texts(a_text, b_text)));
}

static void try_stored(struct slice bytes)
{
	int width = number_width(bytes), second;
	struct slice rest;

	if (!fuzz_decoded(width < 0 ? width : 0))
		return;
	CHECK(width <= NUMBER_MAX_BYTES && (size_t)width <= bytes.len);
	check_round_trip(slice_of(bytes.data, (size_t)width));
	rest = slice_of(bytes.data + width, bytes.len - (size_t)width);
	second = number_width(rest);
	if (second > 0)
		check_order(slice_of(bytes.data, (size_t)width),
			slice_of(rest.data, (size_t)second));
}

static void try_text(struct slice text)
{
	struct number number;
	int err = number_parse(&number, text);

	if (err) {
		CHECK(is_refusal(err));
		return;
	}
	CHECK_EQUAL_INT(number_width(number_slice(&number)), number.len);
	check_round_trip(number_slice(&number));
}

static void try_eight(const uint8_t *data)
{
	int64_t integer = (int64_t)get_u64(data), again;
	struct number number;
	double d, same;
	int err;

	number_from_integer(&number, integer);
	CHECK_EQUAL_INT(number_width(number_slice(&number)), number.len);
	CHECK(number_to_integer(number_slice(&number), &again) && again == integer);
	memcpy(&d, data, sizeof d);
	err = number_from_double(&number, d);
	if (err) {
		CHECK(is_refusal(err) || err == ERR_NUMBER_FINITE);
		return;
	}
	CHECK_EQUAL_INT(number_width(number_slice(&number)), number.len);
	CHECK(number_to_double(number_slice(&number), &same));
	CHECK(same == d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_stored(slice_of(data, size));
	try_text(slice_of(data, size));
	if (size >= 8)
		try_eight(data);
	return 0;
}

bool fuzz_seed(unsigned n, struct buffer *out)
{
	static const char *const texts[] = {
		"0", "-0.0", "1", "-1", "10", "+007.50", "99999999999999999999999999999999999999",
		"9.9999999999999999999999999999999999999E+125", "1E-130", "-1e-130", ".5", "5.",
		"123456789012345678901234567890.12345678", "9223372036854775807",
		"-9223372036854775808", "0.1", "3.141592653589793", "1e5000000000000000000",
	};
	struct number number, other;

	if (n < 18)
		buffer_put_slice(out, slice_of_text(texts[n]));
	else if (n < 30 && number_parse(&number, slice_of_text(texts[n - 18])) == 0 &&
			number_parse(&other, slice_of_text(texts[n - 17])) == 0) {
		buffer_put_slice(out, number_slice(&number));
		buffer_put_slice(out, number_slice(&other));
	}
	return n < 30;
}
