/* calls_feeds.h - calls of tide.h that read streams, for calls.h. */
#ifndef UNIT_CALLS_FEEDS_H
#define UNIT_CALLS_FEEDS_H

#include "unit/calling.h"

/* A marked record that was read has the annotation. */
static void has_annotation(struct slice bytes)
{
	struct record record;

	CHECK_EQUAL_INT(record_get(&record, bytes), 0);
	CHECK_EQUAL_INT(record.is_annotated, record.annotation.len > 0);
}

/* Reads a feed to its end and finishes it. newest_first: it was started with TIDE_NEWEST. */
static int read_feed(struct tide *tide, struct tide_feed *feed, bool newest_first)
{
	struct slice record;
	uint64_t last = newest_first ? UINT64_MAX : 0;
	uint32_t stream;
	int err = 0;

	for (int i = 0; i < 8 && !err; i++) {
		err = tide_feed_fill(feed, tide, 2, &failure);
		while (!err && tide_feed_next(feed, &stream, &record) == 0) {
			CHECK_EQUAL_INT(record_check(record), 0);
			has_annotation(record);
			CHECK((record_sequence(record.data) < last) == newest_first);
			last = record_sequence(record.data);
		}
	}
	tide_feed_finish(feed);
	return err;
}

static int run_feed_of(struct tide *tide, uint32_t id, enum tide_from from, uint64_t at)
{
	struct tide_feed *feed;
	int err = tide_feed_start(&feed, tide, id, from, at, &failure);

	CHECK((err == 0) == (feed != NULL));
	return err ? err : read_feed(tide, feed, from == TIDE_NEWEST);
}

static int bind_filter(struct tide_expressions *expressions)
{
	struct value value = { TYPE_S, 0, slice_of_text("INSERT") };
	int err = tide_expressions_add_value(expressions, slice_of_text(":v"), &value);

	if (!err)
		err = tide_expressions_parse(expressions, EXPRESSION_RECORD_FILTER, slice_of_text(
			"event_name = :v AND attribute_exists(keys.p) AND size_bytes > created_at"),
			&failure);
	return err ? err : tide_expressions_bind(expressions, "FilterExpression is null", &failure);
}

/* A feed with a condition and a key. */
static int run_filtered_feed_from(struct tide *tide, enum tide_from from)
{
	struct tide_expressions *expressions;
	struct tide_feed *feed = NULL;
	int err = tide_expressions_open(&expressions, tide, &failure);

	if (!err)
		err = bind_filter(expressions);
	if (!err)
		err = tide_feed_start(&feed, tide, STREAM_ONE, from, 0, &failure);
	if (!err)
		err = tide_feed_filter(feed, tide, item_of(&made, "ann", "1", NULL), expressions,
			&failure);
	if (!err)
		return read_feed(tide, feed, from == TIDE_NEWEST);
	tide_feed_finish(feed);
	tide_expressions_close(expressions);
	return err;
}

static int run_filtered_feed(struct tide *tide)
{
	return run_filtered_feed_from(tide, TIDE_TRIM_HORIZON);
}

static int run_feed_backward(struct tide *tide)
{
	int err = run_feed_of(tide, STREAM_ONE, TIDE_NEWEST, 0);

	return err ? err : run_filtered_feed_from(tide, TIDE_NEWEST);
}

static int run_feed(struct tide *tide)
{
	int err = run_feed_of(tide, STREAM_ONE, TIDE_TRIM_HORIZON, 0);

	return err ? err : run_feed_of(tide, STREAM_ONE, TIDE_TIME, 5);
}

static int run_feed_of_all(struct tide *tide)
{
	int err = run_feed_of(tide, 0, TIDE_TRIM_HORIZON, 0);

	if (!err)
		err = run_feed_of(tide, 0, TIDE_AFTER, 1);
	return err ? err : run_feed_of(tide, TIDE_STREAMS_AND_TABLES, TIDE_TRIM_HORIZON, 0);
}

#endif
