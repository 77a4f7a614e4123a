/* feed_merged.c - fills the page of a feed of several or all streams. */
#include "stream/feed_merged.h"

#include "stream/feed_expired.h"
#include "stream/feed_page.h"

/* Adds a stream to the merge if it has records to return. A damaged record is added too and
 * reported when it is the next record of the feed, because other streams may have intact records
 * before it. */
static int add_input(struct feed *feed, const struct view_of_streams *view,
	const struct stream_row *row, struct cursor *cursor, struct failure *failure)
{
	struct merge_input input = { .stream = row->id, .checked_at = txn_id(view->txn),
		.checked_ms = view->clock_ms, .age_ms = row->retention.age_ms };
	struct record header;
	int err = feed_seek_first(feed, view, row, cursor, &header, failure);

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
 * its stream was removed, because feed_check_removed has found that no record was lost. Sets
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
	err = feed_seek_first(feed, view, *row, cursor, header, failure);
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

int feed_fill_merged(struct feed *feed, uint32_t max,
	const struct view_of_streams *view, struct failure *failure)
{
	struct merge *merge = &feed->merge;
	struct cursor *cursor;
	int err = feed_check_removed(feed, view, failure);

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
