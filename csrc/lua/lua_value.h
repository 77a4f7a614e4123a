/* lua_value.h - between Lua's values and the core's bytes.
 *
 *     DynamoDB   to Lua                               from Lua
 *     S          string                               string (UTF-8)
 *     N          integer if it is one in 64 bits;     integer, finite float,
 *                float if none of it is lost (every   tidetable.number
 *                float that was put is: its shortest
 *                decimal); else tidetable.number
 *     B          tidetable.binary                     tidetable.binary
 *     BOOL       boolean                              boolean
 *     NULL       tidetable.null                       tidetable.null
 *                (lightuserdata NULL, as cjson.null)
 *     M          table (an empty one with the map     table with string keys only,
 *                metatable)                           {}, tidetable.map
 *     L          table with the list metatable        tidetable.list, or 1..n
 *     SS NS BS   tidetable.set                        tidetable.set
 *
 * Reading from Lua uses raw access only: no metamethod runs, so nothing can
 * yield, raise or come back into the database while an item is being read.
 */
#ifndef LUA_LUA_VALUE_H
#define LUA_LUA_VALUE_H

#include <lua.h>

#include "base/error.h"
#include "codec/builder.h"
#include "codec/value.h"
#include "lua/lua_version.h"

/* Makes the metatables (once for a state) and leaves a table on the stack with
 * what Lua's side builds on:
 *
 *     null, number(x), binary(string)
 *     metatables { list, map, string_set, number_set, binary_set }
 *     type(v)             DynamoDB's name of v's type; nil if v has no place here
 *     encode(item)        the item's bytes; or nil, err, code
 *     decode(bytes)       the item; or nil, err, code
 */
int open_values(lua_State *L);

/* Reads the table at index as an item. Returns 0 and the item, good until the
 * builder is used again; or what is wrong with it, and failure->message names
 * the attribute ("tags[3].name: ..."). `what` begins the message where nothing
 * has a name yet: "item" or "key". Raises nothing, leaves the stack as it was. */
int read_item(lua_State *L, int index, struct builder *builder, struct slice *item,
	const char *what, struct failure *failure);

/* Reads one value (a partition key given by itself). The value is put into the
 * builder as the item { [name] = value } and found there. */
int read_value(lua_State *L, int index, struct builder *builder, struct slice name,
	struct value *value, struct failure *failure);

/* Pushes an item as a table. The bytes must have been checked
 * (by the row's checksum); damaged ones raise CORRUPT all the same. Uses only
 * the stack: no other Lua code runs but the collector's finalizers. */
void push_item(lua_State *L, struct slice body);

#endif
