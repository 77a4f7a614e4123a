/* lua_buffer.h - bytes of the core in memory of Lua's own.
 *
 * The collector may run finalizers wherever Lua allocates, and a finalizer may
 * use or close the very handle that is being read from. So bytes of the core
 * are first copied into memory of Lua's own, by those who ask for it before
 * they look, or look again afterwards; only then are tables made of them.
 */
#ifndef LUA_LUA_BUFFER_H
#define LUA_LUA_BUFFER_H

#include <stdbool.h>
#include <stdint.h>

#include <lua.h>

#include "base/buffer.h"
#include "lua/lua_version.h"

/* A userdata: its bytes are good as long as it stands on the stack. */
struct lua_buffer {
	uintptr_t type;
	struct buffer bytes;
	bool taken;
};

/* A new box, empty, on the stack. */
struct lua_buffer *new_lua_buffer(lua_State *L);

/* On the stack: the box that is kept in user value `n` of the userdata at
 * `owner`, and in *kept; a new one where that is taken, by a call that this
 * one is in the middle of, or by one that an error has ended. Whoever is done
 * with its bytes clears `taken`. */
struct lua_buffer *take_lua_buffer(lua_State *L, int owner, int n, struct lua_buffer **kept);

void open_lua_buffers(lua_State *L);

#endif
