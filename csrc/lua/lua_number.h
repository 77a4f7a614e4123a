/* lua_number.h - tidetable.number: a number of 38 digits, exact, in a userdata. */
#ifndef LUA_LUA_NUMBER_H
#define LUA_LUA_NUMBER_H

#include <lua.h>

#include "codec/number.h"
#include "lua/lua_version.h"

/* Makes the metatable and leaves the constructor on the stack. */
void open_number(lua_State *L);

/* The Lua number at index. A float that is integral stays exactly that integer
 * where 64 bits hold it; any other float is its shortest decimal. */
int number_from_lua(lua_State *L, int index, struct number *number);

/* The number of a userdata that is known to be one; good as long as it is. */
struct slice number_at(lua_State *L, int index);

/* The same of an argument; raises if it is no number object. */
struct slice check_number(lua_State *L, int index);

/* A number object or a number of Lua. */
bool is_number(lua_State *L, int index);

/* tostring(number) -> the plain decimal */
int number_tostring(lua_State *L);

/* Pushes an encoded number as a userdata; the bytes must have been checked. */
void push_number_object(lua_State *L, struct slice bytes);

#endif
