/* shared_page_layout.h - layout of the shared page, for the files of os/ that access it.
 *
 * The page is in the machine's byte order, because only processes of one machine share it. Words
 * that are written often have a cache line for themselves, so that a commit can test whether there
 * are waiters without invalidating the waiters' cache lines.
 *
 *     line 0    identity of the page and of the database's files; named: inode
 *               whose directory entry is known to be flushed; unsettled: number
 *               of failed flushes that no later flush has repaired;
 *               flush_failures: number of all failed flushes since the page was
 *               initialized
 *     line 1    all             commit counter of all commits
 *     line 2    wakeups         number of open wakeups
 *               cleared         number of times that a wakeup was opened or cleared
 *               readable        value of cleared for which all wakeups are readable
 *     line 3    the write lock and the state of its queue:
 *               writer          low half: pid of the owner, 0 if free; high half:
 *                               number of times it was acquired
 *               waiting         bitmap of the slots that are in use
 *               heir            place of the waiter that has priority; 0 if none
 *               freed_us        time of the last release with a waiter in the queue
 *               notified        place of the last waiter that was notified or tried
 *                               with priority; 0 after it sleeps again
 *               notified_us     time of that notification
 *               inside          1 while the owner is in an LMDB write transaction
 *     line 4    tickets         number of places assigned so far
 *               inherited_us    time when an heir last acquired the lock
 *     line 5    slots           the queue: one slot for each waiter
 *     line 37   streams         commit counters, one for each group of streams
 *     line 53   progress        counter of the commits that changed consumers' state
 *               progress_wakeups number of open wakeups for these commits
 *     line 54   slot_lock       the slot lock (slot_lock.h), in the format of writer
 *     line 55   workers         one slot for each running worker (worker_slots.h);
 *                               those of workers that died in their handlers are kept
 *                               when the page is reinitialized
 *     last byte                 written to notify wakeups of commits, read to
 *                               notify wakeups of unlocks: inotify reports system
 *                               calls on the file, not accesses through a mapping.
 *                               Wakeups of progress are notified by setting the
 *                               file's times
 *
 * A place is one word that identifies a waiter: ticket (34 bits), slot (7), waits
 * at a descriptor (1), pid (22, the maximum on Linux). The ticket makes it unique,
 * so a compare-and-swap of a place has no ABA problem.
 */
#ifndef OS_SHARED_PAGE_LAYOUT_H
#define OS_SHARED_PAGE_LAYOUT_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "os/file.h"

#define SHARED_PAGE_BYTES (5 * 4096)
#define NOTIFY_BYTE_AT (SHARED_PAGE_BYTES - 1)
#define CACHE_LINE 64
#define WAITER_SLOTS 128
#define COMMIT_GROUPS_IN_PAGE 64
#define WORKER_SLOTS 256

/* Slot of a waiter in the queue for the write lock. */
struct waiter_slot {
	_Atomic uint64_t place;        /* 0 if the slot is free */
	_Atomic uint32_t awake;        /* futex word: 1 if the waiter is awake or was notified */
	_Atomic uint32_t reserve_us;   /* time for which a free lock is reserved for the waiter */
};

/* Commit counter of the streams with the same id modulo COMMIT_GROUPS_IN_PAGE, or of all
 * commits. */
struct commit_group {
	/* Futex word, incremented by each commit to the group. Four groups share a cache line. */
	alignas(16) _Atomic uint32_t commits;
	_Atomic uint32_t waiters;      /* threads that sleep or are about to sleep */
	_Atomic uint32_t passed;       /* value of commits for which no sleeper was left */
};

/* Slot of a worker. The words of an opening and a number are struct worker_id. */
struct worker_slot {
	/* Pid, and number of times that the slot was taken (worker_slots.c); without a pid the
	 * slot is free. */
	alignas(CACHE_LINE) _Atomic uint64_t owner;
	_Atomic uint64_t opening[2];
	_Atomic uint64_t consumer;
	_Atomic uint64_t beat_us;      /* time of the last beat; in a handler, of entering it */
	_Atomic uint64_t batch_last;   /* sequence number of the last record of the batch in the
	                                * handler; 0 if not in one */
	_Atomic uint64_t asked;        /* greatest sequence number for which a caller waits;
	                                * 0: none since the worker joined */
	_Atomic uint32_t number;       /* and a bit that says that a stop was noted */
	_Atomic uint32_t batch_records;        /* number of records of that batch */
};

