/* lua_feed.c - feeds for Lua: reading streams, and waiting for more records. */
#include <string.h>

#include <lauxlib.h>

#include "lua/lua_argument.h"
#include "lua/lua_buffer.h"
#include "lua/lua_expression.h"
#include "lua/lua_failure.h"
#include "lua/lua_field.h"
#include "lua/lua_handle.h"
#include "lua/lua_projection.h"
#include "lua/lua_record.h"
#include "lua/lua_record_info.h"
#include "lua/lua_value.h"
#include "os/clock.h"
#include "tide_consumer.h"

/* User values: the database; the infos of the streams whose records were returned
 * (lua_record_info.h), nil if there are none; the metatable of records, which is read faster from
 * here than from the registry; the projection of the records (lua_projection.h), nil if there is
 * none. */
enum user_value { VALUE_DATABASE = 1, VALUE_INFOS, VALUE_RECORD_TYPE, VALUE_PROJECTION };
#define USER_VALUES 4

/* Records of the first page and of the largest page. */
#define FIRST_PAGE 16
#define LARGEST_PAGE 1000

struct feed_handle {
	struct child child;
	struct tide_feed *feed;
	struct tide_expressions *expressions;        /* NULL after the feed was started */
	bool is_filtered;            /* or returns the items of a copy: pages can be empty */
	uint64_t left;               /* records left until the limit */
	uint32_t known;              /* id of a stream that the infos contain; 0: none */
	struct info_blocks blocks;   /* of the infos */
	uint32_t page;               /* maximum number of records of the last page */
	uint32_t page_max;           /* limit of that number */
};

static void finish_feed(struct child *child)
{
	struct feed_handle *handle = (struct feed_handle *)child;

	tide_feed_finish(handle->feed);
	handle->feed = NULL;
	tide_expressions_close(handle->expressions);
	handle->expressions = NULL;
}

/* Reads and binds the filter and the projection of the options at index, a table or nil. */
static int bind_selection(lua_State *L, int index, struct database *database,
	struct feed_handle *handle, struct positions *positions, struct failure *failure)
{
	int err;

	*positions = (struct positions){ .is_wrong = false };
	if (lua_isnil(L, index))
		return 0;
	err = tide_expressions_open(&handle->expressions, database->tide, failure);
	if (!err)
		err = read_request(L, index, database, handle->expressions, slice_of(NULL, 0),
			TAKES(EXPRESSION_RECORD_FILTER) | TAKES(EXPRESSION_PROJECTION), positions,
			failure);
	if (!err && !positions->is_wrong)
		err = tide_expressions_bind(handle->expressions, "FilterExpression is null",
			failure);
	return err;
}

/* Reads the options at index, a table or nil, into the handle on top of the stack: the filter as
 * its expressions (NULL: none), the projection as its user value. Fails if the options have a wrong
 * number of values (positions). Raises CLOSED if a finalizer has closed the database. */
static int read_selection(lua_State *L, int index, struct database *database,
	struct feed_handle *handle, struct positions *positions, struct failure *failure)
{
	int err = bind_selection(L, index, database, handle, positions, failure);

	if (err || positions->is_wrong || !handle->expressions)
		return err;
	push_projection(L, handle->expressions);
	lua_setiuservalue(L, -2, VALUE_PROJECTION);
	if (!tide_expressions_has(handle->expressions, EXPRESSION_RECORD_FILTER)) {
		tide_expressions_close(handle->expressions);
		handle->expressions = NULL;
	}
	check_usable(L, database);
	return 0;
}

/* Returns true if the first argument of feed is the id of a stream. */
static bool is_one_stream(uint32_t stream)
{
	return stream && stream != TIDE_STREAMS_AND_TABLES;
}

/* Sets *image to the name of an image that the filter reads and the stream does not contain, and
 * *view to the stream's view. Sets *image to NULL if there is no such image, or if the feed reads
 * all streams. */
static int find_unstored_image(struct database *database, const struct feed_handle *handle,
	uint32_t stream, const char **image, const char **view, struct failure *failure)
{
	const struct stream_row *row = NULL;
	int err;

	*image = NULL;
	if (!is_one_stream(stream) || !handle->expressions)
		return 0;
	err = tide_stream_row(database->tide, stream, &row, failure);
	if (err)
		return err;
	*image = tide_expressions_unstored_image(handle->expressions, row->view);
	*view = view_name(row->view);
	return 0;
}

