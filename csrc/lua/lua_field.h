/* lua_field.h - functions that set a field of the table on top of the stack. */
#ifndef LUA_LUA_FIELD_H
#define LUA_LUA_FIELD_H

#include <stdbool.h>
#include <stdint.h>

#include <lua.h>

#include "lua/lua_version.h"

#define HEX_BYTES_MAX 32

static inline void set_text(lua_State *L, const char *name, const char *text)
{
	lua_pushstring(L, text);
	lua_setfield(L, -2, name);
}

static inline void set_integer(lua_State *L, const char *name, uint64_t n)
{
	lua_pushinteger(L, (lua_Integer)n);
	lua_setfield(L, -2, name);
}

static inline void set_bool(lua_State *L, const char *name, bool b)
{
	lua_pushboolean(L, b);
	lua_setfield(L, -2, name);
}

/* Sets a time or a duration, which is in seconds in Lua. */
static inline void set_seconds(lua_State *L, const char *name, uint64_t ms)
{
	lua_pushnumber(L, (lua_Number)ms / 1000);
	lua_setfield(L, -2, name);
}

static inline void set_signed_seconds(lua_State *L, const char *name, int64_t ms)
{
	lua_pushnumber(L, (lua_Number)ms / 1000);
	lua_setfield(L, -2, name);
}

/* Writes 2 * len hexadecimal digits at `to`, and returns the address after them. */
static inline char *put_hex(char *to, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		*to++ = "0123456789abcdef"[bytes[i] >> 4];
		*to++ = "0123456789abcdef"[bytes[i] & 15];
	}
	return to;
}

/* Sets the bytes, at most HEX_BYTES_MAX of them, in hexadecimal. */
static inline void set_hex(lua_State *L, const char *name, const uint8_t *bytes, size_t len)
{
	char text[2 * HEX_BYTES_MAX];

	if (len > HEX_BYTES_MAX)
		len = HEX_BYTES_MAX;
	put_hex(text, bytes, len);
	lua_pushlstring(L, text, 2 * len);
	lua_setfield(L, -2, name);
}

#endif
