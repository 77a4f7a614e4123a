/* shared_page_layout.h - layout of the shared page; for the files of os/ that use it.
 *
 * The page is in the machine's byte order: only processes of one machine share
 * it. Words that are written often have their own cache line, so that a commit
 * reads "does anything wait?" without taking the line from the waiters.
 *
 *     line 0    which process made the page, and for which file; named: inode
 *               whose directory entry is known to be flushed; unsettled: number
 *               of failed flushes that no later flush has repaired;
 *               flush_failures: number of all failed flushes since the page was
 *               made
 *     line 1    commits         futex word, incremented by every commit
 *     line 2    commit_waiters, wakeups
 *     line 3    the write lock and the state of its queue:
 *               writer          low half: pid of the owner, 0 if free; high half:
 *                               number of times it was taken
 *               waiting         bitmap of the slots that are in use
 *               heir            place of the waiter that has priority; 0: none
 *               freed_us        when the lock was last released while a waiter
 *                               was queued
 *               notified        place of a waiter that is awake or has been notified;
 *                               0 if it sleeps again
 *               notified_us     when it was
 *               inside          1 while the owner is in a write transaction of LMDB's
 *     line 4    tickets         number of places given so far
 *               inherited_us    when an heir last took the lock
 *     line 5    slots           the queue: one slot for each waiter
 *     line 37   streams         commit counters, one for each group of streams
 *     line 45   slot_lock       the slot lock (slot_lock.h), laid out like writer
 *     last byte                 written to notify the commit watchers, read to
 *                               notify the lock watchers: inotify reports calls
 *                               on the file, not accesses through a mapping
 *
 * A place is one word that identifies a waiter: ticket (34 bits), slot (7), waits
 * at a descriptor (1), pid (22: Linux has no larger ones). The ticket makes it
 * unique, so a compare-and-swap of a place has no ABA problem.
 */
#ifndef OS_SHARED_PAGE_LAYOUT_H
#define OS_SHARED_PAGE_LAYOUT_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "os/file.h"

#define SHARED_PAGE_BYTES 4096
#define NOTIFY_BYTE_AT (SHARED_PAGE_BYTES - 1)
#define CACHE_LINE 64
#define WAITER_SLOTS 128
#define COMMIT_GROUPS_IN_PAGE 64

/* A waiter for the write lock. */
struct waiter_slot {
	_Atomic uint64_t place;        /* 0: free */
	_Atomic uint32_t told;         /* futex word: 1 if it is awake or has been notified */
	_Atomic uint32_t patience_us;  /* how long a free lock is reserved for it */
};

/* The streams with the same id modulo COMMIT_GROUPS_IN_PAGE. */
struct commit_group {
	_Atomic uint32_t commits;      /* futex word, incremented by each of their commits */
	_Atomic uint32_t waiters;
};

struct shared_page_layout {
	_Atomic uint32_t magic;        /* written last, when the rest stands */
	uint32_t format;
	uint64_t pid_namespace;        /* inode of /proc/self/ns/pid; 0: no /proc there */
	_Atomic uint64_t device;       /* the database's file; 0: none yet */
	_Atomic uint64_t inode;
	_Atomic uint64_t named;        /* outlives who wrote it; 0: none */
	_Atomic uint32_t unsettled;    /* so does this */
	_Atomic uint32_t flush_failures;       /* of all that ever failed */
	_Atomic uint64_t lock_device;  /* LMDB's lock file; 0: none yet */
	_Atomic uint64_t lock_inode;
	alignas(CACHE_LINE) _Atomic uint32_t commits;
	alignas(CACHE_LINE) _Atomic uint32_t commit_waiters;
	_Atomic uint32_t wakeups;
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
	alignas(CACHE_LINE) _Atomic uint64_t slot_lock;
};

/* When a waiter gets priority, by which clock. Tests have their own. */
struct lock_limits {
	uint64_t (*now_us)(void);
	uint32_t age_us;               /* it has waited this long */
	uint32_t age_holds;            /* and the lock was taken this often since it arrived, */
	uint32_t age_most_us;          /* or it has waited this long */
	uint32_t patience_us;          /* how long a free lock is reserved for it at first */
	uint32_t turn_us;              /* no heir follows another sooner */
	uint32_t spin_us;              /* how long it then spins for a lock that is taken */
};

struct shared_page {
	int fd;
	struct shared_page_layout *page;
	char *path;
	struct file_facts facts;
	int64_t pid;
	bool made;                     /* the file, by shared_page_open */
	bool foreign;                  /* inherited over fork: may only be freed */
	atomic_bool writing;           /* one of our threads takes or holds the write lock */
	atomic_bool in_slots;          /* one of our threads takes or holds the slot lock */
	struct lock_limits limits;
};

/* The pid of the owner in a value of page->writer; 0 if the lock is free. */
static inline int64_t write_lock_pid_of(uint64_t writer)
{
	return (int64_t)(writer & UINT64_C(0xffffffff));
}

/* --- write_lock.c --- */

/* The limits that hold on this machine. */
struct lock_limits lock_limits_here(void);

/* Releases the lock and the places in the queue of an earlier process with our pid, which has
 * exited. */
void lock_drop_former(struct shared_page *shared);

/* Releases the lock if this process holds it, and its places in the queue. */
void lock_close(struct shared_page *shared);

/* --- commit_notifier.c --- */

/* Makes the descriptors of one kind readable. */
void wakeup_notify_commits(struct shared_page *shared);
void wakeup_notify_unlocks(struct shared_page *shared);

#endif
