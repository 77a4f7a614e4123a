/* expiry.h - the time at which an item expires, and whether it is expired.
 *
 * The time-to-live attribute is a number of seconds since 1970. An item without it, or with a
 * value of another type, never expires (DynamoDB Developer Guide, "Time to Live"). Times here are
 * in ms, rounded down: for a whole number of ms t, seconds x 1000 < t holds exactly if the
 * rounded-down time is less than t.
 */
#ifndef CODEC_EXPIRY_H
#define CODEC_EXPIRY_H

#include "base/buffer.h"

#define EXPIRY_NEVER 0
#define EXPIRY_MAX ((UINT64_C(1) << 48) - 1)
/* An item that should have expired earlier than this before now is not expired. */
#define EXPIRY_PAST_MS (UINT64_C(5) * 365 * 24 * 3600 * 1000)

/* Returns the time at which the item expires, from 1 to EXPIRY_MAX; EXPIRY_NEVER if the attribute
 * is missing, is not a number, or gives another time. */
uint64_t item_expiry(struct slice item, struct slice attribute);

static inline bool is_expired(uint64_t expiry_ms, uint64_t now_ms)
{
	return expiry_ms != EXPIRY_NEVER && expiry_ms < now_ms &&
		now_ms - expiry_ms < EXPIRY_PAST_MS;
}

#endif
