/* lua_timer.c - timers for Lua: descriptors that an event loop waits on between two attempts. */
#include <lauxlib.h>

#include "lua/lua_argument.h"
#include "lua/lua_failure.h"
#include "lua/lua_handle.h"
#include "os/timer.h"

struct timer_handle {
	type_word type;
	int descriptor;              /* -1: closed */
};

/* Returns the timer at 1; raises CLOSED after timer_end. */
static struct timer_handle *check_timer(lua_State *L)
{
	struct timer_handle *handle = check_type(L, 1, TIMER_TYPE);

	if (handle->descriptor < 0)
		raise_error(L, ERR_CLOSED);
	return handle;
}

/* timer(seconds) -> timer; or nil, err, code */
static int new_timer(lua_State *L)
{
	uint32_t ms = check_wait(L, 1);
	struct timer_handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
	struct failure failure;

	handle->descriptor = -1;
	set_type(L, TIMER_TYPE);
	if (timer_start(&handle->descriptor, ms, &failure))
		return return_failure(L, &failure);
	return 1;
}

/* timer_pollfd(timer) -> descriptor that is readable when the timer has expired */
static int timer_pollfd(lua_State *L)
{
	lua_pushinteger(L, check_timer(L)->descriptor);
	return 1;
}

/* timer_sleep(timer) -> true if the timer has expired; false after a signal, so that Lua's hooks
 * run */
static int timer_sleep(lua_State *L)
{
	lua_pushboolean(L, timer_wait(check_timer(L)->descriptor) == 0);
	return 1;
}

/* timer_end(timer): closes it; also __gc and __close. May be called again. */
static int finish_timer(lua_State *L)
{
	struct timer_handle *handle = check_type(L, 1, TIMER_TYPE);

	timer_end(handle->descriptor);
	handle->descriptor = -1;
	return 0;
}

void open_timers(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "timer", new_timer },
		{ "timer_pollfd", timer_pollfd },
		{ "timer_sleep", timer_sleep },
		{ "timer_end", finish_timer },
		{ NULL, NULL },
	};

	new_type(L, TIMER_TYPE, finish_timer, finish_timer);
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
