/* calls_consumers.h - calls of tide.h that concern consumers, for calls.h. */
#ifndef UNIT_CALLS_CONSUMERS_H
#define UNIT_CALLS_CONSUMERS_H

#include "unit/calling.h"

/* Creates the consumer whose feed run_copy reads. */
static void create_copier(struct tide *tide)
{
	struct tide_consumer_spec spec = consumer_spec("copier", TIDE_SNAPSHOT);

	MUST(tide_create_consumer(tide, &spec, &failure), failure);
}

/* Reads items in small pages until the copy is over. */
static int read_copy(struct tide *tide, struct tide_feed *feed)
{
	struct slice bytes;
	uint32_t stream;
	int items = 0, err = 0;

	while (!err && tide_feed_is_behind(feed)) {
		err = tide_feed_fill(feed, tide, 2, &failure);
		while (!err && tide_feed_next(feed, &stream, &bytes) == 0) {
			struct record record;

			CHECK_EQUAL_INT(record_check(bytes), 0);
			CHECK_EQUAL_INT(record_get(&record, bytes), 0);
			CHECK_EQUAL_INT(record.origin, ORIGIN_SNAPSHOT);
			items++;
		}
	}
	CHECK(err || items >= 5);
	CHECK(err || !tide_feed_has_news(feed, tide));
	return err;
}

static int run_copy(struct tide *tide)
{
	struct tide_consumer consumer;
	struct tide_feed *feed = NULL;
	int err = tide_describe_consumer(tide, slice_of_text("copier"), &consumer, &failure);

	if (!err) {
		CHECK(consumer.progress.is_copying);
		err = tide_consumer_feed(&feed, tide, whole(consumer.row.id,
			consumer.progress.epoch), 64, slice_of(NULL, 0), &failure);
	}
	if (!err)
		err = read_copy(tide, feed);
	tide_feed_finish(feed);
	return err;
}

/* The same with a filter that only some of the items pass. */
static int run_filtered_copy(struct tide *tide)
{
	struct tide_expressions *expressions = NULL;
	struct tide_consumer consumer;
	struct tide_feed *feed = NULL;
	struct slice bytes;
	uint32_t stream;
	uint64_t last = 0;
	int err = tide_describe_consumer(tide, slice_of_text("copier"), &consumer, &failure);

	if (!err)
		err = tide_expressions_open(&expressions, tide, &failure);
	if (!err)
		err = tide_expressions_parse(expressions, EXPRESSION_RECORD_FILTER,
			slice_of_text("size(new_image.s) > size(keys.p)"),
			&failure);
	if (!err)
		err = tide_expressions_bind(expressions, "FilterExpression is null", &failure);
	if (!err)
		err = tide_consumer_feed(&feed, tide, whole(consumer.row.id,
			consumer.progress.epoch), 64, slice_of(NULL, 0), &failure);
	if (!err)
		err = tide_feed_filter(feed, tide, slice_of(NULL, 0), expressions, &failure);
	if (!err)
		expressions = NULL;              /* the feed has it */
	while (!err && tide_feed_is_behind(feed)) {
		err = tide_feed_fill(feed, tide, 2, &failure);
		while (!err && tide_feed_next(feed, &stream, &bytes) == 0)
			last = record_sequence(bytes.data);
	}
	CHECK(err || (last > 0 && tide_feed_place(feed).len > 0));
	CHECK(err || tide_feed_left_out(feed) > 0);
	tide_feed_finish(feed);
	tide_expressions_close(expressions);
	return err;
}

/* A consumer that is copying holds records and has processed no change, whatever the store
 * returns. */
static int run_lag(struct tide *tide)
{
	struct tide_consumer consumer;
	struct buffer lags = { 0 };
	struct lag lag;
	bool processed;
	int err = tide_describe_consumer(tide, slice_of_text("copier"), &consumer, &failure);

	if (!err)
		err = tide_consumer_lag(tide, slice_of_text("copier"), &lag, &failure);
	CHECK(err || lag.is_held);
	if (!err)
		err = tide_consumer_lags(tide, &lags, &failure);
	if (!err)
		err = tide_consumer_has_processed(tide, slice_of_text("copier"), consumer.row.id,
			consumer.progress.position, &processed, &failure);
	CHECK(err || !processed);
	buffer_release(&lags);
	return err;
}

/* A worker is asked for its position, and the readers of its streams are notified once. */
static int run_ask(struct tide *tide)
{
	struct slice name = slice_of_text("copier");
	struct tide_consumer consumer;
	uint64_t slot = 0;
	int err = tide_describe_consumer(tide, name, &consumer, &failure);

	if (!err)
		err = tide_ask_consumer(tide, name, consumer.row.id, 5, &failure);
	if (!err)
		err = tide_worker_join(tide, 1, consumer.row.id, &slot, &failure);
	if (!err)
		err = tide_ask_consumer(tide, name, consumer.row.id, 5, &failure);
	CHECK(err || tide_worker_asked(tide, slot) == 5);
	if (!err)
		err = tide_ask_consumer(tide, name, consumer.row.id, 4, &failure);
	CHECK(err || tide_worker_asked(tide, slot) == 5);
	tide_worker_leave(tide, slot);
	return err;
}

