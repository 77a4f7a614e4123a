/* container.h - encodes a map, list, set or item whose member count is known only at its end.
 *
 *     container_open     type, 4 bytes for the length, 1 byte for the count
 *     ...                the members, already encoded, in canonical order
 *     container_close    fills in both; a count that needs more bytes moves the members
 *
 * Unlike codec/builder.h it does not sort, because the members are copied from canonical bytes and
 * are written in canonical order.
 */
#ifndef EXPR_CONTAINER_H
#define EXPR_CONTAINER_H

#include "base/buffer.h"
#include "codec/value.h"

/* Starts a map, list or set. Returns the offset of its body. */
size_t container_open(struct buffer *out, enum type type);

/* Ends the map, list or set whose body starts at offset `body` and has `count` members. */
void container_close(struct buffer *out, size_t body, uint64_t count);

/* Like container_open and container_close, for an item, which has no type and no length. */
size_t container_open_item(struct buffer *out);
void container_close_item(struct buffer *out, size_t body, uint64_t count);

/* Appends an encoded value, with its type and, if the type has one, its length. */
void container_put_value(struct buffer *out, const struct value *value);

#endif
