/* database.h - struct tide and the functions shared by the files that implement tide.h. */
#ifndef API_DATABASE_H
#define API_DATABASE_H

#include "codec/consumer.h"
#include "codec/state.h"
#include "expr/cache.h"
#include "lmdb/store.h"
#include "os/thread.h"
#include "stream/feed.h"
#include "table/catalog.h"
#include "table/define.h"
#include "table/expire.h"
#include "table/file_header.h"
#include "table/item_count.h"
#include "table/read.h"
#include "table/sweep.h"
#include "table/transaction.h"
#include "table/truncate.h"
#include "table/write.h"
#include "tide.h"

struct tide {
	struct store *store;
	bool read_only;
	char *given_path;            /* path given to tide_open, made absolute; NULL if it is
	                              * the store's path */
	uint64_t name_checked_ms;    /* clock_elapsed_ms at the last check by tide_check_name */
	bool mark_due;               /* tide_mark_opening has work to do */
	uint64_t max_size;           /* maximum size given to tide_open; 0: none */
	struct file_header header;
	uint8_t opening[WORKER_OPENING_BYTES];       /* random id of this opening of the file */
	struct catalog catalog;
	struct txn *reader;          /* kept open; renewed for a page, then reset */
	struct state state;          /* last state that the reader has read */
	uint64_t state_at;           /* snapshot that `state` was read from; 0: none */
	struct transaction transaction;
	uint64_t last_change;        /* see tide_last_change */
	struct tide_waiter *waiter;  /* used by the next tide_begin; NULL: none */
	struct buffer scratch;
	struct expression_cache expressions;
};

/* --- check.c --- */

/* Does the work of tide_check. Adds to progress one step for each row, item and record. */
int check_all_rows(struct tide *tide, struct report *report, struct progress *progress,
	struct failure *failure);

/* Clears the reader slots of dead processes before a thread checks the handle's store, and sets
 * *stale_readers to their number. Returns NESTED in a transaction. */
int check_prepare(struct tide *tide, uint32_t *stale_readers, struct failure *failure);

/* Does the work of tide_check_file. */
int check_file(const char *path, struct report *report, struct progress *progress,
	struct failure *failure);

/* --- wait.c --- */

struct tide_waiter {
	struct tide *tide;
	struct lock_waiter lock;
};

/* --- database.c --- */

/* Source of one read call: the open transaction, or a snapshot of the last commit. */
struct read_view {
	struct txn *txn;
	const struct state *state;
};

/* Begins a read call: fills *snapshot and refreshes the catalog. tide_read_end ends it. */
int tide_read_begin(struct tide *tide, struct read_view *snapshot, struct failure *failure);

/* Like tide_read_begin, but always takes a snapshot of the last commit, also in a transaction,
 * because streams contain only what is committed. */
int tide_read_committed_begin(struct tide *tide, struct read_view *snapshot,
	struct failure *failure);

/* Releases the snapshot. Returns err, or STORE if the snapshot was lost while it was read
 * (reader_verify), so that what was read must be discarded. */
int tide_read_end(struct tide *tide, const struct read_view *snapshot, int err,
	struct failure *failure);

/* Returns the keyspace of a table for this read call. Items that are expired now, or at the time of
 * the open transaction, are absent. */
struct keyspace tide_keyspace(const struct tide *tide, const struct read_view *snapshot,
	const struct table *table);

/* Sets *found to the table in the handle's catalog, which is read from txn if it is not cached. It
 * is valid until the next read call or transaction begins. Returns NOT_FOUND. */
int tide_find(struct tide *tide, struct txn *txn, struct tide_table *table,
	const struct table **found, struct failure *failure);

/* The same for a caller that can't read: returns NULL if the table is not cached. */
const struct table *tide_find_cached(const struct tide *tide, struct tide_table *table);

/* --- snapshot.c --- */

struct tide_snapshot {
	struct txn *reader;
	struct state state;
	uint64_t now_ms;             /* when it was taken: items expired then are absent */
	uint64_t commit;             /* number of the commit that it shows */
};

/* Takes a snapshot of the last commit, also in a transaction of the handle. */
int snapshot_take(struct tide_snapshot **out, struct tide *tide, struct failure *failure);

/* Begins to read from the snapshot. Returns TIMEOUT if it was released because its time limit
 * has passed. Slices that point into the snapshot are valid until snapshot_leave. */
int snapshot_enter(const struct tide_snapshot *snapshot, struct failure *failure);
void snapshot_leave(const struct tide_snapshot *snapshot);

/* Sets *found to the table in this snapshot: to the handle's catalog if that has the snapshot's
 * version, otherwise to *buf, which is read from the snapshot. Returns NOT_FOUND, TIMEOUT. */
int tide_find_at(struct tide *tide, const struct tide_snapshot *snapshot,
	struct tide_table *table, struct table *buf, const struct table **found,
	struct failure *failure);

#endif
