/* transaction.c - db:transact: a Lua function under the write lock.
 *
 * The function runs in a protected call without continuation, so a yield in it
 * is an error and nothing can leave with the lock. What it returns is on the
 * stack before the commit; after it no memory is asked for.
 */
#include <lauxlib.h>

#include "lua/failure.h"
#include "lua/handle.h"

/* How many instructions between two looks at the time limit. */
#define LOOK_EVERY 20000

static const char running_key;

static int raise_ended(lua_State *L)
{
	struct failure failure;

	fail_as(&failure, ERR_CLOSED, "the transaction has ended");
	return raise_failure(L, &failure);
}

static int raise_timeout(lua_State *L)
{
	struct failure failure;

	fail_as(&failure, ERR_TIMEOUT, "the transaction took longer than its time limit");
	return raise_failure(L, &failure);
}

void check_deadline(lua_State *L, const struct database *database)
{
	if (!tide_in_transaction(database->tide))
		raise_ended(L);
	if (database->deadline_ms && tide_elapsed_ms() > database->deadline_ms)
		raise_timeout(L);
}

static void look_at_time(lua_State *L, lua_Debug *debug)
{
	const struct database *database;

	(void)debug;
	lua_rawgetp(L, LUA_REGISTRYINDEX, &running_key);
	database = lua_touserdata(L, -1);
	lua_pop(L, 1);
	if (database && database->deadline_ms && tide_elapsed_ms() > database->deadline_ms) {
		lua_sethook(L, look_at_time, LUA_MASKCOUNT, 1);      /* and past any pcall */
		raise_timeout(L);
	}
}

/* Runs the function under a hook that looks at the time, unless the user has a
 * hook of his own there. */
static int run(lua_State *L, int arguments)
{
	bool hooked = lua_gethook(L) == NULL;
	int status;

	if (hooked)
		lua_sethook(L, look_at_time, LUA_MASKCOUNT, LOOK_EVERY);
	status = lua_pcall(L, arguments, LUA_MULTRET, 0);
	if (hooked && lua_gethook(L) == look_at_time)
		lua_sethook(L, NULL, 0, 0);
	return status;
}

/* Which database the hook looks at; the one before stays on the stack. */
static void set_running(lua_State *L, struct database *database)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, &running_key);
	lua_pushlightuserdata(L, database);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &running_key);
}

/* The slot is there: this asks for no memory. */
static void restore_running(lua_State *L, int index)
{
	lua_pushvalue(L, index);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &running_key);
}

/* transact(db, seconds, fn, ...) -> true, what fn returns; or nil, err, code.
 * An error in fn is raised again. */
static int transact(lua_State *L)
{
	struct database *database = check_database(L, 1);
	lua_Number seconds = luaL_checknumber(L, 2);
	struct failure failure;
	int status;
	bool late;

	luaL_checkstack(L, 16, NULL);
	set_running(L, database);
	lua_replace(L, 2);               /* db, the one before, fn, arguments */
	if (tide_begin(database->tide, &failure)) {
		restore_running(L, 2);
		return return_failure(L, &failure);
	}
	database->transactions++;
	database->deadline_ms = tide_elapsed_ms() + (uint64_t)(seconds * 1000);
	status = run(L, lua_gettop(L) - 3);
	restore_running(L, 2);
	late = tide_elapsed_ms() > database->deadline_ms;
	database->deadline_ms = 0;
	if (status != LUA_OK || late) {
		tide_abort(database->tide);
		return status == LUA_OK ? raise_timeout(L) : lua_error(L);
	}
	if (tide_commit(database->tide, &failure))
		return return_failure(L, &failure);
	lua_pushboolean(L, 1);
	lua_replace(L, 2);
	return lua_gettop(L) - 1;
}

void open_transactions(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "transact", transact },
		{ "raise_ended", raise_ended },
		{ NULL, NULL },
	};

	luaL_setfuncs(L, functions, 0);
}
