/* lua_arithmetic.c - tidetable.number: operators, rounding, digits.
 *
 * An operator can't return nil, err, code, so arithmetic raises the error object.
 * Only functions that take a number of decimal places round; therefore there is
 * no '/'.
 */
#include "lua/lua_arithmetic.h"

#include <lauxlib.h>

#include "codec/arithmetic.h"
#include "lua/lua_failure.h"
#include "lua/lua_kind.h"
#include "lua/lua_number.h"

/* Raises err, or pushes the number and returns 1. */
static int return_number(lua_State *L, int err, const struct number *number)
{
	struct failure failure;

	if (err) {
		fail(&failure, err);
		return raise_failure(L, &failure);
	}
	push_number_object(L, number_slice(number));
	return 1;
}

/* Returns the bytes of the operand at index: of a number object, or of a Lua number, which is
 * converted into *buf. Raises an error for other values. */
static struct slice operand(lua_State *L, int index, struct number *buf)
{
	struct failure failure;
	int err;

	if (kind_at(L, index) == KIND_NUMBER)
		return number_at(L, index);
	if (lua_type(L, index) != LUA_TNUMBER)
		luaL_error(L, "attempt to perform arithmetic on a %s and an exact number",
			luaL_typename(L, index));
	err = number_from_lua(L, index, buf);
	if (err) {
		fail(&failure, err);
		raise_failure(L, &failure);
	}
	return number_slice(buf);
}

typedef int operation(struct number *result, struct slice a, struct slice b);

static int compute(lua_State *L, operation *operate)
{
	struct number a, b, result;
	struct slice x = operand(L, 1, &a), y = operand(L, 2, &b);
	int err = operate(&result, x, y);

	return return_number(L, err, &result);
}

static int number_plus(lua_State *L)
{
	return compute(L, number_add);
}

static int number_minus(lua_State *L)
{
	return compute(L, number_subtract);
}

static int number_times(lua_State *L)
{
	return compute(L, number_multiply);
}

static int floor_quotient(struct number *quotient, struct slice a, struct slice b)
{
	return number_divide(quotient, a, b, 0, ROUND_FLOOR);
}

/* Raises the error that Lua raises for integers. */
static void refuse_zero(lua_State *L, const char *operator)
{
	struct number buf;

	if (number_sign(operand(L, 2, &buf)) == 0)
		luaL_error(L, "attempt to perform 'n%s0'", operator);
}

static int number_floor_divide(lua_State *L)
{
	refuse_zero(L, "//");
	return compute(L, floor_quotient);
}

static int number_mod(lua_State *L)
{
	refuse_zero(L, "%%");
	return compute(L, number_modulo);
}

/* A quotient must be rounded, so the caller must give the number of places. */
static int refuse_quotient(lua_State *L)
{
	return luaL_error(L, "exact numbers have no '/': use a:divide(b, places)");
}

static int refuse_power(lua_State *L)
{
	return luaL_error(L, "exact numbers have no '^': use multiplication");
}

static int number_unm(lua_State *L)
{
	struct number negative;

	number_negate(&negative, check_number(L, 1));
	return return_number(L, 0, &negative);
}

static int number_abs(lua_State *L)
{
	struct number positive;
	struct slice bytes = check_number(L, 1);

	if (number_sign(bytes) >= 0) {
		lua_settop(L, 1);
		return 1;
	}
	number_negate(&positive, bytes);
	return return_number(L, 0, &positive);
}

static int number_get_sign(lua_State *L)
{
	lua_pushinteger(L, number_sign(check_number(L, 1)));
	return 1;
}

/* --- digits and places --- */

/* digits(number) -> number of significant digits; zero has one */
static int number_digits(lua_State *L)
{
	uint8_t digits[NUMBER_MAX_DIGITS];
	int exponent;
	unsigned count = number_to_digits(check_number(L, 1), digits, &exponent);

	lua_pushinteger(L, count ? count : 1);
	return 1;
}

static int places_of(struct slice bytes)
{
	uint8_t digits[NUMBER_MAX_DIGITS];
	int exponent;

	number_to_digits(bytes, digits, &exponent);
	return exponent < 0 ? -exponent : 0;
}

