/* calls.h - calls of tide.h with fault injection in the layers below.
 *
 * Each request that a call makes to the layer below (memory or store) fails once: first the first
 * request, then the second, and so on, until the call succeeds. A call that fails must return an
 * error, release its locks and leave no partial change; then the same call must succeed. Each
 * attempt uses a new handle, so that no cache saves it a request. EVERY=n lets only one request in
 * n fail.
 */
#ifndef UNIT_CALLS_H
#define UNIT_CALLS_H

#include "unit/calls_expiring.h"
#include "unit/calls_consumers.h"
#include "unit/calls_feeds.h"
#include "unit/calls_bundles.h"
#include "unit/calls_parking.h"
#include "unit/calls_waiting.h"

/* --- calls that change something --- */

static int run_create(struct tide *tide)
{
	struct tide_table_spec spec = spec_of("created");

	return tide_create_table(tide, &spec, &failure);
}

static bool is_there(struct tide *tide, const char *name)
{
	struct tide_table table = table_named(name);
	const struct table_row *row;

	return tide_describe_table(tide, &table, &row, &failure) == 0;
}

static bool sign_create(struct tide *tide)
{
	return is_there(tide, "created");
}

static int run_delete_table(struct tide *tide)
{
	return tide_delete_table(tide, slice_of_text("doomed"), &failure);
}

static bool sign_delete_table(struct tide *tide)
{
	return !is_there(tide, "doomed");
}

static uint32_t stream_of(struct tide *tide, const char *name)
{
	struct tide_table table = table_named(name);
	const struct table_row *row;

	MUST(tide_describe_table(tide, &table, &row, &failure), failure);
	return row->stream;
}

static int run_disable(struct tide *tide)
{
	return tide_disable_stream(tide, slice_of_text("orders"), &failure);
}

static bool sign_disable(struct tide *tide)
{
	return stream_of(tide, "orders") == 0;
}

static int run_enable(struct tide *tide)
{
	struct retention day = { .age_ms = DAY_MS };

	return tide_enable_stream(tide, slice_of_text("silent"), VIEW_NEW_IMAGE, &day, &failure);
}

static bool sign_enable(struct tide *tide)
{
	return stream_of(tide, "silent") != 0;
}

static int run_retention(struct tide *tide)
{
	struct retention two = { .age_ms = 1000, .max_count = 2 };

	return tide_set_retention(tide, STREAM_ONE, &two, &failure);
}

static bool sign_retention(struct tide *tide)
{
	struct tide_stream_state state;

	MUST(tide_describe_stream(tide, STREAM_ONE, &state, &failure), failure);
	return state.row->retention.max_count == 2;
}

/* Depth 1, origin "me". */
static const uint8_t annotation[] = { 1, 2, 'm', 'e' };

/* An annotated transaction with small and big items, of which some are new, replaced and
 * deleted. */
static int run_transaction(struct tide *tide)
{
	struct tide_table table = table_named("orders"), other = table_named("silent");
	struct tide_change change;
	int err = tide_begin(tide, &failure);

	if (err)
		return err;
	err = tide_annotate(tide, slice_of(annotation, sizeof annotation), &failure);
	if (!err)
		err = tide_put(tide, &table, item_of(&made, "ann", "new", big), &change, &failure);
	if (!err)
		err = tide_put(tide, &table, item_of(&made, "ann", "1", big), &change,
			&failure);
	if (!err)
		err = tide_put(tide, &table, item_of(&made, "ann", "big", "small"), &change,
			&failure);
	if (!err)
		err = tide_delete(tide, &table, item_of(&made, "ann", "2", NULL), &change,
			&failure);
	if (!err)
		err = tide_delete(tide, &table, item_of(&made, "ann", deep, NULL), &change,
			&failure);
	if (!err)
		err = tide_put(tide, &other, item_of(&made, "ann", deep, big), &change, &failure);
	if (!err)
		err = tide_put(tide, &other, item_of(&made, "ann", "new", "x"), &change,
			&failure);
	if (err) {
		tide_abort(tide);
		return err;
	}
	return tide_commit(tide, &failure);
}

