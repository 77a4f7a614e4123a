/* handle.c - what Lua holds of the core. */
#include "lua/argument.h"
#include "lua/field.h"
#include "lua/handle.h"

#include <string.h>

#include <lauxlib.h>

#include "lua/failure.h"

const char DATABASE_TYPE[] = "tidetable.core.database";
const char TABLE_TYPE[] = "tidetable.core.table";
const char QUERY_TYPE[] = "tidetable.core.query";
const char FEED_TYPE[] = "tidetable.core.feed";
const char BELL_TYPE[] = "tidetable.core.bell";
const char SNAPSHOT_TYPE[] = "tidetable.core.snapshot";
const char BACKUP_TYPE[] = "tidetable.core.backup";
const char CHECKUP_TYPE[] = "tidetable.core.checkup";
const char PAUSE_TYPE[] = "tidetable.core.pause";

void *check_type(lua_State *L, int index, const char *type)
{
	void *handle = lua_touserdata(L, index);

	if (!handle || lua_rawlen(L, index) < sizeof type || *(const char **)handle != type)
		luaL_typeerror(L, index, type);
	return handle;
}

static int raise(lua_State *L, int err)
{
	struct failure failure;

	fail(&failure, err);
	return raise_failure(L, &failure);
}

static void check_usable(lua_State *L, const struct database *database)
{
	struct failure failure;

	if (!database->tide)
		raise(L, ERR_CLOSED);
	if (tide_ready(database->tide, &failure))
		raise_failure(L, &failure);
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
	child->type = type;
	child->finish = finish;
	luaL_setmetatable(L, type);
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

static void finish(struct child *child)
{
	if (child->database)
		leave_list(child);
	child->finish(child);
	child->database = NULL;
}

int finish_child(lua_State *L)
{
	struct child *child = lua_touserdata(L, 1);

	luaL_argcheck(L, child != NULL, 1, "handle expected");
	finish(child);
	return 0;
}

void new_type(lua_State *L, const char *type, lua_CFunction finish_function)
{
	luaL_newmetatable(L, type);
	lua_pushcfunction(L, finish_function);
	lua_setfield(L, -2, "__gc");
	lua_pushcfunction(L, finish_function);
	lua_setfield(L, -2, "__close");
	lua_pushliteral(L, "tidetable");
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 1);
}

/* --- databases: made and closed here --- */

static void release(struct database *database)
{
	while (database->children)
		finish(database->children);
	tide_close(database->tide);
	database->tide = NULL;
	builder_release(&database->builder);
	builder_release(&database->second);
	builder_release(&database->third);
	buffer_release(&database->bytes);
}

/* The collector's, or that of a state which ends inside a transaction. */
static int collect_database(lua_State *L)
{
	release(lua_touserdata(L, 1));
	return 0;
}

/* A transaction's function can't close the ground under itself. */
static int close_database(lua_State *L)
{
	struct database *database = check_type(L, 1, DATABASE_TYPE);

	if (database->tide && tide_in_transaction(database->tide))
		return raise(L, ERR_NESTED);
	release(database);
	return 0;
}

/* open(path | nil for memory, read_only, create, durability, max_bytes, clock, alone)
 * -> database; or nil, err, code, whether to try again after a pause. Never waits. */
static int open_database(lua_State *L)
{
	struct tide_options options = {
		.path = luaL_optstring(L, 1, NULL),
		.in_memory = lua_isnoneornil(L, 1),
		.read_only = lua_toboolean(L, 2),
		.create = lua_toboolean(L, 3),
		.durability = (enum tide_durability)luaL_checkinteger(L, 4),
		.max_bytes = (uint64_t)luaL_checkinteger(L, 5),
		.clock = opt_clock(L, 6),
		.alone = lua_toboolean(L, 7),
	};
	struct database *database = lua_newuserdatauv(L, sizeof *database, 2);
	struct failure failure;

	memset(database, 0, sizeof *database);
	database->type = DATABASE_TYPE;
	luaL_setmetatable(L, DATABASE_TYPE);
	lua_pushvalue(L, 6);
	lua_setiuservalue(L, -2, 1);
	if (tide_open(&database->tide, &options, &failure)) {
		int results = return_failure(L, &failure);

		lua_pushboolean(L, failure.err == ERR_BUSY && failure.momentary);
		return results + 1;
	}
	return 1;
}

/* mark_boot(db): the rest of opening, which needs the write lock */
static int mark_boot(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct failure failure;

	if (tide_mark_boot(database->tide, &failure))
		return return_failure(L, &failure);
	lua_pushboolean(L, 1);
	return 1;
}

static int is_closed(lua_State *L)
{
	struct database *database = check_type(L, 1, DATABASE_TYPE);

	lua_pushboolean(L, database->tide == NULL);
	return 1;
}

/* ready(db): raises what is wrong with it */
static int ready(lua_State *L)
{
	check_database(L, 1);
	return 0;
}

static int info(lua_State *L)
{
	static const char *const durability[] = { "full", "one_flush", "none" };
	struct database *database = check_database(L, 1);
	struct tide_info info;
	struct failure failure;

	if (tide_info(database->tide, &info, &failure))
		return return_failure(L, &failure);
	/* The path is the store's, and a finalizer may close it: copied first. */
	lua_pushstring(L, info.path[0] ? info.path : ":memory:");
	lua_createtable(L, 0, 15);
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
	set_integer(L, "page_bytes", info.page_bytes);
	set_integer(L, "readers", info.readers);
	set_integer(L, "readers_max", info.readers_max);
	set_integer(L, "oldest_reader_lag", info.oldest_reader_lag);
	if (info.oldest_reader_pid)
		set_integer(L, "oldest_reader_pid", (uint64_t)info.oldest_reader_pid);
	set_text(L, "engine", info.engine);
	return 1;
}

static int sync(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct failure failure;

	if (tide_sync(database->tide, &failure))
		return return_failure(L, &failure);
	lua_pushboolean(L, 1);
	return 1;
}

/* trim(db) -> records removed in this step, whether there is more */
static int trim(lua_State *L)
{
	struct database *database = check_database(L, 1);
	uint64_t records = 0, rows = 0;
	struct failure failure;
	bool more;

	if (tide_trim(database->tide, &records, &rows, &more, &failure))
		return return_failure(L, &failure);
	lua_pushinteger(L, (lua_Integer)records);
	lua_pushboolean(L, more);
	return 2;
}

/* wait_writer(db, seconds): sleeps until a writer lets go */
static int wait_writer(lua_State *L)
{
	struct database *database = check_database(L, 1);

	tide_wait_writer(database->tide, check_wait(L, 2));
	return 0;
}

/* elapsed() -> seconds since some moment, for time limits */
static int elapsed(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)tide_elapsed_ms() / 1000);
	return 1;
}

void open_databases(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "open", open_database },
		{ "close", close_database },
		{ "is_closed", is_closed },
		{ "mark_boot", mark_boot },
		{ "ready", ready },
		{ "info", info },
		{ "sync", sync },
		{ "trim", trim },
		{ "wait_writer", wait_writer },
		{ "elapsed", elapsed },
		{ "finish", finish_child },
		{ NULL, NULL },
	};

	new_type(L, DATABASE_TYPE, collect_database);
	luaL_setfuncs(L, functions, 0);
}
