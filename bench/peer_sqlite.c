/* peer_sqlite.c - SQLite, with triggers that store both images in a table of changes.
 *
 * Chosen in favour of SQLite: no AUTOINCREMENT, although numbers restart without it
 * after all rows have been deleted; a row contains only its number, the key and the
 * images. Followers poll, because SQLite has no notification of other processes.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "lib/peer.h"

/* Converts the value of a macro to a string. */
#define TEXT(number) #number
#define TEXT_OF(number) TEXT(number)

static const char settings[] =
	"PRAGMA page_size = 4096;"
	"PRAGMA journal_mode = WAL;"
	"PRAGMA cache_size = -" TEXT_OF(CACHE_MIB) "000;";

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

static const char *const synchronous[] = {
	[LEVEL_FULL] = "PRAGMA synchronous = FULL",
	[LEVEL_ONE_FLUSH] = "PRAGMA synchronous = FULL",
	[LEVEL_RELAXED] = "PRAGMA synchronous = NORMAL",
	[LEVEL_NONE] = "PRAGMA synchronous = OFF",
};

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
static int version;              /* PRAGMA data_version at the last read */

static void must(int rc, const char *what)
{
	if (rc != SQLITE_OK)
		die(what, db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
}

static void run(const char *sql)
{
	must(sqlite3_exec(db, sql, NULL, NULL, NULL), sql);
}

static void describe(void)
{
	printf("SQLite %s\n", sqlite3_libversion());
	printf("%s\n%s\n%s\n", settings, schema, triggers);
	printf("full, one_flush: %s; relaxed: %s; none: %s\n", synchronous[LEVEL_FULL],
		synchronous[LEVEL_RELAXED], synchronous[LEVEL_NONE]);
	for (int i = 0; i < STATEMENTS; i++)
		printf("%s\n", statements[i]);
}

/* Runs a statement and discards its rows. */
static void step(enum statement which)
{
	int rc = sqlite3_step(prepared[which]);

	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		die(statements[which], sqlite3_errmsg(db));
	must(sqlite3_reset(prepared[which]), statements[which]);
}

static void prepare_all(void)
{
	for (int i = 0; i < STATEMENTS; i++) {
		must(sqlite3_prepare_v3(db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
			&prepared[i], NULL), statements[i]);
	}
}

static void open_db(const char *path, enum level level, enum use use)
{
	must(sqlite3_open(path_of(path, "data.sqlite"), &db), path);
	must(sqlite3_busy_timeout(db, 5000), path);
	run(settings);
	run(synchronous[level]);
	if (use == USE_BARE || use == USE_CAPTURED)
		run(schema);
	if (use == USE_CAPTURED)
		run(triggers);
	prepare_all();
}

static void close_db(void)
{
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(prepared[i]);
	must(sqlite3_close(db), "close");
}

/* --- writing --- */

/* A single put is an implicit transaction, which is faster than an explicit one. */
static void begin(uint64_t puts)
{
	is_batch = puts > 1;
	if (is_batch)
		step(BEGIN);
}

static void commit(void)
{
	if (is_batch)
		step(COMMIT);
}

static void bind_blob(enum statement which, int at, const void *bytes, int len)
{
	must(sqlite3_bind_blob(prepared[which], at, bytes, len, SQLITE_STATIC), statements[which]);
}

static void put(const struct order *order)
{
	bind_blob(PUT, 1, order->key, ORDER_KEY);
	bind_blob(PUT, 2, order->item, ORDER_ITEM);
	step(PUT);
}

/* With synchronous = FULL a checkpoint flushes the log, then the file. */
static void flush(void)
{
	run(synchronous[LEVEL_FULL]);
	run("PRAGMA wal_checkpoint(TRUNCATE)");
}

static void last_change(sqlite3_int64 *last, uint64_t *count)
{
	if (sqlite3_step(prepared[LAST]) != SQLITE_ROW)
		die(statements[LAST], sqlite3_errmsg(db));
	*last = sqlite3_column_int64(prepared[LAST], 0);
	*count = (uint64_t)sqlite3_column_int64(prepared[LAST], 1);
	must(sqlite3_reset(prepared[LAST]), statements[LAST]);
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
		must(sqlite3_bind_int64(prepared[TRIM], 1, at), statements[TRIM]);
		step(TRIM);
	}
	return gone;
}

/* --- reading --- */

static bool get(const uint8_t *key, uint8_t *item)
{
	bool is_there;

	bind_blob(GET, 1, key, ORDER_KEY);
	is_there = sqlite3_step(prepared[GET]) == SQLITE_ROW &&
		sqlite3_column_bytes(prepared[GET], 0) == ORDER_ITEM;
	if (is_there)
		memcpy(item, sqlite3_column_blob(prepared[GET], 0), ORDER_ITEM);
	must(sqlite3_reset(prepared[GET]), statements[GET]);
	return is_there;
}

static void stop(void)
{
	must(sqlite3_reset(prepared[NEXT]), statements[NEXT]);
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
		must(sqlite3_bind_int64(prepared[NEXT], 1, sequence), statements[NEXT]);
	is_walking = true;
	rc = sqlite3_step(prepared[NEXT]);
	if (rc == SQLITE_DONE) {
		stop();
		return false;
	}
	if (rc != SQLITE_ROW)
		die(statements[NEXT], sqlite3_errmsg(db));
	sequence = sqlite3_column_int64(prepared[NEXT], 0);
	change->old_image = blob(2, &change->old_len);
	change->new_image = blob(3, &change->new_len);
	return true;
}

static int look_at_version(void)
{
	int seen;

	if (sqlite3_step(prepared[VERSION]) != SQLITE_ROW)
		die(statements[VERSION], sqlite3_errmsg(db));
	seen = sqlite3_column_int(prepared[VERSION], 0);
	must(sqlite3_reset(prepared[VERSION]), statements[VERSION]);
	return seen;
}

/* Sleeps a millisecond; if busy, polls until another connection has committed. */
static void wait(bool busy)
{
	int seen;

	if (!busy) {
		sleep_ns(1000000);
		return;
	}
	do {
		seen = look_at_version();
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
