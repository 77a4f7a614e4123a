/* lua_member.c - errors for unknown methods of the core's userdata. */
#include "lua/lua_member.h"

#include <lauxlib.h>

/* Registry key of the function that is called with the object's name, the name of the method and
 * the table of methods. */
static const char unknown_key;

/* __index of the metatable of a table of methods. The upvalue is the object's name. */
static int index_methods(lua_State *L)
{
	lua_settop(L, 2);
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &unknown_key) != LUA_TFUNCTION)
		return 0;
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_pushvalue(L, 2);
	lua_pushvalue(L, 1);
	lua_call(L, 3, 0);
	return 0;
}

void guard_methods(lua_State *L, const char *object)
{
	lua_createtable(L, 0, 1);
	lua_pushstring(L, object);
	lua_pushcclosure(L, index_methods, 1);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, -2);
}

/* unknown_method(f): sets the function: f(object's name, method's name, methods) */
static int unknown_method(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_settop(L, 1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &unknown_key);
	return 0;
}

void open_members(lua_State *L)
{
	lua_pushcfunction(L, unknown_method);
	lua_setfield(L, -2, "unknown_method");
}
