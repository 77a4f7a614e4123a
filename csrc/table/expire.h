/* expire.h - removes expired items, and builds and removes expiry indexes, in small steps.
 *
 * An item is removed if it is expired at the wall clock and at the expiry clock, by the request
 * that a user's delete is (write.h). So removal has a record and its rows are consistent.
 */
#ifndef TABLE_EXPIRE_H
#define TABLE_EXPIRE_H

#include "table/transaction.h"

/* A step ends after this many items, or bytes of items. */
#define EXPIRE_ITEMS 32
#define EXPIRE_BYTES (UINT64_C(512) * 1024)

/* Removes up to max_items expired items of a table of the catalog and adds their number to
 * *removed. Their records are pending. Skips items and rows that are damaged; returns CORRUPT if
 * it removed nothing and skipped at least one. */
int expire_items(struct transaction *transaction, const struct table *table, uint64_t max_items,
	uint64_t *removed);

/* Sets *expiry_ms to the earliest time at which an item of a table with time to live expires or
 * has expired; UINT64_MAX: none does. Reads one row for each such table. */
int expire_next(struct txn *txn, uint64_t now_ms, uint64_t *expiry_ms);

/* Does the step of a commit whose own records have been flushed: removes expired items of the
 * table that it has written to, and of one other table. */
int expire_a_little(struct transaction *transaction);

/* Does one step of a trim: removes expired items of the first table that has any. Returns like
 * expire_items. */
int expire_step(struct transaction *transaction, uint64_t *removed);

/* Builds or removes up to max_rows rows of the first index in progress; there must be one. Adds
 * to *rows, at least 1. Returns CORRUPT if damage keeps it from continuing. */
int expire_index_step(struct transaction *transaction, uint64_t max_rows, uint64_t *rows);

#endif