static int run_create_copier(struct tide *tide)
{
	struct tide_consumer_spec spec = consumer_spec("another", TIDE_SNAPSHOT);

	return tide_create_consumer(tide, &spec, &failure);
}

static bool sign_create_copier(struct tide *tide)
{
	struct tide_consumer consumer;

	return tide_describe_consumer(tide, slice_of_text("another"), &consumer, &failure) == 0;
}

static int run_move_copier(struct tide *tide)
{
	bool is_done;

	return tide_move_consumer(tide, slice_of_text("copier"), TIDE_TRIM_HORIZON, 0, false,
		&is_done, &failure);
}

static bool sign_move_copier(struct tide *tide)
{
	return !described(tide, "copier").progress.is_copying;
}

/* --- ranges --- */

/* Creates a consumer with two ranges of one owner, and a paused one whose ranges have none. */
static void create_shared(struct tide *tide)
{
	static const char *const names[] = { "shared", "resting" };

	for (int i = 0; i < 2; i++) {
		struct tide_consumer_spec spec = consumer_spec(names[i], TIDE_TRIM_HORIZON);

		MUST(tide_create_consumer(tide, &spec, &failure), failure);
		split_range(tide, names[i], 0, 32, false);
	}
	join_range(tide, "shared", 0, 1, NO_DEATH);
	join_range(tide, "shared", 32, 1, NO_DEATH);
	MUST(tide_pause_consumer(tide, slice_of_text("resting"), true, &failure), failure);
}

static uint64_t renewed_position;      /* of the consumer "renewed" */

/* Creates a consumer of a stream, with two ranges that have read all of its records. */
static void create_renewed(struct tide *tide)
{
	struct tide_consumer_spec spec = consumer_spec("renewed", TIDE_LATEST);

	spec.streams = slice_of("\0\0\0\2", 4);
	spec.hold_ms = DAY_MS;
	MUST(tide_create_consumer(tide, &spec, &failure), failure);
	split_range(tide, "renewed", 0, 32, false);
	renewed_position = row_at(tide, "renewed", 32).position;
}

/* Sets the two ranges of a consumer. */
static int find_ranges_of(struct tide *tide, const char *name, struct shard_range ranges[2])
{
	struct tide_consumer consumer;
	struct progress_row row;
	int err = tide_describe_consumer(tide, slice_of_text(name), &consumer, &failure);

	if (err)
		return err;
	CHECK(consumer.ranges.len >= 2 * sizeof row);
	for (int i = 0; i < 2; i++) {
		memcpy(&row, consumer.ranges.data + (size_t)i * sizeof row, sizeof row);
		ranges[i] = range_of(consumer.row.id, &row);
	}
	return 0;
}

static int find_ranges(struct tide *tide, struct shard_range ranges[2])
{
	return find_ranges_of(tide, "shared", ranges);
}

static size_t count_ranges(struct tide *tide, const char *name)
{
	return ranges_of(tide, name).count;
}

static int run_split(struct tide *tide)
{
	struct shard_range ranges[2];
	struct progress_row row;
	int err = find_ranges(tide, ranges);

	return err ? err : tide_split_range(tide, ranges[1], 40, true, &row, &failure);
}

static bool sign_split(struct tide *tide)
{
	return count_ranges(tide, "shared") == 3;
}

static int run_merge(struct tide *tide)
{
	struct shard_range ranges[2];
	struct progress_row row;
	int err = find_ranges(tide, ranges);

	return err ? err : tide_merge_ranges(tide, ranges[0], ranges[1], &row, &failure);
}

static bool sign_merge(struct tide *tide)
{
	return count_ranges(tide, "shared") == 1;
}

/* The records that both ranges have to read have expired. */
static int run_skip(struct tide *tide)
{
	struct shard_range ranges[2];
	struct progress_row row;
	int err = find_ranges(tide, ranges);

	return err ? err : tide_skip_gap(tide, slice_of_text("shared"), ranges[1], false, &row,
		&failure);
}

static bool sign_skip(struct tide *tide)
{
	CHECK_EQUAL_UINT(row_at(tide, "shared", 0).position,
		row_at(tide, "shared", 32).position);
	return described(tide, "shared").progress.gaps == 1;
}

static int run_skip_copying(struct tide *tide)
{
	struct shard_range ranges[2];
	struct progress_row row;
	int err = find_ranges(tide, ranges);

	return err ? err : tide_skip_gap(tide, slice_of_text("shared"), ranges[1], true, &row,
		&failure);
}

