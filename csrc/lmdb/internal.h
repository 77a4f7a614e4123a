/* internal.h - declarations shared by the files of lmdb/; the only includer of lmdb.h.
 *
 *     store.c            the open stores of this process: opening, sharing, closing
 *     environment.c      LMDB's environment for one file: creation, opening, errors
 *     txn.c              transactions, and the gate that allows remapping
 *     cursor.c           rows and cursors
 *     copy.c             copies of a whole file
 *     compaction.c       copies of all rows, in key order
 *     readers.c          stale reader slots, also of an earlier process with this pid
 *     reader_deadline.c  readers with a deadline for their snapshot
 *     version.c          version of the loaded LMDB library
 *     lock_mutexes.c     the mutexes in LMDB's lock file
 *     raw_txn.c          raw transactions: readers that do not use LMDB
 *     recovery.c         commits whose writer died before LMDB published them
 *
 * LMDB is always opened with the same settings: MDB_NOTLS (reader slots are not bound to
 * threads), MDB_NOSUBDIR, no MDB_WRITEMAP (SIGBUS on a full disk), no MDB_NOMEMINIT, no
 * MDB_NORDAHEAD.
 */
#ifndef LMDB_INTERNAL_H
#define LMDB_INTERNAL_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#include "lmdb/cursor.h"
#include "lmdb/raw_txn.h"
#include "lmdb/readers.h"
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

/* Return code for a busy slot lock (slot_lock.h). LMDB does not use this code. */
#define STORE_SLOTS_BUSY (MDB_LAST_ERRCODE + 100)

/* Size of LMDB's lock file with STORE_READERS reader slots. */
#define STORE_LOCK_BYTES LMDB_LOCK_BYTES(STORE_READERS)

struct cursor {
	MDB_cursor *mdb;
	struct raw_cursor *raw;  /* used instead of `mdb` in a raw transaction */
	struct txn *txn;
	uint64_t snapshot;       /* txn->snapshot when the cursor was last renewed */
	bool has_inserted;       /* true if txn_insert_reserve has used the cursor */
	bool at_end;             /* true if the last insertion was after all other rows */
};

struct raw_txn;

/* A thread of this process that has an LMDB reader slot. */
struct slot {
	pthread_t thread;
	const uint8_t *at;       /* the slot in the mapped lock file; NULL if unknown */
	struct slot *next, *previous;    /* list store->slots */
};

struct txn {
	MDB_txn *mdb;
	struct store *store;
	struct raw_txn *raw;     /* not NULL in a raw transaction, without mdb and store */
	bool writing;
	bool live;               /* true if it has a snapshot */
	bool ended;              /* true if reader_end was called */
	uint64_t snapshot;       /* number of renewals of a reader */
	int err;                 /* first error since the transaction began */
	int system;              /* LMDB's code of the last error */
	uint64_t rows_written;   /* for writer_check_space, to bound the number of pages used */
	uint64_t bytes_written;
	uint64_t touched;        /* streams appended to, in the form of commit_notify */
	bool is_quiet;           /* the commit notifies no reader of a stream */
	bool has_progressed;     /* the commit notifies those who wait for consumers */
	uint64_t free_pages;     /* for writer_check_space: free pages counted so far */
	bool free_counted;       /* true if free_pages is complete */
	struct cursor own[TREE_COUNT];
	struct slot slot;        /* of a reader */
	_Atomic int use;         /* state of a reader (reader_deadline.c) */
	/* Fields of a reader with a time limit, guarded by store->limiting. */
	uint64_t deadline_ms;    /* on the process's clock_elapsed_ms; 0 if unlimited */
	bool is_limited;         /* is in the list store->limited */
	struct txn *limited_next, *limited_previous;
};

