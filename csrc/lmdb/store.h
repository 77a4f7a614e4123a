/* store.h - the door to LMDB: ordered rows in trees, in transactions.
 *
 * A store is shared by the whole process: opening a file twice gives the same
 * store (LMDB loses data otherwise). Any thread may use it; a transaction
 * belongs to the thread that runs it. Rows that a transaction lends point into
 * the map: good until its next write, or until it ends. Nothing here calls
 * back; nothing here knows what the bytes mean.
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

/* A row whose key and value come to no more than this shares its page with
 * another; a bigger one would take pages of its own. (LMDB, 4096-byte pages:
 * half a page less the headers.) */
#define STORE_ROW_SHARE 2028

struct store;
struct txn;
struct cursor;

struct store_options {
	const char *path;            /* bytes; ignored when in_memory */
	bool in_memory;              /* files in memory, gone with the last handle */
	bool read_only;
	bool create;                 /* make the file if there is none */
	bool alone;                  /* BUSY unless nobody else has it open; and
	                              * nobody else can open it until it is closed */
	enum durability durability;
	uint64_t max_bytes;          /* user writes stop here, or earlier where the
	                              * address space is smaller; 0: 64 GiB */
	struct clock *clock;
	/* Fills a new file: runs in its first transaction, under a temporary
	 * name; the file appears whole or not at all. */
	int (*fill)(struct txn *txn, void *context, struct failure *failure);
	void *context;
};

#define STORE_DEFAULT_MAX_BYTES (UINT64_C(64) << 30)

/* NO_FILE, NOT_DATABASE, NEWER_FORMAT, FOREIGN_FORMAT, PERMISSION, VALIDATION (the path,
 * max_bytes), BUSY, OPTIONS, NAMESPACE, READERS_FULL, CORRUPT, DISK_FULL, STORE, NO_MEMORY,
 * and what `fill` returns. in_memory stores are never shared with another open.
 *
 * One attempt: it never waits for another process. While one opens, creates or
 * compacts the database it returns BUSY with failure->momentary set. */
int store_open(struct store **store, const struct store_options *options,
	struct failure *failure);
void store_close(struct store *store);        /* the last one closes the file */

/* True in a child of fork that inherited the handle: then nothing but
 * store_close may be called, and that only forgets. */
bool store_is_foreign(const struct store *store);

/* In between fork waits: for locks on descriptors of no store, which a child would inherit
 * and hold after this process has died. Never while anything is waited for. */
void store_hold_forks(void);
void store_release_forks(void);

const struct store_options *store_options(const struct store *store);
struct shared_page *store_shared_page(struct store *store);

/* Whether the file at the path is a database, as far as its first pages tell; a
 * damaged one is. Asked before anything is made beside it. NO_FILE, NOT_DATABASE,
 * NEWER_FORMAT, FOREIGN_FORMAT, PERMISSION, STORE. */
int store_recognise(const char *path, struct failure *failure);

/* Returns 0 if the path of the store names the file that is open, FILE_GONE if it names
 * nothing, FILE_REPLACED if it names another file. Costs one lstat; a store in memory has
 * no path and costs nothing. A path that can't be looked at (a directory on it became
 * unreadable) returns 0. */
int store_check_name(const struct store *store, struct failure *failure);

/* The same for another absolute path to the file. */
int store_check_path(const struct store *store, const char *path, struct failure *failure);

/* Is this the file of a store that this process has open? */
bool store_has_open(uint64_t device, uint64_t inode);
struct clock *store_clock(struct store *store);

/* The time of the transaction that begins, by the clock's elapsed time: at the level
 * NONE the database's name is checked again at most every 100 ms. */
void store_note_time(struct store *store, uint64_t elapsed_ms);

/* The number of the last published commit of any process: the one that a snapshot
 * taken now has. Compare it with txn_id of a snapshot. One load. */
uint64_t store_last_commit(const struct store *store);

/* Publishes the commit of a writer that was killed before it did so (lmdb/recovery.c).
 * Returns 0 if there is none or its writer lives, which is asked at most every 10 ms.
 * BUSY: a read-only store can't; STORE: the commit can't be flushed; CORRUPT. Call it
 * before a decision to wait; reader_renew and writer_begin do it themselves. */
