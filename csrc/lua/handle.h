/* handle.h - what Lua holds of the core: databases, and what is made from them.
 *
 * A handle exists, closed, before what it holds is opened: should Lua run out
 * of memory in between, the collector meets a handle that it can close. What
 * is made from a database (queries, feeds, bells) keeps the database alive in
 * its user value, and stands in the database's list: closing the database
 * finishes them first. Using a closed handle raises CLOSED, one of the parent
 * process FORKED.
 */
#ifndef LUA_HANDLE_H
#define LUA_HANDLE_H

#include <lua.h>

#include "codec/builder.h"
#include "lua/box.h"
#include "tide.h"

extern const char DATABASE_TYPE[];
extern const char TABLE_TYPE[];
extern const char QUERY_TYPE[];
extern const char FEED_TYPE[];
extern const char BELL_TYPE[];
extern const char SNAPSHOT_TYPE[];
extern const char BACKUP_TYPE[];
extern const char CHECKUP_TYPE[];
extern const char PAUSE_TYPE[];
#define CLOCK_TYPE "tidetable.core.clock"
#define RECORD_TYPE "tidetable.record"

struct child;

struct database {
	const char *type;
	struct tide *tide;           /* NULL: closed */
	struct child *children;
	uint64_t deadline_ms;        /* of the open transaction, by tide_elapsed_ms */
	uint64_t transactions;       /* how many were begun: which one is open */
	struct builder builder;      /* arguments being read; three for BETWEEN */
	struct builder second, third;
	struct buffer bytes;         /* items on their way */
	struct box *box;             /* for the item that get gives; user value 2 */
};

/* What is made from a database; the first member of each. The type is the
 * address of its name above, so that telling it compares no text. */
struct child {
	const char *type;
	struct database *database;   /* NULL: finished; or of none */
	struct child *next, *previous;
	void (*finish)(struct child *child);
};

struct table_handle {
	const char *type;
	struct database *database;   /* kept by user value 1 */
	struct tide_table table;
};

struct snapshot_handle {
	struct child child;
	struct tide_snapshot *snapshot;      /* NULL: it was held too long */
	uint64_t deadline_ms;
};

/* The database at index: raises what is wrong with it. */
struct database *check_database(lua_State *L, int index);

/* The table at index, and its database. */
struct table_handle *check_table(lua_State *L, int index, struct database **database);

/* The type's address first in a userdata of ours: so it is told apart. Raises
 * what luaL_checkudata raises. */
void *check_type(lua_State *L, int index, const char *type);

/* A child of this type at index; raises CLOSED when it is finished. */
void *check_child(lua_State *L, int index, const char *type, struct database **database);

/* Looks again, after Lua has allocated: raises when a finalizer has finished it. */
void check_open(lua_State *L, const struct child *child);

/* A new zeroed child of the database at index, on the stack, with its user
 * values: the first is the database. It is in no list yet. */
void *new_child(lua_State *L, int index, size_t size, const char *type, int values,
	void (*finish)(struct child *child));

/* Puts it into the database's list, once what it holds is open. */
void adopt(struct child *child, struct database *database);

/* Finishes it; twice is fine. __gc, __close and close are this. */
int finish_child(lua_State *L);

/* Makes a metatable with __gc, __close and __name; methods by __index. */
void new_type(lua_State *L, const char *type, lua_CFunction finish);

/* Each adds its functions to the table on top of the stack. */
void open_databases(lua_State *L);
void open_tables(lua_State *L);
void open_bundles(lua_State *L);
void open_transactions(lua_State *L);
void open_queries(lua_State *L);
void open_snapshots(lua_State *L);
void open_feeds(lua_State *L);
void open_bells(lua_State *L);
void open_records(lua_State *L);
void open_backups(lua_State *L);
void open_clocks(lua_State *L);
void open_checks(lua_State *L);
void open_terminals(lua_State *L);
void open_inputs(lua_State *L);
void open_pauses(lua_State *L);

/* The clock at index, which may be nil: then NULL. */
struct clock *opt_clock(lua_State *L, int index);

/* Where the key schema stands in the table of what is known about a record's stream;
 * the others are fields by their names. */
#define RECORD_INFO_SCHEMA 1

/* Makes an empty record with room for so many bytes of what is on the stack, what
 * is known about its stream and the type of records; returns where they go. */
uint8_t *new_record(lua_State *L, size_t len);
void push_record_type(lua_State *L);

/* Raises TIMEOUT when the open transaction has passed its time limit. */
void check_deadline(lua_State *L, const struct database *database);

/* The snapshot of a handle: raises CLOSED, and TIMEOUT when it was held for
 * longer than its time limit (then it is let go). */
const struct tide_snapshot *check_held(lua_State *L, struct snapshot_handle *handle);

#endif
