/* lua_parked.c - parked records for Lua. They have the same type as other records. */
#include <string.h>

#include <lauxlib.h>

#include "lua/lua_argument.h"
#include "lua/lua_buffer.h"
#include "lua/lua_failure.h"
#include "lua/lua_field.h"
#include "lua/lua_handle.h"
#include "lua/lua_projection.h"
#include "lua/lua_record.h"
#include "lua/lua_record_info.h"
#include "lua/lua_value.h"
#include "tide_consumer.h"

/* --- records --- */

/* Pushes the stream of the record at 1 (RECORD_INFO_STREAM) and returns it. Sets *schema to the key
 * schema of its table, which the record keeps. */
static struct slice push_stream(lua_State *L, const struct key_schema **schema)
{
	struct slice stream;

	push_record_info(L, 1);
	lua_rawgeti(L, -1, RECORD_INFO_SCHEMA);
	*schema = lua_rawlen(L, -1) == sizeof **schema ? lua_touserdata(L, -1) : NULL;
	lua_rawgeti(L, -2, RECORD_INFO_STREAM);
	lua_replace(L, -3);
	lua_pop(L, 1);
	stream.data = (const uint8_t *)lua_tolstring(L, -1, &stream.len);
	if (!*schema || !stream.data || stream.len <= 8)
		raise_error(L, ERR_CORRUPT);
	return stream;
}

/* Sets the place of the record at 1 among the parked records of a consumer. Pushes its stream,
 * whose row begins with the id of its table. */
static struct slice find_place(lua_State *L, const struct database *database,
	struct parked_place *place)
{
	const struct record_handle *handle = check_record_handle(L);
	const struct key_schema *schema;
	struct slice stream = push_stream(L, &schema);
	uint8_t bytes[PARKED_PLACE_BYTES];
	struct record record;

	decode_record(L, handle, &record);
	if (tide_parked_item(database->tide, get_u32(stream.data + 4), schema, &record, bytes))
		raise_error(L, ERR_CORRUPT);
	set_u64(bytes + PARKED_ITEM_BYTES, record.sequence);
	parked_get_place(place, bytes);
	return stream;
}

/* Sets bytes to the place of the record at 1 in the database at 2. It starts with the table id and
 * the hash of the partition key. */
static void find_item(lua_State *L, uint8_t bytes[PARKED_PLACE_BYTES])
{
	struct parked_place place;

	find_place(L, check_database(L, 2), &place);
	parked_set_place(bytes, &place);
}

/* record_item(record, db) -> the record's table id and hash of the partition key, a string */
static int record_item(lua_State *L)
{
	uint8_t bytes[PARKED_PLACE_BYTES];

	find_item(L, bytes);
	lua_pushlstring(L, (const char *)bytes, PARKED_ITEM_BYTES);
	return 1;
}

/* Pushes 64 bits of an item as an integer, which needs no memory. */
static void push_hash(lua_State *L, const uint8_t item[PARKED_ITEM_BYTES])
{
	lua_pushinteger(L, (lua_Integer)get_u64(item + 4));
}

/* record_hash(record, db) -> 64 bits of record_item, an integer */
static int record_hash(lua_State *L)
{
	uint8_t bytes[PARKED_PLACE_BYTES];

	find_item(L, bytes);
	push_hash(L, bytes);
	return 1;
}

/* --- in a transaction --- */

/* park(record, db, consumer id, attempts, error, maximum of records, of bytes, id of the
 * transaction with which it is parked or 0, number of its records that are parked after this one)
 * -> true; or nil, err, code. Only in a transaction, as the following functions. */
