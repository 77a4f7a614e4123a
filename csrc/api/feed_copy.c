/* feed_copy.c - the feed of a consumer that is copying. */
#include "api/feed_copy.h"

#include <string.h>

#include "stream/consumer.h"

/* Sets *is_earlier to true for a record of an item before the page. */
static int is_of_earlier_page(const struct feed_copy *copy, const struct stream_row *stream,
	const struct record *record, bool *is_earlier)
{
	uint8_t buf[KEY_ATTRIBUTES_MAX];
	struct slice keys;
	struct key key;
	int err = record_keys(&keys, record, &stream->schema, buf);

	if (!err)
		err = key_of_item(&key, stream->table, &stream->schema, keys, copy->secret);
	*is_earlier = !err && slice_compare(key_whole(&key),
		slice_of(copy->start, copy->start_len)) <= 0;
	return err ? ERR_CORRUPT : 0;
}

/* The filter of the records between two pages. */
static int test_record(void *context, const struct stream_row *stream,
	const struct record *record, bool *passes)
{
	const struct feed_copy *copy = context;
	const struct record_filter *selection = copy->items.filter;
	int err = is_of_earlier_page(copy, stream, record, passes);

	if (err || !*passes || !selection)
		return err;
	return selection->test(selection->context, stream, record, passes);
}

int feed_copy_start(struct feed_copy *copy, struct feed *feed, const struct tide *tide,
	uint64_t consumer, struct slice streams, const struct view_of_streams *view)
{
	int err = copy_read(&copy->row, view->txn, consumer);

	if (err)
		return err == END ? ERR_CORRUPT : err;
	item_copy_set_key(&copy->items, copy->row.key);
	copy->row.key = slice_of(NULL, 0);
	copy->secret = tide->header.secret;
	copy->filter = (struct record_filter){ .test = test_record, .context = copy };
	feed->filter = &copy->filter;
	/* No item was passed, so no record up to here passes the filter, and none is lost. */
	if (copy->items.key_len == 0)
		feed->position = feed->filled_to = view->state->sequence;
	buffer_put_slice(&copy->streams, streams);
	return buffer_error(&copy->streams);
}

void feed_copy_select(struct feed_copy *copy, const struct record_filter *selection)
{
	copy->items.filter = selection;
}

struct slice feed_copy_place(const struct feed_copy *copy, const struct feed *feed)
{
	return feed_copy_has_reached(copy, feed) ? item_copy_place(&copy->items) :
		slice_of(copy->items.key, copy->items.key_len);
}

struct slice feed_copy_passed(const struct feed_copy *copy)
{
	return copy->has_page ? slice_of(copy->start, copy->start_len) : slice_of(NULL, 0);
}

/* --- sources --- */

/* Returns 0 if the table of a stream was deleted, STREAM_ENDED if it has another stream or none. */
static int check_deleted(struct tide *tide, struct txn *txn, const struct stream_row *row,
	struct failure *failure)
{
	const struct table *table;
	int err = catalog_find(&tide->catalog, txn, slice_of_text(row->table_name), &table);

	if (err < 0)
		return fail_about(failure, err, "the row of table %s", row->table_name);
	return err == END || table->row.id != row->table ? 0 :
		tide_fail_stream_ended(tide, txn, row, failure);
}

/* Adds the source with this stream. A deleted table is left out. */
static int add_named(struct feed_copy *copy, uint32_t id, struct tide *tide, struct txn *txn,
	struct failure *failure)
{
	struct stream_row row;
	int err = stream_read_row(txn, id, &row);

	if (err == END)
		return 0;                        /* it was removed after its table */
	if (err)
		return fail_about(failure, err, "the row of stream %u", id);
	if (row.status != STREAM_ENABLED)
		return check_deleted(tide, txn, &row, failure);
	err = item_copy_add(&copy->items, &(struct copy_source){ row.table, id });
	return err ? fail(failure, err) : 0;
}

static int add_all(struct feed_copy *copy, struct txn *txn, struct failure *failure)
{
	struct stream_row row;
	uint32_t id = 0;
	int err;

	while ((err = stream_next_of_table(txn, &id)) == 0) {
		err = stream_read_row(txn, id, &row);
		if (!err && row.status == STREAM_ENABLED)
			err = item_copy_add(&copy->items, &(struct copy_source){ row.table, id });
		if (err)
			return fail_about(failure, err, "the row of stream %u", id);
	}
	return err == END ? 0 : fail(failure, err);
}

