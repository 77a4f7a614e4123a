/* lua_definition.c - the changes of tables for Lua: their definitions as tables and as JSON. */
#include "lua/lua_definition.h"

#include <lauxlib.h>

#include "codec/json_writer.h"
#include "codec/number.h"
#include "lua/lua_failure.h"
#include "lua/lua_field.h"

void decode_table_change(lua_State *L, const struct record *record, struct table_change *change)
{
	int err = table_change_get(change, record->new_image);

	if (err)
		raise_error(L, err);
}

void decode_definition(lua_State *L, struct slice bytes, struct table_definition *definition)
{
	int err = table_definition_get(definition, bytes);

	if (err)
		raise_error(L, err);
}

/* --- as tables --- */

void set_key_field(lua_State *L, const char *name, const struct key_attribute *attribute)
{
	if (attribute->type == 0)
		return;
	lua_createtable(L, 2, 0);
	lua_pushlstring(L, attribute->name, attribute->len);
	lua_rawseti(L, -2, 1);
	lua_pushstring(L, type_name(attribute->type));
	lua_rawseti(L, -2, 2);
	lua_setfield(L, -2, name);
}

/* Sets an age in seconds: an integer, if it has no fraction. */
static void set_age(lua_State *L, uint64_t ms)
{
	if (ms % 1000)
		set_seconds(L, "age", ms);
	else
		set_integer(L, "age", ms / 1000);
}

void set_retention_fields(lua_State *L, const struct retention *retention)
{
	lua_createtable(L, 0, 3);
	set_age(L, retention->age_ms);
	if (retention->max_bytes)
		set_integer(L, "bytes", retention->max_bytes);
	if (retention->max_count)
		set_integer(L, "count", retention->max_count);
	lua_setfield(L, -2, "retention");
	lua_createtable(L, 0, 2);
	set_age(L, retention->hold_age_ms);
	set_integer(L, "bytes", retention->hold_bytes);
	lua_setfield(L, -2, "hold");
}

static void set_slice(lua_State *L, const char *name, struct slice text)
{
	lua_pushlstring(L, (const char *)text.data, text.len);
	lua_setfield(L, -2, name);
}

void push_definition(lua_State *L, struct slice name, struct slice bytes)
{
	struct table_definition definition;

	decode_definition(L, bytes, &definition);
	lua_createtable(L, 0, 5);
	set_slice(L, "name", name);
	set_key_field(L, "partition_key", &definition.schema.partition);
	set_key_field(L, "sort_key", &definition.schema.sort);
	if (definition.ttl.len)
		set_slice(L, "ttl", definition.ttl);
	if (!definition.stream)
		return;
	lua_createtable(L, 0, 3);
	set_text(L, "view_type", view_name(definition.view));
	set_retention_fields(L, &definition.retention);
	lua_setfield(L, -2, "stream");
}

/* --- as JSON --- */

static void put_text(struct buffer *out, const char *text)
{
	buffer_put(out, text, strlen(text));
}

/* Writes a time or a duration in seconds in the form of its Lua number. */
static void put_seconds(struct buffer *out, uint64_t ms)
{
	struct number number;

	if (number_from_double(&number, (double)ms / 1000) == 0)
		json_put_number(out, number_slice(&number));
}

static void put_key(struct buffer *out, const char *name, const struct key_attribute *attribute)
{
	if (attribute->type == 0)
		return;
	put_text(out, name);
	json_put_string(out, attribute_name(attribute));
	buffer_put_u8(out, ',');
	json_put_string(out, slice_of_text(type_name(attribute->type)));
	buffer_put_u8(out, ']');
}

static void put_limit(struct buffer *out, const char *name, uint64_t limit)
{
	if (limit == 0)
		return;
	put_text(out, name);
	json_put_integer(out, (int64_t)limit);
}

static void put_stream(struct buffer *out, const struct table_definition *definition)
{
	const struct retention *retention = &definition->retention;

	put_text(out, ",\"stream\":{\"view_type\":");
	json_put_string(out, slice_of_text(view_name(definition->view)));
	put_text(out, ",\"retention\":{\"age\":");
	put_seconds(out, retention->age_ms);
	put_limit(out, ",\"bytes\":", retention->max_bytes);
	put_limit(out, ",\"count\":", retention->max_count);
	put_text(out, "},\"hold\":{\"age\":");
	put_seconds(out, retention->hold_age_ms);
	put_limit(out, ",\"bytes\":", retention->hold_bytes);
	put_text(out, "}}");
}

int json_put_definition(struct buffer *out, struct slice name, struct slice bytes)
{
	struct table_definition definition;
	int err = table_definition_get(&definition, bytes);

	if (err)
		return err;
	put_text(out, "{\"name\":");
	json_put_string(out, name);
	put_key(out, ",\"partition_key\":[", &definition.schema.partition);
	put_key(out, ",\"sort_key\":[", &definition.schema.sort);
	if (definition.ttl.len) {
		put_text(out, ",\"ttl\":");
		json_put_string(out, definition.ttl);
	}
	if (definition.stream)
		put_stream(out, &definition);
	buffer_put_u8(out, '}');
	return 0;
}
