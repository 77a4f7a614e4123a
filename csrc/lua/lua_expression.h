/* lua_expression.h - the options of a request that has expressions. */
#ifndef LUA_LUA_EXPRESSION_H
#define LUA_LUA_EXPRESSION_H

#include <lua.h>

#include "lua/lua_handle.h"
#include "lua/lua_version.h"

/* The kinds of expressions that an operation takes from its options, as bits. */
#define TAKES(kind) (1u << (kind))

/* Why the array part does not fit the `?` of the texts; all 0 if it fits. */
struct positions {
	bool is_wrong;
	lua_Integer wanted, given;
	lua_Integer is_nil;          /* index of the first nil; 0: none */
};

/* Makes the strings that read_request looks for. */
void open_requests(lua_State *L);

/* Reads a request into expressions, which is cleared first: `names`, `values`, the array part
 * (`n` says how many, else its length), and the texts `condition`, `key_condition`, `filter`
 * and `projection` that `takes` names. `update` (data NULL: none) is the text of an update.
 * index is a table or nil; it is read by raw access. Nothing is bound yet. Returns 0,
 * VALIDATION or NO_MEMORY. */
int read_request(lua_State *L, int index, struct database *database,
	struct tide_expressions *expressions, struct slice update, unsigned takes,
	struct positions *positions, struct failure *failure);

/* Returns the expressions of the database's calls, made when first used; NULL with failure if
 * there is no memory. */
struct tide_expressions *request_of(struct database *database, struct failure *failure);

/* Pushes what a core function returns if the array part does not fit: false, wanted, given,
 * index of a nil. Returns their number. */
int push_positions(lua_State *L, const struct positions *positions);

#endif
