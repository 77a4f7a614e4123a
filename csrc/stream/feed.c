/* feed.c - reads the records of one stream, or merges those of several or all streams. */
#include "stream/feed.h"

#include <assert.h>

#include "stream/feed_backward.h"
#include "stream/feed_page.h"

/* --- expired records --- */

/* Returns the sequence number of the newest record of a stream that the feed must not return: the
 * feed's position, or a later record that had expired when the feed was started. */
static uint64_t floor_of(const struct feed *feed, uint32_t stream)
{
	uint64_t hidden = floors_hidden(&feed->floors, stream);

	return hidden > feed->position ? hidden : feed->position;
}

/* Returns TRIMMED if records from floor + 1 to hidden have expired: the feed has not returned
 * them, and must not skip them silently. */
static int check_expired_records(uint64_t floor, uint64_t hidden, struct failure *failure)
{
	if (hidden <= floor)
		return 0;
	fail_with(failure, ERR_TRIMMED, "from sequence number %llu to %llu",
		(unsigned long long)floor + 1, (unsigned long long)hidden);
	if (failure) {
		failure->first = floor + 1;
		failure->last = hidden;
	}
	return ERR_TRIMMED;
}

/* Like check_expired_records, for a chosen stream that was removed. It had no record after
 * state->lost. */
static int check_removed_stream(const struct feed *feed, uint32_t stream,
	const struct view_of_streams *view, struct failure *failure)
{
	uint64_t floor = floor_of(feed, stream);
	bool exists;
	int err;

	if (floor >= view->state->lost)
		return 0;
	err = stream_exists(view->txn, stream, &exists);
	if (err)
		return fail(failure, err);
	return exists ? 0 : check_expired_records(floor, view->state->lost, failure);
}

/* Like check_expired_records, for all streams of the file that were removed with their records. */
static int check_all_removed_streams(const struct feed *feed, const struct view_of_streams *view,
	struct failure *failure)
{
	uint64_t floor = feed->started > feed->position ? feed->started : feed->position;
	int err = check_expired_records(floor, view->state->lost, failure);

	/* The floors contain the last records of the streams that existed at the start. */
	for (size_t i = 0; i < feed->floors.count && !err && view->state->lost > feed->position;
			i++) {
		uint32_t id = feed->floors.all[i].stream, found = id - 1;

		err = stream_next_id(view->txn, &found);
		if (err < 0)
			return fail(failure, err);
		err = err || found != id ? check_expired_records(floor_of(feed, id),
			feed->floors.all[i].last, failure) : 0;
	}
	return err;
}

/* Like check_expired_records, for all streams of the feed that were removed with their records. */
static int check_removed_streams(const struct feed *feed, const struct view_of_streams *view,
	struct failure *failure)
{
	int err = 0;

	if (!feed->streams.ids)
		return check_all_removed_streams(feed, view, failure);
	for (size_t i = 0; i < feed->streams.count && !err; i++)
		err = check_removed_stream(feed, feed->streams.ids[i], view, failure);
	return err;
}

/* Reads the newest expired record, as far as it is after floor, and the newest record of a
 * stream. */
static int read_bounds(const struct view_of_streams *view, const struct stream_row *row,
	uint64_t floor, uint64_t *hidden, uint64_t *last)
{
	struct bounds bounds = { 0 };
	int err = stream_bounds(view->txn, row->id, &bounds);

	*last = bounds.head.sequence;
	return err ? err : retention_hidden(view->txn, row, &bounds, view->clock_ms, floor, hidden);
}

/* Positions the cursor on the first record of the stream that the feed must return. Returns END
 * if there is none, TRIMMED if records before it have expired. Without a limit of count or bytes a
 * record expires by its age, so the bounds of the stream are read only if the first record has
 * expired. */
static int seek_first_record(const struct feed *feed, const struct view_of_streams *view,
	const struct stream_row *row, struct cursor *cursor, struct record *header,
	struct failure *failure)
{
	static const struct stream_head no_head;
	const struct retention *limit = &row->retention;
	uint64_t start = floor_of(feed, row->id) + 1, hidden, last;
	struct horizon horizon;
	int err = stream_horizon(view->txn, row->id, &horizon);