static bool sign_transaction(struct tide *tide)
{
	struct tide_table table = table_named("orders"), other = table_named("silent");
	bool put = has(tide, &table, "ann", "new", big);

	CHECK(has(tide, &table, "ann", "1", big) == put);
	CHECK(has(tide, &table, "ann", "1", "old") != put);
	CHECK(has(tide, &table, "ann", "big", "small") == put);
	CHECK(has(tide, &table, "ann", "big", big) != put);
	CHECK(has(tide, &table, "ann", "2", "old") != put);
	CHECK(has(tide, &other, "ann", "new", "x") == put);
	CHECK(has(tide, &table, "ann", deep, "old") != put);
	CHECK(has(tide, &other, "ann", deep, big) == put);
	return put;
}

static char stubborn[32];
static const char *const stubborn_names[] = { "x", "y", "z" };
static uint64_t records_before;

/* Writes in one transaction and continues after a failed write. Each committed change is
 * complete. */
static int run_after_failures(struct tide *tide)
{
	struct tide_table table = table_named("orders");
	struct tide_change change;
	int err = tide_begin(tide, &failure), first = 0;

	if (err)
		return err;
	for (int i = 0; i < 3; i++) {
		err = tide_put(tide, &table, item_of(&made, stubborn, stubborn_names[i], big),
			&change, &failure);
		if (err && !first)
			first = err;
	}
	if (!first)
		return tide_commit(tide, &failure);
	refuse_after(-1);
	err = tide_commit(tide, &failure);
	CHECK(err == 0 || err == refusal);
	return first;
}

static uint64_t records_of(struct tide *tide, uint32_t stream)
{
	struct tide_stream_state state;

	MUST(tide_describe_stream(tide, stream, &state, &failure), failure);
	return state.count;
}

/* Puts other items in each attempt, because items that an earlier attempt has put may remain. */
static void prepare_stubborn(struct tide *tide)
{
	static int attempt;

	snprintf(stubborn, sizeof stubborn, "stubborn %d", ++attempt);
	records_before = records_of(tide, STREAM_ONE);
}

/* A put may fail without aborting the transaction; an item is present if its record is. */
static bool sign_stubborn(struct tide *tide)
{
	struct tide_table table = table_named("orders");
	uint64_t puts = 0;

	for (int i = 0; i < 3; i++)
		puts += has(tide, &table, stubborn, stubborn_names[i], big);
	CHECK_EQUAL_UINT(records_of(tide, STREAM_ONE), records_before + puts);
	return puts == 3;
}

static bool sign_trim(struct tide *tide)
{
	struct report report = { 0 };
	bool gone;

	MUST(tide_check(tide, &report, &failure), failure);
	gone = report.streams == 3;
	buffer_release(&report.text);
	return gone;
}

/* The same items each time, because an earlier attempt may have removed some. */
static void prepare_truncate(struct tide *tide)
{
	static const char *const names[] = { "orders", "silent" };

	for (int i = 0; i < 2; i++) {
		struct tide_table table = table_named(names[i]);

		put_alone(tide, &table, "ann", "1", "old");
		put_alone(tide, &table, "ann", "big", big);
		put_alone(tide, &table, "ann", deep, "old");
	}
}

static int truncate_named(struct tide *tide, const char *name)
{
	struct tide_table table = table_named(name);
	struct tide_truncation progress = { 0 };
	uint64_t removed = 0;
	bool more = true;
	int err = 0;

	while (!err && more)
		err = tide_truncate(tide, &table, &progress, &removed, &more, &failure);
	return err;
}

static bool is_empty(struct tide *tide, const char *name)
{
	struct tide_table table = table_named(name);
	struct tide_query_spec spec = { .committed = true };
	struct tide_query *query;
	bool empty;

	MUST(tide_query_start(&query, tide, &table, &spec, &failure), failure);
	MUST(tide_query_fill(query, tide, 1, &failure), failure);
	empty = tide_query_count(query) == 0;
	tide_query_finish(query);
	return empty;
}

static int run_truncate(struct tide *tide)
{
	return truncate_named(tide, "orders");
}

static bool sign_truncate(struct tide *tide)
{
	return is_empty(tide, "orders");
}

static int run_truncate_silent(struct tide *tide)
{
	return truncate_named(tide, "silent");
}

static bool sign_truncate_silent(struct tide *tide)
{
	return is_empty(tide, "silent");
}

/* --- calls that read --- */

static bool sign_nothing(struct tide *tide)
{
	(void)tide;
	return false;
}

static int run_get(struct tide *tide)
{
	struct tide_table table = table_named("orders");
	struct buffer out = { 0 };
	uint64_t sequence;
	int err = tide_get(tide, &table, item_of(&made, "ann", "big", NULL), &out, &sequence,
		&failure);

	CHECK(err || out.len > BIG);
	buffer_release(&out);
	return err;
}

