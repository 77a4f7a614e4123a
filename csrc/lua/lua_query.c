/* lua_query.c - queries for Lua: iterators, pages and counts. */
#include <string.h>

#include <lauxlib.h>

#include "lua/lua_argument.h"
#include "lua/lua_expression.h"
#include "lua/lua_failure.h"
#include "lua/lua_handle.h"
#include "lua/lua_query.h"
#include "lua/lua_value.h"
#include "os/clock.h"

/* Number of items of an iteration's first page, the factor by which pages grow up to LARGEST_PAGE,
 * and the number of bytes for each item at which a smaller page ends. */
#define FIRST_PAGE 8
#define PAGE_GROWTH 8
#define ITEM_BYTES 512

/* Size in bytes from which the last item of a page is not copied. The userdata gets the memory of
 * the page instead. */
#define LARGE_ITEM 16384

static void finish_query(struct child *child)
{
	struct query_handle *handle = (struct query_handle *)child;

	tide_query_finish(handle->query);
	handle->query = NULL;
	tide_expressions_close(handle->expressions);
	handle->expressions = NULL;
}

static const char *const comparisons[] = {
	"all", "=", "<", "<=", ">", ">=", "between", "begins_with", NULL,
};

/* Reads the arguments of query into *spec. The values stay in the database's builders. */
static int read_spec(lua_State *L, struct database *database, const struct key_schema *schema,
	struct tide_query_spec *spec, struct value *partition, struct failure *failure)
{
	struct slice sort = attribute_name(&schema->sort);
	int err = 0;

	spec->comparison = (enum comparison)luaL_checkoption(L, 3, "all", comparisons);
	spec->backward = lua_toboolean(L, 6);
	if (!lua_isnil(L, 13)) {
		spec->total_segments = (uint32_t)check_choice(L, 13, 1, TIDE_SEGMENTS_MAX);
		spec->segment = (uint32_t)check_choice(L, 12, 0, spec->total_segments - 1);
	}
	if (!lua_isnil(L, 2)) {
		err = read_value(L, 2, &database->builder, attribute_name(&schema->partition),
			partition, failure);
		spec->partition = partition;
	}
	if (sort.len == 0)
		sort = slice_of_text("sort");
	if (!err && spec->comparison != COMPARE_ALL)
		err = read_value(L, 4, &database->second, sort, &spec->a, failure);
	if (!err && spec->comparison == COMPARE_BETWEEN)
		err = read_value(L, 5, &database->third, sort, &spec->b, failure);
	return err;
}

/* Reads the start key into database->builder. The partition key is in the same builder, so its
 * bytes are copied to database->bytes first. */
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

/* Pushes and returns a new query that will read from the snapshot at index, which may be nil. */
static struct query_handle *new_query(lua_State *L, int index)
{
	struct query_handle *handle;

	lua_getiuservalue(L, 1, 1);
	handle = new_child(L, -1, sizeof *handle, QUERY_TYPE, 2, finish_query);
	if (!lua_isnil(L, index)) {
		handle->held = check_type(L, index, SNAPSHOT_TYPE);
		lua_pushvalue(L, index);
		lua_setiuservalue(L, -2, 2);
	}
	return handle;
}

/* Sets what the query reads: a snapshot, the open transaction (inside; raises CLOSED, TIMEOUT), or
 * the last commit. A query with a snapshot can later be run again in a transaction. */
static void choose_source(lua_State *L, struct query_handle *handle,
	const struct database *database, bool inside, struct tide_query_spec *spec)
{
	spec->committed = !inside && !handle->held;
	if (handle->held) {
		spec->snapshot = check_held(L, handle->held, 9);
		handle->refreshes = handle->held->refreshes;
		luaL_argcheck(L, handle->held->child.database == database, 9,
			"expected a snapshot of the table's database");
	} else if (inside) {
		check_deadline(L, database);
		handle->inside = database->transactions;
	}
}

/* Reads the table's key schema, from `snapshot` or, if that is NULL, from the last commit. */
static int read_schema(struct database *database, struct table_handle *table,
	const struct tide_snapshot *snapshot, struct key_schema *schema, struct failure *failure)
{
	const struct table_row *row;
	struct table_row buf;
	int err;

	if (snapshot) {
		err = tide_describe_table_at(database->tide, snapshot, &table->table, &buf,
			failure);
		row = &buf;
	} else {
		err = tide_describe_table(database->tide, &table->table, &row, failure);
	}
	if (!err)
		*schema = row->schema;
	return err;
}

/* Reads and binds the expressions at 11, which belong to the handle. */
static int read_expressions(lua_State *L, struct database *database,
	struct query_handle *handle, struct positions *positions, struct failure *failure)
{
	int err;

