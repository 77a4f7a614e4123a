/* lua_output.c - standard output of the command line: to a file that gets its name when it is
 * complete, or to a non-blocking pipe.
 *
 * A process has one standard output, so the redirection is a global variable.
 */
#include <stdio.h>

#include <lauxlib.h>

#include "lua/lua_failure.h"
#include "lua/lua_handle.h"
#include "os/output.h"

static struct output output = { .temporary = { .fd = -1 } };

/* redirect_output(path) -> true; or nil, err, code */
static int redirect_output(lua_State *L)
{
	struct failure failure;

	output_drop(&output);
	if (output_open(&output, luaL_checkstring(L, 1), &failure))
		return return_failure(L, &failure);
	lua_pushboolean(L, true);
	return 1;
}

/* publish_output() -> true; or nil, err, code. The caller has flushed io.stdout. */
static int publish_output(lua_State *L)
{
	struct failure failure;

	if (output_publish(&output, &failure))
		return return_failure(L, &failure);
	lua_pushboolean(L, true);
	return 1;
}

/* drop_output(): removes a file that was not published. */
static int drop_output(lua_State *L)
{
	(void)L;
	output_drop(&output);
	return 0;
}

static ssize_t write_waiting(void *cookie, const char *bytes, size_t len)
{
	(void)cookie;
	return output_write(bytes, len) ? (ssize_t)len : 0;
}

/* poll_output(io.stdout): makes writes to the file wait while a non-blocking standard output
 * accepts no bytes, because stdio would drop the bytes. */
static int poll_output(lua_State *L)
{
	luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
	cookie_io_functions_t functions = { .write = write_waiting };
	FILE *file = output_is_nonblocking() ? fopencookie(NULL, "w", functions) : NULL;

	if (file)
		stream->f = file;
	return 0;
}

void open_outputs(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "poll_output", poll_output },
		{ "redirect_output", redirect_output },
		{ "publish_output", publish_output },
		{ "drop_output", drop_output },
		{ NULL, NULL },
	};

	luaL_setfuncs(L, functions, 0);
}
