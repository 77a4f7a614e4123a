/* lua_waiter.c - waiters for Lua: places in the queue for the write lock. */
#include <lauxlib.h>

#include "lua/lua_argument.h"
#include "lua/lua_failure.h"
#include "lua/lua_handle.h"

struct waiter_handle {
	struct child child;
	struct tide_waiter *waiter;
};

static void finish_waiter(struct child *child)
{
	struct waiter_handle *handle = (struct waiter_handle *)child;

	tide_waiter_close(handle->waiter);
	handle->waiter = NULL;
}

static struct tide_waiter *check_waiter(lua_State *L)
{
	struct database *database;
	struct waiter_handle *handle = check_child(L, 1, WAITER_TYPE, &database);

	return handle->waiter;
}

/* waiter(db, at_descriptor) -> waiter; or nil, err, code */
static int new_waiter(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct waiter_handle *handle = new_child(L, 1, sizeof *handle, WAITER_TYPE, 1,
		finish_waiter);
	struct failure failure;

	check_database(L, 1);
	if (tide_waiter_open(&handle->waiter, database->tide, lua_toboolean(L, 2), &failure))
		return return_failure(L, &failure);
	adopt(&handle->child, database);
	return 1;
}

/* waiter_use(waiter): lets the next transaction of its database use its place in the queue */
static int waiter_use(lua_State *L)
{
	tide_waiter_use(check_waiter(L));
	return 0;
}

/* waiter_sleep(waiter, seconds): sleeps until the lock may be free. A signal ends the sleep, so
 * that Lua's hooks run. */
static int waiter_sleep(lua_State *L)
{
	struct tide_waiter *waiter = check_waiter(L);

	tide_waiter_sleep(waiter, check_wait(L, 2));
	return 0;
}

/* waiter_arm(waiter) -> longest time to wait at the descriptor, in seconds; 0: try again
 * immediately */
static int waiter_arm(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)tide_waiter_arm(check_waiter(L)) / 1e6);
	return 1;
}

void open_waiters(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "waiter", new_waiter },
		{ "waiter_use", waiter_use },
		{ "waiter_sleep", waiter_sleep },
		{ "waiter_arm", waiter_arm },
		{ NULL, NULL },
	};

	new_type(L, WAITER_TYPE, finish_child, finish_child);
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
