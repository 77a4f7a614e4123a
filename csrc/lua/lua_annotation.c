/* lua_annotation.c - annotations of transactions for Lua: encoded once, then given to each attempt
 * of the transaction.
 */
#include "lua/lua_annotation.h"

#include <string.h>

#include <lauxlib.h>

#include "codec/annotation.h"
#include "lua/lua_argument.h"
#include "lua/lua_buffer.h"
#include "lua/lua_failure.h"
#include "lua/lua_value.h"

struct slice check_annotation(lua_State *L, int index)
{
	struct slice bytes;

	if (lua_isnoneornil(L, index))
		return slice_of(NULL, 0);
	bytes = check_slice(L, index);
	luaL_argcheck(L, bytes.len == 0 || annotation_check(bytes) == 0, index,
		"expected an annotation");
	return bytes;
}

/* Reports why a context can't be stored. Messages about one of its attributes begin with the path
 * of the attribute. */
static int refuse_context(struct failure *failure)
{
	static const char name[] = "context";
	const struct failure found = *failure;

	if (found.err == ERR_NO_MEMORY || strncmp(found.message, name, sizeof name - 1) == 0)
		return found.err;
	if (found.err == ERR_ITEM_TOO_BIG)
		return fail_as(failure, ERR_VALIDATION, CONTEXT_TOO_LARGE);
	return fail_as(failure, found.err, "%s.%s", name, found.message);
}

/* Reads the context at 2, nil or a table. */
static int read_context(lua_State *L, struct database *database, struct slice *context,
	struct failure *failure)
{
	if (lua_isnil(L, 2) || read_item(L, 2, &database->builder, context, "context",
			failure) == 0)
		return 0;
	return refuse_context(failure);
}

/* annotation(db, context | nil, origin | nil, depth) -> annotation as bytes ("": none of them is
 * given); or nil, err, code */
static int encode_annotation(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct annotation annotation = {
		.origin = lua_isnil(L, 3) ? slice_of(NULL, 0) : check_slice(L, 3),
		.depth = (uint8_t)check_choice(L, 4, 0, UINT8_MAX),
	};
	struct buffer *out = &new_lua_buffer(L)->bytes;
	struct failure failure;
	int err;

	check_database(L, 1);
	err = read_context(L, database, &annotation.context, &failure);
	if (!err)
		err = annotation_encode(out, &annotation, &failure);
	if (err)
		return return_failure(L, &failure);
	lua_pushlstring(L, (const char *)out->data, out->len);
	buffer_release(out);     /* the collector does not count this memory */
	return 1;
}

/* annotate(db, annotation as bytes): sets the annotation of the open transaction */
static int annotate(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct slice annotation = check_annotation(L, 2);
	struct failure failure;

	check_deadline(L, database);
	if (tide_annotate(database->tide, annotation, &failure))
		return raise_failure(L, &failure);
	return 0;
}

void open_annotations(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "annotation", encode_annotation },
		{ "annotate", annotate },
		{ NULL, NULL },
	};

	luaL_setfuncs(L, functions, 0);
}
