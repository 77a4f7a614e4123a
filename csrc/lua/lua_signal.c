/* lua_signal.c - signals for the command line: ends the program by a Lua error, so that its handles
 * are closed.
 *
 * The handler sets a hook, as lua.c does for SIGINT: the next instruction of the main coroutine
 * raises "interrupted!". Functions of the core that wait return or run the hook. A second signal
 * ends the process.
 */
#include <signal.h>
#include <stdbool.h>

#include <lauxlib.h>

#include "lua/lua_handle.h"

#define EVERY_EVENT (LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT)

static lua_State *main_state;            /* the main coroutine of the program */
static volatile sig_atomic_t received;   /* number of the last signal; 0: none */
static volatile sig_atomic_t is_held;    /* the hook waits for hold_signals(false) */

static void raise_interrupt(lua_State *L, lua_Debug *event)
{
	(void)event;
	lua_sethook(L, NULL, 0, 0);
	luaL_error(L, "interrupted!");
}

static void interrupt(int number)
{
	received = number;
	if (!is_held)
		lua_sethook(main_state, raise_interrupt, EVERY_EVENT, 1);
}

/* Handles a signal that is not ignored: nohup ignores SIGHUP, a shell the signals of background
 * jobs. */
static void catch_signal(int number)
{
	struct sigaction action = {
		.sa_handler = interrupt,
		.sa_flags = (int)(SA_RESTART | SA_RESETHAND),
	};
	struct sigaction before;

	if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
		sigaction(number, &action, NULL);
}

/* catch_signals(): turns SIGINT, SIGTERM and SIGHUP into the error "interrupted!". Ignores SIGXFSZ,
 * so that a write beyond the limit on the size of files fails. */
static int catch_signals(lua_State *L)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
	main_state = lua_tothread(L, -1);
	catch_signal(SIGINT);
	catch_signal(SIGTERM);
	catch_signal(SIGHUP);
	signal(SIGXFSZ, SIG_IGN);
	return 0;
}

/* hold_signals(whether): until hold_signals(false) a caught signal does not interrupt the program;
 * that call raises "interrupted!" for it. */
static int hold_signals(lua_State *L)
{
	bool was_held = is_held;

	is_held = lua_toboolean(L, 1);
	if (was_held && !is_held && received)
		return luaL_error(L, "interrupted!");
	return 0;
}

/* received_signal() -> the number of the signal that interrupted the program, or nil */
static int received_signal(lua_State *L)
{
	if (!received)
		return 0;
	lua_pushinteger(L, received);
	return 1;
}

static const luaL_Reg functions[] = {
	{ "catch_signals", catch_signals },
	{ "hold_signals", hold_signals },
	{ "received_signal", received_signal },
	{ NULL, NULL },
};

void open_signals(lua_State *L)
{
	luaL_setfuncs(L, functions, 0);
}
