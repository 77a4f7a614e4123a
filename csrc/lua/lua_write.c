/* lua_write.c - writes with expressions: conditions, updates.
 *
 * The phases are those of lua_item.c: first everything that can raise an error, then the
 * transaction, then the results, which are already on the stack.
 */
#include "lua/lua_write.h"

#include <lauxlib.h>

#include "lua/lua_annotation.h"
#include "lua/lua_argument.h"
#include "lua/lua_expression.h"
#include "lua/lua_failure.h"
#include "lua/lua_item.h"
#include "lua/lua_value.h"

/* Pushes an item as a table. Called by lua_pcall. */
static int push_item_protected(lua_State *L)
{
	const struct slice *item = lua_touserdata(L, 1);

	push_item(L, *item);
	return 1;
}

void push_in_transaction(lua_State *L, struct database *database, struct slice item)
{
	lua_pushcfunction(L, push_item_protected);
	lua_pushlightuserdata(L, &item);
	if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
		tide_abort(database->tide);
		lua_error(L);
	}
}

enum return_values { RETURN_NONE, ALL_OLD, ALL_NEW, UPDATED_OLD, UPDATED_NEW };

/* A call of write or tx_write. */
struct write_call {
	struct database *database;
	struct table_handle *table;
	enum tide_operation operation;
	enum return_values returns;
	bool wants_failed;           /* return the item whose condition failed */
	struct tide_expressions *expressions;
	struct slice annotation;
	struct slice item;
	struct tide_change change;
};

/* Reads the arguments of write, except the item, and binds the expressions. */
static int prepare_request(lua_State *L, struct write_call *call, struct positions *positions,
	struct failure *failure)
{
	struct slice update = lua_isnil(L, 4) ? slice_of(NULL, 0) : check_slice(L, 4);
	int err;

	call->operation = (enum tide_operation)check_choice(L, 2, TIDE_PUT, TIDE_DELETE);
	call->returns = (enum return_values)check_choice(L, 6, RETURN_NONE, UPDATED_NEW);
	call->wants_failed = lua_toboolean(L, 7);
	call->change = (struct tide_change){ 0 };
	call->expressions = request_of(call->database, failure);
	if (!call->expressions)
		return ERR_NO_MEMORY;
	err = read_request(L, 5, call->database, call->expressions, update,
		TAKES(EXPRESSION_CONDITION), positions, failure);
	if (err || positions->is_wrong)
		return err;
	return tide_expressions_bind(call->expressions, call->operation == TIDE_UPDATE ?
		"UpdateExpression and ConditionExpression are null" :
		"ConditionExpression is null", failure);
}

/* Like prepare_request, and also reads the item or key at 3. */
static int prepare_write(lua_State *L, struct write_call *call, struct positions *positions,
	struct failure *failure)
{
	int err = prepare_request(L, call, positions, failure);

	return err || positions->is_wrong ? err : read_item_of(L, 3, call->table, &call->item,
		call->operation != TIDE_PUT, failure);
}

/* Sets *item to the item that the call returns, empty if it returns none. The bytes belong to the
 * open transaction or to database->bytes. */
static int choose_item(const struct write_call *call, bool has_update, struct slice *item,
	struct failure *failure)
{
	struct buffer *bytes = &call->database->bytes;
	bool is_old = call->returns == ALL_OLD || call->returns == UPDATED_OLD;
	struct slice whole = is_old ? call->change.old_item : call->change.new_item;
	int err;

	*item = slice_of(NULL, 0);
	if (call->returns == RETURN_NONE || whole.len == 0)
		return 0;
	if (call->returns == ALL_OLD || call->returns == ALL_NEW) {
		*item = whole;
		return 0;
	}
	if (!has_update)
		return 0;
	buffer_clear(bytes);
	err = tide_expressions_updated(call->expressions, whole, bytes);
	if (err)
		return fail(failure, err);
	if (bytes->len > 1)      /* an item without attributes has one byte */
		*item = buffer_slice(bytes);
	return 0;
}

