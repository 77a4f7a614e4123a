/* lua_kind.c - the metatables of tidetable's value types. */
#include "lua/lua_kind.h"

#include <lauxlib.h>

/* Only the addresses are used: registry[&slots[k]] is the metatable of kind k. */
static const char slots[KIND_COUNT] = { 0 };

static const char *const names[KIND_COUNT] = {
	[KIND_NUMBER] = NUMBER_TYPE,
	[KIND_BINARY] = BINARY_TYPE,
	[KIND_LIST] = LIST_TYPE,
	[KIND_MAP] = MAP_TYPE,
	[KIND_STRING_SET] = STRING_SET_TYPE,
	[KIND_NUMBER_SET] = NUMBER_SET_TYPE,
	[KIND_BINARY_SET] = BINARY_SET_TYPE,
};

void kind_create(lua_State *L, enum kind kind)
{
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &slots[kind]) != LUA_TTABLE) {
		lua_pop(L, 1);
		lua_createtable(L, 0, 12);
		lua_pushstring(L, names[kind]);
		lua_setfield(L, -2, "__name");
		lua_pushvalue(L, -1);
		lua_rawsetp(L, LUA_REGISTRYINDEX, &slots[kind]);
	}
	lua_pushinteger(L, kind);
	lua_rawsetp(L, LUA_REGISTRYINDEX, lua_topointer(L, -2));
}

enum kind kind_at(lua_State *L, int index)
{
	enum kind kind = KIND_FOREIGN;

	if (!lua_getmetatable(L, index))
		return KIND_NONE;
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, lua_topointer(L, -1)) == LUA_TNUMBER)
		kind = (enum kind)lua_tointeger(L, -1);
	lua_pop(L, 2);
	return kind;
}

void kind_set(lua_State *L, enum kind kind)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, &slots[kind]);
	lua_setmetatable(L, -2);
}

static void push_as_text(lua_State *L, int index)
{
	int type = lua_type(L, index);

	if (type != LUA_TSTRING && type != LUA_TNUMBER &&
		luaL_getmetafield(L, index, "__tostring") == LUA_TNIL)
		luaL_error(L, "attempt to concatenate a %s value", luaL_typename(L, index));
	luaL_tolstring(L, index, NULL);
}

int concat_as_text(lua_State *L)
{
	lua_settop(L, 2);
	push_as_text(L, 1);
	lua_replace(L, 1);
	push_as_text(L, 2);
	lua_replace(L, 2);
	lua_settop(L, 2);
	lua_concat(L, 2);
	return 1;
}
