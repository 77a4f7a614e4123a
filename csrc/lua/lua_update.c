/* lua_update.c - deferred updates: updates of optimistic transactions that are no reads.
 *
 * An update without condition and return values is evaluated on the item that the
 * transaction sees, and again on the stored item when the transaction is applied, if
 * another commit came between. It is kept as a pending write (merged_rows.lua) that has
 * the parameters in the form of a table of options, too:
 *
 *     table, bytes, deletes, absent      as in every pending write
 *     key         the encoded key
 *     expression  text of the update expression; nil: none
 *     version     of the item in the snapshot, 0 if there was none; nil if a put or a
 *                 deletion of the transaction came before
 *     n, 1 ... n, names, values
 */
#include <lauxlib.h>
#include <string.h>

#include "lua/lua_argument.h"
#include "lua/lua_expression.h"
#include "lua/lua_failure.h"
#include "lua/lua_handle.h"
#include "lua/lua_item.h"

/* Arguments of defer_update, and what it pushes after them. */
enum {
	SNAPSHOT = 1, TABLE, KEY, EXPRESSION, OPTIONS, LAST,
	UPDATE, SORTABLE, KEY_BYTES, OWN, OWN_ABSENT, OWN_BYTES, OWN_VERSION,
};

/* --- copying the parameters --- */

/* Returns true if the program can't change the value on top after the call. */
static bool is_constant(lua_State *L)
{
	switch (lua_type(L, -1)) {
	case LUA_TSTRING:
	case LUA_TNUMBER:
	case LUA_TBOOLEAN:
	case LUA_TUSERDATA:
	case LUA_TLIGHTUSERDATA:
		return true;
	default:
		return false;
	}
}

/* Replaces the table on top with a copy. Returns false if it has a value that is not constant. */
static bool copy_constants(lua_State *L)
{
	int from = lua_gettop(L);

	lua_newtable(L);
	for (lua_pushnil(L); lua_next(L, from);) {
		if (!is_constant(L))
			return false;
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		lua_rawset(L, -4);
	}
	lua_replace(L, from);
	return true;
}

/* Copies the option whose name and value are on top to the update, and removes the value. Returns
 * false if the option makes the update a read, is unknown, or has a wrong value. */
static bool copy_option(lua_State *L)
{
	const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
	bool is_map = strcmp(name, "names") == 0 || strcmp(name, "values") == 0;

	if (is_map && lua_istable(L, -1) && copy_constants(L)) {
		lua_setfield(L, UPDATE, name);
		return true;
	}
	if (strcmp(name, "n") == 0 && lua_isinteger(L, -1) && lua_tointeger(L, -1) >= 0) {
		lua_setfield(L, UPDATE, name);
		return true;
	}
	if (strcmp(name, "return_values") != 0 || lua_type(L, -1) != LUA_TSTRING ||
			strcmp(lua_tostring(L, -1), "NONE") != 0)
		return false;
	lua_pop(L, 1);
	return true;
}

/* Copies the options to the update. Returns false if one of them makes the update a read. */
static bool copy_options(lua_State *L)
{
	for (lua_pushnil(L); lua_next(L, OPTIONS);) {
		if (!lua_isinteger(L, -2)) {
			if (!copy_option(L))
				return false;
		} else if (is_constant(L)) {
			lua_rawseti(L, UPDATE, lua_tointeger(L, -2));
		} else {
			return false;
		}
	}
	return true;
}

/* Pushes the update with the parameters in the table of options. If the array part has gaps, the
 * length of the copy may be another one, so n is set. Returns false if the update is a read. */
static bool push_update(lua_State *L)
{
	bool has_options = lua_istable(L, OPTIONS);
	size_t n = has_options ? (size_t)lua_rawlen(L, OPTIONS) : 0;

	if (!has_options && !lua_isnil(L, OPTIONS))
		return false;
	lua_createtable(L, n < 8 ? (int)n : 8, 8);
	if (!has_options)
		return true;
	if (!copy_options(L))
		return false;
	if (lua_rawlen(L, UPDATE) != n && lua_getfield(L, UPDATE, "n") == LUA_TNIL) {
		lua_pushinteger(L, (lua_Integer)n);
		lua_setfield(L, UPDATE, "n");
	}
	lua_settop(L, UPDATE);
	return true;
}

