/* lua_stream.c - streams for Lua: enabling, disabling, finding and describing them. */
#include <lauxlib.h>

#include "lua/lua_argument.h"
#include "lua/lua_definition.h"
#include "lua/lua_failure.h"
#include "lua/lua_field.h"
#include "lua/lua_handle.h"
#include "tide_consumer.h"

/* --- enabling and disabling --- */

/* enable_stream(db, name, view, retention's five arguments) -> true; or nil, err, code */
static int enable_stream(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct slice name = check_slice(L, 2);
	uint8_t view = check_view(L, 3);
	struct retention retention = check_retention(L, 4);
	struct failure failure;

	return return_true(L, tide_enable_stream(database->tide, name, view, &retention, &failure),
		&failure);
}

/* disable_stream(db, name) -> true; or nil, err, code */
static int disable_stream(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct failure failure;

	return return_true(L, tide_disable_stream(database->tide, check_slice(L, 2), &failure),
		&failure);
}

/* set_retention(db, stream id, its five arguments) -> true; or nil, err, code */
static int set_retention(lua_State *L)
{
	struct database *database = check_database(L, 1);
	uint32_t stream = (uint32_t)luaL_checkinteger(L, 2);
	struct retention retention = check_retention(L, 3);
	struct failure failure;

	return return_true(L, tide_set_retention(database->tide, stream, &retention, &failure),
		&failure);
}

/* --- finding and describing --- */

/* stream_ids(db) -> array of the ids of all streams; or nil, err, code */
static int stream_ids(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct buffer *ids = &new_lua_buffer(L)->bytes;
	struct failure failure;

	check_database(L, 1);
	if (tide_stream_ids(database->tide, ids, &failure))
		return return_failure(L, &failure);
	lua_newtable(L);
	for (size_t at = 0; at < ids->len; at += 4) {
		lua_pushinteger(L, (lua_Integer)get_u32(ids->data + at));
		lua_rawseti(L, -2, (lua_Integer)(at / 4) + 1);
	}
	return 1;
}

/* stream_of(db, table name, label | nil: the newest) -> stream id; or nil, err, code */
static int stream_of(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct slice name = check_slice(L, 2);
	struct slice label = lua_isnoneornil(L, 3) ? slice_of(NULL, 0) : check_slice(L, 3);
	struct failure failure;
	uint32_t id;

	if (tide_stream_of(database->tide, name, label, &id, &failure))
		return return_failure(L, &failure);
	lua_pushinteger(L, (lua_Integer)id);
	return 1;
}

/* describe_stream(db, stream id) -> description; or nil, err, code */
static int describe_stream(lua_State *L)
{
	struct database *database = check_database(L, 1);
	uint32_t id = (uint32_t)luaL_checkinteger(L, 2);
	struct tide_stream_state state;
	struct stream_row row;
	struct failure failure;

	if (tide_describe_stream(database->tide, id, &state, &failure))
		return return_failure(L, &failure);
	row = *state.row;
	lua_createtable(L, 0, 16);
	set_text(L, "table_name", row.table_name);
	set_text(L, "label", row.label);
	set_text(L, "view_type", view_name(row.view));
	set_text(L, "status", row.status == STREAM_ENABLED ? "ENABLED" : "DISABLED");
	set_seconds(L, "created_at", row.created_ms);
	set_integer(L, "count", state.count);
	set_integer(L, "bytes", state.bytes);
	set_integer(L, "trimmed_through", state.trimmed_through);
	set_signed_seconds(L, "retention_clock_lead", state.retention_lead_ms);
	if (state.count) {
		set_integer(L, "first_sequence_number", state.first_sequence);
		set_integer(L, "last_sequence_number", state.last_sequence);
	}
	set_retention_fields(L, &row.retention);
	return 1;
}

/* stream_table(db, stream id) -> name of its table, "ENABLED", "DISABLED" or "DELETED" (the table);
 * or nil, err, code */
static int stream_table(lua_State *L)
{
	struct database *database = check_database(L, 1);
	const struct stream_row *row;
	struct failure failure;
	bool has_table, is_enabled;

	if (tide_stream_table(database->tide, (uint32_t)luaL_checkinteger(L, 2), &row, &has_table,
			&failure))
		return return_failure(L, &failure);
	is_enabled = row->status == STREAM_ENABLED;
	lua_pushstring(L, row->table_name);
	lua_pushstring(L, !has_table ? "DELETED" : is_enabled ? "ENABLED" : "DISABLED");
	return 2;
}

void open_streams(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "enable_stream", enable_stream },
		{ "disable_stream", disable_stream },
		{ "set_retention", set_retention },
		{ "stream_ids", stream_ids },
		{ "stream_of", stream_of },
		{ "describe_stream", describe_stream },
		{ "stream_table", stream_table },
		{ NULL, NULL },
	};

	luaL_setfuncs(L, functions, 0);
}
