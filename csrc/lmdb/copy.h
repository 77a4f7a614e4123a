/* copy.h - the door to LMDB's copy of a whole file, taken while others write.
 *
 * LMDB copies in one call that nothing ends early and that says nothing of how
 * far it is. So it runs on a thread of its own and writes into a socket; what
 * comes out is counted and written to the file here. Shutting the socket ends
 * the call.
 */
#ifndef LMDB_COPY_H
#define LMDB_COPY_H

#include "lmdb/store.h"
#include "os/temporary.h"
#include "os/thread.h"

/* Copies the last commit to the empty file `to`, not flushed. The write lock
 * must be held by the caller and is let go here, as soon as the snapshot is
 * taken; until the copy is done the snapshot is held, and the store grows by
 * what writers would have used again. `compact` leaves out free pages: first
 * every page in use is read, for LMDB would trust a damaged one. Pages done are
 * counted in the progress, whose phase begins here.
 *
 * INTERRUPTED, DISK_FULL, CORRUPT, BUSY, READERS_FULL, NO_MEMORY, STORE. */
int copy_store(struct store *store, const struct temporary *to, bool compact, uint32_t phase,
	struct progress *progress, struct failure *failure);

/* Whether every page in use of the copy is there, and what its parent says;
 * *page_count: up to the last one ever used. CORRUPT; INTERRUPTED, by the progress,
 * in which nothing is counted. */
int copy_check_pages(const struct temporary *copy, uint64_t *page_count,
	struct progress *progress, struct failure *failure);

/* One transaction on the copy, which nobody else knows yet; flushed. */
int copy_amend(const struct temporary *copy, uint64_t page_count,
	int (*amend)(struct txn *txn, void *context, struct failure *failure), void *context,
	struct failure *failure);

#endif
