/* lua_snapshot.c - snapshots for Lua, and the other functions of optimistic transactions.
 *
 * An item is first copied to a Lua string on the stack, because Lua copies the bytes
 * before its collector can run, and the string is valid while tables are created from
 * it.
 */
#include <lauxlib.h>

#include "lua/lua_argument.h"
#include "lua/lua_failure.h"
#include "lua/lua_handle.h"
#include "lua/lua_item.h"
#include "lua/lua_value.h"
#include "os/clock.h"
#include "tide_consumer.h"

/* Milliseconds between the time at which a handler's snapshot is refreshed and the time at which
 * other threads may release it. */
#define RELEASE_AFTER_MS 100

/* A snapshot is held for at least this number of times that its verification took. */
#define VERIFY_SHARE 4

/* --- snapshots --- */

static void finish_snapshot(struct child *child)
{
	struct snapshot_handle *handle = (struct snapshot_handle *)child;

	tide_snapshot_close(handle->snapshot);
	handle->snapshot = NULL;
}

static void release(struct snapshot_handle *handle)
{
	tide_snapshot_close(handle->snapshot);
	handle->snapshot = NULL;
}

static int raise_late(lua_State *L, const struct snapshot_handle *handle)
{
	struct failure failure;

	if (handle->hold_ms)
		return raise_handler_timeout(L);
	fail_as(&failure, ERR_TIMEOUT, "the transaction held its snapshot for longer than its"
		" time limit");
	return raise_failure(L, &failure);
}

/* Opens the snapshot of a handle that has none. Finalizers may run in this function and may finish
 * the handle, or open its snapshot. */
static int open_snapshot(lua_State *L, struct snapshot_handle *handle, struct database *database,
	struct failure *failure)
{
	int err = tide_snapshot_open(&handle->snapshot, database->tide, failure);

	if (err && collect_forgotten(L, failure)) {
		check_usable(L, database);
		release(handle);
		err = tide_snapshot_open(&handle->snapshot, database->tide, failure);
	}
	return err;
}

/* Limits the time of the snapshot. It is released a little later than it is refreshed, so that no
 * other thread releases it between check_held and the read. */
static void limit_snapshot(struct snapshot_handle *handle, uint64_t deadline_ms)
{
	bool is_last = deadline_ms >= handle->end_ms;

	handle->deadline_ms = is_last ? handle->end_ms : deadline_ms;
	tide_snapshot_limit(handle->snapshot,
		is_last ? handle->end_ms : deadline_ms + RELEASE_AFTER_MS);
}

/* Calls the function at the top of the stack, which verifies the reads, with the number of the
 * snapshot's commit. If it raises an error, the snapshot is released, and the next call begins
 * with another one. */
static void verify_reads(lua_State *L, struct snapshot_handle *handle)
{
	uint64_t began_ms = clock_elapsed_ms(clock_process()), ended_ms, hold_ms;
	int status;

	handle->refreshes++;
	handle->refreshing = true;
	limit_snapshot(handle, handle->end_ms);
	lua_pushinteger(L, (lua_Integer)tide_snapshot_commit(handle->snapshot));
	status = lua_pcall(L, 1, 0, 0);
	handle->refreshing = false;
	if (status != LUA_OK) {
		release(handle);
		lua_error(L);
	}
	check_open(L, &handle->child);
	if (!handle->snapshot)
		raise_late(L, handle);
	/* The verification takes at most a small part of the time, however much was read. */
	ended_ms = clock_elapsed_ms(clock_process());
	hold_ms = VERIFY_SHARE * (ended_ms - began_ms);
	limit_snapshot(handle, ended_ms + (hold_ms > handle->hold_ms ? hold_ms : handle->hold_ms));
}

/* Replaces the snapshot by a newer one on which the reads are verified. */
static void refresh(lua_State *L, struct snapshot_handle *handle, int index)
{
	struct failure failure;

	luaL_checkstack(L, LUA_MINSTACK, NULL);
	lua_pushvalue(L, index);
	if (!test_type(L, -1, SNAPSHOT_TYPE)) {
		lua_getiuservalue(L, -1, 2);     /* a query */
		lua_remove(L, -2);
	}
	lua_getiuservalue(L, -1, 2);
	release(handle);
	if (open_snapshot(L, handle, handle->child.database, &failure))
		raise_failure(L, &failure);
	if (!handle->child.database)
		release(handle);
	check_open(L, &handle->child);
	verify_reads(L, handle);
	lua_pop(L, 1);
}

const struct tide_snapshot *check_held(lua_State *L, struct snapshot_handle *handle, int index)
{
	uint64_t now_ms = clock_elapsed_ms(clock_process());

	check_open(L, &handle->child);
	if (handle->snapshot && now_ms <= handle->deadline_ms)
		return handle->snapshot;
	if (!handle->hold_ms || handle->refreshing || now_ms > handle->end_ms) {
		release(handle);
		raise_late(L, handle);
	}
	refresh(L, handle, index);
	return handle->snapshot;
}

