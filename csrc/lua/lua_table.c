/* lua_table.c - tables for Lua: definitions, descriptions, and access to single items.
 *
 * A write has three phases. First everything that can raise an error; then the
 * transaction, which calls no function of Lua's API (a requested old item is pushed
 * in a protected call); then the results, which are already on the stack. So an
 * error means that nothing was stored.
 */
#include <string.h>

#include <lauxlib.h>

#include "lua/lua_argument.h"
#include "lua/lua_expression.h"
#include "lua/lua_failure.h"
#include "lua/lua_field.h"
#include "lua/lua_handle.h"
#include "lua/lua_item.h"
#include "lua/lua_value.h"
#include "lua/lua_write.h"

/* --- creating and changing --- */

static void set_attribute(lua_State *L, struct key_attribute *attribute, int name, int type)
{
	struct slice text = check_slice(L, name);

	attribute->type = (enum type)luaL_checkinteger(L, type);
	if (text.len >= sizeof attribute->name)
		text.len = 0;            /* the core refuses it: a name has 1 to 255 bytes */
	attribute->len = (uint8_t)text.len;
	memcpy(attribute->name, text.data, text.len);
}

/* Returns the view type at index; 0: no stream. */
static uint8_t check_view(lua_State *L, int index)
{
	return (uint8_t)luaL_checkinteger(L, index);
}

/* Returns the retention whose age in ms, bytes and count are the three arguments from index on. */
static struct retention check_retention(lua_State *L, int index)
{
	return (struct retention){
		.age_ms = (uint64_t)luaL_checkinteger(L, index),
		.max_bytes = (uint64_t)luaL_checkinteger(L, index + 1),
		.max_count = (uint64_t)luaL_checkinteger(L, index + 2),
	};
}

/* Returns true to Lua; or nil, err, code. */
static int return_true(lua_State *L, int err, const struct failure *failure)
{
	if (err)
		return return_failure(L, failure);
	lua_pushboolean(L, 1);
	return 1;
}

/* create_table(db, name, partition, type, sort | nil, type, view, age, bytes, count, ttl) -> true;
 * or nil, err, code. ttl: name of the time-to-live attribute; "": none. */
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
	spec.ttl = check_slice(L, 11);
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

/* enable_stream(db, name, view, age, bytes, count) -> true; or nil, err, code */
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

/* set_ttl(db, table name, attribute) -> true; or nil, err, code. attribute "": disables it */
static int set_ttl(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct slice name = check_slice(L, 2), attribute = check_slice(L, 3);
	struct failure failure;

	return return_true(L, tide_set_ttl(database->tide, name, attribute, &failure), &failure);
}

/* set_retention(db, stream id, age, bytes, count) -> true; or nil, err, code */
static int set_retention(lua_State *L)
{
	struct database *database = check_database(L, 1);
	uint32_t stream = (uint32_t)luaL_checkinteger(L, 2);
	struct retention retention = check_retention(L, 3);
	struct failure failure;

	return return_true(L, tide_set_retention(database->tide, stream, &retention, &failure),
		&failure);
}

/* --- describing --- */

static void set_key(lua_State *L, const char *name, const struct key_attribute *attribute)
{
	if (attribute->type == 0)
		return;
	lua_createtable(L, 2, 0);
	lua_pushlstring(L, attribute->name, attribute->len);
	lua_rawseti(L, -2, 1);
	lua_pushstring(L, type_name(attribute->type));
	lua_rawseti(L, -2, 2);
	lua_setfield(L, -2, name);
}

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
	set_key(L, "partition_key", &copy.schema.partition);
	set_key(L, "sort_key", &copy.schema.sort);
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
	struct source source;
	lua_Integer n = 0;

	check_database(L, 1);
	if (tide_table_names(database->tide, names, &failure))
		return return_failure(L, &failure);
	source = source_of(buffer_slice(names));
	lua_newtable(L);
	while (source_left(&source) > 0) {
		struct slice name = source_counted(&source);

		lua_pushlstring(L, (const char *)name.data, name.len);
		lua_rawseti(L, -2, ++n);
	}
	return 1;
}

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
	lua_createtable(L, 0, 15);
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
	lua_createtable(L, 0, 3);
	set_seconds(L, "age", row.retention.age_ms);
	if (row.retention.max_bytes)
		set_integer(L, "bytes", row.retention.max_bytes);
	if (row.retention.max_count)
		set_integer(L, "count", row.retention.max_count);
	lua_setfield(L, -2, "retention");
	return 1;
}

/* --- items --- */

/* table(db, name) -> handle; or nil, err, code. Does not look whether the table exists. */
static int table(lua_State *L)
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

