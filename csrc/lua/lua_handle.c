/* lua_handle.c - handles: types, children and databases. */
#include "lua/lua_argument.h"
#include "lua/lua_field.h"
#include "lua/lua_handle.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/random.h>

#include <lauxlib.h>

#include "lua/lua_failure.h"
#include "os/clock.h"

const char DATABASE_TYPE[] = "tidetable.core.database";
const char TABLE_TYPE[] = "tidetable.core.table";
const char QUERY_TYPE[] = "tidetable.core.query";
const char FEED_TYPE[] = "tidetable.core.feed";
const char WAKEUP_TYPE[] = "tidetable.core.wakeup";
const char WAITER_TYPE[] = "tidetable.core.waiter";
const char SNAPSHOT_TYPE[] = "tidetable.core.snapshot";
const char BACKUP_TYPE[] = "tidetable.core.backup";
const char CHECKUP_TYPE[] = "tidetable.core.checkup";
const char TIMER_TYPE[] = "tidetable.core.timer";
const char TRUNCATION_TYPE[] = "tidetable.core.truncation";
const char CLOCK_TYPE[] = "tidetable.core.clock";

/* Up to CHARGED_FROM bytes of the children of a database do not drive the collector, because loops
 * close their iterators. Above, it makes a step for each CHARGE_BYTES. From COLLECTED_FROM on it
 * may collect all garbage at once. */
#define CHARGED_FROM ((size_t)8 << 20)
#define CHARGE_BYTES ((size_t)256 << 10)
#define COLLECTED_FROM ((size_t)256 << 20)

/* Types that finish_child accepts. */
static const char *const child_types[] = {
	QUERY_TYPE, FEED_TYPE, WAKEUP_TYPE, WAITER_TYPE, SNAPSHOT_TYPE, BACKUP_TYPE,
	CHECKUP_TYPE,
};

/* --- types --- */

atomic_uintptr_t type_secret;

/* The number is written once: if two threads load the library at the same time, both use the
 * number that was written first. */
void open_types(lua_State *L)
{
	uintptr_t drawn, none = 0;

	if (atomic_load(&type_secret))
		return;
	if (getrandom(&drawn, sizeof drawn, 0) != sizeof drawn)
		luaL_error(L, "can't get random numbers from the system");
	atomic_compare_exchange_strong(&type_secret, &none, drawn | 1);
}

/* Returns true if the userdata at index begins with the word of the type. A light userdata has
 * length 0. */
static inline bool has_type(lua_State *L, int index, const type_word *word, const char *type)
{
	return word && lua_rawlen(L, index) >= sizeof *word && *word == word_of(type);
}

void *test_type(lua_State *L, int index, const char *type)
{
	type_word *word = lua_touserdata(L, index);

	return has_type(L, index, word, type) ? word : NULL;
}

void *check_type(lua_State *L, int index, const char *type)
{
	type_word *word = lua_touserdata(L, index);

	if (!has_type(L, index, word, type))
		luaL_typeerror(L, index, type);
	return word;
}

void set_type(lua_State *L, const char *type)
{
	*(type_word *)lua_touserdata(L, -1) = word_of(type);
	lua_rawgetp(L, LUA_REGISTRYINDEX, type);
	lua_setmetatable(L, -2);
}

static void set_function(lua_State *L, const char *name, lua_CFunction function)
{
	if (!function)
		return;
	lua_pushcfunction(L, function);
	lua_setfield(L, -2, name);
}

void new_type(lua_State *L, const char *type, lua_CFunction collect, lua_CFunction close)
{
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, type) == LUA_TTABLE)
		return;
	lua_pop(L, 1);
	lua_createtable(L, 0, 4);
	lua_pushstring(L, type);
	lua_setfield(L, -2, "__name");
	lua_pushliteral(L, "tidetable");
	lua_setfield(L, -2, "__metatable");
	set_function(L, "__gc", collect);
	set_function(L, "__close", close);
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, type);
}

/* --- errors --- */

static int raise(lua_State *L, int err)
{
	struct failure failure;

	fail(&failure, err);
	return raise_failure(L, &failure);
}

