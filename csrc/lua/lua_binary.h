/* lua_binary.h - tidetable.binary: bytes, as opposed to text, in a userdata. */
#ifndef LUA_LUA_BINARY_H
#define LUA_LUA_BINARY_H

#include <lua.h>

#include "base/buffer.h"
#include "lua/lua_version.h"

/* Creates the metatable and pushes the constructor. */
void open_binary(lua_State *L);

/* Returns the bytes of the userdata at index, which must be a binary; valid while the userdata
 * exists. */
struct slice binary_at(lua_State *L, int index);

/* Pushes a binary with a copy of the bytes. */
void push_binary(lua_State *L, struct slice bytes);

#endif
