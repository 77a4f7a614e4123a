/* lua_definition.h - the changes of tables for Lua: fields of their records, and definitions. */
#ifndef LUA_LUA_DEFINITION_H
#define LUA_LUA_DEFINITION_H

#include <lua.h>

#include "base/buffer.h"
#include "codec/record.h"
#include "codec/table_change.h"
#include "lua/lua_version.h"

/* Decodes the content of the record of the change of a table; raises CORRUPT. */
void decode_table_change(lua_State *L, const struct record *record, struct table_change *change);

/* Decodes one of its definitions; raises CORRUPT. */
void decode_definition(lua_State *L, struct slice bytes, struct table_definition *definition);

/* Sets the field `name` of the table on top to { attribute, type } if it is an attribute. */
void set_key_field(lua_State *L, const char *name, const struct key_attribute *attribute);

/* Sets the fields retention and hold of the table on top. */
void set_retention_fields(lua_State *L, const struct retention *retention);

/* Pushes a definition as a table that db:create_table accepts. Raises CORRUPT. */
void push_definition(lua_State *L, struct slice name, struct slice bytes);

/* Appends the same as JSON. Returns 0 or CORRUPT. */
int json_put_definition(struct buffer *out, struct slice name, struct slice bytes);

#endif
