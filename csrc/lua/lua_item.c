/* lua_item.c - access to single items for Lua: put, delete, get and their projections; reads
 * the item or key that is given to a method of a table.
 *
 * A write has three phases. First everything that can raise an error; then the
 * transaction, which calls no function of Lua's API (a requested old item is pushed
 * in a protected call); then the results, which are already on the stack. So an
 * error means that nothing was stored.
 */
#include "lua/lua_item.h"

#include <lauxlib.h>

#include "lua/lua_argument.h"
#include "lua/lua_expression.h"
#include "lua/lua_failure.h"
#include "lua/lua_value.h"
#include "lua/lua_write.h"

/* --- reading the argument --- */

/* Replaces the message for a list by one with the table's key attributes, if they can be read. */
static void name_keys(const struct table_handle *table, bool is_key, struct failure *failure)
{
	struct tide_table named = table->table;
	const struct key_attribute *partition, *sort;
	const struct table_row *row;
	struct failure ignored;

	if (tide_describe_table(table->database->tide, &named, &row, &ignored))
		return;
	partition = &row->schema.partition;
	sort = &row->schema.sort;
	fail_as(failure, ERR_VALIDATION,
		"%s: expected attributes by name, { %.*s = ...%s%.*s%s%s }, got a list",
		is_key ? "key" : "item", (int)partition->len, partition->name,
		sort->type ? ", " : "", sort->type ? (int)sort->len : 0, sort->name,
		sort->type ? " = ..." : "", is_key ? "" : ", ...");
}

int read_item_of(lua_State *L, int index, const struct table_handle *table, struct slice *item,
	bool is_key, struct failure *failure)
{
	int err = read_item(L, index, &table->database->builder, item, is_key ? "key" : "item",
		failure);

	if (err == ERR_VALIDATION && lua_istable(L, index) && is_list(L, index))
		name_keys(table, is_key, failure);
	return err;
}

/* --- single items --- */

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
static int put_item(lua_State *L)
{
	return put_or_delete(L, false);
}

/* delete(table, key, wants_old) -> true [, old item]; or nil, err, code */
static int delete_item(lua_State *L)
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
static int project_given_item(lua_State *L)
{
	struct database *database;
	struct table_handle *table = check_table(L, 1, &database);
	struct snapshot_handle *held = check_type(L, 4, SNAPSHOT_TYPE);
	const struct tide_snapshot *snapshot;
	struct table_row row;
	struct positions positions = { 0 };
	struct buffer *out;
	struct failure failure;
	int err;

	luaL_argcheck(L, held->child.database == database, 4,
		"expected a snapshot of the table's database");
	lua_settop(L, 4);
	out = &new_lua_buffer(L)->bytes;
	check_table(L, 1, &database);
	snapshot = check_held(L, held, 4);
	err = bind_projection(L, database, &positions, &failure);
	if (!err && positions.is_wrong)
		return push_positions(L, &positions);
	if (!err)
		err = tide_describe_table_at(database->tide, snapshot, &table->table, &row,
			&failure);
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

/* Pushes the item with the key at 2, or nil. Returns 0, END if it pushed nil, or an error. If an
 * error is raised, the buffer stays taken, and take_lua_buffer replaces it at the next call. */
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
static int get_item(lua_State *L)
{
	struct failure failure;

	return push_item_of_key(L, tide_get_committed, &failure) < 0 ?
		return_failure(L, &failure) : 1;
}

/* --- in a transaction, where failures are raised --- */

static int tx_put_or_delete(lua_State *L, bool deletes)
{
	struct database *database;
	struct table_handle *table = check_table(L, 1, &database);
	struct buffer *old = NULL;
	struct tide_change change = { 0 };
	struct failure failure;
	struct slice item;
	int err;

	/* The transaction is checked first, because no finalizer can close the database while a
	 * transaction is open. */
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
	buffer_release(old);     /* the collector does not count this memory */
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
	return tx_put_or_delete(L, false);
}

/* tx_delete(table, key, wants_old) -> true [, old item] */
static int tx_delete(lua_State *L)
{
	return tx_put_or_delete(L, true);
}

void open_items(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "put", put_item },
		{ "delete", delete_item },
		{ "get", get_item },
		{ "get_projected", get_projected },
		{ "project", project_given_item },
		{ "tx_get", tx_get },
		{ "tx_put", tx_put },
		{ "tx_delete", tx_delete },
		{ NULL, NULL },
	};

	luaL_setfuncs(L, functions, 0);
	open_writes(L);
}
