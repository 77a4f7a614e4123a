/* sqlite.h - an SQLite database and its prepared statements.
 *
 * All programs that measure SQLite include this header. They open the database with the same
 * settings. The functions are inline because some of them are measured. They exit with a message
 * if SQLite returns an error.
 */
#ifndef BENCH_SQLITE_H
#define BENCH_SQLITE_H

#include <sqlite3.h>
#include <string.h>

#include "lib/program.h"
#include "lib/store.h"

/* Converts the value of a macro to a string. */
#define TEXT(number) #number
#define TEXT_OF(number) TEXT(number)

#define SQLITE_SETTINGS \
	"PRAGMA page_size = 4096;" \
	"PRAGMA journal_mode = WAL;" \
	"PRAGMA cache_size = -" TEXT_OF(CACHE_MIB) "000;"

/* Exits with a message if rc is an error. */
static inline void sqlite_must(sqlite3 *db, int rc, const char *what)
{
	if (rc != SQLITE_OK)
		die(what, db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
}

/* Executes statements that are not prepared. */
static inline void sqlite_run(sqlite3 *db, const char *sql)
{
	sqlite_must(db, sqlite3_exec(db, sql, NULL, NULL, NULL), sql);
}

/* Returns the statement that sets the durability of a commit. */
static inline const char *sqlite_synchronous(enum level level)
{
	static const char *const synchronous[] = {
		[LEVEL_FULL] = "PRAGMA synchronous = FULL",
		[LEVEL_ONE_FLUSH] = "PRAGMA synchronous = FULL",
		[LEVEL_RELAXED] = "PRAGMA synchronous = NORMAL",
		[LEVEL_NONE] = "PRAGMA synchronous = OFF",
	};

	return synchronous[level];
}

/* Opens the database in a directory; creates it if it does not exist. */
static inline sqlite3 *sqlite_open(const char *directory, enum level level)
{
	sqlite3 *db = NULL;

	sqlite_must(db, sqlite3_open(path_of(directory, "data.sqlite"), &db), directory);
	sqlite_must(db, sqlite3_busy_timeout(db, 5000), directory);
	sqlite_run(db, SQLITE_SETTINGS);
	sqlite_run(db, sqlite_synchronous(level));
	return db;
}

/* Finalizes the statements and closes the database. */
static inline void sqlite_close(sqlite3 *db, sqlite3_stmt *const *prepared, int count)
{
	for (int i = 0; i < count; i++)
		sqlite3_finalize(prepared[i]);
	sqlite_must(db, sqlite3_close(db), "close");
}

/* Flushes all commits: with synchronous = FULL a checkpoint flushes the log, then the file. */
static inline void sqlite_flush(sqlite3 *db)
{
	sqlite_run(db, sqlite_synchronous(LEVEL_FULL));
	sqlite_run(db, "PRAGMA wal_checkpoint(TRUNCATE)");
}

/* --- prepared statements --- */

/* Prepares a statement that sqlite_close finalizes. */
static inline sqlite3_stmt *sqlite_prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement = NULL;

	sqlite_must(db, sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement,
		NULL), sql);
	return statement;
}

/* Exits with a message if rc, the result of a call with this statement, differs from `expected`. */
static inline void sqlite_expect(sqlite3_stmt *statement, int rc, int expected)
{
	if (rc != expected)
		die(sqlite3_sql(statement), sqlite3_errmsg(sqlite3_db_handle(statement)));
}

static inline void sqlite_reset(sqlite3_stmt *statement)
{
	sqlite_expect(statement, sqlite3_reset(statement), SQLITE_OK);
}

/* Executes a statement that returns no rows. */
static inline void sqlite_step(sqlite3_stmt *statement)
{
	sqlite_expect(statement, sqlite3_step(statement), SQLITE_DONE);
	sqlite_reset(statement);
}

/* Executes a query. Returns the integer in the first column of its first row. */
static inline sqlite3_int64 sqlite_integer(sqlite3_stmt *statement)
{
	sqlite3_int64 integer;

	sqlite_expect(statement, sqlite3_step(statement), SQLITE_ROW);
	integer = sqlite3_column_int64(statement, 0);
	sqlite_reset(statement);
	return integer;
}

static inline void sqlite_bind_integer(sqlite3_stmt *statement, int at, sqlite3_int64 integer)
{
	sqlite_expect(statement, sqlite3_bind_int64(statement, at, integer), SQLITE_OK);
}

static inline void sqlite_bind_number(sqlite3_stmt *statement, int at, double number)
{
	sqlite_expect(statement, sqlite3_bind_double(statement, at, number), SQLITE_OK);
}

/* Binds a text, which must stay valid until the statement has been executed. */
static inline void sqlite_bind_string(sqlite3_stmt *statement, int at, const void *text,
	size_t len)
{
	sqlite_expect(statement, sqlite3_bind_text(statement, at, text, (int)len, SQLITE_STATIC),
		SQLITE_OK);
}

/* Binds bytes, which must stay valid until the statement has been executed. */
static inline void sqlite_bind_bytes(sqlite3_stmt *statement, int at, const void *bytes, int len)
{
	sqlite_expect(statement, sqlite3_bind_blob(statement, at, bytes, len, SQLITE_STATIC),
		SQLITE_OK);
}

#endif
