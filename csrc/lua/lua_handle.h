/* lua_handle.h - handles: the userdata for databases and for the objects created from them.
 *
 * A handle is created in the closed state, before its object is opened, so that the
 * collector can close the object if Lua runs out of memory. Objects created from a
 * database (queries, feeds, wakeups, ...) are its children: each keeps the
 * database alive by a user value and is in the database's list, and closing the
 * database finishes them first. Using a closed handle raises CLOSED; using a
 * handle of the parent process raises FORKED.
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
extern const char TRUNCATION_TYPE[];
extern const char CLOCK_TYPE[];
extern const char RECORD_TYPE[];
extern const char SENDER_TYPE[];

/* First word of each userdata that a script can obtain, except numbers and binaries: the address
 * of the type's name XOR a random number that is drawn when the library is loaded. A script can
 * choose the bytes of a tidetable.binary and find out addresses ("%p"), but it can't read this
 * word, so it can't forge a handle. */
typedef uintptr_t type_word;

extern atomic_uintptr_t type_secret;

/* Returns the first word of userdata of this type. */
static inline type_word word_of(const char *type)
{
	return (uintptr_t)type ^ atomic_load_explicit(&type_secret, memory_order_relaxed);
}

struct child;
struct database;

/* The transactions of db:transact that are running in a Lua state. One for each state. */
struct running {
	struct database *innermost;  /* database of the innermost transaction; NULL: none */
	uint32_t handlers;           /* calls of call_handler that have not ended */
	bool watches;                /* watch_coroutine has set hooks */
};

struct database {
	type_word type;
	struct tide *tide;           /* NULL: closed */
	struct child *children;      /* first of a list of the open children; NULL: none */
	struct running *running;     /* running transactions of the Lua state */
	struct database *outer;      /* database of the enclosing transaction; NULL: none */
	size_t held;                 /* bytes of memory that the children occupy */
	size_t charged;              /* part of held that was reported to the collector */
	size_t collect_at;           /* bytes held at which all garbage is collected */
	uint64_t deadline_ms;        /* clock_elapsed_ms of the process's clock at which the open
	                              * db:transact times out; 0: none is open */
	uint64_t transactions;       /* number of transactions begun; identifies the open one */
	struct builder builder;      /* encodes arguments */
	struct builder second, third;        /* further arguments of one call (BETWEEN) */
	struct builder parameter;            /* value of a placeholder of an expression */
	struct tide_expressions *expressions;        /* for writes and gets; NULL: not used yet */
	struct buffer bytes;         /* copies of items during a call */
	struct lua_buffer *buffer;   /* item that get returns; kept in user value 2 */
};

/* An object created from a database. First member of each such handle. */
struct child {
	type_word type;
	struct database *database;   /* NULL: finished, or belongs to no database */
	struct child *next, *previous;
	size_t held;                 /* bytes of memory given to hold_memory */
	void (*finish)(struct child *child);
};

struct table_handle {
	type_word type;
	struct database *database;   /* kept alive by user value 1 */
	struct tide_table table;
};

/* Times are clock_elapsed_ms of the process's clock. */
struct snapshot_handle {
	struct child child;
	struct tide_snapshot *snapshot;      /* NULL: released at its time limit */
	uint64_t deadline_ms;        /* time until which the snapshot may be read */
	uint64_t end_ms;             /* time after which every call raises TIMEOUT */
	uint64_t hold_ms;            /* time for which one snapshot is held, before the function in
	                              * user value 2 verifies the reads on a newer one; 0: there is
	                              * one snapshot until end_ms */
	uint64_t refreshes;          /* number of later snapshots */
	bool refreshing;             /* the reads are being verified on a newer snapshot */
};

/* Raises CLOSED or FORKED unless the database can be used. */
void check_usable(lua_State *L, const struct database *database);

/* Returns the database at index. Raises an argument error, CLOSED or FORKED. */
struct database *check_database(lua_State *L, int index);

/* Returns the table at index and sets *database to its database. Raises as check_database. */
struct table_handle *check_table(lua_State *L, int index, struct database **database);

/* Returns the userdata at index. Raises the same error as luaL_checkudata unless it has this type.
 * Reads no byte beyond the length of the userdata. */
void *check_type(lua_State *L, int index, const char *type);

/* Like check_type, but returns NULL for any other value. */
void *test_type(lua_State *L, int index, const char *type);

/* Sets the first word and the metatable of the userdata on top of the stack. */
void set_type(lua_State *L, const char *type);

/* Returns the child of this type at index and sets *database. Raises an argument error, CLOSED if
 * the child was finished, or FORKED. */
void *check_child(lua_State *L, int index, const char *type, struct database **database);

/* Raises CLOSED if the child was finished. Must be called again after Lua has allocated, because a
 * finalizer may have finished it. */
void check_open(lua_State *L, const struct child *child);

/* Pushes and returns a new zeroed child of the database at index, with this number of user
 * values, of which the first is the database. The caller adds the child to the
 * database's list with adopt. */