/* Pushes a buffer for the item that the call returns; nil, and returns NULL, if it returns none. A
 * userdata with a finalizer costs as much as the evaluation of a small expression. */
static struct buffer *push_copy(lua_State *L)
{
	if (lua_tointeger(L, 6) != RETURN_NONE || lua_toboolean(L, 7))
		return &new_lua_buffer(L)->bytes;
	lua_pushnil(L);
	return NULL;
}

/* Returns true if there is an item to return. */
static bool has_copy(const struct buffer *copy)
{
	return copy && copy->len;
}

/* Copies the item that the call returns: the one chosen by choose_item or, if wanted, the item that
 * failed the condition. The item is copied because pushing it may run finalizers that use the
 * handle. err is the result of the write. */
static int copy_item(lua_State *L, const struct write_call *call, int err, struct buffer *copy,
	struct failure *failure)
{
	struct slice item = slice_of(NULL, 0);

	if (!copy)
		return err;
	if (!err)
		err = choose_item(call, !lua_isnil(L, 4), &item, failure);
	else if (err == ERR_CONDITION_FAILED && call->wants_failed)
		item = call->change.old_item;
	buffer_put_slice(copy, item);
	return buffer_error(copy) ? fail(failure, ERR_NO_MEMORY) : err;
}

/* Does the write in the open transaction. */
static int write_in_transaction(lua_State *L, struct write_call *call, struct buffer *copy,
	struct failure *failure)
{
	struct tide *tide = call->database->tide;
	int err = call->annotation.len ? tide_annotate(tide, call->annotation, failure) : 0;

	if (!err)
		err = tide_write(tide, &call->table->table, call->operation, call->item,
			call->expressions, &call->change, failure);
	return copy_item(L, call, err, copy, failure);
}

/* Returns nil, err, code. If a condition has failed, sets err.item to the item at index `item` (0:
 * there is none). */
static int return_failed(lua_State *L, const struct failure *failure, int item)
{
	int results = return_failure(L, failure);

	if (item && failure->err == ERR_CONDITION_FAILED) {
		lua_pushliteral(L, "item");
		lua_pushvalue(L, item);
		lua_rawset(L, -4);
	}
	return results;
}

/* write(table, operation, item or key, update | nil, options | nil, return values, wants the item
 * that failed, annotation | nil) -> sequence number [, item]; nil, err, code; or false, wanted,
 * given, nil's index */
static int write_and_commit(lua_State *L)
{
	struct write_call call;
	struct positions positions = { 0 };
	struct failure failure;
	struct buffer *copy;
	int err, place;

	lua_settop(L, 8);
	luaL_checkstack(L, 12, NULL);
	call.annotation = check_annotation(L, 8);
	copy = push_copy(L);
	call.table = check_table(L, 1, &call.database);
	err = prepare_write(L, &call, &positions, &failure);
	if (err)
		return return_failure(L, &failure);
	if (positions.is_wrong)
		return push_positions(L, &positions);
	lua_pushnil(L);
	place = lua_gettop(L);
	err = tide_begin(call.database->tide, &failure);
	if (err)
		return return_failure(L, &failure);
	err = write_in_transaction(L, &call, copy, &failure);
	if (has_copy(copy))
		push_in_transaction(L, call.database, buffer_slice(copy));
	if (copy)
		buffer_release(copy);    /* the collector does not count this memory */
	if (err)
		tide_abort(call.database->tide);
	else
		err = tide_commit(call.database->tide, &failure);
	if (err)
		return return_failed(L, &failure, lua_gettop(L) > place ? place + 1 : 0);
	lua_pushinteger(L, (lua_Integer)call.change.sequence);
	lua_replace(L, place);
	return lua_gettop(L) - place + 1;
}

/* tx_write: like write, but in the open transaction. -> true [, item]; or false, wanted, given,
 * nil's index. Raises failures. */
