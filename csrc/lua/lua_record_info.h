/* lua_record_info.h - fields that all records of a stream share.
 *
 * The info of a stream is a Lua table: shared fields by name, and the values below by index. A
 * record refers to the infos of its feed, one table for all streams. The info of a stream is
 * created when a shared field of one of its records is first read. Until then the infos contain the
 * stream as bytes: the garbage collector would visit a Lua object per stream in each cycle.
 *
 *     infos    [stream id]    the info, or the place of the stream's bytes
 *              [-n]           block n of bytes, a userdata
 *              identity, projection
 *     bytes    length (u32), stream id (u32), row of the stream (codec/schema.h)
 *     place    number of the block times INFO_BLOCK_MAX plus the offset in the block
 */
#ifndef LUA_LUA_RECORD_INFO_H
#define LUA_LUA_RECORD_INFO_H

#include "lua/lua_handle.h"

/* Key schema, a userdata; id of the table; identity of the file (tide_consumer.h), a userdata;
 * stream, a string with its id (u32) and its row; projection (lua_projection.h; nil: none). */
#define RECORD_INFO_SCHEMA 1
#define RECORD_INFO_TABLE 2
#define RECORD_INFO_IDENTITY 3
#define RECORD_INFO_STREAM 4
#define RECORD_INFO_PROJECTION 5

#define INFO_BLOCK_MAX ((size_t)1 << 24)     /* more than the bytes of a block */

/* The blocks of infos. A zeroed object belongs to infos without streams. */
struct info_blocks {
	uint32_t count;              /* the block with this number is the last one */
	size_t used, size;           /* bytes of the last one */
};

/* Replaces the file's identity and a projection or nil, which are on top of the stack, with infos
 * without streams. */
void push_infos(lua_State *L);

/* Pushes the identity of the file of an open database, as a userdata. Lua allocates, so the caller
 * checks its database again. */
void push_file_identity(lua_State *L, const struct database *database);

/* Returns true if the infos at a positive index contain the stream. */
bool has_info(lua_State *L, int infos, uint32_t stream);

/* Adds a stream to the infos at a positive index. row: the bytes of its row. If they do not fit
 * into the last block, adds a block and returns false; then the caller repeats the call, after
 * reading the bytes again if a finalizer may have changed them. */
bool add_info(lua_State *L, int infos, struct info_blocks *blocks, uint32_t stream,
	struct slice row);

/* Pushes the info of the stream of the record at a positive index. Raises CORRUPT if a script has
 * changed the infos. */
void push_record_info(lua_State *L, int index);

#endif