void *new_child(lua_State *L, int index, size_t size, const char *type, int values,
	void (*finish)(struct child *child));

/* Adds the child to the database's list. Must be called when the child's object is open. */
void adopt(struct child *child, struct database *database);

/* Returns true if a resource has run out that unreferenced handles may hold (descriptors, inotify
 * watches, reader slots, threads), after collecting all garbage. The caller then checks its handles
 * again, because finalizers have run, and repeats the call once. */
bool collect_forgotten(lua_State *L, const struct failure *failure);

/* Sets the number of bytes of core memory that an adopted child occupies. The collector does not
 * see this memory, so it is driven as if Lua had allocated it; unreferenced children are then
 * finalized in time. Finalizers may run in this function and may finish this child, too. */
void hold_memory(lua_State *L, struct child *child, size_t bytes);

/* Finishes all children of a database that is being closed. */
void finish_children(struct database *database);

/* Finishes the child at 1; raises an argument error for other values. May be called again. It is
 * __gc, __close and close of each type of child. */
int finish_child(lua_State *L);

/* Runs the hook that is set, for example by Ctrl-C. May raise an error. For loops in C, which may
 * read many pages without a matching item or record. */
void run_hooks(lua_State *L);

/* Pushes the metatable of a type, created with __name and __metatable, or the existing one if the
 * module is loaded again. collect becomes __gc, close becomes __close; NULL: none. */
void new_type(lua_State *L, const char *type, lua_CFunction collect, lua_CFunction close);

/* Draws the random number of type_word, once in a process. Raises an error if getrandom fails. */
void open_types(lua_State *L);

/* Each of these adds the functions of one file to the table on top of the stack. */
void open_databases(lua_State *L);
void open_tables(lua_State *L);
void open_streams(lua_State *L);
void open_items(lua_State *L);
void open_batches(lua_State *L);
void open_transactions(lua_State *L);
void open_annotations(lua_State *L);
void open_queries(lua_State *L);
void open_snapshots(lua_State *L);
void open_updates(lua_State *L);
void open_feeds(lua_State *L);
void open_wakeups(lua_State *L);
void open_waiters(lua_State *L);
void open_records(lua_State *L);
void open_backups(lua_State *L);
void open_clocks(lua_State *L);
void open_checks(lua_State *L);
void open_terminals(lua_State *L);
void open_inputs(lua_State *L);
void open_outputs(lua_State *L);
void open_signals(lua_State *L);
void open_processes(lua_State *L);
void open_timers(lua_State *L);
void open_truncations(lua_State *L);
void open_comparisons(lua_State *L);
void open_replicas(lua_State *L);
void open_testing(lua_State *L);
void open_consumers(lua_State *L);
void open_parked(lua_State *L);

/* Returns the clock at index, NULL if it is nil. The handle keeps the clock alive. */
struct clock *opt_clock(lua_State *L, int index);

/* Replaces the two values on top of the stack, the infos of a feed (lua_record_info.h) and the
 * metatable of records, with a new record of len bytes of this stream. Returns the address for the
 * bytes, which the caller copies. */
uint8_t *new_record(lua_State *L, uint32_t stream, size_t len);

/* Raises CLOSED unless a db:transact is open, and TIMEOUT if it has passed its time limit. */
void check_deadline(lua_State *L, const struct database *database);

/* Returns the running transactions of the Lua state. */
struct running *running_transactions(lua_State *L);

/* Applies the time limit of the running transaction or handler to the running coroutine, which has
 * no hook if it was created before. Raises an error if memory runs out. */
void watch_coroutine(lua_State *L, struct running *running);

/* Returns the encoded item or key at index, as key_at returns it. The bytes are checked, because a
 * script can pass any string. */
struct slice check_item_bytes(lua_State *L, int index);

/* Returns the snapshot of a handle; at index is the handle, or a query that reads from it. If the
 * snapshot was held for hold_ms, calls the function that verifies the reads on a newer one, which
 * uses the buffers of the database. Raises CLOSED, the errors of this function, and TIMEOUT, after
 * releasing the snapshot, if end_ms has passed. */
const struct tide_snapshot *check_held(lua_State *L, struct snapshot_handle *handle, int index);

/* Raises TIMEOUT after the time limit of the handle, without looking at its snapshot. */
void check_not_late(lua_State *L, const struct snapshot_handle *handle);

/* Raises TIMEOUT: a handler of a consumer has exceeded its limit. */
int raise_handler_timeout(lua_State *L);

/* Returns the snapshot at index again, after Lua has allocated: a finalizer that Lua's collector
 * has run may have released it, or replaced it by a newer one. Raises CLOSED or TIMEOUT in the
 * first case. Does not look at the clock. */
const struct tide_snapshot *check_still_held(lua_State *L, int index);

/* Returns the snapshot at 1 and sets *database and *table, which is at 2. Raises the errors of
 * check_child and check_held, and an argument error for a table of another database. */
const struct tide_snapshot *check_snapshot_and_table(lua_State *L, struct database **database,
	struct table_handle **table);

#endif