struct store {
	struct store *next;      /* list of this process's stores */
	unsigned handles;
	int64_t pid;
	atomic_bool foreign;     /* true if this process has inherited the store by fork */
	atomic_bool failed;      /* true if LMDB must not be used any more */
	struct store_options options;
	char path[PATH_MAX];
	struct file_owner owner; /* owner of the file, or of the file to be created */
	bool bare;               /* read-only, without side files (open_bare) */
	struct identity data;    /* descriptor of the data file, with the claim */
	uint64_t names_checked_ms;       /* time of the last check in store_note_time */
	bool names_due;          /* true if the next commit checks the database's name */
	struct shared_page *shared;
	struct lock_file lock;

	MDB_env *env;
	int fd;                  /* LMDB's descriptor of the data file */
	int meta_fd;             /* LMDB's O_DSYNC descriptor for meta pages; -1 if unknown */
	MDB_dbi trees[TREE_COUNT];
	enum tree missing_tree;  /* one that the file lacks; TREE_META: none */
	uint32_t page_bytes;
	bool limit_is_set;       /* true if options.max_bytes is no longer the default */
	uint64_t max_pages;      /* limit for user writes, in pages */
	_Atomic uint64_t limit_bytes;    /* the same limit in bytes: max_bytes or less */
	uint64_t reserve_pages;
	/* The two meta pages in a separate mapping, which remains valid while LMDB's mapping is
	 * replaced. */
	const uint8_t *metas;
	_Atomic uint64_t *published;     /* number of the last published commit, in the lock
	                          * file; NULL without a lock file */
	bool made;               /* true if this process has created the file */
	bool unflushed;          /* true if the newest commit at opening may be unflushed */
	_Atomic uint64_t asked_ms;       /* last test of the write lock's owner; 0 if none */

	_Atomic int64_t active;  /* number of transactions that use the mapping */
	atomic_bool resizing;    /* true if no transaction may begin */
	pthread_mutex_t resize;
	_Atomic int64_t readers; /* number of open readers */
	pthread_mutex_t listing; /* guards slots */
	struct slot *slots;
	pthread_mutex_t limiting;        /* guards the readers with a time limit */
	struct txn *limited;
	_Atomic uint64_t next_deadline_ms;       /* earliest deadline; 0 if there is none */
	/* The thread that releases readers at their deadlines; guarded by limiting. */
	bool releases;           /* the thread runs */
	uint64_t release_ms;     /* time until which it waits, by the process's clock */
	pthread_cond_t release;  /* signalled for an earlier deadline, and to end it */
	pthread_t releaser;

	struct txn writer;
	uint64_t commits;        /* number of commits since the last reader check */
	uint64_t pages_checked;  /* size of the file at the last reader check, in pages */
	_Atomic uint32_t cleared;        /* stale slots removed at opening, not yet reported */
	bool dirty;              /* true if it has commits that a weaker level has not flushed */
	uint32_t flush_failures; /* shared_page_flush_failures at the last successful settle */
};

/* --- environment.c --- */

/* Converts an LMDB return code to enum error. fd is the file to which EIO refers. */
int env_error(int fd, int rc);

/* Converts an LMDB return code to enum error and fills failure with "PATH WHAT: text of LMDB". what
 * is a predicate, such as "can't be opened". */
int env_fail(struct failure *failure, const struct store *store, int rc, const char *what);

/* Reports that the file has reached its maximum size. Returns ERR_FULL. */
int env_full(const struct store *store, struct failure *failure);

/* Opens store->path in LMDB and sets store->env and the fields that follow it. */
int env_open(struct store *store, bool alone, struct failure *failure);
void env_close(struct store *store);

/* Creates the database file under a temporary name, fills it, and renames it to store->path. */
int env_create(struct store *store, struct failure *failure);

/* Opens a temporary file as a separate store without a lock file, because no other process knows
 * the file. The trees are not open yet. Commits are not flushed. The mapping has room for
 * page_count pages and the reserve. Messages contain `name` instead of the temporary path. */
struct temporary;
int env_open_made(struct store **maker, const struct store_options *options, const char *name,
	const struct temporary *made, uint64_t page_count, struct failure *failure);
