/* feeds.c - the functions of tide.h that read records: tide_feed, its filter, and waiting. */
#include "api/database.h"
#include "api/feed_copy.h"
#include "api/record_filter.h"
#include "base/memory.h"
#include "stream/consumer.h"
#include "tide_consumer.h"

/* Interval after which a feed that was not notified checks for commits. */
#define CHECK_AGAIN_MS 1000

struct tide_feed {
	struct feed feed;
	struct feed_filter *filter;  /* NULL: every record passes */
	struct feed_copy *copy;      /* NULL: it returns records only */
	uint32_t seen;               /* commit_count of the feed's stream before the last fill */
	uint64_t filled_ms;          /* clock_elapsed_ms at the last fill */
};

/* Notes the count of commits. Must be called before the snapshot of a fill is taken, so that the
 * commits after the snapshot count as news. */
static void note_commits(struct tide_feed *feed, const struct tide *tide)
{
	feed->seen = commit_count(store_shared_page(tide->store), feed->feed.streams.one);
	feed->filled_ms = clock_elapsed_ms(clock_system());
}

/* Where a feed starts: at a position, or after that of a range of a consumer's shards. */
struct start {
	struct position position;
	struct shard_range range;    /* consumer 0: none */
	uint16_t shards;             /* of the consumer */
	bool with_tables;            /* all streams, also that of the changes of tables */
};

/* Allocates the filter of the feed, which lets every record pass, unless it has one. */
static int make_filter(struct tide_feed *feed)
{
	if (!feed->filter)
		feed->filter = memory_alloc_zeroed(sizeof *feed->filter);
	return feed->filter ? 0 : ERR_NO_MEMORY;
}

/* Makes the feed return only the records of these shards, unless they are all shards. */
static int filter_shards(struct tide_feed *feed, const struct progress_row *row, uint16_t shards)
{
	struct shard_hashes hashes = hashes_of_shards(row->first, row->last, shards);
	int err;

	if (row->last >= shards)
		return ERR_CORRUPT;
	if (row->first == 0 && row->last + 1u == shards)
		return 0;
	err = make_filter(feed);
	if (err)
		return err;
	feed->filter->filter.ignores_annotations = true;
	feed->filter->filter.has_hashes = true;
	feed->filter->filter.first_hash = hashes.first;
	feed->filter->filter.last_hash = hashes.last;
	feed->feed.filter = &feed->filter->filter;
	return 0;
}

/* Makes the feed return the items that its consumer has still to copy. */
static int start_copy(struct tide_feed *feed, const struct tide *tide, struct slice streams,
	uint64_t consumer, const struct view_of_streams *view)
{
	feed->copy = memory_alloc_zeroed(sizeof *feed->copy);
	if (!feed->copy)
		return ERR_NO_MEMORY;
	return feed_copy_start(feed->copy, &feed->feed, tide, consumer, streams, view);
}

/* Reads the progress of the range at which a feed starts. */
static int read_range(struct progress_row *row, struct txn *txn, struct shard_range range,
	struct failure *failure)
{
	int err = progress_read(row, txn, range.consumer, range.first);

	if (err == END)
		return fail(failure, ERR_CONSUMER_GONE);
	if (!err && (row->first != range.first || row->epoch != range.epoch))
		return fail(failure, ERR_LEASE_LOST);
	return err ? fail(failure, err) : 0;
}

static int start_at_consumer(struct tide_feed *tide_feed, const struct tide *tide,
	struct slice streams, const struct start *start, const struct view_of_streams *view,
	struct failure *failure)
{
	struct feed *feed = &tide_feed->feed;
	uint64_t id = start->range.consumer;
	struct progress_row row;
	int err = read_range(&row, view->txn, start->range, failure);

	if (err)
		return err;
	err = floors_read(feed, view->txn, id);
	if (!err)
		err = filter_shards(tide_feed, &row, start->shards);
	if (err)
		return fail(failure, err);
	err = feed_resume(feed, row.position, view, failure);
	if (err || !row.is_copying)
		return err;
	err = start_copy(tide_feed, tide, streams, id, view);
	return err ? fail_about(failure, err, "the copy of consumer %llu",
		(unsigned long long)id) : 0;
}

struct position tide_position(enum tide_from from, uint64_t at)
{
	static const enum position_kind kinds[] = {
		[TIDE_TRIM_HORIZON] = POSITION_TRIM_HORIZON,
		[TIDE_LATEST] = POSITION_LATEST,
		[TIDE_AT] = POSITION_AT,
		[TIDE_AFTER] = POSITION_AFTER,
		[TIDE_TIME] = POSITION_TIME,
		[TIDE_SNAPSHOT] = POSITION_LATEST,
		[TIDE_NEWEST] = POSITION_NEWEST,
	};

	return (struct position){ kinds[from], at };
}

