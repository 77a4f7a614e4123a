/* lua_transaction.c - db:transact: runs a Lua function while the write lock is held; and the time
 * limit of consumers' handlers that run without it.
 *
 * The function runs in a protected call without continuation. A yield in it is
 * therefore an error, and the lock is always released. Its results are on the
 * stack before the commit, with stack space for the library's Lua functions to
 * return them; after the commit nothing is allocated and nothing can fail.
 */
#include <lauxlib.h>

#include "lua/lua_argument.h"
#include "lua/lua_failure.h"
#include "lua/lua_handle.h"
#include "os/clock.h"

/* Number of VM instructions between two checks of the time limit. */
#define CHECK_EVERY 20000

/* Stack slots that the library's Lua functions need in addition to the results. The functions
 * between core.transact and the caller have the results on the stack at most twice (as varargs and
 * as return values). */
#define PASS_ON_SLOTS 100

/* Registry keys of the struct running; of a table whose weak keys are the coroutines with a hook of
 * watch_coroutine; of a table that maps the errors created by cancel, as weak keys, to their
 * databases; and of a table that maps the coroutines that call_handler runs in, as weak keys, to
 * the snapshots of the innermost handlers. */
static const char running_key, watched_key, cancels_key, handlers_key;

struct running *running_transactions(lua_State *L)
{
	struct running *running;

	lua_rawgetp(L, LUA_REGISTRYINDEX, &running_key);
	running = lua_touserdata(L, -1);
	lua_pop(L, 1);
	return running;
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
	/* A single put is a transaction, too, and a finalizer may run in it. */
	if (!database->deadline_ms || !tide_in_transaction(database->tide))
		raise_ended(L);
	if (clock_elapsed_ms(clock_process()) > database->deadline_ms)
		raise_timeout(L);
}

int raise_handler_timeout(lua_State *L)
{
	struct failure failure;

	fail_as(&failure, ERR_TIMEOUT, "the handler took longer than handler_limit");
	return raise_failure(L, &failure);
}

/* Returns true if the coroutine runs, or waits for a coroutine that it has resumed and that runs,
 * directly or indirectly. */
static bool is_active(lua_State *L, lua_State *coroutine)
{
	lua_Debug debug;

	return coroutine == L || (lua_status(coroutine) == LUA_OK &&
		lua_getstack(coroutine, 0, &debug));
}

/* Returns true if a handler that L runs in has exceeded its limit. Also releases the snapshots
 * whose time has passed, since a handler that computes calls nothing else that does. */
static bool is_handler_late(lua_State *L, struct running *running, uint64_t now_ms)
{
	bool late = false, found = false;
	struct failure failure;

	if (running->handlers == 0)
		return false;
	lua_rawgetp(L, LUA_REGISTRYINDEX, &handlers_key);
	lua_pushnil(L);
	while (lua_next(L, -2)) {
		const struct snapshot_handle *handle = lua_touserdata(L, -1);

		if (handle->child.database) {
			found = true;
			tide_ready(handle->child.database->tide, &failure);
			late = late || (now_ms > handle->end_ms &&
				is_active(L, lua_tothread(L, -2)));
		}
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	if (!found)              /* the coroutines of the handlers were dropped */
		running->handlers = 0;
	return late;
}

/* The count hook. A coroutine that was created in a transaction or a handler inherits the hook,
 * which removes itself when it is called after them. */
static void check_time(lua_State *L, lua_Debug *debug)
{
	struct running *running = running_transactions(L);
	const struct database *database = running->innermost;
	uint64_t now_ms = clock_elapsed_ms(clock_process());
	bool is_late = is_handler_late(L, running, now_ms), breaks = false;

	(void)debug;
	for (; database && !breaks; database = database->outer)
		breaks = database->deadline_ms && now_ms > database->deadline_ms;
	if (breaks || is_late) {
		/* The hook is called at every instruction from now on, so that a pcall does
		 * not stop the error. */
		lua_sethook(L, check_time, LUA_MASKCOUNT, 1);
		if (breaks)
			raise_timeout(L);
		raise_handler_timeout(L);
	}
	if (!running->innermost && !running->handlers)
		lua_sethook(L, NULL, 0, 0);
	else if (lua_gethookcount(L) != CHECK_EVERY)
		lua_sethook(L, check_time, LUA_MASKCOUNT, CHECK_EVERY);
}

void watch_coroutine(lua_State *L, struct running *running)
{
	if (lua_gethook(L))      /* this hook, or a hook of the program */
		return;
	luaL_checkstack(L, 3, NULL);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &watched_key);
	lua_pushthread(L);
	lua_pushboolean(L, 1);
	lua_rawset(L, -3);
	lua_pop(L, 1);
	running->watches = true;
	lua_sethook(L, check_time, LUA_MASKCOUNT, CHECK_EVERY);
}

