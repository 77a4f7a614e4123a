/* lua_json.c - items as JSON for Lua. */
#include "lua/lua_json.h"

#include <string.h>

#include <lauxlib.h>

#include "lua/lua_argument.h"
#include "lua/lua_failure.h"
#include "lua/lua_field.h"
#include "lua/lua_handle.h"
#include "lua/lua_value.h"

static const char CONVERTER_TYPE[] = "tidetable.core.json";

/* Number of bytes above which a buffer is freed after a call. */
#define KEPT_BYTES (1u << 20)

/* Upvalue of the functions: buffers that all calls use. */
struct converter {
	type_word type;
	struct builder builder;      /* encodes an item for json_encode */
	struct json_reader reader;
	struct buffer text;
};

static int release_converter(lua_State *L)
{
	struct converter *converter = check_type(L, 1, CONVERTER_TYPE);

	builder_release(&converter->builder);
	json_reader_release(&converter->reader);
	buffer_release(&converter->text);
	return 0;
}

static struct converter *converter_of_call(lua_State *L)
{
	return check_type(L, lua_upvalueindex(1), CONVERTER_TYPE);
}

/* --- arguments and errors --- */

enum json_form check_json_form(lua_State *L, int index)
{
	static const char *const forms[] = {
		[JSON_PLAIN] = "plain", [JSON_TYPED] = "dynamodb", NULL,
	};

	return (enum json_form)luaL_checkoption(L, index, NULL, forms);
}

void check_json_names(lua_State *L, int index, struct json_names *names)
{
	size_t count;

	names->order = (struct json_order){ names->names, 0 };
	if (lua_isnoneornil(L, index))
		return;
	luaL_checktype(L, index, LUA_TTABLE);
	count = lua_rawlen(L, index);
	luaL_argcheck(L, count <= JSON_ORDER_MAX, index, "too many names");
	luaL_checkstack(L, JSON_ORDER_MAX, NULL);
	for (size_t i = 0; i < count; i++) {
		lua_rawgeti(L, index, (lua_Integer)i + 1);
		add_json_name(names, check_slice(L, -1));
	}
}

static void push_slice(lua_State *L, struct slice bytes)
{
	lua_pushlstring(L, (const char *)bytes.data, bytes.len);
}

/* Sets a field of the error object below the value on top, which it pops. */
static void set_field(lua_State *L, const char *name)
{
	lua_pushstring(L, name);
	lua_insert(L, -2);
	lua_rawset(L, -3);
}

/* Sets line, column and message of the error object on top. Its reason is set. */
static void set_place(lua_State *L, struct slice text, size_t at)
{
	uint64_t line, column;

	json_place(text, at, &line, &column);
	set_integer(L, "line", line);
	set_integer(L, "column", column);
	lua_pushfstring(L, "line %I, column %I: ", (LUAI_UACINT)line, (LUAI_UACINT)column);
	lua_getfield(L, -2, "reason");
	lua_concat(L, 2);
	set_field(L, "message");
}

int return_defect(lua_State *L, const struct json_reader *reader, struct slice text, int err)
{
	enum json_defect defect = reader->defect;
	size_t at = reader->fault.at;
	struct failure failure;

	fail(&failure, err);
	if (err != ERR_VALIDATION)
		return return_failure(L, &failure);
	/* The Lua strings are created first, because a finalizer may use the reader. */
	luaL_checkstack(L, 12, "no stack left for an error");
	push_slice(L, buffer_slice(&reader->fault.reason));
	push_slice(L, buffer_slice(&reader->path));
	return_failure(L, &failure);
	lua_pushvalue(L, -2);
	lua_pushnil(L);
	set_field(L, "where");       /* the message has the position in the text instead */
	lua_pushvalue(L, -6);
	set_field(L, "reason");
	lua_pushinteger(L, (lua_Integer)at + 1);
	set_field(L, "position");
	lua_pushstring(L, defect == JSON_INVALID ? "ValidationException" :
		"SerializationException");
	set_field(L, "exception");
	if (defect == JSON_MALFORMED) {
		set_place(L, text, at);
	} else {
		lua_pushvalue(L, -5);
		set_field(L, "path");
		lua_pushvalue(L, -5);
		if (lua_rawlen(L, -1) > 0)
			lua_pushliteral(L, ": ");
		else
			lua_pushliteral(L, "");
		lua_pushvalue(L, -8);
		lua_concat(L, 3);
		set_field(L, "message");
	}
	lua_pop(L, 1);
	return 3;
}

/* --- functions --- */

static void free_large_buffers(struct converter *converter)
{
	if (converter->text.cap > KEPT_BYTES)
		buffer_release(&converter->text);
	if (converter->reader.scratch.cap > KEPT_BYTES)
		buffer_release(&converter->reader.scratch);
}

