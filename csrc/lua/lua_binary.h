/* lua_binary.h - tidetable.binary: bytes that are no text, in a userdata. */
#ifndef LUA_LUA_BINARY_H
#define LUA_LUA_BINARY_H

#include <lua.h>

#include "base/buffer.h"
#include "lua/lua_version.h"

/* Makes the metatable and leaves the constructor on the stack. */
void open_binary(lua_State *L);

/* The bytes of a userdata that is known to be one; good as long as it is. */
struct slice binary_at(lua_State *L, int index);

void push_binary(lua_State *L, struct slice bytes);

#endif
