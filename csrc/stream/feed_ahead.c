/* feed_ahead.c - reads the records of a merged feed ahead, and takes them into its page. */
#include "stream/feed_ahead.h"

#include "stream/feed_expired.h"
#include "stream/feed_page.h"

/* Records of one stream in a row for which a search is not too expensive. */
#define LONG_RUN 4
/* Sequence numbers for each record up to which a window is worthwhile. */
#define SPARSE 64

/* --- deciding --- */

void feed_decide_ahead(struct feed *feed)
{
	struct merge_pace *pace = &feed->pace;

	pace->to = feed->filled_to;
	pace->records += feed->taken + feed->filtered_out;
	pace->bytes += feed->page.len + feed->filtered_out_bytes;
	if (pace->records >= read_ahead_limits.probe) {
		uint64_t numbers = feed->filled_to - pace->from;

		pace->alternates = pace->runs * LONG_RUN > pace->records &&
			numbers / SPARSE < pace->records;
		pace->number_bytes = pace->bytes / numbers + sizeof(struct ahead_entry);
		pace->records = pace->runs = pace->bytes = 0;
		pace->from = feed->filled_to;
	}
	if (feed->caught_up || (!pace->alternates && !feed_has_ahead(feed)))
		read_ahead_release(&feed->ahead);
}

/* --- reading a window --- */

/* A window that is being read. */
struct reading {
	struct feed *feed;
	const struct view_of_streams *view;
	struct cursor *cursor;
	struct record header;        /* of the next record of the input that is being read */
	struct log_row row;          /* first row of that record */
};

static uint64_t within(uint64_t least, uint64_t n, uint64_t most)
{
	return n < least ? least : n > most ? most : n;
}

/* Begins a window at the first record of the merge. Returns END if there is no memory for it, or if
 * few records are left. */
static int begin_window(struct feed *feed)
{
	const struct read_ahead_limits *limits = &read_ahead_limits;
	struct read_ahead *ahead = &feed->ahead;
	uint64_t from = feed->merge.all[0].sequence - 1, number_bytes = feed->pace.number_bytes;
	uint64_t left = feed->merge.complete_to - from;
	uint64_t bytes = feed->merge.count * limits->stream_bytes;
	int err;

	if (left < limits->probe)
		return END;
	/* A quarter more than expected: few windows are then too small. */
	if (left < bytes / number_bytes)
		bytes = left * number_bytes * 5 / 4;
	bytes = within(limits->least_bytes, bytes, limits->most_bytes);
	err = read_ahead_begin(ahead, (size_t)bytes, from, bytes * 4 / 5 / number_bytes + 1);
	if (!err && ahead->to > feed->merge.complete_to)
		ahead->to = feed->merge.complete_to;
	return err;
}

/* Ends the window before a record, and sets the inputs back to the records that it no longer
 * contains. The inputs must be ordered by stream. */
static void end_window_before(struct feed *feed, uint64_t sequence)
{
	struct read_ahead *ahead = &feed->ahead;
	struct merge_input *input = feed->merge.all;
	const struct ahead_entry *entry;
	size_t offset = 0;

	if (sequence > ahead->to)
		return;
	while ((entry = read_ahead_walk(ahead, &offset))) {
		while (input->stream != entry->stream)
			input++;
		if (entry->sequence >= sequence && entry->sequence < input->sequence)
			input->sequence = entry->sequence;
	}
	read_ahead_cut(ahead, sequence - 1);
}

static uint64_t expiry_of(const struct merge_input *input, const struct record *header)
{
	uint64_t at;

	if (!input->by_age_only)
		return 0;
	return __builtin_add_overflow(header->retention_ms, input->age_ms, &at) ? UINT64_MAX : at;
}

/* Adds the record under the cursor. While the window is full, halves its range; then the record may
 * be after its end, and is not added. */
static int add_record(struct reading *reading, const struct merge_input *input)
{
	const struct record *header = &reading->header;
	const struct record_filter *filter = reading->feed->filter;
	struct read_ahead *ahead = &reading->feed->ahead;
	struct ahead_entry entry = {
		.sequence = header->sequence, .transaction = header->transaction,
		.expires_ms = expiry_of(input, header), .stream = input->stream,
		.len = RECORD_PREFIX + record_len(header), .is_annotated = header->is_annotated,
		.is_left_out = filter && !feed_hash_can_pass(filter, header->partition_hash),
	};
	size_t start;
	int err;

	while ((err = read_ahead_add(ahead, &entry, &start)) == END) {
		end_window_before(reading->feed, ahead->from + (ahead->to - ahead->from) / 2 + 1);
		if (header->sequence > ahead->to)
			return 0;
	}
	if (err)
		return err;
	err = entry.is_left_out ? log_verify_row(&reading->row) : log_copy_row(reading->cursor,
		input->stream, header, &reading->row, &ahead->entries);
	if (err)
		read_ahead_undo(ahead, start);
	return err;
}

/* Moves to the first record of the input. Sets reading->header.sequence to its place, even if it
 * can't be read or was lost. */
