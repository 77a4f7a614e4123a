/* slot_lock.h - the lock around LMDB's reader mutex.
 *
 * LMDB takes a mutex in its lock file when a thread needs a reader slot for the
 * first time, when it removes the slots of dead processes, and when a writer
 * follows one that died. It waits for it without limit, so a process that is
 * stopped inside would stop every other one. Our processes take this lock first:
 * a word of the shared page with the owner's pid, like the write lock. An attempt to
 * take it has a limit and reports the owner, and a lock whose owner died is taken over.
 *
 * A transaction on an existing slot (mdb_txn_renew) takes neither.
 */
#ifndef OS_SLOT_LOCK_H
#define OS_SLOT_LOCK_H

#include <stdbool.h>
#include <stdint.h>

struct shared_page;

/* Acquires the lock, for microseconds as a rule. Returns ERR_BUSY if another thread
 * or process has held it for 20 ms; NULL is fine (a file that is not shared). */
int slot_lock_take(struct shared_page *shared);
void slot_lock_release(struct shared_page *shared);

/* The pid of the process that has the lock, 0 if none has. */
int64_t slot_lock_owner(const struct shared_page *shared);

/* Marks the page while the owner of the write lock is inside an LMDB write
 * transaction. slot_lock_is_needed returns true if the last owner died inside:
 * then LMDB's recovery will take the reader mutex, and the slot lock must be held.
 * To be called with the write lock held. */
void slot_lock_writer_begins(struct shared_page *shared);
void slot_lock_writer_ends(struct shared_page *shared);
bool slot_lock_is_needed(const struct shared_page *shared);

#endif