static int start_feed(struct tide_feed **out, struct tide *tide, struct slice streams,
	const struct start *start, struct failure *failure)
{
	struct tide_feed *feed = memory_alloc_zeroed(sizeof *feed);
	struct view_of_streams view;
	struct read_view snapshot;
	int err;

	*out = NULL;
	if (!feed)
		return fail(failure, ERR_NO_MEMORY);
	err = stream_set_init(&feed->feed.streams, streams);
	feed->feed.streams.with_tables = start->with_tables;
	err = err ? fail(failure, err) : tide_read_committed_begin(tide, &snapshot, failure);
	if (!err) {
		tide_view_streams(tide, &snapshot, &view);
		err = start->range.consumer ?
			start_at_consumer(feed, tide, streams, start, &view, failure) :
			feed_start(&feed->feed, start->position, &view, failure);
		err = tide_read_end(tide, &snapshot, err, failure);
	}
	if (err)
		tide_feed_finish(feed);
	else
		*out = feed;
	return err;
}

int tide_feed_start(struct tide_feed **feed, struct tide *tide, uint32_t stream,
	enum tide_from from, uint64_t at, struct failure *failure)
{
	const struct start start = { .position = tide_position(from, at),
		.with_tables = stream == TIDE_STREAMS_AND_TABLES };
	uint8_t id[4];

	set_u32(id, stream);
	return start_feed(feed, tide, slice_of(id, stream && !start.with_tables ? sizeof id : 0),
		&start, failure);
}

int tide_consumer_feed(struct tide_feed **feed, struct tide *tide, struct shard_range range,
	uint16_t shards, struct slice streams, struct failure *failure)
{
	const struct start start = { .range = range, .shards = shards };

	return start_feed(feed, tide, streams, &start, failure);
}

/* Sets the key of the feed's filter. */
static int set_filter_key(struct tide_feed *feed, struct tide *tide, struct slice key,
	struct failure *failure)
{
	const struct stream_row *row = NULL;
	int err = tide_stream_row(tide, feed->feed.streams.one, &row, failure);

	return err ? err : feed_filter_by_key(feed->filter, key, row, tide->header.secret,
		failure);
}

int tide_feed_filter(struct tide_feed *feed, struct tide *tide, struct slice key,
	struct tide_expressions *expressions, struct failure *failure)
{
	int err = make_filter(feed);

	if (err)
		return fail(failure, err);
	err = key.len ? set_filter_key(feed, tide, key, failure) : 0;
	if (err)
		return err;
	feed_filter_by_condition(feed->filter, expressions);
	if (feed->copy)
		feed_copy_select(feed->copy, &feed->filter->filter);
	else
		feed->feed.filter = &feed->filter->filter;
	return 0;
}

int tide_feed_fill(struct tide_feed *feed, struct tide *tide, uint32_t max,
	struct failure *failure)
{
	struct view_of_streams view;
	struct read_view snapshot;
	int err;

	note_commits(feed, tide);
	err = tide_read_committed_begin(tide, &snapshot, failure);
	if (err)
		return err;
	tide_view_streams(tide, &snapshot, &view);
	err = feed->copy ? feed_copy_fill(feed->copy, &feed->feed, max, tide, &view, failure) :
		feed_fill(&feed->feed, max, &view, failure);
	err = tide_read_end(tide, &snapshot, err, failure);
	if (err == ERR_STORE)
		tide_feed_reread(feed);          /* the page may be a mixture of two snapshots */
	return err;
}

int tide_feed_next(struct tide_feed *feed, uint32_t *stream, struct slice *record)
{
	return feed->copy ? feed_copy_next(feed->copy, &feed->feed, stream, record) :
		feed_next(&feed->feed, stream, record);
}

int tide_feed_peek(const struct tide_feed *feed, uint32_t *stream, struct slice *record)
{
	return feed->copy ? feed_copy_peek(feed->copy, &feed->feed, stream, record) :
		feed_peek(&feed->feed, stream, record);
}

void tide_feed_reread(struct tide_feed *feed)
{
	if (feed->copy)
		feed_copy_reread(feed->copy, &feed->feed);
	feed_reread(&feed->feed);
}

uint64_t tide_feed_position(const struct tide_feed *feed)
{
	return feed->copy && feed_copy_has_reached(feed->copy, &feed->feed) ?
		feed->copy->position : feed_position(&feed->feed);
}

bool tide_feed_is_behind(const struct tide_feed *feed)
{
	return feed->copy ? !feed_copy_is_over(feed->copy, &feed->feed) :
		feed_is_behind(&feed->feed);
}

uint64_t tide_feed_left_out(const struct tide_feed *feed)
{
	return feed->feed.left_out + (feed->copy ? feed->copy->items.left_out : 0);
}

struct slice tide_feed_place(const struct tide_feed *feed)
{
	return feed->copy ? feed_copy_place(feed->copy, &feed->feed) : slice_of(NULL, 0);
}

struct slice tide_feed_passed(const struct tide_feed *feed)
{
	return feed->copy ? feed_copy_passed(feed->copy) : slice_of(NULL, 0);
}

