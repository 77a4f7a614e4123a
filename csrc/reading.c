/* reading.c - the contract's reading half: items, queries, streams, waiting. */
#include <string.h>

#include "base/memory.h"
#include "database.h"
#include "table/items.h"

/* --- tables --- */

int tide_table_named(struct tide_table *table, struct slice name, struct failure *failure)
{
	memset(table, 0, sizeof *table);
	if (!is_table_name(name))
		return fail_as(failure, ERR_VALIDATION, "TableName must be at least 3 characters"
			" long and at most 255 characters long, of a-z, A-Z, 0-9, '_', '-' and '.'");
	table->len = (uint16_t)name.len;
	memcpy(table->name, name.data, name.len);
	return 0;
}

int tide_describe_table(struct tide *tide, struct tide_table *table,
	const struct table_row **row, struct failure *failure)
{
	struct snapshot snapshot;
	const struct table *found;
	int err = tide_look(tide, &snapshot, failure);

	if (err)
		return err;
	found = tide_find(tide, table, failure);
	if (found)
		*row = &found->row;
	tide_look_away(tide, &snapshot);
	return found ? 0 : ERR_NOT_FOUND;
}

int tide_table_names(struct tide *tide, struct buffer *names, struct failure *failure)
{
	struct snapshot snapshot;
	int err = tide_look(tide, &snapshot, failure);

	if (err)
		return err;
	buffer_clear(names);
	for (size_t i = 0; i < tide->catalog.count; i++)
		buffer_put_counted(names, slice_of_text(tide->catalog.tables[i].row.name));
	tide_look_away(tide, &snapshot);
	return buffer_error(names) ? fail(failure, buffer_error(names)) : 0;
}

int tide_stream_ids(struct tide *tide, struct buffer *ids, struct failure *failure)
{
	struct snapshot snapshot;
	int err = tide_look(tide, &snapshot, failure);

	if (err)
		return err;
	buffer_clear(ids);
	for (size_t i = 0; i < tide->catalog.streams.count; i++)
		buffer_put_u32(ids, tide->catalog.streams.all[i].row.id);
	tide_look_away(tide, &snapshot);
	return buffer_error(ids) ? fail(failure, buffer_error(ids)) : 0;
}

/* --- items --- */

static int get(struct tide *tide, struct txn *txn, const struct table *table, struct slice asked,
	struct buffer *out, uint64_t *sequence, struct failure *failure)
{
	const struct key_schema *schema = &table->row.schema;
	struct stored stored;
	struct key key;
	int err = key_of_key(&key, table->row.id, schema, asked, tide->stamp.secret);

	if (err)
		return fail_key(failure, err, schema, asked);
	buffer_clear(out);
	err = item_get(&stored, txn, &key, schema, asked, &tide->scratch);
	if (!err) {
		*sequence = stored.sequence;
		buffer_put_slice(out, stored.item);
		err = buffer_error(out);
	}
	return err < 0 ? fail_with(failure, err, "table %s", table->row.name) : err;
}

int tide_get(struct tide *tide, struct tide_table *table, struct slice key,
	struct buffer *out, uint64_t *sequence, struct failure *failure)
{
	struct snapshot snapshot;
	const struct table *found;
	int err = tide_look(tide, &snapshot, failure);

	if (err)
		return err;
	found = tide_find(tide, table, failure);
	err = found ? get(tide, snapshot.txn, found, key, out, sequence, failure) : ERR_NOT_FOUND;
	tide_look_away(tide, &snapshot);
	return err;
}

/* --- queries --- */

struct tide_query {
	struct tide_table table;
	uint32_t table_id;
	struct range range;          /* what is left to read */
	struct range *whole;         /* what was asked for; of one with a snapshot */
	struct page page;
	const struct tide_snapshot *snapshot;        /* NULL: one for each page */
	struct tide_snapshot *own;   /* when it is the query's */
	struct buffer partition;     /* the value asked for, when its key is hashed */
	enum type partition_type;
};

static int start_range(struct tide_query *query, struct tide *tide, const struct table *table,
	const struct tide_query_spec *spec, struct failure *failure)
{
	struct sort_condition sort = { (enum comparison)spec->comparison, spec->a, spec->b };
	int err = 0;

	query->table_id = table->row.id;
	if (spec->partition) {
		err = range_of_partition(&query->range, table, spec->partition, &sort,
			tide->stamp.secret, failure);
		query->partition_type = spec->partition->type;
		buffer_put_slice(&query->partition, spec->partition->bytes);
	} else {
		range_of_table(&query->range, table->row.id);
	}
	query->range.backward = spec->backward;
	if (!err && buffer_error(&query->partition))
		err = fail(failure, ERR_NO_MEMORY);
	if (!err && spec->start_key.len)
		err = range_start_after(&query->range, table, spec->start_key, tide->stamp.secret,
			failure);
	return err;
}

