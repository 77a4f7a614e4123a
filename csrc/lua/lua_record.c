/* lua_record.c - stream records for Lua, decoded lazily.
 *
 * The userdata contains a copy of the record, so it is valid after the loop that
 * returned it. A field is decoded when it is read. The user values are the infos of
 * its feed and the tables of the keys, images and context that have been read; in the
 * record of the change of a table, definitions take the place of images.
 */
#include <string.h>

#include <lauxlib.h>

#include "codec/state.h"
#include "lua/lua_argument.h"
#include "lua/lua_buffer.h"
#include "lua/lua_definition.h"
#include "lua/lua_failure.h"
#include "lua/lua_field.h"
#include "lua/lua_handle.h"
#include "lua/lua_projection.h"
#include "lua/lua_record.h"
#include "lua/lua_record_info.h"
#include "lua/lua_value.h"
#include "tide_consumer.h"

const char RECORD_TYPE[] = "tidetable.record";

enum user_value { VALUE_KEYS = RECORD_INFOS + 1, VALUE_OLD, VALUE_NEW, VALUE_CONTEXT };
#define USER_VALUES 5

/* Number of leading bytes that new_record sets to zero. A record that begins with them is damaged,
 * so reading a record that was not filled raises CORRUPT. */
#define EMPTY_BYTES (RECORD_PREFIX + 1)

enum field {
	FIELD_NONE, FIELD_SEQUENCE_NUMBER, FIELD_EVENT_NAME, FIELD_KEYS, FIELD_OLD_IMAGE,
	FIELD_NEW_IMAGE, FIELD_CREATED_AT, FIELD_TABLE_NAME, FIELD_STREAM_LABEL,
	FIELD_VIEW_TYPE, FIELD_TRANSACTION_ID, FIELD_TRANSACTION_POSITION,
	FIELD_TRANSACTION_COUNT, FIELD_SIZE_BYTES, FIELD_PARTITION_HASH, FIELD_USER_IDENTITY,
	FIELD_CONTEXT, FIELD_ORIGIN, FIELD_DEPTH, FIELD_ATTEMPT, FIELD_IS_SNAPSHOT, FIELD_ID,
	FIELD_SOURCE, FIELD_TABLE_ID, FIELD_DEFINITION, FIELD_OLD_DEFINITION, FIELD_COUNT,
};

static const char *const field_names[FIELD_COUNT] = {
	[FIELD_SEQUENCE_NUMBER] = "sequence_number",
	[FIELD_EVENT_NAME] = "event_name",
	[FIELD_KEYS] = "keys",
	[FIELD_OLD_IMAGE] = "old_image",
	[FIELD_NEW_IMAGE] = "new_image",
	[FIELD_CREATED_AT] = "created_at",
	[FIELD_TABLE_NAME] = "table_name",
	[FIELD_STREAM_LABEL] = "stream_label",
	[FIELD_VIEW_TYPE] = "view_type",
	[FIELD_TRANSACTION_ID] = "transaction_id",
	[FIELD_TRANSACTION_POSITION] = "transaction_position",
	[FIELD_TRANSACTION_COUNT] = "transaction_count",
	[FIELD_SIZE_BYTES] = "size_bytes",
	[FIELD_PARTITION_HASH] = "partition_hash",
	[FIELD_USER_IDENTITY] = "user_identity",
	[FIELD_CONTEXT] = "context",
	[FIELD_ORIGIN] = "origin",
	[FIELD_DEPTH] = "depth",
	[FIELD_ATTEMPT] = "attempt",
	[FIELD_IS_SNAPSHOT] = "is_snapshot",
	[FIELD_ID] = "id",
	[FIELD_SOURCE] = "source",
	[FIELD_TABLE_ID] = "table_id",
	[FIELD_DEFINITION] = "definition",
	[FIELD_OLD_DEFINITION] = "old_definition",
};

/* Registry key of the function that is called with the name of an unknown field. */
static const char unknown_key;

