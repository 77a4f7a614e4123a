/* raw_txn.h - transactions that read files that may be damaged. */
#ifndef LMDB_RAW_TXN_H
#define LMDB_RAW_TXN_H

#include "lmdb/txn.h"

struct meta_page;

/* Opens a raw transaction: a reader that reads with pread and checks every value, without LMDB
 * (lmdb_file/raw_cursor.h). The raw transaction reads the snapshot of the meta page `facts`; the
 * caller must ensure that no writer reuses the pages of this snapshot. At an unreadable row or
 * page a move returns ERR_CORRUPT, and the next MOVE_NEXT continues after it. A row from a cursor
 * is valid until the cursor moves, a value from txn_get until the next txn_get in the same tree.
 * Returns 0 or ERR_NO_MEMORY. */
int raw_txn_open(struct txn **txn, int fd, const struct meta_page *facts);
void raw_txn_close(struct txn *txn);          /* NULL is allowed */

/* Returns the number of ERR_CORRUPT results that were caused by failed disk reads. */
uint64_t raw_txn_unread(const struct txn *txn);

/* Renews the reader `pin`, which prevents reuse of the pages of the newest snapshot, and returns
 * the snapshot's meta page and the descriptor to read it through, for raw_txn_open. Returns 0,
 * ERR_CORRUPT, ERR_STORE, or ERR_BUSY if other processes commit too often. */
struct meta_faults;
int raw_txn_pin(struct txn *pin, int *fd, struct meta_page *facts,
	struct meta_faults *faults, struct failure *failure);

#endif
