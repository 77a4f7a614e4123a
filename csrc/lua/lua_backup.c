/* lua_backup.c - copies for Lua: starts, observes and ends copies, which run on a core thread. */
#include <lauxlib.h>

#include "lua/lua_argument.h"
#include "lua/lua_failure.h"
#include "lua/lua_field.h"
#include "lua/lua_handle.h"

struct backup_handle {
	struct child child;
	struct tide_backup *backup;
};

static void finish_backup(struct child *child)
{
	struct backup_handle *handle = (struct backup_handle *)child;

	tide_backup_finish(handle->backup);
	handle->backup = NULL;
}

static struct backup_handle *check_backup(lua_State *L)
{
	struct database *database;

	return check_child(L, 1, BACKUP_TYPE, &database);
}

/* backup(db, path, compact, overwrite, busy timeout in seconds) -> backup; or nil, err, code */
static int start_backup(lua_State *L)
{
	struct tide_backup_options options = {
		.path = luaL_checkstring(L, 2),
		.compact = lua_toboolean(L, 3),
		.overwrite = lua_toboolean(L, 4),
		.busy_ms = check_wait(L, 5),
	};
	struct database *database = check_database(L, 1);
	struct backup_handle *handle = new_child(L, 1, sizeof *handle, BACKUP_TYPE, 1,
		finish_backup);
	struct failure failure;
	int err;

	database = check_database(L, 1);
	err = tide_backup_start(&handle->backup, database->tide, &options, &failure);
	if (err && collect_forgotten(L, &failure)) {
		check_database(L, 1);
		err = tide_backup_start(&handle->backup, database->tide, &options, &failure);
	}
	if (err)
		return return_failure(L, &failure);
	adopt(&handle->child, database);
	return 1;
}

/* compact(db that was opened exclusively) -> backup; or nil, err, code */
static int start_compaction(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct backup_handle *handle = new_child(L, 1, sizeof *handle, BACKUP_TYPE, 1,
		finish_backup);
	struct failure failure;

	database = check_database(L, 1);
	if (tide_compact_start(&handle->backup, database->tide, &failure))
		return return_failure(L, &failure);
	adopt(&handle->child, database);
	return 1;
}

static void push_facts(lua_State *L, const struct tide_backup_facts *facts)
{
	lua_createtable(L, 0, 9);
	set_integer(L, "bytes", facts->bytes);
	set_integer(L, "source_bytes", facts->source_bytes);
	set_integer(L, "grown_bytes", facts->grown_bytes);
	set_integer(L, "sequence_number", facts->sequence);
	set_integer(L, "items", facts->items);
	set_integer(L, "records", facts->records);
	set_hex(L, "database_id", facts->database_id, sizeof facts->database_id);
	set_hex(L, "incarnation", facts->incarnation, sizeof facts->incarnation);
	set_seconds(L, "seconds", facts->elapsed_ms);
}

/* backup_result(backup) -> facts; false while the copy is running; or nil, err, code */
static int backup_result(lua_State *L)
{
	struct tide_backup_facts facts;
	struct failure failure;
	int err = tide_backup_result(check_backup(L)->backup, &facts, &failure);

	if (err < 0)
		return return_failure(L, &failure);
	if (err == END)
		lua_pushboolean(L, 0);
	else
		push_facts(L, &facts);
	return 1;
}

/* backup_progress(backup) -> phase, done, total */
static int backup_progress(lua_State *L)
{
	static const char *const phases[] = {
		[TIDE_COPYING] = "copying",
		[TIDE_VERIFYING] = "verifying",
		[TIDE_PUBLISHING] = "publishing",
	};
	struct tide_progress progress;

	tide_backup_progress(check_backup(L)->backup, &progress);
	if (progress.done > progress.total)   /* total is an estimate */
		progress.done = progress.total;
	lua_pushstring(L, phases[progress.phase]);
	lua_pushinteger(L, (lua_Integer)progress.done);
	lua_pushinteger(L, (lua_Integer)progress.total);
	return 3;
}

/* backup_wait(backup, seconds) -> true if the copy has ended. Sleeps until it has ended, until the
 * time has passed or until a signal. */
static int backup_wait(lua_State *L)
{
	struct backup_handle *handle = check_backup(L);
	struct tide_backup_facts facts;

	tide_backup_wait(handle->backup, check_wait(L, 2));
	lua_pushboolean(L, tide_backup_result(handle->backup, &facts, NULL) != END);
	return 1;
}

/* backup_pollfd(backup) -> descriptor that is readable when the copy has ended */
static int backup_pollfd(lua_State *L)
{
	lua_pushinteger(L, tide_backup_descriptor(check_backup(L)->backup));
	return 1;
}

void open_backups(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "backup", start_backup },
		{ "compact", start_compaction },
		{ "backup_result", backup_result },
		{ "backup_progress", backup_progress },
		{ "backup_wait", backup_wait },
		{ "backup_pollfd", backup_pollfd },
		{ NULL, NULL },
	};

	new_type(L, BACKUP_TYPE, finish_child, finish_child);
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
