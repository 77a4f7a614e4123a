/* order.h - the items that every peer stores: orders of customers, 200 bytes each.
 *
 * The C twin of bench/lib/orders.lua: the same attributes, values of the same
 * lengths, keys of the length that ours have in the file. Items in order of
 * their numbers are in order of their keys.
 */
#ifndef BENCH_ORDER_H
#define BENCH_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ORDER_KEY 24
#define ORDER_ITEM 200

struct order {
	uint8_t key[ORDER_KEY];
	uint8_t item[ORDER_ITEM];
};

/* An item as a program works with it: its own copy of every attribute. */
struct image {
	char address[56];
	char customer[10];
	char note[62];
	char status[8];
	int64_t placed_at;
	double total;
};

/* Item `number` of `items`, with other values each time. */
void order_make(struct order *order, uint64_t number, uint64_t items, uint64_t *state);

/* The `number`-th item of a partition that lies behind all others. */
void order_make_behind(struct order *order, uint64_t partition, uint64_t number, uint64_t *state);

/* Says in the note when the item was made, in ns; and asks an image that question. */
void order_stamp(struct order *order, uint64_t time_ns);
uint64_t image_stamp(const struct image *image);

/* False if the bytes are no order. */
bool image_read(struct image *image, const uint8_t *item, size_t len);

#endif
