/* lua_wakeup.c - wakeups for Lua: descriptors for waiting in event loops. */
#include <lauxlib.h>

#include "lua/lua_argument.h"
#include "lua/lua_failure.h"
#include "lua/lua_handle.h"

struct wakeup_handle {
	struct child child;
	struct tide_wakeup *wakeup;
};

static void finish_wakeup(struct child *child)
{
	struct wakeup_handle *handle = (struct wakeup_handle *)child;

	tide_wakeup_close(handle->wakeup);
	handle->wakeup = NULL;
}

static struct wakeup_handle *check_wakeup(lua_State *L, struct database **database)
{
	return check_child(L, 1, WAKEUP_TYPE, database);
}

/* Returns the kind of a wakeup that the argument names. */
static enum wakeup_kind check_kind(lua_State *L, int index)
{
	if (lua_type(L, index) == LUA_TSTRING)
		return WAKEUP_PROGRESS;
	return lua_toboolean(L, index) ? WAKEUP_UNLOCKS : WAKEUP_COMMITS;
}

/* wakeup(db, kind) -> wakeup; or nil, err, code. The wakeup is notified of releases of the write
 * lock if kind is true, of the progress of consumers if it is "progress", else of commits. */
static int new_wakeup(lua_State *L)
{
	struct database *database = check_database(L, 1);
	enum wakeup_kind event = check_kind(L, 2);
	struct wakeup_handle *handle = new_child(L, 1, sizeof *handle, WAKEUP_TYPE, 1,
		finish_wakeup);
	struct failure failure;
	int err;

	check_database(L, 1);
	err = tide_wakeup_open(&handle->wakeup, database->tide, event, &failure);
	if (err && collect_forgotten(L, &failure)) {
		check_database(L, 1);
		err = tide_wakeup_open(&handle->wakeup, database->tide, event, &failure);
	}
	if (err)
		return return_failure(L, &failure);
	adopt(&handle->child, database);
	return 1;
}

/* wakeup_pollfd(wakeup) -> descriptor */
static int wakeup_pollfd(lua_State *L)
{
	struct database *database;

	lua_pushinteger(L, tide_wakeup_descriptor(check_wakeup(L, &database)->wakeup));
	return 1;
}

/* wakeup_clear(wakeup): makes the descriptor unreadable */
static int clear_wakeup(lua_State *L)
{
	struct database *database;

	tide_wakeup_clear(check_wakeup(L, &database)->wakeup);
	return 0;
}

/* wakeup_timeout(wakeup) -> seconds after which the caller must check for news without being
 * notified */
static int wakeup_timeout(lua_State *L)
{
	struct database *database;

	lua_pushnumber(L, tide_wakeup_timeout(check_wakeup(L, &database)->wakeup) / 1000.0);
	return 1;
}

/* wakeup_wait(wakeup, seconds) -> true if the descriptor is readable. Sleeps until it is, at most
 * a second. A signal ends the sleep, so that Lua's hooks run. */
static int wait_at_wakeup(lua_State *L)
{
	struct database *database;
	struct wakeup_handle *handle = check_wakeup(L, &database);
	uint32_t ms = check_wait(L, 2);

	lua_pushboolean(L, tide_wakeup_wait(handle->wakeup, ms) == 0);
	return 1;
}

void open_wakeups(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "wakeup", new_wakeup },
		{ "wakeup_pollfd", wakeup_pollfd },
		{ "wakeup_clear", clear_wakeup },
		{ "wakeup_timeout", wakeup_timeout },
		{ "wakeup_wait", wait_at_wakeup },
		{ NULL, NULL },
	};

	new_type(L, WAKEUP_TYPE, finish_child, finish_child);
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