/* json_encode(item, form, names that come first | nil) -> text; or nil, err, code */
static int json_encode(lua_State *L)
{
	struct converter *converter = converter_of_call(L);
	enum json_form form = check_json_form(L, 2);
	struct buffer *text = &converter->text;
	struct json_names names;
	struct failure failure;
	struct slice item;
	int err;

	lua_settop(L, 3);
	check_json_names(L, 3, &names);
	err = read_item(L, 1, &converter->builder, &item, "item", &failure);
	if (err)
		return return_failure(L, &failure);
	buffer_clear(text);
	err = json_put_item(text, item, form, &names.order);
	if (err) {
		fail(&failure, err);
		return return_failure(L, &failure);
	}
	push_slice(L, buffer_slice(text));
	free_large_buffers(converter);
	return 1;
}

/* json_decode(text, form, position | nil) -> item, position of the next value; or nil, err, code.
 * Without a position the whole text must be one item. */
static int json_decode(lua_State *L)
{
	struct converter *converter = converter_of_call(L);
	struct json_reader *reader = &converter->reader;
	struct slice text = check_slice(L, 1), item;
	enum json_form form = check_json_form(L, 2);
	bool is_whole = lua_isnoneornil(L, 3);
	size_t at = is_whole ? 0 : (size_t)check_choice(L, 3, 1, (lua_Integer)text.len + 1) - 1;
	size_t end = text.len;
	int err;

	luaL_checkstack(L, 4, NULL);
	err = json_read_item(reader, text, at, is_whole ? NULL : &end, form, &item);
	if (err)
		return return_defect(L, reader, text, err);
	/* The item is copied to a Lua string, because a finalizer may use the reader. Lua copies
	 * the bytes before it runs a finalizer. */
	lua_settop(L, 1);
	push_slice(L, item);
	free_large_buffers(converter);
	push_item(L, check_slice(L, -1));
	lua_pushinteger(L, (lua_Integer)end + 1);
	return 2;
}

/* If the text is an object whose first member is called `name`, with the name written without
 * escapes, returns the offset of that member's value. Returns 0 otherwise. */
static size_t find_wrapped(struct slice text, struct slice name)
{
	const uint8_t *at = text.data, *end = at + text.len;

	at = json_skip_space(at, end);
	if (at == end || *at != '{')
		return 0;
	at = json_skip_space(at + 1, end);
	if ((size_t)(end - at) < name.len + 2 || at[0] != '"' || at[name.len + 1] != '"' ||
			!slice_equal(slice_of(at + 1, name.len), name))
		return 0;
	at = json_skip_space(at + name.len + 2, end);
	return at < end && *at == ':' ? (size_t)(at + 1 - text.data) : 0;
}

/* Returns true if only the end of an object follows at `at`. */
static bool is_object_end(struct slice text, size_t at)
{
	const uint8_t *end = text.data + text.len;

	return at < text.len && text.data[at] == '}' &&
		json_skip_space(text.data + at + 1, end) == end;
}

/* json_bytes(text, form, wrapper | nil) -> the encoded item; nil if the text has a defect, which
 * json_decode describes. With a wrapper, such as "Item", the text must be an object whose only
 * member has this name, and the member's value is the item. */
static int json_bytes(lua_State *L)
{
	struct converter *converter = converter_of_call(L);
	struct slice text = check_slice(L, 1), item;
	enum json_form form = check_json_form(L, 2);
	bool is_whole = lua_isnoneornil(L, 3);
	size_t at = is_whole ? 0 : find_wrapped(text, check_slice(L, 3)), end;
	int err = 0;

	if (!is_whole && at == 0)
		return 0;
	err = json_read_item(&converter->reader, text, at, is_whole ? NULL : &end, form, &item);
	if (err == ERR_NO_MEMORY)
		return return_defect(L, &converter->reader, text, err);
	if (err || (!is_whole && !is_object_end(text, end)))
		return 0;
	push_slice(L, item);
	free_large_buffers(converter);
	return 1;
}

/* json_end(text, position) -> position after the JSON value that begins there; nil if the text
 * ends before. The value may be malformed. */
static int json_end(lua_State *L)
{
	struct slice text = check_slice(L, 1);
	size_t at = (size_t)check_choice(L, 2, 1, (lua_Integer)text.len + 1) - 1;
	const uint8_t *end = json_value_end(text.data + at, text.data + text.len);

	if (!end)
		return 0;
	lua_pushinteger(L, end - text.data + 1);
	return 1;
}

void open_json(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "json_encode", json_encode },
		{ "json_decode", json_decode },
		{ "json_bytes", json_bytes },
		{ NULL, NULL },
	};
	struct converter *converter;

	new_type(L, CONVERTER_TYPE, release_converter, NULL);
	lua_pop(L, 1);
	lua_pushcfunction(L, json_end);
	lua_setfield(L, -2, "json_end");
	converter = lua_newuserdatauv(L, sizeof *converter, 0);
	*converter = (struct converter){ 0 };
	set_type(L, CONVERTER_TYPE);
	luaL_setfuncs(L, functions, 1);
}
