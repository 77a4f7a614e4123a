/* lua_kind.h - the metatables of tidetable's own values, made once and found fast.
 *
 * The registry maps the address of each metatable to its kind, so finding a kind is two
 * raw accesses and compares no name. The kind isn't stored in the metatable: a script can
 * read and change the metatables of lists, maps and sets.
 */
#ifndef LUA_LUA_KIND_H
#define LUA_LUA_KIND_H

#include <lua.h>

#include "lua/lua_version.h"

/* Their names: the value in __name. */
#define NUMBER_TYPE "tidetable.number"
#define BINARY_TYPE "tidetable.binary"
#define LIST_TYPE "tidetable.list"
#define MAP_TYPE "tidetable.map"
#define STRING_SET_TYPE "tidetable.string_set"
#define NUMBER_SET_TYPE "tidetable.number_set"
#define BINARY_SET_TYPE "tidetable.binary_set"

enum kind {
	KIND_NONE,           /* no metatable */
	KIND_FOREIGN,        /* a metatable that is not ours */
	KIND_NUMBER,
	KIND_BINARY,
	KIND_LIST,
	KIND_MAP,
	KIND_STRING_SET,
	KIND_NUMBER_SET,
	KIND_BINARY_SET,
	KIND_COUNT,
};

/* Leaves the metatable of the kind on the stack; the first time in a Lua state
 * it is made, with __name. */
void kind_create(lua_State *L, enum kind kind);

/* What the value at index is; needs two free slots. */
enum kind kind_at(lua_State *L, int index);

/* Gives the metatable to the value on top. */
void kind_set(lua_State *L, enum kind kind);

/* __concat of values that have a text: the two texts in a row. */
int concat_as_text(lua_State *L);

#endif
