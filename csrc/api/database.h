/* database.h - struct tide and the functions shared by the files that implement tide.h. */
#ifndef API_DATABASE_H
#define API_DATABASE_H

#include "codec/consumer.h"
#include "codec/state.h"
#include "expr/cache.h"
#include "lmdb/txn.h"
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
	bool mark_due;               /* tide_mark_opening must run, which needs the write lock */
	uint64_t max_size;           /* maximum size given to tide_open; 0: none */
	struct file_header header;
	struct buffer identity;      /* see tide_identity */
	uint64_t identity_at;        /* catalog version for which header and identity are valid */
	uint8_t opening[WORKER_OPENING_BYTES];       /* random id of this opening of the file */
	struct catalog catalog;
	struct txn *reader;          /* renewed at the beginning of a read call, reset at its end */
	struct state state;          /* state that was last read by the reader */
	uint64_t state_at;           /* commit number of the snapshot of `state`; 0: none */
	struct transaction transaction;
	uint64_t last_change;        /* see tide_last_change */
	struct tide_waiter *waiter;  /* place in the queue that the next tide_begin uses; NULL:
	                              * none */
	struct buffer scratch;
	struct expression_cache expressions;
};

/* --- check.c --- */

/* Checks all rows, like tide_check. Adds one step to progress for each row, item and record. */
int check_all_rows(struct tide *tide, struct report *report, struct progress *progress,
	struct failure *failure);

/* Clears the reader slots of dead processes before a thread checks the handle's store, and sets
 * *stale_readers to their number. Returns NESTED in a transaction. */
int check_prepare(struct tide *tide, uint32_t *stale_readers, struct failure *failure);

/* Checks a file, like tide_check_file, and reports the progress. */
int check_file(const char *path, struct report *report, struct progress *progress,
	struct failure *failure);

/* --- wait.c --- */

struct tide_waiter {
	struct tide *tide;
	struct lock_waiter lock;
};

/* --- database.c --- */

/* Ends the transaction of a single call: commits if err is 0, otherwise aborts. Returns err, or the
 * error of the commit. */
int tide_end(struct tide *tide, int err, struct failure *failure);

/* Source of one read call: the open transaction, or a snapshot of the last commit. */
struct read_view {
	struct txn *txn;
	const struct state *state;
};

/* Begins a read call: fills *snapshot and refreshes the catalog. tide_read_end ends it. */
int tide_read_begin(struct tide *tide, struct read_view *snapshot, struct failure *failure);

/* Like tide_read_begin, but takes a snapshot of the last commit even in a transaction, because
 * streams contain committed changes only. */
int tide_read_committed_begin(struct tide *tide, struct read_view *snapshot,
	struct failure *failure);

/* Ends the read call and releases its snapshot. Returns err, or STORE if the snapshot was lost
 * during the call (reader_verify); the caller then discards everything that it has read. */
int tide_read_end(struct tide *tide, const struct read_view *snapshot, int err,
	struct failure *failure);

/* Returns the keyspace of a table for this read call. It hides the items that have expired by now
 * or, if the call reads the open transaction, by the time of the transaction. */
struct keyspace tide_keyspace(const struct tide *tide, const struct read_view *snapshot,
	const struct table *table);

/* --- tables.c --- */

/* Sets *found to the table in the handle's catalog, which is read from txn if it is not cached. It
 * is valid until the next read call or transaction begins. Returns NOT_FOUND if there is no such
 * table. */
int tide_find(struct tide *tide, struct txn *txn, struct tide_table *table,
	const struct table **found, struct failure *failure);

/* The same for a caller that cannot read: returns NULL if the table is not cached. */
const struct table *tide_find_cached(const struct tide *tide, struct tide_table *table);

/* --- streams.c --- */

/* Fills *view from the snapshot. Returns the wall clock, in ms, from which the view's retention
 * clock was computed. */
uint64_t tide_view_streams(struct tide *tide, const struct read_view *snapshot,
	struct view_of_streams *view);

/* --- feeds.c --- */

/* Returns STREAM_ENDED with the reason in the message: the table of the stream was deleted, or has
 * another stream or none. */
int tide_fail_stream_ended(struct tide *tide, struct txn *txn, const struct stream_row *row,
	struct failure *failure);

/* Returns a start position. */
struct position tide_position(enum tide_from from, uint64_t at);

/* --- snapshot.c --- */

struct tide_snapshot {
	struct txn *reader;
	struct state state;
	uint64_t now_ms;             /* time at which it was taken; hides items expired by then */
	uint64_t commit;             /* number of the commit that it contains */
};

/* Takes a snapshot of the last commit, even in a transaction of the handle. */
int snapshot_take(struct tide_snapshot **out, struct tide *tide, struct failure *failure);

/* Begins to read from the snapshot. Returns TIMEOUT if the snapshot was released because its time
 * limit has passed. Slices that point into the snapshot are valid until snapshot_leave. */
int snapshot_enter(const struct tide_snapshot *snapshot, struct failure *failure);
void snapshot_leave(const struct tide_snapshot *snapshot);

/* Sets *found to the table in this snapshot. If the handle's catalog has the snapshot's version,
 * this is the table in the catalog, otherwise *buf, which is read from the snapshot. Errors:
 * NOT_FOUND, TIMEOUT, CORRUPT. */
int tide_find_at(struct tide *tide, const struct tide_snapshot *snapshot,
	struct tide_table *table, struct table *buf, const struct table **found,
	struct failure *failure);

#endif
