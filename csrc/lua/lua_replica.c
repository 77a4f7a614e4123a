/* lua_replica.c - replication for Lua: senders of a source, and replicas in a target. */
#include <lauxlib.h>

#include "codec/replica_start.h"
#include "lua/lua_argument.h"
#include "lua/lua_buffer.h"
#include "lua/lua_failure.h"
#include "lua/lua_field.h"
#include "lua/lua_handle.h"
#include "lua/lua_record.h"
#include "lua/lua_value.h"
#include "tide_replica.h"

/* --- the target --- */

/* Appends the names of the array at index, each counted, to the buffer. */
static void put_names(lua_State *L, int index, struct buffer *names)
{
	luaL_checktype(L, index, LUA_TTABLE);
	for (lua_Integer i = 1; lua_rawgeti(L, index, i) != LUA_TNIL; i++) {
		buffer_put_counted(names, check_slice(L, -1));
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}

/* Pushes the bytes of a buffer, and releases it: the collector does not count its memory. */
static void push_buffer(lua_State *L, struct buffer *bytes)
{
	lua_pushlstring(L, (const char *)bytes->data, bytes->len);
	buffer_release(bytes);
}

/* replica_start(db, name, names of the tables to replicate | {}: all) -> the start message for a
 * sender (codec/replica_start.h); or nil, err, code */
static int replica_start(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct slice name = check_slice(L, 2);
	struct buffer *names = &new_lua_buffer(L)->bytes;
	struct buffer *start = &new_lua_buffer(L)->bytes;
	struct failure failure;

	put_names(L, 3, names);
	if (buffer_error(names))
		return raise_error(L, buffer_error(names));
	if (tide_replica_start(database->tide, name, buffer_slice(names), start, &failure))
		return return_failure(L, &failure);
	push_buffer(L, start);
	return 1;
}

/* start_position(bytes of replica_start) -> number of the source after which records are needed;
 * nil if the replica has no source. Raises an argument error if the bytes are damaged. */
static int start_position(lua_State *L)
{
	struct replica_start start;

	luaL_argcheck(L, replica_start_get(&start, check_slice(L, 1)) == 0, 1,
		"expected the position of a replica");
	if (!start.has_source)
		return 0;
	lua_pushinteger(L, (lua_Integer)(start.record ? start.record - 1 : start.position));
	return 1;
}

/* start_target(bytes of replica_start) -> database id of the target, in hexadecimal */
static int start_target(lua_State *L)
{
	char text[2 * DATABASE_ID_BYTES];
	struct replica_start start;

	luaL_argcheck(L, replica_start_get(&start, check_slice(L, 1)) == 0, 1,
		"expected the position of a replica");
	put_hex(text, start.target.data, DATABASE_ID_BYTES);
	lua_pushlstring(L, text, sizeof text);
	return 1;
}

/* start_tables(bytes of replica_start) -> array of the names of the tables to replicate; empty: all
 */
static int start_tables(lua_State *L)
{
	struct buffer *names = &new_lua_buffer(L)->bytes;
	struct replica_start start;

	luaL_argcheck(L, replica_start_get(&start, check_slice(L, 1)) == 0, 1,
		"expected the position of a replica");
	buffer_put_slice(names, start.names);
	if (buffer_error(names))
		return raise_error(L, buffer_error(names));
	push_names(L, names);
	return 1;
}

/* replica_apply(db, name, settings, frames, offset, adopts, skips, is strict, number of changes
 * that may be lost, names of the tables to replicate | {}: all) -> offset of the rest,
 * position, last sequence number of the source or 0, true if it is copying, true if the source has
 * ended; or nil, err, code */
static int replica_apply(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct tide_apply_spec spec = {
		.name = check_slice(L, 2), .adopts = lua_toboolean(L, 6),
		.skips = lua_toboolean(L, 7), .is_strict = lua_toboolean(L, 8),
		.loses = check_unsigned(L, 9),
	};
	struct buffer *names = &new_lua_buffer(L)->bytes;
	struct slice frames = check_slice(L, 4);
	size_t offset = (size_t)check_choice(L, 5, 0, (lua_Integer)frames.len);
	struct tide_applied applied;
	struct failure failure;
	int err = read_item(L, 3, &database->builder, &spec.settings, "settings", &failure);

	put_names(L, 10, names);
	if (buffer_error(names))
		return raise_error(L, buffer_error(names));
	spec.names = buffer_slice(names);
	if (!err)
		err = tide_apply_frames(database->tide, &spec,
			slice_of(frames.data + offset, frames.len - offset), &applied, &failure);
	if (err)
		return return_failure(L, &failure);
	lua_pushinteger(L, (lua_Integer)(offset + applied.consumed));
	lua_pushinteger(L, (lua_Integer)applied.position);
	lua_pushinteger(L, (lua_Integer)applied.head);
	lua_pushboolean(L, applied.is_copying);
	lua_pushboolean(L, applied.has_ended);
	return 5;
}

/* Pushes a list of the ids of a path, in hexadecimal. */
static void push_path(lua_State *L, struct slice path)
{
	char text[2 * DATABASE_ID_BYTES];

	lua_createtable(L, (int)(path.len / DATABASE_ID_BYTES), 0);
	for (size_t at = 0; at < path.len; at += DATABASE_ID_BYTES) {
		put_hex(text, path.data + at, DATABASE_ID_BYTES);
		lua_pushlstring(L, text, sizeof text);
		lua_rawseti(L, -2, (lua_Integer)(at / DATABASE_ID_BYTES + 1));
	}
}

void push_change_source(lua_State *L, const struct change_source *source,
	const struct record *record)
{
	if (!source->path.len) {
		lua_pushnil(L);
		return;
	}
	lua_createtable(L, 0, 4);
	set_hex(L, "database", source->path.data, DATABASE_ID_BYTES);
	set_hex(L, "incarnation", source->incarnation, DATABASE_ID_BYTES);
	if (source->sequence)
		set_integer(L, "sequence_number",
			source->sequence + (record->sequence - record->transaction));
	push_path(L, source->path);
	lua_setfield(L, -2, "path");
}

static void push_slice(lua_State *L, const char *name, struct slice text)
{
	lua_pushlstring(L, (const char *)text.data, text.len);
	lua_setfield(L, -2, name);
}

static void push_table(lua_State *L, const struct replica_table *table)
{
	lua_createtable(L, 0, 7);
	push_slice(L, "name", table->name);
	set_text(L, "state", replica_state_name(table->state));
	set_integer(L, "source_id", table->source);
	set_integer(L, "items", table->items);
	if (table->reason.len)
		push_slice(L, "reason", table->reason);
	push_path(L, table->path);
	lua_setfield(L, -2, "path");
}

/* Pushes the array of a replica's tables. Raises CORRUPT. */
static void push_tables(lua_State *L, struct slice tables)
{
	struct source source = source_of(tables);

	lua_newtable(L);
	for (lua_Integer i = 1; source_left(&source); i++) {
		struct replica_table table = { .source = source_u32(&source) };

		if (replica_table_get(&table, source_take(&source, source_u16(&source))))
			raise_error(L, ERR_CORRUPT);
		push_table(L, &table);
		lua_rawseti(L, -2, i);
	}
}

static void push_row(lua_State *L, const struct replica_row *row)
{
	lua_createtable(L, 0, 12);
	set_seconds(L, "created_at", row->created_ms);
	set_bool(L, "promoted", row->is_promoted);
	if (row->has_source) {
		set_hex(L, "database", row->database, sizeof row->database);
		set_hex(L, "incarnation", row->incarnation, sizeof row->incarnation);
	}
	set_integer(L, "position", row->position);
	set_integer(L, "record", row->record);
	if (row->changed_ms)
		set_seconds(L, "changed_at", row->changed_ms);
	set_integer(L, "rounds", row->rounds);
	set_integer(L, "transactions", row->transactions);
	set_integer(L, "records", row->records);
	set_integer(L, "items", row->items);
	push_item(L, row->settings);
	lua_setfield(L, -2, "settings");
}

/* replica(db, name) -> its fields, with the arrays `tables` and `settings`; or nil, err, code */
static int describe_replica(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct buffer *kept = &new_lua_buffer(L)->bytes;
	struct tide_replica replica;
	struct failure failure;

	check_database(L, 1);
	if (tide_describe_replica(database->tide, check_slice(L, 2), &replica, &failure))
		return return_failure(L, &failure);
	buffer_put_slice(kept, replica.row.settings);
	buffer_put_slice(kept, replica.tables);
	if (buffer_error(kept))
		return raise_error(L, buffer_error(kept));
	replica.tables = slice_of(kept->data + replica.row.settings.len, replica.tables.len);
	replica.row.settings.data = kept->data;
	push_row(L, &replica.row);
	push_tables(L, replica.tables);
	lua_setfield(L, -2, "tables");
	return 1;
}

/* replica_names(db) -> array of names; or nil, err, code */
static int replica_names(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct buffer *names = &new_lua_buffer(L)->bytes;
	struct failure failure;

	check_database(L, 1);
	if (tide_replica_names(database->tide, names, &failure))
		return return_failure(L, &failure);
	push_names(L, names);
	return 1;
}

/* replica_promote(db, name), replica_forget(db, name) -> true; or nil, err, code */
static int promote_replica(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct failure failure;

	return return_true(L, tide_promote(database->tide, check_slice(L, 2), &failure), &failure);
}

static int forget_replica(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct failure failure;

	return return_true(L, tide_forget_replica(database->tide, check_slice(L, 2), &failure),
		&failure);
}

/* --- frames --- */

/* whole_frames(bytes, true if the replica is new) -> length of the complete frames at the start;
 * or nil, err, code if they are damaged. For a new replica without a SOURCE at their end: it is
 * applied in one transaction with the tables, which follow. */
static int whole_frames(lua_State *L)
{
	struct slice bytes = check_slice(L, 1), rest = bytes, next = bytes;
	bool is_new = lua_toboolean(L, 2);
	struct failure failure;
	struct frame frame;
	int err;

	while ((err = frame_next(&frame, &next)) == 0)
		if (!is_new || frame.kind != FRAME_SOURCE)
			rest = next;
	if (err != END) {
		fail_as(&failure, err, "the data from the source is damaged");
		return return_failure(L, &failure);
	}
	lua_pushinteger(L, (lua_Integer)(bytes.len - rest.len));
	return 1;
}

/* --- the source --- */

struct sender_handle {
	struct child child;
	struct tide_sender *sender;
};

static void finish_sender(struct child *child)
{
	struct sender_handle *handle = (struct sender_handle *)child;

	tide_sender_close(handle->sender);
	handle->sender = NULL;
}

static struct sender_handle *check_sender(lua_State *L, struct database **database)
{
	return check_child(L, 1, SENDER_TYPE, database);
}

/* sender(db, bytes of replica_start, true to copy all tables again) -> sender; or nil, err, code */
static int open_sender(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct slice start = check_slice(L, 2);
	struct sender_handle *handle;
	struct failure failure;

	lua_settop(L, 3);
	handle = new_child(L, 1, sizeof *handle, SENDER_TYPE, 1, finish_sender);
	database = check_database(L, 1);
	if (tide_sender_open(&handle->sender, database->tide, start, lua_toboolean(L, 3),
			&failure))
		return return_failure(L, &failure);
	adopt(&handle->child, database);
	hold_memory(L, &handle->child, tide_sender_bytes(handle->sender));
	return 1;
}

/* sender_read(sender, bytes) -> frames with at least this many bytes, or fewer at the last commit;
 * true if they contain more than a new position; or nil, err, code */
static int read_sender(lua_State *L)
{
	struct database *database;
	struct sender_handle *handle = check_sender(L, &database);
	size_t max = (size_t)check_choice(L, 2, 1, FRAME_MAX_BYTES);
	struct buffer *out = &new_lua_buffer(L)->bytes;
	struct failure failure;
	bool has_changes;

	check_open(L, &handle->child);
	if (tide_sender_read(handle->sender, database->tide, max, out, &has_changes, &failure))
		return return_failure(L, &failure);
	push_buffer(L, out);
	lua_pushboolean(L, has_changes);
	check_open(L, &handle->child);
	hold_memory(L, &handle->child, tide_sender_bytes(handle->sender));
	return 2;
}

/* sender_end(sender) -> the END frame; or nil, err, code */
static int end_sender(lua_State *L)
{
	struct database *database;
	struct sender_handle *handle = check_sender(L, &database);
	struct buffer *out = &new_lua_buffer(L)->bytes;
	struct failure failure;

	check_open(L, &handle->child);
	if (tide_sender_end(handle->sender, out, &failure))
		return return_failure(L, &failure);
	push_buffer(L, out);
	return 1;
}

/* sender_state(sender) -> position after the sent frames, last record read (0: none), number of
 * tables that wait for their copy, number of replicated tables */
static int sender_state(lua_State *L)
{
	struct database *database;
	const struct tide_sender *sender = check_sender(L, &database)->sender;

	lua_pushinteger(L, (lua_Integer)tide_sender_position(sender));
	lua_pushinteger(L, (lua_Integer)tide_sender_record(sender));
	lua_pushinteger(L, tide_sender_copying(sender));
	lua_pushinteger(L, tide_sender_tables(sender));
	return 4;
}

/* sender_streams(sender) -> array of the ids of the streams that it reads, ascending */
static int sender_streams(lua_State *L)
{
	struct database *database;
	struct sender_handle *handle = check_sender(L, &database);
	struct buffer *ids = &new_lua_buffer(L)->bytes;
	int err;

	check_open(L, &handle->child);
	err = tide_sender_streams(handle->sender, ids);
	if (err)
		return raise_error(L, err);
	lua_newtable(L);
	for (size_t at = 0; at < ids->len; at += 4) {
		lua_pushinteger(L, get_u32(ids->data + at));
		lua_rawseti(L, -2, (lua_Integer)(at / 4 + 1));
	}
	return 1;
}

/* sender_wait(sender, seconds) -> the same as sender_touched. Sleeps until a commit, at most a
 * second. A signal ends the sleep, because Lua's hooks must run. */
static int wait_sender(lua_State *L)
{
	struct database *database;
	struct sender_handle *handle = check_sender(L, &database);

	tide_sender_wait(handle->sender, database->tide, check_wait(L, 2));
	lua_pushboolean(L, tide_sender_is_touched(handle->sender, database->tide));
	return 1;
}

/* sender_touched(sender) -> true if there may be something to send */
static int is_sender_touched(lua_State *L)
{
	struct database *database;
	struct sender_handle *handle = check_sender(L, &database);

	lua_pushboolean(L, tide_sender_is_touched(handle->sender, database->tide));
	return 1;
}

void open_replicas(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "replica_start", replica_start },
		{ "start_position", start_position },
		{ "start_target", start_target },
		{ "start_tables", start_tables },
		{ "replica_apply", replica_apply },
		{ "replica", describe_replica },
		{ "replica_names", replica_names },
		{ "replica_promote", promote_replica },
		{ "replica_forget", forget_replica },
		{ "whole_frames", whole_frames },
		{ "sender", open_sender },
		{ "sender_read", read_sender },
		{ "sender_end", end_sender },
		{ "sender_state", sender_state },
		{ "sender_streams", sender_streams },
		{ "sender_wait", wait_sender },
		{ "sender_touched", is_sender_touched },
		{ NULL, NULL },
	};

	new_type(L, SENDER_TYPE, finish_child, finish_child);
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