static int put_or_delete(lua_State *L, bool deletes)
{
	struct database *database;
	struct table_handle *table = check_table(L, 1, &database);
	bool wants_old = lua_toboolean(L, 3);
	struct tide_change change = { 0 };
	struct failure failure;
	struct slice item;
	int err, place;

	err = read_item_of(L, 2, table, &item, deletes, &failure);
	if (err)
		return return_failure(L, &failure);
	luaL_checkstack(L, 8, NULL);
	lua_pushnil(L);
	place = lua_gettop(L);
	err = tide_begin(database->tide, &failure);
	if (err)
		return return_failure(L, &failure);
	err = deletes ? tide_delete(database->tide, &table->table, item, &change, &failure) :
		tide_put(database->tide, &table->table, item, &change, &failure);
	if (!err && wants_old && change.old_item.len)
		push_in_transaction(L, database, change.old_item);
	if (err)
		tide_abort(database->tide);
	else
		err = tide_commit(database->tide, &failure);
	if (err)
		return return_failure(L, &failure);
	lua_pushinteger(L, (lua_Integer)change.sequence);
	lua_replace(L, place);
	return lua_gettop(L) - place + 1;
}

/* put(table, item, wants_old) -> sequence number [, old item]; or nil, err, code */
static int put(lua_State *L)
{
	return put_or_delete(L, false);
}

/* delete(table, key, wants_old) -> true [, old item]; or nil, err, code */
static int delete(lua_State *L)
{
	return put_or_delete(L, true);
}

typedef int getter(struct tide *tide, struct tide_table *table, struct slice key,
	struct buffer *out, uint64_t *sequence, struct failure *failure);

/* Reads the item with the key at 2 and projects it into out. Returns 0, END or an error. */
static int read_projected(lua_State *L, struct database *database, struct table_handle *table,
	getter *read, struct buffer *whole, struct buffer *out, struct failure *failure)
{
	const struct table_row *row;
	uint64_t sequence;
	struct slice key;
	int err = read_item_of(L, 2, table, &key, true, failure);

	if (!err)
		err = tide_describe_table(database->tide, &table->table, &row, failure);
	if (!err)
		err = tide_expressions_check_projection(database->expressions, &row->schema,
			failure);
	if (!err)
		err = read(database->tide, &table->table, key, whole, &sequence, failure);
	if (err)
		return err;
	err = tide_expressions_project(database->expressions, buffer_slice(whole), out);
	return err ? fail(failure, err) : 0;
}

/* Reads and binds the projection in the options at 3, unless the positions are wrong. */
static int bind_projection(lua_State *L, struct database *database, struct positions *positions,
	struct failure *failure)
{
	struct tide_expressions *expressions = request_of(database, failure);
	int err = expressions ? read_request(L, 3, database, expressions, slice_of(NULL, 0),
		TAKES(EXPRESSION_PROJECTION), positions, failure) : ERR_NO_MEMORY;

	return err || positions->is_wrong ? err :
		tide_expressions_bind(expressions, NULL, failure);
}

/* project(table, encoded item | nil, options, snapshot) -> item, or nil; nil, err, code */
static int project_item(lua_State *L)
{
	struct database *database;
	struct table_handle *table = check_table(L, 1, &database);
	struct snapshot_handle *held = check_type(L, 4, SNAPSHOT_TYPE);
	struct table_row row;
	struct positions positions = { 0 };
	struct buffer *out;
	struct failure failure;
	int err;

	luaL_argcheck(L, held->child.database == database, 4,
		"a snapshot of the table's database expected");
	lua_settop(L, 4);
	out = &new_lua_buffer(L)->bytes;
	check_table(L, 1, &database);
	err = bind_projection(L, database, &positions, &failure);
	if (!err && positions.is_wrong)
		return push_positions(L, &positions);
	if (!err)
		err = tide_describe_table_at(database->tide, check_held(L, held), &table->table,
			&row, &failure);
	if (!err)
		err = tide_expressions_check_projection(database->expressions, &row.schema,
			&failure);
	if (err)
		return return_failure(L, &failure);
	if (lua_isnil(L, 2))
		return 0;
	err = tide_expressions_project(database->expressions, check_item_bytes(L, 2), out);
	if (err) {
		fail(&failure, err);
		return return_failure(L, &failure);
	}
	push_item(L, buffer_slice(out));
	return 1;
}

/* get_projected(table, key, options, true to read the open transaction) -> item, or nil; nil, err,
 * code; or false, wanted, given, index of a nil */
