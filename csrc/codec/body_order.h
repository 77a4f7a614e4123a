/* body_order.h - sorts the body of a large map or set.
 *
 * The builder keeps 24 bytes for each entry of a container, which is several times the text of a
 * short one. Of a large container it keeps nothing: the entries are found by reading the body, and
 * their offsets, 4 bytes each, are sorted by merge sort.
 */
#ifndef CODEC_BODY_ORDER_H
#define CODEC_BODY_ORDER_H

#include "base/buffer.h"
#include "codec/value.h"

/* Sorts the `count` entries that are encoded one after another in body, by name; type is that of
 * the container: M, SS, NS or BS. The entries must be valid. offsets and scratch are memory of the
 * caller. Returns 0, DUPLICATE_MEMBER or NO_MEMORY. */
int body_order(enum type type, uint8_t *body, size_t len, size_t count, struct buffer *offsets,
	struct buffer *scratch);

#endif