/* Checks the arguments of feed and removes those after the options. */
static void check_arguments(lua_State *L, uint32_t stream)
{
	lua_Integer from = check_choice(L, 3, TIDE_TRIM_HORIZON, TIDE_NEWEST);
	bool is_one = is_one_stream(stream);

	luaL_checkinteger(L, 4);
	lua_settop(L, 7);
	luaL_argcheck(L, from != TIDE_SNAPSHOT, 3, "only consumers start with a snapshot");
	luaL_argcheck(L, is_one || from != TIDE_NEWEST, 3, "newest first requires a stream");
	luaL_argcheck(L, is_one || lua_isnil(L, 6), 6, "a key requires a stream");
}

/* Starts the feed with the filter of the handle and the key at 6. */
static int start_feed(lua_State *L, struct database *database, struct feed_handle *handle,
	uint32_t stream, struct failure *failure)
{
	struct slice key = { 0 };
	int err = 0;

	handle->is_filtered = handle->expressions || !lua_isnil(L, 6);
	if (!lua_isnil(L, 6))
		err = read_item(L, 6, &database->builder, &key, "key", failure);
	if (!err)
		err = tide_feed_start(&handle->feed, database->tide, stream,
			(enum tide_from)lua_tointeger(L, 3), (uint64_t)lua_tointeger(L, 4),
			failure);
	if (!err && handle->is_filtered) {
		err = tide_feed_filter(handle->feed, database->tide, key, handle->expressions,
			failure);
		if (!err)
			handle->expressions = NULL;
	}
	return err;
}

/* Pushes and returns the handle of a feed that was not started yet. */
static struct feed_handle *new_feed(lua_State *L, lua_Integer limit)
{
	struct feed_handle *handle = new_child(L, 1, sizeof *handle, FEED_TYPE, USER_VALUES,
		finish_feed);

	handle->left = (uint64_t)limit;
	handle->page_max = LARGEST_PAGE;
	lua_rawgetp(L, LUA_REGISTRYINDEX, RECORD_TYPE);
	lua_setiuservalue(L, -2, VALUE_RECORD_TYPE);
	return handle;
}

/* feed(db, stream id, 0 or -1, from, at, limit | nil, key | nil, options with a filter and a
 * projection | nil) -> feed; nil, err, code; false, wanted, given, index of a nil; or false, name
 * of an image that the filter reads and the stream does not contain, view type of the stream. 0:
 * the streams of all tables; -1: also that of the changes of tables. */
static int start_new_feed(lua_State *L)
{
	struct database *database = check_database(L, 1);
	uint32_t stream = (uint32_t)luaL_checkinteger(L, 2);
	lua_Integer limit = luaL_optinteger(L, 5, INT64_MAX);
	struct positions positions;
	struct feed_handle *handle;
	struct failure failure;
	const char *image, *view;
	int err;

	check_arguments(L, stream);
	handle = new_feed(L, limit);
	check_database(L, 1);
	err = read_selection(L, 7, database, handle, &positions, &failure);
	/* Until adopt is called, Lua allocates nothing, so no finalizer can close the database. */
	if (!err && positions.is_wrong)
		return push_positions(L, &positions);
	if (!err)
		err = find_unstored_image(database, handle, stream, &image, &view, &failure);
	if (!err && image) {
		lua_pushboolean(L, 0);
		lua_pushstring(L, image);
		lua_pushstring(L, view);
		return 3;
	}
	if (!err)
		err = start_feed(L, database, handle, stream, &failure);
	if (err)
		return return_failure(L, &failure);
	adopt(&handle->child, database);
	hold_memory(L, &handle->child, tide_feed_bytes(handle->feed));
	return 1;
}

/* Gives the feed the filter of the handle, if there is one. A feed of a range of shards has a
 * filter, too. */
static int set_filter(const struct database *database, struct feed_handle *handle,
	struct failure *failure)
{
	int err;

	handle->is_filtered = true;
	if (!handle->expressions)
		return 0;
	err = tide_feed_filter(handle->feed, database->tide, slice_of(NULL, 0),
		handle->expressions, failure);
	if (!err)
		handle->expressions = NULL;
	return err;
}