void check_not_late(lua_State *L, const struct snapshot_handle *handle)
{
	check_open(L, &handle->child);
	if (clock_elapsed_ms(clock_process()) > handle->end_ms)
		raise_late(L, handle);
}

const struct tide_snapshot *check_still_held(lua_State *L, int index)
{
	struct snapshot_handle *handle = lua_touserdata(L, index);

	check_open(L, &handle->child);
	return handle->snapshot ? handle->snapshot : check_held(L, handle, index);
}

static const struct tide_snapshot *check_snapshot(lua_State *L, int index,
	struct database **database)
{
	return check_held(L, check_child(L, index, SNAPSHOT_TYPE, database), index);
}

/* snapshot(db, seconds [, hold, verify]) -> snapshot, number of its commit, version of its catalog;
 * or nil, err, code. Two snapshots with the same catalog version have the same tables and streams.
 * With a function `verify` the handle is a handler's: after each `hold` seconds it gets a newer
 * snapshot, and verify(number of its commit) is called, until `seconds` have passed. */
static int take_snapshot(lua_State *L)
{
	struct database *database = check_database(L, 1);
	uint64_t limit_ms = check_time_limit(L, 2);
	uint64_t hold_ms = lua_isnoneornil(L, 4) ? 0 : check_time_limit(L, 3);
	struct snapshot_handle *handle;
	struct failure failure;
	uint64_t now_ms;

	lua_settop(L, 4);
	handle = new_child(L, 1, sizeof *handle, SNAPSHOT_TYPE, 2, finish_snapshot);
	lua_pushvalue(L, 4);
	lua_setiuservalue(L, -2, 2);
	database = check_database(L, 1);
	now_ms = clock_elapsed_ms(clock_process());
	handle->end_ms = now_ms + limit_ms;
	handle->hold_ms = hold_ms;
	if (open_snapshot(L, handle, database, &failure))
		return return_failure(L, &failure);
	limit_snapshot(handle, hold_ms ? now_ms + hold_ms : handle->end_ms);
	if (hold_ms)
		tide_release_in_time(database->tide);
	adopt(&handle->child, database);
	lua_pushinteger(L, (lua_Integer)tide_snapshot_commit(handle->snapshot));
	lua_pushinteger(L, (lua_Integer)tide_snapshot_catalog(handle->snapshot));
	return 3;
}

const struct tide_snapshot *check_snapshot_and_table(lua_State *L,
	struct database **database, struct table_handle **table)
{
	const struct tide_snapshot *held = check_snapshot(L, 1, database);

	*table = check_type(L, 2, TABLE_TYPE);
	luaL_argcheck(L, (*table)->database == *database, 2,
		"expected a table of the snapshot's database");
	return held;
}

/* hold(snapshot): raises CLOSED, or TIMEOUT if its time limit has passed */
static int check_snapshot_time(lua_State *L)
{
	struct database *database;

	check_snapshot(L, 1, &database);
	return 0;
}

/* check_not_late(snapshot): raises CLOSED, or TIMEOUT if its last time limit has passed */
static int check_snapshot_end(lua_State *L)
{
	struct database *database;

	check_not_late(L, check_child(L, 1, SNAPSHOT_TYPE, &database));
	return 0;
}

struct slice check_item_bytes(lua_State *L, int index)
{
	struct slice bytes = check_slice(L, index);
	/* The size of a value is at most twice the length of its encoding. */
	bool good = map_check(bytes) == 0 &&
		(bytes.len <= ITEM_MAX_BYTES / 2 || item_size(bytes) <= ITEM_MAX_BYTES);

	luaL_argcheck(L, good, index, "expected the bytes of an item");
	return bytes;
}

/* --- reading from a snapshot --- */

static int push_name(lua_State *L, const struct key_attribute *attribute)
{
	if (attribute->type == 0)
		return 0;
	lua_pushlstring(L, attribute->name, attribute->len);
	return 1;
}

/* table_at(snapshot, table) -> id, true if it has time to live, name of the partition key [, of the
 * sort key]; or nil, err, code */
static int table_at(lua_State *L)
{
	struct database *database;
	struct table_handle *table;
	const struct tide_snapshot *held = check_snapshot_and_table(L, &database, &table);
	struct table_row row;
	struct failure failure;

	if (tide_describe_table_at(database->tide, held, &table->table, &row, &failure))
		return return_failure(L, &failure);
	lua_pushinteger(L, (lua_Integer)row.id);
	lua_pushboolean(L, row.ttl.index != 0);
	return 2 + push_name(L, &row.schema.partition) + push_name(L, &row.schema.sort);
}

/* show_expired(snapshot): its expired items can be read until it is taken anew */
static int show_expired(lua_State *L)
{
	struct database *database;
	struct snapshot_handle *handle = check_child(L, 1, SNAPSHOT_TYPE, &database);

	if (handle->snapshot)
		tide_snapshot_show_expired(handle->snapshot);
	return 0;
}