uint8_t *new_record(lua_State *L, uint32_t stream, size_t len)
{
	struct record_handle *handle = lua_newuserdatauv(L, sizeof *handle + len, USER_VALUES);

	handle->type = word_of(RECORD_TYPE);
	handle->len = len;
	handle->size = 0;
	handle->attempt = 0;
	handle->stream = stream;
	handle->has_tables = false;
	memset(handle->bytes, 0, len < EMPTY_BYTES ? len : EMPTY_BYTES);
	lua_insert(L, -3);
	lua_setmetatable(L, -3);
	lua_setiuservalue(L, -2, RECORD_INFOS);
	return handle->bytes;
}

void decode_record(lua_State *L, const struct record_handle *handle,
	struct record *record)
{
	int err = record_get(record, slice_of(handle->bytes, handle->len));

	if (err)
		raise_error(L, err);
}

/* Pushes the table with the attributes in body. It is created at the first call and then kept in
 * the user value. */
static void push_table(lua_State *L, int value, struct slice body)
{
	if (lua_getiuservalue(L, 1, value) != LUA_TNIL || body.len == 0)
		return;
	lua_pop(L, 1);
	push_item(L, body);
	lua_pushvalue(L, -1);
	lua_setiuservalue(L, 1, value);
	((struct record_handle *)lua_touserdata(L, 1))->has_tables = true;
}

struct slice push_image(lua_State *L, struct slice image)
{
	push_record_info(L, 1);
	lua_rawgeti(L, -1, RECORD_INFO_PROJECTION);
	if (image.len == 0) {
		lua_pop(L, 1);
		return image;
	}
	image = push_projected(L, -1, image);
	lua_replace(L, -3);
	lua_pop(L, 1);
	return image;
}

/* Pushes the table of an image, as the record's projection shows it. */
static void push_image_table(lua_State *L, int value, struct slice image)
{
	if (lua_getiuservalue(L, 1, value) != LUA_TNIL || image.len == 0)
		return;
	lua_pop(L, 1);
	push_table(L, value, push_image(L, image));
	release_projected(L, -2);
	lua_remove(L, -2);
}

void push_stream_field(lua_State *L, const char *name)
{
	push_record_info(L, 1);
	lua_pushstring(L, name);
	lua_rawget(L, -2);
}

uint32_t push_table_id(lua_State *L)
{
	push_record_info(L, 1);
	lua_rawgeti(L, -1, RECORD_INFO_TABLE);
	return (uint32_t)lua_tointeger(L, -1);
}

struct slice find_record_keys(lua_State *L, int index, const struct record *record,
	uint8_t buf[KEY_ATTRIBUTES_MAX])
{
	const struct key_schema *schema;
	struct slice keys = { 0 };
	int err;

	push_record_info(L, index);
	lua_rawgeti(L, -1, RECORD_INFO_SCHEMA);
	schema = lua_rawlen(L, -1) == sizeof *schema ? lua_touserdata(L, -1) : NULL;
	err = schema ? record_keys(&keys, record, schema, buf) : ERR_CORRUPT;
	if (err)
		raise_error(L, err == ERR_KEY_MISSING ? ERR_CORRUPT : err);
	lua_pop(L, 2);
	return keys;
}

static void push_keys(lua_State *L, const struct record *record)
{
	uint8_t buf[KEY_ATTRIBUTES_MAX];

	if (lua_getiuservalue(L, 1, VALUE_KEYS) != LUA_TNIL)
		return;
	lua_pop(L, 1);
	push_table(L, VALUE_KEYS, find_record_keys(L, 1, record, buf));
}

/* Returns the size of the record at an index. It is computed once, because every attribute is read
 * for it. */
static lua_Integer size_of_record(lua_State *L, int index, const struct record *record)
{
	struct record_handle *handle = lua_touserdata(L, index);
	uint8_t buf[KEY_ATTRIBUTES_MAX];

	if (handle->size == 0)
		handle->size = (lua_Integer)record_size(record,
			find_record_keys(L, index, record, buf));
	return handle->size;
}

static void push_identity(lua_State *L, const struct record *record)
{
	if (record->origin != ORIGIN_TIME_TO_LIVE) {
		lua_pushnil(L);
		return;
	}
	lua_createtable(L, 0, 2);
	lua_pushliteral(L, "Service");
	lua_setfield(L, -2, "type");
	lua_pushliteral(L, "dynamodb.amazonaws.com");
	lua_setfield(L, -2, "principal_id");
}

