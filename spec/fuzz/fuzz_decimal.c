/* fuzz_decimal.c - the shortest decimal of a double and the nearest double of a decimal,
 * compared with the results of the C library.
 */
#include "codec/decimal.h"

#include <math.h>

#include "fuzz/fuzz.h"

#define SMALLEST 1e-130
#define LARGEST 1e126

static double nearest(struct decimal decimal)
{
	char text[64];

	snprintf(text, sizeof text, "%" PRIu64 "e%d", decimal.digits, decimal.exponent);
	return strtod(text, NULL);
}

/* Returns d rounded by the C library to this number of digits. */
static double rounded(double d, int digits)
{
	char text[64];

	snprintf(text, sizeof text, "%.*e", digits - 1, d);
	return strtod(text, NULL);
}

static int count_digits(struct decimal decimal)
{
	int count = 0;

	for (; decimal.digits % 10 == 0; decimal.digits /= 10)
		;
	for (; decimal.digits; decimal.digits /= 10)
		count++;
	return count;
}

static void try_double(double d)
{
	struct decimal decimal;
	bool same;
	int digits;

	if (!(d >= SMALLEST && d <= LARGEST))
		return;
	decimal = decimal_of_double(d);
	digits = count_digits(decimal);
	CHECK(digits <= 17);
	CHECK(nearest(decimal) == d);
	CHECK(digits == 1 || rounded(d, digits - 1) != d);
	CHECK(decimal_to_double(decimal, &same) == d);
	CHECK(same);
}

static void try_decimal(struct decimal decimal)
{
	double d;
	bool same;

	if (decimal.digits == 0)
		return;
	d = nearest(decimal);
	if (!(d >= SMALLEST && d <= LARGEST))
		return;
	CHECK(decimal_to_double(decimal, &same) == d);
	if (same)
		CHECK(count_digits(decimal) <= count_digits(decimal_of_double(d)));
}

/* Reads digits and eight random digits after them, at most 28. */
static void try_long(struct decimal decimal, uint64_t eight)
{
	char text[64];
	double d;

	eight %= 100000000;
	snprintf(text, sizeof text, "%" PRIu64 "%08" PRIu64 "e%d", decimal.digits, eight,
		decimal.exponent);
	d = strtod(text, NULL);
	if (d >= SMALLEST && d <= LARGEST)
		CHECK(decimal_nearest_double((u128)decimal.digits * 100000000 + eight,
			decimal.exponent) == d);
}

/* Tests random doubles, and also decimals of few digits and decimals near 1, because these have
 * fast paths. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct decimal decimal;
	uint64_t bits;
	double d;

	if (size < 10)
		return 0;
	bits = get_u64(data);
	memcpy(&d, &bits, sizeof d);
	try_double(fabs(d));
	decimal.digits = bits >> data[8] % 64;
	decimal.exponent = (int8_t)data[9];
	try_decimal(decimal);
	decimal.exponent = get_u16(data + 8) % 280 - 150;
	try_decimal(decimal);
	try_long(decimal, bits ^ get_u16(data + 8));
	return 0;
}

bool fuzz_seed(unsigned n, struct buffer *out)
{
	static const double doubles[] = {
		0.1, 0.3, 1, 3.141592653589793, 1e22, 1e23, 9007199254740993.0, 5e-324, 1.7e308,
		2.2250738585072014e-308, 0.30000000000000004, 123456.789, 4503599627370496.5,
		9.5367431640625e-07, 1e-5,
	};
	uint64_t bits;

	if (n >= sizeof doubles / sizeof *doubles)
		return false;
	memcpy(&bits, &doubles[n], sizeof bits);
	buffer_put_u64(out, bits);
	buffer_put_u16(out, (uint16_t)(n * 4099));
	return true;
}