/* consumer_feed(db, consumer id, ids of its streams | {}: all, options with a filter and a
 * projection | nil, first shard of a range, its epoch, number of shards) -> feed; nil, err, code;
 * or false, wanted, given, index of a nil. An image that a stream does not contain is missing. */
static int start_consumer_feed(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct shard_range range = { .consumer = (uint64_t)luaL_checkinteger(L, 2),
		.first = (uint16_t)check_choice(L, 5, 0, CONSUMER_SHARDS_MAX - 1),
		.epoch = check_unsigned(L, 6) };
	uint16_t shards = (uint16_t)check_choice(L, 7, 1, CONSUMER_SHARDS_MAX);
	struct positions positions;
	struct feed_handle *handle;
	struct failure failure;
	struct slice streams;
	int err;

	lua_settop(L, 4);
	streams = push_ids(L, 3);
	handle = new_feed(L, INT64_MAX);
	check_database(L, 1);
	err = read_selection(L, 4, database, handle, &positions, &failure);
	if (!err && positions.is_wrong)
		return push_positions(L, &positions);
	if (!err)
		err = tide_consumer_feed(&handle->feed, database->tide, range, shards, streams,
			&failure);
	if (!err)
		err = set_filter(database, handle, &failure);
	if (err)
		return return_failure(L, &failure);
	adopt(&handle->child, database);
	hold_memory(L, &handle->child, tide_feed_bytes(handle->feed));
	return 1;
}

static struct feed_handle *check_feed(lua_State *L, struct database **database)
{
	return check_child(L, 1, FEED_TYPE, database);
}

/* --- the infos of the records' streams --- */

void push_feed_projection(lua_State *L, int index)
{
	check_type(L, index, FEED_TYPE);
	lua_getiuservalue(L, index, VALUE_PROJECTION);
}

/* Pushes the infos of the feed at 1. */
static void push_feed_infos(lua_State *L, struct feed_handle *handle)
{
	if (lua_getiuservalue(L, 1, VALUE_INFOS) == LUA_TTABLE)
		return;
	lua_pop(L, 1);
	push_file_identity(L, handle->child.database);
	push_feed_projection(L, 1);
	push_infos(L);
	lua_pushvalue(L, -1);
	lua_setiuservalue(L, 1, VALUE_INFOS);
	check_open(L, &handle->child);
}

/* Adds the stream to the infos on top of the stack, unless they contain it. */
static int know_stream(lua_State *L, struct feed_handle *handle, uint32_t stream,
	struct failure *failure)
{
	int infos = lua_gettop(L);

	while (!has_info(L, infos, stream)) {
		struct buffer *bytes = &handle->child.database->bytes;
		int err;

		buffer_clear(bytes);
		err = tide_stream_bytes(handle->child.database->tide, stream, bytes, failure);
		if (err)
			return err;
		add_info(L, infos, &handle->blocks, stream, buffer_slice(bytes));
		check_open(L, &handle->child);
	}
	handle->known = stream;
	return 0;
}

/* --- records --- */

/* Pushes the page's next record and returns 1. Returns 0 at the end of the page, or if the
 * record's stream was removed after the page was read, which the next fill reports; otherwise an
 * error. A finalizer may advance or close the feed whenever Lua allocates. So the memory for the
 * record is allocated first, and is used only if the next record still has the same length. */
static int push_next(lua_State *L, struct feed_handle *handle, struct failure *failure)
{
	struct slice record, again;
	uint32_t stream, same;
	uint8_t *buf;

	for (;;) {
		if (tide_feed_peek(handle->feed, &stream, &record) == END)
			return 0;
		push_feed_infos(L, handle);
		if (handle->known != stream) {
			int err = know_stream(L, handle, stream, failure);

			if (err == ERR_NOT_FOUND)
				tide_feed_reread(handle->feed);
			if (err)
				return err == ERR_NOT_FOUND ? 0 : err;
		}
		lua_getiuservalue(L, 1, VALUE_RECORD_TYPE);
		buf = new_record(L, stream, record.len);
		check_open(L, &handle->child);
		if (tide_feed_peek(handle->feed, &same, &again) == 0 && same == stream &&
				again.len == record.len)
			break;
		lua_pop(L, 1);
	}
	memcpy(buf, again.data, again.len);
	tide_feed_next(handle->feed, &stream, &again);
	if (handle->left)
		handle->left--;
	return 1;
}