static int open_input(struct reading *reading, struct merge_input *input, struct failure *failure)
{
	const struct stream_row *row;
	int err = feed_open_input(reading->feed, input, reading->view, &row, reading->cursor,
		&reading->header, failure);

	if (!err)
		err = log_here(reading->cursor, input->stream, &reading->row);
	if (err)
		reading->header.sequence = input->sequence;
	return err;
}

/* Moves to the next record. Sets reading->header.sequence even if the record is damaged. */
static int step(struct reading *reading, uint32_t stream)
{
	uint64_t last = reading->header.sequence;
	int err = log_step_row(reading->cursor, stream, &reading->header, &reading->row);

	if (err == ERR_CORRUPT)
		reading->header.sequence = log_damaged_after(reading->cursor, stream, last);
	return err;
}

/* Adds the records of an input to the window, and advances the input to the record after them. Ends
 * the window before a record that can't be read or was lost. */
static int read_input(struct reading *reading, struct merge_input *input, struct failure *failure)
{
	struct read_ahead *ahead = &reading->feed->ahead;
	int err = open_input(reading, input, failure);

	input->sequence = MERGE_NONE;
	while (!err && reading->header.sequence <= ahead->to) {
		err = add_record(reading, input);
		if (!err && reading->header.sequence <= ahead->to)
			err = step(reading, input->stream);
	}
	if (err == END)
		return 0;
	if (err == ERR_CORRUPT || err == ERR_TRIMMED) {
		end_window_before(reading->feed, reading->header.sequence);
		input->checked_at = 0;
		err = 0;
	}
	if (reading->header.sequence < input->sequence)
		input->sequence = reading->header.sequence;
	return err ? fail(failure, err) : 0;
}

int feed_read_ahead(struct feed *feed, const struct view_of_streams *view, struct cursor *cursor,
	struct failure *failure)
{
	struct reading reading = { .feed = feed, .view = view, .cursor = cursor };
	struct read_ahead *ahead = &feed->ahead;
	struct merge *merge = &feed->merge;
	int err = begin_window(feed);

	if (!err) {
		merge_sort_by_stream(merge);
		for (size_t i = 0; i < merge->count && !err; i++)
			if (merge->all[i].sequence <= ahead->to)
				err = read_input(&reading, &merge->all[i], failure);
		if (err)
			return err;
		merge_restore(merge);
		ahead->snapshot = txn_id(view->txn);
		ahead->clock_ms = view->clock_ms;
		ahead->catalog_version = view->state->catalog_version;
	}
	if (!feed_has_ahead(feed)) {
		read_ahead_release(ahead);
		feed->pace.alternates = false;
	}
	return 0;
}

/* --- taking records --- */

/* Returns true if the record can't have expired since the window was read. */
static bool is_unexpired(const struct read_ahead *ahead, const struct ahead_entry *entry,
	const struct view_of_streams *view)
{
	if (ahead->snapshot == txn_id(view->txn) && ahead->clock_ms == view->clock_ms)
		return true;
	return ahead->catalog_version == view->state->catalog_version &&
		view->clock_ms < entry->expires_ms;
}

/* Searches for the record. Returns END if its stream was removed without the loss of a record,
 * TRIMMED if records of the stream have expired that the feed has not returned. */
static int find_record(const struct feed *feed, const struct ahead_entry *entry,
	const struct view_of_streams *view, struct cursor *cursor, struct failure *failure)
{
	struct stream *stream;
	struct record header;
	int err = streams_find(view->streams, view->txn, entry->stream, &stream);

	if (!err)
		err = feed_seek_first(feed, view, &stream->row, cursor, &header, failure);
	if (!err && header.sequence < entry->sequence)
		err = log_seek(cursor, entry->stream, entry->sequence, &header);
	return !err && header.sequence != entry->sequence ? END : err;
}

static int take_entry(struct feed *feed, const struct ahead_entry *entry,
	const struct view_of_streams *view, struct cursor *cursor, struct failure *failure)
{
	struct stream *stream = NULL;
	int err = is_unexpired(&feed->ahead, entry, view) ? 0 :
		find_record(feed, entry, view, cursor, failure);

	if (!err && feed->filter)
		err = streams_find(view->streams, view->txn, entry->stream, &stream);
	if (err)
		return err;
	return feed_take_copied(feed, cursor, stream ? &stream->row : NULL, entry);
}

int feed_take_ahead(struct feed *feed, uint32_t max, const struct view_of_streams *view,
	struct cursor *cursor, struct failure *failure)
{
	struct read_ahead *ahead = &feed->ahead;
	const struct ahead_entry *entry;
	uint32_t stream = 0;

	while (!feed_page_is_full(feed, max) && (entry = read_ahead_next(ahead, feed->filled_to))) {
		int err = take_entry(feed, entry, view, cursor, failure);

		if (err == ERR_TRIMMED)
			return err;
		if (err == END) {
			read_ahead_drop(ahead, entry);
			continue;
		}
		if (err) {
			err = feed_fail_damaged(feed, entry->stream, feed->filled_to + 1, err,
				failure);
			return err ? err : END;
		}
		feed->pace.runs += entry->stream != stream;
		stream = entry->stream;
	}
	return 0;
}
