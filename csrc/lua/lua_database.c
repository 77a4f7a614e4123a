/* lua_database.c - databases for Lua: opening and closing, information, sweeps. */
#include <math.h>
#include <string.h>

#include <lauxlib.h>

#include "lua/lua_argument.h"
#include "lua/lua_failure.h"
#include "lua/lua_field.h"
#include "lua/lua_handle.h"
#include "os/clock.h"

const char DATABASE_TYPE[] = "tidetable.core.database";

static void release_database(struct database *database)
{
	finish_children(database);
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

/* __gc. No transaction of the handle is running, because db:transact has the handle on its stack,
 * except when os.exit closes the Lua state in a transaction. */
static int collect_database(lua_State *L)
{
	release_database(check_type(L, 1, DATABASE_TYPE));
	return 0;
}

/* close(db); also __close. Raises NESTED in a transaction of the handle. */
static int close_database(lua_State *L)
{
	struct database *database = check_type(L, 1, DATABASE_TYPE);

	if (database->tide && tide_in_transaction(database->tide))
		return raise_error(L, ERR_NESTED);
	release_database(database);
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

/* mark_opening(db) -> true; or nil, err, code. Does the part of opening that needs the write
 * lock. */
static int mark_database_opening(lua_State *L)
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

/* ready(db): raises CLOSED or FORKED if the database cannot be used */
static int check_ready(lua_State *L)
{
	check_database(L, 1);
	return 0;
}

/* last_change(db) -> sequence number of the last change that this handle committed; 0: none */
static int last_change(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)tide_last_change(check_database(L, 1)->tide));
	return 1;
}

/* info(db) -> table; or nil, err, code */
static int database_info(lua_State *L)
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
static int sync_database(lua_State *L)
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
static int sweep_database(lua_State *L)
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

/* next_expiry(db) -> seconds until an item can be removed by time to live: not positive if an item
 * can be removed now, math.huge if no item expires; nil if no table has time to live, if this
 * handle can't write, or on failure */
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
static int held_memory(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)check_database(L, 1)->held);
	return 1;
}

static int push_elapsed_time(lua_State *L, const struct clock *clock)
{
	struct running *running = running_transactions(L);

	if (running->innermost)
		watch_coroutine(L, running);
	lua_pushnumber(L, (lua_Number)clock_elapsed_ms(clock) / 1000);
	return 1;
}

/* elapsed() -> seconds since an arbitrary time, for waits that depend on other processes */
static int elapsed_time(lua_State *L)
{
	return push_elapsed_time(L, clock_system());
}

/* process_elapsed() -> seconds since an arbitrary time by the process's clock, for the program's
 * time limits */
static int process_elapsed_time(lua_State *L)
{
	return push_elapsed_time(L, clock_process());
}

void open_databases(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "open", open_database },
		{ "close", close_database },
		{ "is_closed", is_closed },
		{ "mark_opening", mark_database_opening },
		{ "ready", check_ready },
		{ "info", database_info },
		{ "last_change", last_change },
		{ "check_name", check_name },
		{ "sync", sync_database },
		{ "sweep", sweep_database },
		{ "next_expiry", next_expiry },
		{ "held", held_memory },
		{ "elapsed", elapsed_time },
		{ "process_elapsed", process_elapsed_time },
		{ "finish", finish_child },
		{ NULL, NULL },
	};

	new_type(L, DATABASE_TYPE, collect_database, close_database);
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
