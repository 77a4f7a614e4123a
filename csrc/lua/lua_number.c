/* lua_number.c - tidetable.number: exact numbers as Lua values; conversion and comparison.
 *
 * The userdata is an immutable struct number. It is compared with Lua numbers by
 * value; a float has the value of its shortest decimal, which is also what would
 * be stored for it. Arithmetic is in lua_arithmetic.c.
 */
#include "lua/lua_member.h"
#include "lua/lua_number.h"

#include <lauxlib.h>

#include "codec/value.h"
#include "lua/lua_failure.h"
#include "lua/lua_kind.h"

/* Maximum number of bytes of an invalid text that a message shows. */
#define TEXT_MAX_SHOWN 60

int number_from_lua(lua_State *L, int index, struct number *number)
{
	int is_integer;
	lua_Integer n = lua_tointegerx(L, index, &is_integer);

	if (!is_integer)
		return number_from_double(number, lua_tonumber(L, index));
	number_from_integer(number, n);
	return 0;
}

struct slice number_at(lua_State *L, int index)
{
	return number_slice(lua_touserdata(L, index));
}

void push_number_object(lua_State *L, struct slice bytes)
{
	struct number *number = lua_newuserdatauv(L, sizeof *number, 0);

	number->len = (uint8_t)bytes.len;
	memcpy(number->bytes, bytes.data, bytes.len);
	kind_set(L, KIND_NUMBER);
}

struct slice check_number(lua_State *L, int index)
{
	if (kind_at(L, index) != KIND_NUMBER)
		luaL_typeerror(L, index, NUMBER_TYPE);
	return number_at(L, index);
}

/* Returns nil, err, code. The message contains the beginning of the text, cut between characters,
 * so that the message is valid UTF-8. */
static int refuse_text(lua_State *L, int err, struct slice text)
{
	struct failure failure;

	if (text.len > TEXT_MAX_SHOWN) {
		text.len = TEXT_MAX_SHOWN;
		while (text.len > 0 && (text.data[text.len] & 0xc0) == 0x80)
			text.len--;
	}
	if (err == ERR_NUMBER_SYNTAX && text.len > 0 && is_utf8(text))
		fail_with(&failure, err, "%.*s", (int)text.len, (const char *)text.data);
	else
		fail(&failure, err);
	return return_failure(L, &failure);
}

/* number(text | integer | float | number) -> number; or nil, err, code */
static int new_number(lua_State *L)
{
	struct slice text = { 0 };
	struct number number;
	int err;

	switch (lua_type(L, 1)) {
	case LUA_TSTRING:
		text.data = (const uint8_t *)lua_tolstring(L, 1, &text.len);
		err = number_parse(&number, text);
		break;
	case LUA_TNUMBER:
		err = number_from_lua(L, 1, &number);
		break;
	default:
		if (kind_at(L, 1) != KIND_NUMBER)
			return luaL_typeerror(L, 1, "number or string");
		lua_settop(L, 1);
		return 1;
	}
	if (err)
		return refuse_text(L, err, text);
	push_number_object(L, number_slice(&number));
	return 1;
}

int number_tostring(lua_State *L)
{
	char text[NUMBER_MAX_TEXT];
	size_t len = number_format(check_number(L, 1), text);

	lua_pushlstring(L, text, len);
	return 1;
}

/* tointeger(number) -> integer, nil if it is not an integer of 64 bits */
static int number_tointeger(lua_State *L)
{
	int64_t n;

	if (number_to_integer(check_number(L, 1), &n))
		lua_pushinteger(L, n);
	else
		lua_pushnil(L);
	return 1;
}

/* tofloat(number) -> the float that would be stored as this number, nil if there is none */
static int number_tofloat(lua_State *L)
{
	struct slice bytes = check_number(L, 1);
	struct number again;
	double d;

	number_to_double(bytes, &d);
	lua_pushnumber(L, d);
	if (number_from_lua(L, -1, &again) || !slice_equal(number_slice(&again), bytes))
		lua_pushnil(L);
	return 1;
}

/* tonumber(number) -> integer if it is one of 64 bits, otherwise the nearest float */
static int number_tonumber(lua_State *L)
{
	struct slice bytes = check_number(L, 1);
	int64_t n;
	double d;

	if (number_to_integer(bytes, &n)) {
		lua_pushinteger(L, n);
	} else {
		number_to_double(bytes, &d);
		lua_pushnumber(L, d);
	}
	return 1;
}

