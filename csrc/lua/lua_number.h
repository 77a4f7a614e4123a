/* lua_number.h - tidetable.number: an exact number of up to 38 digits, in a userdata. */
#ifndef LUA_LUA_NUMBER_H
#define LUA_LUA_NUMBER_H

#include <lua.h>

#include "codec/number.h"
#include "lua/lua_version.h"

/* Creates the metatable and pushes the constructor. */
void open_number(lua_State *L);

/* Converts the Lua number at index: a float that is an integer of 64 bits to this integer, any
 * other float to its shortest decimal. Returns the errors of number_from_double. */
int number_from_lua(lua_State *L, int index, struct number *number);

/* Returns the encoded number of the userdata at index, which must be a number object; valid while
 * the userdata exists. */
struct slice number_at(lua_State *L, int index);

/* Like number_at; raises an argument error if the value is not a number object. */
struct slice check_number(lua_State *L, int index);

/* Returns true if the value is a number object or a Lua number. */
bool is_number(lua_State *L, int index);

/* __tostring: tostring(number) -> plain decimal */
int number_tostring(lua_State *L);

/* Pushes a number object with a copy of the encoded number, which must be valid. */
void push_number_object(lua_State *L, struct slice bytes);

#endif
