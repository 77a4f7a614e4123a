/* lag.c - the lag of a consumer, and whether it has processed a change. */
#include "stream/lag.h"

#include "codec/state.h"
#include "stream/consumer.h"
#include "stream/hold.h"

/* A consumer, and the snapshot from which it is read. */
struct subject {
	const struct view_of_streams *view;
	const struct consumer_row *row;
	const struct progress_row *progress;
	uint64_t sequence;           /* lag_has_processed: the change */
	bool processed;
	struct lag *lag;
};

/* Does something for a stream of the source. */
typedef int stream_step(struct subject *subject, const struct stream_row *row);

static int step_stream(struct subject *subject, uint32_t id, stream_step *step)
{
	const struct view_of_streams *view = subject->view;
	struct stream_row row;
	int err = stream_read_row(view->txn, id, &row);

	return err ? (err == END ? 0 : err) : step(subject, &row);
}

/* Calls step for all streams that can have records after the consumer's position. */
static int step_all_streams(struct subject *subject, stream_step *step)
{
	const struct state *state = subject->view->state;
	uint32_t id = 0;
	int err = 0;

	if (subject->progress->position >= state->touched_after) {
		for (unsigned i = 0; i < state->touched_count && !err; i++)
			if (state->touched[i].stream != STREAM_OF_TABLES)
				err = step_stream(subject, state->touched[i].stream, step);
		return err;
	}
	while ((err = stream_next_of_table(subject->view->txn, &id)) == 0) {
		err = step_stream(subject, id, step);
		if (err)
			return err;
	}
	return err == END ? 0 : err;
}

static int step_source(struct subject *subject, stream_step *step)
{
	struct slice streams = subject->row->streams;
	int err = streams.len ? 0 : step_all_streams(subject, step);

	for (size_t i = 0; i < streams.len && !err; i += 4)
		err = step_stream(subject, get_u32(streams.data + i), step);
	return err;
}

/* --- lag --- */

/* Stores a limit if a greater part of it is used than of the stored one. */
static void note_limit(struct lag *lag, uint32_t stream, enum lag_limit limit, uint64_t used,
	uint64_t most)
{
	uint64_t part = used >= most ? 1000 : (uint64_t)((double)used / (double)most * 1000);

	if (lag->limit && part <= lag->used)
		return;
	lag->used = (uint32_t)part;
	lag->limit = limit;
	lag->stream = stream;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t age_of(const struct subject *subject, const struct record *record)
{
	uint64_t clock_ms = subject->view->clock_ms;

	return clock_ms > record->retention_ms ? clock_ms - record->retention_ms : 0;
}

static uint64_t bytes_from(const struct bounds *bounds, const struct record *record)
{
	return bounds->head.stream_bytes - record->stream_bytes + record_bytes(record);
}

/* Adds the bytes that only the hold on a stream keeps, and notes the caps of the stream. first: the
 * oldest record that waits. */
static int add_held(struct subject *subject, const struct stream_row *row,
	const struct bounds *bounds, const struct record *first)
{
	const struct retention *limit = &row->retention;
	struct lag *lag = subject->lag;
	struct cursor *cursor;
	struct record last;
	uint64_t beyond;
	int err = retention_beyond_limits(subject->view->txn, row, bounds,
		subject->view->clock_ms, &beyond);

	note_limit(lag, row->id, LAG_AGE, age_of(subject, first),
		larger(limit->hold_age_ms, limit->age_ms));
	if (limit->hold_bytes)
		note_limit(lag, row->id, LAG_BYTES, bytes_from(bounds, first),
			larger(limit->hold_bytes, limit->max_bytes));
	if (err || beyond < first->sequence)
		return err;
	err = txn_cursor(subject->view->txn, TREE_LOG, &cursor);
	if (!err)
		err = log_previous(cursor, row->id, beyond + 1, &last);
	if (!err)
		lag->held_bytes += last.stream_bytes - first->stream_bytes + record_bytes(first);
	return err == END ? ERR_CORRUPT : err;
}

/* Adds the records of the stream after `after`. */
static int add_records(struct subject *subject, const struct stream_row *row,
	const struct bounds *bounds, uint64_t after, bool is_held)
{
	struct lag *lag = subject->lag;
	struct cursor *cursor;
	struct record first;
	int err = txn_cursor(subject->view->txn, TREE_LOG, &cursor);

	if (!err)
		err = log_seek(cursor, row->id, after + 1, &first);
	if (err)
		return err == END ? 0 : err;
	lag->records += bounds->head.ordinal - first.ordinal + 1;
	lag->bytes += bytes_from(bounds, &first);
	lag->age_ms = larger(lag->age_ms, age_of(subject, &first));
	return is_held ? add_held(subject, row, bounds, &first) : 0;
}

static int add_stream(struct subject *subject, const struct stream_row *row)
{
	const struct view_of_streams *view = subject->view;
	const struct progress_row *progress = subject->progress;
	struct bounds bounds = { 0 };
	struct hold_state hold;
	uint64_t hidden;
	int err = stream_bounds(view->txn, row->id, &bounds);

	if (err || bounds.head.sequence <= progress->position)
		return err;
	err = hold_read_state(&hold, view->txn, row->id, subject->row->id, progress, &bounds,
		view->clock_ms);
	if (!err)
		err = retention_hidden(view->txn, row, &bounds, view->clock_ms,
			progress->position, &hidden);
	if (err)
		return err;
	if (hold.is_released)
		subject->lag->is_released = true;
	if (hold.waited_ms)
		note_limit(subject->lag, row->id, LAG_WAIT, hold.waited_ms,
			progress_hold_ms(progress));
	return add_records(subject, row, &bounds, larger(progress->position, hidden),
		hold.is_held && !hold.is_released);
}

int lag_of(struct lag *lag, const struct view_of_streams *view, const struct consumer_row *row,
	const struct progress_row *progress)
{
	struct subject subject = { .view = view, .row = row, .progress = progress, .lag = lag };

	*lag = (struct lag){ .is_held = progress_hold_ms(progress) != 0 };
	return step_source(&subject, add_stream);
}

/* --- passing --- */

static int test_stream(struct subject *subject, const struct stream_row *row)
{
	struct txn *txn = subject->view->txn;
	uint64_t floor = 0, after = subject->progress->position;
	struct horizon horizon;
	struct cursor *cursor;
	struct record first;
	int err = floor_read(&floor, txn, subject->row->id, row->id);

	if (err < 0)
		return err;
	after = larger(after, floor);
	if (after >= subject->sequence)
		return 0;
	err = stream_horizon(txn, row->id, &horizon);
	if (!err && horizon.hidden > after)
		subject->processed = false;
	if (!err)
		err = txn_cursor(txn, TREE_LOG, &cursor);
	if (!err)
		err = log_seek(cursor, row->id, after + 1, &first);
	if (!err && first.sequence <= subject->sequence)
		subject->processed = false;
	return err == END ? 0 : err;
}

int lag_has_processed(bool *processed, const struct view_of_streams *view,
	const struct consumer_row *row, const struct progress_row *progress, uint64_t sequence)
{
	struct subject subject = { .view = view, .row = row, .progress = progress,
		.sequence = sequence, .processed = true };
	int err = 0;

	if (progress->is_copying)
		subject.processed = sequence == 0;
	else if (progress->position < sequence)
		err = step_source(&subject, test_stream);
	*processed = subject.processed;
	return err;
}
