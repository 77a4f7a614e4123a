/* item_count.h - the number of items that a table had when they were counted last.
 *
 *     meta   0x13, table id u32       number of items u64, time of the count in ms u64
 *
 * Writes do not change the row. A table without it was never counted.
 */
#ifndef TABLE_ITEM_COUNT_H
#define TABLE_ITEM_COUNT_H

#include "lmdb/txn.h"

struct item_count {
	uint64_t items;
	uint64_t counted_ms;         /* 0: never */
};

/* Reading sets *count to zeros if the table was never counted. Returns 0, CORRUPT or STORE. */
int item_count_read(struct txn *txn, uint32_t table, struct item_count *count);
int item_count_write(struct txn *txn, uint32_t table, const struct item_count *count);

/* Removes the row of a table that is being deleted, if there is one. */
int item_count_delete(struct txn *txn, uint32_t table);

#endif