/* Pushes the next record and returns 1. Returns 0 if all records were read, the limit is reached,
 * or the filter has left out the records of a page (is_behind); or an error. */
static int next_or_fail(lua_State *L, struct failure *failure)
{
	struct database *database;
	struct feed_handle *handle = check_feed(L, &database);
	uint32_t max;
	int err;

	if (handle->left == 0)
		return 0;
	err = push_next(L, handle, failure);
	if (err)
		return err;
	if (!tide_feed_has_news(handle->feed, database->tide))
		return 0;
	/* Pages start small, for callers that read a few records, and become larger. */
	handle->page = handle->page ? handle->page * 4 : FIRST_PAGE;
	if (handle->page > handle->page_max)
		handle->page = handle->page_max;
	max = handle->left < handle->page ? (uint32_t)handle->left : handle->page;
	err = tide_feed_fill(handle->feed, database->tide, max, failure);
	hold_memory(L, &handle->child, tide_feed_bytes(handle->feed));
	check_open(L, &handle->child);
	return err ? err : push_next(L, handle, failure);
}

/* Returns true if next_or_fail returned 0 before the last record. */
static bool is_behind(lua_State *L)
{
	struct database *database;
	struct feed_handle *handle = check_feed(L, &database);

	return handle->is_filtered && handle->left > 0 && tide_feed_is_behind(handle->feed);
}

/* Checks whether a feed that has read all records can get more: returns FILE_GONE, FILE_REPLACED
 * and, if follows is true, STREAM_ENDED. Returns 0 if the feed has reached its limit. */
static int check_end(lua_State *L, bool follows, struct failure *failure)
{
	struct database *database;
	struct feed_handle *handle = check_feed(L, &database);
	int err = 0;

	if (handle->left == 0)
		return 0;
	if (follows)
		err = tide_feed_check_ended(handle->feed, database->tide, failure);
	return err ? err : tide_check_name(database->tide, failure);
}

/* The iterator: returns a record, nothing at the end; raises failures. */
static int next_record(lua_State *L)
{
	struct failure failure;
	int got;

	lua_settop(L, 0);
	lua_pushvalue(L, lua_upvalueindex(1));
	while ((got = next_or_fail(L, &failure)) == 0 && is_behind(L))
		run_hooks(L);
	if (got == 0)
		got = check_end(L, false, &failure);
	return got < 0 ? raise_failure(L, &failure) : got;
}

/* records(feed) -> an iterator function that contains the feed, like items (lua_query.c) */
static int feed_records(lua_State *L)
{
	check_type(L, 1, FEED_TYPE);
	lua_settop(L, 1);
	lua_pushcclosure(L, next_record, 1);
	return 1;
}

/* try_record(feed) -> record, nil if there is none, false if the filter has left out the records
 * of a page and more may follow; or nil, err, code */
static int try_record(lua_State *L)
{
	struct failure failure;
	int got = next_or_fail(L, &failure);

	if (got < 0)
		return return_failure(L, &failure);
	if (got == 0 && is_behind(L))
		lua_pushboolean(L, 0);
	else if (got == 0)
		lua_pushnil(L);
	return 1;
}

/* A batch of records that is being read, and its limits. */
struct batch {
	lua_Integer count, most;             /* number of records */
	lua_Integer bytes, most_bytes;
	lua_Integer depth, deep;             /* records from this depth on are left to the caller */
	lua_Integer last;                    /* highest sequence number */
};

/* Adds the record on top to the table at 2, and pops it. Returns false, and leaves it, if it does
 * not fit into the batch or is deep. */
static bool add_to_batch(lua_State *L, struct batch *batch)
{
	lua_Integer depth, bytes = measure_record_at(L, lua_gettop(L), &depth);

	if (depth >= batch->deep || sequence_of_record(L, -1) > batch->last)
		return false;
	if (batch->count > 0 && (batch->depth >= batch->deep ||
			batch->bytes + bytes > batch->most_bytes))
		return false;
	batch->count++;
	batch->bytes += bytes;
	batch->depth = depth > batch->depth ? depth : batch->depth;
	lua_rawseti(L, 2, batch->count);
	return true;
}

