/* query.c - queries for Lua. */
#include <string.h>

#include <lauxlib.h>

#include "lua/failure.h"
#include "lua/handle.h"
#include "lua/value.h"

struct query_handle {
	struct child child;
	struct tide_query *query;
	uint64_t left;               /* how many items it may still give */
	uint64_t deadline_ms;        /* of a pinned snapshot; 0: none */
	bool inside;                 /* made in a transaction, and ends with it */
};

static void finish_query(struct child *child)
{
	struct query_handle *handle = (struct query_handle *)child;

	tide_query_finish(handle->query);
	handle->query = NULL;
}

static const char *const comparisons[] = {
	"all", "=", "<", "<=", ">", ">=", "between", "begins_with", NULL,
};

/* What the arguments say; the values stay in the database's builders. */
static int read_spec(lua_State *L, struct database *database, const struct key_schema *schema,
	struct tide_query_spec *spec, struct value *partition, struct failure *failure)
{
	struct slice sort = attribute_name(&schema->sort);
	int err = 0;

	spec->comparison = (enum tide_comparison)luaL_checkoption(L, 3, "all", comparisons);
	spec->backward = lua_toboolean(L, 6);
	if (!lua_isnil(L, 2)) {
		err = read_value(L, 2, &database->builder, attribute_name(&schema->partition),
			partition, failure);
		spec->partition = partition;
	}
	if (sort.len == 0)
		sort = slice_of_text("sort");
	if (!err && spec->comparison != TIDE_ALL)
		err = read_value(L, 4, &database->second, sort, &spec->a, failure);
	if (!err && spec->comparison == TIDE_BETWEEN)
		err = read_value(L, 5, &database->third, sort, &spec->b, failure);
	return err;
}

/* A start key needs a builder of its own while the partition is in use: the
 * partition's bytes move over. */
static int read_start_key(lua_State *L, struct database *database,
	struct tide_query_spec *spec, struct value *partition, struct failure *failure)
{
	struct buffer *bytes = &database->bytes;

	if (lua_isnoneornil(L, 7))
		return 0;
	buffer_clear(bytes);
	if (spec->partition) {
		buffer_put_slice(bytes, partition->bytes);
		if (buffer_error(bytes))
			return fail(failure, ERR_NO_MEMORY);
		partition->bytes = buffer_slice(bytes);
	}
	return read_item(L, 7, &database->builder, &spec->start_key, "start_key", failure);
}

/* query(table, partition | nil, comparison, a, b, descending, start_key, limit) */
static int query(lua_State *L)
{
	struct database *database;
	struct table_handle *table = check_table(L, 1, &database);
	struct tide_query_spec spec = { 0 };
	struct value partition;
	struct query_handle *handle;
	const struct table_row *row;
	struct failure failure;
	int err;

	lua_settop(L, 8);
	lua_getiuservalue(L, 1, 1);
	handle = new_child(L, -1, sizeof *handle, QUERY_TYPE, 1, finish_query);
	check_table(L, 1, &database);
	/* From here to adopt nothing of Lua's is asked for. */
	handle->left = (uint64_t)luaL_optinteger(L, 8, INT64_MAX);
	handle->inside = tide_in_transaction(database->tide);
	err = tide_describe_table(database->tide, &table->table, &row, &failure);
	if (!err)
		err = read_spec(L, database, &row->schema, &spec, &partition, &failure);
	if (!err)
		err = read_start_key(L, database, &spec, &partition, &failure);
	if (err)
		return return_failure(L, &failure);
	if (tide_query_start(&handle->query, database->tide, &table->table, &spec, &failure))
		return return_failure(L, &failure);
	adopt(&handle->child, database);
	return 1;
}

static int raise_late(lua_State *L, struct query_handle *handle, const char *why, int err)
{
	struct failure failure;

	tide_query_unpin(handle->query);
	fail_as(&failure, err, "%s", why);
	return raise_failure(L, &failure);
}

/* pin(query, seconds): one snapshot for all its pages */
static int pin(lua_State *L)
{
	struct database *database;
	struct query_handle *handle = check_child(L, 1, QUERY_TYPE, &database);
	struct failure failure;

	handle->deadline_ms = tide_elapsed_ms() + (uint64_t)(luaL_checknumber(L, 2) * 1000);
	if (tide_query_pin(handle->query, database->tide, &failure))
		return return_failure(L, &failure);
	lua_pushvalue(L, 1);
	return 1;
}

static int fill(lua_State *L, struct query_handle *handle, struct database *database,
	struct failure *failure)
{
	uint32_t max = handle->left < 1000 ? (uint32_t)handle->left : 1000;

	if (handle->inside && !tide_in_transaction(database->tide))
		return raise_late(L, handle, "the transaction has ended", ERR_CLOSED);
	if (handle->deadline_ms && tide_elapsed_ms() > handle->deadline_ms)
		return raise_late(L, handle, "the snapshot was held longer than snapshot_limit",
			ERR_TIMEOUT);
	return tide_query_fill(handle->query, database->tide, max, failure);
}

/* The page's next item into memory of Lua's own, on the stack: false at the
 * page's end. A finalizer may have moved on or closed the query meanwhile. */
static bool box_next(lua_State *L, struct slice *item)
{
	struct database *database;
	struct query_handle *handle;
	struct slice lent;
	uint64_t sequence;

	for (;;) {
		void *box;

		handle = check_child(L, 1, QUERY_TYPE, &database);
		if (tide_query_peek(handle->query, &sequence, &lent) == END)
			return false;
		item->len = lent.len;
		box = lua_newuserdatauv(L, lent.len, 0);
		handle = check_child(L, 1, QUERY_TYPE, &database);
		if (tide_query_peek(handle->query, &sequence, &lent) == 0 && lent.len == item->len) {
			memcpy(box, lent.data, lent.len);
			item->data = box;
			tide_query_next(handle->query, &sequence, &lent);
			return true;
		}
		lua_pop(L, 1);
	}
}

/* The next item, on the stack; nothing at the end. Raises failures. */
static int next_item(lua_State *L)
{
	struct database *database;
	struct query_handle *handle = check_child(L, 1, QUERY_TYPE, &database);
	struct failure failure;
	struct slice item;

	if (handle->left == 0)
		return 0;
	if (!box_next(L, &item)) {
		if (fill(L, handle, database, &failure))
			return raise_failure(L, &failure);
		if (!box_next(L, &item))
			return 0;
	}
	handle->left--;
	push_item(L, item);
	return 1;
}

/* page(query) -> array of items, whether there is more; nil, err, code */
static int page(lua_State *L)
{
	struct database *database;
	struct query_handle *handle = check_child(L, 1, QUERY_TYPE, &database);
	struct failure failure;
	struct slice item;
	lua_Integer n = 0;
	bool more;

	if (fill(L, handle, database, &failure))
		return return_failure(L, &failure);
	more = tide_query_more(handle->query);
	lua_newtable(L);
	while (box_next(L, &item)) {
		push_item(L, item);
		lua_rawseti(L, -3, ++n);
		lua_pop(L, 1);
	}
	lua_pushboolean(L, more);
	return 2;
}

void open_queries(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "query", query },
		{ "pin", pin },
		{ "next_item", next_item },
		{ "page", page },
		{ NULL, NULL },
	};

	new_type(L, QUERY_TYPE, finish_child);
	luaL_setfuncs(L, functions, 0);
}
