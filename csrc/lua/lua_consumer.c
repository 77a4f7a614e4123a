/* lua_consumer.c - consumers for Lua: definition, ownership and progress. Their records are read
 * through a feed (lua_feed.c).
 */
#include <string.h>

#include <lauxlib.h>

#include "lua/lua_argument.h"
#include "lua/lua_buffer.h"
#include "lua/lua_failure.h"
#include "lua/lua_field.h"
#include "lua/lua_handle.h"
#include "lua/lua_value.h"
#include "tide_consumer.h"

/* --- definition --- */

/* consumer_create(db, name, ids of its streams | {}: all, from, at, shards, settings, limit of its
 * hold in ms or 0) -> true; or nil, err, code */
static int consumer_create(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct tide_consumer_spec spec = {
		.name = check_slice(L, 2),
		.from = (enum tide_from)check_choice(L, 4, TIDE_TRIM_HORIZON, TIDE_SNAPSHOT),
		.at = (uint64_t)luaL_checkinteger(L, 5),
		.shards = (uint16_t)check_choice(L, 6, 0, UINT16_MAX),
		.hold_ms = check_unsigned(L, 8),
	};
	struct failure failure;
	int err;

	lua_settop(L, 7);
	spec.streams = push_ids(L, 3);
	check_database(L, 1);
	err = read_item(L, 7, &database->builder, &spec.settings, "settings", &failure);
	if (!err)
		err = tide_create_consumer(database->tide, &spec, &failure);
	return return_true(L, err, &failure);
}

/* Returns the result of a step of a command: true if it was the last, false if not; or nil, err,
 * code. */
static int return_step(lua_State *L, int err, bool is_done, const struct failure *failure)
{
	if (err)
		return return_failure(L, failure);
	lua_pushboolean(L, is_done);
	return 1;
}

/* consumer_delete(db, name, true to remove parked records) -> the same as return_step */
static int consumer_delete(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct failure failure;
	bool is_done = false;
	int err = tide_delete_consumer(database->tide, check_slice(L, 2), lua_toboolean(L, 3),
		&is_done, &failure);

	return return_step(L, err, is_done, &failure);
}

/* consumer_pause(db, name, true to pause it, false to resume it) -> true; or nil, err, code */
static int consumer_pause(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct failure failure;

	return return_true(L, tide_pause_consumer(database->tide, check_slice(L, 2),
		lua_toboolean(L, 3), &failure), &failure);
}

/* consumer_set(db, name, settings, limit of its hold in ms or 0, number of shards or 0: unchanged,
 * "key" | "transaction" | nil: unchanged) -> true; or nil, err, code */
static int consumer_set(lua_State *L)
{
	static const char *const names[] = { "unchanged", "key", "transaction", NULL };
	struct database *database = check_database(L, 1);
	struct slice name = check_slice(L, 2);
	struct consumer_change change = {
		.hold_ms = check_unsigned(L, 4),
		.shards = (uint16_t)check_choice(L, 5, 0, UINT16_MAX),
		.by = (enum consumer_by)luaL_checkoption(L, 6, "unchanged", names),
	};
	struct failure failure;
	int err = read_item(L, 3, &database->builder, &change.settings, "settings", &failure);

	if (!err)
		err = tide_set_consumer(database->tide, name, &change, &failure);
	return return_true(L, err, &failure);
}

/* consumer_move(db, name, from, at, true to remove the parked records after the position) -> the
 * same as return_step */
static int consumer_move(lua_State *L)
{
	struct database *database = check_database(L, 1);
	enum tide_from from = (enum tide_from)check_choice(L, 3, TIDE_TRIM_HORIZON, TIDE_SNAPSHOT);
	struct failure failure;
	bool is_done = false;
	int err = tide_move_consumer(database->tide, check_slice(L, 2), from,
		(uint64_t)luaL_checkinteger(L, 4), lua_toboolean(L, 5), &is_done, &failure);

	return return_step(L, err, is_done, &failure);
}

