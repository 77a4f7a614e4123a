/* image.h - the items that every peer stores: orders of customers, 200 bytes each.
 *
 * The C twin of bench/lib/orders.lua: the same attributes, values of the same
 * lengths. Items in order of their numbers are in order of their keys: customer,
 * placed_at.
 */
#ifndef BENCH_IMAGE_H
#define BENCH_IMAGE_H

#include <stddef.h>
#include <stdint.h>

/* An item as a program works with it: its own copy of every attribute. */
struct image {
	char address[56];
	char customer[10];
	char note[62];
	char status[8];
	int64_t placed_at;
	double total;
};

enum field_type { FIELD_STRING, FIELD_INTEGER, FIELD_DOUBLE };

struct image_field {
	const char *name;
	size_t name_len;
	enum field_type type;
	size_t at;               /* in struct image */
	size_t len;              /* of the value, a text's without the zero behind it */
};

#define IMAGE_FIELDS 6

/* By name. */
extern const struct image_field image_fields[IMAGE_FIELDS];

/* NULL: there is none of this name. */
const struct image_field *image_field(const void *name, size_t len);

/* Writes a number's last digits, zeros before it. */
void set_digits(char *to, unsigned digits, uint64_t number);

/* Item `number` of `items`, with other values each time. */
void image_make(struct image *image, uint64_t number, uint64_t items, uint64_t *state);

/* The `number`-th item of a partition that lies behind all others. */
void image_make_behind(struct image *image, uint64_t partition, uint64_t number,
	uint64_t *state);

/* Says in the note when the item was made, in ns; and asks it. */
void image_set_stamp(struct image *image, uint64_t time_ns);
uint64_t image_stamp(const struct image *image);

#endif
