/* lua_expression.c - reads the options of a request that has expressions.
 *
 * Reading allocates no memory of Lua, because the collector could then run a finalizer that uses
 * the same handle for another request.
 */
#include "lua/lua_expression.h"

#include <lauxlib.h>
#include <stdio.h>

#include "lua/lua_value.h"

struct tide_expressions *request_of(struct database *database, struct failure *failure)
{
	if (!database->expressions)
		tide_expressions_open(&database->expressions, database->tide, failure);
	return database->expressions;
}

static struct slice string_at(lua_State *L, int index)
{
	size_t len;
	const char *text = lua_tolstring(L, index, &len);

	return slice_of(text, len);
}

enum field { NAMES, VALUES, COUNT, CONDITION, KEY_CONDITION, FILTER, PROJECTION, FIELDS };

static const char *const field_names[FIELDS] = {
	"names", "values", "n", "condition", "key_condition", "filter", "projection",
};

/* Registry keys of the Lua strings with these names. */
static const char field_keys[FIELDS] = { 0 };

void open_requests(lua_State *L)
{
	for (int field = 0; field < FIELDS; field++) {
		lua_pushstring(L, field_names[field]);
		lua_rawsetp(L, LUA_REGISTRYINDEX, &field_keys[field]);
	}
}

/* Pushes a field of the table at index, by raw access. Returns its type. */
static int push_raw(lua_State *L, int index, enum field field)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, &field_keys[field]);
	return lua_rawget(L, index);
}

/* Returns VALIDATION for the value at index, which has the wrong type. */
static int refuse_type(lua_State *L, struct failure *failure, const char *field, const char *what,
	int index)
{
	return fail_as(failure, ERR_VALIDATION, "%s: expected %s, got %s", field, what,
		luaL_typename(L, index));
}

/* --- parameters --- */

static int read_names(lua_State *L, struct tide_expressions *expressions,
	struct failure *failure)
{
	int err = 0;

	for (lua_pushnil(L); !err && lua_next(L, -2); lua_pop(L, 1)) {
		if (lua_type(L, -2) != LUA_TSTRING)
			return refuse_type(L, failure, "names", "a placeholder as key", -2);
		if (lua_type(L, -1) != LUA_TSTRING)
			return refuse_type(L, failure, "names", "an attribute name", -1);
		err = tide_expressions_add_name(expressions, string_at(L, -2), string_at(L, -1));
	}
	return err ? fail(failure, err) : 0;
}

static int read_values(lua_State *L, struct database *database,
	struct tide_expressions *expressions, struct failure *failure)
{
	int err = 0;

	for (lua_pushnil(L); !err && lua_next(L, -2); lua_pop(L, 1)) {
		struct value value;

		if (lua_type(L, -2) != LUA_TSTRING)
			return refuse_type(L, failure, "values", "a placeholder as key", -2);
		err = read_value(L, -1, &database->parameter, string_at(L, -2), &value, failure);
		if (err)
			return err;
		err = tide_expressions_add_value(expressions, string_at(L, -2), &value);
	}
	return err ? fail(failure, err) : 0;
}

/* Reads `names` or `values`. */
static int read_map(lua_State *L, int index, struct database *database, enum field field,
	struct tide_expressions *expressions, struct failure *failure)
{
	bool is_names = field == NAMES;
	int err = 0, type = push_raw(L, index, field);

	if (type == LUA_TTABLE) {
		tide_expressions_give(expressions, is_names, !is_names);
		err = is_names ? read_names(L, expressions, failure) :
			read_values(L, database, expressions, failure);
	} else if (type != LUA_TNIL) {
		err = refuse_type(L, failure, field_names[field], "a table", -1);
	}
	return err;
}

static lua_Integer length_of(lua_State *L, int index)
{
	lua_Integer n = push_raw(L, index, COUNT) == LUA_TNUMBER ? lua_tointeger(L, -1) :
		(lua_Integer)lua_rawlen(L, index);

	lua_pop(L, 1);
	return n;
}