static int run_query(struct tide *tide)
{
	struct tide_table table = table_named("orders");
	struct tide_query_spec spec = { .partition = &(struct value){ TYPE_S, 0,
		slice_of_text("ann") } };
	struct tide_query *query;
	struct slice item;
	uint64_t sequence;
	int count = 0, err = tide_query_start(&query, tide, &table, &spec, &failure);

	CHECK((err == 0) == (query != NULL));
	if (err)
		return err;
	err = tide_query_pin(query, tide, 0, &failure);
	for (int i = 0; i < 4 && !err; i++) {
		err = tide_query_fill(query, tide, 2, &failure);
		while (!err && tide_query_next(query, &sequence, &item) == 0)
			count++;
	}
	CHECK(err || count == 4);
	tide_query_finish(query);
	return err;
}

/* Reads the items of each of two segments. */
static int run_segments(struct tide *tide)
{
	struct tide_table table = table_named("orders");
	struct tide_query_spec spec = { .total_segments = 2 };
	int count = 0, err = 0;

	for (; spec.segment < 2 && !err; spec.segment++) {
		struct tide_query *query;

		err = tide_query_start(&query, tide, &table, &spec, &failure);
		if (err)
			return err;
		do {
			err = tide_query_fill(query, tide, 1, &failure);
			if (!err)
				count += (int)tide_query_count(query);
		} while (!err && tide_query_more(query));
		tide_query_finish(query);
	}
	CHECK(err || count == 5);
	return err;
}

/* Reads backward from a start key, in a table whose last key has several rows. */
static int run_backward(struct tide *tide)
{
	struct tide_table table = table_named("orders");
	struct tide_query_spec spec = { .backward = true };
	struct slice item;
	uint64_t sequence;
	int count = 0, err = 0;

	for (int i = 0; i < 2 && !err; i++) {
		struct tide_query *query;

		if (i)
			spec.start_key = item_of(&made, "bob", "1", NULL);
		err = tide_query_start(&query, tide, &table, &spec, &failure);
		if (err)
			return err;
		do {
			err = tide_query_fill(query, tide, 10, &failure);
			while (!err && tide_query_next(query, &sequence, &item) == 0)
				count++;
		} while (!err && tide_query_more(query));
		tide_query_finish(query);
	}
	CHECK(err || count == 5 + 4);
	return err;
}

/* Calls every function that reads from a snapshot, for old and current tables. */
static int read_at(struct tide *tide, const struct tide_snapshot *snapshot)
{
	struct tide_table table = table_named("orders"), younger = table_named("younger");
	struct buffer out = { 0 };
	struct table_row row;
	uint64_t sequence;
	struct key key;
	int err = tide_describe_table_at(tide, snapshot, &table, &row, &failure);

	if (!err)
		err = tide_key_at(tide, snapshot, &table, item_of(&made, "ann", "1", NULL), true,
			&key, &failure);
	if (!err)
		err = tide_get_at(tide, snapshot, &table, item_of(&made, "ann", "big", NULL), &out,
			&sequence, &failure);
	CHECK(err || out.len > BIG);
	if (!err)
		err = tide_get_at(tide, snapshot, &table, item_of(&made, "ann", "9", NULL), &out,
			&sequence, &failure);
	buffer_release(&out);
	CHECK(err && (err != END || sequence == 0));
	if (err == END)
		err = tide_describe_table_at(tide, snapshot, &younger, &row, &failure);
	return err == ERR_NOT_FOUND ? 0 : err;
}

static int count_all(struct tide *tide, struct tide_query *query, int *count)
{
	struct slice item;
	uint64_t sequence;
	int err;

	*count = 0;
	do {
		err = tide_query_fill(query, tide, 2, &failure);
		while (!err && tide_query_next(query, &sequence, &item) == 0) {
			struct key key;

			++*count;
			if (tide_query_key(query, tide, item, &key, &failure))
				return failure.err;
			CHECK_EQUAL_INT(tide_query_place(query, key_whole(&key)), 0);
		}
	} while (!err && tide_query_more(query));
	return err;
}