static int start_now(struct tide_query *query, struct tide *tide, struct tide_table *table,
	const struct tide_query_spec *spec, struct failure *failure)
{
	struct snapshot snapshot;
	const struct table *found;
	int err = tide_look(tide, &snapshot, failure);

	if (err)
		return err;
	found = tide_find(tide, table, failure);
	err = found ? start_range(query, tide, found, spec, failure) : ERR_NOT_FOUND;
	tide_look_away(tide, &snapshot);
	return err;
}

static int start_at(struct tide_query *query, struct tide *tide, struct tide_table *table,
	const struct tide_query_spec *spec, struct failure *failure)
{
	const struct table *found;
	struct table room;
	int err = tide_find_at(tide, spec->snapshot, table, &room, &found, failure);

	if (!err)
		err = start_range(query, tide, found, spec, failure);
	if (err)
		return err;
	query->whole = memory_zeroed(sizeof *query->whole);
	if (!query->whole)
		return fail(failure, ERR_NO_MEMORY);
	*query->whole = query->range;
	query->snapshot = spec->snapshot;
	return 0;
}

int tide_query_start(struct tide_query **out, struct tide *tide, struct tide_table *table,
	const struct tide_query_spec *spec, struct failure *failure)
{
	struct tide_query *query = memory_zeroed(sizeof *query);
	int err;

	*out = NULL;
	if (!query)
		return fail(failure, ERR_NO_MEMORY);
	err = spec->snapshot ? start_at(query, tide, table, spec, failure) :
		start_now(query, tide, table, spec, failure);
	query->table = *table;
	if (err)
		tide_query_finish(query);
	else
		*out = query;
	return err;
}

static int fill(struct tide_query *query, uint32_t max, struct txn *txn,
	const struct table *found, struct failure *failure)
{
	struct value asked = { query->partition_type, 0, buffer_slice(&query->partition) };

	if (found->row.id != query->table_id)
		return fail_with(failure, ERR_NOT_FOUND,
			"table %s was deleted while it was being read", query->table.name);
	return page_fill(&query->page, &query->range, max, txn, found,
		query->partition.len ? &asked : NULL, failure);
}

static int fill_now(struct tide_query *query, struct tide *tide, uint32_t max,
	struct failure *failure)
{
	struct snapshot snapshot;
	const struct table *found;
	int err = tide_look(tide, &snapshot, failure);

	if (err)
		return err;
	found = tide_find(tide, &query->table, failure);
	err = found ? fill(query, max, snapshot.txn, found, failure) : ERR_NOT_FOUND;
	tide_look_away(tide, &snapshot);
	return err;
}

int tide_query_fill(struct tide_query *query, struct tide *tide, uint32_t max,
	struct failure *failure)
{
	const struct table *found;
	struct table room;
	int err;

	if (!query->snapshot)
		return fill_now(query, tide, max, failure);
	err = tide_find_at(tide, query->snapshot, &query->table, &room, &found, failure);
	return err ? err : fill(query, max, query->snapshot->reader, found, failure);
}

int tide_query_next(struct tide_query *query, uint64_t *sequence, struct slice *item)
{
	return page_next(&query->page, sequence, item);
}

int tide_query_peek(const struct tide_query *query, uint64_t *sequence, struct slice *item)
{
	return page_peek(&query->page, sequence, item);
}

bool tide_query_more(const struct tide_query *query)
{
	return query->page.more;
}

int tide_query_key(const struct tide_query *query, struct tide *tide, struct slice item,
	struct key *key, struct failure *failure)
{
	struct tide_table table = query->table;

	return tide_key_at(tide, query->snapshot, &table, item, false, key, failure);
}

int tide_query_place(const struct tide_query *query, struct slice key)
{
	return range_place(query->whole, key);
}

void tide_query_rewind(struct tide_query *query)
{
	query->range = *query->whole;
	query->snapshot = NULL;
	page_release(&query->page);
}

int tide_query_pin(struct tide_query *query, struct tide *tide, struct failure *failure)
{
	int err = 0;

	if (!tide->transaction.txn)
		err = tide_snapshot_open(&query->own, tide, failure);
	query->snapshot = query->own;
	return err;
}

