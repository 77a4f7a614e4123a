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

void open_clocks(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "now", manual_now },
		{ "advance", manual_advance },
		{ "set", manual_set },
		{ "reboot", manual_reboot },
		{ NULL, NULL },
	};

	new_type(L, CLOCK_TYPE, drop_clock, NULL);
	luaL_newlib(L, methods);
	guard_methods(L, "clock");
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
	lua_pushcfunction(L, manual_clock);
	lua_setfield(L, -2, "manual_clock");
	lua_pushcfunction(L, is_clock);
	lua_setfield(L, -2, "is_clock");
}
