/* calls_bundles.h - the calls of calls.h for parked transactions. */
#ifndef UNIT_CALLS_BUNDLES_H
#define UNIT_CALLS_BUNDLES_H

#include "unit/calls_parking.h"

/* A transaction of two records, one of a record of the same key, and one of another key. */
#define BUNDLED 4

static struct parked_place bundled_places[BUNDLED];
static struct parked_copy bundled_copies[BUNDLED];
static struct buffer bundled_bytes[BUNDLED];
static uint64_t bundled_transactions[BUNDLED];

static struct slice bundles(void)
{
	return slice_of_text("bundles");
}

static struct progress_row progress_of_bundles(struct tide *tide)
{
	return described(tide, "bundles").progress;
}

/* Parks the records from `first` to `last`, of one transaction. */
static int park_bundle(struct tide *tide, size_t first, size_t last)
{
	int err = tide_begin(tide, &failure);

	if (err)
		return err;
	for (size_t i = first; i <= last && !err; i++)
		err = tide_park(tide, &bundled_places[i], &bundled_copies[i],
			bundled_transactions[i], last - i, 10, BIG * 10, &failure);
	return end_parking(tide, err);
}

static void take_bundled(struct tide *tide, struct tide_feed *feed, uint64_t consumer, size_t i)
{
	struct parked_copy *copy = &bundled_copies[i];
	struct record record;
	struct slice found;

	*copy = (struct parked_copy){ .error = slice_of_text("why") };
	CHECK_EQUAL_INT(tide_feed_next(feed, &copy->stream, &found), 0);
	buffer_clear(&bundled_bytes[i]);
	buffer_put_slice(&bundled_bytes[i], found);
	copy->record = buffer_slice(&bundled_bytes[i]);
	CHECK_EQUAL_INT(record_get(&record, copy->record), 0);
	bundled_transactions[i] = record.transaction;
	MUST(place_copy(tide, copy, &bundled_places[i], &failure), failure);
	bundled_places[i].consumer = consumer;
}

/* Creates a consumer that has processed all records and has parked two transactions. */
static void fill_bundles(struct tide *tide)
{
	struct tide_consumer_spec spec = consumer_spec("bundles", TIDE_LATEST);
	struct tide_feed *feed;
	uint64_t id;

	MUST(tide_create_consumer(tide, &spec, &failure), failure);
	id = described(tide, "bundles").row.id;
	MUST(tide_feed_start(&feed, tide, 2, TIDE_TRIM_HORIZON, 0, &failure), failure);
	MUST(tide_feed_fill(feed, tide, 5, &failure), failure);
	take_bundled(tide, feed, id, 0);
	take_bundled(tide, feed, id, 1);
	CHECK_EQUAL_INT(tide_feed_next(feed, &(uint32_t){ 0 }, &(struct slice){ 0 }), 0);
	take_bundled(tide, feed, id, 2);
	take_bundled(tide, feed, id, 3);
	tide_feed_finish(feed);
	CHECK(bundled_transactions[0] == bundled_transactions[1]);
	CHECK(bundled_transactions[1] < bundled_transactions[2]);
	MUST(park_bundle(tide, 0, 1), failure);
	MUST(park_bundle(tide, 2, 2), failure);
}

static int run_park_bundle(struct tide *tide)
{
	return park_bundle(tide, 3, 3);
}

static bool sign_park_bundle(struct tide *tide)
{
	return progress_of_bundles(tide).parked == 4;
}

static int change_bundles(struct tide *tide, enum tide_parked_command command)
{
	struct tide_parked_scope all = { .table_name = slice_of_text("orders") };
	struct tide_parked_steps steps = { .limit = 10 };

	return tide_change_parked(tide, bundles(), command, &all, &steps, &failure);
}

static int run_replay_bundles(struct tide *tide)
{
	return change_bundles(tide, TIDE_REPLAY);
}

static bool sign_replay_bundles(struct tide *tide)
{
	return progress_of_bundles(tide).replays == 3;
}

static int run_discard_bundles(struct tide *tide)
{
	return change_bundles(tide, TIDE_DISCARD);
}

static bool sign_discard_bundles(struct tide *tide)
{
	return progress_of_bundles(tide).parked == 0;
}

/* Removes the marks of both transactions. */
static int run_failed_bundle(struct tide *tide)
{
	int err = change_bundles(tide, TIDE_REPLAY);

	if (!err)
		err = tide_begin(tide, &failure);
	return err ? err : end_parking(tide, tide_parked_failed(tide, &bundled_places[0],
		slice_of_text("another error"), &failure));
}

static bool sign_failed_bundle(struct tide *tide)
{
	struct progress_row row = progress_of_bundles(tide);

	return row.failures == 1 && row.replays == 0;
}

static int run_death_of_bundle(struct tide *tide)
{
	struct shard_owner owner = { .worker = 1 };
	struct tide_consumer consumer;
	struct progress_row row;
	int err = change_bundles(tide, TIDE_REPLAY);

	if (!err)
		err = tide_describe_consumer(tide, bundles(), &consumer, &failure);
	if (err)
		return err;
	return tide_join_consumer(tide, whole(consumer.row.id, consumer.progress.epoch), &owner,
		&(struct handler_batch){ 1, bundled_places[0].sequence }, &row, &failure);
}

static int run_handled_bundle(struct tide *tide)
{
	int err = tide_begin(tide, &failure);

	for (int i = 0; i < 2 && !err; i++) {
		err = tide_parked_handled(tide, &bundled_places[i], &failure);
		if (err)
			tide_abort(tide);
	}
	return err ? err : tide_commit(tide, &failure);
}

static bool sign_handled_bundle(struct tide *tide)
{
	return progress_of_bundles(tide).parked == 1;
}

static int run_bundle_reading(struct tide *tide)
{
	struct tide_parked_scope all = { .table_name = slice_of_text("orders") };
	struct parked_place place = { 0 };
	struct buffer page = { 0 };
	int err = tide_parked_page(tide, bundles(), &all, 10, &place, &page, &failure);

	CHECK(err != 0);
	if (err == END)
		err = tide_parked_replays(tide, NULL, bundled_places[0].consumer, 10, &page,
			&failure);
	buffer_release(&page);
	return err;
}

#endif
