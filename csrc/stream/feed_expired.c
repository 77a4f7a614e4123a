/* feed_expired.c - finds the first record of a stream that a feed must return. */
#include "stream/feed_expired.h"

uint64_t feed_floor(const struct feed *feed, uint32_t stream)
{
	uint64_t hidden = floors_hidden(&feed->floors, stream);

	return hidden > feed->position ? hidden : feed->position;
}

/* Returns TRIMMED if records from floor + 1 to hidden have expired: the feed has not returned
 * them, and must not skip them silently. */
static int check_expired(uint64_t floor, uint64_t hidden, struct failure *failure)
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

/* Like check_expired, for a chosen stream that was removed. It had no record after
 * state->lost. */
static int check_removed_stream(const struct feed *feed, uint32_t stream,
	const struct view_of_streams *view, struct failure *failure)
{
	uint64_t floor = feed_floor(feed, stream);
	bool exists;
	int err;

	if (floor >= view->state->lost)
		return 0;
	err = stream_exists(view->txn, stream, &exists);
	if (err)
		return fail(failure, err);
	return exists ? 0 : check_expired(floor, view->state->lost, failure);
}

/* Like check_expired, for all streams of the file that were removed with their records. */
static int check_all_removed_streams(const struct feed *feed, const struct view_of_streams *view,
	struct failure *failure)
{
	uint64_t floor = feed->started > feed->position ? feed->started : feed->position;
	int err = check_expired(floor, view->state->lost, failure);

	/* The floors contain the last records of the streams that existed at the start. */
	for (size_t i = 0; i < feed->floors.count && !err && view->state->lost > feed->position;
			i++) {
		uint32_t id = feed->floors.all[i].stream, found = id - 1;

		err = stream_next_id(view->txn, &found);
		if (err < 0)
			return fail(failure, err);
		err = err || found != id ? check_expired(feed_floor(feed, id),
			feed->floors.all[i].last, failure) : 0;
	}
	return err;
}

int feed_check_removed(const struct feed *feed, const struct view_of_streams *view,
	struct failure *failure)
{
	int err = 0;

	if (!feed->streams.ids)
		return check_all_removed_streams(feed, view, failure);
	for (size_t i = 0; i < feed->streams.count && !err; i++)
		err = check_removed_stream(feed, feed->streams.ids[i], view, failure);
	return err;
}

int feed_read_bounds(const struct view_of_streams *view, const struct stream_row *row,
	uint64_t floor, uint64_t *hidden, uint64_t *last)
{
	struct bounds bounds = { 0 };
	int err = stream_bounds(view->txn, row->id, &bounds);

	*last = bounds.head.sequence;
	return err ? err : retention_hidden(view->txn, row, &bounds, view->clock_ms, floor, hidden);
}

/* Without a limit of count or bytes a record expires by its age, so the bounds of the stream are
 * read only if the first record has expired. */
int feed_seek_first(const struct feed *feed, const struct view_of_streams *view,
	const struct stream_row *row, struct cursor *cursor, struct record *header,
	struct failure *failure)
{
	static const struct stream_head no_head;
	const struct retention *limit = &row->retention;
	uint64_t start = feed_floor(feed, row->id) + 1, hidden, last;
	struct horizon horizon;
	int err = stream_horizon(view->txn, row->id, &horizon);

	if (!err && horizon.hidden < start)
		err = log_seek(cursor, row->id, start, header);
	if (err)
		return err;
	if (horizon.hidden < start && retention_by_age_only(limit) &&
			!retention_expired(limit, &no_head, header, view->clock_ms))
		return 0;
	err = feed_read_bounds(view, row, start - 1, &hidden, &last);
	if (!err)
		err = check_expired(start - 1, hidden, failure);
	return err ? err : log_seek(cursor, row->id, start, header);
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

int feed_open_input(const struct feed *feed, struct merge_input *input,
	const struct view_of_streams *view, const struct stream_row **row, struct cursor *cursor,
	struct record *header, struct failure *failure)
{
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
	err = feed_seek_first(feed, view, *row, cursor, header, failure);
	input->checked_at = txn_id(view->txn);
	input->checked_ms = view->clock_ms;
	input->age_ms = stream->row.retention.age_ms;
	input->by_age_only = retention_by_age_only(&stream->row.retention);
	/* The fill may have taken records of a stream whose next one is held. */
	if (!err && header->sequence < input->sequence)
		err = log_seek(cursor, input->stream, input->sequence, header);
	return err;
}