/* Returns the range of shards of the arguments from `index` on: consumer id, epoch, first shard. */
static struct shard_range check_range(lua_State *L, int index)
{
	return (struct shard_range){ .consumer = check_unsigned(L, index),
		.epoch = check_unsigned(L, index + 1),
		.first = (uint16_t)check_choice(L, index + 2, 0, CONSUMER_SHARDS_MAX - 1) };
}

/* consumer_renew(db, name, id, epoch, first, ids of its streams) -> true; false if other workers
 * have not handled all records of the former streams; or nil, err, code */
static int consumer_renew(lua_State *L)
{
	struct slice streams = push_ids(L, 6);
	struct database *database = check_database(L, 1);
	struct failure failure;
	bool is_done = false;
	int err = tide_renew_consumer(database->tide, check_slice(L, 2), check_range(L, 3), streams,
		&is_done, &failure);

	return return_step(L, err, is_done, &failure);
}

/* --- reading --- */

/* Sets the fields that belong to a range of shards. */
static void set_range(lua_State *L, const struct progress_row *progress,
	const uint8_t opening[WORKER_OPENING_BYTES])
{
	set_integer(L, "first", progress->first);
	set_integer(L, "last", progress->last);
	set_integer(L, "epoch", progress->epoch);
	set_integer(L, "position", progress->position);
	set_integer(L, "attempts", progress->attempts);
	set_integer(L, "largest_batch", progress->largest_batch);
	set_integer(L, "limit_until", progress->limit_until);
	if (progress->owner.worker == 0)
		return;
	lua_pushlstring(L, (const char *)progress->owner.opening, WORKER_OPENING_BYTES);
	lua_setfield(L, -2, "opening");
	set_integer(L, "worker", progress->owner.worker);
	set_bool(L, "is_of_this_opening", memcmp(progress->owner.opening, opening,
		WORKER_OPENING_BYTES) == 0);
}

/* Sets the fields that belong to the consumer. */
static void set_progress(lua_State *L, const struct progress_row *progress)
{
	set_integer(L, "position", progress->position);
	set_integer(L, "records", progress->records);
	set_integer(L, "batches", progress->batches);
	set_integer(L, "failures", progress->failures);
	set_integer(L, "gaps", progress->gaps);
	set_integer(L, "dead_letters", progress->dead_letters);
	set_integer(L, "takeovers", progress->takeovers);
	set_integer(L, "parked", progress->parked);
	set_integer(L, "parked_bytes", progress->parked_bytes);
	set_integer(L, "parked_version", progress->parked_version);
	set_integer(L, "replays", progress->replays);
	set_bool(L, "is_copying", progress->is_copying);
}

/* Sets the field "ranges" to an array of the ranges of shards. */
static void set_ranges(lua_State *L, struct slice ranges,
	const uint8_t opening[WORKER_OPENING_BYTES])
{
	size_t count = ranges.len / sizeof(struct progress_row);

	lua_createtable(L, (int)count, 0);
	for (size_t i = 0; i < count; i++) {
		struct progress_row row;

		memcpy(&row, ranges.data + i * sizeof row, sizeof row);
		lua_createtable(L, 0, 10);
		set_range(L, &row, opening);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, "ranges");
}

/* Sets the field to an array of the ids. */
static void set_ids(lua_State *L, const char *name, struct slice ids)
{
	lua_createtable(L, (int)(ids.len / 4), 0);
	for (size_t i = 0; i < ids.len / 4; i++) {
		lua_pushinteger(L, get_u32(ids.data + 4 * i));
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, name);
}

/* consumer_describe(db, name) -> table with the fields of the consumer and of its progress; or nil,
 * err, code. streams is an array of ids, empty for all streams; ranges an array of tables with the
 * progress of each range of shards, whose opening and worker name its owner; nil: none. ended is
 * the error that ended its last run: its code, a blank, its message; nil: none. */