int store_recover(struct store *store, struct failure *failure);

/* The same with the write lock held. */
int store_recover_locked(struct store *store, struct failure *failure);

/* How long to wait for a commit before the next look: ms, or 10 while the newest commit
 * is not published. */
uint32_t store_wait_ms(const struct store *store, uint32_t ms);

/* The file up to the last page ever used: a few loads. */
uint64_t store_file_bytes(const struct store *store);

/* What the file is: for people and for check. READERS_FULL, STORE, ... */
struct store_usage {
	uint64_t file_bytes;         /* up to the last page ever used */
	uint64_t free_bytes;         /* of them, in pages that are free */
	uint64_t max_bytes;          /* user writes stop here: as asked for, or */
	uint64_t asked_bytes;        /* less where the address space is smaller */
	uint64_t page_bytes;
	uint32_t readers;            /* slots in use, all processes */
	uint32_t readers_max;
	uint64_t oldest_reader_lag;  /* commits since the oldest reader's snapshot */
	int64_t oldest_reader_pid;   /* 0: no reader */
	const char *engine;          /* "LMDB 0.9.24: ..." */
};
int store_usage(struct store *store, struct store_usage *usage, struct failure *failure);

/* The library below: "LMDB 0.9.24: ...". */
const char *store_engine(void);

/* Removes the reader slots of dead processes, of one that had our pid before us
 * too; how many, with those that opening has removed. */
int store_clear_stale(struct store *store, uint32_t *cleared, struct failure *failure);

/* Flushes what weaker durability levels left in memory. */
int store_sync(struct store *store, struct failure *failure);

/* --- reading --- */

/* A reader is made once and kept: renew takes a snapshot (8 ns), reset lets it
 * go. Never hold a snapshot while waiting or while the user's code runs. renew fails as
 * store_recover does, too. */
int reader_open(struct txn **txn, struct store *store, struct failure *failure);
int reader_renew(struct txn *txn, struct failure *failure);
void reader_reset(struct txn *txn);

/* STORE if LMDB's slot for the reader was lost since it was renewed: another program took
 * this process for dead, and pages that were read may have been used again. To be asked
 * after bytes were copied and before they are given out; a few loads. Of a write
 * transaction 0. */
int reader_verify(const struct txn *txn, struct failure *failure);
void reader_close(struct txn *txn);           /* NULL is fine; renewed or not */

/* --- readers with a time limit --- */

/* Limits how long a renewed reader may hold its snapshot: until deadline_ms by
 * clock_elapsed_ms of the system's clock. From then on any thread may release it, so
 * it may be used between reader_enter and reader_leave only, and closed. */
void reader_limit(struct txn *txn, uint64_t deadline_ms);

/* Returns false if the reader has been released; then it can only be closed. A reader
 * without a limit never is. */
bool reader_enter(struct txn *txn);
void reader_leave(struct txn *txn);

/* Releases the store's readers whose deadline has passed, unless they are in use. One
 * load and a comparison while no reader has a deadline. */
void store_release_late(struct store *store);

/* --- reading what may be damaged --- */

struct meta_page;

/* A reader that does without LMDB: it reads with pread and believes nothing
 * (lmdb_file/raw_cursor.h). Of the snapshot that facts (lmdb_file/format.h) tell of; that nobody
 * uses its pages again is the caller's care. A row or a page that can't be read
 * is CORRUPT; the next MOVE_NEXT goes on behind it. What a cursor lends is good
 * until it moves, and txn_get lends until the next one in the same tree.
 * NO_MEMORY. */
int raw_txn_open(struct txn **txn, int fd, const struct meta_page *facts);
void raw_txn_close(struct txn *txn);          /* NULL is fine */

/* Times that it was CORRUPT because the disk did not give a page. */
uint64_t raw_txn_unread(const struct txn *txn);

/* The facts of the newest snapshot of a file that is in use, which `pin` (a
 * reader, renewed here) keeps from being used again, and the descriptor to read
 * it through. CORRUPT; BUSY: others commit too fast; STORE. */
