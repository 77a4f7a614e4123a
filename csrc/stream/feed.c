/* feed.c - starts feeds, and fills the page of a feed of one stream. */
#include "stream/feed.h"

#include <assert.h>

#include "stream/feed_backward.h"
#include "stream/feed_expired.h"
#include "stream/feed_merged.h"
#include "stream/feed_page.h"

/* --- starting --- */

static int read_floor(struct feed *feed, const struct view_of_streams *view,
	const struct stream_row *row)
{
	struct floor floor = { .stream = row->id };
	int err = feed_read_bounds(view, row, 0, &floor.hidden, &floor.last);

	return err ? err : floors_add(&feed->floors, floor);
}

/* Adds the stream of the last floor to the merge. */
static int start_input(struct feed *feed, const struct view_of_streams *view,
	const struct stream_row *row)
{
	const struct floor *floor = &feed->floors.all[feed->floors.count - 1];
	struct record header;
	struct cursor *cursor;
	int err = txn_cursor(view->txn, TREE_LOG, &cursor);

	if (err)
		return err;
	err = log_seek(cursor, row->id, floor->hidden + 1, &header);
	return feed_add_input(feed, view, row, cursor, &header, err);
}

/* Reads the floors of the streams. If the feed starts at them and merges, prepares the merge, for
 * which the first record of each stream has been found anyway. */
static int read_floors(struct feed *feed, const struct view_of_streams *view, bool starts_there)
{
	struct stream_row row;
	uint32_t id = 0;
	int err = 0;

	feed->started = view->state->sequence;
	while (!err && (err = stream_set_next_row(&feed->streams, view->txn, &id, &row)) == 0) {
		err = read_floor(feed, view, &row);
		if (!err && starts_there && !feed->streams.one)
			err = start_input(feed, view, &row);
	}
	feed->merge.complete_to = feed->started;
	return err < 0 ? err : 0;
}

/* Sets *position to the sequence number before the first record created at or after `ms`, or to
 * the last sequence number assigned if there is none. The records before the last backward step of
 * the clock are searched one by one, because their creation times may not ascend; the later ones
 * by binary search. */
static int find_position_before_time(const struct view_of_streams *view, uint32_t stream,
	uint64_t floor, uint64_t ms, uint64_t *position)
{
	uint64_t low = floor + 1, high = view->state->sequence + 1;
	struct record header;
	struct cursor *cursor;
	int err = txn_cursor(view->txn, TREE_LOG, &cursor);

	if (!err && low < view->state->stepped_back)
		for (err = log_seek(cursor, stream, low, &header);
				err == 0 && header.sequence < view->state->stepped_back;
				err = log_next(cursor, stream, &header)) {
			if (header.created_ms >= ms) {
				*position = header.sequence - 1;
				return 0;
			}
			low = header.sequence + 1;
		}
	while (err >= 0 && low < high) {
		uint64_t middle = low + (high - low) / 2;

		err = log_seek(cursor, stream, middle, &header);
		if (err == 0 && header.created_ms < ms)
			low = header.sequence + 1;
		else
			high = middle;
	}
	if (err >= 0)
		err = log_seek(cursor, stream, low, &header);
	if (err < 0)
		return err;
	*position = err == END ? view->state->sequence : header.sequence - 1;
	return 0;
}

static int start_at_time(struct feed *feed, uint64_t ms, const struct view_of_streams *view)
{
	uint64_t earliest = view->state->sequence;

	for (size_t i = 0; i < feed->floors.count; i++) {
		const struct floor *floor = &feed->floors.all[i];
		uint64_t position;
		int err = find_position_before_time(view, floor->stream, floor->hidden, ms,
			&position);

		if (err)
			return err;
		if (position < earliest)
			earliest = position;
	}
	feed->position = earliest;
	return 0;
}

static int start_at_number(struct feed *feed, struct position position,
	const struct view_of_streams *view, struct failure *failure)
{
	uint64_t at = position.at, last = view->state->sequence;

	if (position.kind == POSITION_AT && at > 0)
		at--;
	if (at > last)
		return fail_with(failure, ERR_AHEAD,
			"sequence number %llu, but the last change has %llu",
			(unsigned long long)position.at, (unsigned long long)last);
	feed->position = at;
	return 0;
}

/* Sets feed->position. */
static int set_position(struct feed *feed, struct position position,
	const struct view_of_streams *view, struct failure *failure)
{
	int err = 0;

	switch (position.kind) {
	case POSITION_TRIM_HORIZON:
		err = read_floors(feed, view, true);
		break;
	case POSITION_LATEST:
		feed->position = view->state->sequence;
		break;
	case POSITION_AT:
	case POSITION_AFTER:
		return start_at_number(feed, position, view, failure);
	case POSITION_TIME:
		err = read_floors(feed, view, false);
		if (!err)
			err = start_at_time(feed, position.at, view);
		break;
	case POSITION_NEWEST:
		assert(feed->streams.one);
		feed->position = view->state->sequence + 1;
		feed->backward = true;
		break;
	}
	return err ? fail(failure, err) : 0;
}

