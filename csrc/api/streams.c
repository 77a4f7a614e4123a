/* streams.c - the functions of tide.h that find, describe, enable and disable streams. */
#include "api/database.h"
#include "tide_consumer.h"

/* --- finding and describing --- */

/* Sets *id to the stream with this label, or to the newest stream of the table. Returns END if
 * there is no such stream, and then sets *has_table to true if the table exists. */
static int find_stream(struct tide *tide, struct txn *txn, struct slice name,
	struct slice label, uint32_t *id, bool *has_table)
{
	const struct table *table;
	struct stream *stream;
	int err;

	*has_table = false;
	if (label.len) {
		err = stream_id_of_label(txn, name, label, id);
	} else {
		err = catalog_find(&tide->catalog, txn, name, &table);
		*has_table = err == 0;
		*id = err ? 0 : table->row.newest_stream;
	}
	return err ? err : streams_find(&tide->catalog.streams, txn, *id, &stream);
}

int tide_stream_of(struct tide *tide, struct slice name, struct slice label, uint32_t *stream,
	struct failure *failure)
{
	struct read_view snapshot;
	bool has_table;
	int err = tide_read_begin(tide, &snapshot, failure);

	if (err)
		return err;
	err = find_stream(tide, snapshot.txn, name, label, stream, &has_table);
	if (err < 0)
		fail_about(failure, err, "the stream of table %.*s", (int)name.len,
			(const char *)name.data);
	err = tide_read_end(tide, &snapshot, err, failure);
	if (err <= 0)
		return err;
	if (label.len)
		return fail_as(failure, ERR_NOT_FOUND,
			"Requested resource not found: Stream: %.*s of table %.*s not found",
			label.len > LABEL_MAX ? LABEL_MAX : (int)label.len,
			(const char *)label.data, (int)name.len, (const char *)name.data);
	return fail_as(failure, ERR_NOT_FOUND, "Requested resource not found: Table: %.*s %s",
		(int)name.len, (const char *)name.data, has_table ? "has no stream" : "not found");
}

uint64_t tide_view_streams(struct tide *tide, const struct read_view *snapshot,
	struct view_of_streams *view)
{
	struct time_sample sample;

	time_sample_take(&sample, store_clock(tide->store));
	view->txn = snapshot->txn;
	view->streams = &tide->catalog.streams;
	view->state = snapshot->state;
	view->clock_ms = retention_clock(snapshot->state, &sample);
	return sample.now_ms;
}

static int describe_records(const struct view_of_streams *view, const struct stream *stream,
	struct tide_stream_state *state)
{
	uint32_t id = stream->row.id;
	struct bounds bounds;
	struct record first;
	struct cursor *cursor;
	uint64_t hidden;
	int err = stream_bounds(view->txn, id, &bounds);

	*state = (struct tide_stream_state){ .row = &stream->row };
	if (!err)
		err = txn_cursor(view->txn, TREE_LOG, &cursor);
	if (!err)
		err = retention_hidden(view->txn, &stream->row, &bounds, view->clock_ms, 0,
			&hidden);
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

/* Finds a stream for a call that has its id. Returns NOT_FOUND. */
/* Describes the result of reading the row of a stream. */
static int fail_row(int err, uint32_t id, struct failure *failure)
{
	if (err == END)
		return fail_as(failure, ERR_NOT_FOUND, "stream %u no longer exists", id);
	return err ? fail_about(failure, err, "the row of stream %u", id) : 0;
}

static int find_by_id(struct tide *tide, struct txn *txn, uint32_t id, struct stream **stream,
	struct failure *failure)
{
	return fail_row(streams_find(&tide->catalog.streams, txn, id, stream), id, failure);
}

int tide_describe_stream(struct tide *tide, uint32_t stream, struct tide_stream_state *state,
	struct failure *failure)
{
	struct view_of_streams view;
	struct read_view snapshot;
	struct stream *found;
	uint64_t now_ms;
	int err = tide_read_committed_begin(tide, &snapshot, failure);

