/* database.h - what the files behind tide.h share. */
#ifndef API_DATABASE_H
#define API_DATABASE_H

#include "codec/state.h"
#include "expr/cache.h"
#include "lmdb/store.h"
#include "os/thread.h"
#include "stream/feed.h"
#include "table/catalog.h"
#include "table/define.h"
#include "table/file_header.h"
#include "table/read.h"
#include "table/sweep.h"
#include "table/transaction.h"
#include "table/write.h"
#include "tide.h"

struct tide {
	struct store *store;
	bool read_only;
	char *given_path;            /* absolute, if it is not the store's; else NULL */
	uint64_t name_checked_ms;    /* by clock_elapsed_ms: see tide_check_name */
	bool mark_due;               /* tide_mark_boot has work to do */
	struct file_header header;
	struct catalog catalog;
	struct txn *reader;          /* kept; renewed for a page, then reset */
	struct state state;          /* as the reader last saw it, */
	uint64_t state_at;           /* in this snapshot; 0: never */
	struct transaction transaction;
	uint64_t last_change;        /* see tide_last_change */
	struct tide_waiter *waiter;  /* of the next transaction; NULL: none */
	struct buffer scratch;
	struct expression_cache expressions;
};

/* --- check.c --- */

/* tide_check; a step of progress for each row, each item and each record. */
int check_all_rows(struct tide *tide, struct report *report, struct progress *progress,
	struct failure *failure);

/* What tide_check needs of the handle before any thread checks its store: NESTED. */
int check_prepare(struct tide *tide, uint32_t *stale_readers, struct failure *failure);

/* tide_check_file. */
int check_file(const char *path, struct report *report, struct progress *progress,
	struct failure *failure);

/* --- wait.c --- */

struct tide_waiter {
	struct tide *tide;
	struct lock_waiter lock;
};

/* --- database.c --- */

/* What a reading call reads from: the open transaction, or a fresh snapshot. */
struct read_view {
	struct txn *txn;
	const struct state *state;
};

/* Takes a snapshot and refreshes the catalog; look_away releases it. */
int tide_read_begin(struct tide *tide, struct read_view *snapshot, struct failure *failure);
/* The same, but of the last commit even inside a transaction: streams show, and
 * number, only what is committed. (Meanwhile nobody else changes the catalog.) */
int tide_read_committed_begin(struct tide *tide, struct read_view *snapshot,
	struct failure *failure);

/* Releases the snapshot. Returns err, or STORE if the snapshot was lost while it was read
 * (reader_verify): then nothing of what was read may be given out. */
int tide_read_end(struct tide *tide, const struct read_view *snapshot, int err,
	struct failure *failure);

/* The table in the catalog as it is; NULL, with NOT_FOUND in failure. */
const struct table *tide_find(struct tide *tide, struct tide_table *table,
	struct failure *failure);

/* --- snapshot.c --- */

/* One that is held. */
struct tide_snapshot {
	struct txn *reader;
	struct state state;
	uint64_t commit;             /* the last one that it sees */
};

/* Takes a snapshot of the last commit, also inside a transaction of the handle. */
int snapshot_take(struct tide_snapshot **out, struct tide *tide, struct failure *failure);

/* Begins to read from the snapshot: TIMEOUT if its time limit has passed and it was
 * released. Nothing may be lent beyond snapshot_leave. */
int snapshot_enter(const struct tide_snapshot *snapshot, struct failure *failure);
void snapshot_leave(const struct tide_snapshot *snapshot);

/* The table as this snapshot has it: in the catalog, or in room when that is of
 * another time. */
int tide_find_at(struct tide *tide, const struct tide_snapshot *snapshot,
	struct tide_table *table, struct table *buf, const struct table **found,
	struct failure *failure);

#endif