struct shared_page_layout {
	_Atomic uint32_t magic;        /* written last, after all other fields */
	uint32_t format;
	uint64_t pid_namespace;        /* inode of /proc/self/ns/pid; 0 without /proc */
	_Atomic uint64_t device;       /* device of the data file; 0 until it is known */
	_Atomic uint64_t inode;
	_Atomic uint64_t named;        /* kept when the page is reinitialized; 0 if none */
	_Atomic uint32_t unsettled;    /* kept when the page is reinitialized */
	_Atomic uint32_t flush_failures;
	_Atomic uint64_t lock_device;  /* of LMDB's lock file; 0 until it is known */
	_Atomic uint64_t lock_inode;
	alignas(CACHE_LINE) struct commit_group all;
	alignas(CACHE_LINE) _Atomic uint32_t wakeups;
	_Atomic uint32_t cleared;
	_Atomic uint32_t readable;
	alignas(CACHE_LINE) _Atomic uint64_t writer;
	_Atomic uint64_t waiting[WAITER_SLOTS / 64];
	_Atomic uint64_t heir;
	_Atomic uint64_t freed_us;
	_Atomic uint64_t notified;
	_Atomic uint64_t notified_us;
	_Atomic uint32_t inside;
	alignas(CACHE_LINE) _Atomic uint64_t tickets;
	_Atomic uint64_t inherited_us;
	alignas(CACHE_LINE) struct waiter_slot slots[WAITER_SLOTS];
	alignas(CACHE_LINE) struct commit_group streams[COMMIT_GROUPS_IN_PAGE];
	alignas(CACHE_LINE) struct commit_group progress;
	_Atomic uint32_t progress_wakeups;
	alignas(CACHE_LINE) _Atomic uint64_t slot_lock;
	alignas(CACHE_LINE) struct worker_slot workers[WORKER_SLOTS];
};

/* Clock and limits of the write lock's queue; tests replace them. A waiter is due after it has
 * waited for age_us and for age_holds holds, or for age_most_us. */
struct lock_limits {
	uint64_t (*now_us)(void);
	uint32_t age_us;               /* time waited, required together with age_holds */
	uint32_t age_holds;            /* number of holds of the lock since the waiter arrived */
	uint32_t age_most_us;          /* time waited that is sufficient alone */
	uint32_t reserve_us;           /* initial time for which a free lock is reserved */
	uint32_t turn_us;              /* minimum interval between two heirs */
	uint32_t spin_us;              /* time for which an heir spins if the lock is taken */
};

struct shared_page {
	int fd;
	struct shared_page_layout *page;
	char *path;
	const char *proc;              /* "/proc"; tests replace it */
	struct file_facts facts;
	int64_t pid;
	bool made;                     /* true if shared_page_open created the file */
	bool joined;                   /* true if the page has this version's format */
	bool foreign;                  /* true in a forked process: may only be freed */
	atomic_bool writing;           /* a thread of this process takes or holds the write lock */
	atomic_bool in_slots;          /* a thread of this process takes or holds the slot lock */
	struct lock_limits limits;
};

/* Returns the owner's pid in a value of page->writer, 0 if the lock is free. */
static inline int64_t write_lock_pid_of(uint64_t writer)
{
	return (int64_t)(writer & UINT64_C(0xffffffff));
}

/* --- write_lock.c --- */

/* Returns the limits for this machine; with one CPU an heir does not spin. */
struct lock_limits lock_limits_here(void);

/* Releases the write lock and the queue places of an earlier process that had this process's pid
 * and has exited. */
void lock_drop_former(struct shared_page *shared);

/* Releases the write lock if this process holds it, and the queue places of this process. */
void lock_close(struct shared_page *shared);

/* --- worker_slots.c --- */

/* Releases the slots with this process's pid: at opening those of an earlier process, whose workers
 * may have died in their handlers, and at closing (is_closing) those of this process. */
void worker_slots_release(struct shared_page *shared, bool is_closing);

/* Reinitializes the table. If keep_deaths is true, releases the slots of workers that died in their
 * handlers, but keeps their fields. No other process may have the database open. */
void worker_slots_reset(struct shared_page_layout *page, bool keep_deaths);

/* --- commit_notifier.c --- */

/* Makes the descriptors of WAKEUP_UNLOCKS readable. */
void wakeup_notify_unlocks(struct shared_page *shared);

#endif