static int read_positions(lua_State *L, int index, struct database *database,
	struct tide_expressions *expressions, struct positions *positions,
	struct failure *failure)
{
	int err = 0;

	for (lua_Integer i = 1; !err && i <= positions->given; i++) {
		struct value value;
		char name[32] = { '?', (char)('0' + i % 10) };

		if (i > 9)               /* snprintf takes as long as reading the value */
			snprintf(name, sizeof name, "?%lld", (long long)i);
		if (lua_rawgeti(L, index, i) == LUA_TNIL) {
			positions->is_wrong = true;
			positions->is_nil = i;
			lua_pop(L, 1);
			return 0;
		}
		err = read_value(L, -1, &database->parameter, slice_of_text(name), &value, failure);
		if (err)
			return err;
		err = tide_expressions_add_position(expressions, &value);
		lua_pop(L, 1);
	}
	return err ? fail(failure, err) : 0;
}

/* --- texts --- */

static int read_texts(lua_State *L, int index, struct tide_expressions *expressions,
	unsigned takes, struct failure *failure)
{
	static const enum field fields[EXPRESSION_KINDS] = {
		[EXPRESSION_UPDATE] = FIELDS,            /* an argument, not an option */
		[EXPRESSION_CONDITION] = CONDITION,
		[EXPRESSION_KEY_CONDITION] = KEY_CONDITION,
		[EXPRESSION_FILTER] = FILTER,
		[EXPRESSION_PROJECTION] = PROJECTION,
		[EXPRESSION_RECORD_FILTER] = FILTER,
	};
	int err = 0;

	for (unsigned kind = 0; !err && kind < EXPRESSION_KINDS; kind++) {
		int type;

		if (fields[kind] == FIELDS || !(takes & TAKES(kind)))
			continue;
		type = push_raw(L, index, fields[kind]);
		if (type == LUA_TSTRING)
			err = tide_expressions_parse(expressions, (enum expression_kind)kind,
				string_at(L, -1), failure);
		else if (type != LUA_TNIL)
			err = refuse_type(L, failure, field_names[fields[kind]], "a string", -1);
		lua_pop(L, 1);
	}
	return err;
}

/* Reads names and values after the texts, because an error in a text is reported first. */
static int read_options(lua_State *L, int index, struct database *database,
	struct tide_expressions *expressions, unsigned takes, struct positions *positions,
	struct failure *failure)
{
	int err = read_texts(L, index, expressions, takes, failure);

	positions->given = length_of(L, index);
	positions->wanted = (lua_Integer)tide_expressions_positions(expressions);
	positions->is_wrong = positions->given != positions->wanted;
	if (!err)
		err = read_map(L, index, database, NAMES, expressions, failure);
	if (!err)
		err = read_map(L, index, database, VALUES, expressions, failure);
	if (!err && !positions->is_wrong)
		err = read_positions(L, index, database, expressions, positions, failure);
	return err;
}

int read_request(lua_State *L, int index, struct database *database,
	struct tide_expressions *expressions, struct slice update, unsigned takes,
	struct positions *positions, struct failure *failure)
{
	int err = 0, top = lua_gettop(L);

	*positions = (struct positions){ .is_wrong = false };
	tide_expressions_clear(expressions);
	if (!lua_checkstack(L, 10))
		return fail(failure, ERR_NO_MEMORY);
	if (update.data)
		err = tide_expressions_parse(expressions, EXPRESSION_UPDATE, update, failure);
	if (!err && lua_istable(L, index))
		err = read_options(L, lua_absindex(L, index), database, expressions, takes,
			positions, failure);
	else
		positions->wanted = (lua_Integer)tide_expressions_positions(expressions);
	positions->is_wrong |= positions->given != positions->wanted;
	lua_settop(L, top);
	return err;
}

int push_positions(lua_State *L, const struct positions *positions)
{
	lua_pushboolean(L, 0);
	lua_pushinteger(L, positions->wanted);
	lua_pushinteger(L, positions->given);
	lua_pushinteger(L, positions->is_nil);
	return 4;
}
