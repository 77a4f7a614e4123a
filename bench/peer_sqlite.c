/* peer_sqlite.c - SQLite, with triggers that store both images in a table of changes.
 *
 * Chosen in favour of SQLite: no AUTOINCREMENT, although numbers restart without it
 * after all rows have been deleted; a row contains only its number, the key and the
 * images. Followers poll, because SQLite has no notification of other processes.
 */
#include <stdio.h>

#include "lib/peer.h"
#include "lib/sqlite.h"

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS items ("
	"key BLOB PRIMARY KEY, item BLOB NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS changes ("
	"sequence INTEGER PRIMARY KEY, key BLOB NOT NULL, old BLOB, new BLOB);";

static const char triggers[] =
	"CREATE TRIGGER IF NOT EXISTS inserted AFTER INSERT ON items BEGIN "
	"INSERT INTO changes (key, old, new) VALUES (new.key, NULL, new.item); END;"
	"CREATE TRIGGER IF NOT EXISTS updated AFTER UPDATE ON items BEGIN "
	"INSERT INTO changes (key, old, new) VALUES (new.key, old.item, new.item); END;"
	"CREATE TRIGGER IF NOT EXISTS deleted AFTER DELETE ON items BEGIN "
	"INSERT INTO changes (key, old, new) VALUES (old.key, old.item, NULL); END;";

enum statement { BEGIN, COMMIT, PUT, GET, NEXT, LAST, TRIM, VERSION, STATEMENTS };

static const char *const statements[STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[PUT] = ("INSERT INTO items VALUES (?, ?) "
		"ON CONFLICT (key) DO UPDATE SET item = excluded.item"),
	[GET] = "SELECT item FROM items WHERE key = ?",
	[NEXT] = "SELECT sequence, key, old, new FROM changes WHERE sequence > ? ORDER BY sequence",
	[LAST] = "SELECT coalesce(max(sequence), 0), count(*) FROM changes",
	[TRIM] = "DELETE FROM changes WHERE sequence <= ?",
	[VERSION] = "PRAGMA data_version",
};

static sqlite3 *db;
static sqlite3_stmt *prepared[STATEMENTS];
static bool is_batch;
static bool is_walking;
static sqlite3_int64 sequence;   /* number of the last change read */
static sqlite3_int64 version;              /* PRAGMA data_version at the last read */

static void describe(void)
{
	printf("SQLite %s\n", sqlite3_libversion());
	printf("%s\n%s\n%s\n", SQLITE_SETTINGS, schema, triggers);
	printf("full, one_flush: %s; relaxed: %s; none: %s\n", sqlite_synchronous(LEVEL_FULL),
		sqlite_synchronous(LEVEL_RELAXED), sqlite_synchronous(LEVEL_NONE));
	for (int i = 0; i < STATEMENTS; i++)
		printf("%s\n", statements[i]);
}

static void open_db(const char *path, enum level level, enum use use)
{
	db = sqlite_open(path, level);
	if (use == USE_BARE || use == USE_CAPTURED)
		sqlite_run(db, schema);
	if (use == USE_CAPTURED)
		sqlite_run(db, triggers);
	for (int i = 0; i < STATEMENTS; i++)
		prepared[i] = sqlite_prepare(db, statements[i]);
}

static void close_db(void)
{
	sqlite_close(db, prepared, STATEMENTS);
}

/* --- writing --- */

/* A single put is an implicit transaction, which is faster than an explicit one. */
static void begin(uint64_t puts)
{
	is_batch = puts > 1;
	if (is_batch)
		sqlite_step(prepared[BEGIN]);
}

static void commit(void)
{
	if (is_batch)
		sqlite_step(prepared[COMMIT]);
}

static void put(const struct order *order)
{
	sqlite_bind_bytes(prepared[PUT], 1, order->key, ORDER_KEY);
	sqlite_bind_bytes(prepared[PUT], 2, order->item, ORDER_ITEM);
	sqlite_step(prepared[PUT]);
}

static void flush(void)
{
	sqlite_flush(db);
}

static void last_change(sqlite3_int64 *last, uint64_t *count)
{
	sqlite_expect(prepared[LAST], sqlite3_step(prepared[LAST]), SQLITE_ROW);
	*last = sqlite3_column_int64(prepared[LAST], 0);
	*count = (uint64_t)sqlite3_column_int64(prepared[LAST], 1);
	sqlite_reset(prepared[LAST]);
}

static uint64_t trim(uint64_t stay)
{
	sqlite3_int64 last, at;
	uint64_t count, gone;

	last_change(&last, &count);
	gone = count > stay ? count - stay : 0;
	at = last - (sqlite3_int64)count;
	for (uint64_t left = gone, rows; left > 0; left -= rows) {
		rows = left < TRIM_BATCH ? left : TRIM_BATCH;
		at += (sqlite3_int64)rows;
		sqlite_bind_integer(prepared[TRIM], 1, at);
		sqlite_step(prepared[TRIM]);
	}
	return gone;
}

/* --- reading --- */

static bool get(const uint8_t *key, uint8_t *item)
{
	bool is_there;

	sqlite_bind_bytes(prepared[GET], 1, key, ORDER_KEY);
	is_there = sqlite3_step(prepared[GET]) == SQLITE_ROW &&
		sqlite3_column_bytes(prepared[GET], 0) == ORDER_ITEM;
	if (is_there)
		memcpy(item, sqlite3_column_blob(prepared[GET], 0), ORDER_ITEM);
	sqlite_reset(prepared[GET]);
	return is_there;
}

static void stop(void)
{
	sqlite_reset(prepared[NEXT]);
	is_walking = false;
}

static void start(bool behind_last)
{
	uint64_t count;

	stop();
	sequence = 0;
	if (behind_last)
		last_change(&sequence, &count);
}

static const uint8_t *blob(int column, size_t *len)
{
	const uint8_t *bytes = sqlite3_column_blob(prepared[NEXT], column);

	*len = (size_t)sqlite3_column_bytes(prepared[NEXT], column);
	return bytes;
}

static bool next(struct change *change)
{
	int rc;

	if (!is_walking)
		sqlite_bind_integer(prepared[NEXT], 1, sequence);
	is_walking = true;
	rc = sqlite3_step(prepared[NEXT]);
	if (rc == SQLITE_DONE) {
		stop();
		return false;
	}
	sqlite_expect(prepared[NEXT], rc, SQLITE_ROW);
	sequence = sqlite3_column_int64(prepared[NEXT], 0);
	change->old_image = blob(2, &change->old_len);
	change->new_image = blob(3, &change->new_len);
	return true;
}

/* Sleeps a millisecond; if busy, polls until another connection has committed. */
static void wait(bool busy)
{
	sqlite3_int64 seen;

	if (!busy) {
		sleep_ns(1000000);
		return;
	}
	do {
		seen = sqlite_integer(prepared[VERSION]);
	} while (seen == version);
	version = seen;
}

const struct peer peer = {
	.name = "sqlite",
	.describe = describe,
	.open = open_db,
	.close = close_db,
	.begin = begin,
	.put = put,
	.commit = commit,
	.flush = flush,
	.get = get,
	.start = start,
	.next = next,
	.wait = wait,
	.trim = trim,
};
