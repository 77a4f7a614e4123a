/* peer_lmdb.c - LMDB alone, as the baseline.
 *
 * Two trees: items, and changes (lib/change.h). The fastest function of LMDB is used
 * for each operation. Followers poll, because LMDB has no notification.
 */
#include <lmdb.h>
#include <stdio.h>
#include <string.h>

#include "lib/change.h"

#define MAP_BYTES ((size_t)64 << 30)

static MDB_env *env;
static MDB_dbi items, changes;
static MDB_txn *txn;             /* write transaction */
static MDB_cursor *item_at, *change_at;
static MDB_txn *snapshot;        /* read transaction */
static MDB_cursor *walk;
static uint64_t sequence;        /* number of the last change written or read */
static enum use use;

static void must(int rc, const char *what)
{
	if (rc)
		die(what, mdb_strerror(rc));
}

static void describe(void)
{
	printf("%s\n", mdb_version(NULL, NULL, NULL));
	printf("full: no flags; one_flush: MDB_NOMETASYNC; none: MDB_NOSYNC\n");
	printf("put: MDB_SET, MDB_APPEND|MDB_RESERVE of the change, MDB_CURRENT of the item\n");
}

static MDB_txn *begin_txn(unsigned flags)
{
	MDB_txn *begun;

	must(mdb_txn_begin(env, NULL, flags, &begun), "begin");
	return begun;
}

static MDB_cursor *cursor_of(MDB_txn *of, MDB_dbi tree)
{
	MDB_cursor *cursor;

	must(mdb_cursor_open(of, tree, &cursor), "cursor");
	return cursor;
}

static unsigned flags_of(enum level level)
{
	switch (level) {
	case LEVEL_FULL:
		return 0;
	case LEVEL_ONE_FLUSH:
		return MDB_NOMETASYNC;
	case LEVEL_NONE:
		return MDB_NOSYNC;
	case LEVEL_RELAXED:
		break;
	}
	die("lmdb", "has no such level");
}

static void last_sequence(MDB_cursor *cursor)
{
	MDB_val key, value;
	int rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);

	if (rc != MDB_NOTFOUND)
		must(rc, "last change");
	sequence = rc ? 0 : change_number(key.mv_data);
}

static void open_env(const char *path, enum level level, enum use wanted)
{
	unsigned flags = flags_of(level) | MDB_NOSUBDIR | MDB_NOTLS;

	use = wanted;
	must(mdb_env_create(&env), path);
	must(mdb_env_set_mapsize(env, MAP_BYTES), path);
	must(mdb_env_set_maxdbs(env, 2), path);
	must(mdb_env_open(env, path_of(path, "data.lmdb"), flags, 0600), path);
	txn = begin_txn(0);
	must(mdb_dbi_open(txn, "items", MDB_CREATE, &items), path);
	must(mdb_dbi_open(txn, "changes", MDB_CREATE, &changes), path);
	must(mdb_txn_commit(txn), path);
	snapshot = begin_txn(MDB_RDONLY);
	walk = cursor_of(snapshot, changes);
	last_sequence(walk);
	mdb_txn_reset(snapshot);
}

static void close_env(void)
{
	mdb_cursor_close(walk);
	mdb_txn_abort(snapshot);
	mdb_env_close(env);
}

/* --- writing --- */

static void begin(uint64_t puts)
{
	(void)puts;
	txn = begin_txn(0);
	item_at = cursor_of(txn, items);
	change_at = cursor_of(txn, changes);
}

static void commit(void)
{
	mdb_cursor_close(item_at);
	mdb_cursor_close(change_at);
	must(mdb_txn_commit(txn), "commit");
}