static int consumer_describe(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct slice name = check_slice(L, 2);
	struct buffer *kept = &new_lua_buffer(L)->bytes;
	uint8_t opening[WORKER_OPENING_BYTES];
	struct tide_consumer consumer;
	struct failure failure;

	check_database(L, 1);
	if (tide_describe_consumer(database->tide, name, &consumer, &failure))
		return return_failure(L, &failure);
	memcpy(opening, tide_opening(database->tide), WORKER_OPENING_BYTES);
	if (tide_keep_consumer(&consumer, kept)) {
		fail(&failure, ERR_NO_MEMORY);
		return return_failure(L, &failure);
	}
	lua_newtable(L);
	set_integer(L, "id", consumer.row.id);
	set_integer(L, "shards", consumer.row.shards);
	set_ids(L, "streams", consumer.row.streams);
	set_integer(L, "last_sequence", consumer.last_sequence);
	set_seconds(L, "created_at", consumer.row.created_ms);
	set_bool(L, "is_paused", consumer.row.is_paused);
	set_progress(L, &consumer.progress);
	set_ranges(L, consumer.ranges, opening);
	if (consumer.progress.is_copying) {
		set_integer(L, "copied", consumer.copy.items);
		set_integer(L, "copy_rounds", consumer.copy.rounds);
	}
	push_item(L, consumer.row.settings);
	lua_setfield(L, -2, "settings");
	if (consumer.progress.end.len) {
		lua_pushlstring(L, (const char *)consumer.progress.end.data,
			consumer.progress.end.len);
		lua_setfield(L, -2, "ended");
	}
	return 1;
}

/* consumer_names(db) -> array of the names of all consumers; or nil, err, code */
static int list_names(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct buffer *names = &new_lua_buffer(L)->bytes;
	struct failure failure;

	check_database(L, 1);
	if (tide_consumer_names(database->tide, names, &failure))
		return return_failure(L, &failure);
	push_names(L, names);
	return 1;
}

/* --- lag --- */

static void push_lag(lua_State *L, const struct lag *lag)
{
	static const char *const limits[] = { [LAG_AGE] = "age", [LAG_BYTES] = "bytes",
		[LAG_WAIT] = "hold_limit" };

	lua_createtable(L, 0, 8);
	set_integer(L, "records", lag->records);
	set_integer(L, "bytes", lag->bytes);
	set_seconds(L, "seconds", lag->age_ms);
	set_integer(L, "held_bytes", lag->held_bytes);
	set_text(L, "hold", lag->is_released ? "released" : lag->is_held ? "holds" : "none");
	lua_pushnumber(L, lag->used / 1000.0);
	lua_setfield(L, -2, "hold_used");
	if (lag->limit) {
		set_text(L, "limit", limits[lag->limit]);
		set_integer(L, "limited_stream", lag->stream);
	}
}

/* consumer_lag(db, name) -> table with records, bytes, seconds, held_bytes, hold ("none", "holds",
 * "released"), hold_used (0 to 1), and if records are held and wait, limit ("age", "bytes",
 * "hold_limit") and limited_stream, an id; or nil, err, code */
static int consumer_lag(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct failure failure;
	struct lag lag;

	if (tide_consumer_lag(database->tide, check_slice(L, 2), &lag, &failure))
		return return_failure(L, &failure);
	push_lag(L, &lag);
	return 1;
}

/* consumer_lags(db) -> array of these tables of all consumers, with the field name; or nil, err,
 * code */
static int consumer_lags(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct buffer *lags = &new_lua_buffer(L)->bytes;
	struct source source;
	struct failure failure;

	check_database(L, 1);
	if (tide_consumer_lags(database->tide, lags, &failure))
		return return_failure(L, &failure);
	source = source_of(buffer_slice(lags));
	lua_newtable(L);
	for (lua_Integer i = 1; source_left(&source); i++) {
		struct slice name = source_counted(&source);
		struct lag lag;

		memcpy(&lag, source_take(&source, sizeof lag).data, sizeof lag);
		push_lag(L, &lag);
		lua_pushlstring(L, (const char *)name.data, name.len);
		lua_setfield(L, -2, "name");
		lua_rawseti(L, -2, i);
	}
	return 1;
}