static int query_at(struct tide *tide, const struct tide_snapshot *snapshot)
{
	struct tide_table table = table_named("orders");
	struct tide_query_spec spec = { .snapshot = snapshot };
	struct tide_query *query;
	int count, err = tide_query_start(&query, tide, &table, &spec, &failure);

	CHECK((err == 0) == (query != NULL));
	if (err)
		return err;
	err = count_all(tide, query, &count);
	CHECK(err || count == 5);
	if (!err) {
		tide_query_rewind(query);
		err = tide_query_fill(query, tide, 10, &failure);
	}
	tide_query_finish(query);
	return err;
}

static int run_snapshot(struct tide *tide)
{
	struct tide_snapshot *snapshot;
	int err = tide_snapshot_open(&snapshot, tide, &failure);

	CHECK((err == 0) == (snapshot != NULL));
	if (err)
		return err;
	CHECK_EQUAL_UINT(tide_snapshot_commit(snapshot), tide_last_commit(tide));
	err = read_at(tide, snapshot);
	if (!err)
		err = query_at(tide, snapshot);
	tide_snapshot_close(snapshot);
	return err;
}

/* Like run_snapshot, after the catalog has changed since the snapshot. */
static int run_old_snapshot(struct tide *tide)
{
	struct tide_table_spec spec = spec_of("younger");
	struct tide_snapshot *snapshot;
	int err = tide_snapshot_open(&snapshot, tide, &failure), undone;

	if (err)
		return err;
	spec.view = 0;                   /* a stream would exist longer than the table */
	err = tide_create_table(tide, &spec, &failure);
	if (!err) {
		err = read_at(tide, snapshot);
		if (!err)
			err = query_at(tide, snapshot);
		refuse_after(-1);
		undone = tide_delete_table(tide, slice_of_text("younger"), &failure);
		CHECK_EQUAL_INT(undone, 0);
		failure.err = err;
	}
	tide_snapshot_close(snapshot);
	return err;
}

static int run_version(struct tide *tide)
{
	struct tide_table table = table_named("orders");
	uint64_t sequence;
	int err = tide_version(tide, &table, item_of(&made, "ann", "1", NULL), &sequence,
		&failure);

	CHECK((err == 0) == (sequence > 0));
	if (!err)
		err = tide_version(tide, &table, item_of(&made, "ann", "9", NULL), &sequence,
			&failure);
	CHECK(err || sequence == 0);
	return err;
}

static int run_descriptions(struct tide *tide)
{
	struct tide_table table = table_named("orders");
	const struct table_row *row;
	struct tide_stream_state state;
	struct buffer list = { 0 };
	struct tide_info info;
	uint32_t id;
	int err = tide_describe_table(tide, &table, &row, &failure);

	if (!err)
		err = tide_table_names(tide, &list, &failure);
	if (!err)
		err = tide_stream_ids(tide, &list, &failure);
	buffer_release(&list);
	if (!err)
		err = tide_stream_of(tide, slice_of_text("orders"), slice_of(NULL, 0), &id,
			&failure);
	if (!err)
		err = tide_describe_stream(tide, id, &state, &failure);
	return err ? err : tide_info(tide, &info, &failure);
}

static int run_check(struct tide *tide)
{
	struct report report = { 0 };
	int err = tide_check(tide, &report, &failure);

	CHECK(err || report.problems == 0 || refusal == ERR_CORRUPT);
	buffer_release(&report.text);
	return err;
}

