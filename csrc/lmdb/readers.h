/* readers.h - read transactions, with and without a time limit. */
#ifndef LMDB_READERS_H
#define LMDB_READERS_H

#include "lmdb/txn.h"

/* A reader is opened once and reused. reader_renew takes a snapshot (in 8 ns), and reader_reset
 * releases the snapshot. A snapshot must not be held while waiting or while user code runs.
 * reader_renew also returns the errors of store_recover. */
int reader_open(struct txn **txn, struct store *store, struct failure *failure);
int reader_renew(struct txn *txn, struct failure *failure);
void reader_reset(struct txn *txn);

/* Returns ERR_STORE if the reader has lost its LMDB slot since it was renewed, because another
 * program considered this process dead. The pages that were read may then have been overwritten.
 * Must be called after copying bytes and before returning them. Takes a few loads. Returns 0 for a
 * write transaction. */
int reader_verify(const struct txn *txn, struct failure *failure);

/* Closes a reader, with or without a snapshot. NULL is allowed. */
void reader_close(struct txn *txn);

/* --- with a time limit --- */

/* Limits the time for which a renewed reader may hold its snapshot, until deadline_ms on the
 * process's clock_elapsed_ms; a later call sets another time, unless the reader was released.
 * After the deadline any thread may release it. The reader may be
 * used only between reader_enter and reader_leave; it may be closed at any time. */
void reader_limit(struct txn *txn, uint64_t deadline_ms);

/* Returns false if the reader has been released after its deadline; then it can only be closed.
 * Always returns true for a reader without a limit. */
bool reader_enter(struct txn *txn);
void reader_leave(struct txn *txn);

/* Releases the store's readers whose deadline has passed, except those in use. Takes one load and
 * a comparison while no reader has a deadline. */
void store_release_late(struct store *store);

/* Starts a thread that releases readers soon after their deadlines, also while this process calls
 * nothing, until the store is closed. Does nothing if it runs. If it can't be started, the readers
 * are released by store_release_late only. */
void store_release_in_time(struct store *store);

#endif
