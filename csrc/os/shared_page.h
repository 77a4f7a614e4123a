/* shared_page.h - memory shared by all processes that have a database open.
 *
 * The page is the file NAME-wake, mapped with MAP_SHARED. It contains the write lock, the commit
 * notifier and the table of running workers. Three byte-range locks on the same file
 * (open-file-description locks, which the kernel releases when the process exits, and which also
 * exclude each other within one process) protect it:
 *
 *     OPENING   exclusive, 1 + pid bytes from 2^33 on: held while a database is
 *               created, opened or compacted
 *     ALIVE     shared by all processes that have the database open; a process
 *               that can acquire it exclusively is alone and may reinitialize
 *               the page
 *     GUARD     exclusive, byte 2^32 + pid: held by each process that has the
 *               database open; detects a second copy of the library in a process
 *
 * Write lock: a word that contains the owner's pid, acquired by compare-and-swap without a system
 * call. A process that finds the lock taken tests the owner's GUARD and steals the lock if the
 * owner has exited. Waiters queue in the page (os/write_lock.c).
 *
 * Commit notifier: futex words, by which readers wake each other, and inotify. Notifications are
 * hints. A reader that wakes up always checks the database, and it also checks once a second
 * without a notification. So a lost notification delays a reader, but the reader misses no record.
 *
 * Workers of consumers show in the page that they are alive (os/worker_slots.c).
 */
#ifndef OS_SHARED_PAGE_H
#define OS_SHARED_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "os/file.h"

struct shared_page;

/* Opens or creates the file, maps the page and acquires OPENING, without waiting;
 * shared_page_opened releases it. owner is the database's owner; NULL means the effective
 * user (file_open_or_make). Sets *alone to true if no other process has the database open.
 *
 * Returns 0; ERR_BUSY while another process holds OPENING (failure->pid is that process, 0 if
 * unknown, and failure->transient is set); ERR_PERMISSION; ERR_NAMESPACE if a process of
 * another PID namespace has the database open; ERR_OPTIONS if this process has it open
 * through another copy of the library; ERR_NOT_DATABASE; ERR_STORE. */
int shared_page_open(struct shared_page **shared, const char *path, const struct file_owner *owner,
	bool *alone, struct failure *failure);
void shared_page_opened(struct shared_page *shared);

/* Creates a private page in memory, for a database that is read without its side files. path
 * is used in messages. OPENING is not held. Returns 0, ERR_NO_MEMORY or ERR_STORE. */
int shared_page_open_private(struct shared_page **shared, const char *path,
	struct failure *failure);

/* Fills failure with ERR_BUSY and the formatted message, and returns ERR_BUSY. pid is the process
 * that prevents the operation, 0 if unknown. The pid is stored in failure->pid and appended to the
 * message. If it is the calling process, the message says "this process itself", because the usual
 * cause is a handle that was not closed. */
int fail_busy(struct failure *failure, int64_t pid, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Returns the pid of another process that has the database open or is opening it, 0 if there
 * is none. */
int64_t shared_page_other(const struct shared_page *shared);

/* Returns true if the process with this pid has the database open with this shared page. */
bool shared_page_has_open(const struct shared_page *shared, int64_t pid);

/* Records the device and inode of the data file in the page if none are recorded. Returns false if
 * those of another file are recorded, because processes have a file open whose path was then given
 * to a new file. OPENING must be held. */
bool shared_page_identify(struct shared_page *shared, uint64_t device, uint64_t inode);

/* Like shared_page_identify, for LMDB's lock file. */
bool shared_page_identify_lock(struct shared_page *shared, uint64_t device, uint64_t inode);

/* Returns the side of the shared page file (identity.h). */
uint64_t shared_page_side(const struct shared_page *shared);

/* Removes the shared page file if shared_page_open has created it. OPENING must be held, and
 * no other process may have the database open. */
void shared_page_take_back(const struct shared_page *shared);

/* These functions get and set the inode of the data file whose directory entry is known to be
 * flushed, 0 if none. The page keeps this inode while no process has the database open. If the
 * inode is lost, the directory is flushed again. OPENING must be held. */
uint64_t shared_page_named(const struct shared_page *shared);
void shared_page_set_named(struct shared_page *shared, uint64_t inode);

/* Returns the number of failed flushes, in any process, that have not been repaired since. The
 * count is kept in the shared page, also while no process has the database open, because after a
 * failed flush the kernel marks the pages clean for every process. */
uint32_t shared_page_unsettled(const struct shared_page *shared);

/* Returns the number of all failed flushes since the page was initialized, repaired or not. A
 * process compares this number to know whether the kernel will report an old failure, because the
 * kernel reports each failure once through the descriptors of every process. */
uint32_t shared_page_flush_failures(const struct shared_page *shared);
void shared_page_flush_failed(struct shared_page *shared);    /* increments both counts */

/* Sets the number of unrepaired failed flushes to 0 if it is still `seen`, which means that no
 * flush has failed since it was read. */
void shared_page_settled(struct shared_page *shared, uint32_t seen);

/* Closes the descriptor of the locks in a forked process and replaces the mapping by a private
 * copy, so that the parent's locks end with the parent. shared_page_close then only frees the
 * memory. */
void shared_page_forget(struct shared_page *shared);
void shared_page_close(struct shared_page *shared);      /* NULL is allowed */

#endif
