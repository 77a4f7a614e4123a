/* lua_value.c - converts Lua values to encoded items and back.
 *
 * Reading is one recursive walk that calls a builder. It uses raw access and no
 * function of Lua's API that can raise an error. There is a step for each table that
 * is being read, and the path in a message is made from the steps: a step contains
 * the stack index of the current key of a map, or the current index in a list or set.
 */
#include "lua/lua_argument.h"
#include "lua/lua_value.h"

#include <limits.h>

#include <lauxlib.h>

#include "lua/lua_arithmetic.h"
#include "lua/lua_binary.h"
#include "lua/lua_failure.h"
#include "lua/lua_handle.h"
#include "lua/lua_kind.h"
#include "lua/lua_number.h"
#include "lua/lua_path.h"

/* Maximum number of stack slots that one level of reading or pushing uses. */
#define LEVEL_SLOTS 6

#define LIST_REFUSED "expected attributes by name, got a list"

struct reader {
	lua_State *L;
	struct builder *builder;
	struct failure *failure;
	struct slice root;            /* name that paths begin with; len 0: none */
	const char *what;             /* used in messages instead of an empty path */
	unsigned depth;               /* number of steps in use */
	struct step {
		int key;              /* of a map: stack index of the current key */
		lua_Integer index;    /* of a list or set: current index; 0 for a map */
	} steps[VALUE_MAX_DEPTH + 2];
};

/* --- refusing --- */

static void write_path(const struct reader *reader, struct path *path)
{
	const struct step *step = reader->steps;
	const struct step *end = step + reader->depth;
	struct slice name;

	path_start(path);
	if (reader->root.len)
		path_name(path, reader->root);
	for (; step < end; step++) {
		if (step->index) {
			path_index(path, step->index);
		} else if (lua_type(reader->L, step->key) == LUA_TSTRING) {
			name.data = (const uint8_t *)lua_tolstring(reader->L, step->key, &name.len);
			path_name(path, name);
		}
	}
	if (path_is_empty(path))
		path_text(path, reader->what);
}

static int refuse_as(const struct reader *reader, int err, const char *text)
{
	struct path path;

	write_path(reader, &path);
	return fail_as(reader->failure, err, "%s: %s", path.text, text);
}

/* Sets *failure for an error that the builder or the conversion of a number returned. ITEM_TOO_BIG
 * and NO_MEMORY are not errors of one attribute, so their messages have no path. */
static int refuse_value(const struct reader *reader, int err)
{
	if (err == ERR_ITEM_TOO_BIG || err == ERR_NO_MEMORY)
		return fail(reader->failure, err);
	return refuse_as(reader, err, error_text(err));
}

static int refuse_kind(const struct reader *reader, int index)
{
	struct path path;

	write_path(reader, &path);
	return fail_as(reader->failure, ERR_VALIDATION, "%s: a %s can't be stored", path.text,
		lua_typename(reader->L, lua_type(reader->L, index)));
}

/* --- reading --- */

static int read_any(struct reader *reader, int index);

static int read_string(struct reader *reader, int index)
{
	struct slice text;

	text.data = (const uint8_t *)lua_tolstring(reader->L, index, &text.len);
	builder_string(reader->builder, text);
	return builder_error(reader->builder);
}

static int read_number(struct reader *reader, int index)
{
	struct number number;
	int err = number_from_lua(reader->L, index, &number);

	if (err)
		return err;
	builder_number(reader->builder, number_slice(&number));
	return builder_error(reader->builder);
}

static int read_userdata(struct reader *reader, int index)
{
	lua_State *L = reader->L;

	switch (kind_at(L, index)) {
	case KIND_NUMBER:
		builder_number(reader->builder, number_at(L, index));
		return builder_error(reader->builder);
	case KIND_BINARY:
		builder_binary(reader->builder, binary_at(L, index));
		return builder_error(reader->builder);
	default:
		return ERR_VALIDATION;
	}
}

