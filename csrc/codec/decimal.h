/* decimal.h - short decimals and doubles, each as the other's nearest.
 *
 * For magnitudes of 1e-300 to 1e300; sign and zero are the caller's.
 */
#ifndef CODEC_DECIMAL_H
#define CODEC_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

/* digits x 10^exponent; zeros at the end of the digits say nothing. */
struct decimal {
	uint64_t digits;
	int exponent;
};

/* The shortest decimal that reads back as d, of those the nearest to d; at
 * most 17 digits. d is finite and above 0. */
struct decimal decimal_of_double(double d);

/* The double nearest to a decimal that isn't 0. `same` tells if the decimal is
 * that double's shortest. */
double decimal_to_double(struct decimal decimal, bool *same);

#endif
