/* lua_member.h - errors for unknown methods of the core's userdata. */
#ifndef LUA_LUA_MEMBER_H
#define LUA_LUA_MEMBER_H

#include <lua.h>

#include "lua/lua_version.h"

/* Makes the table of methods on top of the stack call the function given to unknown_method when a
 * name is read that the table does not contain. This function raises an error if the name resembles
 * a method; otherwise the result of the read is nil. object: name of the userdata in the message,
 * such as "number". */
void guard_methods(lua_State *L, const char *object);

/* Adds unknown_method to the table on top of the stack. */
void open_members(lua_State *L);

#endif