static const struct call calls[] = {
	{ "create_table", run_create, true, .sign = sign_create },
	{ "delete_table", run_delete_table, true, .sign = sign_delete_table },
	{ "enable_stream", run_enable, true, .sign = sign_enable },
	{ "disable_stream", run_disable, true, .sign = sign_disable },
	{ "set_retention", run_retention, true, .sign = sign_retention },
	{ "a transaction", run_transaction, true, .sign = sign_transaction },
	{ "a stubborn transaction", run_after_failures, true, .sign = sign_stubborn },
	{ "trim", run_trim, true, .sign = sign_trim, .wait_ms = DAY_MS + 5000, .in_steps = true },
	{ "truncate", run_truncate, true, .sign = sign_truncate },
	{ "truncate without a stream", run_truncate_silent, true, .sign = sign_truncate_silent },
	{ "enable ttl", run_enable_ttl, true, .sign = sign_enable_ttl },
	{ "change ttl", run_change_ttl, true, .sign = sign_change_ttl },
	{ "disable ttl", run_disable_ttl, true, .sign = sign_disable_ttl },
	{ "build an expiry index", run_build, true, .sign = sign_build, .in_steps = true },
	{ "expired items", run_expired, true, .sign = sign_expired, .wait_ms = WAIT_MS },
	{ "swept items", run_trim, true, .sign = sign_swept, .wait_ms = WAIT_MS, .in_steps = true },
	{ "park", run_park, true, .sign = sign_park },
	{ "replay", run_replay, true, .sign = sign_replay },
	{ "discard", run_discard, true, .sign = sign_discard },
	{ "a failed replay", run_failed_replay, true, .sign = sign_failed_replay },
	{ "a death in a replay", run_death, true, .sign = sign_failed_replay, .in_steps = true },
	{ "a handled replay", run_handled_replay, true, .sign = sign_discard },
	{ "delete a consumer", run_delete_parks, true, .sign = sign_delete_parks },
	{ "parked records", run_parked_reading, false, .sign = sign_nothing },
	{ "park a transaction", run_park_bundle, true, .sign = sign_park_bundle },
	{ "replay transactions", run_replay_bundles, true, .sign = sign_replay_bundles },
	{ "discard transactions", run_discard_bundles, true, .sign = sign_discard_bundles },
	{ "a failed replay of a transaction", run_failed_bundle, true, .sign = sign_failed_bundle,
		.in_steps = true },
	{ "a death in a replay of a transaction", run_death_of_bundle, true,
		.sign = sign_failed_bundle, .in_steps = true },
	{ "a handled transaction", run_handled_bundle, true, .sign = sign_handled_bundle },
	{ "parked transactions", run_bundle_reading, false, .sign = sign_nothing },
	{ "next expiry", run_next_expiry, false, .sign = sign_nothing },
	{ "lag", run_lag, false, .sign = sign_nothing },
	{ "ask for a position", run_ask, false, .sign = sign_nothing },
	{ "get", run_get, false, .sign = sign_nothing },
	{ "query", run_query, false, .sign = sign_nothing },
	{ "query backward", run_backward, false, .sign = sign_nothing },
	{ "segments", run_segments, false, .sign = sign_nothing },
	{ "snapshot", run_snapshot, false, .sign = sign_nothing },
	{ "old snapshot", run_old_snapshot, false, .sign = sign_nothing },
	{ "version", run_version, false, .sign = sign_nothing },
	{ "feed", run_feed, false, .sign = sign_nothing },
	{ "feed of all", run_feed_of_all, false, .sign = sign_nothing },
	{ "feed with a filter", run_filtered_feed, false, .sign = sign_nothing },
	{ "feed backward", run_feed_backward, false, .sign = sign_nothing },
	{ "create a copying consumer", run_create_copier, true, .sign = sign_create_copier },
	{ "end a copy", run_move_copier, true, .sign = sign_move_copier },
	{ "copy", run_copy, false, .sign = sign_nothing },
	{ "filtered copy", run_filtered_copy, false, .sign = sign_nothing },
	{ "split a range", run_split, true, .sign = sign_split },
	{ "merge ranges", run_merge, true, .sign = sign_merge },
	{ "skip a gap in ranges", run_skip, true, .sign = sign_skip, .wait_ms = 2 * DAY_MS },
	{ "skip a gap by a snapshot", run_skip_copying, true, .sign = sign_skip_copying,
		.wait_ms = 2 * DAY_MS },
	{ "unite all ranges", run_unite, true, .sign = sign_merge },
	{ "join a range", run_join, true, .sign = sign_join },
	{ "multiply shards", run_multiply, true, .sign = sign_multiply },
	{ "replace shards", run_reshard, true, .sign = sign_reshard },
	{ "renew a consumer", run_renew, true, .sign = sign_renew },
	{ "hold for ranges", run_set_hold, true, .sign = sign_set_hold },
	{ "advance a range", run_advance, true, .sign = sign_advance, .wait_ms = 2 * DAY_MS },
	{ "feed of a range", run_range_feed, false, .sign = sign_nothing },
	{ "descriptions", run_descriptions, false, .sign = sign_nothing },
	{ "check", run_check, false, .sign = sign_nothing },
	{ "wakeup", run_wakeup, false, .sign = sign_nothing },
	{ "waiter", run_waiter, false, .sign = sign_nothing },
};

/* --- --- */

static struct tide *open_again(void)
{
	struct tide *tide;

	MUST(tide_open(&tide, &options, &failure), failure);
	return tide;
}

