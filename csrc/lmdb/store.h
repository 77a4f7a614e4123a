/* store.h - key-value storage in LMDB: ordered rows in several trees, with transactions.
 *
 * A store is one open database file. All handles of a process on the same file share one store,
 * because LMDB loses data if a process opens a file twice. A store may be used by any thread; a
 * transaction only by the thread that began it. Returned keys and values point into the memory
 * map; they are valid until the next write in the same transaction or until it ends. The store
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
struct cursor;

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

/* --- reading --- */

/* A reader is opened once and reused. reader_renew takes a snapshot (in 8 ns), and reader_reset
 * releases the snapshot. A snapshot must not be held while waiting or while user code runs.
 * reader_renew also returns the errors of store_recover. */
int reader_open(struct txn **txn, struct store *store, struct failure *failure);
int reader_renew(struct txn *txn, struct failure *failure);
void reader_reset(struct txn *txn);

/* Returns ERR_STORE if the reader has lost its LMDB slot since it was renewed, because another
 * program considered this process dead. The pages that were read may then have been overwritten.
 * Must be called after copying bytes and before returning them. Takes a few loads. Returns 0 for a
 * write transaction. */
int reader_verify(const struct txn *txn, struct failure *failure);

/* Closes a reader, with or without a snapshot. NULL is allowed. */
void reader_close(struct txn *txn);

/* --- readers with a time limit --- */

/* Limits the time for which a renewed reader may hold its snapshot, until deadline_ms on the
 * process's clock_elapsed_ms; a later call sets another time, unless the reader was released.
 * After the deadline any thread may release it. The reader may be
 * used only between reader_enter and reader_leave; it may be closed at any time. */
void reader_limit(struct txn *txn, uint64_t deadline_ms);

/* Returns false if the reader has been released after its deadline; then it can only be closed.
 * Always returns true for a reader without a limit. */
bool reader_enter(struct txn *txn);
void reader_leave(struct txn *txn);

/* Releases the store's readers whose deadline has passed, except those in use. Takes one load and
 * a comparison while no reader has a deadline. */
void store_release_late(struct store *store);

/* Starts a thread that releases readers soon after their deadlines, also while this process calls
 * nothing, until the store is closed. Does nothing if it runs. If it can't be started, the readers
 * are released by store_release_late only. */
void store_release_in_time(struct store *store);

/* --- reading files that may be damaged --- */

struct meta_page;

/* Opens a raw transaction: a reader that reads with pread and checks every value, without LMDB
 * (lmdb_file/raw_cursor.h). The raw transaction reads the snapshot of the meta page `facts`; the
 * caller must ensure that no writer reuses the pages of this snapshot. At an unreadable row or
 * page a move returns ERR_CORRUPT, and the next MOVE_NEXT continues after it. A row from a cursor
 * is valid until the cursor moves, a value from txn_get until the next txn_get in the same tree.
 * Returns 0 or ERR_NO_MEMORY. */
int raw_txn_open(struct txn **txn, int fd, const struct meta_page *facts);
void raw_txn_close(struct txn *txn);          /* NULL is allowed */

/* Returns the number of ERR_CORRUPT results that were caused by failed disk reads. */
uint64_t raw_txn_unread(const struct txn *txn);

/* Renews the reader `pin`, which prevents reuse of the pages of the newest snapshot, and returns
 * the snapshot's meta page and the descriptor to read it through, for raw_txn_open. Returns 0,
 * ERR_CORRUPT, ERR_STORE, or ERR_BUSY if other processes commit too often. */
struct meta_faults;
int raw_txn_pin(struct txn *pin, int *fd, struct meta_page *facts,
	struct meta_faults *faults, struct failure *failure);

/* --- writing --- */

/* Begins the write transaction. The caller must hold the write lock (store_shared_page) and
 * releases it after commit or abort. */
int writer_begin(struct txn **txn, struct store *store, struct failure *failure);