void check_usable(lua_State *L, const struct database *database)
{
	struct failure failure;

	if (!database->tide)
		raise(L, ERR_CLOSED);
	if (tide_ready(database->tide, &failure))
		raise_failure(L, &failure);
	if (database->running->innermost)
		watch_coroutine(L, database->running);
}

struct database *check_database(lua_State *L, int index)
{
	struct database *database = check_type(L, index, DATABASE_TYPE);

	check_usable(L, database);
	return database;
}

struct table_handle *check_table(lua_State *L, int index, struct database **database)
{
	struct table_handle *table = check_type(L, index, TABLE_TYPE);

	*database = table->database;
	check_usable(L, *database);
	return table;
}

void check_open(lua_State *L, const struct child *child)
{
	if (!child->database)
		raise(L, ERR_CLOSED);
}

void *check_child(lua_State *L, int index, const char *type, struct database **database)
{
	struct child *child = check_type(L, index, type);

	check_open(L, child);
	check_usable(L, child->database);
	*database = child->database;
	return child;
}

void *new_child(lua_State *L, int index, size_t size, const char *type, int values,
	void (*finish)(struct child *child))
{
	struct child *child;

	index = lua_absindex(L, index);
	child = lua_newuserdatauv(L, size, values);
	memset(child, 0, size);
	child->finish = finish;
	set_type(L, type);
	lua_pushvalue(L, index);
	lua_setiuservalue(L, -2, 1);
	return child;
}

void adopt(struct child *child, struct database *database)
{
	child->database = database;
	child->previous = NULL;
	child->next = database->children;
	if (child->next)
		child->next->previous = child;
	database->children = child;
}

static void leave_list(struct child *child)
{
	if (child->previous)
		child->previous->next = child->next;
	else
		child->database->children = child->next;
	if (child->next)
		child->next->previous = child->previous;
}