/* consumer_has_processed(db, name, id, sequence number) -> boolean; or nil, err, code */
static int consumer_has_processed(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct slice name = check_slice(L, 2);
	struct failure failure;
	bool processed;

	if (tide_consumer_has_processed(database->tide, name, check_unsigned(L, 3),
			check_unsigned(L, 4), &processed, &failure))
		return return_failure(L, &failure);
	lua_pushboolean(L, processed);
	return 1;
}

/* consumer_ask(db, name, id, sequence number) -> true; or nil, err, code. Makes the worker store
 * its position over ignored records (tide_ask_consumer). */
static int ask_consumer(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct failure failure;

	return return_true(L, tide_ask_consumer(database->tide, check_slice(L, 2),
		check_unsigned(L, 3), check_unsigned(L, 4), &failure), &failure);
}

/* progress_count(db) -> number of commits that have changed consumers */
static int count_progress(lua_State *L)
{
	lua_pushinteger(L, tide_progress_count(check_database(L, 1)->tide));
	return 1;
}

/* progress_wait(db, number seen, seconds) -> true if the number has changed. Sleeps until it does,
 * at most a second. A signal ends the sleep, so that Lua's hooks run. */
static int wait_for_progress(lua_State *L)
{
	struct tide *tide = check_database(L, 1)->tide;
	uint32_t seen = (uint32_t)luaL_checkinteger(L, 2);

	tide_progress_wait(tide, seen, check_wait(L, 3));
	lua_pushboolean(L, tide_progress_count(tide) != seen);
	return 1;
}

/* --- progress --- */

/* Pushes a table with the progress of a range. */
static int return_range(lua_State *L, const struct database *database,
	const struct progress_row *progress)
{
	uint8_t opening[WORKER_OPENING_BYTES];

	memcpy(opening, tide_opening(database->tide), WORKER_OPENING_BYTES);
	lua_newtable(L);
	set_range(L, progress, opening);
	return 1;
}

/* consumer_join(db, id, epoch seen, first shard of the range, number of the worker, records and
 * last sequence number of the batch in whose handler the former owner ended, 0 if it did not)
 * -> table with the progress of the range; or nil, err, code */
static int consumer_join(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct shard_range range = check_range(L, 2);
	struct shard_owner owner = { .worker = (uint32_t)check_choice(L, 5, 1, UINT32_MAX) };
	struct handler_batch death = {
		.records = (uint32_t)check_choice(L, 6, 0, UINT32_MAX), .last = check_unsigned(L, 7),
	};
	struct progress_row progress;
	struct failure failure;

	memcpy(owner.opening, tide_opening(database->tide), WORKER_OPENING_BYTES);
	if (tide_join_consumer(database->tide, range, &owner, &death, &progress, &failure))
		return return_failure(L, &failure);
	return return_range(L, database, &progress);
}

/* split_range(db, id, epoch, first, shard before which it is divided, true to keep the second part)
 * -> table with the progress of the part that is kept; or nil, err, code */
static int split_range(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct shard_range range = check_range(L, 2);
	uint16_t at = (uint16_t)check_choice(L, 5, 1, CONSUMER_SHARDS_MAX - 1);
	struct progress_row progress;
	struct failure failure;

	if (tide_split_range(database->tide, range, at, lua_toboolean(L, 6), &progress,
			&failure))
		return return_failure(L, &failure);
	return return_range(L, database, &progress);
}

/* merge_ranges(db, id, epoch, first, id, epoch, first) -> table with the progress of the range made
 * of both; or nil, err, code. The second range is on the right of the first one. */
static int merge_ranges(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct shard_range left = check_range(L, 2), right = check_range(L, 5);
	struct progress_row progress;
	struct failure failure;

	if (tide_merge_ranges(database->tide, left, right, &progress, &failure))
		return return_failure(L, &failure);
	return return_range(L, database, &progress);
}

