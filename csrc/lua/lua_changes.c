/* lua_changes.c - record:changes(), the differences between the images of a record.
 *
 * The images are compared as bytes (codec/difference.h), so only the values that differ are
 * converted. A path is written as in expressions. A name that expressions can't contain is written
 * as a Lua string in brackets, so different paths have different texts:
 *
 *     address.lines[0]
 *     tags["first choice"][2]
 */
#include <stdio.h>

#include <lauxlib.h>

#include "codec/difference.h"
#include "lua/lua_argument.h"
#include "lua/lua_failure.h"
#include "lua/lua_projection.h"
#include "lua/lua_record.h"
#include "lua/lua_value.h"

/* --- paths --- */

static bool is_letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Returns true if an expression can contain the name, unless it is a reserved word. */
static bool is_word(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.data[i];

		if (!is_letter(c) && (i == 0 || (c != '_' && (c < '0' || c > '9'))))
			return false;
	}
	return name.len > 0;
}

static void add_quoted(luaL_Buffer *text, struct slice name)
{
	char escape[8];

	luaL_addlstring(text, "[\"", 2);
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.data[i];

		if (c == '"' || c == '\\')
			luaL_addlstring(text, "\\", 1);
		if (c >= 0x20 && c != 0x7f) {
			luaL_addlstring(text, (const char *)&name.data[i], 1);
		} else {
			snprintf(escape, sizeof escape, "\\x%02x", c);
			luaL_addstring(text, escape);
		}
	}
	luaL_addlstring(text, "\"]", 2);
}

static void add_step(luaL_Buffer *text, const struct difference_step *step, bool is_first)
{
	char index[16];

	if (step->is_index) {
		snprintf(index, sizeof index, "[%u]", step->index);
		luaL_addstring(text, index);
	} else if (is_word(step->name)) {
		if (!is_first)
			luaL_addlstring(text, ".", 1);
		luaL_addlstring(text, (const char *)step->name.data, step->name.len);
	} else {
		add_quoted(text, step->name);
	}
}

static void push_path(lua_State *L, const struct difference *difference)
{
	luaL_Buffer text;

	luaL_buffinit(L, &text);
	for (unsigned i = 0; i < difference->step_count; i++)
		add_step(&text, &difference->steps[i], i == 0);
	luaL_pushresult(&text);
}

/* Pushes an array of the names and positions, from 1, that lead to the value in Lua tables. */
static void push_steps(lua_State *L, const struct difference *difference)
{
	lua_createtable(L, (int)difference->step_count, 0);
	for (unsigned i = 0; i < difference->step_count; i++) {
		const struct difference_step *step = &difference->steps[i];

		if (step->is_index)
			lua_pushinteger(L, (lua_Integer)step->index + 1);
		else
			lua_pushlstring(L, (const char *)step->name.data, step->name.len);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}

/* --- changes --- */

/* Sets a field of the table on top of the stack, unless the value is missing. */
static void set_value(lua_State *L, const char *name, const struct value *value)
{
	if (!value->type)
		return;
	push_value(L, value);
	lua_setfield(L, -2, name);
}

static void push_change(lua_State *L, const struct difference *difference)
{
	lua_createtable(L, 0, 4);
	push_path(L, difference);
	lua_setfield(L, -2, "path");
	push_steps(L, difference);
	lua_setfield(L, -2, "steps");
	set_value(L, "old", &difference->old);
	set_value(L, "new", &difference->new);
}

/* Raises an error unless the stream of the record at 1 stores both images. */
static void check_images(lua_State *L, const struct record *record)
{
	struct slice view, both = slice_of_text(view_name(VIEW_NEW_AND_OLD_IMAGES));

	if (record->event == EVENT_TABLE)
		luaL_error(L, "changes: the record of the change of a table has no images");
	push_stream_field(L, "view_type");
	view = check_slice(L, -1);
	if (!slice_equal(view, both))
		luaL_error(L, "changes: a stream with view type %s does not contain both images",
			(const char *)view.data);
	lua_settop(L, 1);
}

int record_changes(lua_State *L)
{
	struct difference_walk walk;
	struct difference difference;
	struct slice old_image, new_image;
	struct record record;
	int err;

	if (!test_type(L, 1, RECORD_TYPE))
		return luaL_error(L, "changes: call it with a colon: record:changes()");
	lua_settop(L, 1);
	decode_record(L, lua_touserdata(L, 1), &record);
	check_images(L, &record);
	old_image = push_image(L, record.old_image);
	new_image = push_image(L, record.new_image);
	lua_newtable(L);
	err = difference_start(&walk, old_image, new_image);
	for (lua_Integer i = 1; !err && (err = difference_next(&walk, &difference)) == 0; i++) {
		push_change(L, &difference);
		lua_rawseti(L, -2, i);
	}
	if (err != END)
		raise_error(L, err);
	release_projected(L, 2);
	release_projected(L, 3);
	return 1;
}
