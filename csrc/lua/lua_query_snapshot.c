/* lua_query_snapshot.c - queries with a snapshot for Lua: the reads of optimistic transactions. */
#include "lua/lua_query.h"

#include <lauxlib.h>

#include "lua/lua_argument.h"
#include "lua/lua_failure.h"
#include "lua/lua_value.h"

/* Returns the query at 1; raises an argument error unless it was created with a snapshot. */
static struct query_handle *check_query_with_snapshot(lua_State *L, struct database **database)
{
	struct query_handle *handle = check_child(L, 1, QUERY_TYPE, database);

	luaL_argcheck(L, handle->held, 1, "expected a query with a snapshot");
	return handle;
}

/* Raises the errors of check_held, or an argument error for a query that was rewound or was not
 * moved to the present snapshot. */
void check_reads_snapshot(lua_State *L, const struct query_handle *handle)
{
	luaL_argcheck(L, !handle->rewound, 1, "expected a query that was not rewound");
	check_held(L, handle->held, 1);
	luaL_argcheck(L, !handle->rewound && handle->refreshes == handle->held->refreshes, 1,
		"expected a query of the present snapshot");
}

/* Makes the query read from the present snapshot. */
static void move_to_present(lua_State *L, struct query_handle *handle)
{
	tide_query_move(handle->query, check_held(L, handle->held, 1));
	handle->refreshes = handle->held->refreshes;
}

/* Moves the next item into a userdata, as query_own_next does. Raises an error if a finalizer has
 * made the transaction read from a newer snapshot: the item is of the older one. */
static bool own_next(lua_State *L, struct query_handle *handle, struct owned_item *owned)
{
	uint64_t refreshes = handle->held->refreshes;

	if (!query_own_next(L, handle, owned))
		return false;
	if (handle->rewound || handle->held->refreshes != refreshes || !handle->held->snapshot)
		luaL_error(L, "a finalizer has used the transaction while it read an item");
	return true;
}

/* next_versioned(query, with_key) -> version, item, size in bytes, encoded key ("" without
 * with_key); nothing at the end. Raises failures. */
static int next_versioned(lua_State *L)
{
	struct database *database;
	struct query_handle *handle = check_query_with_snapshot(L, &database);
	struct failure failure;
	struct owned_item owned;
	bool encoded = lua_toboolean(L, 3);
	struct key key;

	check_reads_snapshot(L, handle);
	while (!own_next(L, handle, &owned)) {
		if (handle->left == 0)
			return 0;
		if (query_fill_more(L, handle, database, handle->left, &failure))
			return raise_failure(L, &failure);
		if (tide_query_count(handle->query) == 0 && !tide_query_more(handle->query))
			return 0;
	}
	key.head_len = key.sort_len = 0;
	if (lua_toboolean(L, 2) &&
			tide_query_key(handle->query, database->tide, owned.item, &key, &failure))
		return raise_failure(L, &failure);
	lua_pushinteger(L, (lua_Integer)owned.version);
	query_push_owned(L, &owned, encoded);
	lua_pushinteger(L, (lua_Integer)owned.item.len);
	lua_pushlstring(L, (const char *)key.bytes, key_whole(&key).len);
	return 4;
}

/* place(query, encoded key) -> -1 if the key is before the query's range, 0 if in it, 1 if after
 * it */
static int place_of_key(lua_State *L)
{
	struct database *database;
	struct query_handle *handle = check_query_with_snapshot(L, &database);

	lua_pushinteger(L, tide_query_place(handle->query, check_slice(L, 2)));
	return 1;
}

/* in_segment(query, encoded item or key) -> true if the query has no segment, or if the item is in
 * the query's segment */
static int is_in_segment(lua_State *L)
{
	struct database *database;
	struct query_handle *handle = check_query_with_snapshot(L, &database);

	lua_pushboolean(L, tide_query_has(handle->query, check_item_bytes(L, 2)));
	return 1;
}

static void rewind_handle(lua_State *L, struct query_handle *handle)
{
	handle->rewound = true;
	if (!handle->query)
		return;
	tide_query_rewind(handle->query);
	hold_memory(L, &handle->child, tide_query_bytes(handle->query));
}

/* select(query, encoded item) -> the item, or the attributes of its projection; nil if it does not
 * pass the filter; or nil, err, code */
static int select_item(lua_State *L)
{
	struct database *database;
	struct query_handle *handle = check_query_with_snapshot(L, &database);
	struct slice item = check_item_bytes(L, 2), shown;
	struct failure failure;
	int err = tide_query_select(handle->query, item, &shown);

	if (err == END)
		return 0;
	if (err) {
		fail(&failure, err);
		return return_failure(L, &failure);
	}
	lua_pushlstring(L, (const char *)shown.data, shown.len);
	push_item(L, check_slice(L, -1));
	return 1;
}

