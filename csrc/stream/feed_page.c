/* feed_page.c - copies records from the log into the page of a feed, and returns them. */
#include "stream/feed_page.h"

#define ENTRY_HEADER 8

/* --- taking records --- */

/* Notes that a record was read, and counts it as taken or as filtered out. */
static void count_read_record(struct feed *feed, const struct record *header, bool passes,
	size_t bytes)
{
	feed->filled_to = header->sequence;
	feed->transaction = header->transaction;
	if (passes) {
		feed->taken++;
	} else {
		feed->filtered_out++;
		feed->left_out++;
		feed->filtered_out_bytes += bytes;
	}
}

/* Keeps the annotation that a record contains, if other records of its transaction follow. */
static int keep_annotation(struct feed *feed, const struct record *header, struct slice annotation)
{
	struct buffer *kept = &feed->annotation;

	if (header->position + 1 == header->count)
		return 0;
	buffer_clear(kept);
	buffer_put_slice(kept, annotation);
	feed->annotated = buffer_error(kept) ? 0 : header->transaction;
	return buffer_error(kept);
}

/* Reads the annotation of the record's transaction, unless it is the one that is kept, and moves
 * the cursor back to the record. A transaction has the same annotation in all streams. */
static int read_annotation(struct feed *feed, struct cursor *cursor, uint32_t stream,
	const struct record *header)
{
	struct record again;
	int err;

	if (feed->annotated == header->transaction)
		return 0;
	feed->annotated = 0;
	err = log_annotation(cursor, stream, header->transaction, &feed->annotation);
	if (!err)
		err = log_seek(cursor, stream, header->sequence, &again);
	if (!err)
		feed->annotated = header->transaction;
	return err;
}

/* Appends the annotation to a marked record without one, whose entry is the last one of the page
 * and starts at `start`. */
static int append_annotation(struct feed *feed, struct cursor *cursor, uint32_t stream,
	const struct record *header, size_t start)
{
	size_t from = start + ENTRY_HEADER;
	int err = read_annotation(feed, cursor, stream, header);

	if (err)
		return err;
	record_append_annotation(&feed->page, from, header, buffer_slice(&feed->annotation));
	if (buffer_error(&feed->page))
		return buffer_error(&feed->page);
	set_u32(feed->page.data + start + 4, (uint32_t)(feed->page.len - from));
	return 0;
}

/* Applies the filter to the record at `start`, the last one of the page, and removes it from
 * the page if it does not pass. */
static int filter_last_record(struct feed *feed, const struct stream_row *row,
	const struct record *header, size_t start)
{
	size_t from = start + ENTRY_HEADER, bytes = feed->page.len - start;
	struct record record;
	bool passes = true;
	int err = 0;

	if (feed->filter && feed->filter->test) {
		err = record_get(&record, slice_of(feed->page.data + from, feed->page.len - from));
		if (!err)
			err = feed->filter->test(feed->filter->context, row, &record, &passes);
	}
	if (err || !passes)
		feed->page.len = start;
	if (!err)
		count_read_record(feed, header, passes, bytes);
	return err;
}

/* Completes the record that was appended to the page at `start`: adds its annotation, and applies
 * the filter. row may be NULL if there is no filter. */
static int complete_record(struct feed *feed, struct cursor *cursor, uint32_t stream,
	const struct stream_row *row, const struct record *header, size_t start)
{
	size_t len = header->annotation.len;
	int err = 0;

	if (record_lacks_annotation(header))
		err = append_annotation(feed, cursor, stream, header, start);
	else if (len)
		err = keep_annotation(feed, header,
			slice_of(feed->page.data + feed->page.len - len, len));
	if (err) {
		feed->page.len = start;
		return err;
	}
	return filter_last_record(feed, row, header, start);
}

int feed_take(struct feed *feed, struct cursor *cursor, uint32_t stream,
	const struct stream_row *row, const struct record *header)
{
	const struct record_filter *filter = feed->filter;
	size_t start = feed->page.len;
	int err;

	if (filter && !feed_hash_can_pass(filter, header->partition_hash)) {
		count_read_record(feed, header, false, RECORD_PREFIX + record_len(header));
		return 0;
	}
	buffer_put_u32(&feed->page, stream);
	buffer_put_u32(&feed->page, (uint32_t)(RECORD_PREFIX + record_len(header)));
	err = log_copy(cursor, stream, header, &feed->page);
	if (err) {
		feed->page.len = start;
		return err;
	}
	return complete_record(feed, cursor, stream, row, header, start);
}

