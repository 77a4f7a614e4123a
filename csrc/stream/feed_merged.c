/* feed_merged.c - fills the page of a feed of several or all streams. */
#include "stream/feed_merged.h"

#include "stream/feed_ahead.h"
#include "stream/feed_expired.h"
#include "stream/feed_page.h"

int feed_add_input(struct feed *feed, const struct view_of_streams *view,
	const struct stream_row *row, struct cursor *cursor, const struct record *header, int err)
{
	struct merge_input input = { .stream = row->id, .checked_at = txn_id(view->txn),
		.checked_ms = view->clock_ms, .age_ms = row->retention.age_ms,
		.by_age_only = retention_by_age_only(&row->retention) };

	if (err == END)
		return 0;
	input.sequence = header->sequence;
	if (err == ERR_CORRUPT) {
		input.sequence = log_sequence_here(cursor, row->id);
		input.checked_at = 0;
		err = 0;
	}
	return err ? err : merge_add(&feed->merge, &input);
}

/* Adds a stream to the merge if it has records to return. */
static int add_input(struct feed *feed, const struct view_of_streams *view,
	const struct stream_row *row, struct cursor *cursor, struct failure *failure)
{
	struct record header;
	int err = feed_seek_first(feed, view, row, cursor, &header, failure);

	err = feed_add_input(feed, view, row, cursor, &header, err);
	return err && err != ERR_TRIMMED ? fail(failure, err) : err;
}

static int add_all_streams(struct feed *feed, const struct view_of_streams *view,
	struct cursor *cursor, struct failure *failure)
{
	struct stream_row row;
	uint32_t id = 0, before = 0;
	int err;

	while ((err = stream_set_next_row(&feed->streams, view->txn, &id, &row)) == 0) {
		before = id;
		err = add_input(feed, view, &row, cursor, failure);
		if (err)
			return err;
	}
	if (err == END)
		return 0;
	return id == before ? fail(failure, err) : fail_about(failure, err,
		"the row of stream %u", id);
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

/* Moves to the next record. Sets header->sequence even if the record is damaged. Verifies a record
 * that the filter may leave out without copying it, as a search does. */
static int step(const struct feed *feed, struct cursor *cursor, uint32_t stream,
	struct record *header)
{
	bool verifies = feed->filter && feed->filter->has_hashes;
	uint64_t last = header->sequence;
	int err = (verifies ? log_next : log_step)(cursor, stream, header);

	if (err == ERR_CORRUPT)
		header->sequence = log_damaged_after(cursor, stream, last);
	return err;
}

/* Takes the records of one stream that precede all records of the other inputs. Sets *header to
 * the record after them; if that is damaged, only its sequence number. */
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
			err = step(feed, cursor, stream, header);
	}
	return err;
}

/* Returns the number of records that this fill has read. */
static uint64_t read_count(const struct feed *feed)
{
	return (uint64_t)feed->taken + feed->filtered_out;
}

/* Reads the records of the first input that precede those of the other inputs. */
static int merge_first_input(struct feed *feed, uint32_t max, const struct view_of_streams *view,
	struct cursor *cursor, struct failure *failure)
{
	struct merge_input *input = &feed->merge.all[0];
	uint64_t before = read_count(feed);
	const struct stream_row *row;
	struct record header;
	int err = feed_open_input(feed, input, view, &row, cursor, &header, failure);

	if (!err)
		err = take_until_next_input(feed, max, cursor, row, &header);
	if (err == ERR_TRIMMED)
		return err;
	if (err == END) {
		merge_drop(&feed->merge);
		return 0;
	}
	/* The record after those taken is damaged. It is reported when it is the next record of the
	 * feed. */
	if (err == ERR_CORRUPT && read_count(feed) != before)
		err = 0;
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

/* Takes records from the window or, if it is empty, from the first input, after reading a window
 * if the streams alternate. Returns END if the next record is damaged. */
static int take_some(struct feed *feed, uint32_t max, const struct view_of_streams *view,
	struct cursor *cursor, struct failure *failure)
{
	uint64_t before = feed->filled_to;
	size_t count = feed->merge.count;
	int err;

	if (feed_has_ahead(feed))
		return feed_take_ahead(feed, max, view, cursor, failure);
	read_ahead_clear(&feed->ahead);
	if (feed->pace.alternates) {
		err = feed_read_ahead(feed, view, cursor, failure);
		if (err || feed_has_ahead(feed))
			return err;
	}
	feed->pace.runs++;
	err = merge_first_input(feed, max, view, cursor, failure);
	return !err && feed->merge.count == count && feed->filled_to == before ? END : err;
}

static bool merge_has_records(const struct merge *merge)
{
	return merge->count > 0 && merge->all[0].sequence <= merge->complete_to;
}

static int fill_merged(struct feed *feed, uint32_t max, const struct view_of_streams *view,
	struct cursor *cursor, struct failure *failure)
{
	struct merge *merge = &feed->merge;
	int err = 0;

	if (!feed_has_ahead(feed) && merge->count > 0 &&
			merge->all[0].sequence > view->state->sequence)
		return feed_fail_damaged(feed, merge->all[0].stream, merge->all[0].sequence,
			ERR_CORRUPT, failure);   /* it would never be returned */
	while (!err && !feed_page_is_full(feed, max) &&
			(feed_has_ahead(feed) || merge_has_records(merge)))
		err = take_some(feed, max, view, cursor, failure);
	if (err < 0)
		return err;
	feed->caught_up = merge->count == 0 && merge->complete_to == view->state->sequence &&
		!feed_has_ahead(feed);
	merge->position = feed->filled_to;
	return feed->caught_up ? find_ended_stream(feed, view, failure) : 0;
}

/* Starts the merge unless it continues at the feed's position. */
static int prepare_merge(struct feed *feed, const struct view_of_streams *view,
	struct cursor *cursor, struct failure *failure)
{
	struct merge *merge = &feed->merge;
	struct merge_pace *pace = &feed->pace;
	int err = 0;

	if (merge->position != feed->position ||
			(!feed_has_ahead(feed) && !merge_has_records(merge))) {
		read_ahead_clear(&feed->ahead);
		err = start_merge(feed, view, cursor, failure);
	}
	if (pace->to != feed->position)
		pace->records = pace->runs = pace->bytes = 0;
	if (!pace->records)
		pace->from = merge->count > 0 && !feed_has_ahead(feed) ?
			merge->all[0].sequence - 1 : feed->position;
	return err;
}

int feed_fill_merged(struct feed *feed, uint32_t max,
	const struct view_of_streams *view, struct failure *failure)
{
	struct cursor *cursor;
	int err = feed_check_removed(feed, view, failure);

	if (err)
		return err;
	err = txn_cursor(view->txn, TREE_LOG, &cursor);
	if (err)
		return fail(failure, err);
	err = prepare_merge(feed, view, cursor, failure);
	if (!err)
		err = fill_merged(feed, max, view, cursor, failure);
	if (err) {
		merge_clear(&feed->merge);
		read_ahead_release(&feed->ahead);
	}
	feed_decide_ahead(feed);
	return err;
}