void decode_annotation(lua_State *L, const struct record *record, struct annotation *annotation)
{
	int err = record_annotation(record, annotation);

	if (err)
		raise_error(L, err);
}

/* Pushes a field of the annotation. */
static void push_annotation(lua_State *L, const struct record *record, enum field field)
{
	struct annotation annotation;

	decode_annotation(L, record, &annotation);
	if (field == FIELD_SOURCE)
		push_change_source(L, &annotation.source, record);
	else if (field == FIELD_CONTEXT)
		push_table(L, VALUE_CONTEXT, annotation.context);
	else if (field == FIELD_DEPTH)
		lua_pushinteger(L, annotation.depth);
	else if (annotation.origin.len)
		lua_pushlstring(L, (const char *)annotation.origin.data, annotation.origin.len);
	else
		lua_pushnil(L);
}

/* Pushes a field about the record's transaction, which is not known of an item's last change. */
static void push_of_transaction(lua_State *L, const struct record *record, enum field field)
{
	if (record->origin == ORIGIN_SNAPSHOT)
		lua_pushnil(L);
	else if (field == FIELD_TRANSACTION_ID)
		lua_pushinteger(L, (lua_Integer)record->transaction);
	else
		lua_pushinteger(L, field == FIELD_TRANSACTION_COUNT ? (lua_Integer)record->count :
			(lua_Integer)record->position + 1);
}

/* Pushes the id of the record at 1: the database id, the incarnation in which the change was made,
 * the sequence number. Raises CORRUPT if the incarnations are not known. */
static void push_id(lua_State *L, const struct record *record)
{
	char text[4 * FILE_ID_BYTES + 2], *at = text;
	const uint8_t *ids[2];
	struct slice identity;

	push_record_info(L, 1);
	lua_rawgeti(L, -1, RECORD_INFO_IDENTITY);
	identity = slice_of(lua_touserdata(L, -1), lua_rawlen(L, -1));
	ids[0] = identity.data;
	ids[1] = incarnation_of(identity, record->sequence);
	if (!ids[1])
		raise_error(L, ERR_CORRUPT);
	for (int i = 0; i < 2; i++) {
		at = put_hex(at, ids[i], FILE_ID_BYTES);
		*at++ = '/';
	}
	lua_pushlstring(L, text, sizeof text);
	lua_pushinteger(L, (lua_Integer)record->sequence);
	lua_concat(L, 2);
}

/* Pushes a field about the delivery of the record at 1 to a consumer; nil if it does not apply. */
static void push_of_delivery(lua_State *L, const struct record *record, enum field field)
{
	const struct record_handle *handle = lua_touserdata(L, 1);

	if (field == FIELD_ATTEMPT && handle->attempt)
		lua_pushinteger(L, handle->attempt);
	else if (field == FIELD_IS_SNAPSHOT && record->origin == ORIGIN_SNAPSHOT)
		lua_pushboolean(L, 1);
	else
		lua_pushnil(L);
}

/* --- records of changes of tables --- */

/* Pushes the table of a definition of the record at 1. It is created at the first call and then
 * kept in the user value of an image, which such a record does not have. */
static void push_definition_table(lua_State *L, int value, struct slice name, struct slice bytes)
{
	if (lua_getiuservalue(L, 1, value) != LUA_TNIL || bytes.len == 0)
		return;
	lua_pop(L, 1);
	push_definition(L, name, bytes);
	lua_pushvalue(L, -1);
	lua_setiuservalue(L, 1, value);
	((struct record_handle *)lua_touserdata(L, 1))->has_tables = true;
}

/* Pushes a field of the stream that the definition contains; nil if it contains none. */
static void push_of_stream(lua_State *L, struct slice bytes, enum field field)
{
	struct table_definition definition;

	decode_definition(L, bytes, &definition);
	if (definition.stream && field == FIELD_VIEW_TYPE)
		lua_pushstring(L, view_name(definition.view));
	else if (definition.stream)
		lua_pushlstring(L, (const char *)definition.label.data, definition.label.len);
	else
		lua_pushnil(L);
}