static int check_exists(uint32_t stream, const struct view_of_streams *view,
	struct failure *failure)
{
	struct stream *found;
	int err = streams_find(view->streams, view->txn, stream, &found);

	if (err == END)
		return fail_as(failure, ERR_NOT_FOUND, "stream %u no longer exists", stream);
	return err ? fail_about(failure, err, "the row of stream %u", stream) : 0;
}

int feed_start(struct feed *feed, struct position position, const struct view_of_streams *view,
	struct failure *failure)
{
	int err = feed->streams.one ? check_exists(feed->streams.one, view, failure) : 0;

	for (size_t i = 0; i < feed->streams.count && !err; i++)
		err = check_exists(feed->streams.ids[i], view, failure);
	if (!err)
		err = set_position(feed, position, view, failure);
	feed->filled_to = feed->position;
	return err;
}

int feed_resume(struct feed *feed, uint64_t position, const struct view_of_streams *view,
	struct failure *failure)
{
	feed->position = feed->filled_to = position;
	return start_at_number(feed, (struct position){ POSITION_AFTER, position }, view, failure);
}

/* --- filling --- */

static int fill_from_stream(struct feed *feed, uint32_t max, const struct view_of_streams *view,
	const struct stream_row *row, struct failure *failure)
{
	struct record header = { 0 };
	struct cursor *cursor;
	int err = txn_cursor(view->txn, TREE_LOG, &cursor);

	if (err)
		return fail(failure, err);
	err = feed_seek_first(feed, view, row, cursor, &header, failure);
	if (err == ERR_TRIMMED)
		return err;
	if (!err && max)
		err = feed_take(feed, cursor, row->id, row, &header);
	while (!err && !feed_page_is_full(feed, max))
		err = feed_take_next(feed, cursor, row);
	feed->caught_up = err == END;
	feed->ended = feed->caught_up && row->status == STREAM_DISABLED;
	return err < 0 ? feed_fail_damaged(feed, row->id, feed->filled_to + 1, err, failure) : 0;
}

/* Ends the feed of a removed stream. A disabled stream is removed after all its records have
 * expired. The feed has returned all of them if it had read to the end, or if no removed stream
 * had a record after the feed's position. */
static int fill_from_removed_stream(struct feed *feed, const struct view_of_streams *view,
	struct failure *failure)
{
	if (!feed->backward && !feed->ended &&
			feed_floor(feed, feed->streams.one) < view->state->lost)
		return fail_as(failure, ERR_NOT_FOUND, "stream %u was removed and may have had"
			" records after sequence number %llu", feed->streams.one,
			(unsigned long long)feed->position);
	feed->caught_up = true;
	feed->ended = true;
	return 0;
}

static void discard_page(struct feed *feed)
{
	if (feed->at < feed->page.len || feed->streams.ids)
		feed->ended = false;
	buffer_clear(&feed->page);
	feed->at = 0;
	feed->filled_to = feed->position;
	feed->taken = feed->filtered_out = 0;
	feed->filtered_out_bytes = 0;
	feed->caught_up = false;
}

void feed_reread(struct feed *feed)
{
	discard_page(feed);
	merge_clear(&feed->merge);
	read_ahead_release(&feed->ahead);
}

int feed_fill(struct feed *feed, uint32_t max, const struct view_of_streams *view,
	struct failure *failure)
{
	struct stream *stream;
	int err;

	feed->position = feed_position(feed);
	discard_page(feed);
	feed->filled_at = txn_id(view->txn);
	if (max > FEED_PAGE_RECORDS)
		max = FEED_PAGE_RECORDS;
	if (!feed->streams.one)
		return feed_fill_merged(feed, max, view, failure);
	err = streams_find(view->streams, view->txn, feed->streams.one, &stream);
	if (err == END)
		return fill_from_removed_stream(feed, view, failure);
	if (err)
		return fail_about(failure, err, "the row of stream %u", feed->streams.one);
	return (feed->backward ? feed_fill_backward : fill_from_stream)(feed, max, view,
		&stream->row, failure);
}

void feed_release(struct feed *feed)
{
	buffer_release(&feed->page);
	stream_set_release(&feed->streams);
	buffer_release(&feed->annotation);
	floors_release(&feed->floors);
	merge_release(&feed->merge);
	read_ahead_release(&feed->ahead);
	*feed = (struct feed){ 0 };
}
