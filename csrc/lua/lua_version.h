/* lua_version.h - the versions of Lua that csrc/lua/ supports.
 *
 * Every header of the directory includes it, so that a build against another
 * version of Lua fails with this message first. luaL_checkversion (lua_module.c)
 * refuses a library that is loaded into another Lua than it was built for.
 */
#ifndef LUA_LUA_VERSION_H
#define LUA_LUA_VERSION_H

#include <lua.h>

#if LUA_VERSION_NUM != 504 && LUA_VERSION_NUM != 505
#error "tidetable is written for Lua 5.4 and 5.5; this lua.h is of another Lua: set LUA_INCDIR"
#endif

#endif
