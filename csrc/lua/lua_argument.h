/* lua_argument.h - checks and converts arguments of the core's Lua functions: byte strings,
 * bounded integers, seconds to milliseconds, view types and retentions.
 */
#ifndef LUA_LUA_ARGUMENT_H
#define LUA_LUA_ARGUMENT_H

#include <lauxlib.h>

#include "base/buffer.h"
#include "codec/schema.h"
#include "lua/lua_version.h"

/* Returns the bytes of the string at index, valid while it stays on the stack. Raises an argument
 * error for other types, also for a number, which lua_tolstring would convert in place. */
static inline struct slice check_slice(lua_State *L, int index)
{
	struct slice slice;

	luaL_checktype(L, index, LUA_TSTRING);
	slice.data = (const uint8_t *)lua_tolstring(L, index, &slice.len);
	return slice;
}

/* Returns the integer at index. Raises an argument error if it is less than least or greater than
 * most. */
static inline lua_Integer check_choice(lua_State *L, int index, lua_Integer least,
	lua_Integer most)
{
	lua_Integer choice = luaL_checkinteger(L, index);

	luaL_argcheck(L, choice >= least && choice <= most, index, "out of range");
	return choice;
}

/* Returns the integer at index. Raises an argument error if it is negative. */
static inline uint64_t check_unsigned(lua_State *L, int index)
{
	return (uint64_t)check_choice(L, index, 0, INT64_MAX);
}

/* Returns the seconds at index as whole milliseconds, rounded up: 0 if the number is not positive,
 * and at most `most`. */
static inline uint64_t check_ms(lua_State *L, int index, uint64_t most)
{
	lua_Number ms = luaL_checknumber(L, index) * 1000;

	if (!(ms > 0))
		return 0;
	return ms < (lua_Number)most ? (uint64_t)ms + 1 : most;
}

/* Returns the time to wait in one call, in ms, at most eleven days. */
static inline uint32_t check_wait(lua_State *L, int index)
{
	return (uint32_t)check_ms(L, index, 1000000000);
}

/* Returns a time limit in ms, at most 30 years. */
static inline uint64_t check_time_limit(lua_State *L, int index)
{
	return check_ms(L, index, UINT64_C(1000000000000));
}

/* Returns the view type at index; 0: no stream. */
static inline uint8_t check_view(lua_State *L, int index)
{
	return (uint8_t)luaL_checkinteger(L, index);
}

/* Returns the retention whose age in ms, bytes and count, and age in ms and bytes of its holds (0:
 * default or unchanged), are the five arguments from index on. */
static inline struct retention check_retention(lua_State *L, int index)
{
	return (struct retention){
		.age_ms = (uint64_t)luaL_checkinteger(L, index),
		.max_bytes = (uint64_t)luaL_checkinteger(L, index + 1),
		.max_count = (uint64_t)luaL_checkinteger(L, index + 2),
		.hold_age_ms = (uint64_t)luaL_checkinteger(L, index + 3),
		.hold_bytes = (uint64_t)luaL_checkinteger(L, index + 4),
	};
}

#endif