	*positions = (struct positions){ .is_wrong = false };
	if (lua_isnil(L, 11))
		return 0;
	err = tide_expressions_open(&handle->expressions, database->tide, failure);
	if (!err)
		err = read_request(L, 11, database, handle->expressions, slice_of(NULL, 0),
			TAKES(EXPRESSION_KEY_CONDITION) | TAKES(EXPRESSION_FILTER) |
			TAKES(EXPRESSION_PROJECTION), positions, failure);
	if (!err && !positions->is_wrong)
		err = tide_expressions_bind(handle->expressions, lua_isnil(L, 2) ?
			"FilterExpression is null" :
			"FilterExpression and KeyConditionExpression are null", failure);
	return err;
}

/* query(table, partition | nil, comparison, a, b, descending, start_key, limit, snapshot | nil,
 * true to read the open transaction, options with expressions | nil, segment | nil, total segments
 * | nil) -> query; nil, err, code; or false, wanted, given, index of a nil */
static int start_new_query(lua_State *L)
{
	struct positions positions;
	struct database *database;
	struct table_handle *table = check_table(L, 1, &database);
	struct tide_query_spec spec = { 0 };
	struct value partition;
	struct query_handle *handle;
	struct key_schema schema;
	struct failure failure;
	int err;

	lua_settop(L, 13);
	luaL_checkstack(L, LUA_MINSTACK, NULL);
	handle = new_query(L, 9);
	check_table(L, 1, &database);
	/* Until adopt is called, Lua allocates nothing, so no finalizer can close the database. */
	handle->left = (uint64_t)luaL_optinteger(L, 8, INT64_MAX);
	choose_source(L, handle, database, lua_toboolean(L, 10), &spec);
	err = read_schema(database, table, spec.snapshot, &schema, &failure);
	if (!err)
		err = read_spec(L, database, &schema, &spec, &partition, &failure);
	if (!err)
		err = read_start_key(L, database, &spec, &partition, &failure);
	if (!err)
		err = read_expressions(L, database, handle, &positions, &failure);
	if (err)
		return return_failure(L, &failure);
	if (positions.is_wrong)
		return push_positions(L, &positions);
	check_table(L, 1, &database);
	spec.expressions = handle->expressions;
	if (tide_query_start(&handle->query, database->tide, &table->table, &spec, &failure))
		return return_failure(L, &failure);
	handle->expressions = NULL;
	handle->page = lua_isnil(L, 8) || (!handle->held && tide_query_filters(handle->query)) ?
		FIRST_PAGE : LARGEST_PAGE;
	adopt(&handle->child, database);
	hold_memory(L, &handle->child, tide_query_bytes(handle->query));
	return 1;
}

static int unpin_and_raise(lua_State *L, struct query_handle *handle, const char *why, int err)
{
	struct failure failure;

	tide_query_unpin(handle->query, err);
	fail_as(&failure, err, "%s", why);
	return raise_failure(L, &failure);
}

/* Raises CLOSED if the transaction that the query reads in has ended, even if its page still has
 * items. */
void check_inside(lua_State *L, struct query_handle *handle,
	const struct database *database)
{
	if (handle->inside && (handle->inside != database->transactions ||
			!database->deadline_ms))
		unpin_and_raise(L, handle, "the transaction has ended", ERR_CLOSED);
}

/* Returns the query at 1; raises an argument error if it was created with a snapshot. */
static struct query_handle *check_query_without_snapshot(lua_State *L, struct database **database)
{
	struct query_handle *handle = check_child(L, 1, QUERY_TYPE, database);

	luaL_argcheck(L, !handle->held, 1, "expected a query without a snapshot");
	check_inside(L, handle, *database);
	return handle;
}

/* pin(query, seconds) -> query; or nil, err, code. Reads all pages from one snapshot, which is
 * held for at most this time. */
static int pin_query(lua_State *L)
{
	struct database *database;
	struct query_handle *handle = check_query_without_snapshot(L, &database);
	struct failure failure;
	int err;

	luaL_argcheck(L, !handle->pinned, 1, "expected a query without a snapshot");
	handle->deadline_ms = clock_elapsed_ms(clock_process()) + check_time_limit(L, 2);
	err = tide_query_pin(handle->query, database->tide, handle->deadline_ms,
		&failure);
	if (err && collect_forgotten(L, &failure)) {
		check_query_without_snapshot(L, &database);
		err = tide_query_pin(handle->query, database->tide, handle->deadline_ms,
			&failure);
	}
	if (err)
		return return_failure(L, &failure);
	handle->pinned = true;
	lua_pushvalue(L, 1);
	return 1;
}

