/* failstore.c - a Lua core in which calls of the store can be made to fail.
 *
 *     failstore.after(n, code, once)   let n calls of the store succeed, then fail
 *     failstore.stop()                 stop failing; returns whether any call has failed
 *
 * It is linked into a separate core (failing.so in spec/programs.mk), which
 * spec/fault/store_calls.lua loads instead of the product's.
 */
#include <lauxlib.h>

#include "unit/failing_store.h"

static int after(lua_State *L)
{
	static const char *const codes[] = { "STORE", "CORRUPT", NULL };
	static const int errors[] = { ERR_STORE, ERR_CORRUPT };

	refusal = errors[luaL_checkoption(L, 2, "STORE", codes)];
	once = lua_toboolean(L, 3);
	was_refused = false;
	store_fail_after((long)luaL_checkinteger(L, 1));
	return 0;
}

static int stop(lua_State *L)
{
	store_fail_after(-1);
	lua_pushboolean(L, was_refused);
	return 1;
}

__attribute__((visibility("default"))) int luaopen_failstore(lua_State *L);

int luaopen_failstore(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "after", after },
		{ "stop", stop },
		{ NULL, NULL },
	};

	luaL_newlib(L, functions);
	return 1;
}
