/* lua_failure.h - how the core's failures look in Lua.
 *
 * An error object is a table:
 *
 *     code        "VALIDATION", "BUSY", ... (base/error.h)
 *     message     a whole sentence
 *     exception   DynamoDB's name for it
 *     retryable   true if the same call may succeed later
 *     outcome     "none": nothing was changed; "unknown": nobody can tell
 *     pid         BUSY: the process that holds the lock, where it is known
 *     first, last TRIMMED: the sequence numbers that are lost
 *     errno       the system's own number, where there is one
 *     where       "shop.lua:12": the line of the program that called
 *
 * tostring gives "shop.lua:12: CODE: message", and it concatenates as that text.
 */
#ifndef LUA_LUA_FAILURE_H
#define LUA_LUA_FAILURE_H

#include <lua.h>

#include "base/error.h"
#include "lua/lua_version.h"

#define ERROR_TYPE "tidetable.error"

/* What may happen: pushes nil, the object and its code; returns 3. NESTED is
 * always a mistake in the program, and a write that is lost if nobody looks: raised. */
int return_failure(lua_State *L, const struct failure *failure);

/* What is misuse, or can't be returned (from an iterator): raises the object. */
int raise_failure(lua_State *L, const struct failure *failure);

/* Adds its function to the module on top. */
void open_failures(lua_State *L);

#endif
