/* shared_page.h - the wake file, NAME.tide-wake: who may write, and who waits.
 *
 * One page, mapped by every process that has the database open, and three kinds
 * of open-file-description locks on its bytes (they go away with their owner,
 * however it dies, and they conflict inside one process too):
 *
 *     OPENING   bytes from 2^33 on, 1 + pid of them: exclusive while a database
 *               is created, opened or compacted
 *     ALIVE     shared by everyone who has it open: whoever gets it alone may
 *               reset the page
 *     GUARD     byte 2^32 + pid: this process has the database open; a second
 *               copy of the library in one process meets it and is refused
 *
 * Write lock: a word that contains the owner's pid, acquired by compare-and-swap
 * without a system call. A process that finds it taken tests the owner's GUARD and
 * takes the lock over if the owner has exited. Waiters queue in the page
 * (os/write_lock.c).
 *
 * Commit notifier: futex words and inotify. Notifications are hints: a reader that
 * wakes up always checks the database, and also checks once a second without being
 * notified, so a lost notification delays it but never loses a record.
 */
#ifndef OS_SHARED_PAGE_H
#define OS_SHARED_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "os/file.h"

struct shared_page;

/* Opens or makes the file for a database of this owner (NULL: this process; no links
 * followed, owner and kind checked) and acquires OPENING, in one attempt that never
 * waits; shared_page_opened releases it. Sets *alone to true if no other process has the
 * database open.
 * BUSY while another process holds OPENING (failure->pid is that process, 0 if
 * unknown, and failure->momentary is set), PERMISSION, NAMESPACE (a process of
 * another PID namespace has it open), OPTIONS (this process has it open through
 * another copy of the library), STORE. */
int shared_page_open(struct shared_page **shared, const char *path, const struct file_owner *owner,
	bool *alone, struct failure *failure);
void shared_page_opened(struct shared_page *shared);

/* The same in memory, for this process alone: a database that is read without its side
 * files. path is for messages. OPENING is not held. NO_MEMORY, STORE. */
int shared_page_open_private(struct shared_page **shared, const char *path,
	struct failure *failure);

/* BUSY, and whose fault it is: the process stands in failure's pid, and behind the text,
 * this one as such: a handle was forgotten. 0: it is not known, or has gone meanwhile. */
int fail_busy(struct failure *failure, int64_t pid, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The pid of some other process that has the database open, or is at it: 0 if
 * there is none. */
int64_t shared_page_other(const struct shared_page *shared);

/* Returns true if the process with this pid has the database open with this wake file. */
bool shared_page_has_open(const struct shared_page *shared, int64_t pid);

/* Says which file the database is. False: those who have it open have another
 * one; the name was given to a new file under them. OPENING must be held. */
bool shared_page_identify(struct shared_page *shared, uint64_t device, uint64_t inode);

/* The same for LMDB's lock file. */
bool shared_page_identify_lock(struct shared_page *shared, uint64_t device, uint64_t inode);

/* The side of the wake file (identity.h). */
uint64_t shared_page_side(const struct shared_page *shared);

/* Removes the wake file if shared_page_open has made it. OPENING must be held, and no other
 * process have the database open. */
void shared_page_take_back(const struct shared_page *shared);

/* The inode whose name, the database's, is known to be on the disk; 0: none. It
 * is remembered when nobody has the database open, and a lost one is only asked
 * for again. OPENING must be held. */
uint64_t shared_page_named(const struct shared_page *shared);
void shared_page_set_named(struct shared_page *shared, uint64_t inode);

/* How many flushes of the database have failed, in any process, that nobody has
 * made up for. The kernel takes the pages for clean then, in all processes; so
 * it is remembered like the name. Settled: those seen, and no later ones. */
uint32_t shared_page_unsettled(const struct shared_page *shared);

/* Number of flushes that failed, in any process, settled or not. Each process gets the
 * error once more with its own descriptors: a new number says so. */
uint32_t shared_page_flush_failures(const struct shared_page *shared);
void shared_page_flush_failed(struct shared_page *shared);
void shared_page_settled(struct shared_page *shared, uint32_t seen);

/* In a child of fork: closes the locks' descriptor and leaves the shared page, so that
 * the parent's locks end with the parent; then shared_page_close only frees. */
void shared_page_forget(struct shared_page *shared);
void shared_page_close(struct shared_page *shared);      /* NULL is fine */

#endif
