/* json_writer.h - writes encoded values as JSON on one line (RFC 8259).
 *
 *     plain    {"id":"a","n":5,"tags":{"$SS":["x"]}}
 *     typed    {"id":{"S":"a"},"n":{"N":"5"},"tags":{"SS":["x"]}}
 *
 * Typed JSON is DynamoDB's. Plain JSON has no sets and binaries: they are objects with the only
 * name $SS, $NS, $BS or $B, and a map that has only such a name gets one more $ in it. The names of
 * an item's own attributes are never changed. doc/modules/json.md describes both forms.
 *
 * Names are in ascending order, except those that the caller wants first. Control characters and
 * characters that are invisible or change the writing direction are escaped. Neither the locale nor
 * the C library's conversions are used.
 */
#ifndef CODEC_JSON_WRITER_H
#define CODEC_JSON_WRITER_H

#include "base/buffer.h"

enum json_form { JSON_PLAIN, JSON_TYPED };

/* Names that come first in every map, in this order; none twice. */
struct json_order {
	const struct slice *names;
	size_t count;
};

/* Append an item, a string with its quotes, an encoded number, an integer, bytes as base64 in
 * quotes. An item's bytes need not have been verified. Return 0 or an error (CORRUPT, NO_MEMORY),
 * which the buffer keeps. */
int json_put_item(struct buffer *out, struct slice item, enum json_form form,
	const struct json_order *order);
int json_put_string(struct buffer *out, struct slice utf8);
int json_put_number(struct buffer *out, struct slice number);
int json_put_integer(struct buffer *out, int64_t n);
int json_put_base64(struct buffer *out, struct slice bytes);

static inline bool json_order_has(const struct json_order *order, struct slice name)
{
	for (size_t i = 0; i < order->count; i++)
		if (slice_equal(order->names[i], name))
			return true;
	return false;
}

/* Returns true if a name is one of the marks $B, $SS, $NS, $BS with any number of $ before it. */
bool json_is_mark(struct slice name);

#endif
