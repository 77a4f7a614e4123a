/* lua_buffer.c - buffers of the core in Lua userdata. */
#include "lua/lua_buffer.h"

#include <lauxlib.h>

#include "lua/lua_handle.h"

static const char LUA_BUFFER_TYPE[] = "tidetable.core.buffer";

struct lua_buffer *new_lua_buffer(lua_State *L)
{
	struct lua_buffer *buffer = lua_newuserdatauv(L, sizeof *buffer, 0);

	*buffer = (struct lua_buffer){ 0 };
	set_type(L, LUA_BUFFER_TYPE);
	return buffer;
}

struct lua_buffer *take_lua_buffer(lua_State *L, int owner, int n, struct lua_buffer **kept)
{
	if (*kept && !(*kept)->taken) {
		lua_getiuservalue(L, owner, n);
	} else {
		struct lua_buffer *buffer = new_lua_buffer(L);

		lua_pushvalue(L, -1);
		lua_setiuservalue(L, owner, n);
		*kept = buffer;
	}
	(*kept)->taken = true;
	return *kept;
}

struct slice push_ids(lua_State *L, int index)
{
	struct buffer *ids;
	lua_Integer count;

	luaL_checktype(L, index, LUA_TTABLE);
	ids = &new_lua_buffer(L)->bytes;
	count = (lua_Integer)lua_rawlen(L, index);
	for (lua_Integer i = 1; i <= count; i++) {
		lua_rawgeti(L, index, i);
		buffer_put_u32(ids, (uint32_t)lua_tointeger(L, -1));
		lua_pop(L, 1);
	}
	if (buffer_error(ids))
		luaL_error(L, "not enough memory");
	return buffer_slice(ids);
}

void push_names(lua_State *L, const struct buffer *names)
{
	struct source source = source_of(buffer_slice(names));
	lua_Integer n = 0;

	lua_newtable(L);
	while (source_left(&source) > 0) {
		struct slice name = source_counted(&source);

		lua_pushlstring(L, (const char *)name.data, name.len);
		lua_rawseti(L, -2, ++n);
	}
}

static int release_lua_buffer(lua_State *L)
{
	struct lua_buffer *buffer = check_type(L, 1, LUA_BUFFER_TYPE);

	buffer_release(&buffer->bytes);
	return 0;
}

void open_lua_buffers(lua_State *L)
{
	new_type(L, LUA_BUFFER_TYPE, release_lua_buffer, NULL);
	lua_pop(L, 1);
}
