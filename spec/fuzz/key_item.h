/* key_item.h - an item that consists of key attributes, for several fuzzers. */
#ifndef FUZZ_KEY_ITEM_H
#define FUZZ_KEY_ITEM_H

#include "codec/key.h"

static inline void fuzz_put_attribute(struct buffer *out,
	const struct key_attribute *attribute, const struct value *value)
{
	buffer_put_counted(out, attribute_name(attribute));
	buffer_put_u8(out, (uint8_t)value->type);
	if (value->type != TYPE_N)
		buffer_put_varint(out, value->bytes.len);
	buffer_put_slice(out, value->bytes);
}

/* Appends the item that has exactly these key attributes. */
static inline void fuzz_put_item(struct buffer *out, const struct key_schema *schema,
	const struct key_values *values)
{
	bool sort_first = slice_compare(attribute_name(&schema->sort),
		attribute_name(&schema->partition)) < 0;

	buffer_put_varint(out, schema->sort.type ? 2 : 1);
	if (schema->sort.type && sort_first)
		fuzz_put_attribute(out, &schema->sort, &values->sort);
	fuzz_put_attribute(out, &schema->partition, &values->partition);
	if (schema->sort.type && !sort_first)
		fuzz_put_attribute(out, &schema->sort, &values->sort);
}

#endif