/* Returns true, and pushes the update, if the arguments are those of an update that can be
 * deferred. */
static bool can_defer(lua_State *L)
{
	int expression = lua_type(L, EXPRESSION);

	return lua_istable(L, KEY) && (expression == LUA_TSTRING || expression == LUA_TNIL) &&
		push_update(L);
}

/* --- evaluating --- */

/* The handles of a call of defer_update. */
struct call {
	struct database *database;
	struct table_handle *table;
	const struct tide_snapshot *held;
};

/* Pushes the sortable and the encoded key. */
static int push_key(lua_State *L, const struct call *call, struct failure *failure)
{
	struct slice item;
	struct key key;
	int err = read_item_of(L, KEY, call->table, &item, true, failure);

	if (!err)
		err = tide_key_at(call->database->tide, call->held, &call->table->table, item,
			true, &key, failure);
	if (err)
		return err;
	lua_pushlstring(L, (const char *)item.data, item.len);
	lua_pushlstring(L, (const char *)key.bytes, key_whole(&key).len);
	lua_insert(L, SORTABLE);
	return 0;
}

/* Pushes the transaction's last write of the item, and its fields `absent`, `bytes` and `version`;
 * nil if there is no write. */
static void push_own(lua_State *L)
{
	lua_pushvalue(L, SORTABLE);
	if (lua_rawget(L, LAST) == LUA_TTABLE) {
		lua_getfield(L, OWN, "absent");
		lua_getfield(L, OWN, "bytes");
		lua_getfield(L, OWN, "version");
	}
	lua_settop(L, OWN_VERSION);
}

/* Sets *item to the item that the transaction sees, len 0 if there is none, and *version to its
 * version in the snapshot, unless the transaction has written it. The bytes belong to the last
 * write or to database->bytes. */
static int find_item(lua_State *L, const struct call *call, struct slice *item, uint64_t *version,
	struct failure *failure)
{
	struct buffer *bytes = &call->database->bytes;
	int err;

	*item = slice_of(NULL, 0);
	if (lua_istable(L, OWN)) {
		if (!lua_toboolean(L, OWN_ABSENT))
			*item = check_item_bytes(L, OWN_BYTES);
		return 0;
	}
	err = tide_get_at(call->database->tide, call->held, &call->table->table,
		check_slice(L, KEY_BYTES), bytes, version, failure);
	if (!err)
		*item = buffer_slice(bytes);
	return err < 0 ? err : 0;
}

/* Reads and binds the expression at `expression` with the parameters at `options`. */
static int read_update(lua_State *L, struct database *database, int expression, int options,
	struct positions *positions, struct failure *failure)
{
	struct slice text = lua_isnil(L, expression) ? slice_of(NULL, 0) :
		check_slice(L, expression);
	struct tide_expressions *expressions = request_of(database, failure);
	int err;

	if (!expressions)
		return ERR_NO_MEMORY;
	err = read_request(L, options, database, expressions, text, 0, positions, failure);
	return err || positions->is_wrong ? err : tide_expressions_bind(expressions,
		"UpdateExpression and ConditionExpression are null", failure);
}

static void set_field(lua_State *L, int index, const char *name)
{
	lua_pushvalue(L, index);
	lua_setfield(L, UPDATE, name);
}

static void set_true(lua_State *L, const char *name)
{
	lua_pushboolean(L, 1);
	lua_setfield(L, UPDATE, name);
}

/* Makes the update a pending write of the item. The item is copied first, because its bytes are
 * valid only until Lua's collector runs. */
