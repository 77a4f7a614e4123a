/* streams.c - the functions of tide.h that find, describe, enable and disable streams. */
#include "api/database.h"

/* --- finding and describing --- */

/* Returns the id of the newest stream with this label and table name, 0 if there is none. Also
 * finds the streams of deleted tables. */
static uint32_t find_labelled_stream(const struct streams *streams, struct slice table,
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
	struct read_view snapshot;
	int err = tide_read_begin(tide, &snapshot, failure);

	if (err)
		return err;
	table = catalog_find(catalog, name);
	*stream = label.len ? find_labelled_stream(&catalog->streams, name, label) :
		table ? table->row.newest_stream : 0;
	if (*stream && !streams_find(&catalog->streams, *stream))
		*stream = 0;
	err = tide_read_end(tide, &snapshot, 0, failure);
	if (err)
		return err;
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

static int fail_gone(uint32_t stream, struct failure *failure)
{
	return fail_as(failure, ERR_NOT_FOUND, "stream %u no longer exists", stream);
}

static int describe_records(struct tide *tide, const struct view_of_streams *view, uint32_t id,
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
	struct read_view snapshot;
	uint64_t now_ms;
	int err = tide_read_committed_begin(tide, &snapshot, failure);

	if (err)
		return err;
	now_ms = tide_view_streams(tide, &snapshot, &view);
	if (!streams_find(&tide->catalog.streams, stream))
		err = fail_gone(stream, failure);
	if (!err) {
		err = describe_records(tide, &view, stream, state);
		state->retention_lead_ms = retention_lead(view.clock_ms, now_ms);
		if (err)
			fail(failure, err);
	}
	return tide_read_end(tide, &snapshot, err, failure);
}

int tide_stream_row(struct tide *tide, uint32_t stream, const struct stream_row **row,
	struct failure *failure)
{
	const struct stream *found;
	struct read_view snapshot;
	int err = tide_read_committed_begin(tide, &snapshot, failure);

	if (err)
		return err;
	found = streams_find(&tide->catalog.streams, stream);
	if (found)
		*row = &found->row;
	err = tide_read_end(tide, &snapshot, 0, failure);
	if (err)
		return err;
	return found ? 0 : fail_gone(stream, failure);
}

int tide_stream_ids(struct tide *tide, struct buffer *ids, struct failure *failure)
{
	struct read_view snapshot;
	int err = tide_read_begin(tide, &snapshot, failure);

	if (err)
		return err;
	buffer_clear(ids);
	for (size_t i = 0; i < tide->catalog.streams.count; i++)
		buffer_put_u32(ids, tide->catalog.streams.all[i].row.id);
	err = tide_read_end(tide, &snapshot, 0, failure);
	if (err)
		return err;
	return buffer_error(ids) ? fail(failure, buffer_error(ids)) : 0;
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
