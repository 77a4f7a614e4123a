/* lua_failure.c - error objects made from the core's failures. */
#include "lua/lua_failure.h"

#include <stdbool.h>
#include <string.h>

#include <lauxlib.h>

#include "lua/lua_field.h"
#include "lua/lua_kind.h"

/* Registry key of the prefix of the source names of the library's own Lua files. */
static const char library_key;

static bool is_retryable(int err)
{
	switch (err) {
	case ERR_BUSY:
	case ERR_CONFLICT:
	case ERR_DISK_FULL:
	case ERR_READERS_FULL:
	case ERR_INTERRUPTED:
	case ERR_TIMEOUT:
		return true;
	default:
		return false;
	}
}

/* Pushes a field of the error object at 1, or the text `missing` if it is no longer a string. */
static void push_text_field(lua_State *L, const char *name, const char *missing)
{
	lua_pushstring(L, name);
	if (lua_rawget(L, 1) != LUA_TSTRING) {
		lua_pop(L, 1);
		lua_pushstring(L, missing);
	}
}

static int error_tostring(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	push_text_field(L, "where", "");
	lua_pushstring(L, *lua_tostring(L, -1) ? ": " : "");
	push_text_field(L, "code", "ERROR");
	lua_pushliteral(L, ": ");
	push_text_field(L, "message", "unknown");
	lua_concat(L, 5);
	return 1;
}

static void push_metatable(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "__tostring", error_tostring },
		{ "__concat", concat_as_text },
		{ NULL, NULL },
	};

	if (!luaL_newmetatable(L, ERROR_TYPE))
		return;
	luaL_setfuncs(L, methods, 0);
	lua_pushliteral(L, ERROR_TYPE);
	lua_setfield(L, -2, "__metatable");
}

/* Number of stack levels that are searched for the caller. The time of lua_getstack is
 * proportional to the level, so searching a stack of 200,000 levels would take minutes, which
 * Ctrl-C can't interrupt. */
#define LEVELS_MAX 200

/* Finds the innermost Lua function that does not belong to the library, with its current line. */
static bool find_caller(lua_State *L, const char *library, size_t len, lua_Debug *caller)
{
	for (int level = 1; level < LEVELS_MAX && lua_getstack(L, level, caller); level++) {
		lua_getinfo(L, "Sl", caller);
		if (caller->currentline > 0 && strncmp(caller->source, library, len) != 0)
			return true;
	}
	return false;
}

/* Sets the field `where` of the error object on top: the line of the program that called the
 * library, if it is found. lua shows an uncaught error object as its text, without a traceback. */
static void set_where(lua_State *L)
{
	const char *library;
	lua_Debug caller;
	size_t len;

	lua_rawgetp(L, LUA_REGISTRYINDEX, &library_key);
	library = lua_tolstring(L, -1, &len);
	if (library && find_caller(L, library, len, &caller)) {
		lua_pushfstring(L, "%s:%d", caller.short_src, caller.currentline);
		lua_setfield(L, -3, "where");
	}
	lua_pop(L, 1);
}

static void push_object(lua_State *L, const struct failure *failure)
{
	luaL_checkstack(L, 6, "no stack left for an error");
	lua_createtable(L, 0, 8);
	set_text(L, "code", error_code(failure->err));
	set_text(L, "message", failure->message);
	set_text(L, "exception", error_exception(failure->err));
	set_text(L, "outcome", failure->err == ERR_UNKNOWN_OUTCOME ? "unknown" : "none");
	set_bool(L, "retryable", is_retryable(failure->err));
	if (failure->err == ERR_BUSY && failure->pid > 0)
		set_integer(L, "pid", (uint64_t)failure->pid);
	if (failure->err == ERR_TRIMMED || failure->err == ERR_WOULD_LOSE) {
		set_integer(L, "first", failure->first);
		set_integer(L, "last", failure->last);
	}
	if (failure->system > 0)
		set_integer(L, "errno", (uint64_t)failure->system);
	set_where(L);
	push_metatable(L);
	lua_setmetatable(L, -2);
}

int return_failure(lua_State *L, const struct failure *failure)
{
	if (failure->err == ERR_NESTED)
		return raise_failure(L, failure);
	luaL_checkstack(L, 8, "no stack left for an error");
	lua_pushnil(L);
	push_object(L, failure);
	lua_pushstring(L, error_code(failure->err));
	return 3;
}

int raise_failure(lua_State *L, const struct failure *failure)
{
	push_object(L, failure);
	return lua_error(L);
}

int raise_error(lua_State *L, int err)
{
	struct failure failure;

	fail(&failure, err);
	return raise_failure(L, &failure);
}

int return_true(lua_State *L, int err, const struct failure *failure)
{
	if (err)
		return return_failure(L, failure);
	lua_pushboolean(L, 1);
	return 1;
}

/* library(prefix): sets the prefix of the source names of the library's own Lua files */
static int set_library_prefix(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TSTRING);
	lua_settop(L, 1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &library_key);
	return 0;
}

/* invalid(message) -> nil, an error object, "VALIDATION" */
static int return_invalid(lua_State *L)
{
	struct failure failure;

	fail_as(&failure, ERR_VALIDATION, "%s", luaL_checkstring(L, 1));
	return return_failure(L, &failure);
}

void open_failures(lua_State *L)
{
	lua_pushcfunction(L, return_invalid);
	lua_setfield(L, -2, "invalid");
	lua_pushcfunction(L, set_library_prefix);
	lua_setfield(L, -2, "library");
}
