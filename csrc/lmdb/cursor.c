/* cursor.c - reads and writes rows with cursors.
 *
 * A transaction keeps one cursor for each tree that it uses. The next row is usually close to the
 * last one, and then LMDB does not descend from the root, so that batched puts in key order take
 * half the time. A reader's cursors outlive its snapshots. Each cursor is renewed when it is first
 * used with a new snapshot.
 */
#include <assert.h>
#include <errno.h>

#include "base/memory.h"
#include "lmdb/internal.h"
#include "lmdb_file/raw_cursor.h"

/* Converts LMDB's code to an error and stores the first error in the transaction. The caller of
 * commit needs this cause, because after a failed write LMDB rejects every call with
 * MDB_BAD_TXN. */
static int note(struct txn *txn, int rc)
{
	int err;

	if (rc == MDB_NOTFOUND)
		return END;
	if (rc == MDB_BAD_TXN && txn->err)
		return txn->err;
	err = env_error(txn->store->fd, rc);
	txn->system = rc;
	if (!txn->err)
		txn->err = err;
	if (rc == MDB_MAP_FULL)   /* perhaps because slots of dead readers prevent reuse of pages */
		mdb_reader_check(txn->store->env, NULL);
	return err;
}

static inline int result(struct txn *txn, int rc)
{
	return rc ? note(txn, rc) : 0;
}

static inline MDB_val val_of(struct slice slice)
{
	return (MDB_val){ slice.len, (void *)(uintptr_t)slice.data };
}

static inline struct slice slice_of_val(const MDB_val *val)
{
	return (struct slice){ val->mv_data, val->mv_size };
}

static inline bool key_fits(struct slice key)
{
	return key.len > 0 && key.len <= STORE_KEY_MAX;
}

/* --- cursors --- */

static int prepare_slowly(struct cursor *cursor, struct txn *txn, enum tree tree)
{
	int rc;

	if (txn->raw)
		return raw_txn_cursor(cursor, txn, tree);
	if (cursor->mdb)
		rc = mdb_cursor_renew(txn->mdb, cursor->mdb);
	else
		rc = mdb_cursor_open(txn->mdb, txn->store->trees[tree], &cursor->mdb);
	if (rc)
		return note(txn, rc);
	cursor->txn = txn;
	cursor->snapshot = txn->snapshot;
	return 0;
}

/* Returns the transaction's own cursor on a tree, opened or renewed if necessary. */
static inline int own_cursor(struct txn *txn, enum tree tree, MDB_cursor **mdb)
{
	struct cursor *cursor = &txn->own[tree];
	int err = 0;

	if (!cursor->mdb || cursor->snapshot != txn->snapshot)
		err = prepare_slowly(cursor, txn, tree);
	*mdb = cursor->mdb;
	return err;
}

int txn_cursor(struct txn *txn, enum tree tree, struct cursor **cursor)
{
	MDB_cursor *mdb;

	*cursor = &txn->own[tree];
	return (*cursor)->raw ? 0 : own_cursor(txn, tree, &mdb);
}

int cursor_open(struct cursor **out, struct txn *txn, enum tree tree)
{
	struct cursor *cursor = memory_alloc_zeroed(sizeof *cursor);
	int err;

	*out = NULL;
	if (!cursor)
		return ERR_NO_MEMORY;
	err = prepare_slowly(cursor, txn, tree);
	if (err)
		memory_free(cursor);
	else
		*out = cursor;
	return err;
}

void cursor_close(struct cursor *cursor)
{
	if (!cursor)
		return;
	if (cursor->raw)
		raw_cursor_close(cursor->raw);
	else if (!store_is_foreign(cursor->txn->store))
		mdb_cursor_close(cursor->mdb);
	memory_free(cursor);
}

void cursors_close(struct txn *txn)
{
	for (int i = 0; i < TREE_COUNT; i++) {
		if (txn->own[i].mdb)
			mdb_cursor_close(txn->own[i].mdb);
		txn->own[i].mdb = NULL;
	}
}

int cursor_move(struct cursor *cursor, enum move move, struct slice *key, struct slice *value)
{
	static const MDB_cursor_op operations[] = {
		[MOVE_FIRST] = MDB_FIRST,
		[MOVE_LAST] = MDB_LAST,
		[MOVE_NEXT] = MDB_NEXT,
		[MOVE_PREVIOUS] = MDB_PREV,
		[MOVE_HERE] = MDB_GET_CURRENT,
		[MOVE_TO] = MDB_SET_KEY,
		[MOVE_FROM] = MDB_SET_RANGE,
	};
	struct txn *txn = cursor->txn;
	MDB_cursor_op operation = operations[move];
	MDB_val found = { 0, NULL };
	MDB_val row;
	int rc;

	if (cursor->raw)
		return raw_cursor_move(cursor->raw, move, key, value);
	if (cursor->snapshot != txn->snapshot) {
		rc = mdb_cursor_renew(txn->mdb, cursor->mdb);
		if (rc)
			return note(txn, rc);
		cursor->snapshot = txn->snapshot;
	}
	if (move == MOVE_TO || move == MOVE_FROM) {
		found = val_of(*key);
		if (move == MOVE_FROM && key->len == 0)
			operation = MDB_FIRST;   /* LMDB rejects the empty key */
	}
	rc = mdb_cursor_get(cursor->mdb, &found, &row, operation);
	if (rc == EINVAL && move == MOVE_HERE)   /* the cursor has no position */
		return END;
	if (rc)
		return note(txn, rc);
	*key = slice_of_val(&found);
	*value = slice_of_val(&row);
	return 0;
}

