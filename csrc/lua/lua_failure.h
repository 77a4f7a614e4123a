/* lua_failure.h - the core's failures as Lua error objects.
 *
 * An error object is a table:
 *
 *     code        "VALIDATION", "BUSY", ... (base/error.h)
 *     message     description
 *     exception   name of DynamoDB's exception
 *     retryable   true if the same call may succeed later
 *     outcome     "none": nothing was changed; "unknown": the commit may have been made
 *     pid         BUSY: process that holds the lock, if known
 *     first, last TRIMMED: range of the lost sequence numbers
 *     errno       error number of the system call, if one failed
 *     where       "shop.lua:12": calling line of the program
 *
 * tostring returns "shop.lua:12: CODE: message"; .. uses the same text.
 */
#ifndef LUA_LUA_FAILURE_H
#define LUA_LUA_FAILURE_H

#include <lua.h>

#include "base/error.h"
#include "lua/lua_version.h"

#define ERROR_TYPE "tidetable.error"

/* Pushes nil, the error object and its code, and returns 3. For failures that a correct program
 * must expect. Raises NESTED instead, because it is always a mistake in the program, and a program
 * that ignores the result would lose a write. */
int return_failure(lua_State *L, const struct failure *failure);

/* Raises the error object. For misuse, and for iterators, which can't return failures. */
int raise_failure(lua_State *L, const struct failure *failure);

/* Raises the error object of an error, with the general message of its code. */
int raise_error(lua_State *L, int err);

/* Returns true to Lua if err is 0, otherwise nil, err, code. */
int return_true(lua_State *L, int err, const struct failure *failure);

/* Adds the functions `invalid` and `library` to the table on top of the stack. */
void open_failures(lua_State *L);

#endif
