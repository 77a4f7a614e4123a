/* order.c - orders as bytes, and back.
 *
 *     item       [ version ] attribute...              by name
 *     attribute  [ type << 6 | name length ][ name ][ value length ][ value ]
 *
 * It is what any store of items without a schema needs at least, and reading it
 * is a walk over names.
 */
#include "lib/order.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/program.h"

#define VERSION 1
#define TYPE_SHIFT 6
#define LEN_MASK 0x3f

/* As bench/lib/orders.lua has them. */
#define CUSTOMERS 1000
#define FIRST_TIME INT64_C(1700000000001)
#define STEP 100

/* The order's own width of each text, without the zero behind it. */
#define ADDRESS 55
#define CUSTOMER 9
#define NOTE 61
#define STATUS 7

static const char *const states[] = { "pending", "shipped", "settled", "refused" };

enum type { STRING, INTEGER, DOUBLE };

#define FIELD(name, type, len) { #name, sizeof #name - 1, type, offsetof(struct image, name), len }

static const struct field {
	const char *name;
	size_t name_len;
	enum type type;
	size_t at;               /* in struct image */
	size_t len;              /* of the value */
} fields[] = {
	FIELD(address, STRING, ADDRESS),
	FIELD(customer, STRING, CUSTOMER),
	FIELD(note, STRING, NOTE),
	FIELD(placed_at, INTEGER, 8),
	FIELD(status, STRING, STATUS),
	FIELD(total, DOUBLE, 8),
};

#define FIELDS (sizeof fields / sizeof *fields)

/* --- to bytes --- */

/* A text that must be as long as its field is. */
__attribute__((format(printf, 3, 4)))
static void set_text(char *to, size_t len, const char *format, ...)
{
	va_list arguments;
	int written;

	va_start(arguments, format);
	written = vsnprintf(to, len + 1, format, arguments);
	va_end(arguments);
	if (written < 0 || (size_t)written != len)
		abort();
}

static void write_item(uint8_t *item, const struct image *image)
{
	uint8_t *at = item;

	*at++ = VERSION;
	for (size_t i = 0; i < FIELDS; i++) {
		const struct field *field = &fields[i];

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

/* What changes from one version of an item to the next is chance. */
static void fill(struct image *image, uint64_t any)
{
	unsigned a = (unsigned)(any % 100 + 1), b = (unsigned)(any / 100 % 100 + 1);

	set_text(image->address, ADDRESS,
		"%03u Long Harbour Road, Building %02u, 24103 Kiel, Germany", a * 7, a % 89);
	set_text(image->note, NOTE,
		"leave it with neighbour no. %03u, ring twice and mind the cats", b * 9);
	set_text(image->status, STATUS, "%s", states[any / 10000 % 4]);
	image->total = (double)(any / 40000 % 90000 + 10000) / 100;
}

static void make(struct order *order, char prefix, uint64_t customer, uint64_t number,
	uint64_t *state)
{
	struct image image;
	char key[ORDER_KEY + 1];

	fill(&image, chance(state));
	set_text(image.customer, CUSTOMER, "%c-%07" PRIu64, prefix, customer);
	image.placed_at = FIRST_TIME + (int64_t)number * STEP;
	set_text(key, ORDER_KEY, "%s/%014" PRId64, image.customer, image.placed_at);
	memcpy(order->key, key, ORDER_KEY);
	write_item(order->item, &image);
}

void order_make(struct order *order, uint64_t number, uint64_t items, uint64_t *state)
{
	uint64_t each = (items + CUSTOMERS - 1) / CUSTOMERS;

	make(order, 'c', number / each, number % each, state);
}

void order_make_behind(struct order *order, uint64_t partition, uint64_t number, uint64_t *state)
{
	make(order, 'z', partition, number, state);
}

void order_stamp(struct order *order, uint64_t time_ns)
{
	struct image image;

	if (!image_read(&image, order->item, sizeof order->item))
		abort();
	set_text(image.note, NOTE, "%0*" PRIu64, NOTE, time_ns);
	write_item(order->item, &image);
}

/* --- from bytes --- */

static const struct field *field_of(const uint8_t *name, size_t len)
{
	for (size_t i = 0; i < FIELDS; i++) {
		if (fields[i].name_len == len && memcmp(fields[i].name, name, len) == 0)
			return &fields[i];
	}
	return NULL;
}

/* The attribute at `at`; returns what is behind it, NULL if it is none. */
static const uint8_t *read_attribute(struct image *image, const uint8_t *at, const uint8_t *end)
{
	size_t name_len = *at & LEN_MASK;
	const struct field *field;
	const uint8_t *value = at + 1 + name_len + 1;

	if (value > end || value + value[-1] > end)
		return NULL;
	field = field_of(at + 1, name_len);
	if (!field || field->len != value[-1] || field->type != (enum type)(*at >> TYPE_SHIFT))
		return NULL;
	memcpy((char *)image + field->at, value, field->len);
	if (field->type == STRING)
		((char *)image)[field->at + field->len] = 0;
	return value + field->len;
}

bool image_read(struct image *image, const uint8_t *item, size_t len)
{
	const uint8_t *end = item + len;

	if (!len || *item++ != VERSION)
		return false;
	while (item && item < end)
		item = read_attribute(image, item, end);
	return item == end;
}

uint64_t image_stamp(const struct image *image)
{
	return strtoull(image->note, NULL, 10);
}
