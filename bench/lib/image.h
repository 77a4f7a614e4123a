/* image.h - the items that every peer stores: orders of customers, 200 bytes each.
 *
 * The counterpart of bench/lib/orders.lua: the same attributes, values of the same
 * lengths. Numbers and keys (customer, placed_at) have the same order.
 */
#ifndef BENCH_IMAGE_H
#define BENCH_IMAGE_H

#include <stddef.h>
#include <stdint.h>

/* An item with its own copy of every attribute. */
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
	size_t at;               /* offset in struct image */
	size_t len;              /* of the value, without a terminating zero */
};

#define IMAGE_FIELDS 6

/* Sorted by name. */
extern const struct image_field image_fields[IMAGE_FIELDS];

/* Returns NULL if no attribute has this name. */
const struct image_field *image_field(const void *name, size_t len);

/* Writes the last digits of a number, with leading zeros. */
void set_digits(char *to, unsigned digits, uint64_t number);

/* Creates item `number` of `items`, with new values in each call. */
void image_make(struct image *image, uint64_t number, uint64_t items, uint64_t *state);

/* Creates item `number` of a partition that follows all others. */
void image_make_behind(struct image *image, uint64_t partition, uint64_t number,
	uint64_t *state);

/* Writes the time of creation in ns to the note, and reads it. */
void image_set_stamp(struct image *image, uint64_t time_ns);
uint64_t image_stamp(const struct image *image);

#endif