int feed_take_copied(struct feed *feed, struct cursor *cursor, const struct stream_row *row,
	const struct ahead_entry *entry)
{
	struct record header = { .sequence = entry->sequence, .transaction = entry->transaction };
	size_t start = feed->page.len;
	int err;

	if (entry->is_left_out) {
		count_read_record(feed, &header, false, (size_t)entry->len);
		return 0;
	}
	buffer_put_u32(&feed->page, entry->stream);
	buffer_put_u32(&feed->page, (uint32_t)entry->len);
	buffer_put_slice(&feed->page, ahead_record(entry));
	err = buffer_error(&feed->page);
	if (!err && !entry->is_annotated && !(feed->filter && feed->filter->test)) {
		count_read_record(feed, &header, true, feed->page.len - start);
		return 0;
	}
	if (!err)
		err = record_get(&header, ahead_record(entry));
	if (err) {
		feed->page.len = start;
		return err;
	}
	return complete_record(feed, cursor, entry->stream, row, &header, start);
}

/* Appends a record, whose only row has these bytes, to the page. */
static int put_record(struct feed *feed, uint32_t stream, const struct record *record,
	struct slice bytes)
{
	size_t start = feed->page.len;

	buffer_put_u32(&feed->page, stream);
	buffer_put_u32(&feed->page, (uint32_t)(RECORD_PREFIX + bytes.len));
	buffer_put_u64(&feed->page, record->sequence);
	buffer_put_slice(&feed->page, bytes);
	if (buffer_error(&feed->page))
		feed->page.len = start;
	return buffer_error(&feed->page);
}

/* Applies the filter to the record under the cursor, whose only row has these bytes, and copies it
 * only if it passes. */
static int filter_in_place(struct feed *feed, struct cursor *cursor, const struct stream_row *row,
	const struct record *record, struct slice bytes)
{
	const struct record_filter *filter = feed->filter;
	bool passes = feed_hash_can_pass(filter, record->partition_hash);
	int err = record->annotation.len ? keep_annotation(feed, record, record->annotation) : 0;

	if (!err && passes && filter->test)
		err = filter->test(filter->context, row, record, &passes);
	if (!err && passes && record_lacks_annotation(record))
		return feed_take(feed, cursor, row->id, row, record);
	if (!err && passes)
		err = put_record(feed, row->id, record, bytes);
	if (!err)
		count_read_record(feed, record, passes, RECORD_PREFIX + bytes.len);
	return err;
}

/* Moves to the next record and applies the filter. If the record has several rows, or the filter
 * needs the annotation that another record contains, it is copied first. */
static int filter_next(struct feed *feed, struct cursor *cursor, const struct stream_row *row)
{
	struct record record;
	struct slice bytes;
	int err = log_next_in_place(cursor, row->id, &record, &bytes);

	if (err)
		return err;
	if (bytes.len && (feed->filter->ignores_annotations ||
			!record_lacks_annotation(&record)))
		return filter_in_place(feed, cursor, row, &record, bytes);
	return feed_take(feed, cursor, row->id, row, &record);
}

int feed_take_next(struct feed *feed, struct cursor *cursor, const struct stream_row *row)
{
	size_t start = feed->page.len;
	struct record header;
	int err;

	if (feed->filter)
		return filter_next(feed, cursor, row);
	buffer_put_u32(&feed->page, row->id);
	buffer_put_u32(&feed->page, 0);
	err = log_take(cursor, row->id, &header, &feed->page);
	if (err) {
		feed->page.len = start;
		return err;
	}
	set_u32(feed->page.data + start + 4, (uint32_t)(RECORD_PREFIX + record_len(&header)));
	return complete_record(feed, cursor, row->id, row, &header, start);
}

bool feed_page_is_full(const struct feed *feed, uint32_t max)
{
	return feed->taken >= max || feed->taken + feed->filtered_out >= FEED_PAGE_RECORDS ||
		feed->page.len + feed->filtered_out_bytes >=
			(feed->streams.one ? FEED_PAGE_BYTES : FEED_MERGED_BYTES);
}

int feed_fail_damaged(struct feed *feed, uint32_t stream, uint64_t sequence, int err,
	struct failure *failure)
{
	if (err != ERR_CORRUPT)
		return fail(failure, err);
	if (feed->page.len)
		return 0;
	return fail_about(failure, err, "stream %u, record at or %s sequence number %llu",
		stream, feed->backward ? "before" : "after", (unsigned long long)sequence);
}

/* --- returning records --- */

int feed_peek(const struct feed *feed, uint32_t *stream, struct slice *record)
{
	const uint8_t *entry;

	if (feed->at >= feed->page.len)
		return END;
	entry = feed->page.data + feed->at;
	*stream = get_u32(entry);
	*record = slice_of(entry + ENTRY_HEADER, get_u32(entry + 4));
	return 0;
}

int feed_next(struct feed *feed, uint32_t *stream, struct slice *record)
{
	int err = feed_peek(feed, stream, record);

	if (err)
		return err;
	feed->at += ENTRY_HEADER + record->len;
	feed->position = record_sequence(record->data);
	return 0;
}