static bool fits_set(lua_State *L, int index, enum type set)
{
	switch (set) {
	case TYPE_SS:
		return lua_type(L, index) == LUA_TSTRING;
	case TYPE_NS:
		return lua_type(L, index) == LUA_TNUMBER || kind_at(L, index) == KIND_NUMBER;
	default:
		return kind_at(L, index) == KIND_BINARY;
	}
}

static int read_member(struct reader *reader, int index, enum type of)
{
	if (of == TYPE_L || fits_set(reader->L, index, of))
		return read_any(reader, index);
	return refuse_as(reader, ERR_VALIDATION,
		of == TYPE_SS ? "this set holds strings only" :
		of == TYPE_NS ? "this set holds numbers only" : "this set holds binaries only");
}

/* Returns true if the table has exactly `count` keys and all of them are integers. If the caller
 * also finds the keys 1 to count, the table has no other keys. */
static bool has_integer_keys(lua_State *L, int table, lua_Unsigned count)
{
	lua_Unsigned keys = 0;

	lua_pushnil(L);
	while (lua_next(L, table)) {
		lua_pop(L, 1);
		if (!lua_isinteger(L, -1) || ++keys > count) {
			lua_pop(L, 1);
			return false;
		}
	}
	return keys == count;
}

/* Reads the members after index `after` of a list whose keys lua_next does not return in order. */
static int read_scattered(struct reader *reader, int table, enum type of, lua_Integer after)
{
	lua_State *L = reader->L;
	struct step *step = &reader->steps[reader->depth - 1];
	lua_Unsigned count = lua_rawlen(L, table);
	lua_Unsigned i;
	int err;

	step->index = 0;
	if (!has_integer_keys(L, table, count))
		goto refused;
	for (i = (lua_Unsigned)after + 1; i <= count; i++) {
		step->index = (lua_Integer)i;
		if (lua_rawgeti(L, table, (lua_Integer)i) == LUA_TNIL)
			goto refused;
		err = read_member(reader, lua_gettop(L), of);
		if (err)
			return err;
		lua_pop(L, 1);
	}
	return 0;

refused:
	reader->depth--;
	return refuse_as(reader, ERR_VALIDATION,
		"a list or set must have the keys 1 to n, without holes");
}

static int read_members(struct reader *reader, int table, enum type of)
{
	lua_State *L = reader->L;
	struct step *step = &reader->steps[reader->depth - 1];
	lua_Integer last = 0;
	int err, key;

	lua_pushnil(L);
	key = lua_gettop(L);
	while (lua_next(L, table)) {
		if (!lua_isinteger(L, key) || lua_tointeger(L, key) != last + 1) {
			lua_settop(L, key - 1);
			return read_scattered(reader, table, of, last);
		}
		step->index = ++last;
		err = read_member(reader, key + 1, of);
		if (err)
			return err;
		lua_settop(L, key);
	}
	return 0;
}

static int read_attributes(struct reader *reader, int table)
{
	lua_State *L = reader->L;
	struct step *step = &reader->steps[reader->depth - 1];
	struct slice name;
	int err, key;

	lua_pushnil(L);
	key = lua_gettop(L);
	step->index = 0;
	step->key = key;
	while (lua_next(L, table)) {
		if (lua_type(L, key) != LUA_TSTRING) {
			reader->depth--;
			return refuse_as(reader, ERR_VALIDATION, reader->depth > 0 ?
				"the keys of a table must be all strings, or 1 to n" :
				is_list(L, table) ? LIST_REFUSED :
				"the names of attributes must be strings");
		}
		name.data = (const uint8_t *)lua_tolstring(L, key, &name.len);
		builder_name(reader->builder, name);
		err = read_any(reader, key + 1);
		if (err)
			return err;
		lua_settop(L, key);
	}
	return 0;
}

/* Returns the type of a table without a metatable, which depends on its first key. */
static enum type plain_type(lua_State *L, int table)
{
	enum type type = TYPE_M;

	lua_pushnil(L);
	if (lua_next(L, table)) {
		if (lua_type(L, -2) == LUA_TNUMBER)
			type = TYPE_L;
		lua_pop(L, 2);
	}
	return type;
}

