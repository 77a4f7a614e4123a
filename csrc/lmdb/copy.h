/* copy.h - copies a database file while other processes write, with progress and cancellation.
 *
 * A plain copy has the same pages as the database. LMDB makes it in one call (mdb_env_copyfd2) that
 * cannot be cancelled and reports no progress. So this call runs on a separate thread and writes
 * to a socket. The calling thread reads from the socket, counts the bytes and writes them to the
 * file. To cancel the copy, the calling thread shuts down the socket.
 *
 * A compact copy has the same rows as the database, appended in key order to an empty file, so its
 * pages are full and none is free (lmdb/compaction.c).
 */
#ifndef LMDB_COPY_H
#define LMDB_COPY_H

#include "lmdb/txn.h"
#include "os/temporary.h"
#include "os/thread.h"

/* Copies the last commit to the empty file `to`, without flushing it. The caller must hold the
 * write lock; this function releases it as soon as the snapshot is taken. While the snapshot is
 * held, the database grows, because pages freed during the copy cannot be reused. Every page in
 * use is checked before a compact copy, because LMDB trusts damaged pages. Begins the phase `phase`
 * of progress and counts the copied pages, or the copied rows of a compact copy.
 *
 * Returns 0, ERR_INTERRUPTED, ERR_DISK_FULL, ERR_CORRUPT, ERR_BUSY, ERR_READERS_FULL,
 * ERR_NO_MEMORY or ERR_STORE. */
int copy_store(struct store *store, const struct temporary *to, bool compact, uint32_t phase,
	struct progress *progress, struct failure *failure);

/* Audits all pages of the copy and sets *page_count to the number of pages up to the last one
 * ever used. Does not count in progress. Returns 0, ERR_CORRUPT or ERR_INTERRUPTED. */
int copy_check_pages(const struct temporary *copy, uint64_t *page_count,
	struct progress *progress, struct failure *failure);

/* Runs `amend` in one transaction on the copy and flushes the copy. No other process may know the
 * copy yet. */
int copy_amend(const struct temporary *copy, uint64_t page_count,
	int (*amend)(struct txn *txn, void *context, struct failure *failure), void *context,
	struct failure *failure);

#endif