/* Creates three tables with streams, two without, and a stream whose records have expired. */
static void fill(void)
{
	struct tide *tide = open_again();
	struct tide_table table = create_table(tide, "orders"), doomed, silent;
	struct retention second = { .age_ms = 1000 };
	struct tide_table_spec spec = spec_of("silent");

	spec.view = 0;
	MUST(tide_create_table(tide, &spec, &failure), failure);
	silent = table_named("silent");
	doomed = create_expiring(tide, "doomed");
	begin(tide);
	MUST(tide_annotate(tide, slice_of(annotation, sizeof annotation), &failure), failure);
	put(tide, &table, "ann", "1", "old");
	put(tide, &table, "ann", "2", "old");
	put(tide, &table, "ann", "big", big);
	commit(tide);
	put_alone(tide, &table, "ann", deep, "old");
	put_alone(tide, &table, "bob", "1", "old");
	put_alone(tide, &silent, "ann", "1", "old");
	put_alone(tide, &doomed, "ann", "1", big);
	create_table(tide, "gone");
	MUST(tide_set_retention(tide, 3, &second, &failure), failure);
	put_alone(tide, &doomed, "ann", "2", big);
	MUST(tide_delete_table(tide, slice_of_text("gone"), &failure), failure);
	fill_expiring(tide);
	fill_parking(tide);
	fill_bundles(tide);
	create_copier(tide);
	create_shared(tide);
	create_renewed(tide);
	check_clean(tide);
	tide_close(tide);
}

/* Checks from another handle that the write lock is free and the file has no problems. */
static void is_sound(const struct call *call, struct tide *tide, bool done)
{
	struct tide *other = open_again();

	CHECK(!tide_in_transaction(tide));
	CHECK_EQUAL_INT(tide_begin(other, &failure), 0);
	tide_abort(other);
	check_clean(tide);
	check_clean(other);
	if (call->sign(other) != (done && call->happened) ||
			call->sign(tide) != (done && call->happened)) {
		fprintf(stderr, "%s: %s\n", call->name, done ? "not done" : "done by halves");
		exit(1);
	}
	tide_close(other);
}

/* Damage that prevents the removal of a record is returned as CORRUPT. */
static bool is_refusal(const struct call *call, int err)
{
	return err == refusal || ((call->in_steps || call->wait_ms) && refusal == ERR_CORRUPT &&
		err == ERR_STORE);
}

static struct tide *keeper;              /* the store and its clock stay open */

static void start(const struct call *call)
{
	options = weak_options(tide_path("fault.tide"));
	manual = clock_manual(START_MS);
	options.clock = manual;
	fill();
	keeper = open_again();
	clock_advance(manual, call->wait_ms);
}

static void stop(void)
{
	tide_close(keeper);
	remove_files(options.path);
	clock_drop(manual);
}

/* Makes the call with a new handle. Returns its error. */
static int attempt(const struct call *call, long allowed)
{
	struct tide *tide = open_again();
	int err;

	if (call->run == run_after_failures)
		prepare_stubborn(tide);
	if (call->run == run_truncate || call->run == run_truncate_silent)
		prepare_truncate(tide);
	was_refused = false;
	refuse_after(allowed);
	err = call->run(tide);
	refuse_after(-1);
	if (err && !is_refusal(call, err)) {
		fprintf(stderr, "%s: request %ld: %s\n", call->name, allowed, failure.message);
		exit(1);
	}
	CHECK(!err || failure.err == err || call->run == run_after_failures);
	if (call->run == run_after_failures)
		CHECK(call->sign(tide) == !err);
	if (err && (call->in_steps || call->run == run_after_failures))
		check_clean(tide);
	else
		is_sound(call, tide, !err);
	if (err && !call->happened)
		CHECK_EQUAL_INT(call->run(tide), 0);
	tide_close(tide);
	return err;
}

static void each_request_may_fail(const struct call *call)
{
	long allowed = 0;
	int err;

	start(call);
	do {
		err = attempt(call, allowed);
		/* A commit succeeds if its sweep fails. Not all calls can be repeated. */
		if (!err && was_refused && call->happened) {
			stop();
			start(call);
		}
		allowed += check_step();
	} while (err || was_refused);
	stop();
	CHECK(allowed > 1 || call->run == run_wakeup || call->run == run_next_expiry);
}

static void each_call_may_fail(void)
{
	memset(big, 'x', BIG);
	memset(deep, 'd', DEEP);
	item_of(&made, "stubborn 1000", deep, big);
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		each_request_may_fail(&calls[i]);
}

#endif
