/* order.h - an order in the form that a store takes: a key and an item, as bytes.
 *
 * Stores that have no format for it use the one defined here. Its keys have the
 * length that keys of this library have in the file, so that all store the same bytes.
 */
#ifndef BENCH_ORDER_H
#define BENCH_ORDER_H

#include <stdbool.h>

#include "lib/image.h"

#define ORDER_KEY 21
#define ORDER_KEY_MAX 40         /* in any store's format */
#define ORDER_ITEM 200           /* in any format */

struct order {
	uint8_t key[ORDER_KEY_MAX];
	uint8_t item[ORDER_ITEM];
};

void order_write(struct order *order, const struct image *image);

/* Returns false if the bytes are not an order. */
bool order_read(struct image *image, const uint8_t *item, size_t len);

#endif
