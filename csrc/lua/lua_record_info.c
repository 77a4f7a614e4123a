/* lua_record_info.c - fields that all records of a stream share. */
#include "lua/lua_record_info.h"

#include "codec/schema.h"
#include "lua/lua_failure.h"
#include "lua/lua_field.h"
#include "lua/lua_record.h"
#include "tide_consumer.h"

#define LEN_BYTES 4
#define ID_BYTES 4

/* Bytes of the first block, and of the later ones. Most feeds read one stream. */
#define FIRST_BLOCK 256
#define LATER_BLOCK 16384

void push_infos(lua_State *L)
{
	lua_createtable(L, 1, 3);
	lua_insert(L, -3);
	lua_setfield(L, -3, "projection");
	lua_setfield(L, -2, "identity");
}

void push_file_identity(lua_State *L, const struct database *database)
{
	size_t len = tide_identity(database->tide).len;
	uint8_t *identity = lua_newuserdatauv(L, len, 0);

	check_usable(L, database);
	slice_write(identity, tide_identity(database->tide));
}

bool has_info(lua_State *L, int infos, uint32_t stream)
{
	bool has = lua_rawgeti(L, infos, (lua_Integer)stream) != LUA_TNIL;

	lua_pop(L, 1);
	return has;
}

static void add_block(lua_State *L, int infos, struct info_blocks *blocks, size_t len)
{
	size_t size = blocks->count ? LATER_BLOCK : FIRST_BLOCK;

	if (size < len)
		size = len;
	lua_newuserdatauv(L, size, 0);
	lua_rawseti(L, infos, -(lua_Integer)blocks->count - 1);
	blocks->count++;
	blocks->used = 0;
	blocks->size = size;
}

bool add_info(lua_State *L, int infos, struct info_blocks *blocks, uint32_t stream,
	struct slice row)
{
	size_t len = LEN_BYTES + ID_BYTES + row.len;
	uint8_t *at;

	if (len > blocks->size - blocks->used) {
		add_block(L, infos, blocks, len);
		return false;
	}
	lua_rawgeti(L, infos, -(lua_Integer)blocks->count);
	at = (uint8_t *)lua_touserdata(L, -1) + blocks->used;
	set_u32(at, (uint32_t)(ID_BYTES + row.len));
	set_u32(at + LEN_BYTES, stream);
	slice_write(at + LEN_BYTES + ID_BYTES, row);
	lua_pop(L, 1);
	lua_pushinteger(L, (lua_Integer)(blocks->count * INFO_BLOCK_MAX + blocks->used));
	blocks->used += len;
	lua_rawseti(L, infos, (lua_Integer)stream);
	return true;
}

/* Pushes the block of bytes at this place of the infos, and returns the bytes. Raises CORRUPT. */
static struct slice push_block(lua_State *L, int infos, lua_Integer place)
{
	size_t offset = (size_t)place % INFO_BLOCK_MAX, size;
	const uint8_t *block;
	struct slice bytes = { 0 };

	lua_rawgeti(L, infos, -(place / (lua_Integer)INFO_BLOCK_MAX));
	block = lua_touserdata(L, -1);
	size = block ? lua_rawlen(L, -1) : 0;
	if (size >= LEN_BYTES && offset <= size - LEN_BYTES)
		bytes = slice_of(block + offset + LEN_BYTES, get_u32(block + offset));
	if (bytes.len < ID_BYTES || bytes.len > size - LEN_BYTES - offset)
		raise_error(L, ERR_CORRUPT);
	return bytes;
}

/* Pushes the info of a stream, made of its bytes, which a value on the stack keeps. */
static void push_info(lua_State *L, int infos, struct slice bytes)
{
	struct slice row_bytes = slice_of(bytes.data + ID_BYTES, bytes.len - ID_BYTES);
	struct stream_row row;

	if (stream_get(&row, row_bytes))
		raise_error(L, ERR_CORRUPT);
	lua_createtable(L, 5, 3);
	set_text(L, "table_name", row.table_name);
	set_text(L, "stream_label", row.label);
	set_text(L, "view_type", view_name(row.view));
	memcpy(lua_newuserdatauv(L, sizeof row.schema, 0), &row.schema, sizeof row.schema);
	lua_rawseti(L, -2, RECORD_INFO_SCHEMA);
	lua_pushinteger(L, row.table);
	lua_rawseti(L, -2, RECORD_INFO_TABLE);
	lua_getfield(L, infos, "identity");
	lua_rawseti(L, -2, RECORD_INFO_IDENTITY);
	lua_pushlstring(L, (const char *)bytes.data, bytes.len);
	lua_rawseti(L, -2, RECORD_INFO_STREAM);
	lua_getfield(L, infos, "projection");
	lua_rawseti(L, -2, RECORD_INFO_PROJECTION);
}

/* Replaces the place on top of the stack, which is in the infos below it, with the info. */
static void make_info(lua_State *L, uint32_t stream)
{
	int infos = lua_gettop(L) - 1;

	if (lua_type(L, -1) != LUA_TNUMBER)
		raise_error(L, ERR_CORRUPT);
	push_info(L, infos, push_block(L, infos, lua_tointeger(L, -1)));
	lua_pushvalue(L, -1);
	lua_rawseti(L, infos, (lua_Integer)stream);
	lua_replace(L, infos + 1);
	lua_settop(L, infos + 1);
}

void push_record_info(lua_State *L, int index)
{
	const struct record_handle *handle = lua_touserdata(L, index);

	if (lua_getiuservalue(L, index, RECORD_INFOS) != LUA_TTABLE)
		raise_error(L, ERR_CORRUPT);
	if (lua_rawgeti(L, -1, (lua_Integer)handle->stream) != LUA_TTABLE)
		make_info(L, handle->stream);
	lua_replace(L, -2);
}