/* Reads the next page, of at most `most` items evaluated. Raises CLOSED or TIMEOUT; returns other
 * errors. */
static int fill_query_page(lua_State *L, struct query_handle *handle, struct database *database,
	uint64_t most, struct failure *failure)
{
	uint32_t max = most < LARGEST_PAGE ? (uint32_t)most : LARGEST_PAGE;
	int err;

	check_inside(L, handle, database);
	if (handle->held)
		check_reads_snapshot(L, handle);
	if (handle->deadline_ms && !tide_query_ended(handle->query) &&
			clock_elapsed_ms(clock_process()) > handle->deadline_ms)
		return unpin_and_raise(L, handle,
			"the snapshot was held longer than snapshot_limit", ERR_TIMEOUT);
	err = tide_query_fill(handle->query, database->tide, max, failure);
	hold_memory(L, &handle->child, tide_query_bytes(handle->query));
	check_open(L, &handle->child);
	return err;
}

/* If the next item is the last of the page, pushes a userdata with the memory of the page.
 * Otherwise pushes nothing and returns false. */
static bool take_page_memory(lua_State *L, struct query_handle *handle, struct owned_item *owned)
{
	struct lua_buffer *buffer = new_lua_buffer(L);

	check_open(L, &handle->child);
	if (tide_query_take_last(handle->query, &owned->version, &owned->item,
			&buffer->bytes) == 0) {
		owned->buffer = buffer;
		return true;
	}
	lua_pop(L, 1);
	return false;
}

/* Pushes a userdata with a copy of the next item, which has len bytes. If a finalizer has advanced
 * the query and the next item has another length, pushes nothing and returns false. */
static bool copy_next(lua_State *L, struct query_handle *handle, size_t len,
	struct owned_item *owned)
{
	void *copy = lua_newuserdatauv(L, len, 0);
	struct slice lent;
	uint64_t sequence;

	check_open(L, &handle->child);
	if (tide_query_peek(handle->query, &sequence, &lent) == 0 && lent.len == len) {
		memcpy(copy, lent.data, len);
		*owned = (struct owned_item){ slice_of(copy, len), sequence, NULL };
		tide_query_next(handle->query, &sequence, &lent);
		return true;
	}
	lua_pop(L, 1);
	return false;
}

bool query_own_next(lua_State *L, struct query_handle *handle, struct owned_item *owned)
{
	struct slice lent;
	uint64_t sequence;

	for (;;) {
		check_open(L, &handle->child);
		if (tide_query_peek(handle->query, &sequence, &lent) == END)
			return false;
		if (lent.len >= LARGE_ITEM && take_page_memory(L, handle, owned))
			return true;
		check_open(L, &handle->child);
		if (copy_next(L, handle, lent.len, owned))
			return true;
	}
}

void query_push_owned(lua_State *L, const struct owned_item *owned, bool encoded)
{
	if (encoded)
		lua_pushlstring(L, (const char *)owned->item.data, owned->item.len);
	else
		push_item(L, owned->item);
	if (owned->buffer)
		buffer_release(&owned->buffer->bytes);
}

int query_fill_more(lua_State *L, struct query_handle *handle, struct database *database,
	uint64_t most, struct failure *failure)
{
	uint32_t page = handle->page;

	run_hooks(L);
	check_open(L, &handle->child);
	tide_query_limit_pages(handle->query, page < LARGEST_PAGE ? page * ITEM_BYTES : 0);
	handle->page = page < LARGEST_PAGE / PAGE_GROWTH ? page * PAGE_GROWTH : LARGEST_PAGE;
	return fill_query_page(L, handle, database, most < page ? most : page, failure);
}

uint64_t query_wanted(const struct query_handle *handle)
{
	return tide_query_filters(handle->query) ? UINT64_MAX : handle->left;
}

/* The iterator: returns the next item, nothing at the end; raises failures. */
static int next_item(lua_State *L)
{
	struct database *database;
	struct query_handle *handle;
	struct failure failure;
	struct owned_item owned;

	lua_settop(L, 0);
	lua_pushvalue(L, lua_upvalueindex(1));
	handle = check_query_without_snapshot(L, &database);
	for (;;) {
		/* Hooks and finalizers may read the last items of the limit. */
		if (handle->left == 0) {
			tide_query_unpin(handle->query, END);
			return 0;
		}
		if (query_own_next(L, handle, &owned))
			break;
		if (query_fill_more(L, handle, database, query_wanted(handle), &failure))
			return raise_failure(L, &failure);
		if (tide_query_count(handle->query) == 0 && !tide_query_more(handle->query))
			return 0;
	}
	if (handle->left)
		handle->left--;
	query_push_owned(L, &owned, false);
	return 1;
}

