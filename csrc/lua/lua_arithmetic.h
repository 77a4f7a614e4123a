/* lua_arithmetic.h - tidetable.number: operators, rounding, digits. */
#ifndef LUA_LUA_ARITHMETIC_H
#define LUA_LUA_ARITHMETIC_H

#include <lua.h>

#include "lua/lua_version.h"

/* Adds the operators and the computing methods to the metatable of numbers, which must exist. */
void open_arithmetic(lua_State *L);

#endif