/* take_records(feed, batch, count, most, bytes, most bytes, depth, deep, last) -> count, bytes,
 * depth, record; or count, bytes, depth, nil, err, code. Adds records to the array `batch` until it
 * has `most` records or `most bytes`, and returns its new size. The returned record is one that
 * does not fit, whose depth is at least `deep`, or whose sequence number is greater than `last`;
 * nil if there is none, false if the filter has left out the records of a page. */
static int take_records(lua_State *L)
{
	struct batch batch = {
		.count = luaL_checkinteger(L, 3), .most = luaL_checkinteger(L, 4),
		.bytes = luaL_checkinteger(L, 5), .most_bytes = luaL_checkinteger(L, 6),
		.depth = luaL_checkinteger(L, 7), .deep = luaL_checkinteger(L, 8),
		.last = luaL_checkinteger(L, 9),
	};
	struct failure failure;
	bool fits = true;
	int got = 1;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	while (fits && batch.count < batch.most && got > 0) {
		got = next_or_fail(L, &failure);
		fits = got <= 0 || add_to_batch(L, &batch);
		if (fits)
			lua_settop(L, 2);
	}
	lua_pushinteger(L, batch.count);
	lua_pushinteger(L, batch.bytes);
	lua_pushinteger(L, batch.depth);
	if (got < 0)
		return 3 + return_failure(L, &failure);
	if (!fits)
		lua_pushvalue(L, -4);
	else if (got == 0 && is_behind(L))
		lua_pushboolean(L, 0);
	else
		lua_pushnil(L);
	return 4;
}

/* check_end(feed, follows) -> true; or nil, err, code. For a feed that has read all records,
 * before it waits. */
static int check_end_of(lua_State *L)
{
	struct failure failure;

	if (check_end(L, lua_toboolean(L, 2), &failure))
		return return_failure(L, &failure);
	lua_pushboolean(L, 1);
	return 1;
}

/* position(feed) -> sequence number of the last record returned or left out by the filter */
static int feed_position(lua_State *L)
{
	struct database *database;
	struct feed_handle *handle = check_feed(L, &database);

	lua_pushinteger(L, (lua_Integer)tide_feed_position(handle->feed));
	return 1;
}

/* feed_place(feed) -> position, item key after which a copy can continue there or nil, number of
 * records left out so far (tide_feed_left_out) */
static int feed_place(lua_State *L)
{
	struct database *database;
	struct feed_handle *handle = check_feed(L, &database);
	struct slice key = tide_feed_place(handle->feed);
	uint8_t bytes[KEY_HEAD_MAX + SORT_KEY_MAX];

	lua_pushinteger(L, (lua_Integer)tide_feed_position(handle->feed));
	lua_pushinteger(L, (lua_Integer)tide_feed_left_out(handle->feed));
	slice_write(bytes, key);         /* pushing it may run a finalizer that uses the feed */
	if (key.len)
		lua_pushlstring(L, (const char *)bytes, key.len);
	else
		lua_pushnil(L);
	lua_insert(L, -2);
	return 3;
}

/* passed_key(feed) -> item key after which a copy has to continue if the last record is a change
 * (tide_feed_passed); nil: no item was passed */
static int passed_key(lua_State *L)
{
	struct database *database;
	struct feed_handle *handle = check_feed(L, &database);
	struct slice key = tide_feed_passed(handle->feed);
	uint8_t bytes[KEY_HEAD_MAX + SORT_KEY_MAX];

	slice_write(bytes, key);         /* pushing it may run a finalizer that uses the feed */
	if (key.len)
		lua_pushlstring(L, (const char *)bytes, key.len);
	else
		lua_pushnil(L);
	return 1;
}

/* is_past(feed, transaction id) -> true if the feed has read records after the transaction */
static int feed_past(lua_State *L)
{
	struct database *database;
	struct feed_handle *handle = check_feed(L, &database);

	lua_pushboolean(L, tide_feed_is_past(handle->feed, (uint64_t)luaL_checkinteger(L, 2)));
	return 1;
}

/* is_done(feed) -> true if the limit is reached */
static int feed_done(lua_State *L)
{
	struct database *database;

	lua_pushboolean(L, check_feed(L, &database)->left == 0);
	return 1;
}

/* limit_page(feed, n): pages have at most n records or items. For tests. */
static int limit_page(lua_State *L)
{
	struct database *database;

	check_feed(L, &database)->page_max = (uint32_t)check_choice(L, 2, 1, LARGEST_PAGE);
	return 0;
}

