/* lua_timer.c - pauses for Lua: a time to wait between two attempts, in any event loop. */
#include <lauxlib.h>

#include "lua/lua_argument.h"
#include "lua/lua_failure.h"
#include "lua/lua_handle.h"
#include "os/timer.h"

struct pause_handle {
	type_word type;
	int descriptor;              /* -1: ended */
};

static struct pause_handle *check_pause(lua_State *L)
{
	struct pause_handle *handle = check_type(L, 1, PAUSE_TYPE);

	if (handle->descriptor < 0) {
		struct failure failure;

		fail(&failure, ERR_CLOSED);
		raise_failure(L, &failure);
	}
	return handle;
}

/* pause(seconds) -> pause; or nil, err, code */
static int pause_new(lua_State *L)
{
	uint32_t ms = check_wait(L, 1);
	struct pause_handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
	struct failure failure;

	handle->descriptor = -1;
	set_type(L, PAUSE_TYPE);
	if (timer_start(&handle->descriptor, ms, &failure))
		return return_failure(L, &failure);
	return 1;
}

static int pause_pollfd(lua_State *L)
{
	lua_pushinteger(L, check_pause(L)->descriptor);
	return 1;
}

/* pause_sleep(pause) -> whether the time has passed; a signal ends the sleep, so
 * that Lua's hooks run */
static int pause_sleep(lua_State *L)
{
	lua_pushboolean(L, timer_wait(check_pause(L)->descriptor) == 0);
	return 1;
}

/* timer_end(pause): twice is fine */
static int pause_finish(lua_State *L)
{
	struct pause_handle *handle = check_type(L, 1, PAUSE_TYPE);

	timer_end(handle->descriptor);
	handle->descriptor = -1;
	return 0;
}

void open_timers(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "pause", pause_new },
		{ "pause_pollfd", pause_pollfd },
		{ "pause_sleep", pause_sleep },
		{ "timer_end", pause_finish },
		{ NULL, NULL },
	};

	new_type(L, PAUSE_TYPE, pause_finish, pause_finish);
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