/* --- comparing --- */

/* Compares a number with a Lua number that has no encoding: infinite, too large, or closer to zero
 * than every number except zero. */
static int compare_outside(struct slice number, lua_Number d, int err)
{
	int sign = number_sign(number);

	if (err == ERR_NUMBER_UNDERFLOW && sign)
		return sign;
	return d > 0 ? -1 : 1;
}

/* Sets *order to the order of the number object at a and the number object or Lua number at b.
 * Returns false if there is none (NaN). */
static bool compare_with(lua_State *L, int a, int b, int *order)
{
	struct slice number = number_at(L, a);
	struct number other;
	lua_Number d;
	int err;

	if (lua_type(L, b) != LUA_TNUMBER) {
		*order = slice_compare(number, number_at(L, b));
		return true;
	}
	d = lua_tonumber(L, b);
	if (d != d)
		return false;
	err = number_from_lua(L, b, &other);
	*order = err ? compare_outside(number, d, err) :
		slice_compare(number, number_slice(&other));
	return true;
}

bool is_number(lua_State *L, int index)
{
	return lua_type(L, index) == LUA_TNUMBER || kind_at(L, index) == KIND_NUMBER;
}

static bool compare_operands(lua_State *L, int *order)
{
	bool first = kind_at(L, 1) == KIND_NUMBER;
	int other = first ? 2 : 1;
	bool ordered;

	if (!first)
		check_number(L, 2);
	if (!is_number(L, other))
		return luaL_error(L, "attempt to compare a number with a %s",
			luaL_typename(L, other));
	ordered = compare_with(L, first ? 1 : 2, other, order);
	if (!first)
		*order = -*order;
	return ordered;
}

static int number_lt(lua_State *L)
{
	int order = 0;
	bool ordered = compare_operands(L, &order);

	lua_pushboolean(L, ordered && order < 0);
	return 1;
}

static int number_le(lua_State *L)
{
	int order = 0;
	bool ordered = compare_operands(L, &order);

	lua_pushboolean(L, ordered && order <= 0);
	return 1;
}

/* __eq. Lua calls it for two userdata, one of which may have another type. */
static int number_eq(lua_State *L)
{
	bool both = kind_at(L, 1) == KIND_NUMBER && kind_at(L, 2) == KIND_NUMBER;

	lua_pushboolean(L, both && slice_equal(number_at(L, 1), number_at(L, 2)));
	return 1;
}

/* compare(number, number object or Lua number) -> -1, 0 or 1; nil for NaN */
static int number_compare(lua_State *L)
{
	int order;

	check_number(L, 1);
	if (!is_number(L, 2))
		return luaL_typeerror(L, 2, "number");
	if (compare_with(L, 1, 2, &order))
		lua_pushinteger(L, (order > 0) - (order < 0));
	else
		lua_pushnil(L);
	return 1;
}

/* equals(number, any value) -> boolean */
static int number_equals(lua_State *L)
{
	int order;

	check_number(L, 1);
	luaL_checkany(L, 2);
	lua_pushboolean(L, is_number(L, 2) && compare_with(L, 1, 2, &order) && order == 0);
	return 1;
}

void open_number(lua_State *L)
{
	static const luaL_Reg metamethods[] = {
		{ "__tostring", number_tostring },
		{ "__concat", concat_as_text },
		{ "__eq", number_eq },
		{ "__lt", number_lt },
		{ "__le", number_le },
		{ NULL, NULL },
	};
	static const luaL_Reg methods[] = {
		{ "tointeger", number_tointeger },
		{ "tonumber", number_tonumber },
		{ "tofloat", number_tofloat },
		{ "compare", number_compare },
		{ "equals", number_equals },
		{ NULL, NULL },
	};

	kind_create(L, KIND_NUMBER);
	luaL_setfuncs(L, metamethods, 0);
	luaL_newlib(L, methods);
	guard_methods(L, "number");
	lua_setfield(L, -2, "__index");
	lua_pushliteral(L, NUMBER_TYPE);
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 1);
	lua_pushcfunction(L, new_number);
}
