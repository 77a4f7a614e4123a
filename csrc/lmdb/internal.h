/* internal.h - what the files behind store.h share: the only door to lmdb.h.
 *
 *     store.c      which stores this process has open; opening, sharing, closing
 *     engine.c     LMDB's environment for one file: known, made, opened; its errors
 *     txn.c        transactions, and the gate that a growing map needs
 *     rows.c       rows and cursors
 *     copy.c       copies of the whole file
 *     readers.c    reader slots with our pid that are not ours
 *     limit.c      readers that may hold a snapshot until a deadline
 *     library.c    the version of LMDB that the process has loaded
 *     lock_mutexes.c  the mutexes in LMDB's lock file
 *     careful.c    rows and cursors of a reader that does without LMDB
 *     recovery.c   commits whose writer died before LMDB published them
 *
 * LMDB is set up one way only: its own reader slots instead of thread-local
 * ones (MDB_NOTLS), no subdirectory, no writable map (SIGBUS on a full disk),
 * zeroed pages, readahead left on.
 */
#ifndef LMDB_INTERNAL_H
#define LMDB_INTERNAL_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#include "lmdb/store.h"
#include "lmdb_file/format.h"
#include "lmdb_file/layout.h"
#include "lmdb_file/lock_file.h"
#include "os/file.h"
#include "os/identity.h"
#include "os/slot_lock.h"

#if MDB_VERSION_MAJOR != 0 || MDB_VERSION_MINOR != 9 || \
	MDB_VERSION_PATCH >= LMDB_NEXT_FORMAT_PATCH
#error "tidetable needs LMDB 0.9, and this lmdb.h is of LMDB 1.0 or its development line"
#elif MDB_VERSION_PATCH < LMDB_OLDEST_PATCH
#error "tidetable needs LMDB 0.9.24 or later, and this lmdb.h is older"
#endif

#define STORE_READERS 1024

/* A number that LMDB has not: the slot lock was not to be had (slot_lock.h). */
#define STORE_SLOTS_BUSY (MDB_LAST_ERRCODE + 100)

/* Size of LMDB's lock file with that many readers. */
#define STORE_LOCK_BYTES LMDB_LOCK_BYTES(STORE_READERS)

struct cursor {
	MDB_cursor *mdb;
	struct raw_cursor *raw;     /* a careful transaction's, instead */
	struct txn *txn;
	uint64_t snapshot;       /* the txn's when the cursor was last made ready */
	bool has_inserted;       /* a writer's own, see txn_insert_reserve */
	bool at_end;             /* and the last time behind all other rows */
};

struct raw_txn;

/* A thread of ours that has a reader slot of LMDB's. */
struct slot {
	pthread_t thread;
	const uint8_t *at;       /* in our map of the lock file; NULL: not known */
	struct slot *next, *previous;    /* the store's others */
};

struct txn {
	MDB_txn *mdb;
	struct store *store;
	struct raw_txn *raw; /* reads without LMDB: then the two above are NULL */
	bool writing;
	bool live;               /* has a snapshot */
	bool ended;              /* by reader_end */
	uint64_t snapshot;       /* counts a reader's renewals */
	int err;                 /* the first failure since it began, */
	int system;              /* and LMDB's number for the last one */
	uint64_t rows_written;   /* for check_room: how many pages it may have taken */
	uint64_t bytes_written;
	uint64_t touched;        /* streams it has appended to, as commit_notify takes them */
	uint64_t free_pages;     /* found so far, for check_room; */
	bool free_counted;       /* that's all of them */
	struct cursor own[TREE_COUNT];
	struct slot slot;        /* a reader's */
	_Atomic int use;         /* limit.c's states of a reader */
	/* Of a reader with a time limit; guarded by the store's lock `limiting`. */
	uint64_t deadline_ms;    /* by the system's clock_elapsed_ms; 0: no limit */
	bool is_limited;         /* is in the list */
	struct txn *limited_next, *limited_previous;
};

struct store {
	struct store *next;      /* in the process's list */
	unsigned handles;
	int64_t pid;
	atomic_bool foreign;     /* we are a child that inherited it */
	atomic_bool failed;      /* LMDB must not be used any more */
	struct store_options options;
	char path[PATH_MAX];
	struct file_owner owner; /* the file's, or whoever is to be it */
	bool bare;               /* read-only, without side files (store.c) */
	struct identity data;    /* our own descriptor of the file, and the claim on it */
	uint64_t names_checked_ms;       /* when store_check_names was last due */
	bool names_due;
	struct shared_page *shared;
	struct lock_file lock;

