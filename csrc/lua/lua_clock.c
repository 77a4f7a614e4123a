/* lua_clock.c - manual clocks for Lua. Lua's times are in seconds, the core's in milliseconds. */
#include <math.h>

#include <lauxlib.h>

#include "lua/lua_handle.h"
#include "lua/lua_member.h"
#include "os/clock.h"

struct clock_handle {
	type_word type;
	struct clock *clock;
};

static struct clock_handle *check_clock(lua_State *L, int index)
{
	struct clock_handle *handle = check_type(L, index, CLOCK_TYPE);

	luaL_argcheck(L, handle->clock, index, "the clock is closed");
	return handle;
}

struct clock *opt_clock(lua_State *L, int index)
{
	return lua_isnoneornil(L, index) ? NULL : check_clock(L, index)->clock;
}

static uint64_t check_ms(lua_State *L, int index)
{
	lua_Number seconds = luaL_checknumber(L, index);

	luaL_argcheck(L, seconds >= 0 && seconds < 1e14, index, "expected seconds from 0 to 1e14");
	return (uint64_t)llround(seconds * 1000);
}

static int drop_clock(lua_State *L)
{
	struct clock_handle *handle = check_type(L, 1, CLOCK_TYPE);

	if (handle->clock)
		clock_restore(handle->clock);
	clock_drop(handle->clock);
	handle->clock = NULL;
	return 0;
}

/* manual_clock(seconds) -> clock that starts at this time and changes only by its methods */
static int manual_clock(lua_State *L)
{
	uint64_t ms = check_ms(L, 1);
	struct clock_handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);

	handle->clock = NULL;
	set_type(L, CLOCK_TYPE);
	handle->clock = clock_manual(ms);
	return handle->clock ? 1 : luaL_error(L, "not enough memory");
}

/* is_clock(value) -> true if it is a manual clock */
static int is_clock(lua_State *L)
{
	const struct clock_handle *handle = test_type(L, 1, CLOCK_TYPE);

	lua_pushboolean(L, handle && handle->clock);
	return 1;
}

static int manual_now(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)clock_now_ms(check_clock(L, 1)->clock) / 1000);
	return 1;
}

static int manual_advance(lua_State *L)
{
	clock_advance(check_clock(L, 1)->clock, check_ms(L, 2));
	return 0;
}

static int manual_set(lua_State *L)
{
	clock_set(check_clock(L, 1)->clock, check_ms(L, 2));
	return 0;
}

static int manual_reboot(lua_State *L)
{
	clock_reboot(check_clock(L, 1)->clock);
	return 0;
}

/* replace_clock(seconds) -> manual clock that replaces the process's, until close_clock or until it
 * is collected */
static int replace_clock(lua_State *L)
{
	manual_clock(L);
	clock_replace(check_clock(L, -1)->clock);
	return 1;
}

/* clock_elapsed(clock) -> seconds of its elapsed time */
static int clock_elapsed(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)clock_elapsed_ms(check_clock(L, 1)->clock) / 1000);
	return 1;
}

/* is_clock_replaced() -> true if a manual clock replaces the process's */
static int is_clock_replaced(lua_State *L)
{
	lua_pushboolean(L, clock_is_replaced());
	return 1;
}

/* pass_time(seconds): advances the clock that replaces the process's, by at least 1 ms unless
 * seconds is 0 */
static int pass_time(lua_State *L)
{
	uint64_t ms = check_ms(L, 1);

	clock_pass(ms == 0 && lua_tonumber(L, 1) > 0 ? 1 : ms);
	return 0;
}

/* time() -> seconds since 1970 by the process's clock */
static int process_time(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)clock_now_ms(clock_process()) / 1000);
	return 1;
}

void open_clocks(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "now", manual_now },
		{ "advance", manual_advance },
		{ "set", manual_set },
		{ "reboot", manual_reboot },
		{ NULL, NULL },
	};

	static const luaL_Reg functions[] = {
		{ "manual_clock", manual_clock },
		{ "is_clock", is_clock },
		{ "replace_clock", replace_clock },
		{ "close_clock", drop_clock },
		{ "clock_elapsed", clock_elapsed },
		{ "is_clock_replaced", is_clock_replaced },
		{ "pass_time", pass_time },
		{ "time", process_time },
		{ NULL, NULL },
	};

	new_type(L, CLOCK_TYPE, drop_clock, NULL);
	luaL_newlib(L, methods);
	guard_methods(L, "clock");
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
