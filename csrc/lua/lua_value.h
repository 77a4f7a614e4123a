/* lua_value.h - converts Lua values to encoded items and back.
 *
 *     DynamoDB   to Lua                               from Lua
 *     S          string                               string (UTF-8)
 *     N          integer if it fits in 64 bits;       integer, finite float,
 *                float if it is a float's shortest    tidetable.number
 *                decimal (as every stored float is);
 *                otherwise tidetable.number
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
 * yield, raise an error or call the database while an item is being read.
 */
#ifndef LUA_LUA_VALUE_H
#define LUA_LUA_VALUE_H

#include <lua.h>

#include "base/error.h"
#include "codec/builder.h"
#include "codec/value.h"
#include "lua/lua_version.h"

/* Creates the metatables (once for a state) and pushes a table, core.values:
 *
 *     null, number(x), binary(string)
 *     metatables { list, map, string_set, number_set, binary_set }
 *     type(v)             DynamoDB's name of v's type; nil if v can't be stored
 *     encode(item)        the item's bytes; or nil, err, code
 *     decode(bytes)       the item; or nil, err, code
 */
int open_values(lua_State *L);

/* Encodes the table at index as an item, valid until the builder is used again. Returns 0, or an
 * error with the path of the attribute in failure->message ("tags[3].name: ..."). what: "item" or
 * "key", for messages without a path. Raises no error and leaves the stack unchanged. */
int read_item(lua_State *L, int index, struct builder *builder, struct slice *item,
	const char *what, struct failure *failure);

/* Returns true if the table at index is a list, which cannot be an item. */
bool is_list(lua_State *L, int index);

/* Encodes one value, for example a partition key, as the item { [name] = value }, in which *value
 * is then found. Otherwise like read_item. */
int read_value(lua_State *L, int index, struct builder *builder, struct slice name,
	struct value *value, struct failure *failure);

/* Pushes an item as a table. Raises CORRUPT if the bytes are not a valid item; normally the row's
 * checksum was verified before. Runs no Lua code except finalizers. */
void push_item(lua_State *L, struct slice body);

/* Pushes one value of an item. Otherwise like push_item. */
void push_value(lua_State *L, const struct value *value);

#endif
