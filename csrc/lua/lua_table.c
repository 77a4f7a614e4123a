/* lua_table.c - tables for Lua: creating, changing, deleting and describing them. */
#include <string.h>

#include <lauxlib.h>

#include "lua/lua_argument.h"
#include "lua/lua_definition.h"
#include "lua/lua_failure.h"
#include "lua/lua_field.h"
#include "lua/lua_handle.h"

/* --- creating and changing --- */

static void set_attribute(lua_State *L, struct key_attribute *attribute, int name, int type)
{
	struct slice text = check_slice(L, name);

	attribute->type = (enum type)luaL_checkinteger(L, type);
	if (text.len >= sizeof attribute->name)
		text.len = 0;            /* too long; the core refuses an empty name */
	attribute->len = (uint8_t)text.len;
	memcpy(attribute->name, text.data, text.len);
}

/* create_table(db, name, partition, type, sort | nil, type, view, retention's five
 * arguments, ttl) -> true; or nil, err, code. ttl: name of the time-to-live attribute; "": none. */
static int create_table(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct tide_table_spec spec = { .name = check_slice(L, 2) };
	struct failure failure;

	set_attribute(L, &spec.schema.partition, 3, 4);
	if (!lua_isnil(L, 5))
		set_attribute(L, &spec.schema.sort, 5, 6);
	spec.view = check_view(L, 7);
	spec.retention = check_retention(L, 8);
	spec.ttl = check_slice(L, 13);
	return return_true(L, tide_create_table(database->tide, &spec, &failure), &failure);
}

/* delete_table(db, name) -> true; or nil, err, code */
static int delete_table(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct failure failure;

	return return_true(L, tide_delete_table(database->tide, check_slice(L, 2), &failure),
		&failure);
}

/* set_ttl(db, table name, attribute) -> true; or nil, err, code. attribute "": disables it */
static int set_ttl(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct slice name = check_slice(L, 2), attribute = check_slice(L, 3);
	struct failure failure;

	return return_true(L, tide_set_ttl(database->tide, name, attribute, &failure), &failure);
}

/* --- describing --- */

/* describe_table(table) -> description with stream ids; or nil, err, code */
static int describe_table(lua_State *L)
{
	struct database *database;
	struct table_handle *table = check_table(L, 1, &database);
	const struct table_row *row;
	struct table_row copy;
	struct failure failure;

	if (tide_describe_table(database->tide, &table->table, &row, &failure))
		return return_failure(L, &failure);
	copy = *row;
	lua_createtable(L, 0, 9);
	set_text(L, "name", copy.name);
	set_integer(L, "id", copy.id);
	set_seconds(L, "created_at", copy.created_ms);
	set_key_field(L, "partition_key", &copy.schema.partition);
	set_key_field(L, "sort_key", &copy.schema.sort);
	if (copy.ttl.index) {
		lua_pushlstring(L, copy.ttl.name, copy.ttl.len);
		lua_setfield(L, -2, "ttl");
	}
	if (copy.stream)
		set_integer(L, "stream_id", copy.stream);
	if (copy.newest_stream)
		set_integer(L, "newest_stream_id", copy.newest_stream);
	return 1;
}

/* item_count(table) -> number of items, time of the count in seconds; false if they were never
 * counted; or nil, err, code */
static int item_count(lua_State *L)
{
	struct database *database;
	struct table_handle *table = check_table(L, 1, &database);
	uint64_t items, counted_ms;
	struct failure failure;

	if (tide_item_count(database->tide, &table->table, &items, &counted_ms, &failure))
		return return_failure(L, &failure);
	if (!counted_ms) {
		lua_pushboolean(L, 0);
		return 1;
	}
	lua_pushinteger(L, (lua_Integer)items);
	lua_pushnumber(L, (lua_Number)counted_ms / 1000);
	return 2;
}

/* note_item_count(table, table id, items) -> true; or nil, err, code */
static int note_item_count(lua_State *L)
{
	struct database *database;
	struct table_handle *table = check_table(L, 1, &database);
	uint32_t id = (uint32_t)luaL_checkinteger(L, 2);
	uint64_t items = (uint64_t)luaL_checkinteger(L, 3);
	struct failure failure;

	if (tide_note_item_count(database->tide, &table->table, id, items, &failure))
		return return_failure(L, &failure);
	lua_pushboolean(L, 1);
	return 1;
}

/* table_names(db) -> array of the names of all tables; or nil, err, code */
static int table_names(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct buffer *names = &new_lua_buffer(L)->bytes;
	struct failure failure;

	check_database(L, 1);
	if (tide_table_names(database->tide, names, &failure))
		return return_failure(L, &failure);
	push_names(L, names);
	return 1;
}

/* table(db, name) -> handle; or nil, err, code. Does not check that the table exists. */
static int new_table(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct slice name = check_slice(L, 2);
	struct table_handle *handle = lua_newuserdatauv(L, sizeof *handle, 1);
	struct failure failure;

	handle->database = database;
	if (tide_table_named(&handle->table, name, &failure))
		return return_failure(L, &failure);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	set_type(L, TABLE_TYPE);
	return 1;
}

void open_tables(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "create_table", create_table },
		{ "delete_table", delete_table },
		{ "set_ttl", set_ttl },
		{ "describe_table", describe_table },
		{ "item_count", item_count },
		{ "note_item_count", note_item_count },
		{ "table_names", table_names },
		{ "table", new_table },
		{ NULL, NULL },
	};

	open_lua_buffers(L);
	new_type(L, TABLE_TYPE, NULL, NULL);
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
