/* store.h - key-value storage in LMDB: ordered rows in several trees.
 *
 * A store is one open database file. All handles of a process on the same file share one store,
 * because LMDB loses data if a process opens a file twice. A store may be used by any thread. It
 * does not interpret the bytes.
 */
#ifndef LMDB_STORE_H
#define LMDB_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "lmdb/durability.h"
#include "lmdb_file/tree.h"
#include "os/clock.h"
#include "os/commit_notifier.h"
#include "os/shared_page.h"
#include "os/write_lock.h"

/* Maximum size of key plus value of a row that LMDB stores in a leaf page, which is half a page of
 * 4096 bytes minus the headers. Larger values are stored in overflow pages. */
#define STORE_ROW_SHARE 2028

struct store;
struct txn;

struct store_options {
	const char *path;            /* ignored if in_memory */
	bool in_memory;              /* files in memory, deleted with the last handle */
	bool read_only;
	bool create;                 /* creates the file if it does not exist */
	bool alone;                  /* exclusive: opening fails with BUSY if the database
	                              * is open, and others can't open it until it is closed */
	enum durability durability;
	uint64_t max_bytes;          /* limit for user writes; 0: 64 GiB, which
	                              * store_set_limit may replace. The limit is lower if the
	                              * address space is smaller */
	struct clock *clock;
	/* Fills a new file in its first transaction, before the file gets its name, so that
	 * other processes see a complete file or none. */
	int (*fill)(struct txn *txn, void *context, struct failure *failure);
	void *context;
};

#define STORE_DEFAULT_MAX_BYTES (UINT64_C(64) << 30)

/* Tries once to open a database and never waits. Each call with in_memory creates a separate
 * store. Returns 0, ERR_NO_FILE, ERR_NOT_DATABASE, ERR_NEWER_FORMAT, ERR_FOREIGN_FORMAT,
 * ERR_PERMISSION, ERR_VALIDATION (path or max_bytes), ERR_BUSY, ERR_OPTIONS, ERR_NAMESPACE,
 * ERR_READERS_FULL, ERR_CORRUPT, ERR_DISK_FULL, ERR_STORE, ERR_NO_MEMORY or the result of `fill`.
 * While another process opens, creates or compacts the database, returns ERR_BUSY with
 * failure->transient set. */
int store_open(struct store **store, const struct store_options *options,
	struct failure *failure);

/* Returns ERR_CORRUPT if the file lacks one of the trees. A file of an older format lacks trees
 * too, so the caller checks the format first; until then only TREE_META may be read. */
int store_check_trees(const struct store *store, struct failure *failure);

/* Releases one handle of a store. The last handle closes the file. NULL is allowed. */
void store_close(struct store *store);

/* Returns true in a forked process that inherited the handle. Then only store_close may be called,
 * which frees the handle without touching the file. */
bool store_is_foreign(const struct store *store);

/* store_hold_forks blocks fork in other threads until store_release_forks is called. Both are for
 * locks on descriptors that belong to no store, because a forked process would inherit the
 * descriptors and hold the locks after this process has exited. The caller must not wait for
 * anything in between. */
void store_hold_forks(void);
void store_release_forks(void);

/* Sets max_bytes of a store that was opened without it. The first call decides; later calls have
 * no effect, and neither has a call for a store that was opened with a max_bytes. */
void store_set_limit(struct store *store, uint64_t max_bytes);

const struct store_options *store_options(const struct store *store);
struct shared_page *store_shared_page(struct store *store);

/* Checks the first pages to find out whether the file is a database, possibly a damaged one. Must
 * be called before side files are created. Returns 0, ERR_NO_FILE, ERR_NOT_DATABASE,
 * ERR_NEWER_FORMAT, ERR_FOREIGN_FORMAT, ERR_PERMISSION or ERR_STORE. */
int store_recognise(const char *path, struct failure *failure);

/* Returns 0 if the path of the store still refers to the open file, ERR_FILE_GONE if it does not
 * exist, ERR_FILE_REPLACED if it refers to another file. Makes one lstat call, none for an
 * in-memory store. Returns 0 also if the path cannot be examined, for example because a directory
 * became unreadable. */
int store_check_name(const struct store *store, struct failure *failure);

/* Like store_check_name, for another absolute path of the file. */
int store_check_path(const struct store *store, const char *path, struct failure *failure);

/* Returns true if this process has the file with this device and inode open as a store. */
bool store_has_open(uint64_t device, uint64_t inode);
struct clock *store_clock(struct store *store);

/* Records the elapsed time at which a transaction begins. At level NONE the next commit checks
 * the database's name if 100 ms have passed since the last check. */
void store_note_time(struct store *store, uint64_t elapsed_ms);

/* Returns the number of the last published commit of any process, which a new snapshot would
 * show. The number is comparable with txn_id of a snapshot. Costs one load. */
uint64_t store_last_commit(const struct store *store);

/* Publishes a commit whose writer was killed before publishing it (lmdb/recovery.c). Returns 0 if
 * there is no such commit or its writer is alive (tested at most every 10 ms), ERR_BUSY if a
 * read-only store cannot publish the commit, ERR_STORE if the commit cannot be flushed, or
 * ERR_CORRUPT. Must be called before waiting for a commit. reader_renew and writer_begin call this
 * function themselves. */
int store_recover(struct store *store, struct failure *failure);

/* Like store_recover, for a caller that holds the write lock. */
int store_recover_locked(struct store *store, struct failure *failure);

/* Returns the time, in ms, to wait for a commit before checking again. This is `ms`, but at most
 * 10 while the newest commit is unpublished. */
uint32_t store_wait_ms(const struct store *store, uint32_t ms);

/* Returns the size of the file up to the last page ever used. Costs a few loads. */
uint64_t store_file_bytes(const struct store *store);

/* Size and use of the file. */
struct store_usage {
	uint64_t file_bytes;         /* size up to the last page ever used */
	uint64_t free_bytes;         /* size of the free pages among them */
	uint64_t max_bytes;          /* limit for user writes: asked_bytes, or less if the */
	uint64_t asked_bytes;        /* address space is smaller */
	uint64_t page_bytes;
	uint32_t readers;            /* number of reader slots in use by all processes */
	uint32_t readers_max;
	uint64_t oldest_reader_lag;  /* number of commits since the oldest snapshot in use */
	int64_t oldest_reader_pid;   /* pid of its reader; 0 if there is none */
	const char *engine;          /* LMDB's version string, "LMDB 0.9.24: ..." */
};

/* Fills usage. Returns 0, ERR_READERS_FULL, ERR_STORE or another error of a new reader. */
int store_usage(struct store *store, struct store_usage *usage, struct failure *failure);

/* Returns LMDB's version string: "LMDB 0.9.24: ...". */
const char *store_engine(void);

/* Removes the reader slots of dead processes, including an earlier one with this process's pid.
 * Sets *cleared to their number, including those that were removed when the store was opened. */
int store_clear_stale(struct store *store, uint32_t *cleared, struct failure *failure);

/* Flushes the commits that weaker durability levels have not flushed. */
int store_sync(struct store *store, struct failure *failure);

#endif