/* consumer_leave(db, id, epoch, first) -> true; or nil, err, code */
static int consumer_leave(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct failure failure;

	return return_true(L, tide_leave_consumer(database->tide, check_range(L, 2), &failure),
		&failure);
}

/* consumer_skip_gap(db, name, id, epoch, first, true to begin a copy) -> true; or nil, err, code */
static int consumer_skip_gap(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct progress_row progress;
	struct failure failure;

	return return_true(L, tide_skip_gap(database->tide, check_slice(L, 2), check_range(L, 3),
		lua_toboolean(L, 6), &progress, &failure), &failure);
}

/* consumer_end(db, id, epoch, first, code, a blank and the message of the error that ended its run)
 * -> true; or nil, err, code */
static int consumer_end(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct failure failure;

	return return_true(L, tide_end_consumer(database->tide, check_range(L, 2),
		check_slice(L, 5), &failure), &failure);
}

/* Returns the batch of the arguments 2 to 8: id, epoch, first shard, position before it, position
 * after it, number of records, parked version. */
static struct consume_batch check_batch(lua_State *L)
{
	return (struct consume_batch){
		.consumer = check_unsigned(L, 2), .epoch = check_unsigned(L, 3),
		.first = check_range(L, 2).first, .from = check_unsigned(L, 5),
		.to = check_unsigned(L, 6), .records = check_unsigned(L, 7),
		.parked_version = check_unsigned(L, 8),
	};
}

/* Sets the item key of a batch to the one at index, if there is one. */
static void read_item_key(lua_State *L, int index, struct consume_batch *batch)
{
	if (lua_isnoneornil(L, index))
		return;
	batch->key = check_slice(L, index);
	luaL_argcheck(L, batch->key.len <= KEY_HEAD_MAX + SORT_KEY_MAX, index,
		"not an item key");
}

/* consumer_advance(db, id, epoch, first, from, to, records, parked version, mark, copied, items,
 * item key | nil) -> true; or nil, err, code. Only in a transaction. The last four are those of
 * struct consume_batch. */
static int consumer_advance(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct consume_batch batch = check_batch(L);
	struct failure failure;

	batch.mark = (enum consume_mark)check_choice(L, 9, MARK_NONE, MARK_END);
	batch.copied = check_unsigned(L, 10);
	batch.items = check_unsigned(L, 11);
	read_item_key(L, 12, &batch);
	check_deadline(L, database);
	return return_true(L, tide_advance_consumer(database->tide, &batch, &failure), &failure);
}

/* consumer_skip_ignored(db, id, epoch, first, from, to, copied, item key | nil) -> true; or nil,
 * err, code. The last two are those of struct consume_batch. */
static int consumer_skip_ignored(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct consume_batch batch = {
		.consumer = check_unsigned(L, 2), .epoch = check_unsigned(L, 3),
		.first = check_range(L, 2).first, .from = check_unsigned(L, 5),
		.to = check_unsigned(L, 6), .copied = check_unsigned(L, 7),
	};
	struct failure failure;

	read_item_key(L, 8, &batch);
	return return_true(L, tide_skip_ignored(database->tide, &batch, &failure), &failure);
}

/* consumer_fail(db, id, epoch, first, from, to, records, parked version, size of the largest batch
 * from now on or 0) -> true; or nil, err, code */
static int consumer_fail(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct consume_batch batch = check_batch(L);
	uint32_t largest = (uint32_t)check_choice(L, 9, 0, UINT32_MAX);
	struct failure failure;

	return return_true(L, tide_fail_consumer(database->tide, &batch, largest, &failure),
		&failure);
}

/* --- workers --- */

/* worker_join(db, number of the worker, consumer id) -> slot; or nil, err, code */
static int join_worker(lua_State *L)
{
	struct database *database = check_database(L, 1);
	uint32_t number = (uint32_t)check_choice(L, 2, 1, INT32_MAX);
	struct failure failure;
	uint64_t slot;

	if (tide_worker_join(database->tide, number, check_unsigned(L, 3), &slot, &failure))
		return return_failure(L, &failure);
	lua_pushinteger(L, (lua_Integer)slot);
	return 1;
}