/* rewind(query): restarts it without its snapshot and frees its page. A finished query stays
 * finished. */
static int rewind_query(lua_State *L)
{
	struct query_handle *handle = check_type(L, 1, QUERY_TYPE);

	luaL_argcheck(L, handle->held, 1, "expected a query with a snapshot");
	rewind_handle(L, handle);
	return 0;
}

/* Sets *version to the version of the next item. Returns 0, END or an error. */
static int next_version(lua_State *L, struct query_handle *handle, struct database *database,
	lua_Integer left, uint64_t *version, struct failure *failure)
{
	uint32_t max = left < LARGEST_PAGE ? (uint32_t)left : LARGEST_PAGE;
	struct slice item;

	while (tide_query_next(handle->query, version, &item) == END) {
		int err;

		run_hooks(L);
		if (handle->held->refreshing)
			check_held(L, handle->held, 1);
		else
			check_deadline(L, database);
		check_open(L, &handle->child);
		err = tide_query_fill(handle->query, database->tide, max, failure);
		if (err)
			return err;
		if (tide_query_count(handle->query) == 0 && !tide_query_more(handle->query))
			return END;
	}
	return 0;
}

/* Returns 1 if the query, from its beginning, first returns `count` items of the versions at 2 and,
 * if `ends` is true, no more; 0 if not; or an error. */
static int has_versions(lua_State *L, struct query_handle *handle, struct database *database,
	lua_Integer count, bool ends, struct failure *failure)
{
	lua_Integer n = 0;
	bool same = true;
	uint64_t version;
	int err = 0;

	while (!err && same && n < count + ends) {
		err = next_version(L, handle, database, count + ends - n, &version, failure);
		lua_rawgeti(L, 2, ++n);
		same = !err && (uint64_t)lua_tointeger(L, -1) == version;
		lua_pop(L, 1);
	}
	if (err < 0)
		return err;
	return err == END ? ends && n == count + 1 : same;
}

/* follows(query, versions, count, ends) -> true if the query, run again in the open transaction,
 * first returns items of these versions and, if `ends` is true, no more; or nil, err, code */
static int follows_versions(lua_State *L)
{
	struct database *database;
	struct query_handle *handle = check_query_with_snapshot(L, &database);
	lua_Integer count = check_choice(L, 3, 0, LUA_MAXINTEGER - 1);
	bool ends = lua_toboolean(L, 4);
	struct failure failure;
	int result;

	luaL_checktype(L, 2, LUA_TTABLE);
	rewind_handle(L, handle);
	check_open(L, &handle->child);
	result = has_versions(L, handle, database, count, ends, &failure);
	rewind_handle(L, handle);
	if (result < 0)
		return return_failure(L, &failure);
	lua_pushboolean(L, result);
	return 1;
}

/* continues(query, versions, count, ends) -> as follows, but runs the query again on the present
 * snapshot of its transaction. Unless it was rewound, it continues there. */
static int continues_query(lua_State *L)
{
	struct database *database;
	struct query_handle *handle = check_query_with_snapshot(L, &database);
	lua_Integer count = check_choice(L, 3, 0, LUA_MAXINTEGER - 1);
	bool ends = lua_toboolean(L, 4);
	struct failure failure;
	int result;

	luaL_checktype(L, 2, LUA_TTABLE);
	tide_query_rewind(handle->query);
	move_to_present(L, handle);
	result = has_versions(L, handle, database, count, ends, &failure);
	if (handle->rewound)
		tide_query_rewind(handle->query);
	hold_memory(L, &handle->child, tide_query_bytes(handle->query));
	if (result < 0)
		return return_failure(L, &failure);
	lua_pushboolean(L, result);
	return 1;
}

/* move(query): reads the rest of the query from the present snapshot of its transaction, which has
 * the same items */
static int move_query(lua_State *L)
{
	struct database *database;
	struct query_handle *handle = check_query_with_snapshot(L, &database);

	if (!handle->rewound)
		move_to_present(L, handle);
	return 0;
}

void open_snapshot_queries(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "next_versioned", next_versioned },
		{ "place", place_of_key },
		{ "in_segment", is_in_segment },
		{ "rewind", rewind_query },
		{ "select", select_item },
		{ "follows", follows_versions },
		{ "continues", continues_query },
		{ "move", move_query },
		{ NULL, NULL },
	};

	luaL_setfuncs(L, functions, 0);
}
