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

#endif
