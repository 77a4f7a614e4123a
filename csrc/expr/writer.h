/* writer.h - encodes containers whose length and number of members are known only at the end.
 *
 *     writer_open     type, 4 bytes for the length, 1 byte for the count
 *     ...             the members, already encoded, in canonical order
 *     writer_close    fills in both; a count that needs more bytes moves the members
 *
 * Unlike codec/builder.h it does not sort: the members are copied from canonical bytes and
 * are written in canonical order.
 */
#ifndef EXPR_WRITER_H
#define EXPR_WRITER_H

#include "base/buffer.h"
#include "codec/value.h"

/* Starts an M, L or set; returns the offset of its body. */
size_t writer_open(struct buffer *out, enum type type);

/* Ends the container whose body starts at offset `body`. */
void writer_close(struct buffer *out, size_t body, uint64_t count);

/* Like writer_open and writer_close, for an item, which has no type and no length. */
size_t writer_open_item(struct buffer *out);
void writer_close_item(struct buffer *out, size_t body, uint64_t count);

void writer_put_value(struct buffer *out, const struct value *value);

#endif