static int park(lua_State *L)
{
	struct record_handle *handle = check_record_handle(L);
	struct database *database = check_database(L, 2);
	struct parked_place place = { .consumer = check_unsigned(L, 3) };
	struct parked_copy copy = {
		.attempts = (uint32_t)check_choice(L, 4, 0, UINT32_MAX),
		.error = check_slice(L, 5),
		.record = slice_of(handle->bytes, handle->len),
	};
	uint64_t records = check_unsigned(L, 6), bytes = check_unsigned(L, 7);
	uint64_t transaction = check_unsigned(L, 8), more = check_unsigned(L, 9);
	struct slice stream = find_place(L, database, &place);
	struct failure failure;

	check_deadline(L, database);
	copy.stream = get_u32(stream.data);
	copy.stream_row = slice_of(stream.data + 4, stream.len - 4);
	return return_true(L, tide_park(database->tide, &place, &copy, transaction, more, records,
		bytes, &failure), &failure);
}

/* Returns the place in the string at index, without its consumer. */
static struct parked_place check_place(lua_State *L, int index)
{
	struct parked_place place = { 0 };
	struct slice bytes = check_slice(L, index);

	luaL_argcheck(L, bytes.len == PARKED_PLACE_BYTES, index, "expected a place");
	parked_get_place(&place, bytes.data);
	return place;
}

/* Returns the place at 3 among the parked records of the consumer at 2. */
static struct parked_place check_place_of_consumer(lua_State *L)
{
	struct parked_place place = check_place(L, 3);

	place.consumer = check_unsigned(L, 2);
	return place;
}

/* parked_verify(db, consumer id, epoch, first shard, parked version) -> true; or nil, err, code */
static int parked_verify(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct failure failure;

	check_deadline(L, database);
	return return_true(L, tide_verify_parked(database->tide, (struct shard_range){
		.consumer = check_unsigned(L, 2), .epoch = check_unsigned(L, 3),
		.first = (uint16_t)check_choice(L, 4, 0, CONSUMER_SHARDS_MAX - 1) },
		check_unsigned(L, 5), &failure), &failure);
}

/* parked_handled(db, consumer id, place) -> true; or nil, err, code */
static int parked_handled(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct parked_place place = check_place_of_consumer(L);
	struct failure failure;

	check_deadline(L, database);
	return return_true(L, tide_parked_handled(database->tide, &place, &failure), &failure);
}

/* parked_failed(db, consumer id, place, error) -> true; or nil, err, code */
static int parked_failed(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct parked_place place = check_place_of_consumer(L);
	struct failure failure;

	check_deadline(L, database);
	return return_true(L, tide_parked_failed(database->tide, &place, check_slice(L, 4),
		&failure), &failure);
}

/* count_dead_letter(db, consumer id) -> true; or nil, err, code */
static int count_dead_letter(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct failure failure;

	check_deadline(L, database);
	return return_true(L, tide_count_dead_letter(database->tide, check_unsigned(L, 2),
		&failure), &failure);
}

/* set_written_bytes(db, bytes) -> former number of bytes that the transaction has written */
static int set_written_bytes(lua_State *L)
{
	struct database *database = check_database(L, 1);

	check_deadline(L, database);
	lua_pushinteger(L, (lua_Integer)tide_set_written_bytes(database->tide,
		check_unsigned(L, 2)));
	return 1;
}

/* --- commands --- */

/* Reads the scope in the arguments at index, table name or nil, and after it, key or nil. */
static int read_scope(lua_State *L, int index, struct database *database,
	struct tide_parked_scope *scope, struct failure *failure)
{
	*scope = (struct tide_parked_scope){ 0 };
	if (!lua_isnil(L, index))
		scope->table_name = check_slice(L, index);
	return lua_isnil(L, index + 1) ? 0 : read_item(L, index + 1, &database->builder,
		&scope->key, "key", failure);
}

/* Returns the place after which a step or a page continues, which precedes all records if nil is at
 * index. */
static struct parked_place opt_place(lua_State *L, int index)
{
	return lua_isnil(L, index) ? (struct parked_place){ 0 } : check_place(L, index);
}

