/* expiry.c - the time at which an item expires. */
#include "codec/expiry.h"

#include "codec/number.h"
#include "codec/value.h"

/* A number of seconds below EXPIRY_MAX ms has at most 12 digits before the decimal point. */
#define SECONDS_DIGITS 12

/* Returns floor(seconds x 1000). The seconds are the integer of the digits x 10^exponent, with at
 * most SECONDS_DIGITS digits before the decimal point. */
static uint64_t milliseconds(const uint8_t *digits, unsigned count, int exponent)
{
	uint64_t ms = 0;
	int whole = exponent + (int)count + 3;   /* number of digits of the result */

	for (int i = 0; i < whole; i++)
		ms = ms * 10 + ((unsigned)i < count ? digits[i] : 0);
	return ms;
}

uint64_t item_expiry(struct slice item, struct slice attribute)
{
	uint8_t digits[NUMBER_MAX_DIGITS];
	struct value value;
	unsigned count;
	uint64_t ms;
	int exponent;

	if (map_find(item, attribute, &value) || value.type != TYPE_N ||
			number_sign(value.bytes) <= 0)
		return EXPIRY_NEVER;
	count = number_to_digits(value.bytes, digits, &exponent);
	if (exponent + (int)count > SECONDS_DIGITS)
		return EXPIRY_NEVER;
	ms = milliseconds(digits, count, exponent);
	return ms > EXPIRY_MAX ? EXPIRY_NEVER : ms;
}