void tide_query_unpin(struct tide_query *query)
{
	tide_snapshot_close(query->own);
	query->own = NULL;
	query->snapshot = NULL;
}

void tide_query_finish(struct tide_query *query)
{
	if (!query)
		return;
	tide_query_unpin(query);
	page_release(&query->page);
	buffer_release(&query->partition);
	memory_give_back(query->whole);
	memory_give_back(query);
}

/* --- streams --- */

/* The stream with this label of a table of this name, there or gone. */
static uint32_t stream_labelled(const struct streams *streams, struct slice table,
	struct slice label)
{
	for (size_t i = streams->count; i-- > 0;) {
		const struct stream_row *row = &streams->all[i].row;

		if (slice_equal(table, slice_of_text(row->table_name)) &&
				slice_equal(label, slice_of_text(row->label)))
			return row->id;
	}
	return 0;
}

int tide_stream_of(struct tide *tide, struct slice name, struct slice label, uint32_t *stream,
	struct failure *failure)
{
	const struct catalog *catalog = &tide->catalog;
	const struct table *table;
	struct snapshot snapshot;
	int err = tide_look(tide, &snapshot, failure);

	if (err)
		return err;
	table = catalog_find(catalog, name);
	*stream = label.len ? stream_labelled(&catalog->streams, name, label) :
		table ? table->row.newest_stream : 0;
	if (*stream && !streams_find(&catalog->streams, *stream))
		*stream = 0;
	tide_look_away(tide, &snapshot);
	if (*stream)
		return 0;
	if (label.len)
		return fail_as(failure, ERR_NOT_FOUND,
			"Requested resource not found: Stream: %.*s of table %.*s not found",
			label.len > LABEL_MAX ? LABEL_MAX : (int)label.len,
			(const char *)label.data, (int)name.len, (const char *)name.data);
	return fail_as(failure, ERR_NOT_FOUND, "Requested resource not found: Table: %.*s %s",
		(int)name.len, (const char *)name.data, table ? "has no stream" : "not found");
}

static void look_at_view(struct tide *tide, const struct snapshot *snapshot,
	struct view_of_streams *view)
{
	struct moment moment;

	moment_take(&moment, store_clock(tide->store));
	view->txn = snapshot->txn;
	view->streams = &tide->catalog.streams;
	view->state = snapshot->state;
	view->clock_ms = retention_clock(snapshot->state, &moment);
}

static int describe(struct tide *tide, const struct view_of_streams *view, uint32_t id,
	struct tide_stream_state *state)
{
	const struct stream *stream = streams_find(&tide->catalog.streams, id);
	struct bounds bounds;
	struct record first;
	struct cursor *cursor;
	uint64_t hidden;
	int err = stream_bounds(view->txn, id, &bounds);

	*state = (struct tide_stream_state){ .row = &stream->row };
	if (!err)
		err = txn_cursor(view->txn, TREE_LOG, &cursor);
	if (!err)
		err = retention_hidden(cursor, &stream->row, &bounds, view->clock_ms, &hidden);
	if (!err)
		err = log_seek(cursor, id, hidden + 1, &first);
	if (err < 0)
		return err;
	state->trimmed_through = hidden;
	if (err == END)
		return 0;
	state->first_sequence = first.sequence;
	state->last_sequence = bounds.head.sequence;
	state->count = bounds.head.ordinal - first.ordinal + 1;
	state->bytes = bounds.head.stream_bytes - first.stream_bytes + record_bytes(&first);
	return 0;
}

int tide_describe_stream(struct tide *tide, uint32_t stream, struct tide_stream_state *state,
	struct failure *failure)
{
	struct view_of_streams view;
	struct snapshot snapshot;
	int err = tide_look_at_commits(tide, &snapshot, failure);

	if (err)
		return err;
	look_at_view(tide, &snapshot, &view);
	if (!streams_find(&tide->catalog.streams, stream))
		err = fail_with(failure, ERR_NOT_FOUND, "the stream has gone");
	if (!err) {
		err = describe(tide, &view, stream, state);
		if (err)
			fail(failure, err);
	}
	tide_look_away(tide, &snapshot);
	return err;
}

int tide_stream_row(struct tide *tide, uint32_t stream, const struct stream_row **row,
	struct failure *failure)
{
	const struct stream *found;
	struct snapshot snapshot;
	int err = tide_look_at_commits(tide, &snapshot, failure);

