/* lua_truncate.c - the removal of all items of a table for Lua, step by step. */
#include <lauxlib.h>

#include "lua/lua_failure.h"
#include "lua/lua_handle.h"

struct truncation_handle {
	type_word type;
	struct tide_truncation progress;
};

/* truncation() -> progress of a truncation that has not begun */
static int truncation(lua_State *L)
{
	struct truncation_handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);

	handle->progress = (struct tide_truncation){ 0 };
	set_type(L, TRUNCATION_TYPE);
	return 1;
}

/* truncate(table, truncation) -> number of items removed in this step, true if there may be more to
 * remove; or nil, err, code */
static int truncate_table(lua_State *L)
{
	struct database *database;
	struct table_handle *table = check_table(L, 1, &database);
	struct truncation_handle *handle = check_type(L, 2, TRUNCATION_TYPE);
	struct failure failure;
	uint64_t removed = 0;
	bool more;

	if (tide_truncate(database->tide, &table->table, &handle->progress, &removed, &more,
			&failure))
		return return_failure(L, &failure);
	lua_pushinteger(L, (lua_Integer)removed);
	lua_pushboolean(L, more);
	return 2;
}

void open_truncations(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "truncation", truncation },
		{ "truncate", truncate_table },
		{ NULL, NULL },
	};

	new_type(L, TRUNCATION_TYPE, NULL, NULL);
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
