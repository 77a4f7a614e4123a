/* lua_handle.h - what Lua holds of the core: databases, and what is made from them.
 *
 * A handle exists, closed, before what it holds is opened: should Lua run out
 * of memory in between, the collector meets a handle that it can close. What
 * is made from a database (queries, feeds, wakeups) keeps the database alive in
 * its user value, and stands in the database's list: closing the database
 * finishes them first. Using a closed handle raises CLOSED, one of the parent
 * process FORKED.
 */
#ifndef LUA_LUA_HANDLE_H
#define LUA_LUA_HANDLE_H

#include <stdatomic.h>
#include <stdint.h>

#include <lua.h>

#include "codec/builder.h"
#include "lua/lua_buffer.h"
#include "lua/lua_version.h"
#include "tide.h"

extern const char DATABASE_TYPE[];
extern const char TABLE_TYPE[];
extern const char QUERY_TYPE[];
extern const char FEED_TYPE[];
extern const char WAKEUP_TYPE[];
extern const char WAITER_TYPE[];
extern const char SNAPSHOT_TYPE[];
extern const char BACKUP_TYPE[];
extern const char CHECKUP_TYPE[];
extern const char TIMER_TYPE[];
extern const char CLOCK_TYPE[];
extern const char RECORD_TYPE[];

/* The first word of each userdata that a script can get hold of and that is not a value
 * (numbers and binaries): the address of the type's name, mixed with a random number that is
 * drawn when the library is loaded. A script can choose the bytes of a tidetable.binary and
 * find out addresses ("%p"), but it can't read this word, so it can't make one. */
typedef uintptr_t type_word;

extern atomic_uintptr_t type_secret;

static inline type_word word_of(const char *type)
{
	return (uintptr_t)type ^ atomic_load_explicit(&type_secret, memory_order_relaxed);
}

struct child;
struct database;

/* The locked transactions that run in a Lua state; one for each state. */
struct running {
	struct database *innermost;  /* NULL: none */
	bool watches;                /* coroutines have got a hook */
};

struct database {
	type_word type;
	struct tide *tide;           /* NULL: closed */
	struct child *children;
	struct running *running;     /* its state's */
	struct database *outer;      /* whose transaction the open one runs inside */
	size_t held;                 /* bytes of memory that the children hold */
	size_t charged;              /* of which the collector knows */
	size_t collect_at;           /* bytes held at which all garbage is collected */
	uint64_t deadline_ms;        /* of the open db:transact, by clock_elapsed_ms; 0: none */
	uint64_t transactions;       /* how many were begun: which one is open */
	struct builder builder;      /* arguments being read; three for BETWEEN */
	struct builder second, third;
	struct buffer bytes;         /* items on their way */
	struct lua_buffer *buffer;             /* for the item that get gives; user value 2 */
};

/* What is made from a database; the first member of each. */
struct child {
	type_word type;
	struct database *database;   /* NULL: finished; or of none */
	struct child *next, *previous;
	size_t held;                 /* bytes of memory, as hold_memory was told */
	void (*finish)(struct child *child);
};

struct table_handle {
	type_word type;
	struct database *database;   /* kept by user value 1 */
	struct tide_table table;
};

struct snapshot_handle {
	struct child child;
	struct tide_snapshot *snapshot;      /* NULL: it was held too long */
	uint64_t deadline_ms;
};

/* Raises CLOSED or FORKED unless the database can be used. */
void check_usable(lua_State *L, const struct database *database);

/* The database at index: raises what is wrong with it. */
struct database *check_database(lua_State *L, int index);

/* The table at index, and its database. */
struct table_handle *check_table(lua_State *L, int index, struct database **database);

/* Returns the userdata at index; raises the error of luaL_checkudata unless it has this
 * type. No byte beyond the userdata's length is read. */
void *check_type(lua_State *L, int index, const char *type);

/* The same, but returns NULL for any other value. */
void *test_type(lua_State *L, int index, const char *type);

/* Sets the first word and the metatable of the userdata on top of the stack. */
void set_type(lua_State *L, const char *type);

/* A child of this type at index; raises CLOSED when it is finished. */
void *check_child(lua_State *L, int index, const char *type, struct database **database);

/* Raises CLOSED if the child is finished: to be called again after Lua has allocated, for
 * a finalizer may have finished it. */
void check_open(lua_State *L, const struct child *child);

/* A new zeroed child of the database at index, on the stack, with its user
 * values: the first is the database. It is in no list yet. */
void *new_child(lua_State *L, int index, size_t size, const char *type, int values,
	void (*finish)(struct child *child));

/* Puts it into the database's list, once what it holds is open. */
void adopt(struct child *child, struct database *database);

/* Collects all garbage and returns true if the failure is that something has run out which
 * forgotten handles hold: descriptors, inotify watches, reader slots, threads. The caller
 * then tries once more, after it has checked its handles again: finalizers have run. */
bool collect_forgotten(lua_State *L, const struct failure *failure);

/* Notes how many bytes of the core's memory a child that was adopted holds. Lua's collector
 * does not see them, so it is told of them as of memory that Lua allocates: children that
 * nothing refers to any more are then finalized in time. Finalizers may run in here, and
 * finish this child too. */
void hold_memory(lua_State *L, struct child *child, size_t bytes);

/* Finishes the child at 1 (argument error unless it is one); twice is fine. This is
 * __gc, __close and close of each type of child. */
int finish_child(lua_State *L);

/* Creates the metatable of a type, or finds it when the module is loaded again, and
 * sets __name and __metatable. collect becomes __gc, close becomes __close; NULL: none.
 * Leaves the metatable on the stack. */
void new_type(lua_State *L, const char *type, lua_CFunction collect, lua_CFunction close);

/* Draws the random number of type_word. Once in a process; raises if there is none. */
void open_types(lua_State *L);

/* Each adds its functions to the table on top of the stack. */
void open_databases(lua_State *L);
void open_tables(lua_State *L);
void open_batches(lua_State *L);
void open_transactions(lua_State *L);
void open_queries(lua_State *L);
void open_snapshots(lua_State *L);
void open_feeds(lua_State *L);
void open_wakeups(lua_State *L);
void open_waiters(lua_State *L);
void open_records(lua_State *L);
void open_backups(lua_State *L);
void open_clocks(lua_State *L);
void open_checks(lua_State *L);
void open_terminals(lua_State *L);
void open_inputs(lua_State *L);
void open_timers(lua_State *L);

/* The clock at index, which may be nil: then NULL. */
struct clock *opt_clock(lua_State *L, int index);

/* Where the key schema stands in the table of what is known about a record's stream;
 * the others are fields by their names. */
#define RECORD_INFO_SCHEMA 1

/* Makes an empty record with room for so many bytes of what is on the stack, what
 * is known about its stream and the type of records; returns where they go. */
uint8_t *new_record(lua_State *L, size_t len);

/* Raises CLOSED unless a db:transact is open, and TIMEOUT if it has passed its time limit. */
void check_deadline(lua_State *L, const struct database *database);

/* The state's, for struct database. */
struct running *running_transactions(lua_State *L);

/* Puts the running coroutine under the time limit of the transaction that runs: one that
 * was created before it has no hook yet. May raise for want of memory. */
void watch_coroutine(lua_State *L, struct running *running);

/* The snapshot of a handle: raises CLOSED, and TIMEOUT when it was held for
 * longer than its time limit (then it is let go). */
const struct tide_snapshot *check_held(lua_State *L, struct snapshot_handle *handle);

#endif
