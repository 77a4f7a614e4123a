/* lua_output.c - standard output of the command line into a file that appears when it is complete.
 *
 * A process has one standard output, so there is one redirection.
 */
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

void open_outputs(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "redirect_output", redirect_output },
		{ "publish_output", publish_output },
		{ "drop_output", drop_output },
		{ NULL, NULL },
	};

	luaL_setfuncs(L, functions, 0);
}
