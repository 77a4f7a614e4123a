/* compaction.c - copies all rows of a snapshot to a new file, in key order.
 *
 *     snapshot of the store      a cursor on each tree
 *     the new file               MDB_APPEND, one transaction for each COMMIT_EVERY bytes of rows
 *
 * LMDB's own compact copy leaves out free pages and copies the others as they are, and pages that
 * were split in the middle are half full. Appended rows fill each page. The rows of TREE_META are
 * copied before the named trees are created, because LMDB stores the names after these rows.
 */
#include <errno.h>
#include <unistd.h>

#include "lmdb/internal.h"
#include "os/temporary.h"
#include "os/thread.h"

/* Number of bytes of rows after which the transaction is committed. Bounds the memory for its
 * changed pages. */
#define COMMIT_EVERY (UINT64_C(8) << 20)

/* Maximum number of unflushed bytes of rows. The limit bounds the time of the last flush, and the
 * time for which commits on the same disk wait for writes of the copy. */
#define FLUSH_EVERY (UINT64_C(64) << 20)

/* Number of bytes of rows after which the progress is updated. */
#define COUNT_EVERY (UINT64_C(64) << 10)

struct compaction {
	struct store *from;
	MDB_txn *snapshot;
	struct store *to;
	MDB_txn *mdb;            /* of the new file */
	MDB_cursor *cursor;      /* at the end of the current tree in mdb */
	enum tree tree;
	int fd;                  /* of the new file */
	uint64_t uncommitted, unflushed;     /* in bytes of rows */
	uint64_t uncounted;      /* in bytes of rows */
	uint64_t rows;           /* number of rows not yet reported to progress */
	struct progress *progress;
	struct failure *failure;
};

/* --- the new file --- */

static int write_failed(struct compaction *compaction, int rc)
{
	return env_fail(compaction->failure, compaction->to, rc, "can't be written");
}

static int begin(struct compaction *compaction)
{
	int rc = mdb_txn_begin(compaction->to->env, NULL, 0, &compaction->mdb);

	if (rc)
		compaction->mdb = NULL;
	return rc ? write_failed(compaction, rc) : 0;
}

/* LMDB closes the cursor, too. */
static int commit(struct compaction *compaction)
{
	int rc = mdb_txn_commit(compaction->mdb);

	compaction->mdb = NULL;
	compaction->cursor = NULL;
	compaction->uncommitted = 0;
	if (!rc && compaction->unflushed >= FLUSH_EVERY) {
		compaction->unflushed = 0;
		rc = fdatasync(compaction->fd) ? errno : 0;
	}
	return rc ? write_failed(compaction, rc) : 0;
}

static int open_cursor(struct compaction *compaction)
{
	MDB_dbi tree = compaction->to->trees[compaction->tree];
	int rc = mdb_cursor_open(compaction->mdb, tree, &compaction->cursor);

	return rc ? write_failed(compaction, rc) : 0;
}

static int count_rows(struct compaction *compaction)
{
	int err = progress_step(compaction->progress, compaction->rows);

	compaction->rows = compaction->uncounted = 0;
	return err ? fail(compaction->failure, err) : 0;
}

static int count_row(struct compaction *compaction, size_t bytes)
{
	int err = 0;

	compaction->rows++;
	compaction->uncounted += bytes;
	compaction->uncommitted += bytes;
	compaction->unflushed += bytes;
	if (compaction->uncounted >= COUNT_EVERY)
		err = count_rows(compaction);
	if (err || compaction->uncommitted < COMMIT_EVERY)
		return err;
	err = commit(compaction);
	if (!err)
		err = begin(compaction);
	return err ? err : open_cursor(compaction);
}

static int append(struct compaction *compaction, MDB_val *key, MDB_val *value)
{
	int rc = mdb_cursor_put(compaction->cursor, key, value, MDB_APPEND);

	return rc ? write_failed(compaction, rc)
		: count_row(compaction, key->mv_size + value->mv_size);
}

/* --- trees --- */

/* Returns true for a row of TREE_META that contains the root of another tree. */
static bool is_name(enum tree tree, const MDB_val *key)
{
	return tree == TREE_META && *(const uint8_t *)key->mv_data >= TREE_META_END;
}

static int append_all(struct compaction *compaction, MDB_cursor *from)
{
	MDB_val key, value;
	int rc;

	while ((rc = mdb_cursor_get(from, &key, &value, MDB_NEXT)) == 0) {
		int err;

		if (is_name(compaction->tree, &key))
			return 0;
		err = append(compaction, &key, &value);
		if (err)
			return err;
	}
	return rc == MDB_NOTFOUND ? 0
		: env_fail(compaction->failure, compaction->from, rc, "can't be read");
}

static int copy_tree(struct compaction *compaction, enum tree tree)
{
	MDB_cursor *from;
	int rc = mdb_cursor_open(compaction->snapshot, compaction->from->trees[tree], &from);
	int err;

	if (rc)
		return env_fail(compaction->failure, compaction->from, rc, "can't be read");
	compaction->tree = tree;
	err = open_cursor(compaction);
	if (!err)
		err = append_all(compaction, from);
	mdb_cursor_close(from);
	return err;
}

static int create_trees(struct compaction *compaction)
{
	int rc = env_open_trees(compaction->to, compaction->mdb, MDB_CREATE);

	return rc ? write_failed(compaction, rc) : 0;
}

static int copy_trees(struct compaction *compaction)
{
	int rc = mdb_dbi_open(compaction->mdb, NULL, 0, &compaction->to->trees[TREE_META]);
	int err = rc ? write_failed(compaction, rc) : copy_tree(compaction, TREE_META);

	if (!err)
		err = create_trees(compaction);
	for (int tree = TREE_META + 1; tree < TREE_COUNT && !err; tree++)
		err = copy_tree(compaction, (enum tree)tree);
	if (!err)
		err = commit(compaction);
	return err ? err : count_rows(compaction);
}

/* --- interface --- */

int compact_count(struct store *store, MDB_txn *snapshot, uint64_t *rows)
{
	*rows = 0;
	for (int tree = 0; tree < TREE_COUNT; tree++) {
		MDB_stat stat;
		int rc = mdb_stat(snapshot, store->trees[tree], &stat);

		if (rc)
			return rc;
		*rows += stat.ms_entries;
	}
	*rows -= TREE_COUNT - 1;         /* the names */
	return 0;
}

int compact_rows(struct store *store, MDB_txn *snapshot, const struct temporary *to,
	struct progress *progress, struct failure *failure)
{
	const struct store_options options = {
		.max_bytes = 1,          /* so that only the file and the reserve are mapped */
		.clock = clock_system(),
	};
	struct compaction compaction = { .from = store, .snapshot = snapshot, .fd = to->fd,
		.progress = progress, .failure = failure };
	int err = env_open_made(&compaction.to, &options, to->path, to, env_page_count(store),
		failure);

	if (err)
		return err;
	err = begin(&compaction);
	if (!err)
		err = copy_trees(&compaction);
	if (compaction.mdb)
		mdb_txn_abort(compaction.mdb);
	env_close_made(compaction.to);
	return err;
}
