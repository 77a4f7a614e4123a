/* lua_projection.h - projections of the images of records for Lua.
 *
 * A projection is a userdata in the info of a record's stream (RECORD_INFO_PROJECTION), and is
 * applied when an image is read. It is only memory: it has no finalizer and refers to no database,
 * so it is valid as long as its records, in any order of finalizers.
 *
 * read_selection in lua_feed.c reads the options of a feed. It binds their filter and projection
 * together, because they share `names`, and keeps push_projection's value in the feed, whose infos
 * contain it (lua_record_info.h). So do those of a parked record.
 */
#ifndef LUA_LUA_PROJECTION_H
#define LUA_LUA_PROJECTION_H

#include <lua.h>

#include "lua/lua_handle.h"
#include "tide_projection.h"

/* Pushes a copy of the bound projection of expressions; nil if there is none. Lua allocates, so
 * the caller checks its database again. */
void push_projection(lua_State *L, const struct tide_expressions *expressions);

/* Pushes the projection of the feed at index, which may be closed; nil if it has none. Raises an
 * argument error for other values. */
void push_feed_projection(lua_State *L, int index);

/* Returns what the projection at index selects of an image, which is not empty: without any of the
 * attributes, a map body with count 0. Returns the image if nil is at index. Pushes a value that
 * keeps the returned bytes valid until release_projected is called for it. Raises CORRUPT or
 * NO_MEMORY. */
struct slice push_projected(lua_State *L, int index, struct slice image);

/* Frees the memory of the bytes that push_projected returned with the value at index. */
void release_projected(lua_State *L, int index);

/* Creates the type of projections. */
void open_projections(lua_State *L);

#endif
