/* arithmetic.h - exact decimal arithmetic on DynamoDB's numbers.
 *
 * Operands are encoded numbers that number_width has accepted. Results are exact except where a
 * rounding mode is given. A function returns NUMBER_DIGITS if the result has more than 38 digits,
 * NUMBER_OVERFLOW or NUMBER_UNDERFLOW if it is out of range. (DynamoDB rejects the same results,
 * but reports more than 38 digits as overflow.) Nothing is allocated. The result may be the number
 * that an operand points to.
 */
#ifndef CODEC_ARITHMETIC_H
#define CODEC_ARITHMETIC_H

#include "codec/number.h"

/* Rounding modes. The first three round to the nearest value and differ in ties. */
enum rounding {
	ROUND_HALF_EVEN,     /* ties to the even digit */
	ROUND_HALF_UP,       /* ties away from zero */
	ROUND_HALF_DOWN,     /* ties towards zero */
	ROUND_UP,            /* away from zero */
	ROUND_DOWN,          /* towards zero */
	ROUND_CEILING,       /* towards +infinity */
	ROUND_FLOOR,         /* towards -infinity */
};

/* Limits for the number of decimal places. No number has more than PLACES_MAX
 * places, and none has a digit above 10^-PLACES_MIN. */
#define PLACES_MAX 167
#define PLACES_MIN (-125)

int number_add(struct number *sum, struct slice a, struct slice b);
int number_subtract(struct number *difference, struct slice a, struct slice b);
int number_multiply(struct number *product, struct slice a, struct slice b);

/* Sets *negative to -a. */
void number_negate(struct number *negative, struct slice a);

/* Divides a by b (not zero) and rounds to `places` decimal places,
 * PLACES_MIN..PLACES_MAX; -1 rounds to tens, -2 to hundreds. */
int number_divide(struct number *quotient, struct slice a, struct slice b, int places,
	enum rounding rounding);

/* Sets *remainder to a - b * floor(a / b), which has the sign of b, as in Lua's operator %. b must
 * not be zero. */
int number_modulo(struct number *remainder, struct slice a, struct slice b);

/* Rounds a to `places` decimal places, PLACES_MIN..PLACES_MAX. Returns NUMBER_OVERFLOW if the
 * rounded number is out of range, which is impossible for places >= 0. */
int number_round(struct number *rounded, struct slice a, int places, enum rounding rounding);

#endif
