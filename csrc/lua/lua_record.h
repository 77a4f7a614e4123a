/* lua_record.h - the userdata of a stream record, for the files that read it. */
#ifndef LUA_LUA_RECORD_H
#define LUA_LUA_RECORD_H

#include "codec/record.h"
#include "lua/lua_handle.h"

/* User value of a record: the infos of its feed (lua_record_info.h). */
#define RECORD_INFOS 1

struct record_handle {
	type_word type;
	size_t len;
	lua_Integer size;            /* size_bytes, once it was read; 0: not yet */
	lua_Integer attempt;         /* number of this delivery to a handler; 0: none */
	uint32_t stream;
	bool has_tables;             /* keys, images or context were read; the tables are kept */
	uint8_t bytes[];
};

/* Returns the record at 1; raises an argument error for other values. */
struct record_handle *check_record_handle(lua_State *L);

/* Decodes the record; raises CORRUPT if its bytes are damaged. */
void decode_record(lua_State *L, const struct record_handle *handle, struct record *record);

/* Decodes the record's annotation, an empty one if it has none; raises CORRUPT if its bytes are
 * damaged. */
void decode_annotation(lua_State *L, const struct record *record, struct annotation *annotation);

/* Returns the key attributes of the record at a positive index. They are part of the record, or are
 * copied from an image to buf. Raises CORRUPT if they are missing. */
struct slice find_record_keys(lua_State *L, int index, const struct record *record,
	uint8_t buf[KEY_ATTRIBUTES_MAX]);

/* Returns the sequence number of the record at an index. Raises CORRUPT. */
lua_Integer sequence_of_record(lua_State *L, int index);

/* Returns the field size_bytes of the record at a positive index, and sets *depth to its field
 * depth. Raises CORRUPT. */
lua_Integer measure_record_at(lua_State *L, int index, lua_Integer *depth);

/* Pushes a field of the record at 1 that is equal for all records of its stream, such as
 * "table_name". */
void push_stream_field(lua_State *L, const char *name);

/* Pushes the id of the table of the record at 1, the change of an item, and returns it. */
uint32_t push_table_id(lua_State *L);

/* Returns an image of the record at 1 as its projection shows it; an empty slice if image is empty.
 * Pushes a value that keeps the bytes valid; release_projected frees their memory earlier
 * (lua_projection.h). Raises CORRUPT or NO_MEMORY. */
struct slice push_image(lua_State *L, struct slice image);

/* Pushes the field source of a record; nil if there is none (lua_replica.c). */
void push_change_source(lua_State *L, const struct change_source *source,
	const struct record *record);

/* record:changes() -> array of the differences between the images, as projected: tables with the
 * fields path, steps, old, new. Raises an error if the view type has not both images. */
int record_changes(lua_State *L);

/* json_record(record, ...) for Lua; see its definition. */
int json_record(lua_State *L);

#endif
