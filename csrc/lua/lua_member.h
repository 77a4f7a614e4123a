/* lua_member.h - reads of methods that userdata of the core does not have. */
#ifndef LUA_LUA_MEMBER_H
#define LUA_LUA_MEMBER_H

#include <lua.h>

#include "lua/lua_version.h"

/* Guards the table of methods on top of the stack: the read of a name that it does not contain
 * calls the function given to unknown_method, which raises an error if the name resembles a
 * method. Otherwise the name is nil. object: name in the message, such as "number". */
void guard_methods(lua_State *L, const char *object);

/* Adds unknown_method to the table on top of the stack. */
void open_members(lua_State *L);

#endif
