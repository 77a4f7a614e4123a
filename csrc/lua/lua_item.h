/* lua_item.h - reads the item or key that is given to a method of a table. */
#ifndef LUA_ITEM_H
#define LUA_ITEM_H

#include "lua/lua_handle.h"

/* Like read_item, for an item or key of a table. If it is a list, the message names the key
 * attributes. */
int read_item_of(lua_State *L, int index, const struct table_handle *table, struct slice *item,
	bool is_key, struct failure *failure);

#endif
