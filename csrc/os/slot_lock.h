/* slot_lock.h - a lock with a timeout, acquired before LMDB's reader mutex.
 *
 * LMDB locks the reader mutex in its lock file when a thread first needs a reader slot, when it
 * removes the slots of dead processes, and when a writer recovers from a writer that died. LMDB
 * waits for the mutex without a timeout, so a process that is stopped while it holds the mutex
 * blocks all others. So tidetable's processes first acquire the slot lock, which is a word of the
 * shared page with the owner's pid, like the write lock. slot_lock_take has a timeout. It steals
 * the lock if the owner has died.
 *
 * A transaction on an existing reader slot (mdb_txn_renew) needs neither the mutex nor the slot
 * lock.
 */
#ifndef OS_SLOT_LOCK_H
#define OS_SLOT_LOCK_H

#include <stdbool.h>
#include <stdint.h>

struct shared_page;

/* Acquires the slot lock, which is usually held for microseconds. Returns ERR_BUSY if another
 * thread or process holds it for 20 ms. shared may be NULL if the file is not shared. */
int slot_lock_take(struct shared_page *shared);
void slot_lock_release(struct shared_page *shared);

/* Returns the pid of the process that holds the slot lock, 0 if it is free. */
int64_t slot_lock_owner(const struct shared_page *shared);

/* slot_lock_writer_begins and _ends mark the page while the owner of the write lock is in an LMDB
 * write transaction. slot_lock_is_needed returns true if the last owner died in such a
 * transaction. The slot lock must then be acquired before the next one, because LMDB's recovery
 * locks the reader mutex. The write lock must be held. */
void slot_lock_writer_begins(struct shared_page *shared);
void slot_lock_writer_ends(struct shared_page *shared);
bool slot_lock_is_needed(const struct shared_page *shared);

#endif