static void set_held(struct child *child, size_t bytes)
{
	struct database *database = child->database;

	database->held = database->held - child->held + bytes;
	child->held = bytes;
	if (database->charged > database->held)
		database->charged = database->held;
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* Collects all garbage if the steps were not enough. They are not enough in generational mode,
 * where a step does not visit objects that have survived two collections. The next full collection
 * runs when the children hold both at least four times as much memory as after this one, and at
 * least twice as much as Lua itself, so full collections are rare. */
static void collect_all(lua_State *L, struct database *database)
{
	lua_gc(L, LUA_GCCOLLECT);
	database->charged = larger(database->held, CHARGED_FROM);
	database->collect_at = larger(4 * database->held, COLLECTED_FROM);
	database->collect_at = larger(database->collect_at,
		2 * 1024 * (size_t)lua_gc(L, LUA_GCCOUNT));
}

void hold_memory(lua_State *L, struct child *child, size_t bytes)
{
	struct database *database = child->database;
	size_t known = larger(database->charged, CHARGED_FROM), more;

	set_held(child, bytes);
	if (database->held < known + CHARGE_BYTES || lua_gc(L, LUA_GCISRUNNING) != 1)
		return;
	more = database->held - known;
	database->charged = database->held;
	if (database->held > larger(database->collect_at, COLLECTED_FROM))
		collect_all(L, database);
	else
		lua_gc(L, LUA_GCSTEP, (int)(more / 1024));
}

bool collect_forgotten(lua_State *L, const struct failure *failure)
{
	bool runs_out = failure->err == ERR_READERS_FULL || (failure->err == ERR_STORE &&
		(failure->system == EMFILE || failure->system == ENFILE ||
		 failure->system == ENOSPC || failure->system == EAGAIN));

	if (runs_out)
		lua_gc(L, LUA_GCCOLLECT);
	return runs_out;
}

static void finish(struct child *child)
{
	if (child->database) {
		set_held(child, 0);
		leave_list(child);
	}
	child->finish(child);
	child->database = NULL;
}

int finish_child(lua_State *L)
{
	for (size_t i = 0; i < sizeof child_types / sizeof *child_types; i++) {
		struct child *child = test_type(L, 1, child_types[i]);

		if (child) {
			finish(child);
			return 0;
		}
	}
	return luaL_typeerror(L, 1, "query, feed, wakeup, waiter, snapshot, backup or checkup");
}

/* --- hooks --- */

void run_hooks(lua_State *L)
{
	if (!lua_gethook(L))
		return;
	if (luaL_loadstring(L, "return"))
		lua_error(L);
	lua_call(L, 0, 0);
}

/* --- databases --- */

static void release(struct database *database)
{
	while (database->children)
		finish(database->children);
	tide_expressions_close(database->expressions);
	database->expressions = NULL;
	tide_close(database->tide);
	database->tide = NULL;
	builder_release(&database->builder);
	builder_release(&database->second);
	builder_release(&database->parameter);
	builder_release(&database->third);
	buffer_release(&database->bytes);
}

/* __gc. The collector calls it outside of transactions, because db:transact has the handle on its
 * stack; or when the state is closed in a transaction (os.exit), which does not return. */
static int collect_database(lua_State *L)
{
	release(check_type(L, 1, DATABASE_TYPE));
	return 0;
}

/* close(db); also __close. Raises NESTED in a transaction of the handle. */
static int close_database(lua_State *L)
{
	struct database *database = check_type(L, 1, DATABASE_TYPE);

	if (database->tide && tide_in_transaction(database->tide))
		return raise(L, ERR_NESTED);
	release(database);
	return 0;
}

/* open(path | nil for memory, read_only, create, durability, max_bytes, clock, alone)
 * -> database; or nil, err, code, true if the caller should wait and retry. Never waits. */
static int open_database(lua_State *L)
{
	struct tide_options options = {
		.path = luaL_optstring(L, 1, NULL),
		.in_memory = lua_isnoneornil(L, 1),
		.read_only = lua_toboolean(L, 2),
		.create = lua_toboolean(L, 3),
		.durability = (enum durability)check_choice(L, 4, DURABILITY_FULL, DURABILITY_NONE),
		.max_bytes = (uint64_t)luaL_checkinteger(L, 5),
		.clock = opt_clock(L, 6),
		.alone = lua_toboolean(L, 7),
	};
	struct database *database;
	struct failure failure;
	int err;

	lua_settop(L, 7);
	database = lua_newuserdatauv(L, sizeof *database, 2);
	memset(database, 0, sizeof *database);
	set_type(L, DATABASE_TYPE);
	database->running = running_transactions(L);
	lua_pushvalue(L, 6);
	lua_setiuservalue(L, -2, 1);
	err = tide_open(&database->tide, &options, &failure);
	if (err && collect_forgotten(L, &failure))
		err = tide_open(&database->tide, &options, &failure);
	if (err) {
		int results = return_failure(L, &failure);

		lua_pushboolean(L, err == ERR_BUSY && failure.transient);
		return results + 1;
	}
	return 1;
}

/* mark_opening(db) -> true; or nil, err, code. The part of opening that needs the write lock. */
static int mark_opening(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct failure failure;

	if (tide_mark_opening(database->tide, &failure))
		return return_failure(L, &failure);
	lua_pushboolean(L, 1);
	return 1;
}

/* is_closed(db) -> boolean */
static int is_closed(lua_State *L)
{
	struct database *database = check_type(L, 1, DATABASE_TYPE);

	lua_pushboolean(L, database->tide == NULL);
	return 1;
}

/* ready(db): raises CLOSED or FORKED */
static int ready(lua_State *L)
{
	check_database(L, 1);
	return 0;
}

/* last_change(db) -> sequence number of the last change that it committed; 0: none */
static int last_change(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)tide_last_change(check_database(L, 1)->tide));
	return 1;
}