/* --- reading --- */

static int get_raw(struct txn *txn, enum tree tree, struct slice key, struct slice *value)
{
	struct cursor *cursor;
	int err = txn_cursor(txn, tree, &cursor);

	return err ? err : cursor_move(cursor, MOVE_TO, &key, value);
}

int txn_get(struct txn *txn, enum tree tree, struct slice key, struct slice *value)
{
	MDB_cursor *cursor;
	MDB_val sought = val_of(key);
	MDB_val found;
	int err;
	int rc;

	assert(key_fits(key));
	if (txn->raw)
		return get_raw(txn, tree, key, value);
	err = own_cursor(txn, tree, &cursor);
	if (err)
		return err;
	rc = mdb_cursor_get(cursor, &sought, &found, MDB_SET);
	if (rc)
		return note(txn, rc);
	*value = slice_of_val(&found);
	return 0;
}

int txn_count(struct txn *txn, enum tree tree, uint64_t *rows)
{
	MDB_stat stat;
	int rc;

	if (txn->raw) {
		*rows = raw_txn_count(txn, tree);
		return 0;
	}
	rc = mdb_stat(txn->mdb, txn->store->trees[tree], &stat);
	*rows = rc ? 0 : stat.ms_entries;
	return result(txn, rc);
}

/* --- writing --- */

static inline void count_row(struct txn *txn, size_t bytes)
{
	txn->rows_written++;
	txn->bytes_written += bytes;
}

static inline int put(struct txn *txn, enum tree tree, struct slice key, MDB_val *value,
	unsigned flags)
{
	MDB_val k = val_of(key);
	MDB_cursor *cursor;
	int err = own_cursor(txn, tree, &cursor);

	assert(txn->writing && key_fits(key));
	if (err)
		return err;
	count_row(txn, key.len + value->mv_size);
	return result(txn, mdb_cursor_put(cursor, &k, value, flags));
}

int txn_put(struct txn *txn, enum tree tree, struct slice key, struct slice value)
{
	MDB_val v = val_of(value);

	return put(txn, tree, key, &v, 0);
}

int txn_put_reserve(struct txn *txn, enum tree tree, struct slice key, size_t len, uint8_t **buf)
{
	MDB_val v = { len, NULL };
	int err = put(txn, tree, key, &v, MDB_RESERVE);

	*buf = v.mv_data;
	return err;
}

/* Inserts a row. From the second insertion at the end of the tree on, uses MDB_APPEND, because
 * LMDB then fills each page completely and otherwise leaves space for one more row. If the key is
 * not the last one, LMDB returns MDB_KEYEXIST, and the row is inserted normally. */
static int insert(struct cursor *own, MDB_val *key, MDB_val *value)
{
	MDB_val after, ignored;
	int rc;

	if (own->at_end) {
		rc = mdb_cursor_put(own->mdb, key, value, MDB_APPEND | MDB_RESERVE);
		if (rc != MDB_KEYEXIST)
			return rc;
	}
	rc = mdb_cursor_put(own->mdb, key, value, MDB_RESERVE);
	own->at_end = !rc && own->has_inserted &&
		mdb_cursor_get(own->mdb, &after, &ignored, MDB_NEXT) == MDB_NOTFOUND;
	own->has_inserted = true;
	return rc;
}

int txn_insert_reserve(struct txn *txn, enum tree tree, struct slice key, size_t len,
	uint8_t **buf)
{
	MDB_val k = val_of(key);
	MDB_val v = { len, NULL };
	MDB_cursor *cursor;
	int err = own_cursor(txn, tree, &cursor);

	assert(txn->writing && key_fits(key));
	if (!err) {
		count_row(txn, key.len + len);
		err = result(txn, insert(&txn->own[tree], &k, &v));
	}
	*buf = v.mv_data;
	return err;
}

int txn_append_reserve(struct txn *txn, enum tree tree, struct slice key, size_t len,
	uint8_t **buf)
{
	MDB_val v = { len, NULL };
	int err = put(txn, tree, key, &v, MDB_APPEND | MDB_RESERVE);

	*buf = v.mv_data;
	return err;
}

int txn_delete(struct txn *txn, enum tree tree, struct slice key)
{
	MDB_cursor *cursor;
	MDB_val sought = val_of(key);
	MDB_val found;
	int err = own_cursor(txn, tree, &cursor);
	int rc;

	assert(txn->writing && key_fits(key));
	if (err)
		return err;
	rc = mdb_cursor_get(cursor, &sought, &found, MDB_SET);
	if (!rc) {
		count_row(txn, 0);
		rc = mdb_cursor_del(cursor, 0);
	}
	return result(txn, rc);
}

int cursor_delete(struct cursor *cursor)
{
	assert(cursor->txn->writing);
	count_row(cursor->txn, 0);
	return result(cursor->txn, mdb_cursor_del(cursor->mdb, 0));
}
