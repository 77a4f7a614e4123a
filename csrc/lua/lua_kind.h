/* lua_kind.h - the metatables of tidetable's value types (numbers, binaries, lists, maps, sets).
 *
 * The registry maps the address of each metatable to its kind, so finding a kind costs two
 * raw accesses and compares no names. The kind is not stored in the metatable, because a
 * script can read and change the metatables of lists, maps and sets.
 */
#ifndef LUA_LUA_KIND_H
#define LUA_LUA_KIND_H

#include <lua.h>

#include "lua/lua_version.h"

/* Values of __name. */
#define NUMBER_TYPE "tidetable.number"
#define BINARY_TYPE "tidetable.binary"
#define LIST_TYPE "tidetable.list"
#define MAP_TYPE "tidetable.map"
#define STRING_SET_TYPE "tidetable.string_set"
#define NUMBER_SET_TYPE "tidetable.number_set"
#define BINARY_SET_TYPE "tidetable.binary_set"

enum kind {
	KIND_NONE,           /* no metatable */
	KIND_FOREIGN,        /* a metatable that the library did not create */
	KIND_NUMBER,
	KIND_BINARY,
	KIND_LIST,
	KIND_MAP,
	KIND_STRING_SET,
	KIND_NUMBER_SET,
	KIND_BINARY_SET,
	KIND_COUNT,
};

/* Pushes the metatable of the kind, which is created with __name at the first call in a Lua
 * state. */
void kind_create(lua_State *L, enum kind kind);

/* Returns the kind of the value at index. Needs two free stack slots. */
enum kind kind_at(lua_State *L, int index);

/* Sets the metatable of the value on top of the stack. */
void kind_set(lua_State *L, enum kind kind);

/* __concat of values with __tostring: concatenates their texts. */
int concat_as_text(lua_State *L);

#endif