/* worker_leave(db, slot) */
static int leave_worker(lua_State *L)
{
	tide_worker_leave(check_database(L, 1)->tide, (uint64_t)luaL_checkinteger(L, 2));
	return 0;
}

/* worker_beat(db, slot) */
static int beat_worker(lua_State *L)
{
	tide_worker_beat(check_database(L, 1)->tide, (uint64_t)luaL_checkinteger(L, 2));
	return 0;
}

/* worker_asked(db, slot) -> greatest sequence number for which a caller waits; 0: none */
static int worker_asked_for(lua_State *L)
{
	struct database *database = check_database(L, 1);

	lua_pushinteger(L, (lua_Integer)tide_worker_asked(database->tide,
		(uint64_t)luaL_checkinteger(L, 2)));
	return 1;
}

/* worker_handles(db, slot, number of records when it enters its handler or 0 when it leaves it,
 * sequence number of the last record) */
static int worker_handles(lua_State *L)
{
	struct database *database = check_database(L, 1);
	uint64_t slot = (uint64_t)luaL_checkinteger(L, 2);
	struct handler_batch batch = {
		.records = (uint32_t)check_choice(L, 3, 0, UINT32_MAX),
	};

	batch.last = batch.records ? (uint64_t)check_choice(L, 4, 1, INT64_MAX) : 0;
	if (batch.records)
		tide_worker_enter_handler(database->tide, slot, &batch);
	else
		tide_worker_leave_handler(database->tide, slot);
	return 0;
}

/* worker_waits(db, slot, code of the error for which the worker waits | nil: none) */
static int worker_waits(lua_State *L)
{
	struct database *database = check_database(L, 1);
	uint64_t slot = (uint64_t)luaL_checkinteger(L, 2);
	int err = lua_isnoneornil(L, 3) ? 0 : error_named(luaL_checkstring(L, 3));

	luaL_argcheck(L, err || lua_isnoneornil(L, 3), 3, "expected the code of an error");
	tide_worker_wait_out(database->tide, slot, err);
	return 0;
}

/* note_stop(db, pid): the workers of this process are being stopped; its death in a handler is no
 * failed attempt */
static int note_stop(lua_State *L)
{
	tide_note_stop(check_database(L, 1)->tide, (int64_t)check_choice(L, 2, 1, INT32_MAX));
	return 0;
}

/* worker_is_alive(db, opening, number of the worker, consumer id, lease, handler limit in seconds)
 * -> true; or false, number of records and last sequence number of the batch in whose handler it
 * ended, 0 if it did not */
static int worker_is_alive(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct slice opening = check_slice(L, 2);
	struct handler_batch batch;
	struct shard_owner owner = { .worker = (uint32_t)check_choice(L, 3, 1, UINT32_MAX) };

	luaL_argcheck(L, opening.len == WORKER_OPENING_BYTES, 2, "expected an opening");
	memcpy(owner.opening, opening.data, WORKER_OPENING_BYTES);
	lua_pushboolean(L, tide_worker_is_alive(database->tide, &owner, check_unsigned(L, 4),
		check_time_limit(L, 5), check_time_limit(L, 6), &batch));
	lua_pushinteger(L, batch.records);
	lua_pushinteger(L, (lua_Integer)batch.last);
	return 3;
}

/* live_workers(db, consumer id, lease, handler limit in seconds) -> number of its workers that are
 * alive */
static int count_live_workers(lua_State *L)
{
	struct database *database = check_database(L, 1);

	lua_pushinteger(L, tide_live_workers(database->tide, check_unsigned(L, 2),
		check_time_limit(L, 3), check_time_limit(L, 4)));
	return 1;
}