	MDB_env *env;
	int fd;                  /* LMDB's own, of the data file, */
	int meta_fd;             /* and with O_DSYNC, for meta pages; -1: not found */
	MDB_dbi trees[TREE_COUNT];
	uint32_t page_bytes;
	uint64_t max_pages;      /* user writes stop here */
	_Atomic uint64_t limit_bytes;    /* the same in bytes: max_size, or less */
	uint64_t reserve_pages;
	/* The two meta pages, mapped apart from LMDB's map: there even while
	 * that one is replaced by a bigger one. */
	const uint8_t *metas;
	_Atomic uint64_t *published;     /* in it, the number of the last published commit;
	                          * NULL: LMDB uses no lock file */
	bool made;               /* by this process, when it was opened */
	bool unflushed;          /* the newest commit, perhaps, when it was opened */
	_Atomic uint64_t asked_ms;       /* when the write lock's owner was asked for; 0: never */

	_Atomic int64_t active;  /* transactions that point into the map */
	atomic_bool resizing;    /* nobody may begin one */
	pthread_mutex_t resize;
	_Atomic int64_t readers; /* made and not closed */
	pthread_mutex_t listing; /* held over the list: */
	struct slot *slots;
	pthread_mutex_t limiting;        /* held over the readers with a time limit */
	struct txn *limited;
	_Atomic uint64_t next_deadline_ms;       /* the earliest of them; 0: none */

	struct txn writer;
	uint64_t commits;        /* by this handle, since the last reader check */
	uint64_t pages_checked;  /* the file's pages at the last reader check */
	_Atomic uint32_t cleared;        /* stale slots that opening removed: untold */
	bool dirty;              /* commits that a weaker level left in memory */
	uint32_t flush_failures; /* as the wake file counts them, when last settled */
};

/* --- engine.c --- */

/* Maps LMDB's number to ours. fd says which disk an EIO came from. */
int env_error(int fd, int rc);

/* The same, with a sentence: the path, what was tried, LMDB's words. */
int env_fail(struct failure *failure, const struct store *store, int rc, const char *what);

/* Refuses a user's write: the file is as big as it may become. FULL. */
int env_full(const struct store *store, struct failure *failure);

/* Sets up store->env and the rest of its second block for store->path. */
int env_open(struct store *store, bool alone, struct failure *failure);
void env_close(struct store *store);

/* Makes the file under a temporary name, filled, and gives it its name. */
int env_create(struct store *store, struct failure *failure);

/* Runs options->fill in one transaction on a file in the making, and flushes it: on a
 * store of its own and without a lock file, since no other process knows the file.
 * Messages contain `name` instead of its path. */
struct temporary;
int env_fill(const struct store_options *options, const char *name,
	const struct temporary *made, uint64_t page_count, struct failure *failure);

/* After a flush that failed, with the write lock held: sees to it that the last
 * commit is on the disk, and that LMDB's descriptors don't report the old error
 * again. 0 or an errno. */
int env_settle(struct store *store);

/* The number of the newest meta page. It is one more than store_last_commit while a
 * writer flushes, and after one died there. */
uint64_t env_newest_commit(const struct store *store);

/* The file's pages up to the last one ever used, by whatever process: a few loads. */
uint64_t env_page_count(const struct store *store);

/* Replaces the map by one that holds the file at its present size. No transaction
 * may be active. Returns LMDB's number; ENOMEM leaves the map as it was, after another
 * failure the store has failed. */
int env_grow_map(struct store *store);

/* Pages in the free list: all, or those that the next write transaction may
 * take; stops counting at `enough`. Returns LMDB's number. */
int env_free_pages(struct store *store, bool reusable, uint64_t enough, uint64_t *pages);

/* Every process's reader slots, and the oldest snapshot (pid 0: nobody's). */
void env_scan_readers(struct store *store, uint64_t *oldest, int64_t *oldest_pid,
	uint32_t *count);

/* --- library.c --- */

/* Refuses the process's LMDB library (STORE) if its files are not those of the
 * lmdb.h that this was built with. Asked before a file is opened or made. */
int lmdb_version_check(struct failure *failure);

/* --- lock_mutexes.c --- */