	if (err)
		return err;
	now_ms = tide_view_streams(tide, &snapshot, &view);
	err = find_by_id(tide, snapshot.txn, stream, &found, failure);
	if (!err) {
		err = describe_records(&view, found, state);
		state->retention_lead_ms = retention_lead(view.clock_ms, now_ms);
		if (err)
			fail(failure, err);
	}
	return tide_read_end(tide, &snapshot, err, failure);
}

int tide_stream_bytes(struct tide *tide, uint32_t stream, struct buffer *out,
	struct failure *failure)
{
	struct read_view snapshot;
	int err = tide_read_committed_begin(tide, &snapshot, failure);

	if (err)
		return err;
	err = fail_row(stream_read_bytes(snapshot.txn, stream, out), stream, failure);
	return tide_read_end(tide, &snapshot, err, failure);
}

int tide_stream_row(struct tide *tide, uint32_t stream, const struct stream_row **row,
	struct failure *failure)
{
	struct read_view snapshot;
	struct stream *found;
	int err = tide_read_committed_begin(tide, &snapshot, failure);

	if (err)
		return err;
	err = find_by_id(tide, snapshot.txn, stream, &found, failure);
	if (!err)
		*row = &found->row;
	return tide_read_end(tide, &snapshot, err, failure);
}

int tide_stream_table(struct tide *tide, uint32_t stream, const struct stream_row **row,
	bool *has_table, struct failure *failure)
{
	const struct table *table;
	struct read_view snapshot;
	struct stream *found;
	int err = tide_read_committed_begin(tide, &snapshot, failure);

	if (err)
		return err;
	err = find_by_id(tide, snapshot.txn, stream, &found, failure);
	if (!err) {
		*row = &found->row;
		err = catalog_find(&tide->catalog, snapshot.txn,
			slice_of_text(found->row.table_name), &table);
		*has_table = !err && table->row.id == found->row.table;
		err = err < 0 ? fail_about(failure, err, "the row of table %s",
			found->row.table_name) : 0;
	}
	return tide_read_end(tide, &snapshot, err, failure);
}

static int put_stream_ids(struct txn *txn, struct buffer *ids)
{
	struct stream_row row;
	uint32_t id = 0;
	int err;

	while ((err = stream_next_of_table(txn, &id)) == 0) {
		err = stream_read_row(txn, id, &row);
		if (err)
			return err;
		buffer_put_u32(ids, id);
	}
	return err == END ? buffer_error(ids) : err;
}

int tide_stream_ids(struct tide *tide, struct buffer *ids, struct failure *failure)
{
	struct read_view snapshot;
	int err = tide_read_begin(tide, &snapshot, failure);

	if (err)
		return err;
	buffer_clear(ids);
	err = put_stream_ids(snapshot.txn, ids);
	return tide_read_end(tide, &snapshot, err ? fail_about(failure, err,
		"a row of a stream") : 0, failure);
}

/* --- enabling, disabling, retention --- */

int tide_enable_stream(struct tide *tide, struct slice name, uint8_t view,
	const struct retention *retention, struct failure *failure)
{
	int err = tide_begin(tide, failure);

	return err ? err : tide_end(tide, define_stream(&tide->transaction, name, view, retention,
		failure), failure);
}

int tide_disable_stream(struct tide *tide, struct slice name, struct failure *failure)
{
	int err = tide_begin(tide, failure);

	return err ? err : tide_end(tide, define_no_stream(&tide->transaction, name, failure),
		failure);
}

int tide_set_retention(struct tide *tide, uint32_t stream, const struct retention *retention,
	struct failure *failure)
{
	int err = tide_begin(tide, failure);

	return err ? err : tide_end(tide, define_retention(&tide->transaction, stream, retention,
		failure), failure);
}
