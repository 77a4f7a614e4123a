/* lua_query_json.c - the items of a query as lines of JSON, without Lua tables. */
#include "lua/lua_query.h"

#include <lauxlib.h>

#include "lua/lua_argument.h"
#include "lua/lua_failure.h"
#include "lua/lua_json.h"

/* Minimum number of bytes that next_json returns, unless the page ends before. */
#define LINES_BYTES 65536

struct lines {
	enum json_form form;
	struct json_names first;
	struct slice before, after;  /* text around each item */
	struct buffer *text;
	lua_Integer count;
};

static int put_line(struct lines *lines, struct slice item)
{
	buffer_put_slice(lines->text, lines->before);
	json_put_item(lines->text, item, lines->form, &lines->first.order);
	buffer_put_slice(lines->text, lines->after);
	return buffer_error(lines->text);
}

/* Writes the next items of the page. Returns 0, or the error of an item, which then remains the
 * next item of the page. The lines before it are valid. */
static int put_lines(struct query_handle *handle, struct lines *lines)
{
	struct tide_query *query = handle->query;
	struct slice item, shown;
	uint64_t version;
	int err = 0;

	while (!err && handle->left > 0 && lines->text->len < LINES_BYTES &&
			tide_query_peek(query, &version, &item) == 0) {
		size_t start = lines->text->len;

		shown = item;
		err = handle->held ? tide_query_select(query, item, &shown) : 0;
		if (!err) {
			err = put_line(lines, shown);
			lines->count += !err;
			handle->left -= !err && !handle->held;
		}
		if (err == END)
			err = 0;
		if (err)
			lines->text->len = start;
		else
			tide_query_next(query, &version, &item);
	}
	return err;
}

/* Pushes the lines of the next items. Returns false at the end; raises failures. */
static bool push_lines(lua_State *L, struct query_handle *handle, struct database *database,
	struct lines *lines)
{
	struct failure failure;
	int err;

	for (;;) {
		err = put_lines(handle, lines);
		if (lines->count > 0)
			break;
		if (err) {
			fail(&failure, err);
			raise_failure(L, &failure);
		}
		if (handle->left == 0) {
			if (!handle->held)
				tide_query_unpin(handle->query, END);
			return false;
		}
		if (query_fill_more(L, handle, database, query_wanted(handle), &failure))
			raise_failure(L, &failure);
		if (tide_query_count(handle->query) == 0 && !tide_query_more(handle->query))
			return false;
	}
	lua_pushlstring(L, (const char *)lines->text->data, lines->text->len);
	return true;
}

/* next_json(query, form, names that come first | nil, text before each item, text after it) ->
 * text of some items, their number; nothing at the end. Raises failures. */
int next_json(lua_State *L)
{
	struct database *database;
	struct query_handle *handle = check_child(L, 1, QUERY_TYPE, &database);
	struct lines lines = { .count = 0 };

	lua_settop(L, 5);
	luaL_checkstack(L, LUA_MINSTACK, NULL);
	lines.form = check_json_form(L, 2);
	lines.before = check_slice(L, 4);
	lines.after = check_slice(L, 5);
	check_json_names(L, 3, &lines.first);
	lines.text = &new_lua_buffer(L)->bytes;
	check_open(L, &handle->child);
	check_inside(L, handle, database);
	if (handle->held)
		check_reads_snapshot(L, handle);
	if (!push_lines(L, handle, database, &lines))
		return 0;
	buffer_release(lines.text);
	lua_pushinteger(L, lines.count);
	return 2;
}