static void append_change(const uint8_t *old_image, size_t old_len, const struct order *order)
{
	uint8_t number[CHANGE_KEY];
	MDB_val key = { CHANGE_KEY, number };
	MDB_val value = { CHANGE_HEAD + old_len + ORDER_ITEM, NULL };
	uint8_t *at;

	change_set_key(number, ++sequence);
	must(mdb_cursor_put(change_at, &key, &value, MDB_APPEND | MDB_RESERVE), "append");
	at = value.mv_data;
	change_set_head(at, old_len);
	memcpy(at + CHANGE_HEAD, old_image, old_len);
	memcpy(at + CHANGE_HEAD + old_len, order->item, ORDER_ITEM);
}

static void put(const struct order *order)
{
	MDB_val key = { ORDER_KEY, (void *)(uintptr_t)order->key };
	MDB_val value = { ORDER_ITEM, (void *)(uintptr_t)order->item };
	MDB_val old = { 0, NULL };
	unsigned flags = 0;

	if (use == USE_CAPTURED) {
		if (mdb_cursor_get(item_at, &key, &old, MDB_SET) == 0)
			flags = MDB_CURRENT;
		append_change(old.mv_data ? old.mv_data : order->item, old.mv_size, order);
	}
	must(mdb_cursor_put(item_at, &key, &value, flags), "put");
}

static void flush(void)
{
	must(mdb_env_sync(env, 1), "flush");
}

static uint64_t trim(uint64_t stay)
{
	MDB_stat stat;
	uint64_t count, gone = 0;

	must(mdb_txn_renew(snapshot), "trim");
	must(mdb_stat(snapshot, changes, &stat), "trim");
	mdb_txn_reset(snapshot);
	count = stat.ms_entries > stay ? stat.ms_entries - stay : 0;
	while (gone < count) {
		MDB_val key, value;

		begin(TRIM_BATCH);
		for (int i = 0; i < TRIM_BATCH && gone < count; i++, gone++) {
			must(mdb_cursor_get(change_at, &key, &value, i ? MDB_NEXT : MDB_FIRST),
				"trim");
			must(mdb_cursor_del(change_at, 0), "trim");
		}
		commit();
	}
	return gone;
}

/* --- reading --- */

static bool get(const uint8_t *key_bytes, uint8_t *item)
{
	MDB_val key = { ORDER_KEY, (void *)(uintptr_t)key_bytes };
	MDB_val value;
	int rc;

	must(mdb_txn_renew(snapshot), "get");
	rc = mdb_get(snapshot, items, &key, &value);
	if (rc == 0 && value.mv_size == ORDER_ITEM)
		memcpy(item, value.mv_data, ORDER_ITEM);
	mdb_txn_reset(snapshot);
	return rc == 0;
}

static bool has_snapshot;        /* a scan has started */

static void start(bool behind_last)
{
	if (has_snapshot)
		mdb_txn_reset(snapshot);
	has_snapshot = false;
	if (!behind_last)
		sequence = 0;
}

/* Reads the change after the last one returned, from this snapshot or from a new one. */
static int step(MDB_val *key, MDB_val *value)
{
	uint8_t number[CHANGE_KEY];

	if (has_snapshot)
		return mdb_cursor_get(walk, key, value, MDB_NEXT);
	must(mdb_txn_renew(snapshot), "renew");
	must(mdb_cursor_renew(snapshot, walk), "renew");
	has_snapshot = true;
	change_set_key(number, sequence + 1);
	*key = (MDB_val){ CHANGE_KEY, number };
	return mdb_cursor_get(walk, key, value, MDB_SET_RANGE);
}

static bool next(struct change *change)
{
	MDB_val key, value;
	int rc = step(&key, &value);

	if (rc == MDB_NOTFOUND) {
		start(true);
		return false;
	}
	must(rc, "next");
	sequence = change_number(key.mv_data);
	change_read(change, value.mv_data, value.mv_size);
	return true;
}

const struct peer peer = {
	.name = "lmdb",
	.describe = describe,
	.open = open_env,
	.close = close_env,
	.begin = begin,
	.put = put,
	.commit = commit,
	.flush = flush,
	.get = get,
	.start = start,
	.next = next,
	.trim = trim,
};