/* items(query) -> an iterator function that contains the query, so it can also be called outside
 * of a generic for */
static int query_items(lua_State *L)
{
	check_type(L, 1, QUERY_TYPE);
	lua_settop(L, 1);
	lua_pushcclosure(L, next_item, 1);
	return 1;
}

/* Pushes the key after which the range continues; nil if this is the key of the last item, or if
 * the range ends with the page. */
static void push_last_key(lua_State *L, struct query_handle *handle)
{
	struct slice key = tide_query_last_key(handle->query);
	void *copy;

	if (key.len == 0) {
		lua_pushnil(L);
		return;
	}
	copy = lua_newuserdatauv(L, key.len, 0);
	check_open(L, &handle->child);
	key = tide_query_last_key(handle->query);
	if (key.len != lua_rawlen(L, -1))
		luaL_error(L, "the query was used by a finalizer");
	memcpy(copy, key.data, key.len);
	push_item(L, slice_of(copy, key.len));
	lua_remove(L, -2);
}

/* Pushes the last key of a page that was counted, or the last item, which contains the key; nil if
 * the range ends with the page. */
static void push_last_of_page(lua_State *L, struct query_handle *handle)
{
	struct owned_item owned;
	struct slice item;
	uint64_t version;

	push_last_key(L, handle);
	if (!lua_isnil(L, -1) || !tide_query_more(handle->query))
		return;
	for (uint32_t n = tide_query_count(handle->query); n > 1; n--)
		tide_query_next(handle->query, &version, &item);
	if (query_own_next(L, handle, &owned))
		query_push_owned(L, &owned, false);
}

/* Reads the next page and adds the number of its items to *items. If all is true, the limit is the
 * number of items of all pages, and what is left of it is decreased. */
static int count_page(lua_State *L, struct query_handle *handle, struct database *database,
	bool all, lua_Integer *items, struct failure *failure)
{
	bool filters = tide_query_filters(handle->query);
	int err = fill_query_page(L, handle, database, all && filters ? UINT64_MAX : handle->left,
		failure);
	uint64_t given = err ? 0 : tide_query_count(handle->query);

	if (all && given > handle->left)
		given = handle->left;
	if (all)
		handle->left -= given;
	*items += (lua_Integer)given;
	return err;
}

/* count(query, all) -> number of items of the next page, or of all pages up to the limit; true if
 * there are more; number of items evaluated; last key of the page, or its last item; or nil, err,
 * code */
static int count_items(lua_State *L)
{
	struct database *database;
	struct query_handle *handle = check_query_without_snapshot(L, &database);
	bool all = lua_toboolean(L, 2), more = true;
	lua_Integer items = 0, scanned = 0;
	struct failure failure;

	lua_settop(L, 2);
	while (more && handle->left > 0) {
		if (all)
			run_hooks(L);
		check_query_without_snapshot(L, &database);
		if (count_page(L, handle, database, all, &items, &failure))
			return return_failure(L, &failure);
		scanned += tide_query_scanned(handle->query);
		more = tide_query_more(handle->query);
		if (!all)
			break;
	}
	lua_pushinteger(L, items);
	lua_pushboolean(L, more);
	lua_pushinteger(L, scanned);
	if (all)
		return 3;
	push_last_of_page(L, handle);
	lua_copy(L, -1, 6);
	lua_settop(L, 6);
	return 4;
}

/* page(query) -> array of items, true if there are more, number of items evaluated, last key;
 * or nil, err, code. A last key of nil means that it is the key of the last item. */
static int query_page(lua_State *L)
{
	struct database *database;
	struct query_handle *handle = check_query_without_snapshot(L, &database);
	struct failure failure;
	struct owned_item owned;
	lua_Integer n = 0;
	lua_Integer scanned;
	bool more;

	if (fill_query_page(L, handle, database, handle->left, &failure))
		return return_failure(L, &failure);
	more = tide_query_more(handle->query);
	scanned = tide_query_scanned(handle->query);
	lua_settop(L, 1);
	push_last_key(L, handle);
	lua_newtable(L);
	while (query_own_next(L, handle, &owned)) {
		query_push_owned(L, &owned, false);
		lua_rawseti(L, -3, ++n);
		lua_pop(L, 1);
	}
	lua_pushboolean(L, more);
	lua_pushinteger(L, scanned);
	lua_pushvalue(L, 2);
	return 4;
}

void open_queries(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "query", start_new_query },
		{ "pin", pin_query },
		{ "items", query_items },
		{ "page", query_page },
		{ "count", count_items },
		{ "next_json", next_json },
		{ NULL, NULL },
	};

	new_type(L, QUERY_TYPE, finish_child, finish_child);
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
	open_snapshot_queries(L);
}
