/* lua_write.h - writes with expressions: conditions, updates. */
#ifndef LUA_LUA_WRITE_H
#define LUA_LUA_WRITE_H

#include "lua/lua_handle.h"

/* Adds the functions to the table on top of the stack. */
void open_writes(lua_State *L);

/* Pushes an item of the open transaction as a table, in a protected call. If that fails, the
 * transaction is rolled back and the error is raised. */
void push_in_transaction(lua_State *L, struct database *database, struct slice item);

#endif