/* Commits a write transaction, notifies waiting readers, and always sets *txn to NULL. After
 * ERR_DISK_FULL, ERR_FULL, ERR_STORE, ERR_FILE_GONE or ERR_FILE_REPLACED nothing was changed.
 * After ERR_UNKNOWN_OUTCOME the commit may be on the disk, so the store must be closed and opened
 * again. */
int writer_commit(struct txn **txn, struct failure *failure);
void writer_abort(struct txn **txn);

/* Adds streams to those that the commit notifies (commit_notify). */
void txn_touch(struct txn *txn, uint64_t streams);

/* Makes the commit notify no reader of a stream. */
void txn_be_quiet(struct txn *txn);

/* Makes the commit notify those who wait for the progress of consumers. */
void txn_progressed(struct txn *txn);

/* Returns ERR_FULL if a user's write would use the reserve for trims and deletes (5 % of the
 * maximum size, at least 16 MiB). Takes a few comparisons until the file is close to its limit. */
int writer_check_space(struct txn *txn, struct failure *failure);

/* --- in readers and writers --- */

/* Returns the snapshot's number; in a write transaction, the number of its commit. */
uint64_t txn_id(const struct txn *txn);
struct store *txn_store(const struct txn *txn);

/* Returns the page size of the file. */
uint32_t txn_page_bytes(const struct txn *txn);

/* These functions return 0, END if the row does not exist, or an error. */
int txn_get(struct txn *txn, enum tree tree, struct slice key, struct slice *value);
int txn_put(struct txn *txn, enum tree tree, struct slice key, struct slice value);
int txn_delete(struct txn *txn, enum tree tree, struct slice key);

/* Like txn_put, for a value that is written in place. Sets *buf to len bytes in the page; the
 * caller must write all of them before the next operation in the transaction. */
int txn_put_reserve(struct txn *txn, enum tree tree, struct slice key, size_t len,
	uint8_t **buf);

/* Like txn_put_reserve, for a key that does not exist. Uses less space and time than
 * txn_put_reserve if many keys are inserted in ascending order. */
int txn_insert_reserve(struct txn *txn, enum tree tree, struct slice key, size_t len,
	uint8_t **buf);

/* Like txn_put_reserve, for a key after the last key of the tree. Returns ERR_CORRUPT if the tree
 * has a key that is not less. */
int txn_append_reserve(struct txn *txn, enum tree tree, struct slice key, size_t len,
	uint8_t **buf);

/* Sets *rows to the number of rows in a tree. */
int txn_count(struct txn *txn, enum tree tree, uint64_t *rows);

/* Returns the transaction's own cursor on a tree, which exists as long as the transaction. A
 * reader's cursor survives reset and renew, but loses its position. txn_get, txn_put,
 * txn_delete and the reserve functions use and move this cursor. */
int txn_cursor(struct txn *txn, enum tree tree, struct cursor **cursor);

/* Opens another cursor on a tree. The cursor must be closed before the transaction ends or is
 * reset. */
int cursor_open(struct cursor **cursor, struct txn *txn, enum tree tree);
void cursor_close(struct cursor *cursor);     /* NULL is allowed */

/* Moves the cursor and sets *key and *value to its row. MOVE_TO and MOVE_FROM search for *key.
 * Returns 0, END if no row was found, or an error. */
int cursor_move(struct cursor *cursor, enum move move, struct slice *key, struct slice *value);

/* Prefetches the row that probably follows the given one, for a forward walk that reads every row
 * completely. LMDB fills a page from its end, so the row after an appended row is stored at the
 * addresses just before that row, where hardware prefetching does not find it. If the next row is
 * stored elsewhere, the prefetch is useless but harmless. */
static inline void cursor_expect_next(struct slice key, struct slice value)
{
	const size_t cache_line = 64;
	uintptr_t at = (uintptr_t)key.data;
	size_t len = value.len < STORE_ROW_SHARE ? value.len : STORE_ROW_SHARE;

	for (size_t before = cache_line; before <= len + cache_line; before += cache_line)
		__builtin_prefetch((const void *)(at - before));
}

/* Deletes the current row. MOVE_NEXT then moves to the row after it. */
int cursor_delete(struct cursor *cursor);

#endif
