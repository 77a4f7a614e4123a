/* lua_buffer.h - buffers of the core in Lua userdata.
 *
 * Whenever Lua allocates, the collector may run a finalizer, which may use or close
 * the handle that is being read. Therefore bytes that the core lends are first
 * copied into a Lua userdata, or their memory is moved to a userdata, and Lua
 * tables are created from this userdata. It is allocated before the core is called.
 * Code that allocates between two calls of the core checks its handle again.
 */
#ifndef LUA_LUA_BUFFER_H
#define LUA_LUA_BUFFER_H

#include <stdbool.h>
#include <stdint.h>

#include <lua.h>

#include "base/buffer.h"
#include "lua/lua_version.h"

/* A userdata, whose bytes are valid while it is on the stack. */
struct lua_buffer {
	uintptr_t type;
	struct buffer bytes;
	bool taken;                  /* in use; see take_lua_buffer */
};

/* Pushes a new, empty buffer. */
struct lua_buffer *new_lua_buffer(lua_State *L);

/* Pushes the buffer that is kept in user value n of the userdata at index `owner`, and in *kept,
 * and sets `taken`. If `taken` is set already, by an outer call or by a call that ended with an
 * error, replaces the buffer with a new one. The caller clears `taken` when it no longer needs the
 * bytes. */
struct lua_buffer *take_lua_buffer(lua_State *L, int owner, int n, struct lua_buffer **kept);

/* Creates the type of buffers. */
void open_lua_buffers(lua_State *L);

/* Pushes a buffer with the ids (u32) of the array at index, and returns its bytes. */
struct slice push_ids(lua_State *L, int index);

/* Pushes an array of the names in a buffer, each of which is counted (buffer_put_counted). */
void push_names(lua_State *L, const struct buffer *names);

#endif