/* expired_at(snapshot, table, encoded item) -> true if the item is expired; or nil, err, code */
static int expired_at(lua_State *L)
{
	struct database *database;
	struct table_handle *table;
	const struct tide_snapshot *held = check_snapshot_and_table(L, &database, &table);
	struct slice item = check_item_bytes(L, 3);
	struct failure failure;
	bool expired;

	if (tide_expired_at(database->tide, held, &table->table, item, &expired, &failure))
		return return_failure(L, &failure);
	lua_pushboolean(L, expired);
	return 1;
}

/* key_at(snapshot, table, item, is_key) -> encoded key, encoded item; or nil, err, code */
static int key_at(lua_State *L)
{
	struct database *database;
	struct table_handle *table;
	const struct tide_snapshot *held = check_snapshot_and_table(L, &database, &table);
	bool is_key = lua_toboolean(L, 4);
	struct failure failure;
	struct slice item;
	struct key key;
	int err = read_item_of(L, 3, table, &item, is_key, &failure);

	if (!err)
		err = tide_key_at(database->tide, held, &table->table, item, is_key, &key,
			&failure);
	if (err)
		return return_failure(L, &failure);
	lua_pushlstring(L, (const char *)item.data, item.len);
	lua_pushlstring(L, (const char *)key.bytes, key_whole(&key).len);
	lua_insert(L, -2);
	return 2;
}

/* get_at(snapshot, table, encoded item or key, encoded) -> version, item (as bytes if encoded is
 * true); 0 if there is no item; or nil, err, code */
static int get_at(lua_State *L)
{
	struct database *database;
	struct table_handle *table;
	const struct tide_snapshot *held = check_snapshot_and_table(L, &database, &table);
	bool as_bytes = lua_toboolean(L, 4);
	struct slice item = check_item_bytes(L, 3);
	struct buffer *bytes = &database->bytes;
	struct failure failure;
	uint64_t version;
	int err = tide_get_at(database->tide, held, &table->table, item, bytes, &version,
		&failure);

	if (err < 0)
		return return_failure(L, &failure);
	if (err == END) {
		lua_pushinteger(L, 0);
		return 1;
	}
	lua_pushlstring(L, (const char *)bytes->data, bytes->len);
	item = check_slice(L, -1);
	lua_pushinteger(L, (lua_Integer)version);
	if (as_bytes)
		lua_pushvalue(L, -2);
	else
		push_item(L, item);
	return 2;
}

/* compare_bytes(a, b) -> negative, 0 or positive. Lua's < on strings depends on the locale. */
static int compare_bytes(lua_State *L)
{
	lua_pushinteger(L, slice_compare(check_slice(L, 1), check_slice(L, 2)));
	return 1;
}

/* --- the transaction that verifies the reads and applies the writes --- */

/* last_commit(db) -> number of the last commit before the open transaction */
static int last_commit(lua_State *L)
{
	struct database *database = check_database(L, 1);

	lua_pushinteger(L, (lua_Integer)tide_last_commit(database->tide));
	return 1;
}

/* version_of(table, encoded item or key) -> version, 0 if there is no item; or nil, err, code */
static int version_of(lua_State *L)
{
	struct database *database;
	struct table_handle *table = check_table(L, 1, &database);
	struct slice item = check_item_bytes(L, 2);
	struct failure failure;
	uint64_t version;

	check_deadline(L, database);
	if (tide_version(database->tide, &table->table, item, &version, &failure))
		return return_failure(L, &failure);
	lua_pushinteger(L, (lua_Integer)version);
	return 1;
}

/* apply(table, encoded item or key, true to delete) -> true; or nil, err, code */
static int apply_write(lua_State *L)
{
	struct database *database;
	struct table_handle *table = check_table(L, 1, &database);
	struct slice item = check_item_bytes(L, 2);
	struct tide_change change;
	struct failure failure;
	int err;

	check_deadline(L, database);
	err = lua_toboolean(L, 3) ?
		tide_delete(database->tide, &table->table, item, &change, &failure) :
		tide_put(database->tide, &table->table, item, &change, &failure);
	if (err)
		return return_failure(L, &failure);
	lua_pushboolean(L, 1);
	return 1;
}

/* conflict() -> nil, err, "CONFLICT" */
static int return_conflict(lua_State *L)
{
	struct failure failure;

	fail(&failure, ERR_CONFLICT);
	return return_failure(L, &failure);
}

void open_snapshots(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "snapshot", take_snapshot },
		{ "hold", check_snapshot_time },
		{ "check_not_late", check_snapshot_end },
		{ "table_at", table_at },
		{ "show_expired", show_expired },
		{ "expired_at", expired_at },
		{ "key_at", key_at },
		{ "get_at", get_at },
		{ "compare_bytes", compare_bytes },
		{ "last_commit", last_commit },
		{ "version_of", version_of },
		{ "apply", apply_write },
		{ "conflict", return_conflict },
		{ NULL, NULL },
	};

	new_type(L, SNAPSHOT_TYPE, finish_child, finish_child);
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