	if (err)
		return err;
	found = streams_find(&tide->catalog.streams, stream);
	if (found)
		*row = &found->row;
	tide_look_away(tide, &snapshot);
	return found ? 0 : fail_with(failure, ERR_NOT_FOUND, "the stream has gone");
}

struct tide_feed {
	struct feed feed;
};

int tide_feed_start(struct tide_feed **out, struct tide *tide, uint32_t stream,
	enum tide_from from, uint64_t at, struct failure *failure)
{
	static const enum position_kind kinds[] = {
		[TIDE_TRIM_HORIZON] = POSITION_TRIM_HORIZON,
		[TIDE_LATEST] = POSITION_LATEST,
		[TIDE_AT] = POSITION_AT,
		[TIDE_AFTER] = POSITION_AFTER,
		[TIDE_TIME] = POSITION_TIME,
	};
	struct tide_feed *feed = memory_zeroed(sizeof *feed);
	struct view_of_streams view;
	struct snapshot snapshot;
	int err;

	*out = NULL;
	if (!feed)
		return fail(failure, ERR_NO_MEMORY);
	err = tide_look_at_commits(tide, &snapshot, failure);
	if (!err) {
		look_at_view(tide, &snapshot, &view);
		err = feed_start(&feed->feed, stream, (struct position){ kinds[from], at }, &view,
			failure);
		tide_look_away(tide, &snapshot);
	}
	if (err)
		tide_feed_finish(feed);
	else
		*out = feed;
	return err;
}

int tide_feed_fill(struct tide_feed *feed, struct tide *tide, uint32_t max,
	struct failure *failure)
{
	struct view_of_streams view;
	struct snapshot snapshot;
	int err = tide_look_at_commits(tide, &snapshot, failure);

	if (err)
		return err;
	look_at_view(tide, &snapshot, &view);
	err = feed_fill(&feed->feed, max, &view, failure);
	tide_look_away(tide, &snapshot);
	return err;
}

int tide_feed_next(struct tide_feed *feed, uint32_t *stream, struct slice *record)
{
	return feed_next(&feed->feed, stream, record);
}

int tide_feed_peek(const struct tide_feed *feed, uint32_t *stream, struct slice *record)
{
	return feed_peek(&feed->feed, stream, record);
}

void tide_feed_reread(struct tide_feed *feed)
{
	buffer_clear(&feed->feed.page);
	feed->feed.at = 0;
	feed->feed.caught_up = false;
}

uint64_t tide_feed_position(const struct tide_feed *feed)
{
	return feed->feed.position;
}

bool tide_feed_has_news(const struct tide_feed *feed, const struct tide *tide)
{
	return !feed->feed.caught_up || feed->feed.filled_at != store_last_commit(tide->store);
}

void tide_feed_finish(struct tide_feed *feed)
{
	if (!feed)
		return;
	feed_release(&feed->feed);
	memory_give_back(feed);
}

/* --- waiting --- */

uint32_t tide_listen(struct tide *tide)
{
	return wake_listen(store_wake(tide->store));
}

int tide_wait(struct tide *tide, uint32_t ticket, uint32_t ms)
{
	return wake_wait(store_wake(tide->store), ticket, ms);
}

void tide_unlisten(struct tide *tide)
{
	wake_unlisten(store_wake(tide->store));
}

struct tide_bell {
	struct tide *tide;
	struct bell *bell;
};

int tide_bell_open(struct tide_bell **out, struct tide *tide, struct failure *failure)
{
	struct tide_bell *bell = memory_zeroed(sizeof *bell);
	int err;

	*out = NULL;
	if (!bell)
		return fail(failure, ERR_NO_MEMORY);
	bell->tide = tide;
	err = bell_open(&bell->bell, store_wake(tide->store), failure);
	if (err)
		memory_give_back(bell);
	else
		*out = bell;
	return err;
}

int tide_bell_descriptor(const struct tide_bell *bell)
{
	return bell_descriptor(bell->bell);
}

int tide_bell_wait(const struct tide_bell *bell, uint32_t ms)
{
	return bell_wait(bell->bell, ms);
}

void tide_bell_clear(struct tide_bell *bell)
{
	bell_clear(bell->bell);
}

void tide_bell_close(struct tide_bell *bell)
{
	if (!bell)
		return;
	if (store_is_foreign(bell->tide->store))
		bell_forget(bell->bell);
	else
		bell_close(bell->bell);
	memory_give_back(bell);
}