static bool sign_skip_copying(struct tide *tide)
{
	bool is_copying = described(tide, "shared").progress.is_copying;

	CHECK_EQUAL_UINT(count_ranges(tide, "shared"), is_copying ? 1 : 2);
	return is_copying;
}

static int run_unite(struct tide *tide)
{
	bool is_done;

	return tide_move_consumer(tide, slice_of_text("shared"), TIDE_LATEST, 0, false, &is_done,
		&failure);
}

/* The worker of the second range dies, and another one joins it. */
static int run_join(struct tide *tide)
{
	struct shard_owner owner = { .worker = 2 };
	struct shard_range ranges[2];
	struct progress_row row;
	int err = find_ranges(tide, ranges);

	return err ? err : tide_join_consumer(tide, ranges[1], &owner,
		&(struct handler_batch){ 4, 5 }, &row, &failure);
}

static bool sign_join(struct tide *tide)
{
	return row_at(tide, "shared", 32).owner.worker == 2;
}

static int run_multiply(struct tide *tide)
{
	return set_shards_of(tide, slice_of_text("resting"), 128, 0, &failure);
}

static bool sign_multiply(struct tide *tide)
{
	struct ranges ranges = ranges_of(tide, "resting");

	CHECK(ranges.all[1].first == ranges.shards / 2 &&
		ranges.all[1].last == ranges.shards - 1);
	return ranges.shards == 128;
}

static int run_reshard(struct tide *tide)
{
	return set_shards_of(tide, slice_of_text("resting"), 48, 0, &failure);
}

static bool sign_reshard(struct tide *tide)
{
	bool is_changed = described(tide, "resting").row.shards == 48;

	CHECK_EQUAL_UINT(count_ranges(tide, "resting"), is_changed ? 1 : 2);
	return is_changed;
}

static int run_renew(struct tide *tide)
{
	struct shard_range ranges[2];
	bool is_done = true;
	int err = find_ranges_of(tide, "renewed", ranges);

	if (!err)
		err = tide_renew_consumer(tide, slice_of_text("renewed"), ranges[1],
			slice_of("\0\0\0\3", 4), &is_done, &failure);
	CHECK(err || is_done);
	return err;
}

static bool sign_renew(struct tide *tide)
{
	bool is_renewed = described(tide, "renewed").row.streams.data[3] == STREAM_TWO;

	CHECK_EQUAL_UINT(count_ranges(tide, "renewed"), is_renewed ? 1 : 2);
	return is_renewed;
}

static int run_set_hold(struct tide *tide)
{
	return set_hold_of(tide, slice_of_text("shared"), DAY_MS, &failure);
}

static bool sign_set_hold(struct tide *tide)
{
	CHECK_EQUAL_UINT(row_at(tide, "shared", 32).hold_ms, 0);
	return row_at(tide, "shared", 0).hold_ms == DAY_MS;
}

/* A batch of the second range renews a hold that was released. */
static int run_advance(struct tide *tide)
{
	struct shard_range ranges[2];
	struct consume_batch batch = { .records = 1 };
	int err = find_ranges_of(tide, "renewed", ranges);

	if (!err)
		err = tide_begin(tide, &failure);
	if (err)
		return err;
	batch.consumer = ranges[1].consumer;
	batch.first = ranges[1].first;
	batch.epoch = ranges[1].epoch;
	batch.from = batch.to = renewed_position;
	err = tide_advance_consumer(tide, &batch, &failure);
	if (!err)
		return tide_commit(tide, &failure);
	tide_abort(tide);
	return err;
}

static bool sign_advance(struct tide *tide)
{
	CHECK_EQUAL_UINT(row_at(tide, "renewed", 0).records, 0);
	return row_at(tide, "renewed", 32).records == 1;
}

/* Reads the records of the second range. */
static int run_range_feed(struct tide *tide)
{
	struct shard_hashes hashes = hashes_of_shards(32, 63, 64);
	struct shard_range ranges[2];
	struct tide_feed *feed = NULL;
	struct buffer page = { 0 };
	struct slice bytes;
	uint32_t stream;
	int err = find_ranges(tide, ranges);

	if (!err)
		err = tide_consumer_feed(&feed, tide, ranges[1], 64, slice_of(NULL, 0), &failure);
	if (!err)
		err = tide_feed_fill(feed, tide, 10, &failure);
	while (!err && tide_feed_next(feed, &stream, &bytes) == 0) {
		struct record record;

		CHECK_EQUAL_INT(record_get(&record, bytes), 0);
		CHECK(record.partition_hash >= hashes.first);
	}
	if (!err)
		err = tide_parked_replays(tide, &hashes, ranges[1].consumer, 10, &page, &failure);
	tide_feed_finish(feed);
	buffer_release(&page);
	return err;
}

#endif