/* Returns the type of a table; 0 if it has a metatable that is not tidetable's. */
static enum type table_type(lua_State *L, int table)
{
	switch (kind_at(L, table)) {
	case KIND_NONE:
		return plain_type(L, table);
	case KIND_LIST:
		return TYPE_L;
	case KIND_MAP:
		return TYPE_M;
	case KIND_STRING_SET:
		return TYPE_SS;
	case KIND_NUMBER_SET:
		return TYPE_NS;
	case KIND_BINARY_SET:
		return TYPE_BS;
	default:
		return 0;
	}
}

static int read_table(struct reader *reader, int table)
{
	enum type type;
	int err;

	if (!lua_checkstack(reader->L, LEVEL_SLOTS))
		return refuse_value(reader, ERR_NO_MEMORY);
	type = table_type(reader->L, table);
	if (!type)
		return refuse_as(reader, ERR_VALIDATION,
			"a table with a foreign metatable can't be stored");
	builder_open(reader->builder, type);
	if (builder_error(reader->builder))
		return refuse_value(reader, builder_error(reader->builder));
	reader->depth++;
	err = type == TYPE_M ? read_attributes(reader, table) :
		read_members(reader, table, type);
	if (err)
		return err;
	reader->depth--;
	builder_close(reader->builder);
	return builder_error(reader->builder) ?
		refuse_value(reader, builder_error(reader->builder)) : 0;
}

static int read_any(struct reader *reader, int index)
{
	lua_State *L = reader->L;
	struct builder *builder = reader->builder;
	int err = 0;

	switch (lua_type(L, index)) {
	case LUA_TSTRING:
		err = read_string(reader, index);
		break;
	case LUA_TNUMBER:
		err = read_number(reader, index);
		break;
	case LUA_TBOOLEAN:
		builder_bool(builder, lua_toboolean(L, index));
		err = builder_error(builder);
		break;
	case LUA_TTABLE:
		return read_table(reader, index);
	case LUA_TUSERDATA:
		err = read_userdata(reader, index);
		break;
	case LUA_TLIGHTUSERDATA:
		if (lua_touserdata(L, index))
			return refuse_kind(reader, index);
		builder_null(builder);
		err = builder_error(builder);
		break;
	default:
		err = ERR_VALIDATION;
	}
	if (err == ERR_VALIDATION)
		return refuse_kind(reader, index);
	return err ? refuse_value(reader, err) : 0;
}

bool is_list(lua_State *L, int index)
{
	return table_type(L, index) == TYPE_L;
}

static int read_body(struct reader *reader, int table)
{
	enum kind kind;

	if (lua_type(reader->L, table) != LUA_TTABLE)
		return fail_as(reader->failure, ERR_VALIDATION, "%s: expected a table, got %s",
			reader->what, luaL_typename(reader->L, table));
	kind = kind_at(reader->L, table);
	if (kind == KIND_LIST)
		return refuse_as(reader, ERR_VALIDATION, LIST_REFUSED);
	if (kind != KIND_NONE && kind != KIND_MAP)
		return refuse_as(reader, ERR_VALIDATION,
			"a table with a metatable can't be stored here");
	reader->depth = 1;
	return read_attributes(reader, table);
}

int read_item(lua_State *L, int index, struct builder *builder, struct slice *item,
	const char *what, struct failure *failure)
{
	struct reader reader;
	int err, top = lua_gettop(L);

	reader.L = L;
	reader.builder = builder;
	reader.failure = failure;
	reader.root = slice_of(NULL, 0);
	reader.what = what;
	reader.depth = 0;
	builder_start(builder);
	if (!lua_checkstack(L, LEVEL_SLOTS))
		return fail(failure, ERR_NO_MEMORY);
	err = read_body(&reader, lua_absindex(L, index));
	lua_settop(L, top);
	if (err)
		return err;
	err = builder_finish(builder, item);
	return err ? fail(failure, err) : 0;
}

int read_value(lua_State *L, int index, struct builder *builder, struct slice name,
	struct value *value, struct failure *failure)
{
	struct reader reader = { .L = L, .builder = builder, .failure = failure, .root = name };
	struct slice item;
	int err, top = lua_gettop(L);

