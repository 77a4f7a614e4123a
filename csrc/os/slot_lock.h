/* slot_lock.h - a lock with a timeout, acquired before LMDB's reader mutex.
 *
 * LMDB locks a mutex in its lock file when a thread first needs a reader slot, when it removes
 * the slots of dead processes, and when a writer recovers from one that died. It waits for the
 * mutex without a timeout, so a process that is stopped while it holds the mutex blocks all
 * others. tidetable's processes therefore acquire this lock first: a word of the shared page
 * with the owner's pid, like the write lock. Acquiring it has a timeout and reports the
 * owner; a lock whose owner died is stolen.
 *
 * A transaction on an existing slot (mdb_txn_renew) acquires neither.
 */
#ifndef OS_SLOT_LOCK_H
#define OS_SLOT_LOCK_H

#include <stdbool.h>
#include <stdint.h>

struct shared_page;

/* Acquires the lock, which is usually held for microseconds. Returns ERR_BUSY if another
 * thread or process holds it for 20 ms. shared may be NULL if the file is not shared. */
int slot_lock_take(struct shared_page *shared);
void slot_lock_release(struct shared_page *shared);

/* Returns the pid of the process that holds the lock, 0 if it is free. */
int64_t slot_lock_owner(const struct shared_page *shared);

/* Mark the page while the owner of the write lock is in an LMDB write transaction.
 * slot_lock_is_needed returns true if the last owner died in one: LMDB's recovery will then
 * lock the reader mutex, so the slot lock must be acquired before. The write lock must be
 * held. */
void slot_lock_writer_begins(struct shared_page *shared);
void slot_lock_writer_ends(struct shared_page *shared);
bool slot_lock_is_needed(const struct shared_page *shared);

#endif
