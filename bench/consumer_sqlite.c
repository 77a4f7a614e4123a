/* consumer_sqlite.c - SQLite: a table of changes, and the consumer's position in a row.
 *
 * The changes have the schema of peer_sqlite.c. A batch is one transaction that reads changes,
 * updates the counters and stores the position. If only the position is stored, the changes are
 * read before, and its update is an implicit transaction, which is faster than an explicit one.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "lib/consumer.h"

static const char settings[] =
	"PRAGMA page_size = 4096;"
	"PRAGMA journal_mode = WAL;"
	"PRAGMA cache_size = -512000;";

static const char schema[] =
	"CREATE TABLE changes ("
	"sequence INTEGER PRIMARY KEY, key BLOB NOT NULL, old BLOB, new BLOB);"
	"CREATE TABLE counters (id TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE positions (name TEXT PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID;";

static const char *const synchronous[] = {
	[LEVEL_FULL] = "PRAGMA synchronous = FULL",
	[LEVEL_ONE_FLUSH] = "PRAGMA synchronous = FULL",
	[LEVEL_RELAXED] = "PRAGMA synchronous = NORMAL",
	[LEVEL_NONE] = "PRAGMA synchronous = OFF",
};

static const char restart[] = "INSERT OR REPLACE INTO positions VALUES ('bench', 0)";

enum statement { BEGIN, COMMIT, RECORD, COUNTER, NEXT, POSITION, ADD, MOVE, SUM, WARM, STATEMENTS };

static const char *const statements[STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[RECORD] = "INSERT INTO changes (key, old, new) VALUES (?, NULL, ?)",
	[COUNTER] = "INSERT INTO counters VALUES (?, 0)",
	[NEXT] = "SELECT sequence, new FROM changes WHERE sequence > ? ORDER BY sequence LIMIT ?",
	[POSITION] = "SELECT sequence FROM positions WHERE name = 'bench'",
	[ADD] = "UPDATE counters SET n = n + ? WHERE id = ?",
	[MOVE] = "UPDATE positions SET sequence = ? WHERE name = 'bench'",
	[SUM] = "SELECT sum(n) FROM counters",
	[WARM] = "SELECT sum(length(new)) FROM changes",
};

static sqlite3 *db;
static sqlite3_stmt *prepared[STATEMENTS];

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
	printf("SQLite %s\n%s\n%s\n", sqlite3_libversion(), settings, schema);
	printf("full: %s; none: %s\n%s\n", synchronous[LEVEL_FULL], synchronous[LEVEL_NONE],
		restart);
	for (int i = 0; i < STATEMENTS; i++)
		printf("%s\n", statements[i]);
}

/* Returns the integer in the first column of the only row of a statement. */
static sqlite3_int64 number_from(enum statement which)
{
	sqlite3_int64 number;

	if (sqlite3_step(prepared[which]) != SQLITE_ROW)
		die(statements[which], sqlite3_errmsg(db));
	number = sqlite3_column_int64(prepared[which], 0);
	must(sqlite3_reset(prepared[which]), statements[which]);
	return number;
}

/* Runs a statement that returns no row. */
static void step(enum statement which)
{
	if (sqlite3_step(prepared[which]) != SQLITE_DONE)
		die(statements[which], sqlite3_errmsg(db));
	must(sqlite3_reset(prepared[which]), statements[which]);
}

static void bind_number(enum statement which, int at, sqlite3_int64 number)
{
	must(sqlite3_bind_int64(prepared[which], at, number), statements[which]);
}

static void bind_text(enum statement which, int at, const char *text)
{
	must(sqlite3_bind_text(prepared[which], at, text, -1, SQLITE_STATIC), statements[which]);
}

static void bind_blob(enum statement which, int at, const void *bytes, int len)
{
	must(sqlite3_bind_blob(prepared[which], at, bytes, len, SQLITE_STATIC), statements[which]);
}

static void prepare_all(void)
{
	for (int i = 0; i < STATEMENTS; i++) {
		must(sqlite3_prepare_v3(db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
			&prepared[i], NULL), statements[i]);
	}
}

static void open_db(const char *path, enum level level)
{
	must(sqlite3_open(path_of(path, "data.sqlite"), &db), path);
	run(settings);
	run(synchronous[level]);
}

static void close_db(void)
{
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(prepared[i]);
	must(sqlite3_close(db), "close");
}

static void make_counter(const char *id)
{
	bind_text(COUNTER, 1, id);
	step(COUNTER);
}

static void make(uint64_t records)
{
	struct order order;

	run(schema);
	prepare_all();
	step(BEGIN);
	for (uint64_t i = 0; i < SALE_CUSTOMERS; i++)
		make_counter(sale_customer(i));
	make_counter(RECORDS_COUNTER);
	for (uint64_t i = 0; i < records; i++) {
		sale_make(&order, i);
		bind_blob(RECORD, 1, order.key, ORDER_KEY);
		bind_blob(RECORD, 2, order.item, ORDER_ITEM);
		step(RECORD);
	}
	step(COMMIT);
	run(synchronous[LEVEL_FULL]);
	run("PRAGMA wal_checkpoint(TRUNCATE)");
}

/* Reads all changes, so that they are in the cache. */
static void start(const struct job *job)
{
	(void)job;
	prepare_all();
	run(restart);
	number_from(WARM);
}

static void add(const char *counter, int64_t amount)
{
	bind_number(ADD, 1, amount);
	bind_text(ADD, 2, counter);
	step(ADD);
}

static void handle_change(const struct job *job)
{
	struct sale sale;

	if (!job->is_counters)
		return;
	sale_read(&sale, sqlite3_column_blob(prepared[NEXT], 1),
		(size_t)sqlite3_column_bytes(prepared[NEXT], 1));
	if (job->is_exact)
		add(sale.customer, sale.total);
	else
		sale_add(&sale);
}

/* Reads a batch and handles its changes. Returns their number and the last sequence. */
static uint64_t handle_changes(const struct job *job, sqlite3_int64 *position)
{
	uint64_t changes = 0;
	int rc;

	bind_number(NEXT, 1, *position);
	bind_number(NEXT, 2, (sqlite3_int64)job->batch);
	while ((rc = sqlite3_step(prepared[NEXT])) == SQLITE_ROW) {
		*position = sqlite3_column_int64(prepared[NEXT], 0);
		handle_change(job);
		changes++;
	}
	if (rc != SQLITE_DONE)
		die(statements[NEXT], sqlite3_errmsg(db));
	must(sqlite3_reset(prepared[NEXT]), statements[NEXT]);
	return changes;
}

static uint64_t handle(const struct job *job)
{
	sqlite3_int64 position;
	uint64_t changes;

	if (job->is_exact)
		step(BEGIN);
	position = number_from(POSITION);
	changes = handle_changes(job, &position);
	if (!job->is_counters && job->is_exact)
		add(RECORDS_COUNTER, (int64_t)changes);
	else if (!job->is_counters)
		sale_count(changes);
	bind_number(MOVE, 1, position);
	step(MOVE);
	if (job->is_exact)
		step(COMMIT);
	return changes;
}

static int64_t sum(void)
{
	return number_from(SUM);
}

const struct consumer consumer = {
	.describe = describe,
	.open = open_db,
	.close = close_db,
	.make = make,
	.start = start,
	.handle = handle,
	.sum = sum,
};
