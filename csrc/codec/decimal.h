/* decimal.h - shortest decimal of a double, and nearest double of a decimal.
 *
 * For magnitudes of 1e-300 to 1e300. The caller handles sign and zero.
 */
#ifndef CODEC_DECIMAL_H
#define CODEC_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

/* digits x 10^exponent; digits may end with zeros. */
struct decimal {
	uint64_t digits;
	int exponent;
};

/* Returns the shortest decimal that reads back as d, at most 17 digits; if there are
 * several, the one nearest to d. d must be finite and positive. */
struct decimal decimal_of_double(double d);

/* Returns the double nearest to a decimal, which must not be 0. Sets *same to true if
 * the decimal is the shortest one of that double. */
double decimal_to_double(struct decimal decimal, bool *same);

#endif