struct meta_faults;
int raw_txn_pin(struct txn *pin, int *fd, struct meta_page *facts,
	struct meta_faults *faults, struct failure *failure);

/* --- writing --- */

/* Begins the one write transaction; the outer lock (store_shared_page) must be held
 * by the caller, who unlocks it after commit or abort. */
int writer_begin(struct txn **txn, struct store *store, struct failure *failure);

/* Ends it and sets *txn to NULL, whatever happens. A failure before anything
 * was made durable is DISK_FULL, FULL or STORE (also when the name of the database no
 * longer leads to the open file): nothing happened. Otherwise
 * UNKNOWN_OUTCOME: the store must be closed and opened again. Signals the wake
 * file after success. */
int writer_commit(struct txn **txn, struct failure *failure);
void writer_abort(struct txn **txn);

/* Adds to the streams that the commit's signal names (commit_notify). */
void txn_touch(struct txn *txn, uint64_t streams);

/* Refuses with FULL when a user's write would eat into the reserve that trims
 * and deletes need (5 %, at least 16 MiB, of the maximum size). Cheap until the
 * file nears its limit. */
int writer_check_space(struct txn *txn, struct failure *failure);

/* --- in both --- */

/* The snapshot's number; in a write transaction the number its commit gets. */
uint64_t txn_id(const struct txn *txn);
struct store *txn_store(const struct txn *txn);

/* The size of the file's pages. */
uint32_t txn_page_bytes(const struct txn *txn);

/* 0, END (no such row) or an error. */
int txn_get(struct txn *txn, enum tree tree, struct slice key, struct slice *value);
int txn_put(struct txn *txn, enum tree tree, struct slice key, struct slice value);
int txn_delete(struct txn *txn, enum tree tree, struct slice key);

/* The same for a value that is made in its page: *room is for its len bytes,
 * all of which are written before anything else is done in the transaction. */
int txn_put_reserve(struct txn *txn, enum tree tree, struct slice key, size_t len,
	uint8_t **buf);

/* The same for a key that is not there. Many in order of their keys take less
 * room and time so. */
int txn_insert_reserve(struct txn *txn, enum tree tree, struct slice key, size_t len,
	uint8_t **buf);

/* The same behind the last key of the tree; a key that isn't is CORRUPT. */
int txn_append_reserve(struct txn *txn, enum tree tree, struct slice key, size_t len,
	uint8_t **buf);

/* Rows in a tree. */
int txn_count(struct txn *txn, enum tree tree, uint64_t *rows);

/* The transaction's own cursor on a tree, made when first asked for, alive as
 * long as the transaction (a reader's survives reset and renew, unpositioned).
 * txn_get, txn_put, txn_put_reserve, txn_insert_reserve, txn_append_reserve and txn_delete
 * use and move it. */
int txn_cursor(struct txn *txn, enum tree tree, struct cursor **cursor);

/* One of the caller's own. Close it before the transaction ends or is reset. */
int cursor_open(struct cursor **cursor, struct txn *txn, enum tree tree);
void cursor_close(struct cursor *cursor);     /* NULL is fine */

/* Moves and lends the row: 0, END, or an error. For MOVE_TO and MOVE_FROM *key
 * says where; for the others it is only written. */
int cursor_move(struct cursor *cursor, enum move move, struct slice *key, struct slice *value);

/* For who walks forward and reads every row whole: given the row that was lent, has the
 * next one on its way from memory. LMDB fills a page from its end, so a row that was
 * appended lies just before the one that it follows, and no processor guesses so; where
 * it lies elsewhere this has fetched what nobody needs, and no more. */
static inline void cursor_expect_next(struct slice key, struct slice value)
{
	const size_t cache_line = 64;
	uintptr_t at = (uintptr_t)key.data;
	size_t len = value.len < STORE_ROW_SHARE ? value.len : STORE_ROW_SHARE;

	for (size_t before = cache_line; before <= len + cache_line; before += cache_line)
		__builtin_prefetch((const void *)(at - before));
}

/* Deletes the row that the cursor is on; then MOVE_NEXT gives the row behind it. */
int cursor_delete(struct cursor *cursor);

#endif
