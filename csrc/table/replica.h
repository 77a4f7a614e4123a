/* replica.h - the rows of replicas in a transaction.
 *
 *     consumers   0x38, name                                          replica   codec/replica.h
 *     consumers   0x39, replica id (u64), table id in the source (u32)     table of a replica
 *     consumers   0x3a, the same, hash of an item key (16 bytes)      item that the source has
 *     consumers   0x3b, replica id, table id in the source            where the removal of other
 *                                                                     items continues
 *
 * Functions that read return 0, END if there is no such row, CORRUPT or STORE. The rows they
 * return are valid until the next write.
 */
#ifndef TABLE_REPLICA_H
#define TABLE_REPLICA_H

#include "codec/replica.h"
#include "lmdb/txn.h"

int replica_read(struct replica_row *row, struct txn *txn, struct slice name);

/* Stores the row of a replica. Returns LIMIT if its settings don't fit in a row. */
int replica_write(struct txn *txn, struct slice name, const struct replica_row *row);

/* Removes a replica with all rows of its tables. */
int replica_remove(struct txn *txn, struct slice name, uint64_t id);

/* Appends the names of all replicas to names, each counted, in byte order. */
int replica_names(struct buffer *names, struct txn *txn);

/* Describes an error of reading the replica with this name: NOT_FOUND for END. Returns 0 if err is
 * 0. */
int replica_failed(struct failure *failure, int err, struct slice name);

int replica_table_read(struct replica_table *table, struct txn *txn, uint64_t replica,
	uint32_t source);
int replica_table_write(struct txn *txn, uint64_t replica, const struct replica_table *table);
int replica_table_remove(struct txn *txn, uint64_t replica, uint32_t source);

/* Reads the table with the lowest id in the source greater than table->source. */
int replica_table_next(struct replica_table *table, struct txn *txn, uint64_t replica);

/* Items with hashed keys that the source has, while a copy merges. */
int replica_note_seen(struct txn *txn, uint64_t replica, uint32_t source,
	const uint8_t hash[HASH_BYTES]);
int replica_was_seen(struct txn *txn, uint64_t replica, uint32_t source,
	const uint8_t hash[HASH_BYTES]);

/* Removes up to max of these rows. Sets *is_done to false if there are more. */
int replica_forget_seen(struct txn *txn, uint64_t replica, uint32_t source, uint64_t max,
	bool *is_done);

/* Where the removal of the items that the source lacks continues: a key without table id. */
int replica_swept_read(struct slice *key, struct txn *txn, uint64_t replica, uint32_t source);
int replica_swept_write(struct txn *txn, uint64_t replica, uint32_t source, struct slice key);
int replica_swept_remove(struct txn *txn, uint64_t replica, uint32_t source);

#endif
