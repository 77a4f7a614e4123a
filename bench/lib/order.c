/* order.c - orders as bytes, and back.
 *
 *     key        customer/placed_at in hexadecimal digits
 *     item       [ version ] attribute...              by name
 *     attribute  [ type << 6 | name length ][ name ][ value length ][ value ]
 *
 * The minimum for items without a schema: a reader compares names one by one.
 */
#include "lib/order.h"

#include <stdlib.h>
#include <string.h>

#define VERSION 1
#define TYPE_SHIFT 6
#define LEN_MASK 0x3f

static void write_item(uint8_t *item, const struct image *image)
{
	uint8_t *at = item;

	*at++ = VERSION;
	for (size_t i = 0; i < IMAGE_FIELDS; i++) {
		const struct image_field *field = &image_fields[i];

		*at++ = (uint8_t)((size_t)field->type << TYPE_SHIFT | field->name_len);
		memcpy(at, field->name, field->name_len);
		at += field->name_len;
		*at++ = (uint8_t)field->len;
		memcpy(at, (const char *)image + field->at, field->len);
		at += field->len;
	}
	if (at != item + ORDER_ITEM)
		abort();
}

static void set_hex(uint8_t *to, size_t digits, uint64_t number)
{
	for (; digits > 0; number >>= 4)
		to[--digits] = (uint8_t)"0123456789abcdef"[number & 15];
	if (number)
		abort();
}

void order_write(struct order *order, const struct image *image)
{
	const size_t customer = sizeof image->customer - 1;

	memcpy(order->key, image->customer, customer);
	order->key[customer] = '/';
	set_hex(order->key + customer + 1, ORDER_KEY - customer - 1, (uint64_t)image->placed_at);
	write_item(order->item, image);
}

/* Decodes the attribute at `at`. Returns the end of it, NULL if it is invalid. */
static const uint8_t *read_attribute(struct image *image, const uint8_t *at, const uint8_t *end)
{
	size_t name_len = *at & LEN_MASK;
	enum field_type type = *at >> TYPE_SHIFT;
	const struct image_field *field;
	const uint8_t *value = at + 1 + name_len + 1;

	if (value > end || value + value[-1] > end)
		return NULL;
	field = image_field(at + 1, name_len);
	if (!field || field->len != value[-1] || field->type != type)
		return NULL;
	memcpy((char *)image + field->at, value, field->len);
	if (field->type == FIELD_STRING)
		((char *)image)[field->at + field->len] = 0;
	return value + field->len;
}

bool order_read(struct image *image, const uint8_t *item, size_t len)
{
	const uint8_t *end = item + len;

	if (!len || *item++ != VERSION)
		return false;
	while (item && item < end)
		item = read_attribute(image, item, end);
	return item == end;
}