/* list_workers(db, consumer id, lease, handler limit in seconds) -> array of tables with opening,
 * worker, pid, seconds (since its last heartbeat), in_handler, is_alive, waits_for (code of an
 * error; nil: none) */
static int list_workers(lua_State *L)
{
	struct database *database = check_database(L, 1);
	struct tide_worker workers[TIDE_WORKERS_MAX];
	uint32_t count = tide_list_workers(database->tide, check_unsigned(L, 2),
		check_time_limit(L, 3), check_time_limit(L, 4), workers);

	lua_createtable(L, (int)count, 0);
	for (uint32_t i = 0; i < count; i++) {
		lua_createtable(L, 0, 6);
		lua_pushlstring(L, (const char *)workers[i].owner.opening, WORKER_OPENING_BYTES);
		lua_setfield(L, -2, "opening");
		set_integer(L, "worker", workers[i].owner.worker);
		set_integer(L, "pid", (uint64_t)workers[i].pid);
		set_seconds(L, "seconds", workers[i].beat_age_ms);
		set_bool(L, "in_handler", workers[i].in_handler);
		set_bool(L, "is_alive", workers[i].is_alive);
		if (workers[i].waits_for)
			set_text(L, "waits_for", error_code(workers[i].waits_for));
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

/* wall_clock(db) -> seconds since 1970 */
static int wall_clock(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)tide_now_ms(check_database(L, 1)->tide) / 1000);
	return 1;
}

/* expiry_clock(db) -> seconds since 1970; or nil, err, code */
static int expiry_clock(lua_State *L)
{
	struct failure failure;
	uint64_t clock_ms;

	if (tide_expiry_clock(check_database(L, 1)->tide, &clock_ms, &failure))
		return return_failure(L, &failure);
	lua_pushnumber(L, (lua_Number)clock_ms / 1000);
	return 1;
}

/* consumer_failure(code, message) -> nil, err, code: for failures that only the Lua module can
 * detect. NESTED is raised. */
static int consumer_failure(lua_State *L)
{
	int err = error_named(luaL_checkstring(L, 1));
	struct failure failure;

	luaL_argcheck(L, err, 1, "expected the code of an error");
	fail_as(&failure, err, "%s", luaL_checkstring(L, 2));
	return return_failure(L, &failure);
}

void open_consumers(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "consumer_create", consumer_create },
		{ "consumer_delete", consumer_delete },
		{ "consumer_pause", consumer_pause },
		{ "consumer_renew", consumer_renew },
		{ "split_range", split_range },
		{ "merge_ranges", merge_ranges },
		{ "consumer_set", consumer_set },
		{ "consumer_move", consumer_move },
		{ "consumer_describe", consumer_describe },
		{ "consumer_names", list_names },
		{ "consumer_lag", consumer_lag },
		{ "consumer_lags", consumer_lags },
		{ "consumer_has_processed", consumer_has_processed },
		{ "consumer_ask", ask_consumer },
		{ "progress_count", count_progress },
		{ "progress_wait", wait_for_progress },
		{ "consumer_join", consumer_join },
		{ "consumer_end", consumer_end },
		{ "consumer_leave", consumer_leave },
		{ "consumer_advance", consumer_advance },
		{ "consumer_skip_ignored", consumer_skip_ignored },
		{ "consumer_fail", consumer_fail },
		{ "consumer_skip_gap", consumer_skip_gap },
		{ "consumer_failure", consumer_failure },
		{ "worker_join", join_worker },
		{ "worker_leave", leave_worker },
		{ "worker_waits", worker_waits },
		{ "note_stop", note_stop },
		{ "worker_beat", beat_worker },
		{ "worker_asked", worker_asked_for },
		{ "worker_handles", worker_handles },
		{ "worker_is_alive", worker_is_alive },
		{ "live_workers", count_live_workers },
		{ "list_workers", list_workers },
		{ "wall_clock", wall_clock },
		{ "expiry_clock", expiry_clock },
		{ NULL, NULL },
	};

	luaL_setfuncs(L, functions, 0);
}
