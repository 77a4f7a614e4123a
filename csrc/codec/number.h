/* number.h - DynamoDB's numbers: 38 decimal digits, exact.
 *
 * A number is zero or has a magnitude from 1E-130 to 9.99...E+125 (38 digits). Each number has one
 * encoding, and memcmp orders encodings as the numbers are ordered:
 *
 *     zero       0x80
 *     positive   header, digits      mantissa 0.D1 D2 D3... in base 100
 *     negative   the same bytes, each complemented
 *
 *     header     the exponent E of 100, -62..63, as 0x82 + (E + 62);
 *                for E = -64 and -63 two bytes: 0x81, then 0x01 or 0x02
 *     digits     each D (0..99) as 2D + 1, the last one as 2D; D1 is not 0,
 *                nor is the last. 1 to 20 bytes.
 *
 * Since only the last digit is even, an encoding is self-terminating and sorts
 * before the longer ones that start with the same digits. A number needs no
 * terminator when other bytes follow it in a key. (38 decimal digits take at
 * most 20 base-100 digits, whichever way they are aligned.)
 */
#ifndef CODEC_NUMBER_H
#define CODEC_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

#define NUMBER_MAX_BYTES 22
#define NUMBER_MAX_DIGITS 38
/* Size of the longest plain text: sign, "0.", 129 zeros, 38 digits, NUL. */
#define NUMBER_MAX_TEXT 176

struct number {
	uint8_t len;
	uint8_t bytes[NUMBER_MAX_BYTES];
};

static inline struct slice number_slice(const struct number *number)
{
	return (struct slice){ number->bytes, number->len };
}

/* Parses a number in DynamoDB's grammar: [+-] digits [. digits] [e|E [+-] digits], with
 * at least one digit, no blanks, no hex, no names. The time does not depend on the size
 * of the exponent. Errors: NUMBER_SYNTAX, NUMBER_OVERFLOW, NUMBER_UNDERFLOW,
 * NUMBER_DIGITS. */
int number_parse(struct number *number, struct slice text);

void number_from_integer(struct number *number, int64_t n);

/* Converts a double to the shortest decimal that reads back as the same double, at most
 * 17 digits; independent of the C locale. Errors: NUMBER_FINITE, NUMBER_OVERFLOW,
 * NUMBER_UNDERFLOW. */
int number_from_double(struct number *number, double d);

/* Returns the width of the encoded number at the beginning of bytes, or CORRUPT (negative) if
 * there is none. Accepts only canonical encodings within the limits above. */
int number_width(struct slice bytes);

/* --- functions for encodings that number_width has accepted --- */

/* Sets *n to the number; returns false if it is not an int64_t. */
bool number_to_integer(struct slice bytes, int64_t *n);

/* Sets *d to the double nearest to the number. Returns true if the shortest decimal of that double
 * is this number, so that nothing is lost. This is the inverse of number_from_double; zero becomes
 * +0. */
bool number_to_double(struct slice bytes, double *d);

/* Returns the sign of the number: -1, 0 or 1. */
static inline int number_sign(struct slice bytes)
{
	return (bytes.data[0] > 0x80) - (bytes.data[0] < 0x80);
}

/* Writes the significant digits of the number, most significant first, and returns how many there
 * are. The number is the integer with these digits x 10^exponent. Neither the first nor the last
 * digit is 0; zero has no digits and exponent 0. */
unsigned number_to_digits(struct slice bytes, uint8_t digits[NUMBER_MAX_DIGITS], int *exponent);

/* Inverse of number_to_digits. Accepts leading and trailing zeros and a count of 0. Errors:
 * NUMBER_OVERFLOW, NUMBER_UNDERFLOW, otherwise NUMBER_DIGITS. */
int number_from_digits(struct number *number, bool negative, const uint8_t *digits,
	unsigned count, int exponent);

/* Sets *n and *exponent so that the number is n x 100^exponent, with |n| < 10^18 and |exponent| <=
 * SCALED_EXPONENT. Returns false for the few numbers that do not fit. Zero is 0 x 100^0. */
#define SCALED_EXPONENT 30
bool number_to_scaled(struct slice bytes, int64_t *n, int *exponent);

/* Inverse of number_to_scaled for any n. |exponent| must be at most
 * 2 x SCALED_EXPONENT - 10; such a number is always in range. */
void number_from_scaled(struct number *number, int64_t n, int exponent);

/* Formats a number as DynamoDB does: without an exponent, without trailing zeros after the decimal
 * point, and with at least one digit before the point. Terminates the text with NUL and returns
 * its length without the NUL. */
size_t number_format(struct slice bytes, char text[NUMBER_MAX_TEXT]);

/* Returns the size that DynamoDB counts for a number, in bytes:
 * 1 + ceil(d/2) + (d odd or e odd ? 0 : 1) + (negative ? 1 : 0), 1 for zero,
 * where d is the number of significant digits and e the decimal exponent of the
 * first one. (AWS documents an approximate size; this rule was measured on AWS.) */
size_t number_size(struct slice bytes);

#endif
