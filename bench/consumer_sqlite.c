/* consumer_sqlite.c - SQLite: a table of changes, and the consumer's position in a row.
 *
 * The changes have the schema of peer_sqlite.c. A batch is one transaction that reads changes,
 * updates the counters and stores the position. If only the position is stored, its update is an
 * implicit transaction after the read, which is faster than an explicit one.
 */
#include <stdio.h>

#include "lib/consumer.h"
#include "lib/sqlite.h"

static const char schema[] =
	"CREATE TABLE changes ("
	"sequence INTEGER PRIMARY KEY, key BLOB NOT NULL, old BLOB, new BLOB);"
	"CREATE TABLE counters (id TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE positions (name TEXT PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID;";

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

static void describe(void)
{
	printf("SQLite %s\n%s\n%s\n", sqlite3_libversion(), SQLITE_SETTINGS, schema);
	printf("full: %s; none: %s\n%s\n", sqlite_synchronous(LEVEL_FULL),
		sqlite_synchronous(LEVEL_NONE), restart);
	for (int i = 0; i < STATEMENTS; i++)
		printf("%s\n", statements[i]);
}

static void prepare_all(void)
{
	for (int i = 0; i < STATEMENTS; i++)
		prepared[i] = sqlite_prepare(db, statements[i]);
}

static void open_db(const char *path, enum level level)
{
	db = sqlite_open(path, level);
}

static void close_db(void)
{
	sqlite_close(db, prepared, STATEMENTS);
}

static void make_counter(const char *id)
{
	sqlite_bind_string(prepared[COUNTER], 1, id, strlen(id));
	sqlite_step(prepared[COUNTER]);
}

static void make(uint64_t records)
{
	struct order order;

	sqlite_run(db, schema);
	prepare_all();
	sqlite_step(prepared[BEGIN]);
	for (uint64_t i = 0; i < SALE_CUSTOMERS; i++)
		make_counter(sale_customer(i));
	make_counter(RECORDS_COUNTER);
	for (uint64_t i = 0; i < records; i++) {
		sale_make(&order, i);
		sqlite_bind_bytes(prepared[RECORD], 1, order.key, ORDER_KEY);
		sqlite_bind_bytes(prepared[RECORD], 2, order.item, ORDER_ITEM);
		sqlite_step(prepared[RECORD]);
	}
	sqlite_step(prepared[COMMIT]);
	sqlite_flush(db);
}

/* Reads all changes, so that they are in the cache. */
static void start(const struct job *job)
{
	(void)job;
	prepare_all();
	sqlite_run(db, restart);
	sqlite_integer(prepared[WARM]);
}

static void add(const char *counter, int64_t amount)
{
	sqlite_bind_integer(prepared[ADD], 1, amount);
	sqlite_bind_string(prepared[ADD], 2, counter, strlen(counter));
	sqlite_step(prepared[ADD]);
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

/* Reads the changes after *last and handles them. Returns their number; sets *last to the sequence
 * number of the last one. */
static uint64_t handle_changes(const struct job *job, sqlite3_int64 *last)
{
	uint64_t changes = 0;
	int rc;

	sqlite_bind_integer(prepared[NEXT], 1, *last);
	sqlite_bind_integer(prepared[NEXT], 2, (sqlite3_int64)job->batch);
	while ((rc = sqlite3_step(prepared[NEXT])) == SQLITE_ROW) {
		*last = sqlite3_column_int64(prepared[NEXT], 0);
		handle_change(job);
		changes++;
	}
	sqlite_expect(prepared[NEXT], rc, SQLITE_DONE);
	sqlite_reset(prepared[NEXT]);
	return changes;
}

static uint64_t handle(const struct job *job)
{
	sqlite3_int64 last;
	uint64_t changes;

	if (job->is_exact)
		sqlite_step(prepared[BEGIN]);
	last = sqlite_integer(prepared[POSITION]);
	changes = handle_changes(job, &last);
	if (!job->is_counters && job->is_exact)
		add(RECORDS_COUNTER, (int64_t)changes);
	else if (!job->is_counters)
		sale_count(changes);
	sqlite_bind_integer(prepared[MOVE], 1, last);
	sqlite_step(prepared[MOVE]);
	if (job->is_exact)
		sqlite_step(prepared[COMMIT]);
	return changes;
}

/* The sequence numbers start at 1 and have no gaps. */
static uint64_t position(void)
{
	return (uint64_t)sqlite_integer(prepared[POSITION]);
}

static int64_t sum(void)
{
	return sqlite_integer(prepared[SUM]);
}

const struct consumer consumer = {
	.describe = describe,
	.open = open_db,
	.close = close_db,
	.make = make,
	.start = start,
	.handle = handle,
	.position = position,
	.sum = sum,
};
