/* bell.c - bells for Lua: waiting for commits in event loops, by a descriptor. */
#include <lauxlib.h>

#include "lua/argument.h"
#include "lua/failure.h"
#include "lua/handle.h"

struct bell_handle {
	struct child child;
	struct tide_bell *bell;
};

static void finish_bell(struct child *child)
{
	struct bell_handle *handle = (struct bell_handle *)child;

	tide_bell_close(handle->bell);
	handle->bell = NULL;
}

static struct bell_handle *check_bell(lua_State *L, struct database **database)
{
	return check_child(L, 1, BELL_TYPE, database);
}

/* bell(db, unlocks): notified of commits, or of the write lock's release */
static int bell(lua_State *L)
{
	struct database *database = check_database(L, 1);
	enum tide_event event = lua_toboolean(L, 2) ? TIDE_UNLOCKS : TIDE_COMMITS;
	struct bell_handle *handle = new_child(L, 1, sizeof *handle, BELL_TYPE, 1, finish_bell);
	struct failure failure;
	int err;

	check_database(L, 1);
	err = tide_bell_open(&handle->bell, database->tide, event, &failure);
	if (err && collect_forgotten(L, &failure)) {
		check_database(L, 1);
		err = tide_bell_open(&handle->bell, database->tide, event, &failure);
	}
	if (err)
		return return_failure(L, &failure);
	adopt(&handle->child, database);
	return 1;
}

static int bell_pollfd(lua_State *L)
{
	struct database *database;

	lua_pushinteger(L, tide_bell_descriptor(check_bell(L, &database)->bell));
	return 1;
}

static int bell_clear(lua_State *L)
{
	struct database *database;

	tide_bell_clear(check_bell(L, &database)->bell);
	return 0;
}

/* bell_timeout(bell) -> seconds */
static int bell_timeout(lua_State *L)
{
	struct database *database;

	lua_pushnumber(L, tide_bell_timeout(check_bell(L, &database)->bell) / 1000.0);
	return 1;
}

/* bell_wait(bell, seconds): sleeps until the bell is readable, a second at most;
 * whether it is. A signal ends it: then Lua's hooks get their turn. */
static int bell_wait(lua_State *L)
{
	struct database *database;
	struct bell_handle *handle = check_bell(L, &database);
	uint32_t ms = check_wait(L, 2);

	lua_pushboolean(L, tide_bell_wait(handle->bell, ms) == 0);
	return 1;
}

void open_bells(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "bell", bell },
		{ "bell_pollfd", bell_pollfd },
		{ "bell_clear", bell_clear },
		{ "bell_timeout", bell_timeout },
		{ "bell_wait", bell_wait },
		{ NULL, NULL },
	};

	new_type(L, BELL_TYPE, finish_child, finish_child);
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
