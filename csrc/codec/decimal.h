/* decimal.h - shortest decimal of a double, and nearest double of a decimal.
 *
 * For the magnitudes of DynamoDB's numbers, 1e-130 to 1e126. The caller handles sign and
 * zero. No function uses the C library's conversions or the locale.
 */
#ifndef CODEC_DECIMAL_H
#define CODEC_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

__extension__ typedef unsigned __int128 u128;

/* digits x 10^exponent; digits may end with zeros. */
struct decimal {
	uint64_t digits;
	int exponent;
};

/* Returns the shortest decimal that reads back as d, at most 17 digits; if there are
 * several, the one nearest to d. d must be in range. */
struct decimal decimal_of_double(double d);

/* Returns the double nearest to a decimal, which must be in range. Sets *same to true if
 * the decimal is the shortest one of that double. */
double decimal_to_double(struct decimal decimal, bool *same);

/* Returns the double nearest to digits x 10^exponent, which must be in range: of two that are
 * equally near the one with the even mantissa. 0 < digits < 10^38 and |exponent| <= 168. */
double decimal_nearest_double(u128 digits, int exponent);

#endif
