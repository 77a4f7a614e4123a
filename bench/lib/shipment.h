/* shipment.h - the items whose expressions are measured: orders with a map, 250 bytes or 1 KB.
 *
 * An order of lib/image.h and, in the map "delivery", carrier, weight and zip. Large items
 * also have a comment. One of 1,000 items has WANTED_STATUS and at least LEAST_TOTAL, another one
 * WANTED_CARRIER and at least LEAST_WEIGHT.
 */
#ifndef BENCH_SHIPMENT_H
#define BENCH_SHIPMENT_H

#include "lib/order.h"

#define SHIPMENT_MAX 1400        /* of an encoded item */
#define COMMENT 770

#define WANTED_STATUS "shipped"
#define LEAST_TOTAL 996.4
#define WANTED_CARRIER "north"
#define LEAST_WEIGHT 996

/* More than any total: the condition of every update holds. */
#define TOTAL_LIMIT 1000000

struct shipment {
	struct image order;
	char carrier[6];
	char zip[6];
	int64_t weight;
	const char *comment;     /* NULL: a small item */

	/* Encoded by the store before the measurement. */
	uint8_t key[ORDER_KEY_MAX];
	uint8_t item[SHIPMENT_MAX];
	size_t item_len;
};

/* Creates item `number` of `items`, with new values in each call. */
void shipment_make(struct shipment *shipment, bool is_large, uint64_t number, uint64_t items,
	uint64_t *state);

#endif