static int get_projected(lua_State *L)
{
	struct database *database;
	struct table_handle *table = check_table(L, 1, &database);
	bool inside = lua_toboolean(L, 4);
	struct positions positions = { 0 };
	struct buffer *whole, *out;
	struct failure failure;
	int err;

	if (inside)
		check_deadline(L, database);
	lua_settop(L, 4);
	whole = &new_lua_buffer(L)->bytes;
	out = &new_lua_buffer(L)->bytes;
	check_table(L, 1, &database);
	err = bind_projection(L, database, &positions, &failure);
	if (!err && positions.is_wrong)
		return push_positions(L, &positions);
	if (!err)
		err = read_projected(L, database, table, inside ? tide_get : tide_get_committed,
			whole, out, &failure);
	if (err < 0)
		return return_failure(L, &failure);
	if (err == END)
		lua_pushnil(L);
	else
		push_item(L, buffer_slice(out));
	return 1;
}

/* Pushes the item with the key at 2, or nil. Returns 0, END if it pushed nil, or an error. A
 * buffer that stays taken after a raised error is replaced later and then collected. */
static int push_item_of_key(lua_State *L, getter *read, struct failure *failure)
{
	struct database *database;
	struct table_handle *table = check_table(L, 1, &database);
	struct slice key;
	struct lua_buffer *buffer;
	uint64_t sequence;
	int err;

	lua_getiuservalue(L, 1, 1);
	buffer = take_lua_buffer(L, lua_gettop(L), 2, &database->buffer);
	check_usable(L, database);
	err = read_item_of(L, 2, table, &key, true, failure);
	if (!err)
		err = read(database->tide, &table->table, key, &buffer->bytes, &sequence, failure);
	if (err == 0)
		push_item(L, buffer_slice(&buffer->bytes));
	else if (err == END)
		lua_pushnil(L);
	buffer->taken = false;
	return err;
}

/* get(table, key) -> item, nil if there is none; or nil, err, code. Reads the last commit, also in
 * a transaction. */
static int get(lua_State *L)
{
	struct failure failure;

	return push_item_of_key(L, tide_get_committed, &failure) < 0 ?
		return_failure(L, &failure) : 1;
}

/* --- the same in a transaction, with failures raised --- */

static int tx_change(lua_State *L, bool deletes)
{
	struct database *database;
	struct table_handle *table = check_table(L, 1, &database);
	struct buffer *old = NULL;
	struct tide_change change = { 0 };
	struct failure failure;
	struct slice item;
	int err;

	/* Must come first: while the transaction is open, no finalizer can close the database. */
	check_deadline(L, database);
	if (lua_toboolean(L, 3))
		old = &new_lua_buffer(L)->bytes;
	err = read_item_of(L, 2, table, &item, deletes, &failure);
	if (!err)
		err = deletes ? tide_delete(database->tide, &table->table, item, &change,
			&failure) :
			tide_put(database->tide, &table->table, item, &change, &failure);
	if (!err && old) {
		buffer_put_slice(old, change.old_item);
		if (buffer_error(old))
			err = fail(&failure, ERR_NO_MEMORY);
	}
	if (err)
		return raise_failure(L, &failure);
	lua_pushboolean(L, 1);
	if (!old || old->len == 0)
		return 1;
	push_item(L, buffer_slice(old));
	buffer_release(old);     /* memory that the collector does not count */
	return 2;
}

/* tx_get(table, key) -> item, nil if there is none. Reads the open transaction. */
static int tx_get(lua_State *L)
{
	struct database *database;
	struct failure failure;

	check_table(L, 1, &database);
	check_deadline(L, database);
	return push_item_of_key(L, tide_get, &failure) < 0 ? raise_failure(L, &failure) : 1;
}

/* tx_put(table, item, wants_old) -> true [, old item] */
static int tx_put(lua_State *L)
{
	return tx_change(L, false);
}

/* tx_delete(table, key, wants_old) -> true [, old item] */
static int tx_delete(lua_State *L)
{
	return tx_change(L, true);
}

void open_tables(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "create_table", create_table },
		{ "delete_table", delete_table },
		{ "enable_stream", enable_stream },
		{ "disable_stream", disable_stream },
		{ "set_retention", set_retention },
		{ "set_ttl", set_ttl },
		{ "describe_table", describe_table },
		{ "item_count", item_count },
		{ "note_item_count", note_item_count },
		{ "table_names", table_names },
		{ "stream_ids", stream_ids },
		{ "stream_of", stream_of },
		{ "describe_stream", describe_stream },
		{ "table", table },
		{ "put", put },
		{ "delete", delete },
		{ "get", get },
		{ "get_projected", get_projected },
		{ "project", project_item },
		{ "tx_get", tx_get },
		{ "tx_put", tx_put },
		{ "tx_delete", tx_delete },
		{ NULL, NULL },
	};

	open_lua_buffers(L);
	new_type(L, TABLE_TYPE, NULL, NULL);
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
	open_writes(L);
}
