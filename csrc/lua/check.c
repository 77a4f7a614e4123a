/* check.c - what is wrong with a file, for Lua. */
#include <lauxlib.h>

#include "lua/failure.h"
#include "lua/field.h"
#include "lua/handle.h"

/* A report as a table; its text beside it, copied by Lua before anything else
 * is asked of it. */
static int push_report(lua_State *L, const struct tide_report *report)
{
	lua_pushlstring(L, (const char *)report->text.data, report->text.len);
	lua_createtable(L, 0, 13);
	set_integer(L, "tables", report->tables);
	set_integer(L, "items", report->items);
	set_integer(L, "streams", report->streams);
	set_integer(L, "records", report->records);
	set_integer(L, "rows", report->rows);
	set_integer(L, "bytes", report->bytes);
	set_integer(L, "pages", report->pages);
	set_integer(L, "pages_free", report->pages_free);
	set_integer(L, "pages_leaked", report->pages_leaked);
	set_integer(L, "commit", report->commit);
	set_integer(L, "stale_readers", report->stale_readers);
	set_integer(L, "problem_count", report->problems);
	lua_pushvalue(L, -2);
	lua_setfield(L, -2, "text");
	return 1;
}

static int check(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct tide_report report = { 0 };
	struct failure failure;

	/* The report's text lives in the handle's buffer: nothing is lost when
	 * Lua runs out of memory below. */
	buffer_release(&database->bytes);
	if (tide_check(database->tide, &report, &failure)) {
		buffer_release(&report.text);
		return return_failure(L, &failure);
	}
	database->bytes = report.text;
	return push_report(L, &report);
}

/* A report that has no handle to live in: a userdata that the collector frees. */
static int release_report(lua_State *L)
{
	struct tide_report *report = lua_touserdata(L, 1);

	buffer_release(&report->text);
	return 0;
}

/* check_file(path, apart, patience in seconds) */
static int check_file(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	bool apart = lua_toboolean(L, 2);
	lua_Number patience = luaL_checknumber(L, 3);
	struct tide_report *report = lua_newuserdatauv(L, sizeof *report, 0);
	struct failure failure;
	int err;

	*report = (struct tide_report){ 0 };
	luaL_setmetatable(L, REPORT_TYPE);
	if (apart)
		err = tide_check_apart(path, (uint32_t)(patience * 1000), report, &failure);
	else
		err = tide_check_file(path, report, &failure);
	return err ? return_failure(L, &failure) : push_report(L, report);
}

/* clear_readers(db) -> how many slots of dead processes there were */
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
		{ "check", check },
		{ "check_file", check_file },
		{ "clear_readers", clear_readers },
		{ NULL, NULL },
	};

	new_type(L, REPORT_TYPE, release_report);
	luaL_setfuncs(L, functions, 0);
}