const struct copy_row *tide_feed_copy(const struct tide_feed *feed)
{
	return feed->copy ? &feed->copy->row : NULL;
}

bool tide_feed_is_past(const struct tide_feed *feed, uint64_t transaction)
{
	return feed_is_past(&feed->feed, transaction);
}

bool tide_feed_has_news(struct tide_feed *feed, const struct tide *tide)
{
	uint32_t commits = commit_count(store_shared_page(tide->store), feed->feed.streams.one);

	if (feed->copy)
		return !feed_copy_is_over(feed->copy, &feed->feed);
	/* An error of store_recover is ignored, because the next fill returns it. */
	if (store_recover(tide->store, NULL) ||
			feed_has_news(&feed->feed, store_last_commit(tide->store)))
		return true;
	feed->seen = commits;
	return false;
}

int tide_feed_wait(const struct tide_feed *feed, struct tide *tide, uint32_t ms)
{
	return commit_wait(store_shared_page(tide->store), feed->feed.streams.one, feed->seen,
		store_wait_ms(tide->store, ms));
}

bool tide_feed_is_touched(const struct tide_feed *feed, const struct tide *tide)
{
	if (store_recover(tide->store, NULL) ||
			commit_count(store_shared_page(tide->store),
			feed->feed.streams.one) != feed->seen)
		return true;
	return feed_has_news(&feed->feed, store_last_commit(tide->store)) &&
		clock_elapsed_ms(clock_system()) - feed->filled_ms >= CHECK_AGAIN_MS;
}

bool tide_feed_only_waits(const struct tide *tide)
{
	return tide->read_only || (!tide->catalog.expiring && !tide->catalog.index);
}

/* --- the end of a stream --- */

/* A table keeps its name as long as it exists. */
int tide_fail_stream_ended(struct tide *tide, struct txn *txn, const struct stream_row *row,
	struct failure *failure)
{
	struct catalog *catalog = &tide->catalog;
	const struct table *table;
	struct stream *now = NULL;
	int err = catalog_find(catalog, txn, slice_of_text(row->table_name), &table);
	bool is_gone = err == END || (!err && table->row.id != row->table);

	if (!err && !is_gone)
		err = streams_find(&catalog->streams, txn, table->row.stream, &now);
	if (err < 0)
		return fail_about(failure, err, "the rows of table %s", row->table_name);
	if (is_gone)
		return fail_as(failure, ERR_STREAM_ENDED,
			"%s/%s: the stream has ended: its table was deleted", row->table_name,
			row->label);
	return fail_as(failure, ERR_STREAM_ENDED,
		"%s/%s: the stream has ended: it was disabled%s%s", row->table_name, row->label,
		now ? ", and the table's stream is now " : "", now ? now->row.label : "");
}

static int check_stream_ended(struct tide *tide, struct txn *txn, uint32_t id,
	struct failure *failure)
{
	struct stream *stream;
	int err = streams_find(&tide->catalog.streams, txn, id, &stream);

	if (err == END)
		return fail(failure, ERR_STREAM_ENDED);
	if (err)
		return fail_about(failure, err, "the row of stream %u", id);
	return stream->row.status == STREAM_DISABLED ?
		tide_fail_stream_ended(tide, txn, &stream->row, failure) : 0;
}

int tide_feed_check_ended(const struct tide_feed *feed, struct tide *tide,
	struct failure *failure)
{
	const struct stream_set *streams = &feed->feed.streams;
	struct read_view snapshot;
	int err;

	if (!feed_has_ended(&feed->feed))
		return 0;
	err = tide_read_committed_begin(tide, &snapshot, failure);
	if (err)
		return err;
	if (streams->one)
		err = check_stream_ended(tide, snapshot.txn, streams->one, failure);
	for (size_t i = 0; i < streams->count && !err; i++)
		err = check_stream_ended(tide, snapshot.txn, streams->ids[i],
			failure);
	return tide_read_end(tide, &snapshot, err, failure);
}

void tide_feed_finish(struct tide_feed *feed)
{
	if (!feed)
		return;
	feed_release(&feed->feed);
	if (feed->copy)
		feed_copy_release(feed->copy);
	memory_free(feed->copy);
	if (feed->filter)
		feed_filter_release(feed->filter);
	memory_free(feed->filter);
	memory_free(feed);
}

size_t tide_feed_bytes(const struct tide_feed *feed)
{
	return sizeof *feed + feed->feed.page.cap + feed->feed.annotation.cap +
		(feed->copy ? feed_copy_bytes(feed->copy) : 0) +
		(feed->filter ? sizeof *feed->filter + feed_filter_bytes(feed->filter) : 0) +
		feed->feed.streams.count * sizeof *feed->feed.streams.ids +
		feed->feed.floors.cap * sizeof *feed->feed.floors.all +
		read_ahead_bytes(&feed->feed.ahead) +
		feed->feed.merge.cap * sizeof *feed->feed.merge.all;
}