static void push_of_change(lua_State *L, const struct table_change *change, enum field field)
{
	switch (field) {
	case FIELD_EVENT_NAME:
		lua_pushstring(L, table_event_name(change->event));
		break;
	case FIELD_TABLE_NAME:
		lua_pushlstring(L, (const char *)change->name.data, change->name.len);
		break;
	case FIELD_TABLE_ID:
		lua_pushinteger(L, (lua_Integer)change->table);
		break;
	case FIELD_DEFINITION:
		push_definition_table(L, VALUE_NEW, change->name, change->definition);
		break;
	case FIELD_OLD_DEFINITION:
		push_definition_table(L, VALUE_OLD, change->name, change->old_definition);
		break;
	case FIELD_STREAM_LABEL: case FIELD_VIEW_TYPE:
		push_of_stream(L, change->definition, field);
		break;
	default:                         /* keys, images, partition_hash */
		lua_pushnil(L);
	}
}

/* Returns true for the fields of which the change of a table has other values than that of an
 * item. */
static bool is_of_change(enum field field)
{
	switch (field) {
	case FIELD_EVENT_NAME: case FIELD_TABLE_NAME: case FIELD_TABLE_ID: case FIELD_KEYS:
	case FIELD_OLD_IMAGE: case FIELD_NEW_IMAGE: case FIELD_STREAM_LABEL:
	case FIELD_VIEW_TYPE: case FIELD_PARTITION_HASH: case FIELD_DEFINITION:
	case FIELD_OLD_DEFINITION:
		return true;
	default:
		return false;
	}
}

/* --- fields --- */

/* Pushes a field about the table and the stream of an item. */
static void push_of_table(lua_State *L, enum field field)
{
	if (field == FIELD_TABLE_ID)
		push_table_id(L);
	else if (field == FIELD_DEFINITION || field == FIELD_OLD_DEFINITION)
		lua_pushnil(L);
	else
		push_stream_field(L, field_names[field]);
}

static void push_item_field(lua_State *L, const struct record *record, enum field field)
{
	switch (field) {
	case FIELD_SEQUENCE_NUMBER:
		lua_pushinteger(L, (lua_Integer)record->sequence);
		break;
	case FIELD_EVENT_NAME:
		lua_pushstring(L, event_name(record->event));
		break;
	case FIELD_KEYS:
		push_keys(L, record);
		break;
	case FIELD_OLD_IMAGE:
		push_image_table(L, VALUE_OLD, record->old_image);
		break;
	case FIELD_NEW_IMAGE:
		push_image_table(L, VALUE_NEW, record->new_image);
		break;
	case FIELD_CREATED_AT:
		lua_pushnumber(L, (lua_Number)record->created_ms / 1000);
		break;
	case FIELD_TRANSACTION_ID: case FIELD_TRANSACTION_POSITION: case FIELD_TRANSACTION_COUNT:
		push_of_transaction(L, record, field);
		break;
	case FIELD_SIZE_BYTES:
		lua_pushinteger(L, size_of_record(L, 1, record));
		break;
	case FIELD_PARTITION_HASH:
		lua_pushinteger(L, (lua_Integer)record->partition_hash);
		break;
	case FIELD_USER_IDENTITY:
		push_identity(L, record);
		break;
	case FIELD_ID:
		push_id(L, record);
		break;
	case FIELD_ATTEMPT: case FIELD_IS_SNAPSHOT:
		push_of_delivery(L, record, field);
		break;
	case FIELD_TABLE_NAME: case FIELD_STREAM_LABEL: case FIELD_VIEW_TYPE:
	case FIELD_TABLE_ID: case FIELD_DEFINITION: case FIELD_OLD_DEFINITION:
		push_of_table(L, field);
		break;
	default:                         /* context, origin, depth, source */
		push_annotation(L, record, field);
	}
}

static void push_field(lua_State *L, const struct record *record, enum field field)
{
	struct table_change change;

	if (record->event != EVENT_TABLE || !is_of_change(field)) {
		push_item_field(L, record, field);
		return;
	}
	decode_table_change(L, record, &change);
	push_of_change(L, &change, field);
}