static void push_place(lua_State *L, const struct parked_place *place)
{
	uint8_t bytes[PARKED_PLACE_BYTES];

	parked_set_place(bytes, place);
	lua_pushlstring(L, (const char *)bytes, sizeof bytes);
}

/* change_parked(db, name, true to remove or false to mark, table | nil, key | nil, limit, place |
 * nil, count of the steps before) -> count, place at which the next step continues or nil after the
 * last; or nil, err, code */
static int change_parked(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct slice name = check_slice(L, 2);
	struct tide_parked_steps steps = { .limit = check_unsigned(L, 6),
		.place = opt_place(L, 7), .count = check_unsigned(L, 8) };
	struct tide_parked_scope scope;
	struct failure failure;
	int err = read_scope(L, 4, database, &scope, &failure);

	if (!err)
		err = tide_change_parked(database->tide, name, lua_toboolean(L, 3) ?
			TIDE_DISCARD : TIDE_REPLAY, &scope, &steps, &failure);
	if (err)
		return return_failure(L, &failure);
	lua_pushinteger(L, (lua_Integer)steps.count);
	if (steps.is_done)
		lua_pushnil(L);
	else
		push_place(L, &steps.place);
	return 2;
}

/* --- reading --- */

/* Pushes the record of a copy. At index identity + 1 is its projection or nil. */
static void push_copied_record(lua_State *L, const struct parked_copy *copy, int identity)
{
	struct info_blocks blocks = { 0 };
	struct stream_row row;
	uint8_t *bytes;

	if (stream_get(&row, copy->stream_row))
		raise_error(L, ERR_CORRUPT);
	lua_pushvalue(L, identity);
	lua_pushvalue(L, identity + 1);
	push_infos(L);
	while (!add_info(L, lua_gettop(L), &blocks, copy->stream, copy->stream_row))
		;
	lua_rawgetp(L, LUA_REGISTRYINDEX, RECORD_TYPE);
	bytes = new_record(L, copy->stream, copy->record.len);
	memcpy(bytes, copy->record.data, copy->record.len);
}

/* Pushes the table of the next record of a page. */
static void push_copy(lua_State *L, struct source *page, int identity)
{
	struct slice place = source_take(page, PARKED_PLACE_BYTES);
	bool is_marked = source_u8(page);
	uint64_t transaction = source_u64(page);
	struct slice bytes = source_counted(page);
	struct parked_copy copy;

	if (page->err || parked_get(&copy, bytes))
		raise_error(L, ERR_CORRUPT);
	lua_createtable(L, 0, 7);
	push_copied_record(L, &copy, identity);
	lua_setfield(L, -2, "record");
	if (copy.error.len) {
		lua_pushlstring(L, (const char *)copy.error.data, copy.error.len);
		lua_setfield(L, -2, "error");
	}
	set_integer(L, "attempts", copy.attempts);
	set_seconds(L, "parked_at", copy.parked_ms);
	set_bool(L, "is_to_be_replayed", is_marked);
	if (transaction)
		set_integer(L, "transaction_id", transaction);
	lua_pushlstring(L, (const char *)place.data, place.len);
	lua_setfield(L, -2, "place");
}

/* Pushes an array of the records of a page, which were read from the database at 1. The records
 * have the projection of the feed at index `feed`; 0: none. */
static void push_page(lua_State *L, const struct buffer *page, int feed)
{
	struct source source = source_of(buffer_slice(page));
	int identity;

	push_file_identity(L, check_database(L, 1));
	identity = lua_gettop(L);
	if (feed)
		push_feed_projection(L, feed);
	else
		lua_pushnil(L);
	lua_newtable(L);
	for (lua_Integer i = 1; source_left(&source); i++) {
		push_copy(L, &source, identity);
		lua_rawseti(L, -2, i);
	}
	lua_replace(L, identity);
	lua_settop(L, identity);
}