void env_close_made(struct store *maker);

/* Opens the trees in a transaction. `flags` is 0 or MDB_CREATE. Returns MDB_NOTFOUND if the file
 * has none of them, MDB_CORRUPTED if it has only some, or another code of LMDB. */
int env_open_trees(struct store *store, MDB_txn *mdb, unsigned flags);

/* Runs options->fill in one transaction on a temporary file (env_open_made) and flushes it. */
int env_fill(const struct store_options *options, const char *name,
	const struct temporary *made, uint64_t page_count, struct failure *failure);

/* Repairs a failed flush. Makes the last commit durable, and makes LMDB's descriptors report the
 * old error now, so that they do not report it to LMDB. The write lock must be held. Returns 0 or
 * an errno. */
int env_settle(struct store *store);

/* Returns the commit number of the newer meta page. It equals store_last_commit, or is one greater
 * while a writer is flushing or after a writer died while flushing. */
uint64_t env_newest_commit(const struct store *store);

/* Returns the number of pages up to the last one used by any process. Costs a few loads. */
uint64_t env_page_count(const struct store *store);

/* Replaces the mapping by one for the file's current size. No transaction may be active. Returns
 * LMDB's code. ENOMEM leaves the mapping unchanged; after another error store->failed is set. */
int env_grow_map(struct store *store);

/* Computes the limits for options.max_bytes with the present mapping. Returns false if a larger
 * mapping is needed to reach max_bytes. */
bool env_set_limits(struct store *store);

/* Counts the pages in the free list; if `reusable` is true, only those that the next write
 * transaction may use. Stops when it has counted `enough` pages. Returns LMDB's code. */
int env_free_pages(struct store *store, bool reusable, uint64_t enough, uint64_t *pages);

/* --- version.c --- */

/* Returns ERR_STORE if the loaded LMDB library uses another file format than lmdb.h. Must be
 * called before a file is opened or created. */
int lmdb_version_check(struct failure *failure);

/* --- lock_mutexes.c --- */

/* Checks the mutexes in LMDB's lock file. Must be called after lock_file_hold and before any
 * transaction, while LMDB has the environment open. `alone` means that no other tidetable process
 * has the database open. Mutexes that another program has destroyed are initialized if `alone` is
 * true; otherwise ERR_BUSY is returned. Returns ERR_STORE if the mutexes are not robust or are
 * semaphores. */
int lock_mutexes_check(struct store *store, bool alone, struct failure *failure);

/* --- store.c --- */

/* Returns true if acknowledged commits must survive a power cut, except perhaps the last. */
bool store_is_durable(const struct store *store);

/* --- txn.c --- */

/* Begins an LMDB transaction inside the gate. The caller ends the transaction and calls
 * gate_leave. The gate is a count of the transactions that use the mapping. The file is remapped
 * only when this count is 0. After MDB_MAP_RESIZED remaps the file, after MDB_READERS_FULL clears
 * the slots of dead readers, and then tries again, at most 3 times. Returns LMDB's code. On
 * failure the gate has been left. */
int txn_begin(struct store *store, unsigned flags, MDB_txn **mdb);

/* Releases a reader's snapshot and slot. After that only reader_close may be called. */
void reader_end(struct txn *txn);

/* Reports why txn_begin failed with rc. Returns the error. */
int txn_begin_failed(const struct store *store, int rc, struct failure *failure);
void gate_leave(struct store *store);

/* Maps the file at its current size, and for the limit of options.max_bytes, when no transaction is
 * active. Returns LMDB's code. */
int txn_grow_map(struct store *store);

/* Reports that store->failed is set. Returns ERR_STORE. */
int store_failed(const struct store *store, struct failure *failure);

/* --- recovery.c --- */

/* Sets store->published and store->unflushed from the mapped lock file. Must be called before
 * LMDB opens the file. newest is the commit number of the newer meta page. */
void recovery_begin(struct store *store, uint64_t newest);