struct record_handle *check_record_handle(lua_State *L)
{
	return check_type(L, 1, RECORD_TYPE);
}

lua_Integer sequence_of_record(lua_State *L, int index)
{
	struct record record;

	decode_record(L, lua_touserdata(L, index), &record);
	return (lua_Integer)record.sequence;
}

lua_Integer measure_record_at(lua_State *L, int index, lua_Integer *depth)
{
	struct annotation annotation;
	struct record record;

	decode_record(L, lua_touserdata(L, index), &record);
	decode_annotation(L, &record, &annotation);
	*depth = annotation.depth;
	return size_of_record(L, index, &record);
}

/* measure_record(record) -> its fields size_bytes and depth. A consumer needs both of each record,
 * and one call costs as much as one field. */
static int measure_record(lua_State *L)
{
	lua_Integer depth;

	check_record_handle(L);
	lua_settop(L, 1);
	lua_pushinteger(L, measure_record_at(L, 1, &depth));
	lua_pushinteger(L, depth);
	return 2;
}

/* Raises an error for the unknown field name at 2. The function given to unknown_field raises an
 * error that contains the most similar name. */
static int refuse_unknown(lua_State *L)
{
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &unknown_key) == LUA_TFUNCTION) {
		lua_pushvalue(L, 2);
		lua_pushvalue(L, lua_upvalueindex(1));
		lua_call(L, 2, 0);
	}
	return luaL_error(L, "a record has no such field");
}

/* __index. The upvalue is a table that maps the names of fields to their numbers, and the names of
 * methods to functions. */
static int index_record(lua_State *L)
{
	struct record_handle *handle = check_record_handle(L);
	struct record record;
	enum field field;

	lua_settop(L, 2);
	lua_pushvalue(L, 2);
	lua_rawget(L, lua_upvalueindex(1));
	field = (enum field)lua_tointeger(L, -1);
	if (field == FIELD_NONE)
		return lua_isfunction(L, -1) ? 1 : refuse_unknown(L);
	decode_record(L, handle, &record);
	push_field(L, &record, field);
	return 1;
}

static int refuse_change(lua_State *L)
{
	return luaL_error(L, "a record can't be changed");
}

/* The iterator that pairs(record) returns. A script can call it with any value. */
static int next_field(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 2);
	return lua_next(L, 1) ? 2 : 0;
}

static int pairs_record(lua_State *L)
{
	struct record_handle *handle = check_record_handle(L);
	struct record record;

	lua_settop(L, 1);
	decode_record(L, handle, &record);
	lua_pushcfunction(L, next_field);
	lua_createtable(L, 0, FIELD_COUNT);
	for (int field = FIELD_NONE + 1; field < FIELD_COUNT; field++) {
		int top = lua_gettop(L);

		push_field(L, &record, (enum field)field);
		lua_setfield(L, top, field_names[field]);
		lua_settop(L, top);
	}
	return 2;
}

static int record_tostring(lua_State *L)
{
	struct record_handle *handle = check_record_handle(L);
	struct record record;
	int event;

	lua_settop(L, 1);
	decode_record(L, handle, &record);
	push_field(L, &record, FIELD_EVENT_NAME);
	event = lua_gettop(L);
	push_field(L, &record, FIELD_TABLE_NAME);
	lua_pushfstring(L, "%s %I %s", lua_tostring(L, event), (LUAI_UACINT)record.sequence,
		lua_tostring(L, -1));
	return 1;
}

/* Sets the number of the delivery of the record at an index. Drops the tables of keys, images and
 * context that the record has returned, because a handler can have changed them. */
static void set_attempt_at(lua_State *L, int index, lua_Integer attempt)
{
	struct record_handle *handle = lua_touserdata(L, index);

	handle->attempt = attempt;
	for (int value = VALUE_KEYS; handle->has_tables && value <= VALUE_CONTEXT; value++) {
		lua_pushnil(L);
		lua_setiuservalue(L, index, value);
	}
	handle->has_tables = false;
}

