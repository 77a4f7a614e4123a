/* lua_json.h - arguments and errors of the functions that read and write JSON. */
#ifndef LUA_LUA_JSON_H
#define LUA_LUA_JSON_H

#include <lua.h>

#include "codec/json_reader.h"
#include "codec/json_writer.h"
#include "lua/lua_version.h"

/* Maximum number of names that come first in an object. */
#define JSON_ORDER_MAX 16

/* Names that come first in an object. Their strings are on the stack. */
struct json_names {
	struct slice names[JSON_ORDER_MAX];
	struct json_order order;
};

/* Adds a name after the others, unless it is one of them. There must be space for it. */
static inline void add_json_name(struct json_names *names, struct slice name)
{
	if (!json_order_has(&names->order, name))
		names->names[names->order.count++] = name;
}

/* Returns the form at index: "plain" or "dynamodb". */
enum json_form check_json_form(lua_State *L, int index);

/* Reads an array of names at index, which may be nil. Pushes each name. */
void check_json_names(lua_State *L, int index, struct json_names *names);

/* Returns nil, err, code for the defect of a text that `reader` has refused. The error object has
 * the fields position, line and column, or position, path and reason. */
int return_defect(lua_State *L, const struct json_reader *reader, struct slice text, int err);

/* Adds the functions json_encode, json_decode, json_bytes and json_end to the table on top of the
 * stack. */
void open_json(lua_State *L);

#endif