/* Removes the hook from every coroutine that got it from watch_coroutine. If the stack is full, the
 * hook removes itself when it is called. */
static void unwatch_coroutines(lua_State *L, struct running *running)
{
	if (!running->watches || running->innermost || running->handlers ||
			!lua_checkstack(L, 4))
		return;
	running->watches = false;
	lua_rawgetp(L, LUA_REGISTRYINDEX, &watched_key);
	lua_pushnil(L);
	while (lua_next(L, -2)) {
		lua_State *coroutine = lua_tothread(L, -2);

		if (lua_gethook(coroutine) == check_time)
			lua_sethook(coroutine, NULL, 0, 0);
		lua_pop(L, 1);
		lua_pushvalue(L, -1);
		lua_pushnil(L);
		lua_rawset(L, -4);
	}
	lua_pop(L, 1);
}

/* Calls the function with a hook that checks the time limit, unless the program has set a hook. */
static int call_with_time_limit(lua_State *L, int arguments)
{
	bool hooked = lua_gethook(L) == NULL;
	int status;

	if (hooked)
		lua_sethook(L, check_time, LUA_MASKCOUNT, CHECK_EVERY);
	status = lua_pcall(L, arguments, LUA_MULTRET, 0);
	if (hooked && lua_gethook(L) == check_time)
		lua_sethook(L, NULL, 0, 0);
	return status;
}

/* Sets the handler of the running coroutine: the snapshot at index, or nil. */
static void set_handler(lua_State *L, int index)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, &handlers_key);
	lua_pushthread(L);
	lua_pushvalue(L, index);
	lua_rawset(L, -3);
	lua_pop(L, 1);
}

/* Ends call_handler. At 1 is the handler that was set before. */
static int finish_handler(lua_State *L, int status, lua_KContext hooked)
{
	struct running *running = running_transactions(L);

	if (hooked && lua_gethook(L) == check_time)
		lua_sethook(L, NULL, 0, 0);
	if (lua_checkstack(L, 4))
		set_handler(L, 1);
	if (running->handlers > 0)
		running->handlers--;
	unwatch_coroutines(L, running);
	lua_pushboolean(L, status == LUA_OK || status == LUA_YIELD);
	lua_replace(L, 1);
	return lua_gettop(L);
}

/* Returns the handler that is set for the running coroutine at the top of the stack, or nil. A time
 * limit of the other one ends the new one too. */
static void push_outer_handler(lua_State *L, struct snapshot_handle *handle)
{
	const struct snapshot_handle *outer;

	lua_rawgetp(L, LUA_REGISTRYINDEX, &handlers_key);
	lua_pushthread(L);
	lua_rawget(L, -2);
	lua_remove(L, -2);
	outer = lua_touserdata(L, -1);
	if (outer && outer->child.database && outer->end_ms < handle->end_ms)
		handle->end_ms = outer->end_ms;
}

/* call_handler(snapshot, fn, ...) -> true, results of fn(...); or false, error. While fn runs, also
 * in coroutines that it resumes, a hook raises TIMEOUT after the time limit of the snapshot, unless
 * the program has set a hook. fn may yield. */
static int call_handler(lua_State *L)
{
	struct database *database;
	struct snapshot_handle *handle = check_child(L, 1, SNAPSHOT_TYPE, &database);
	lua_KContext hooked = lua_gethook(L) == NULL;

	luaL_checktype(L, 2, LUA_TFUNCTION);
	luaL_checkstack(L, 8, NULL);
	push_outer_handler(L, handle);
	set_handler(L, 1);
	lua_replace(L, 1);
	running_transactions(L)->handlers++;
	if (hooked)
		lua_sethook(L, check_time, LUA_MASKCOUNT, CHECK_EVERY);
	return finish_handler(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, hooked,
		finish_handler), hooked);
}

/* Raises the error that aborted a transaction whose function raised none: its time limit has
 * passed, the script has called __gc of the handle, or there are too many results. */
static int raise_aborted(lua_State *L, const struct database *database, bool late)
{
	int count = lua_gettop(L) - 2;
	struct failure failure;

	lua_settop(L, 1);
	if (late)
		return raise_timeout(L);
	if (!database->tide)
		return raise_ended(L);
	fail_as(&failure, ERR_LIMIT, "Lua's stack has no space for the %d values that the"
		" transaction's function returned: return a table", count);
	return raise_failure(L, &failure);
}