	builder_start(builder);
	builder_name(builder, name);
	if (!lua_checkstack(L, LEVEL_SLOTS))
		return fail(failure, ERR_NO_MEMORY);
	err = read_any(&reader, lua_absindex(L, index));
	lua_settop(L, top);
	if (err)
		return err;
	err = builder_finish(builder, &item);
	if (!err)
		err = map_find(item, name, value);
	return err ? fail(failure, err) : 0;
}

/* --- pushing --- */

static void push_any(lua_State *L, const struct value *value, unsigned depth);

static void push_number(lua_State *L, struct slice bytes)
{
	int64_t n;
	double d;

	if (number_to_integer(bytes, &n))
		lua_pushinteger(L, n);
	else if (number_to_double(bytes, &d))
		lua_pushnumber(L, d);
	else
		push_number_object(L, bytes);
}

static void push_members(lua_State *L, const struct value *list, enum kind kind, unsigned depth)
{
	struct list_walk walk;
	struct value member;
	lua_Integer i = 0;
	int err;

	if (depth >= VALUE_MAX_DEPTH + 1 || list->count > INT_MAX)
		raise_error(L, ERR_CORRUPT);
	luaL_checkstack(L, LEVEL_SLOTS, "no stack left for a list");
	lua_createtable(L, (int)list->count, 0);
	list_start(&walk, list);
	while ((err = list_next(&walk, &member)) == 0) {
		push_any(L, &member, depth + 1);
		lua_rawseti(L, -2, ++i);
	}
	if (err != END)
		raise_error(L, ERR_CORRUPT);
	kind_set(L, kind);
}

static void push_attributes(lua_State *L, struct slice body, unsigned depth)
{
	struct map_walk walk;
	struct slice name;
	struct value value;
	int err = map_start(&walk, body);

	if (err || depth > VALUE_MAX_DEPTH || walk.left > INT_MAX)
		raise_error(L, ERR_CORRUPT);
	luaL_checkstack(L, LEVEL_SLOTS, "no stack left for a map");
	lua_createtable(L, 0, (int)walk.left);
	while ((err = map_next(&walk, &name, &value)) == 0) {
		lua_pushlstring(L, (const char *)name.data, name.len);
		push_any(L, &value, depth);
		lua_rawset(L, -3);
	}
	if (err != END)
		raise_error(L, ERR_CORRUPT);
}

static void push_map(lua_State *L, const struct value *map, unsigned depth)
{
	push_attributes(L, map->bytes, depth + 1);
	if (map->count == 0)
		kind_set(L, KIND_MAP);
}

/* depth: number of maps and lists that contain the value. */
static void push_any(lua_State *L, const struct value *value, unsigned depth)
{
	switch (value->type) {
	case TYPE_S:
		lua_pushlstring(L, (const char *)value->bytes.data, value->bytes.len);
		break;
	case TYPE_N:
		push_number(L, value->bytes);
		break;
	case TYPE_B:
		push_binary(L, value->bytes);
		break;
	case TYPE_TRUE:
	case TYPE_FALSE:
		lua_pushboolean(L, value->type == TYPE_TRUE);
		break;
	case TYPE_NULL:
		lua_pushlightuserdata(L, NULL);
		break;
	case TYPE_M:
		push_map(L, value, depth);
		break;
	case TYPE_L:
		push_members(L, value, KIND_LIST, depth);
		break;
	case TYPE_SS:
		push_members(L, value, KIND_STRING_SET, depth);
		break;
	case TYPE_NS:
		push_members(L, value, KIND_NUMBER_SET, depth);
		break;
	case TYPE_BS:
		push_members(L, value, KIND_BINARY_SET, depth);
		break;
	}
}

void push_item(lua_State *L, struct slice body)
{
	push_attributes(L, body, 0);
}

void push_value(lua_State *L, const struct value *value)
{
	push_any(L, value, 0);
}

/* --- the table core.values --- */

static const char ENCODER_TYPE[] = "tidetable.core.encoder";

struct encoder {
	type_word type;
	struct builder builder;
};