/* info(db) -> table; or nil, err, code */
static int info(lua_State *L)
{
	static const char *const durability[] = { "full", "one_flush", "none" };
	struct database *database = check_database(L, 1);
	struct tide_info info;
	struct failure failure;

	if (tide_info(database->tide, &info, &failure))
		return return_failure(L, &failure);
	/* Copies the path first, because a finalizer may close the store that owns it. */
	lua_pushstring(L, info.path[0] ? info.path : ":memory:");
	lua_createtable(L, 0, 16);
	lua_pushvalue(L, -2);
	lua_setfield(L, -2, "path");
	set_bool(L, "read_only", info.read_only);
	set_text(L, "durability", durability[info.durability]);
	set_hex(L, "database_id", info.database_id, sizeof info.database_id);
	set_hex(L, "incarnation", info.incarnation, sizeof info.incarnation);
	set_integer(L, "sequence_number", info.sequence);
	set_integer(L, "file_bytes", info.file_bytes);
	set_integer(L, "free_bytes", info.free_bytes);
	set_integer(L, "max_bytes", info.max_bytes);
	set_integer(L, "max_size", info.max_size);
	set_integer(L, "page_bytes", info.page_bytes);
	set_integer(L, "readers", info.readers);
	set_integer(L, "readers_max", info.readers_max);
	set_integer(L, "oldest_reader_lag", info.oldest_reader_lag);
	if (info.oldest_reader_pid)
		set_integer(L, "oldest_reader_pid", (uint64_t)info.oldest_reader_pid);
	set_signed_seconds(L, "retention_clock_lead", info.retention_lead_ms);
	set_text(L, "engine", info.engine);
	return 1;
}

/* check_name(db) -> true; or nil, err, code (tide_check_name) */
static int check_name(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct failure failure;

	if (tide_check_name(database->tide, &failure))
		return return_failure(L, &failure);
	lua_pushboolean(L, 1);
	return 1;
}

/* sync(db) -> true; or nil, err, code */
static int sync(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct failure failure;

	if (tide_sync(database->tide, &failure))
		return return_failure(L, &failure);
	lua_pushboolean(L, 1);
	return 1;
}

/* sweep(db) -> numbers of records and of items removed in this step, true if there is more to
 * remove; or nil, err, code */
static int sweep(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct tide_swept swept = { 0 };
	struct failure failure;
	bool more;

	if (tide_sweep(database->tide, &swept, &more, &failure))
		return return_failure(L, &failure);
	lua_pushinteger(L, (lua_Integer)swept.records);
	lua_pushinteger(L, (lua_Integer)swept.items);
	lua_pushboolean(L, more);
	return 3;
}

/* next_expiry(db) -> seconds until an item can be removed by time to live: negative if it is past,
 * huge if no item expires; nil if items cannot expire, if this handle can't write, or on failure */
static int next_expiry(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct failure failure;
	int64_t due_ms;
	bool expires;

	if (tide_in_transaction(database->tide) ||
			tide_next_expiry(database->tide, &expires, &due_ms, &failure) || !expires)
		return 0;
	lua_pushnumber(L, due_ms == INT64_MAX ? (lua_Number)HUGE_VAL : (lua_Number)due_ms / 1000);
	return 1;
}

/* held(db) -> bytes of memory of the queries, streams and snapshots made from the database */
static int held(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)check_database(L, 1)->held);
	return 1;
}

static int push_elapsed(lua_State *L, const struct clock *clock)
{
	struct running *running = running_transactions(L);

	if (running->innermost)
		watch_coroutine(L, running);
	lua_pushnumber(L, (lua_Number)clock_elapsed_ms(clock) / 1000);
	return 1;
}

/* elapsed() -> seconds since an arbitrary time, for waits that depend on other processes */
static int elapsed(lua_State *L)
{
	return push_elapsed(L, clock_system());
}

/* process_elapsed() -> the same by the process's clock, for the program's time limits */
static int process_elapsed(lua_State *L)
{
	return push_elapsed(L, clock_process());
}

void open_databases(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "open", open_database },
		{ "close", close_database },
		{ "is_closed", is_closed },
		{ "mark_opening", mark_opening },
		{ "ready", ready },
		{ "info", info },
		{ "last_change", last_change },
		{ "check_name", check_name },
		{ "sync", sync },
		{ "sweep", sweep },
		{ "next_expiry", next_expiry },
		{ "held", held },
		{ "elapsed", elapsed },
		{ "process_elapsed", process_elapsed },
		{ "finish", finish_child },
		{ NULL, NULL },
	};

	new_type(L, DATABASE_TYPE, collect_database, close_database);
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
