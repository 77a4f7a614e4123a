/* calls_parking.h - the calls of calls.h for parked records. */
#ifndef UNIT_CALLS_PARKING_H
#define UNIT_CALLS_PARKING_H

#include "unit/calling.h"

static struct parked_place parked_places[2];     /* of a small record and of one of several rows */
static struct parked_copy parked_copies[2];
static struct buffer parked_bytes[2];

static struct slice parks(void)
{
	return slice_of_text("parks");
}

static struct progress_row progress_of_parks(struct tide *tide)
{
	return described(tide, "parks").progress;
}

/* Ends the open transaction. */
static int end_parking(struct tide *tide, int err)
{
	if (!err)
		return tide_commit(tide, &failure);
	tide_abort(tide);
	return err;
}

static int park_copy(struct tide *tide, int which)
{
	int err = tide_begin(tide, &failure);

	return err ? err : end_parking(tide, tide_park(tide, &parked_places[which],
		&parked_copies[which], 0, 0, 10, BIG * 10, &failure));
}

/* Takes a copy of the next record of the feed. Both copies are of the same stream. */
static void take_copy(struct tide *tide, struct tide_feed *feed, uint64_t consumer, int which)
{
	struct parked_copy *copy = &parked_copies[which];
	struct slice found;

	*copy = (struct parked_copy){ .error = slice_of_text("why") };
	CHECK_EQUAL_INT(tide_feed_next(feed, &copy->stream, &found), 0);
	buffer_clear(&parked_bytes[which]);
	buffer_put_slice(&parked_bytes[which], found);
	copy->record = buffer_slice(&parked_bytes[which]);
	MUST(place_copy(tide, copy, &parked_places[which], &failure), failure);
	parked_places[which].consumer = consumer;
}

/* Creates a consumer that has processed all records and has parked the first one. */
static void fill_parking(struct tide *tide)
{
	struct tide_consumer_spec spec = consumer_spec("parks", TIDE_LATEST);
	struct tide_feed *feed;
	uint64_t id;

	MUST(tide_create_consumer(tide, &spec, &failure), failure);
	id = described(tide, "parks").row.id;
	MUST(tide_feed_start(&feed, tide, STREAM_ONE, TIDE_TRIM_HORIZON, 0, &failure), failure);
	MUST(tide_feed_fill(feed, tide, 3, &failure), failure);
	take_copy(tide, feed, id, 0);
	CHECK_EQUAL_INT(tide_feed_next(feed, &(uint32_t){ 0 }, &(struct slice){ 0 }), 0);
	take_copy(tide, feed, id, 1);
	tide_feed_finish(feed);
	CHECK(parked_copies[1].record.len > BIG);
	MUST(park_copy(tide, 0), failure);
}

static int run_park(struct tide *tide)
{
	return park_copy(tide, 1);
}

static bool sign_park(struct tide *tide)
{
	return progress_of_parks(tide).parked == 2;
}

static int change_parks(struct tide *tide, enum tide_parked_command command)
{
	struct tide_parked_scope all = { .table_name = slice_of_text("orders") };
	struct tide_parked_steps steps = { .limit = 10 };

	return tide_change_parked(tide, parks(), command, &all, &steps, &failure);
}

static int run_replay(struct tide *tide)
{
	return change_parks(tide, TIDE_REPLAY);
}

static bool sign_replay(struct tide *tide)
{
	return progress_of_parks(tide).replays == 1;
}

static int run_discard(struct tide *tide)
{
	return change_parks(tide, TIDE_DISCARD);
}

static bool sign_discard(struct tide *tide)
{
	return progress_of_parks(tide).parked == 0;
}

static int run_failed_replay(struct tide *tide)
{
	int err = tide_begin(tide, &failure);

	return err ? err : end_parking(tide, tide_parked_failed(tide, &parked_places[0],
		slice_of_text("another error"), &failure));
}

static bool sign_failed_replay(struct tide *tide)
{
	return progress_of_parks(tide).failures == 1;
}

/* The worker dies with a record that is delivered again. */
static int run_death(struct tide *tide)
{
	struct shard_owner owner = { .worker = 1 };
	struct tide_consumer consumer;
	struct progress_row row;
	int err = change_parks(tide, TIDE_REPLAY);

	if (!err)
		err = tide_describe_consumer(tide, parks(), &consumer, &failure);
	if (err)
		return err;
	return tide_join_consumer(tide, whole(consumer.row.id, consumer.progress.epoch), &owner,
		&(struct handler_batch){ 1, parked_places[0].sequence }, &row, &failure);
}

static int run_handled_replay(struct tide *tide)
{
	int err = tide_begin(tide, &failure);

	return err ? err : end_parking(tide, tide_parked_handled(tide, &parked_places[0],
		&failure));
}

static int run_delete_parks(struct tide *tide)
{
	bool is_done;

	return tide_delete_consumer(tide, parks(), true, &is_done, &failure);
}

static bool sign_delete_parks(struct tide *tide)
{
	struct tide_consumer consumer;

	return tide_describe_consumer(tide, parks(), &consumer, &failure) == ERR_NOT_FOUND;
}

static int run_parked_reading(struct tide *tide)
{
	struct tide_parked_scope all = { .table_name = slice_of_text("orders") };
	uint64_t consumer = parked_places[0].consumer, version;
	struct parked_place place = { 0 };
	struct buffer page = { 0 };
	int err = tide_parked_page(tide, parks(), &all, 10, &place, &page, &failure);

	CHECK(err != 0);
	if (err == END)
		err = tide_parked_replays(tide, NULL, consumer, 10, &page, &failure);
	if (!err)
		err = tide_parked_items(tide, consumer, &page, &version, &failure);
	buffer_release(&page);
	return err;
}

#endif