static void complete_update(lua_State *L, struct slice item, bool is_expired, uint64_t version)
{
	if (item.len)
		lua_pushlstring(L, (const char *)item.data, item.len);
	else
		lua_pushvalue(L, KEY_BYTES);
	lua_setfield(L, UPDATE, "bytes");
	if (item.len == 0)
		set_true(L, "deletes");
	if (item.len == 0 || is_expired)
		set_true(L, "absent");
	set_field(L, TABLE, "table");
	set_field(L, KEY_BYTES, "key");
	set_field(L, EXPRESSION, "expression");
	if (lua_istable(L, OWN))
		lua_pushvalue(L, OWN_VERSION);
	else
		lua_pushinteger(L, (lua_Integer)version);
	lua_setfield(L, UPDATE, "version");
}

/* Evaluates the update and completes it. Nothing of Lua is allocated before the evaluation has
 * ended. */
static int evaluate(lua_State *L, const struct call *call, struct positions *positions,
	struct failure *failure)
{
	struct tide *tide = call->database->tide;
	struct tide_change change = { 0 };
	struct slice old;
	uint64_t version = 0;
	bool is_expired = false;
	int err = find_item(L, call, &old, &version, failure);

	if (!err)
		err = read_update(L, call->database, EXPRESSION, OPTIONS, positions, failure);
	if (err || positions->is_wrong)
		return err;
	err = tide_evaluate(tide, call->held, &call->table->table, TIDE_UPDATE,
		check_slice(L, KEY_BYTES), old, call->database->expressions, &change, failure);
	if (!err && change.new_item.len)
		err = tide_expired_at(tide, call->held, &call->table->table, change.new_item,
			&is_expired, failure);
	if (!err)
		complete_update(L, change.new_item, is_expired, version);
	return err;
}

/* defer_update(snapshot, table, key, expression | nil, options | nil, last writes of the table by
 * sortable key) -> sortable key, pending write; false if the update is a read, or the arguments are
 * wrong; or nil, err, code */
static int defer_update(lua_State *L)
{
	struct positions positions = { 0 };
	struct failure failure;
	struct call call;
	int err;

	lua_settop(L, LAST);
	luaL_checktype(L, LAST, LUA_TTABLE);
	luaL_checkstack(L, 16, NULL);
	if (!can_defer(L)) {
		lua_pushboolean(L, 0);
		return 1;
	}
	call.held = check_snapshot_and_table(L, &call.database, &call.table);
	err = push_key(L, &call, &failure);
	if (!err) {
		push_own(L);
		call.held = check_still_held(L, SNAPSHOT);
		err = evaluate(L, &call, &positions, &failure);
	}
	if (err)
		return return_failure(L, &failure);
	if (positions.is_wrong) {
		lua_pushboolean(L, 0);
		return 1;
	}
	lua_pushvalue(L, SORTABLE);
	lua_pushvalue(L, UPDATE);
	return 2;
}

/* --- applying --- */

/* apply_update(table, update) -> true; or nil, err, code. Evaluates an update of defer_update on
 * the stored item, and stores the new one. */
static int apply_update(lua_State *L)
{
	struct database *database;
	struct table_handle *table;
	struct positions positions = { 0 };
	struct tide_change change;
	struct failure failure;
	struct slice key;
	int err;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	lua_getfield(L, 2, "key");
	lua_getfield(L, 2, "expression");
	table = check_table(L, 1, &database);
	check_deadline(L, database);
	key = check_item_bytes(L, 3);
	err = read_update(L, database, 4, 2, &positions, &failure);
	luaL_argcheck(L, err || !positions.is_wrong, 2, "expected an update");
	if (!err)
		err = tide_write(database->tide, &table->table, TIDE_UPDATE, key,
			database->expressions, &change, &failure);
	return return_true(L, err, &failure);
}

void open_updates(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "defer_update", defer_update },
		{ "apply_update", apply_update },
		{ NULL, NULL },
	};

	luaL_setfuncs(L, functions, 0);
}
