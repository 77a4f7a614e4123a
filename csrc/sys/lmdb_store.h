/* lmdb_store.h - what the files behind store.h share: the only door to lmdb.h.
 *
 *     store.c      which stores this process has open; opening, sharing, closing
 *     engine.c     LMDB's environment for one file: known, made, opened; its errors
 *     txn.c        transactions, and the gate that a growing map needs
 *     rows.c       rows and cursors
 *     copy.c       copies of the whole file
 *     readers.c    reader slots with our pid that are not ours
 *     careful.c    rows and cursors of a reader that does without LMDB
 *
 * LMDB is set up one way only: its own reader slots instead of thread-local
 * ones (MDB_NOTLS), no subdirectory, no writable map (SIGBUS on a full disk),
 * zeroed pages, readahead left on.
 */
#ifndef SYS_LMDB_STORE_H
#define SYS_LMDB_STORE_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#include "sys/file.h"
#include "sys/identity.h"
#include "sys/lock_file.h"
#include "sys/slot_lock.h"
#include "sys/store.h"

#define STORE_READERS 1024

/* A number that LMDB has not: the slot lock was not to be had (slot_lock.h). */
#define STORE_SLOTS_BUSY (MDB_LAST_ERRCODE + 100)

/* LMDB's lock file with that many readers: 128 bytes of header, 64 a reader. */
#define STORE_LOCK_BYTES (128 + 64 * STORE_READERS)

struct cursor {
	MDB_cursor *mdb;
	struct probe *probe;     /* a careful transaction's, instead */
	struct txn *txn;
	uint64_t snapshot;       /* the txn's when the cursor was last made ready */
	bool has_inserted;       /* a writer's own, see txn_insert_room */
	bool at_end;             /* and the last time behind all other rows */
};

struct careful;

/* A thread of ours that has a reader slot of LMDB's. */
struct slot {
	pthread_t thread;
	const uint8_t *at;       /* in our map of the lock file; NULL: not known */
	struct slot *next, *previous;    /* the store's others */
};

struct txn {
	MDB_txn *mdb;
	struct store *store;
	struct careful *careful; /* reads without LMDB: then the two above are NULL */
	bool writing;
	bool live;               /* has a snapshot */
	uint64_t snapshot;       /* counts a reader's renewals */
	int err;                 /* the first failure since it began, */
	int system;              /* and LMDB's number for the last one */
	uint64_t rows_written;   /* for check_room: how many pages it may have taken */
	uint64_t bytes_written;
	uint64_t free_pages;     /* found so far, for check_room; */
	bool free_counted;       /* that's all of them */
	struct cursor own[TREE_COUNT];
	struct slot slot;        /* a reader's */
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
	struct wake *wake;
	struct lock_file lock;

	MDB_env *env;
	int fd;                  /* LMDB's own, of the data file */
	MDB_dbi trees[TREE_COUNT];
	uint32_t page_bytes;
	uint64_t max_pages;      /* user writes stop here */
	uint64_t reserve_pages;
	/* The two meta pages, mapped apart from LMDB's map: there even while
	 * that one is replaced by a bigger one. */
	const uint8_t *metas;

	_Atomic int64_t active;  /* transactions that point into the map */
	atomic_bool resizing;    /* nobody may begin one */
	pthread_mutex_t resize;
	_Atomic int64_t readers; /* made and not closed */
	pthread_mutex_t listing; /* held over the list: */
	struct slot *slots;

	struct txn writer;
	uint64_t commits;        /* by this handle, since the last reader check */
	uint64_t pages_checked;  /* the file's pages at the last reader check */
	_Atomic uint32_t cleared;        /* stale slots that opening removed: untold */
	bool dirty;              /* commits that a weaker level left in memory */
};

/* --- engine.c --- */

/* Maps LMDB's number to ours. fd says which disk an EIO came from. */
int engine_error(int fd, int rc);

/* The same, with a sentence: the path, what was tried, LMDB's words. */
int engine_fail(struct failure *failure, const struct store *store, int rc, const char *what);

/* Sets up store->env and the rest of its second block for store->path. */
int engine_open(struct store *store, bool alone, struct failure *failure);
void engine_close(struct store *store);

/* Makes the file under a temporary name, filled, and gives it its name. */
int engine_create(struct store *store, struct failure *failure);

/* Runs options->fill in one transaction on a file in the making, and flushes it: on a
 * store of its own and without a lock file, since no other process knows the file.
 * Messages contain `name` instead of its path. */
struct temporary;
int engine_fill(const struct store_options *options, const char *name,
	const struct temporary *made, uint64_t page_count, struct failure *failure);

/* After a flush that failed, with the write lock held: sees to it that the last
 * commit is on the disk. 0 or an errno. */
int engine_settle(struct store *store);

/* The file's pages up to the last one ever used, by whatever process: a few loads. */
uint64_t engine_page_count(const struct store *store);

/* Pages in the free list: all, or those that the next write transaction may
 * take; stops counting at `enough`. Returns LMDB's number. */
int engine_free_pages(struct store *store, bool reusable, uint64_t enough, uint64_t *pages);

/* Every process's reader slots, and the oldest snapshot (pid 0: nobody's). */
void engine_survey_readers(struct store *store, uint64_t *oldest, int64_t *oldest_pid,
	uint32_t *count);

/* --- store.c --- */

/* Is an acknowledged commit meant to outlive a power cut? */
bool store_is_durable(const struct store *store);

/* Returns STORE if the name of the database no longer leads to the open file: what is
 * written then is lost with it, or found under another name. */
int store_check_name(const struct store *store, struct failure *failure);

/* --- txn.c --- */

/* Transactions that point into the map pass the gate; a map is replaced only
 * while none is inside.
 *
 * Begins an LMDB transaction inside the gate, after LMDB's two refusals that
 * can be cured: a map that is too small, slots of dead readers. Returns LMDB's
 * number; outside the gate again if it isn't 0. Whoever ends it leaves the gate. */
int txn_begin(struct store *store, unsigned flags, MDB_txn **mdb);

/* Says why none began, in a sentence. */
int txn_begin_failed(const struct store *store, int rc, struct failure *failure);
void gate_leave(struct store *store);

/* Refuses what a store can't do any more: STORE, with a sentence. */
int store_failed(const struct store *store, struct failure *failure);

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

/* --- careful.c --- */

int careful_cursor(struct cursor *cursor, struct txn *txn, enum tree tree);
uint64_t careful_count(const struct txn *txn, enum tree tree);
uint64_t careful_commit(const struct txn *txn);

/* --- rows.c --- */

void cursors_close(struct txn *txn);   /* a reader's own; a writer's die with it */

#endif