/* Returns STREAM_ENDED for a source that was deleted: the first of them. */
static int fail_without_sources(const struct feed_copy *copy, struct tide *tide, struct txn *txn,
	struct failure *failure)
{
	struct stream_row row;
	uint32_t id = get_u32(copy->streams.data);
	int err = stream_read_row(txn, id, &row);

	if (err == END)
		return fail_as(failure, ERR_STREAM_ENDED, "stream %u no longer exists", id);
	return err ? fail_about(failure, err, "the row of stream %u", id) :
		tide_fail_stream_ended(tide, txn, &row, failure);
}

static int find_sources(struct feed_copy *copy, struct tide *tide, struct txn *txn,
	struct failure *failure)
{
	int err = 0;

	copy->items.source_count = 0;
	if (copy->streams.len == 0)
		return add_all(copy, txn, failure);
	for (size_t at = 0; at < copy->streams.len && !err; at += 4)
		err = add_named(copy, get_u32(copy->streams.data + at), tide, txn, failure);
	return err || copy->items.source_count ? err :
		fail_without_sources(copy, tide, txn, failure);
}

/* --- filling --- */

/* Reads the next page of items. The records after its position are read again with the next page,
 * because more of them pass the filter then. */
static int read_page(struct feed_copy *copy, struct feed *feed, uint32_t max, struct tide *tide,
	const struct view_of_streams *view, struct failure *failure)
{
	struct copy_moment moment = { .streams = view->streams, .secret = copy->secret,
		.position = view->state->sequence,
		.now_ms = clock_now_ms(store_clock(tide->store)) };
	int err = find_sources(copy, tide, view->txn, failure);

	if (copy->has_page)
		item_copy_set_key(&copy->items, item_copy_place(&copy->items));
	if (!err)
		err = item_copy_fill(&copy->items, max, view->txn, &moment, failure);
	if (err)
		return err;
	if (copy->has_page)
		feed->position = copy->position;
	feed_reread(feed);
	copy->position = moment.position;
	copy->start_len = copy->items.key_len;
	memcpy(copy->start, copy->items.key, copy->start_len);
	copy->has_page = true;
	return 0;
}

int feed_copy_fill(struct feed_copy *copy, struct feed *feed, uint32_t max, struct tide *tide,
	const struct view_of_streams *view, struct failure *failure)
{
	bool is_returned = copy->items.at >= copy->items.page.len &&
		feed_copy_has_reached(copy, feed);
	int err = 0;

	if (!copy->has_page || (is_returned && !copy->items.is_last))
		err = read_page(copy, feed, max, tide, view, failure);
	if (!err && !feed_copy_has_reached(copy, feed))
		err = feed_fill(feed, max, view, failure);
	return err;
}

bool feed_copy_has_reached(const struct feed_copy *copy, const struct feed *feed)
{
	uint32_t stream;
	struct slice record;

	if (!copy->has_page)
		return false;
	if (feed_peek(feed, &stream, &record) == 0)
		return record_sequence(record.data) > copy->position;
	return feed->caught_up || feed_position(feed) >= copy->position;
}

bool feed_copy_is_over(const struct feed_copy *copy, const struct feed *feed)
{
	return copy->items.is_last && copy->items.at >= copy->items.page.len &&
		feed_copy_has_reached(copy, feed);
}

/* --- returning records --- */

int feed_copy_peek(const struct feed_copy *copy, const struct feed *feed, uint32_t *stream,
	struct slice *record)
{
	struct copied_item item;

	if (!copy->has_page)
		return END;
	if (!feed_copy_has_reached(copy, feed))
		return feed_peek(feed, stream, record);
	if (item_copy_peek(&copy->items, &item))
		return END;
	*stream = item.stream;
	*record = item.record;
	return 0;
}

int feed_copy_next(struct feed_copy *copy, struct feed *feed, uint32_t *stream,
	struct slice *record)
{
	struct copied_item item;

	if (!copy->has_page)
		return END;
	if (!feed_copy_has_reached(copy, feed))
		return feed_next(feed, stream, record);
	if (item_copy_next(&copy->items, &item))
		return END;
	*stream = item.stream;
	*record = item.record;
	return 0;
}

void feed_copy_reread(struct feed_copy *copy, struct feed *feed)
{
	if (feed_copy_has_reached(copy, feed))
		feed->position = copy->position;
	item_copy_clear(&copy->items);
	copy->has_page = false;
}

void feed_copy_release(struct feed_copy *copy)
{
	item_copy_release(&copy->items);
	buffer_release(&copy->streams);
}

size_t feed_copy_bytes(const struct feed_copy *copy)
{
	return sizeof *copy + copy->streams.cap + copy->items.page.cap + copy->items.scratch.cap +
		copy->items.source_cap * sizeof *copy->items.sources;
}
