/* wake.h - the wake file, NAME.tide-wake: who may write, and who waits.
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
 * The outer write lock is a word of the page with its owner's pid: taking it asks
 * the system nothing. Whoever finds it taken asks whether the owner's GUARD is
 * there, and takes the lock from one that has died.
 *
 * For the rest the page only ever gives hints: a waiter that is woken looks at the store
 * for the truth, and sleeps at most a second before it looks again. So a lost
 * signal costs time and a needless one costs a look; neither costs a record.
 */
#ifndef SYS_WAKE_H
#define SYS_WAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "sys/file.h"

#define WAKE_LONGEST_SLEEP_MS 1000

struct wake;

/* Opens or makes the file for a database of this owner (NULL: this process; no links
 * followed, owner and kind checked) and acquires OPENING, in one attempt that never
 * waits; wake_opened releases it. Sets *alone to true if no other process has the database open.
 * BUSY while another process holds OPENING (failure->pid is that process, 0 if
 * unknown, and failure->momentary is set), PERMISSION, NAMESPACE (a process of
 * another PID namespace has it open), OPTIONS (this process has it open through
 * another copy of the library), STORE. */
int wake_open(struct wake **wake, const char *path, const struct file_owner *owner,
	bool *alone, struct failure *failure);
void wake_opened(struct wake *wake);

/* The same in memory, for this process alone: a database that is read without its side
 * files. path is for messages. OPENING is not held. NO_MEMORY, STORE. */
int wake_open_private(struct wake **wake, const char *path, struct failure *failure);

/* BUSY, and whose fault it is: the process stands in failure's pid, and behind the text,
 * this one as such: a handle was forgotten. 0: it is not known, or has gone meanwhile. */
int wake_fail_busy(struct failure *failure, int64_t pid, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The pid of some other process that has the database open, or is at it: 0 if
 * there is none. */
int64_t wake_other(const struct wake *wake);

/* Returns true if the process with this pid has the database open with this wake file. */
bool wake_is_there(const struct wake *wake, int64_t pid);

/* Says which file the database is. False: those who have it open have another
 * one; the name was given to a new file under them. OPENING must be held. */
bool wake_identify(struct wake *wake, uint64_t device, uint64_t inode);

/* The same for LMDB's lock file. */
bool wake_identify_lock(struct wake *wake, uint64_t device, uint64_t inode);

/* The side of the wake file (identity.h). */
uint64_t wake_side(const struct wake *wake);

/* Removes the wake file if wake_open has made it. OPENING must be held, and no other
 * process have the database open. */
void wake_take_back(const struct wake *wake);

/* The inode whose name, the database's, is known to be on the disk; 0: none. It
 * is remembered when nobody has the database open, and a lost one is only asked
 * for again. OPENING must be held. */
uint64_t wake_named(const struct wake *wake);
void wake_set_named(struct wake *wake, uint64_t inode);

/* How many flushes of the database have failed, in any process, that nobody has
 * made up for. The kernel takes the pages for clean then, in all processes; so
 * it is remembered like the name. Settled: those seen, and no later ones. */
uint32_t wake_unsettled(const struct wake *wake);
void wake_flush_failed(struct wake *wake);
void wake_settled(struct wake *wake, uint32_t seen);

/* In a child of fork: closes the locks' descriptor and leaves the shared page, so that
 * the parent's locks end with the parent; then wake_close only frees. */
void wake_forget(struct wake *wake);
void wake_close(struct wake *wake);      /* NULL is fine */

/* --- the outer write lock: one thread of one process --- */

int wake_lock_try(struct wake *wake);    /* 0 or ERR_BUSY; never waits */
void wake_unlock(struct wake *wake);
int64_t wake_owner(const struct wake *wake);   /* pid, 0 if nobody */

/* Sleeps until somebody unlocks, or timeout_ms passed (0 or so soon is fine).
 * Returns 0, or INTERRUPTED by a signal; then the caller tries again. */
int wake_wait_unlock(struct wake *wake, uint32_t timeout_ms);

/* --- news of commits --- */

/* After a commit. Costs a few ns when nobody waits. */
void wake_signal(struct wake *wake);

/* A waiter: ticket = wake_listen(), look at the store, and if there is nothing
 * new wake_wait(ticket, ...), then wake_unlisten(). A signal after wake_listen
 * ends the wait. Returns 0 (woken or timed out) or INTERRUPTED. */
uint32_t wake_listen(struct wake *wake);
int wake_wait(struct wake *wake, uint32_t ticket, uint32_t timeout_ms);
void wake_unlisten(struct wake *wake);

/* --- the same for event loops: a descriptor that becomes readable --- */

/* After every commit and every unlock since the bell was opened or cleared.
 * One inotify instance each, so made when first waited on. */
struct bell;
int bell_open(struct bell **bell, struct wake *wake, struct failure *failure);
void bell_close(struct bell *bell);      /* NULL is fine */
int bell_descriptor(const struct bell *bell);
void bell_clear(struct bell *bell);      /* not readable until the next signal */
/* Sleeps until it is readable, so not at all if it is: 0; END when the
 * time has passed, a second at most; INTERRUPTED. */
int bell_wait(const struct bell *bell, uint32_t timeout_ms);
void bell_forget(struct bell *bell);     /* after fork: frees the memory, closes the fd */

#endif