/* cancel(db, reason) -> error object; a transaction that raises it is cancelled */
static int cancel(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct failure failure;

	lua_settop(L, 2);
	fail(&failure, ERR_CANCELLED);
	return_failure(L, &failure);
	lua_pop(L, 1);                   /* db, reason, nil, err */
	lua_pushvalue(L, 2);
	lua_setfield(L, 4, "reason");
	lua_rawgetp(L, LUA_REGISTRYINDEX, &cancels_key);
	lua_pushvalue(L, 4);
	lua_pushlightuserdata(L, database);
	lua_rawset(L, -3);
	lua_settop(L, 4);
	return 1;
}

/* Returns true if cancel has created the error on top for this database. */
static bool is_cancel(lua_State *L, const struct database *database)
{
	bool is;

	if (!lua_istable(L, -1) || !lua_checkstack(L, 3))
		return false;
	lua_rawgetp(L, LUA_REGISTRYINDEX, &cancels_key);
	lua_pushvalue(L, -2);
	lua_rawget(L, -2);
	is = lua_touserdata(L, -1) == (const void *)database;
	lua_pop(L, 2);
	return is;
}

/* Returns the error on top as nil, err, code. */
static int return_cancel(lua_State *L)
{
	lua_pushnil(L);
	lua_insert(L, -2);
	lua_pushstring(L, error_code(ERR_CANCELLED));
	return 3;
}

/* Returns true if the first result of the function is nil or false, and the second is not nil. */
static bool is_refusal(lua_State *L)
{
	return lua_gettop(L) >= 4 && !lua_toboolean(L, 3) && !lua_isnil(L, 4);
}

/* transact(db, seconds, fn, ...) -> true, results of fn(...); or nil, err, code. If the first
 * result of fn is nil or false and the second is not nil, the transaction is rolled back. Raises
 * the error that fn raises, unless cancel has created it. */
static int transact(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct running *running = running_transactions(L);
	uint64_t limit_ms = check_time_limit(L, 2);
	struct failure failure;
	int status;
	bool late, fits;

	luaL_checktype(L, 3, LUA_TFUNCTION);
	luaL_checkstack(L, 16, NULL);
	lua_pushboolean(L, 1);
	lua_replace(L, 2);               /* db, true, fn, arguments */
	if (tide_begin(database->tide, &failure))
		return return_failure(L, &failure);
	database->transactions++;
	database->deadline_ms = clock_elapsed_ms(clock_process()) + limit_ms;
	database->outer = running->innermost;
	running->innermost = database;
	status = call_with_time_limit(L, lua_gettop(L) - 3);
	running->innermost = database->outer;
	unwatch_coroutines(L, running);
	late = clock_elapsed_ms(clock_process()) > database->deadline_ms;
	database->deadline_ms = 0;
	fits = lua_checkstack(L, lua_gettop(L) + PASS_ON_SLOTS);
	if (status != LUA_OK || late || !fits || !database->tide) {
		if (database->tide)
			tide_abort(database->tide);
		if (status == LUA_OK)
			return raise_aborted(L, database, late);
		return is_cancel(L, database) ? return_cancel(L) : lua_error(L);
	}
	if (is_refusal(L))
		tide_abort(database->tide);
	else if (tide_commit(database->tide, &failure))
		return return_failure(L, &failure);
	return lua_gettop(L) - 1;
}

/* Sets the registry's value for the key to a new table with weak keys. */
static void new_weak_table(lua_State *L, const char *key)
{
	lua_newtable(L);
	lua_createtable(L, 0, 1);
	lua_pushliteral(L, "k");
	lua_setfield(L, -2, "__mode");
	lua_setmetatable(L, -2);
	lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

/* Creates the struct running. An existing one is kept when the module is loaded again, because a
 * transaction may be running. */
static void open_running(lua_State *L)
{
	struct running *running;

	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &running_key) == LUA_TNIL) {
		new_weak_table(L, &watched_key);
		new_weak_table(L, &cancels_key);
		new_weak_table(L, &handlers_key);
		running = lua_newuserdatauv(L, sizeof *running, 0);
		*running = (struct running){ 0 };
		lua_rawsetp(L, LUA_REGISTRYINDEX, &running_key);
	}
	lua_pop(L, 1);
}

void open_transactions(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "transact", transact },
		{ "call_handler", call_handler },
		{ "cancel", cancel },
		{ "raise_ended", raise_ended },
		{ NULL, NULL },
	};

	open_running(L);
	luaL_setfuncs(L, functions, 0);
}
