/* hold.c - reads and writes the rows of holds, and finds the records that are held. */
#include "stream/hold.h"

#include "stream/consumer.h"

static struct slice hold_key(uint8_t bytes[CONSUMER_STREAM_KEY], uint32_t stream, uint64_t consumer)
{
	bytes[0] = CONSUMER_HOLD;
	set_u32(bytes + 1, stream);
	set_u64(bytes + 5, consumer);
	return slice_of(bytes, CONSUMER_STREAM_KEY);
}

/* --- rows --- */

int hold_next(struct txn *txn, uint32_t *stream, uint64_t *consumer)
{
	uint8_t bytes[CONSUMER_STREAM_KEY];
	struct slice key = hold_key(bytes, *stream, *consumer + 1), value;
	struct cursor *cursor;
	int err = *consumer == UINT64_MAX ? END : txn_cursor(txn, TREE_CONSUMERS, &cursor);

	if (!err)
		err = cursor_move(cursor, MOVE_FROM, &key, &value);
	if (err)
		return err;
	if (key.len != CONSUMER_STREAM_KEY || key.data[0] != CONSUMER_HOLD)
		return END;
	*stream = get_u32(key.data + 1);
	*consumer = get_u64(key.data + 5);
	return 0;
}

/* Sets *consumer to that of the next row of the stream. Returns END if there is none. */
static int next_of_stream(struct txn *txn, uint32_t stream, uint64_t *consumer)
{
	uint32_t found = stream;
	int err = hold_next(txn, &found, consumer);

	return err || found == stream ? err : END;
}

static int read_row(struct txn *txn, uint32_t stream, uint64_t consumer, struct hold_row *row)
{
	uint8_t bytes[CONSUMER_STREAM_KEY];
	struct slice key = hold_key(bytes, stream, consumer), value, payload;
	int err = txn_get(txn, TREE_CONSUMERS, key, &value);

	if (!err)
		err = row_open(key, value, &payload);
	return err ? err : hold_get(row, payload);
}

/* Reads since when records of a stream wait for a consumer, as its hold row for the stream has it.
 * Sets *row to zeros if there is no such row, or if it is damaged. */
static int read_waiting(struct txn *txn, uint32_t stream, uint64_t consumer, struct hold_row *row)
{
	int err = read_row(txn, stream, consumer, row);

	if (err == END || err == ERR_CORRUPT)
		*row = (struct hold_row){ 0 };
	return err == END || err == ERR_CORRUPT ? 0 : err;
}

static int write_row(struct txn *txn, uint32_t stream, uint64_t consumer,
	const struct hold_row *row)
{
	struct buffer value = { 0 };
	uint8_t bytes[CONSUMER_STREAM_KEY];

	row_start(&value);
	hold_put(&value, row);
	return row_write(txn, TREE_CONSUMERS, hold_key(bytes, stream, consumer), &value);
}

int hold_write(struct txn *txn, uint32_t stream, uint64_t consumer)
{
	return write_row(txn, stream, consumer, &(struct hold_row){ 0 });
}

int hold_remove(struct txn *txn, uint32_t stream, uint64_t consumer)
{
	uint8_t bytes[CONSUMER_STREAM_KEY];
	int err = txn_delete(txn, TREE_CONSUMERS, hold_key(bytes, stream, consumer));

	return err < 0 ? err : 0;
}

int hold_find_row(struct txn *txn, uint32_t stream, uint64_t consumer)
{
	uint8_t bytes[CONSUMER_STREAM_KEY];
	struct slice value;

	return txn_get(txn, TREE_CONSUMERS, hold_key(bytes, stream, consumer), &value);
}

int hold_remove_stream(struct txn *txn, uint32_t stream)
{
	uint64_t consumer = 0;
	int err;

	while ((err = next_of_stream(txn, stream, &consumer)) == 0) {
		err = hold_remove(txn, stream, consumer);
		if (err)
			return err;
	}
	return err < 0 ? err : 0;
}

int hold_remove_consumer(struct txn *txn, uint64_t consumer)
{
	uint64_t found = 0;
	uint32_t stream = 0;
	int err;

	while ((err = hold_next(txn, &stream, &found)) == 0) {
		err = found == consumer ? hold_remove(txn, stream, consumer) : 0;
		if (err)
			return err;
	}
	return err < 0 ? err : 0;
}

/* --- waiting --- */

/* Reads the progress of a consumer with a hold. A damaged row holds all records. Returns END if the
 * consumer was deleted, or holds nothing any more. */
static int read_progress(struct progress_row *progress, struct txn *txn, uint64_t consumer)
{
	int err = progress_read_oldest(progress, txn, consumer);

	if (err == ERR_CORRUPT) {
		*progress = (struct progress_row){ .hold_ms = UINT64_MAX };
		err = 0;
	}
	return err || progress_hold_ms(progress) ? err : END;
}

/* Returns the sequence number after which the records of the stream wait for the consumer. */
static uint64_t waits_after(const struct progress_row *progress, const struct bounds *bounds)
{
	return progress->position > bounds->horizon.hidden ? progress->position :
		bounds->horizon.hidden;
}

/* Reads the header of the first record of the stream that waits for the consumer. Returns END if
 * there is none, CORRUPT if it is damaged. */