/* places(number) -> number of decimal places */
static int number_places(lua_State *L)
{
	lua_pushinteger(L, places_of(check_number(L, 1)));
	return 1;
}

static int number_is_integer(lua_State *L)
{
	lua_pushboolean(L, places_of(check_number(L, 1)) == 0);
	return 1;
}

static int check_places(lua_State *L, int index, int least)
{
	lua_Integer places = luaL_checkinteger(L, index);

	luaL_argcheck(L, places >= least && places <= PLACES_MAX, index,
		"places out of range");
	return (int)places;
}

static enum rounding check_rounding(lua_State *L, int index)
{
	static const char *const names[] = {
		"half_even", "half_up", "half_down", "up", "down", "ceiling", "floor", NULL,
	};

	return (enum rounding)luaL_checkoption(L, index, "half_even", names);
}

/* round(number [, places = 0 [, rounding]]) -> number */
static int number_rounded(lua_State *L)
{
	struct slice bytes = check_number(L, 1);
	int places = lua_isnoneornil(L, 2) ? 0 : check_places(L, 2, PLACES_MIN);
	enum rounding rounding = check_rounding(L, 3);
	struct number rounded;
	int err = number_round(&rounded, bytes, places, rounding);

	return return_number(L, err, &rounded);
}

/* divide(number, number object or Lua number, places [, rounding]) -> number */
static int number_quotient(lua_State *L)
{
	struct slice a = check_number(L, 1), b;
	int places = check_places(L, 3, PLACES_MIN);
	enum rounding rounding = check_rounding(L, 4);
	struct number buf, quotient;
	int err;

	if (!is_number(L, 2))
		return luaL_typeerror(L, 2, "number");
	b = operand(L, 2, &buf);
	luaL_argcheck(L, number_sign(b) != 0, 2, "division by zero");
	err = number_divide(&quotient, a, b, places, rounding);
	return return_number(L, err, &quotient);
}

/* Pushes the plain decimal, with zeros appended up to `places` decimal places. */
static void push_with_places(lua_State *L, struct slice bytes, int places)
{
	char text[NUMBER_MAX_TEXT + PLACES_MAX + 1];
	size_t len = number_format(bytes, text), zeros = (size_t)(places - places_of(bytes));

	if (zeros > 0 && places_of(bytes) == 0)
		text[len++] = '.';
	memset(text + len, '0', zeros);
	lua_pushlstring(L, text, len + zeros);
}

/* format(number [, places [, rounding]]) -> text with this many decimal places, by default as many
 * as the number has. Rounding to 0 or more places can't fail. */
static int number_formatted(lua_State *L)
{
	struct slice bytes = check_number(L, 1);
	struct number rounded;
	int places;

	if (lua_isnoneornil(L, 2))
		return number_tostring(L);
	places = check_places(L, 2, 0);
	number_round(&rounded, bytes, places, check_rounding(L, 3));
	push_with_places(L, number_slice(&rounded), places);
	return 1;
}

void open_arithmetic(lua_State *L)
{
	static const luaL_Reg metamethods[] = {
		{ "__add", number_plus },
		{ "__sub", number_minus },
		{ "__mul", number_times },
		{ "__idiv", number_floor_divide },
		{ "__mod", number_mod },
		{ "__unm", number_unm },
		{ "__div", refuse_quotient },
		{ "__pow", refuse_power },
		{ NULL, NULL },
	};
	static const luaL_Reg methods[] = {
		{ "sign", number_get_sign },
		{ "abs", number_abs },
		{ "digits", number_digits },
		{ "places", number_places },
		{ "is_integer", number_is_integer },
		{ "round", number_rounded },
		{ "divide", number_quotient },
		{ "format", number_formatted },
		{ NULL, NULL },
	};

	kind_create(L, KIND_NUMBER);
	luaL_setfuncs(L, metamethods, 0);
	lua_getfield(L, -1, "__index");
	luaL_setfuncs(L, methods, 0);
	lua_pop(L, 2);
}