/* set_attempt(record, number of the delivery) */
static int set_attempt(lua_State *L)
{
	check_record_handle(L);
	set_attempt_at(L, 1, luaL_checkinteger(L, 2));
	return 0;
}

/* set_attempts(array of records, number of their delivery) */
static int set_attempts(lua_State *L)
{
	lua_Integer attempt = luaL_checkinteger(L, 2);

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 2);
	for (lua_Integer i = 1; lua_rawgeti(L, 1, i) != LUA_TNIL; i++) {
		check_type(L, 3, RECORD_TYPE);
		set_attempt_at(L, 3, attempt);
		lua_settop(L, 2);
	}
	return 0;
}

/* record_images(record) -> bytes of the old image, bytes of the new image; nil if it has none */
static int record_images(lua_State *L)
{
	struct record record;

	decode_record(L, check_record_handle(L), &record);
	for (int i = 0; i < 2; i++) {
		struct slice image = i ? record.new_image : record.old_image;

		if (image.len)
			lua_pushlstring(L, (const char *)image.data, image.len);
		else
			lua_pushnil(L);
	}
	return 2;
}

/* record_position(record) -> the position that passes the record: its sequence number or, for the
 * item of a snapshot, the last one of the snapshot; true for such an item, else false */
static int record_position(lua_State *L)
{
	struct record record;

	decode_record(L, check_record_handle(L), &record);
	lua_pushinteger(L, (lua_Integer)(record.origin == ORIGIN_SNAPSHOT ? record.ordinal :
		record.sequence));
	lua_pushboolean(L, record.origin == ORIGIN_SNAPSHOT);
	return 2;
}

/* item_key(record, db) -> item key of the record */
static int item_key(lua_State *L)
{
	const struct record_handle *handle = check_record_handle(L);
	struct database *database = check_database(L, 2);
	const struct key_schema *schema;
	uint8_t buf[KEY_ATTRIBUTES_MAX];
	struct record record;
	struct slice keys;
	struct key key;
	int err;

	lua_settop(L, 2);
	decode_record(L, handle, &record);
	keys = find_record_keys(L, 1, &record, buf);
	push_record_info(L, 1);
	lua_rawgeti(L, 3, RECORD_INFO_SCHEMA);
	lua_rawgeti(L, 3, RECORD_INFO_TABLE);
	schema = lua_touserdata(L, 4);
	err = tide_item_key(database->tide, (uint32_t)lua_tointeger(L, 5), schema, keys, &key);
	if (err)
		return raise_error(L, ERR_CORRUPT);
	lua_pushlstring(L, (const char *)key.bytes, key_whole(&key).len);
	return 1;
}

/* Pushes the table of fields and methods. */
static void push_members(lua_State *L)
{
	lua_createtable(L, 0, FIELD_COUNT);
	lua_pushcfunction(L, record_changes);
	lua_setfield(L, -2, "changes");
	for (int field = FIELD_NONE + 1; field < FIELD_COUNT; field++) {
		lua_pushinteger(L, field);
		lua_setfield(L, -2, field_names[field]);
	}
}

/* unknown_field(f): sets the function that raises the error: f(name, known names) */
static int unknown_field(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_settop(L, 1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &unknown_key);
	return 0;
}

void open_records(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "unknown_field", unknown_field },
		{ "measure_record", measure_record },
		{ "json_record", json_record },
		{ "set_attempt", set_attempt },
		{ "set_attempts", set_attempts },
		{ "record_images", record_images },
		{ "record_position", record_position },
		{ "item_key", item_key },
		{ NULL, NULL },
	};

	luaL_setfuncs(L, functions, 0);
	open_projections(L);
	new_type(L, RECORD_TYPE, NULL, NULL);
	push_members(L);
	lua_pushcclosure(L, index_record, 1);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, refuse_change);
	lua_setfield(L, -2, "__newindex");
	lua_pushcfunction(L, pairs_record);
	lua_setfield(L, -2, "__pairs");
	lua_pushcfunction(L, record_tostring);
	lua_setfield(L, -2, "__tostring");
	lua_pop(L, 1);
}