	if (!err && horizon.hidden < start)
		err = log_seek(cursor, row->id, start, header);
	if (err)
		return err;
	if (horizon.hidden < start && !limit->max_bytes && !limit->max_count &&
			!retention_expired(limit, &no_head, header, view->clock_ms))
		return 0;
	err = read_bounds(view, row, start - 1, &hidden, &last);
	if (!err)
		err = check_expired_records(start - 1, hidden, failure);
	return err ? err : log_seek(cursor, row->id, start, header);
}

/* --- starting --- */

static int read_floor(struct feed *feed, const struct view_of_streams *view,
	const struct stream_row *row)
{
	struct floor floor = { .stream = row->id };
	int err = read_bounds(view, row, 0, &floor.hidden, &floor.last);

	return err ? err : floors_add(&feed->floors, floor);
}

static int read_floors(struct feed *feed, const struct view_of_streams *view)
{
	uint32_t id = 0;
	int err = 0;

	feed->started = view->state->sequence;
	while (!err && (err = stream_set_next(&feed->streams, view->txn, &id)) == 0) {
		struct stream_row row;

		err = stream_read_row(view->txn, id, &row);
		if (!err)
			err = read_floor(feed, view, &row);
	}
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
		err = read_floors(feed, view);
		break;
	case POSITION_LATEST:
		feed->position = view->state->sequence;
		break;
	case POSITION_AT:
	case POSITION_AFTER:
		return start_at_number(feed, position, view, failure);
	case POSITION_TIME:
		err = read_floors(feed, view);
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
	err = seek_first_record(feed, view, row, cursor, &header, failure);
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

/* --- merging streams --- */

/* Adds a stream to the merge if it has records to return. A damaged record is added too and
 * reported when it is the next record of the feed, because other streams may have intact records
 * before it. */
static int add_input(struct feed *feed, const struct view_of_streams *view,
	const struct stream_row *row, struct cursor *cursor, struct failure *failure)
{
	struct merge_input input = { .stream = row->id, .checked_at = txn_id(view->txn),
		.checked_ms = view->clock_ms, .age_ms = row->retention.age_ms };
	struct record header;
	int err = seek_first_record(feed, view, row, cursor, &header, failure);

	if (err == END)
		return 0;
	input.sequence = header.sequence;
	if (err == ERR_CORRUPT) {
		input.sequence = log_sequence_here(cursor, row->id);
		input.checked_at = 0;
		err = 0;
	}
	if (!err)
		err = merge_add(&feed->merge, &input);
	return err && err != ERR_TRIMMED ? fail(failure, err) : err;
}

static int add_all_streams(struct feed *feed, const struct view_of_streams *view,
	struct cursor *cursor, struct failure *failure)
{
	uint32_t id = 0;
	int err;

	while ((err = stream_set_next(&feed->streams, view->txn, &id)) == 0) {
		struct stream_row row;

		err = stream_read_row(view->txn, id, &row);
		if (err)
			return fail_about(failure, err, "the row of stream %u", id);
		err = add_input(feed, view, &row, cursor, failure);
		if (err)
			return err;
	}
	return err == END ? 0 : fail(failure, err);
}

/* Adds only the streams in the state's list of the streams that got records last. No other stream
 * may have records to return. */
static int add_touched_streams(struct feed *feed, const struct view_of_streams *view,
	struct cursor *cursor, struct failure *failure)
{
	const struct state *state = view->state;
	int err = 0;

	for (unsigned i = state->touched_count; i > 0 && !err; i--) {
		const struct touched_stream *touched = &state->touched[i - 1];
		struct stream *stream;

		if (touched->sequence <= feed->position)
			break;
		if (!stream_set_has(&feed->streams, touched->stream))
			continue;
		err = streams_find(view->streams, view->txn, touched->stream, &stream);
		if (err < 0)
			return fail_about(failure, err, "the row of stream %u", touched->stream);
		err = err ? 0 : add_input(feed, view, &stream->row, cursor, failure);
	}
	return err;
}

static int start_merge(struct feed *feed, const struct view_of_streams *view,
	struct cursor *cursor, struct failure *failure)
{
	int err;

	merge_clear(&feed->merge);
	err = feed->position >= view->state->touched_after ?
		add_touched_streams(feed, view, cursor, failure) :
		add_all_streams(feed, view, cursor, failure);
	feed->merge.complete_to = view->state->sequence;
	return err;
}

/* Positions the cursor on the next record of an input that was found not expired in this snapshot,
 * where it can expire only by its age. Sets *expired if it may have expired since. (At the same
 * clock a record whose age is too high is held.) */
static int open_checked_input(const struct merge_input *input, const struct view_of_streams *view,
	struct cursor *cursor, struct record *header, bool *expired)
{
	static const struct stream_head nowhere;
	const struct retention age = { .age_ms = input->age_ms };
	int err = log_seek(cursor, input->stream, input->sequence, header);

	*expired = !err && input->checked_ms != view->clock_ms &&
		retention_expired(&age, &nowhere, header, view->clock_ms);
	return err;
}

/* Positions the cursor on the next record of the first input. Returns END if there is none, or if
 * its stream was removed, because check_removed_streams has found that no record was lost. Sets
 * *row to the stream's row, or to NULL if it is not needed. */
static int open_first_input(struct feed *feed, const struct view_of_streams *view,
	const struct stream_row **row, struct cursor *cursor, struct record *header,
	struct failure *failure)
{
	struct merge_input *input = &feed->merge.all[0];
	bool is_checked = input->checked_at == txn_id(view->txn), expired = false;
	struct stream *stream;
	int err = is_checked ? open_checked_input(input, view, cursor, header, &expired) : 0;

	*row = NULL;
	if (err || (is_checked && !expired && !feed->filter))
		return err;
	err = streams_find(view->streams, view->txn, input->stream, &stream);
	if (err)
		return err;
	*row = &stream->row;
	if (is_checked && !expired)
		return 0;
	err = seek_first_record(feed, view, *row, cursor, header, failure);
	input->checked_at = txn_id(view->txn);
	input->checked_ms = view->clock_ms;
	input->age_ms = stream->row.retention.age_ms;
	/* The fill may have taken records of a stream whose next one is held. */
	if (!err && header->sequence < input->sequence)
		err = log_seek(cursor, input->stream, input->sequence, header);
	return err;
}

/* Takes the records of one stream that precede all records of the other inputs. Sets *header to
 * the record after them. */
static int take_until_next_input(struct feed *feed, uint32_t max, struct cursor *cursor,
	const struct stream_row *row, struct record *header)
{
	uint32_t stream = feed->merge.all[0].stream;
	uint64_t until = merge_until(&feed->merge);
	int err = 0;

	if (until > feed->merge.complete_to)
		until = feed->merge.complete_to;
	while (!err && header->sequence <= until && !feed_page_is_full(feed, max)) {
		err = feed_take(feed, cursor, stream, row, header);
		if (!err)
			err = log_step(cursor, stream, header);
	}
	return err;
}

/* Reads the records of the first input that precede those of the other inputs. */
static int merge_first_input(struct feed *feed, uint32_t max, const struct view_of_streams *view,
	struct cursor *cursor, struct failure *failure)
{
	struct merge_input *input = &feed->merge.all[0];
	uint64_t before = feed->filled_to;
	const struct stream_row *row;
	struct record header;
	int err = open_first_input(feed, view, &row, cursor, &header, failure);

	if (!err)
		err = take_until_next_input(feed, max, cursor, row, &header);
	if (err == ERR_TRIMMED)
		return err;
	if (err == END) {
		merge_drop(&feed->merge);
		return 0;
	}
	if (err == ERR_CORRUPT && feed->filled_to != before) {
		/* The record after those taken is damaged. It is reported when it is the next
		 * record of the feed. */
		header.sequence = log_sequence_here(cursor, input->stream);
		if (header.sequence <= feed->filled_to)
			header.sequence = feed->filled_to + 1;
		err = 0;
	}
	if (err)
		return feed_fail_damaged(feed, input->stream, feed->filled_to + 1, err, failure);
	input->sequence = header.sequence;
	merge_sink(&feed->merge);
	return 0;
}

/* Sets feed->ended if a chosen stream is disabled or was removed. */
static int find_ended_stream(struct feed *feed, const struct view_of_streams *view,
	struct failure *failure)
{
	for (size_t i = 0; i < feed->streams.count && !feed->ended; i++) {
		struct stream *stream;
		int err = streams_find(view->streams, view->txn, feed->streams.ids[i], &stream);

		if (err < 0)
			return fail_about(failure, err, "the row of stream %u", feed->streams.ids[i]);
		feed->ended = err == END || stream->row.status == STREAM_DISABLED;
	}
	return 0;
}

static int fill_merged(struct feed *feed, uint32_t max, const struct view_of_streams *view,
	struct cursor *cursor, struct failure *failure)
{
	struct merge *merge = &feed->merge;

	if (merge->count > 0 && merge->all[0].sequence > view->state->sequence)
		return feed_fail_damaged(feed, merge->all[0].stream, merge->all[0].sequence,
			ERR_CORRUPT, failure);   /* it would never be returned */
	while (merge->count > 0 && merge->all[0].sequence <= merge->complete_to &&
			!feed_page_is_full(feed, max)) {
		uint64_t before = feed->filled_to;
		size_t count = merge->count;
		int err = merge_first_input(feed, max, view, cursor, failure);

		if (err)
			return err;
		if (merge->count == count && feed->filled_to == before)
			break;           /* the next record is damaged */
	}
	feed->caught_up = merge->count == 0 && merge->complete_to == view->state->sequence;
	merge->position = feed->filled_to;
	return feed->caught_up ? find_ended_stream(feed, view, failure) : 0;
}

static int fill_from_streams(struct feed *feed, uint32_t max,
	const struct view_of_streams *view, struct failure *failure)
{
	struct merge *merge = &feed->merge;
	struct cursor *cursor;
	int err = check_removed_streams(feed, view, failure);

	if (err)
		return err;
	err = txn_cursor(view->txn, TREE_LOG, &cursor);
	if (err)
		return fail(failure, err);
	if (merge->count == 0 || merge->position != feed->position ||
			merge->all[0].sequence > merge->complete_to)
		err = start_merge(feed, view, cursor, failure);
	if (!err)
		err = fill_merged(feed, max, view, cursor, failure);
	if (err)
		merge_clear(merge);
	return err;
}

/* Ends the feed of a removed stream. A disabled stream is removed after all its records have
 * expired. The feed has returned all of them if it had read to the end, or if no removed stream
 * had a record after the feed's position. */
static int fill_from_removed_stream(struct feed *feed, const struct view_of_streams *view,
	struct failure *failure)
{
	if (!feed->backward && !feed->ended &&
			floor_of(feed, feed->streams.one) < view->state->lost)
		return fail_as(failure, ERR_NOT_FOUND, "stream %u was removed and may have had"
			" records after sequence number %llu", feed->streams.one,
			(unsigned long long)feed->position);
	feed->caught_up = true;
	feed->ended = true;
	return 0;
}

void feed_reread(struct feed *feed)
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

int feed_fill(struct feed *feed, uint32_t max, const struct view_of_streams *view,
	struct failure *failure)
{
	struct stream *stream;
	int err;

	feed->position = feed_position(feed);
	feed_reread(feed);
	feed->filled_at = txn_id(view->txn);
	if (max > FEED_PAGE_RECORDS)
		max = FEED_PAGE_RECORDS;
	if (!feed->streams.one)
		return fill_from_streams(feed, max, view, failure);
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
	*feed = (struct feed){ 0 };
}
