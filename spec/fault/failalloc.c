/* failalloc.c - a Lua module that makes Lua's memory allocations fail.
 *
 *     failed, requests, ok, ... = failalloc.run(n, on, fn, ...)
 *
 * Calls fn(...) like pcall. The n-th request for more memory fails (0 if none), and if `on` is
 * true every later one. After a failure Lua runs a full collection and repeats the request once.
 * The repeated request fails too. failed: whether request n was reached; requests: the number of
 * requests.
 */
#include <stdbool.h>

#include <lauxlib.h>

struct fault {
	lua_Alloc allocate;          /* Lua's allocator */
	void *context;
	lua_Integer at;
	bool on;
	lua_Integer asked;
	bool failed;
	void *block;                 /* the request that failed */
	size_t size;
};

static bool is_refused(struct fault *fault, void *block, size_t size)
{
	fault->asked++;
	if (fault->at == 0 || fault->asked < fault->at)
		return false;
	if (fault->asked == fault->at) {
		fault->failed = true;
		fault->block = block;
		fault->size = size;
		return true;
	}
	return fault->on || (fault->asked == fault->at + 1 && fault->block == block &&
		fault->size == size);
}

static void *allocate(void *context, void *block, size_t old_size, size_t size)
{
	struct fault *fault = context;

	/* For a new block, Lua passes the type of the object as the old size. */
	if (size > (block ? old_size : 0) && is_refused(fault, block, size))
		return NULL;
	return fault->allocate(fault->context, block, old_size, size);
}

static int run(lua_State *L)
{
	struct fault fault = {
		.at = luaL_checkinteger(L, 1),
		.on = lua_toboolean(L, 2),
	};
	int status;

	luaL_checkstack(L, 8, NULL);
	fault.allocate = lua_getallocf(L, &fault.context);
	lua_setallocf(L, allocate, &fault);
	status = lua_pcall(L, lua_gettop(L) - 3, LUA_MULTRET, 0);
	lua_setallocf(L, fault.allocate, fault.context);

	luaL_checkstack(L, 3, NULL);
	lua_pushboolean(L, fault.failed);
	lua_replace(L, 1);
	lua_pushinteger(L, fault.asked);
	lua_replace(L, 2);
	lua_pushboolean(L, status == LUA_OK);
	lua_insert(L, 3);
	return lua_gettop(L);
}

__attribute__((visibility("default"))) int luaopen_fault_failalloc(lua_State *L);

int luaopen_fault_failalloc(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "run", run },
		{ NULL, NULL },
	};

	luaL_newlib(L, functions);
	return 1;
}
