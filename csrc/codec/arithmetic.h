/* arithmetic.h - computing with DynamoDB's numbers: exact, or refused.
 *
 * Numbers go in as the bytes that number_width has accepted and come out as
 * such. Nothing is rounded but where a rounding is asked for: a result that
 * has more than 38 digits is NUMBER_DIGITS, one that is out of range
 * NUMBER_OVERFLOW or NUMBER_UNDERFLOW. (DynamoDB refuses the same results, and
 * says "overflow" of more than 38 digits too.) Nothing allocates; the result
 * may be written over the number that an operand's bytes lie in.
 */
#ifndef CODEC_ARITHMETIC_H
#define CODEC_ARITHMETIC_H

#include "codec/number.h"

/* How a number between two neighbours is rounded. The halves: to the nearer
 * one; in the middle to the even one, away from zero, or towards zero. */
enum rounding {
	ROUND_HALF_EVEN,
	ROUND_HALF_UP,
	ROUND_HALF_DOWN,
	ROUND_UP,            /* away from zero */
	ROUND_DOWN,          /* towards zero */
	ROUND_CEILING,       /* towards +infinity */
	ROUND_FLOOR,         /* towards -infinity */
};

/* Digits behind the point: no number has more than PLACES_MAX, none has a digit
 * in front of 10^-PLACES_MIN. */
#define PLACES_MAX 167
#define PLACES_MIN (-125)

int number_add(struct number *sum, struct slice a, struct slice b);
int number_subtract(struct number *difference, struct slice a, struct slice b);
int number_multiply(struct number *product, struct slice a, struct slice b);

/* -a */
void number_negate(struct number *negative, struct slice a);

/* a / b with so many places behind the point (negative: a whole number of tens,
 * hundreds, ...), PLACES_MIN..PLACES_MAX. b is not zero. */
int number_divide(struct number *quotient, struct slice a, struct slice b, int places,
	enum rounding rounding);

/* a - b x floor(a / b): it has b's sign, as Lua's % has. b is not zero. */
int number_modulo(struct number *rest, struct slice a, struct slice b);

/* a with so many places, PLACES_MIN..PLACES_MAX. NUMBER_OVERFLOW, when it is
 * rounded up beyond the range; with places of 0 and more never. */
int number_round(struct number *rounded, struct slice a, int places, enum rounding rounding);

#endif
