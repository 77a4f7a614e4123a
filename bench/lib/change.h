/* change.h - format of a change in stores that have no format for it.
 *
 *     key      its number, 8 bytes, big-endian
 *     value    [ old image's length: 2 ][ old image ][ new image ]
 */
#ifndef BENCH_CHANGE_H
#define BENCH_CHANGE_H

#include "lib/peer.h"

#define CHANGE_KEY 8
#define CHANGE_HEAD 2
#define CHANGE_MAX (CHANGE_HEAD + 2 * ORDER_ITEM)

static inline void change_set_key(void *key, uint64_t number)
{
	uint8_t *bytes = key;

	for (int i = CHANGE_KEY - 1; i >= 0; i--, number >>= 8)
		bytes[i] = (uint8_t)number;
}

static inline uint64_t change_number(const void *key)
{
	const uint8_t *bytes = key;
	uint64_t number = 0;

	for (int i = 0; i < CHANGE_KEY; i++)
		number = number << 8 | bytes[i];
	return number;
}

static inline void change_set_head(uint8_t *value, size_t old_len)
{
	value[0] = (uint8_t)old_len;
	value[1] = (uint8_t)(old_len >> 8);
}

static inline void change_read(struct change *change, const void *value, size_t len)
{
	const uint8_t *bytes = value;

	change->old_len = bytes[0] | (size_t)bytes[1] << 8;
	change->old_image = bytes + CHANGE_HEAD;
	change->new_image = bytes + CHANGE_HEAD + change->old_len;
	change->new_len = len - CHANGE_HEAD - change->old_len;
}

#endif
