/* lua_comparison.c - comparisons of the items of two tables for Lua. */
#include <lauxlib.h>

#include "lua/lua_argument.h"
#include "lua/lua_failure.h"
#include "lua/lua_handle.h"
#include "lua/lua_value.h"
#include "tide_comparison.h"

static const char COMPARISON_TYPE[] = "tidetable.core.comparison";

/* Its user values are the snapshot and the table of the first side, then those of the second. */
struct comparison_handle {
	type_word type;
	struct tide_comparison *comparison;  /* NULL: not started, or finished */
};

/* Returns the side whose snapshot and table are at index and index + 1. Raises the errors of
 * check_held. */
static struct tide_compared check_side(lua_State *L, int index)
{
	struct database *database, *other;
	struct snapshot_handle *handle = check_child(L, index, SNAPSHOT_TYPE, &database);
	struct tide_compared side = { .snapshot = check_held(L, handle, index) };

	side.table = &check_table(L, index + 1, &other)->table;
	luaL_argcheck(L, database == other, index + 1,
		"expected a table of the snapshot's database");
	side.tide = database->tide;
	return side;
}

/* comparison(snapshot, table, other snapshot, other table) -> comparison; or nil, err, code */
static int start_comparison(lua_State *L)
{
	struct comparison_handle *handle;
	struct tide_compared first, second;
	struct failure failure;

	lua_settop(L, 4);
	handle = lua_newuserdatauv(L, sizeof *handle, 4);
	handle->comparison = NULL;
	set_type(L, COMPARISON_TYPE);
	for (int i = 1; i <= 4; i++) {
		lua_pushvalue(L, i);
		lua_setiuservalue(L, 5, i);
	}
	first = check_side(L, 1);
	second = check_side(L, 3);
	if (tide_comparison_start(&handle->comparison, &first, &second, &failure))
		return return_failure(L, &failure);
	return 1;
}

static void push_item_or_nil(lua_State *L, struct slice item)
{
	if (item.len)
		push_item(L, item);
	else
		lua_pushnil(L);
}

/* next_difference(comparison, max) -> "first" (only the first table has the item), "second" or
 * "both" (the items differ), item of the first table or nil, of the second or nil, sequence numbers
 * of their last changes (0: none); false if there is none among the next max items; nothing after
 * the last item; or nil, err, code */
static int next_difference(lua_State *L)
{
	static const char *const kinds[] = { "", "first", "second", "both" };
	struct comparison_handle *handle = check_type(L, 1, COMPARISON_TYPE);
	uint32_t max = (uint32_t)check_choice(L, 2, 1, UINT32_MAX);
	struct tide_compared first, second;
	struct tide_difference difference;
	struct failure failure;
	int err;

	lua_settop(L, 1);
	luaL_argcheck(L, handle->comparison, 1, "the comparison is closed");
	for (int i = 1; i <= 4; i++)
		lua_getiuservalue(L, 1, i);
	first = check_side(L, 2);
	second = check_side(L, 4);
	err = tide_comparison_next(handle->comparison, &first, &second, max, &difference,
		&failure);
	if (err)
		return err == END ? 0 : return_failure(L, &failure);
	if (difference.kind == TIDE_SAME) {
		lua_pushboolean(L, 0);
		return 1;
	}
	lua_pushstring(L, kinds[difference.kind]);
	push_item_or_nil(L, difference.first);
	push_item_or_nil(L, difference.second);
	lua_pushinteger(L, (lua_Integer)difference.first_sequence);
	lua_pushinteger(L, (lua_Integer)difference.second_sequence);
	return 5;
}

/* equal_items(comparison) -> number of pairs of equal items so far */
static int equal_items(lua_State *L)
{
	struct comparison_handle *handle = check_type(L, 1, COMPARISON_TYPE);

	luaL_argcheck(L, handle->comparison, 1, "the comparison is closed");
	lua_pushinteger(L, (lua_Integer)tide_comparison_equal(handle->comparison));
	return 1;
}

static int finish_comparison(lua_State *L)
{
	struct comparison_handle *handle = check_type(L, 1, COMPARISON_TYPE);

	tide_comparison_finish(handle->comparison);
	handle->comparison = NULL;
	return 0;
}

void open_comparisons(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "comparison", start_comparison },
		{ "next_difference", next_difference },
		{ "equal_items", equal_items },
		{ NULL, NULL },
	};

	new_type(L, COMPARISON_TYPE, finish_comparison, finish_comparison);
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
