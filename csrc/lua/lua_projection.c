/* lua_projection.c - projections of the images of records for Lua. */
#include "lua/lua_projection.h"

#include "lua/lua_buffer.h"
#include "lua/lua_failure.h"

static const char PROJECTION_TYPE[] = "tidetable.core.projection";

struct projection_handle {
	type_word type;
	const struct tide_projection *projection;    /* at block */
	uint64_t block[];
};

void push_projection(lua_State *L, const struct tide_expressions *expressions)
{
	size_t size = tide_projection_size(expressions);
	struct projection_handle *handle;

	if (!size) {
		lua_pushnil(L);
		return;
	}
	handle = lua_newuserdatauv(L, sizeof *handle + size, 0);
	handle->projection = tide_projection_copy(expressions, handle->block);
	set_type(L, PROJECTION_TYPE);
}

struct slice push_projected(lua_State *L, int index, struct slice image)
{
	const struct projection_handle *handle = test_type(L, index, PROJECTION_TYPE);
	struct buffer *out;
	int err;

	if (!handle) {
		lua_pushnil(L);
		return image;
	}
	out = &new_lua_buffer(L)->bytes;
	err = tide_project(handle->projection, image, out);
	if (err)
		raise_error(L, err);
	return buffer_slice(out);
}

void release_projected(lua_State *L, int index)
{
	struct lua_buffer *buffer = lua_touserdata(L, index);

	if (buffer)
		buffer_release(&buffer->bytes);
}

void open_projections(lua_State *L)
{
	new_type(L, PROJECTION_TYPE, NULL, NULL);
	lua_pop(L, 1);
}