/* feed_copy(feed) -> table with the state of the copy at which the feed was started: has_begun,
 * rounds, items; nil if the feed returns records only */
static int feed_copy(lua_State *L)
{
	struct database *database;
	const struct copy_row *row = tide_feed_copy(check_feed(L, &database)->feed);
	struct copy_row copy;

	if (!row)
		return 0;
	copy = *row;
	lua_createtable(L, 0, 3);
	set_bool(L, "has_begun", copy.has_begun);
	set_integer(L, "rounds", copy.rounds);
	set_integer(L, "items", copy.items);
	return 1;
}

/* --- waiting --- */

/* wait_feed(feed, seconds) -> the same as is_touched. Sleeps until a commit touches the stream, at
 * most a second. A signal ends the sleep, so that Lua's hooks run. */
static int wait_feed(lua_State *L)
{
	struct database *database;
	struct feed_handle *handle = check_feed(L, &database);

	tide_feed_wait(handle->feed, database->tide, check_wait(L, 2));
	lua_pushboolean(L, tide_feed_is_touched(handle->feed, database->tide));
	return 1;
}

/* Pushes false and the seconds of the argument that are left; the time at start_ms was before the
 * wait. Pushes nil instead of them if there is no limit. */
static int return_rest(lua_State *L, uint64_t start_ms)
{
	lua_pushboolean(L, 0);
	if (lua_isnoneornil(L, 2))
		lua_pushnil(L);
	else
		lua_pushnumber(L, lua_tonumber(L, 2) -
			(lua_Number)(clock_elapsed_ms(clock_process()) - start_ms) / 1000);
	return 2;
}

/* Returns true if the thread can sleep in one call: no event loop runs this coroutine, and no other
 * work is due while it waits. */
static bool only_sleeps(lua_State *L, const struct database *database)
{
	return !lua_isyieldable(L) && !clock_is_replaced() &&
		!running_transactions(L)->innermost && tide_feed_only_waits(database->tide);
}

/* follow(feed, seconds | nil, follows) -> the next record; nil at the limit; nil, err, code; or
 * false and the seconds that are left. Sleeps once if there is no record, at most a second. Returns
 * false without a sleep if the caller has to choose how to wait. Every process that waits for a
 * commit runs this after it, so it is one call. */
static int follow(lua_State *L)
{
	uint64_t start_ms = clock_elapsed_ms(clock_process());
	uint32_t ms = lua_isnoneornil(L, 2) ? 1000 : check_wait(L, 2);
	bool follows = lua_toboolean(L, 3), has_slept = false;

	do {
		struct database *database;
		struct feed_handle *handle;
		struct failure failure;
		int got;

		lua_settop(L, 2);
		while ((got = next_or_fail(L, &failure)) == 0 && is_behind(L))
			run_hooks(L);
		if (got == 0)
			got = check_end(L, follows, &failure);
		if (got)
			return got < 0 ? return_failure(L, &failure) : 1;
		handle = check_feed(L, &database);
		if (handle->left == 0)
			return 0;
		if (has_slept || !only_sleeps(L, database))
			break;
		tide_feed_wait(handle->feed, database->tide, ms);
		has_slept = tide_feed_is_touched(handle->feed, database->tide);
	} while (has_slept);
	return return_rest(L, start_ms);
}

/* is_touched(feed) -> true if there may be new records */
static int is_touched(lua_State *L)
{
	struct database *database;
	struct feed_handle *handle = check_feed(L, &database);

	lua_pushboolean(L, tide_feed_is_touched(handle->feed, database->tide));
	return 1;
}

void open_feeds(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "feed", start_new_feed },
		{ "consumer_feed", start_consumer_feed },
		{ "records", feed_records },
		{ "try_record", try_record },
		{ "take_records", take_records },
		{ "check_end", check_end_of },
		{ "position", feed_position },
		{ "feed_place", feed_place },
		{ "passed_key", passed_key },
		{ "is_past", feed_past },
		{ "limit_page", limit_page },
		{ "feed_copy", feed_copy },
		{ "is_done", feed_done },
		{ "wait_feed", wait_feed },
		{ "follow", follow },
		{ "is_touched", is_touched },
		{ NULL, NULL },
	};

	new_type(L, FEED_TYPE, finish_child, finish_child);
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
