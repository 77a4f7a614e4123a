/* lua_version.h - the versions of Lua that csrc/lua/ is written for.
 *
 * Included by every header of the directory: the other files of a build against
 * another Lua then fail with this sentence first. A library that is loaded into
 * another Lua than it was built for is refused by luaL_checkversion (module.c).
 */
#ifndef LUA_LUA_VERSION_H
#define LUA_LUA_VERSION_H

#include <lua.h>

#if LUA_VERSION_NUM != 504 && LUA_VERSION_NUM != 505
#error "tidetable is written for Lua 5.4 and 5.5; this lua.h is of another Lua: set LUA_INCDIR"
#endif

#endif
