/* lua_annotation.h - annotations as arguments of the core's Lua functions. */
#ifndef LUA_LUA_ANNOTATION_H
#define LUA_LUA_ANNOTATION_H

#include "lua/lua_handle.h"

/* Returns the encoded annotation at index, no bytes for nil and "". Raises an argument error for
 * bytes that do not decode, because a script can pass any string. */
struct slice check_annotation(lua_State *L, int index);

#endif
