/* lua_write.h - writes with expressions: conditions, updates. */
#ifndef LUA_LUA_WRITE_H
#define LUA_LUA_WRITE_H

#include "lua/lua_handle.h"

/* Adds the functions to the table on top. */
void open_writes(lua_State *L);

/* Pushes an item that the open transaction lends, in a protected call: if that fails, the
 * transaction is undone and the error raised. */
void push_in_transaction(lua_State *L, struct database *database, struct slice item);

#endif