static int release_encoder(lua_State *L)
{
	struct encoder *encoder = check_type(L, 1, ENCODER_TYPE);

	builder_release(&encoder->builder);
	return 0;
}

/* encode(item) -> bytes; or nil, err, code. The upvalue is the encoder. */
static int encode_item(lua_State *L)
{
	struct encoder *encoder = check_type(L, lua_upvalueindex(1), ENCODER_TYPE);
	struct failure failure;
	struct slice item;

	if (read_item(L, 1, &encoder->builder, &item, "item", &failure))
		return return_failure(L, &failure);
	lua_pushlstring(L, (const char *)item.data, item.len);
	return 1;
}

/* decode(bytes) -> item; or nil, err, code */
static int decode_item(lua_State *L)
{
	struct slice bytes = check_slice(L, 1);
	struct failure failure;

	if (map_check(bytes)) {
		fail(&failure, ERR_CORRUPT);
		return return_failure(L, &failure);
	}
	push_item(L, bytes);
	return 1;
}

static const char *name_of_type(lua_State *L, int index)
{
	enum type type;

	switch (lua_type(L, index)) {
	case LUA_TSTRING:
		return type_name(TYPE_S);
	case LUA_TNUMBER:
		return type_name(TYPE_N);
	case LUA_TBOOLEAN:
		return type_name(TYPE_TRUE);
	case LUA_TLIGHTUSERDATA:
		return lua_touserdata(L, index) ? NULL : type_name(TYPE_NULL);
	case LUA_TUSERDATA:
		switch (kind_at(L, index)) {
		case KIND_NUMBER:
			return type_name(TYPE_N);
		case KIND_BINARY:
			return type_name(TYPE_B);
		default:
			return NULL;
		}
	case LUA_TTABLE:
		type = table_type(L, index);
		return type ? type_name(type) : NULL;
	default:
		return NULL;
	}
}

/* type(v) -> "S", "N", ...; nil if v can't be stored */
static int type_of(lua_State *L)
{
	luaL_checkany(L, 1);
	lua_pushstring(L, name_of_type(L, 1));
	return 1;
}

static void push_encode(lua_State *L)
{
	struct encoder *encoder;

	new_type(L, ENCODER_TYPE, release_encoder, NULL);
	lua_pop(L, 1);
	encoder = lua_newuserdatauv(L, sizeof *encoder, 0);
	*encoder = (struct encoder){ 0 };
	set_type(L, ENCODER_TYPE);
	lua_pushcclosure(L, encode_item, 1);
}

/* Creates the metatable of lists, maps or sets, with fields that JSON libraries and serializers
 * read. */
static void open_table_kind(lua_State *L, enum kind kind, const char *field, bool is_map)
{
	kind_create(L, kind);
	lua_pushstring(L, is_map ? "object" : "array");
	lua_setfield(L, -2, "__jsontype");
	lua_pushstring(L, is_map ? "map" : "seq");
	lua_setfield(L, -2, "__serialize");
	lua_setfield(L, -2, field);
}

int open_values(lua_State *L)
{
	luaL_checkstack(L, 8, "no stack left to open tidetable");
	lua_createtable(L, 0, 7);
	lua_pushlightuserdata(L, NULL);
	lua_setfield(L, -2, "null");
	open_number(L);
	open_arithmetic(L);
	lua_setfield(L, -2, "number");
	open_binary(L);
	lua_setfield(L, -2, "binary");
	lua_createtable(L, 0, 5);
	open_table_kind(L, KIND_LIST, "list", false);
	open_table_kind(L, KIND_MAP, "map", true);
	open_table_kind(L, KIND_STRING_SET, "string_set", false);
	open_table_kind(L, KIND_NUMBER_SET, "number_set", false);
	open_table_kind(L, KIND_BINARY_SET, "binary_set", false);
	lua_setfield(L, -2, "metatables");
	lua_pushcfunction(L, type_of);
	lua_setfield(L, -2, "type");
	push_encode(L);
	lua_setfield(L, -2, "encode");
	lua_pushcfunction(L, decode_item);
	lua_setfield(L, -2, "decode");
	return 1;
}