/* parked_page(db, name, table | nil, key | nil, limit, place | nil) -> array of tables, place at
 * which the next page continues or nil after the last; or nil, err, code. The tables have the
 * fields record, error, attempts, parked_at, is_to_be_replayed, transaction_id (if it is parked
 * with a transaction; the limit then counts these) and place. */
static int parked_page(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct slice name = check_slice(L, 2);
	uint32_t limit = (uint32_t)check_choice(L, 5, 1, UINT32_MAX);
	struct buffer *page = &new_lua_buffer(L)->bytes;
	struct tide_parked_scope scope;
	struct parked_place place;
	struct failure failure;
	int err;

	check_database(L, 1);
	place = opt_place(L, 6);
	err = read_scope(L, 3, database, &scope, &failure);
	if (!err)
		err = tide_parked_page(database->tide, name, &scope, limit, &place, page,
			&failure);
	if (err < 0)
		return return_failure(L, &failure);
	push_page(L, page, 0);
	if (err == END)
		lua_pushnil(L);
	else
		push_place(L, &place);
	return 2;
}

/* parked_replays(db, consumer id, limit, feed | nil, first and last shard of a range, number of
 * shards) -> array of tables as parked_page, whose records have the projection of the feed; or nil,
 * err, code */
static int parked_replays(lua_State *L)
{
	struct database *database = check_database(L, 1);
	uint64_t consumer = check_unsigned(L, 2);
	uint32_t limit = (uint32_t)check_choice(L, 3, 1, UINT32_MAX);
	uint16_t shards = (uint16_t)check_choice(L, 7, 1, CONSUMER_SHARDS_MAX);
	struct shard_hashes hashes = hashes_of_shards(
		(uint16_t)check_choice(L, 5, 0, shards - 1),
		(uint16_t)check_choice(L, 6, 0, shards - 1), shards);
	struct buffer *page;
	struct failure failure;

	lua_settop(L, 4);
	page = &new_lua_buffer(L)->bytes;
	check_database(L, 1);
	if (tide_parked_replays(database->tide, &hashes, consumer, limit, page, &failure))
		return return_failure(L, &failure);
	push_page(L, page, lua_isnil(L, 4) ? 0 : 4);
	return 1;
}

/* parked_items(db, consumer id) -> set of the keys that have parked records, each as record_item
 * and as record_hash return it, parked version; or nil, err, code */
static int parked_items(lua_State *L)
{
	struct database *database = check_database(L, 1);
	uint64_t consumer = check_unsigned(L, 2), version;
	struct buffer *items = &new_lua_buffer(L)->bytes;
	struct failure failure;

	check_database(L, 1);
	if (tide_parked_items(database->tide, consumer, items, &version, &failure))
		return return_failure(L, &failure);
	lua_createtable(L, 0, (int)(2 * (items->len / PARKED_ITEM_BYTES)));
	for (size_t at = 0; at < items->len; at += PARKED_ITEM_BYTES) {
		lua_pushlstring(L, (const char *)items->data + at, PARKED_ITEM_BYTES);
		lua_pushboolean(L, 1);
		lua_rawset(L, -3);
		push_hash(L, items->data + at);
		lua_pushboolean(L, 1);
		lua_rawset(L, -3);
	}
	lua_pushinteger(L, (lua_Integer)version);
	return 2;
}

void open_parked(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "record_item", record_item },
		{ "record_hash", record_hash },
		{ "park", park },
		{ "parked_verify", parked_verify },
		{ "parked_handled", parked_handled },
		{ "parked_failed", parked_failed },
		{ "count_dead_letter", count_dead_letter },
		{ "set_written_bytes", set_written_bytes },
		{ "change_parked", change_parked },
		{ "parked_page", parked_page },
		{ "parked_replays", parked_replays },
		{ "parked_items", parked_items },
		{ NULL, NULL },
	};

	luaL_setfuncs(L, functions, 0);
}
