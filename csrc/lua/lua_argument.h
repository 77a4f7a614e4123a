/* lua_argument.h - reading arguments: bytes, and seconds as ms. */
#ifndef LUA_LUA_ARGUMENT_H
#define LUA_LUA_ARGUMENT_H

#include <lauxlib.h>

#include "base/buffer.h"
#include "lua/lua_version.h"

/* A string's bytes, good as long as it stands where it is. A number is none: Lua
 * would turn it into a string in its place. */
static inline struct slice check_slice(lua_State *L, int index)
{
	struct slice slice;

	luaL_checktype(L, index, LUA_TSTRING);
	slice.data = (const uint8_t *)lua_tolstring(L, index, &slice.len);
	return slice;
}

/* An integer from least to most; raises an argument error for any other. */
static inline lua_Integer check_choice(lua_State *L, int index, lua_Integer least,
	lua_Integer most)
{
	lua_Integer choice = luaL_checkinteger(L, index);

	luaL_argcheck(L, choice >= least && choice <= most, index, "out of range");
	return choice;
}

/* Seconds as whole ms, one too many rather than one too few; what is not above 0
 * is none at all, and more than `most` is that. */
static inline uint64_t check_ms(lua_State *L, int index, uint64_t most)
{
	lua_Number ms = luaL_checknumber(L, index) * 1000;

	if (!(ms > 0))
		return 0;
	return ms < (lua_Number)most ? (uint64_t)ms + 1 : most;
}

/* How long to wait in one call: at most eleven days. */
static inline uint32_t check_wait(lua_State *L, int index)
{
	return (uint32_t)check_ms(L, index, 1000000000);
}

/* How long something may take: at most 30 years, which is as good as no limit. */
static inline uint64_t check_time_limit(lua_State *L, int index)
{
	return check_ms(L, index, UINT64_C(1000000000000));
}

#endif
