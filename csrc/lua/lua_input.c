/* lua_input.c - input for the command line: reads a descriptor piece by piece, with a timeout. */
#include <lauxlib.h>

#include "lua/lua_argument.h"
#include "lua/lua_failure.h"
#include "lua/lua_handle.h"
#include "os/input.h"

#define PIECE 65536
#define NO_LIMIT (-1)

/* read_input(descriptor, seconds | nil: no limit) -> the bytes that are available, "" at the end;
 * or nil, err, code: TIMEOUT, INTERRUPTED, STORE */
static int read_input(lua_State *L)
{
	int descriptor = (int)luaL_checkinteger(L, 1);
	int wait_ms = lua_isnoneornil(L, 2) ? NO_LIMIT : (int)check_wait(L, 2);
	struct failure failure;
	luaL_Buffer buffer;
	size_t len;

	if (input_read(descriptor, luaL_buffinitsize(L, &buffer, PIECE), PIECE, wait_ms, &len,
			&failure))
		return return_failure(L, &failure);
	luaL_pushresultsize(&buffer, len);
	return 1;
}

void open_inputs(lua_State *L)
{
	lua_pushcfunction(L, read_input);
	lua_setfield(L, -2, "read_input");
}