/* Checks the mutexes after lock_file_hold; LMDB has just opened the environment, and no
 * transaction has begun. Mutexes that another program has destroyed are initialized again
 * if `alone` says that no other process of ours has the database open; otherwise BUSY.
 * STORE if they are not robust, or are semaphores. */
int lock_mutexes_check(struct store *store, bool alone, struct failure *failure);

/* --- store.c --- */

/* Is an acknowledged commit meant to outlive a power cut? */
bool store_is_durable(const struct store *store);

/* --- txn.c --- */

/* Transactions that point into the map pass the gate; a map is replaced only
 * while none is inside.
 *
 * Begins an LMDB transaction inside the gate, after LMDB's two refusals that
 * can be cured: a map that is too small, slots of dead readers. Returns LMDB's
 * number; outside the gate again if it isn't 0. Whoever ends it leaves the gate. */
int txn_begin(struct store *store, unsigned flags, MDB_txn **mdb);

/* Ends a reader's snapshot and gives its slot back; only reader_close may follow. */
void reader_end(struct txn *txn);

/* Says why none began, in a sentence. */
int txn_begin_failed(const struct store *store, int rc, struct failure *failure);
void gate_leave(struct store *store);

/* Refuses what a store can't do any more: STORE, with a sentence. */
int store_failed(const struct store *store, struct failure *failure);

/* --- recovery.c --- */

/* Finds the number of the last published commit in the mapped lock file, and whether the
 * newest commit may be unflushed. Call it before LMDB opens the file. newest: the newest
 * meta page's number. */
void recovery_begin(struct store *store, uint64_t newest);

/* After LMDB has opened the files: STORE if the mapping is not LMDB's lock file, or if
 * this process is alone and what it published by opening can't be flushed. */
int recovery_opened(struct store *store, bool alone, struct failure *failure);

/* Returns true if a meta page is written whose commit is not published: a writer is
 * flushing, or has died. Three loads. */
static inline bool recovery_is_due(const struct store *store)
{
	const uint8_t *meta = store->metas;
	uint64_t next;

	if (!store->published)
		return false;
	next = atomic_load_explicit(store->published, memory_order_acquire) + 1;
	meta += (next & 1) * store->page_bytes + META_PAGE_COMMIT_AT;
	return __atomic_load_n((const uint64_t *)(const void *)meta, __ATOMIC_ACQUIRE) == next;
}

/* --- readers.c --- */

/* This thread is about to have LMDB take a slot for it, and has had it given back:
 * a slot of a thread that is not listed is taken for a dead process's. */
void readers_add(struct store *store, struct slot *slot);
void readers_remove(struct store *store, struct slot *slot);

/* Finds the slot that LMDB has just given this thread for a reader. */
void readers_locate(struct store *store, struct slot *slot);

/* Returns false if the slot was freed by another process, and perhaps given to one. True
 * if it is not known where it is. */
bool readers_has(const struct store *store, const struct slot *slot);

/* The same for a slot that holds this snapshot. */
bool readers_holds(const struct store *store, const struct slot *slot, uint64_t snapshot);

/* Keeps what LMDB has of a reader whose slot was lost: ending it would free the slot, which
 * may be another process's by now. */
void readers_leave_behind(MDB_txn *mdb);

/* mdb_reader_check under the slot lock: 0, LMDB's number or STORE_SLOTS_BUSY. NULL is
 * fine for cleared. */
int readers_check(struct store *store, int *cleared);

/* Removes the slots of a dead process that had our pid; how many. */
uint32_t readers_clear_former(struct store *store);

/* --- limit.c --- */

/* Removes the reader from the list of those with a time limit. */
void reader_unlimit(struct txn *txn);

/* --- careful.c --- */

int raw_txn_cursor(struct cursor *cursor, struct txn *txn, enum tree tree);
uint64_t raw_txn_count(const struct txn *txn, enum tree tree);
uint64_t raw_txn_commit(const struct txn *txn);

/* The facts of a snapshot that a reader holds. BUSY if a later commit was published
 * before they were read; CORRUPT, STORE. */
int raw_txn_look(const struct store *store, uint64_t snapshot, struct meta_page *facts,
	struct meta_faults *faults, struct failure *failure);

/* --- rows.c --- */

void cursors_close(struct txn *txn);   /* a reader's own; a writer's die with it */

#endif
