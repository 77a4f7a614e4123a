/* lua_terminal.c - terminals for the command line: size, column widths, waiting. */
#include <lauxlib.h>

#include "lua/lua_argument.h"
#include "lua/lua_handle.h"
#include "os/terminal.h"

/* terminal_size(descriptor) -> columns, rows; nothing if it is not a terminal */
static int push_size(lua_State *L)
{
	unsigned columns, rows;

	if (!terminal_size((int)luaL_checkinteger(L, 1), &columns, &rows))
		return 0;
	lua_pushinteger(L, columns);
	lua_pushinteger(L, rows);
	return 2;
}

/* terminal_wait(descriptor, seconds) -> true if the reader of the output has closed it */
static int push_wait(lua_State *L)
{
	int descriptor = (int)luaL_checkinteger(L, 1);

	lua_pushboolean(L, terminal_wait(descriptor, check_wait(L, 2)));
	return 1;
}

/* terminal_char_columns(code point) -> 0, 1 or 2; -1 if it is not printable */
static int push_char_columns(lua_State *L)
{
	lua_Integer character = luaL_checkinteger(L, 1);

	luaL_argcheck(L, character >= 0 && character <= 0x10ffff, 1, "expected a code point");
	lua_pushinteger(L, terminal_char_columns((uint32_t)character));
	return 1;
}

void open_terminals(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "terminal_size", push_size },
		{ "terminal_wait", push_wait },
		{ "terminal_char_columns", push_char_columns },
		{ NULL, NULL },
	};

	luaL_setfuncs(L, functions, 0);
}
