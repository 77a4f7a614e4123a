/* number.h - DynamoDB's numbers: 38 decimal digits, exact.
 *
 * Magnitudes run from 1E-130 to 9.99...E+125 (38 digits), and zero. A number
 * has one encoding, and encodings compare (memcmp) as the numbers do:
 *
 *     zero       0x80
 *     positive   head, digits        mantissa 0.D1 D2 D3... in base 100,
 *     negative   the same bytes, each complemented
 *
 *     head       the exponent E of 100, -62..63, as 0x82 + (E + 62);
 *                for E = -64 and -63 two bytes: 0x81, then 0x01 or 0x02
 *     digits     each D (0..99) as 2D + 1, the last one as 2D; D1 is not 0,
 *                nor is the last. 1 to 20 bytes.
 *
 * "2D + 1 while more follow" makes an encoding end by itself and sort before
 * what it begins; so no terminator is needed, and one number can stand before
 * other bytes in a key. (Twenty base-100 digits hold 38 decimal digits at
 * either alignment.)
 */
#ifndef CODEC_NUMBER_H
#define CODEC_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

#define NUMBER_MAX_BYTES 22
#define NUMBER_MAX_DIGITS 38
/* Longest plain text: sign, "0.", 129 zeros, 38 digits, NUL. */
#define NUMBER_MAX_TEXT 176

struct number {
	uint8_t len;
	uint8_t bytes[NUMBER_MAX_BYTES];
};

static inline struct slice number_slice(const struct number *number)
{
	return (struct slice){ number->bytes, number->len };
}

/* DynamoDB's grammar: [+-] digits [. digits] [e|E [+-] digits], with at least
 * one digit, no blanks, no hex, no names. A huge exponent fails fast.
 * NUMBER_SYNTAX, NUMBER_OVERFLOW, NUMBER_UNDERFLOW, NUMBER_DIGITS. */
int number_parse(struct number *number, struct slice text);

void number_from_integer(struct number *number, int64_t n);

/* The shortest decimal that reads back as the same double ("%.17g" at most),
 * whatever the C locale. NUMBER_FINITE, NUMBER_OVERFLOW, NUMBER_UNDERFLOW. */
int number_from_double(struct number *number, double d);

/* Width of the canonical encoding at the front of bytes; CORRUPT (negative)
 * when there is none. Every encoding that it accepts is the only one of its
 * number and within the limits above. */
int number_width(struct slice bytes);

/* The encoded number as an int64_t; false if it isn't one. These three trust
 * bytes that number_width has accepted. */
bool number_to_integer(struct slice bytes, int64_t *n);

/* The nearest double; true if the shortest decimal of that double is this
 * number again (so that nothing is lost). Every double that went in through
 * number_from_double comes out as it was. Zero is +0. */
bool number_to_double(struct slice bytes, double *d);

/* -1, 0 or 1. */
static inline int number_sign(struct slice bytes)
{
	return (bytes.data[0] > 0x80) - (bytes.data[0] < 0x80);
}

/* For arithmetic, which stands in codec/arithmetic.c: a number as the integer
 * of its significant digits, the first one first, x 10^exponent. No digit and
 * exponent 0 for zero; else neither end is a zero. Returns how many there are. */
unsigned number_to_digits(struct slice bytes, uint8_t digits[NUMBER_MAX_DIGITS], int *exponent);

/* The other way, from any digits, with zeros at either end or none at all.
 * NUMBER_OVERFLOW, NUMBER_UNDERFLOW, and if it is neither NUMBER_DIGITS. */
int number_from_digits(struct number *number, bool negative, const uint8_t *digits,
	unsigned count, int exponent);

/* Most numbers are n x 100^exponent with |n| below 10^18 and the exponent within
 * SCALED_EXPONENT of 0; false for the others. Zero is 0 x 100^0. */
#define SCALED_EXPONENT 30
bool number_to_scaled(struct slice bytes, int64_t *n, int *exponent);

/* The other way, of any n; the exponent is within 2 x SCALED_EXPONENT - 10 of 0:
 * such a number is never out of range. */
void number_from_scaled(struct number *number, int64_t n, int exponent);

/* Plain decimal as DynamoDB prints it: no exponent, no trailing zeros after
 * the point, 0 before it. Writes a NUL; returns the length without it. */
size_t number_format(struct slice bytes, char text[NUMBER_MAX_TEXT]);

/* Bytes that DynamoDB counts for it:
 * 1 + ceil(d/2) + (d odd or e odd ? 0 : 1) + (negative ? 1 : 0), zero is 1,
 * where d is the count of significant digits and e the decimal exponent of the
 * first one. (AWS documents "about"; this is the rule as measured on AWS.) */
size_t number_size(struct slice bytes);

#endif
