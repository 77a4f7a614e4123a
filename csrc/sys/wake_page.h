/* wake_page.h - what wake.c and bell.c share: the page and its owner.
 *
 * The page, in the machine's own byte order (only processes of one machine
 * share it). Words that are written often have a cache line to themselves, so
 * that a commit reads "does anybody wait?" without taking the line from the
 * waiters.
 *
 *     line 0   who made the page, and for which file; named: the inode whose
 *              name is known to be on the disk; unsettled: how many flushes of
 *              it failed that nobody has made up for
 *     line 1   commits    futex word, one more with every commit
 *     line 2   commit_waiters, bells
 *     line 3   unlocks    futex word, one more with every unlock
 *     line 4   unlock_waiters
 *     line 5   writer     the write lock: low half the pid of who has it, 0 if
 *                         nobody; high half how often it was taken
 *              inside      1 while that process is in a write transaction of LMDB's
 *     line 6   slots       the slot lock (slot_lock.h), laid out like writer
 *     last byte           written to ring the bells: inotify sees writes, but
 *                         nothing that happens through a map
 */
#ifndef SYS_WAKE_PAGE_H
#define SYS_WAKE_PAGE_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "sys/file.h"

#define WAKE_PAGE_BYTES 4096
#define WAKE_BELL_AT (WAKE_PAGE_BYTES - 1)
#define WAKE_LINE 64

struct wake_page {
	_Atomic uint32_t magic;        /* written last, when the rest stands */
	uint32_t format;
	uint64_t pid_namespace;        /* inode of /proc/self/ns/pid; 0: no /proc there */
	_Atomic uint64_t device;       /* the database's file; 0: none yet */
	_Atomic uint64_t inode;
	_Atomic uint64_t named;        /* outlives who wrote it; 0: none */
	_Atomic uint32_t unsettled;    /* so does this */
	_Atomic uint64_t lock_device;  /* LMDB's lock file; 0: none yet */
	_Atomic uint64_t lock_inode;
	alignas(WAKE_LINE) _Atomic uint32_t commits;
	alignas(WAKE_LINE) _Atomic uint32_t commit_waiters;
	_Atomic uint32_t bells;
	alignas(WAKE_LINE) _Atomic uint32_t unlocks;
	alignas(WAKE_LINE) _Atomic uint32_t unlock_waiters;
	alignas(WAKE_LINE) _Atomic uint64_t writer;
	_Atomic uint32_t inside;
	alignas(WAKE_LINE) _Atomic uint64_t slots;
};

struct wake {
	int fd;
	struct wake_page *page;
	char *path;
	struct file_facts facts;
	int64_t pid;
	bool made;                     /* the file, by wake_open */
	bool foreign;                  /* in a child of fork: only to be freed */
	atomic_bool writing;           /* a thread of ours is at the write lock */
	atomic_bool in_slots;          /* a thread of ours has the slot lock, or tries */
};

/* Makes the bells' descriptors readable. */
void wake_ring(struct wake *wake);

#endif
