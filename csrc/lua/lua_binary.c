/* lua_binary.c - tidetable.binary: the Lua type for DynamoDB's type B.
 *
 * A Lua string can be text or bytes, so bytes have a type that distinguishes them.
 * The userdata contains the bytes and nothing else.
 */
#include "lua/lua_binary.h"

#include <lauxlib.h>

#include "lua/lua_kind.h"
#include "lua/lua_member.h"

struct slice binary_at(lua_State *L, int index)
{
	return slice_of(lua_touserdata(L, index), lua_rawlen(L, index));
}

void push_binary(lua_State *L, struct slice bytes)
{
	void *buf = lua_newuserdatauv(L, bytes.len, 0);

	if (bytes.len)
		memcpy(buf, bytes.data, bytes.len);
	kind_set(L, KIND_BINARY);
}

static struct slice check_binary(lua_State *L, int index)
{
	if (kind_at(L, index) != KIND_BINARY)
		luaL_typeerror(L, index, BINARY_TYPE);
	return binary_at(L, index);
}

/* Returns the bytes of a binary or a string; raises an argument error for other values. */
static struct slice check_bytes(lua_State *L, int index)
{
	struct slice bytes;

	if (kind_at(L, index) == KIND_BINARY)
		return binary_at(L, index);
	if (lua_type(L, index) != LUA_TSTRING)
		luaL_typeerror(L, index, "string");
	bytes.data = (const uint8_t *)lua_tolstring(L, index, &bytes.len);
	return bytes;
}

/* binary(string | binary) -> binary */
static int new_binary(lua_State *L)
{
	struct slice bytes = check_bytes(L, 1);

	if (lua_type(L, 1) == LUA_TSTRING)
		push_binary(L, bytes);
	else
		lua_settop(L, 1);
	return 1;
}

static int binary_tostring(lua_State *L)
{
	struct slice bytes = check_binary(L, 1);

	lua_pushlstring(L, (const char *)bytes.data, bytes.len);
	return 1;
}

static int binary_len(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)check_binary(L, 1).len);
	return 1;
}

/* __eq. Lua calls it for two userdata, one of which may have another type. */
static int binary_eq(lua_State *L)
{
	bool both = kind_at(L, 1) == KIND_BINARY && kind_at(L, 2) == KIND_BINARY;

	lua_pushboolean(L, both && slice_equal(binary_at(L, 1), binary_at(L, 2)));
	return 1;
}

static int binary_lt(lua_State *L)
{
	lua_pushboolean(L, slice_compare(check_binary(L, 1), check_binary(L, 2)) < 0);
	return 1;
}

static int binary_le(lua_State *L)
{
	lua_pushboolean(L, slice_compare(check_binary(L, 1), check_binary(L, 2)) <= 0);
	return 1;
}

/* __concat of a binary and a binary or string -> binary */
static int binary_concat(lua_State *L)
{
	struct slice a = check_bytes(L, 1);
	struct slice b = check_bytes(L, 2);
	size_t len;
	uint8_t *buf;

	if (__builtin_add_overflow(a.len, b.len, &len))
		return luaL_error(L, "resulting binary too long");
	buf = lua_newuserdatauv(L, len, 0);
	if (a.len)
		memcpy(buf, a.data, a.len);
	if (b.len)
		memcpy(buf + a.len, b.data, b.len);
	kind_set(L, KIND_BINARY);
	return 1;
}

/* Converts a position as string.sub does: from 1, or from the end if negative. */
static lua_Integer position(lua_Integer at, size_t len)
{
	if (at >= 0)
		return at;
	return at < -(lua_Integer)len ? 0 : (lua_Integer)len + at + 1;
}

static int binary_sub(lua_State *L)
{
	struct slice bytes = check_binary(L, 1);
	lua_Integer first = position(luaL_checkinteger(L, 2), bytes.len);
	lua_Integer last = position(luaL_optinteger(L, 3, -1), bytes.len);

	if (first < 1)
		first = 1;
	if (last > (lua_Integer)bytes.len)
		last = (lua_Integer)bytes.len;
	if (first > last)
		push_binary(L, slice_of(NULL, 0));
	else
		push_binary(L, slice_of(bytes.data + first - 1, (size_t)(last - first + 1)));
	return 1;
}

void open_binary(lua_State *L)
{
	static const luaL_Reg metamethods[] = {
		{ "__tostring", binary_tostring },
		{ "__len", binary_len },
		{ "__eq", binary_eq },
		{ "__lt", binary_lt },
		{ "__le", binary_le },
		{ "__concat", binary_concat },
		{ NULL, NULL },
	};
	static const luaL_Reg methods[] = {
		{ "sub", binary_sub },
		{ NULL, NULL },
	};

	kind_create(L, KIND_BINARY);
	luaL_setfuncs(L, metamethods, 0);
	luaL_newlib(L, methods);
	guard_methods(L, "binary");
	lua_setfield(L, -2, "__index");
	lua_pushliteral(L, BINARY_TYPE);
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 1);
	lua_pushcfunction(L, new_binary);
}