static int first_waiting(struct txn *txn, uint32_t stream, const struct progress_row *progress,
	const struct bounds *bounds, struct record *first)
{
	struct cursor *cursor;
	int err = txn_cursor(txn, TREE_LOG, &cursor);

	return err ? err : log_seek(cursor, stream, waits_after(progress, bounds) + 1, first);
}

/* Sets *ms to the retention clock since which records of the stream wait for the consumer, 0 if
 * none do. It does not increase while the position is unchanged, because hold_note_lost stores it
 * when the first of these records is lost. Damaged records are ignored. */
static int find_waiting(struct txn *txn, uint32_t stream, const struct progress_row *progress,
	const struct hold_row *row, const struct bounds *bounds, uint64_t *ms)
{
	struct record first;
	int err = bounds->head.sequence > waits_after(progress, bounds) ?
		first_waiting(txn, stream, progress, bounds, &first) : END;

	*ms = row->position == progress->position ? row->waiting_ms : 0;
	if (!err && (*ms == 0 || first.retention_ms < *ms))
		*ms = first.retention_ms;
	if (*ms && *ms < progress->moved_ms)
		*ms = progress->moved_ms;
	return err == END || err == ERR_CORRUPT ? 0 : err;
}

static bool has_waited(const struct progress_row *progress, uint64_t waiting_ms,
	uint64_t clock_ms)
{
	return waiting_ms && clock_ms > waiting_ms &&
		clock_ms - waiting_ms > progress_hold_ms(progress);
}

/* Adds the holds whose rows have this stream id, which is that of the stream or 0. */
static int find_holds(struct held *held, struct txn *txn, uint32_t key_stream, uint32_t stream,
	const struct bounds *bounds, uint64_t clock_ms)
{
	uint64_t consumer = 0, waiting_ms;
	struct progress_row progress;
	struct hold_row row;
	int err;

	while ((err = next_of_stream(txn, key_stream, &consumer)) == 0) {
		held->count++;
		err = read_progress(&progress, txn, consumer);
		if (err < 0)
			return err;
		if (err)
			continue;
		if (progress.position < held->free_through)
			held->free_through = progress.position;
		if (progress.position >= held->after)
			continue;
		err = read_waiting(txn, stream, consumer, &row);
		if (!err)
			err = find_waiting(txn, stream, &progress, &row, bounds, &waiting_ms);
		if (err)
			return err;
		if (!has_waited(&progress, waiting_ms, clock_ms))
			held->after = progress.position;
	}
	return err < 0 ? err : 0;
}

int hold_find(struct held *held, struct txn *txn, uint32_t stream, const struct bounds *bounds,
	uint64_t clock_ms)
{
	int err;

	*held = (struct held){ .after = UINT64_MAX, .free_through = UINT64_MAX };
	err = find_holds(held, txn, 0, stream, bounds, clock_ms);
	return err ? err : find_holds(held, txn, stream, stream, bounds, clock_ms);
}

/* Stores since when records have waited for one consumer, if records up to `hidden` are lost for
 * it. */
static int note_one(struct txn *txn, uint32_t stream, uint64_t consumer,
	const struct bounds *bounds, uint64_t hidden)
{
	struct progress_row progress;
	struct hold_row row;
	struct record first;
	int err = read_progress(&progress, txn, consumer);

	if (err || waits_after(&progress, bounds) >= hidden)
		return err < 0 ? err : 0;
	err = first_waiting(txn, stream, &progress, bounds, &first);
	if (!err)
		err = read_waiting(txn, stream, consumer, &row);
	if (err)
		return err == END || err == ERR_CORRUPT ? 0 : err;
	if (row.waiting_ms && row.position == progress.position &&
			row.waiting_ms <= first.retention_ms)
		return 0;
	row = (struct hold_row){ progress.position, first.retention_ms };
	return write_row(txn, stream, consumer, &row);
}

static int note_holds(struct txn *txn, uint32_t key_stream, uint32_t stream,
	const struct bounds *bounds, uint64_t hidden)
{
	uint64_t consumer = 0;
	int err;

	while ((err = next_of_stream(txn, key_stream, &consumer)) == 0) {
		err = note_one(txn, stream, consumer, bounds, hidden);
		if (err)
			return err;
	}
	return err < 0 ? err : 0;
}

int hold_note_lost(struct txn *txn, uint32_t stream, const struct bounds *bounds, uint64_t hidden)
{
	int err = note_holds(txn, 0, stream, bounds, hidden);

	return err ? err : note_holds(txn, stream, stream, bounds, hidden);
}

/* --- one hold --- */

int hold_read_state(struct hold_state *state, struct txn *txn, uint32_t stream, uint64_t consumer,
	const struct progress_row *progress, const struct bounds *bounds, uint64_t clock_ms)
{
	struct hold_row row;
	uint64_t since_ms;
	int err;

	*state = (struct hold_state){ 0 };
	if (!progress_hold_ms(progress))
		return 0;
	err = read_row(txn, stream, consumer, &row);
	if (err == END) {
		row = (struct hold_row){ 0 };
		err = hold_find_row(txn, 0, consumer);
	}
	if (!err)
		err = find_waiting(txn, stream, progress, &row, bounds, &since_ms);
	if (err)
		return err == END ? 0 : err;
	state->is_held = true;
	state->is_released = has_waited(progress, since_ms, clock_ms);
	if (since_ms && clock_ms > since_ms)
		state->waited_ms = clock_ms - since_ms;
	return 0;
}
