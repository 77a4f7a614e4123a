/* txn.h - transactions of a store.
 *
 * A transaction may be used only by the thread that began it. Returned keys and values point into
 * the memory map; they are valid until the next write in the same transaction or until it ends.
 */
#ifndef LMDB_TXN_H
#define LMDB_TXN_H

#include "lmdb/store.h"

struct cursor;

/* --- writing --- */

/* Begins the write transaction. The caller must hold the write lock (store_shared_page) and
 * releases it after commit or abort. */
int writer_begin(struct txn **txn, struct store *store, struct failure *failure);

/* Commits a write transaction, notifies waiting readers, and always sets *txn to NULL. After
 * ERR_DISK_FULL, ERR_FULL, ERR_STORE, ERR_FILE_GONE or ERR_FILE_REPLACED nothing was changed.
 * After ERR_UNKNOWN_OUTCOME the commit may be on the disk, so the store must be closed and opened
 * again. */
int writer_commit(struct txn **txn, struct failure *failure);
void writer_abort(struct txn **txn);

/* Adds streams to those that the commit notifies (commit_notify). */
void txn_touch(struct txn *txn, uint64_t streams);

/* Makes the commit notify no reader of a stream. */
void txn_be_quiet(struct txn *txn);

/* Makes the commit notify those who wait for the progress of consumers. */
void txn_progressed(struct txn *txn);

/* Returns ERR_FULL if a user's write would use the reserve for trims and deletes (5 % of the
 * maximum size, at least 16 MiB). Takes a few comparisons until the file is close to its limit. */
int writer_check_space(struct txn *txn, struct failure *failure);

/* --- in readers and writers --- */

/* Returns the snapshot's number; in a write transaction, the number of its commit. */
uint64_t txn_id(const struct txn *txn);
struct store *txn_store(const struct txn *txn);

/* Returns the page size of the file. */
uint32_t txn_page_bytes(const struct txn *txn);

/* These functions return 0, END if the row does not exist, or an error. */
int txn_get(struct txn *txn, enum tree tree, struct slice key, struct slice *value);
int txn_put(struct txn *txn, enum tree tree, struct slice key, struct slice value);
int txn_delete(struct txn *txn, enum tree tree, struct slice key);

/* Like txn_put, for a value that is written in place. Sets *buf to len bytes in the page; the
 * caller must write all of them before the next operation in the transaction. */
int txn_put_reserve(struct txn *txn, enum tree tree, struct slice key, size_t len,
	uint8_t **buf);

/* Like txn_put_reserve, for a key that does not exist. Uses less space and time than
 * txn_put_reserve if many keys are inserted in ascending order. */
int txn_insert_reserve(struct txn *txn, enum tree tree, struct slice key, size_t len,
	uint8_t **buf);

/* Like txn_put_reserve, for a key after the last key of the tree. Returns ERR_CORRUPT if the tree
 * has a key that is not less. */
int txn_append_reserve(struct txn *txn, enum tree tree, struct slice key, size_t len,
	uint8_t **buf);

/* Sets *rows to the number of rows in a tree. */
int txn_count(struct txn *txn, enum tree tree, uint64_t *rows);

/* Returns the transaction's own cursor on a tree, which exists as long as the transaction. A
 * reader's cursor survives reset and renew, but loses its position. txn_get, txn_put,
 * txn_delete and the reserve functions use and move this cursor. */
int txn_cursor(struct txn *txn, enum tree tree, struct cursor **cursor);

#endif
