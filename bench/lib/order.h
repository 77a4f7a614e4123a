/* order.h - an order as a store is given it: a key and an item, as bytes.
 *
 * The form is the store's own, or the one here, for stores that leave it to their
 * users. Keys here have the length that ours have in the file, so that all store the
 * same bytes.
 */
#ifndef BENCH_ORDER_H
#define BENCH_ORDER_H

#include <stdbool.h>

#include "lib/image.h"

#define ORDER_KEY 21
#define ORDER_KEY_MAX 40         /* in a store's own form */
#define ORDER_ITEM 200           /* in any form */

struct order {
	uint8_t key[ORDER_KEY_MAX];
	uint8_t item[ORDER_ITEM];
};

void order_write(struct order *order, const struct image *image);

/* False if the bytes are no order. */
bool order_read(struct image *image, const uint8_t *item, size_t len);

#endif
