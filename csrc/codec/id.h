/* id.h - ids of tables and streams, at the front of keys.
 *
 *     1 to ID_SHORT_MAX      one byte
 *     more                   ID_LONG (u8), u32
 *
 * The order of the bytes is the order of the ids, and no id's bytes begin with
 * another's. Nearly every database has fewer tables than that, and each of its
 * rows is three bytes shorter for it.
 */
#ifndef CODEC_ID_H
#define CODEC_ID_H

#include "base/buffer.h"

#define ID_SHORT_MAX 247
#define ID_LONG (ID_SHORT_MAX + 1)
#define ID_MAX 5                     /* bytes */

/* How many bytes there are if this is the first of them. */
static inline size_t id_width(uint8_t first)
{
	return first <= ID_SHORT_MAX ? 1 : ID_MAX;
}

/* Writes it at p; returns its width. */
static inline size_t set_id(uint8_t *p, uint32_t id)
{
	p[0] = id <= ID_SHORT_MAX ? (uint8_t)id : ID_LONG;
	if (p[0] == ID_LONG)
		set_u32(p + 1, id);
	return id_width(p[0]);
}

/* The id that a key begins with; 0 if it begins with none. */
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
