/* transaction.c - db:transact: a Lua function under the write lock.
 *
 * The function runs in a protected call without continuation, so a yield in it
 * is an error and nothing can leave with the lock. What it returns is on the
 * stack before the commit; after it no memory is asked for.
 */
#include <lauxlib.h>

#include "lua/argument.h"
#include "lua/failure.h"
#include "lua/handle.h"

/* How many instructions between two looks at the time limit. */
#define LOOK_EVERY 20000

/* Under this key the registry keeps a pointer for the hook to find: the database
 * whose transaction runs, NULL when there is none. */
static const char running_key;

static struct database **running(lua_State *L)
{
	struct database **pointer;

	lua_rawgetp(L, LUA_REGISTRYINDEX, &running_key);
	pointer = lua_touserdata(L, -1);
	lua_pop(L, 1);
	return pointer;
}

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
	const struct database *database = *running(L);

	(void)debug;
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

/* transact(db, seconds, fn, ...) -> true, what fn returns; or nil, err, code.
 * An error in fn is raised again. */
static int transact(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct database **pointer = running(L), *before = *pointer;
	uint64_t limit_ms = check_time_limit(L, 2);
	struct failure failure;
	int status;
	bool late;

	luaL_checkstack(L, 16, NULL);
	lua_pushboolean(L, 1);
	lua_replace(L, 2);               /* db, true, fn, arguments */
	if (tide_begin(database->tide, &failure))
		return return_failure(L, &failure);
	database->transactions++;
	database->deadline_ms = tide_elapsed_ms() + limit_ms;
	*pointer = database;
	status = run(L, lua_gettop(L) - 3);
	*pointer = before;
	late = tide_elapsed_ms() > database->deadline_ms;
	database->deadline_ms = 0;
	if (status != LUA_OK || late) {
		tide_abort(database->tide);
		return status == LUA_OK ? raise_timeout(L) : lua_error(L);
	}
	if (tide_commit(database->tide, &failure))
		return return_failure(L, &failure);
	return lua_gettop(L) - 1;
}

/* Kept when the library is opened once more: a transaction may be running. */
static void open_running(lua_State *L)
{
	struct database **pointer;

	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &running_key) == LUA_TNIL) {
		pointer = lua_newuserdatauv(L, sizeof *pointer, 0);
		*pointer = NULL;
		lua_rawsetp(L, LUA_REGISTRYINDEX, &running_key);
	}
	lua_pop(L, 1);
}

void open_transactions(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "transact", transact },
		{ "raise_ended", raise_ended },
		{ NULL, NULL },
	};

	open_running(L);
	luaL_setfuncs(L, functions, 0);
}
