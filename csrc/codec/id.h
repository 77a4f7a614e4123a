/* id.h - ids of tables and streams, the first bytes of a row's key.
 *
 *     1 to ID_SHORT_MAX      one byte
 *     larger                 ID_LONG (u8), u32
 *
 * The encoding is prefix-free and keeps the order of the ids. Nearly every database has at most
 * ID_SHORT_MAX tables, and then each row is three bytes shorter than with a u32.
 */
#ifndef CODEC_ID_H
#define CODEC_ID_H

#include "base/buffer.h"

#define ID_SHORT_MAX 247
#define ID_LONG (ID_SHORT_MAX + 1)
#define ID_MAX 5                     /* maximum width of an id, in bytes */

/* Returns the width in bytes of an id with this first byte. */
static inline size_t id_width(uint8_t first)
{
	return first <= ID_SHORT_MAX ? 1 : ID_MAX;
}

/* Writes an id at p; returns its width. */
static inline size_t set_id(uint8_t *p, uint32_t id)
{
	p[0] = id <= ID_SHORT_MAX ? (uint8_t)id : ID_LONG;
	if (p[0] == ID_LONG)
		set_u32(p + 1, id);
	return id_width(p[0]);
}

/* Returns the id at the beginning of a key, 0 if there is none. */
static inline uint32_t get_id(struct slice key)
{
	uint32_t id;

	if (key.len == 0 || key.data[0] > ID_LONG)
		return 0;
	if (key.data[0] <= ID_SHORT_MAX)
		return key.data[0];
	if (key.len < ID_MAX)
		return 0;
	id = get_u32(key.data + 1);
	return id > ID_SHORT_MAX ? id : 0;
}

#endif
