/* lua_check.c - checks for Lua: starts, observes and ends checks, and returns their reports. */
#include <lauxlib.h>

#include "lua/lua_argument.h"
#include "lua/lua_failure.h"
#include "lua/lua_field.h"
#include "lua/lua_handle.h"

struct checkup_handle {
	struct child child;          /* its database is NULL if a file is checked */
	struct tide_checkup *checkup;
};

static void finish_checkup(struct child *child)
{
	struct checkup_handle *handle = (struct checkup_handle *)child;

	tide_checkup_finish(handle->checkup);
	handle->checkup = NULL;
}

/* Returns the checkup at 1. Raises CLOSED if it was finished, FORKED if it belongs to the parent
 * process. */
static struct tide_checkup *check_checkup(lua_State *L)
{
	struct checkup_handle *handle = check_type(L, 1, CHECKUP_TYPE);
	struct database *database;

	if (handle->child.database || !handle->checkup)
		check_child(L, 1, CHECKUP_TYPE, &database);
	return handle->checkup;
}

/* check(db) -> checkup; or nil, err, code */
static int start_check(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct checkup_handle *handle = new_child(L, 1, sizeof *handle, CHECKUP_TYPE, 1,
		finish_checkup);
	struct failure failure;
	int err;

	database = check_database(L, 1);
	err = tide_checkup_start(&handle->checkup, database->tide, &failure);
	if (err && collect_forgotten(L, &failure)) {
		check_database(L, 1);
		err = tide_checkup_start(&handle->checkup, database->tide, &failure);
	}
	if (err)
		return return_failure(L, &failure);
	adopt(&handle->child, database);
	return 1;
}

static int start_checkup(struct checkup_handle *handle, const char *path, bool child,
	uint32_t stall_timeout_ms, struct failure *failure)
{
	return child ? tide_checkup_isolated(&handle->checkup, path, stall_timeout_ms, failure) :
		tide_checkup_file(&handle->checkup, path, failure);
}

/* check_file(path, stall timeout in seconds | nil) -> checkup; or nil, err, code. With a timeout
 * the check runs in a child process. */
static int start_file_check(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	bool child = !lua_isnoneornil(L, 2);
	uint32_t stall_timeout_ms = child ? check_wait(L, 2) : 0;
	struct checkup_handle *handle = new_child(L, 1, sizeof *handle, CHECKUP_TYPE, 1,
		finish_checkup);
	struct failure failure;
	int err = start_checkup(handle, path, child, stall_timeout_ms, &failure);

	if (err && collect_forgotten(L, &failure))
		err = start_checkup(handle, path, child, stall_timeout_ms, &failure);
	return err ? return_failure(L, &failure) : 1;
}

static void set_report_counts(lua_State *L, const struct report *report)
{
	set_integer(L, "tables", report->tables);
	set_integer(L, "items", report->items);
	set_integer(L, "streams", report->streams);
	set_integer(L, "records", report->records);
	set_integer(L, "table_changes", report->table_changes);
	set_integer(L, "rows", report->rows);
	set_integer(L, "bytes", report->bytes);
	set_integer(L, "pages", report->pages);
	set_integer(L, "pages_free", report->pages_free);
	set_integer(L, "pages_leaked", report->pages_leaked);
	set_integer(L, "commit", report->commit);
	set_integer(L, "stale_readers", report->stale_readers);
	set_integer(L, "problem_count", report->problems);
}

/* check_result(checkup) -> report, with its text; false while the check is running; or nil, err,
 * code. The report is copied before Lua allocates, because a finalizer may close the checkup. */
static int check_result(lua_State *L)
{
	const struct report *report;
	struct report counts;
	struct failure failure;
	int err = tide_checkup_result(check_checkup(L), &report, &failure);

	if (err < 0)
		return return_failure(L, &failure);
	if (err == END) {
		lua_pushboolean(L, 0);
		return 1;
	}
	counts = *report;
	lua_pushlstring(L, (const char *)report->text.data, report->text.len);
	lua_createtable(L, 0, 15);
	set_report_counts(L, &counts);
	lua_pushvalue(L, -2);
	lua_setfield(L, -2, "text");
	return 1;
}

/* check_wait(checkup, seconds) -> true if the check has ended. Sleeps until the caller should call
 * check_result, until the time has passed or until a signal. */
static int check_wait_for(lua_State *L)
{
	struct tide_checkup *checkup = check_checkup(L);
	const struct report *report;

	tide_checkup_wait(checkup, check_wait(L, 2));
	lua_pushboolean(L, tide_checkup_result(checkup, &report, NULL) != END);
	return 1;
}

/* check_pollfd(checkup) -> descriptor that is readable when the caller should call check_result */
static int check_pollfd(lua_State *L)
{
	lua_pushinteger(L, tide_checkup_descriptor(check_checkup(L)));
	return 1;
}

/* clear_readers(db) -> number of reader slots of dead processes that were cleared */
static int clear_readers(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct failure failure;
	uint32_t cleared;

	if (tide_clear_readers(database->tide, &cleared, &failure))
		return return_failure(L, &failure);
	lua_pushinteger(L, (lua_Integer)cleared);
	return 1;
}

void open_checks(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "check", start_check },
		{ "check_file", start_file_check },
		{ "check_result", check_result },
		{ "check_wait", check_wait_for },
		{ "check_pollfd", check_pollfd },
		{ "clear_readers", clear_readers },
		{ NULL, NULL },
	};

	new_type(L, CHECKUP_TYPE, finish_child, finish_child);
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