/* Checks the lock file after LMDB has opened it. Returns ERR_STORE if the mapped file is not
 * LMDB's lock file, or if this process is alone and cannot flush the commit that LMDB published
 * by opening. */
int recovery_opened(struct store *store, bool alone, struct failure *failure);

/* Returns true if a meta page contains a commit that is not published, because its writer is
 * flushing or has died. Costs three loads. */
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

/* --- compaction.c --- */

/* Appends all rows of the snapshot to the empty file `to`, in key order, so that LMDB fills every
 * page. Commits without flushing, in steps that bound the memory for changed pages. Counts rows in
 * progress. The caller's reader must hold the snapshot. Returns 0, ERR_INTERRUPTED, ERR_DISK_FULL,
 * ERR_CORRUPT, ERR_NO_MEMORY or ERR_STORE. */
struct progress;
int compact_rows(struct store *store, MDB_txn *snapshot, const struct temporary *to,
	struct progress *progress, struct failure *failure);

/* Sets *rows to the number of rows that compact_rows copies. Returns LMDB's code. */
int compact_count(struct store *store, MDB_txn *snapshot, uint64_t *rows);

/* --- readers.c --- */

/* These functions add and remove this thread's slot in the list store->slots. Call readers_add
 * before LMDB assigns the slot and readers_remove after LMDB has freed the slot. A slot whose
 * thread is not in the list counts as stale. */
void readers_add(struct store *store, struct slot *slot);
void readers_remove(struct store *store, struct slot *slot);

/* Finds the slot that LMDB has just assigned to a reader of this thread. */
void readers_locate(struct store *store, struct slot *slot);

/* Returns true if the slot still belongs to this thread, or if its location is unknown. Returns
 * false if another process has freed the slot and perhaps uses it now. */
bool readers_has(const struct store *store, const struct slot *slot);

/* Returns true if readers_has and the slot contains this snapshot. */
bool readers_holds(const struct store *store, const struct slot *slot, uint64_t snapshot);

/* Keeps LMDB's transaction of a reader that has lost its slot, because ending the transaction
 * would free the slot, which another process may use now. */
void readers_abandon(MDB_txn *mdb);

/* Counts the reader slots of all processes and finds the oldest snapshot. Sets *oldest_pid to 0 if
 * no reader has a snapshot. */
void readers_scan(struct store *store, uint64_t *oldest, int64_t *oldest_pid,
	uint32_t *count);

/* Takes the slot lock, calls mdb_reader_check and releases the lock. `cleared` may be NULL. Returns
 * 0, LMDB's code, or STORE_SLOTS_BUSY if another process holds the lock. */
int readers_check(struct store *store, int *cleared);

/* Removes the slots of a dead process that had this process's pid. Returns their number. */
uint32_t readers_clear_former(struct store *store);

/* --- reader_deadline.c --- */

/* Removes the reader from the list of those with a time limit. */
void reader_unlimit(struct txn *txn);

/* Ends the thread of store_release_in_time, if it runs. */
void store_end_releases(struct store *store);

/* --- raw_txn.c --- */

/* The operations of a raw transaction: opens its own cursor on a tree, returns the number of
 * rows in a tree, returns the snapshot's commit number. */
int raw_txn_cursor(struct cursor *cursor, struct txn *txn, enum tree tree);
uint64_t raw_txn_count(const struct txn *txn, enum tree tree);
uint64_t raw_txn_commit(const struct txn *txn);

/* Reads the meta page of a snapshot that a reader holds. Returns 0, ERR_CORRUPT, ERR_STORE, or
 * ERR_BUSY if a later commit was published before the meta page was read. */
int raw_txn_read_meta(const struct store *store, uint64_t snapshot, struct meta_page *facts,
	struct meta_faults *faults, struct failure *failure);

/* --- cursor.c --- */

/* Closes a reader's own cursors. LMDB frees a writer's cursors with its transaction. */
void cursors_close(struct txn *txn);

#endif