static int tx_write(lua_State *L)
{
	struct write_call call;
	struct positions positions = { 0 };
	struct failure failure;
	struct buffer *copy;
	int err;

	lua_settop(L, 7);
	call.annotation = slice_of(NULL, 0);
	call.table = check_table(L, 1, &call.database);
	check_deadline(L, call.database);
	copy = push_copy(L);
	err = prepare_write(L, &call, &positions, &failure);
	if (!err && positions.is_wrong)
		return push_positions(L, &positions);
	if (!err)
		err = write_in_transaction(L, &call, copy, &failure);
	lua_pushboolean(L, 1);
	if (has_copy(copy)) {
		push_item(L, buffer_slice(copy));
		buffer_release(copy);    /* the collector does not count this memory */
	}
	if (!err)
		return lua_gettop(L) - 8;
	return_failed(L, &failure, lua_gettop(L) > 9 ? 10 : 0);
	lua_pop(L, 1);
	return lua_error(L);
}

/* Returns true if the value at an index is nil or a table whose keys are all integers. */
static bool is_positional(lua_State *L, int index)
{
	if (!lua_istable(L, index))
		return lua_isnil(L, index);
	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
		if (!lua_isinteger(L, -2)) {
			lua_pop(L, 2);
			return false;
		}
	}
	return true;
}

/* tx_update(table, key, expression | nil, values of the `?` | nil) -> true; false if another type
 * of argument or a named option was passed, or the number of values is wrong. Raises failures. */
static int tx_update(lua_State *L)
{
	lua_settop(L, 4);
	if (!lua_istable(L, 2) || !is_positional(L, 4) ||
			(lua_type(L, 3) != LUA_TSTRING && !lua_isnil(L, 3))) {
		lua_pushboolean(L, 0);
		return 1;
	}
	lua_pushinteger(L, TIDE_UPDATE);
	lua_insert(L, 2);
	lua_pushinteger(L, RETURN_NONE);
	return tx_write(L);
}

/* evaluate(table, operation, item or key as bytes, update | nil, options | nil, return values,
 * wants the item that failed, snapshot, old item as bytes | nil): computes the new item without
 * storing it, for an optimistic transaction. -> new item as bytes ("": there is none) [, item];
 * nil, err, code; or false, wanted, given, nil's index */
static int evaluate_write(lua_State *L)
{
	struct write_call call;
	struct positions positions = { 0 };
	const struct tide_snapshot *snapshot;
	struct failure failure;
	struct buffer *copy;
	struct slice old;
	int err;

	lua_settop(L, 9);
	copy = push_copy(L);
	call.table = check_table(L, 1, &call.database);
	snapshot = check_held(L, check_type(L, 8, SNAPSHOT_TYPE), 8);
	old = lua_isnil(L, 9) ? slice_of(NULL, 0) : check_item_bytes(L, 9);
	err = prepare_request(L, &call, &positions, &failure);
	if (!err && positions.is_wrong)
		return push_positions(L, &positions);
	if (!err)
		err = tide_evaluate(call.database->tide, snapshot, &call.table->table,
			call.operation, check_item_bytes(L, 3), old, call.expressions,
			&call.change, &failure);
	err = copy_item(L, &call, err, copy, &failure);
	if (err)
		lua_pushnil(L);
	else
		lua_pushlstring(L, (const char *)call.change.new_item.data,
			call.change.new_item.len);
	if (has_copy(copy))
		push_item(L, buffer_slice(copy));
	return err ? return_failed(L, &failure, lua_gettop(L) > 11 ? 12 : 0) :
		lua_gettop(L) - 10;
}

void open_writes(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "write", write_and_commit },
		{ "tx_write", tx_write },
		{ "tx_update", tx_update },
		{ "evaluate", evaluate_write },
		{ NULL, NULL },
	};

	open_requests(L);
	luaL_setfuncs(L, functions, 0);
}
