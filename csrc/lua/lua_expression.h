/* lua_expression.h - reads the options of a request that has expressions. */
#ifndef LUA_LUA_EXPRESSION_H
#define LUA_LUA_EXPRESSION_H

#include <lua.h>

#include "lua/lua_handle.h"
#include "lua/lua_version.h"

/* The kinds of expressions that an operation takes from its options, as bits. */
#define TAKES(kind) (1u << (kind))

/* Numbers of the values in the array part and of the `?` in the texts. */
struct positions {
	bool is_wrong;               /* the array part does not fit the texts */
	lua_Integer wanted, given;
	lua_Integer is_nil;          /* index of the first nil in the array part; 0: none */
};

/* Creates the Lua strings with the names of the options. */
void open_requests(lua_State *L);

/* Reads a request into expressions, which is cleared first: `names`, `values`, the array part
 * (`n` values, by default its length), and those of the texts `condition`, `key_condition`,
 * `filter` and `projection` whose bits are set in `takes`. `update` is the text of an update
 * expression (data NULL: none). At index is a table, which is read by raw access, or nil. The
 * caller binds the expressions. Returns 0, VALIDATION or NO_MEMORY. */
int read_request(lua_State *L, int index, struct database *database,
	struct tide_expressions *expressions, struct slice update, unsigned takes,
	struct positions *positions, struct failure *failure);

/* Returns the expressions for calls of the database, and creates them at the first call. Returns
 * NULL and fills failure if there is no memory. */
struct tide_expressions *request_of(struct database *database, struct failure *failure);

/* Pushes the results of a core function for an array part that does not fit: false, wanted, given,
 * index of a nil. Returns the number of results. */
int push_positions(lua_State *L, const struct positions *positions);

#endif
