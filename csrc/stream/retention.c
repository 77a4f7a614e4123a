/* retention.c - expiration and trimming of records. */
#include "stream/retention.h"

#include "stream/hold.h"

/* --- expiration --- */

bool retention_expired(const struct retention *limit, const struct stream_head *head,
	const struct record *record, uint64_t clock_ms)
{
	if (clock_ms >= record->retention_ms && clock_ms - record->retention_ms >= limit->age_ms)
		return true;
	if (record->transaction == head->transaction)
		return false;
	if (limit->max_count && head->ordinal - record->ordinal >= limit->max_count)
		return true;
	return limit->max_bytes && head->stream_bytes - record->stream_bytes +
		record_bytes(record) > limit->max_bytes;
}

/* The same for a stream in which the records after `held_after` are held. */
static bool is_expired(const struct retention *limit, const struct stream_head *head,
	const struct record *record, uint64_t clock_ms, uint64_t held_after)
{
	const struct retention caps = { .age_ms = limit->hold_age_ms,
		.max_bytes = limit->hold_bytes };

	return retention_expired(limit, head, record, clock_ms) &&
		(record->sequence <= held_after ||
			retention_expired(&caps, head, record, clock_ms));
}

/* Finds the first record that has not expired by itself, by binary search over sequence numbers.
 * Returns END if there is no such record. */
static int find_first_unexpired(struct cursor *cursor, const struct stream_row *row,
	const struct bounds *bounds, uint64_t clock_ms, uint64_t held_after,
	struct record *record)
{
	uint64_t low = bounds->horizon.hidden + 1, high = bounds->head.sequence + 1;
	int err;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		err = log_seek(cursor, row->id, middle, record);
		if (err < 0)
			return err;
		if (err == 0 && is_expired(&row->retention, &bounds->head, record, clock_ms,
				held_after))
			low = record->sequence + 1;
		else
			high = middle;
	}
	return log_seek(cursor, row->id, low, record);
}

/* Finds the last record before the transaction of this record. Returns END if there is none. */
static int find_before_transaction(struct cursor *cursor, uint32_t stream,
	const struct record *record, struct record *before)
{
	return log_previous(cursor, stream, record->transaction, before);
}

/* Replaces *record with the last record of its transaction in this stream. Each record of a
 * transaction has a higher sequence number than the one before it, so if N records follow, the
 * last one is at least N numbers ahead. It can be further ahead, because changes of tables without
 * a stream have sequence numbers, too. */
static int find_last_of_transaction(struct cursor *cursor, uint32_t stream, struct record *record)
{
	uint64_t transaction = record->transaction;

	while (record->position + 1 < record->count) {
		uint64_t at = record->sequence + (record->count - 1 - record->position);
		struct record next;
		int err = log_seek(cursor, stream, at, &next);

		if (err < 0)
			return err;
		if (err == END || next.transaction != transaction)
			return log_previous(cursor, stream, at, record);
		*record = next;
	}
	return 0;
}

/* Sets *hidden to the sequence number of the newest expired record, given the holds. */
static int find_hidden(struct txn *txn, const struct stream_row *row, const struct bounds *bounds,
	uint64_t clock_ms, uint64_t held_after, uint64_t *hidden)
{
	struct record unexpired, before;
	struct cursor *cursor;
	int err = txn_cursor(txn, TREE_LOG, &cursor);

	*hidden = bounds->horizon.hidden;
	if (!err)
		err = log_seek(cursor, row->id, bounds->horizon.hidden + 1, &unexpired);
	if (err || !is_expired(&row->retention, &bounds->head, &unexpired, clock_ms, held_after))
		return err < 0 ? err : 0;
	err = find_first_unexpired(cursor, row, bounds, clock_ms, held_after, &unexpired);
	if (err == END) {
		*hidden = bounds->head.sequence;
		return 0;
	}
	/* A transaction expires as a whole, together with its last record. */
	if (!err)
		err = find_before_transaction(cursor, row->id, &unexpired, &before);
	if (err == 0 && before.sequence > *hidden)
		*hidden = before.sequence;
	return err < 0 ? err : 0;
}

int retention_beyond_limits(struct txn *txn, const struct stream_row *row,
	const struct bounds *bounds, uint64_t clock_ms, uint64_t *beyond)
{
	return find_hidden(txn, row, bounds, clock_ms, UINT64_MAX, beyond);
}

int retention_hidden(struct txn *txn, const struct stream_row *row, const struct bounds *bounds,
	uint64_t clock_ms, uint64_t floor, uint64_t *hidden)
{
	struct held held;
	int err = retention_beyond_limits(txn, row, bounds, clock_ms, hidden);

	if (err || *hidden <= floor || *hidden <= bounds->horizon.hidden)
		return err;
	err = hold_find(&held, txn, row->id, bounds, clock_ms);
	if (err || *hidden <= held.after)
		return err;
	return find_hidden(txn, row, bounds, clock_ms, held.after, hidden);
}

/* --- trimming --- */

/* State of a trim: the oldest record of the stream, and the counts of what was removed. */
struct trim {
	const struct retention *limit;
	uint64_t free_through;       /* records after it are removed only if they are hidden */
	bool is_held;                /* it ended at a record that may be held */
	uint64_t holds;              /* number of holds that were read */
	struct cursor *cursor;
	struct record record;        /* oldest record, under the cursor */
	struct horizon horizon;
	uint64_t rows, bytes, records;       /* removed in this step */
};

/* Checks that the running totals of the oldest record (ordinal, stream bytes) continue the totals
 * of the horizon, because record headers are read without verifying their checksum. If they do
 * not, verifies the row and returns the error, or CORRUPT if the checksum is right. */
static int check_running_totals(const struct trim *trim, uint32_t stream)
{
	const struct record *record = &trim->record;
	struct record verified;
	int err;

	if (record->ordinal == trim->horizon.ordinal + 1 && record->stream_bytes ==
			trim->horizon.stream_bytes + record_bytes(record))
		return 0;
	err = log_seek(trim->cursor, stream, record->sequence, &verified);
	return err < 0 ? err : ERR_CORRUPT;
}

/* Returns 0 if the oldest record can be removed, END if it has not expired or may be held. First
 * hides all records of its transaction, because removing them can take several steps. */
static int hide_oldest_transaction(struct trim *trim, const struct stream *stream,
	uint64_t clock_ms)
{
	struct record last = trim->record;
	uint32_t id = stream->row.id;
	int err;

	if (last.sequence <= trim->horizon.hidden)
		return 0;
	err = find_last_of_transaction(trim->cursor, id, &last);
	if (err)
		return err < 0 ? err : ERR_CORRUPT;
	if (!retention_expired(trim->limit, &stream->bounds.head, &last, clock_ms))
		return END;
	if (last.sequence > trim->free_through) {
		trim->is_held = true;
		return END;
	}
	trim->horizon.hidden = last.sequence;
	return last.sequence == trim->record.sequence ? 0 :
		log_seek(trim->cursor, id, trim->record.sequence, &trim->record);
}

/* Removes the oldest record and moves to the next one. Returns END if there is none. */
static int remove_oldest_record(struct trim *trim, uint32_t stream)
{
	struct record *record = &trim->record;

	trim->horizon.removed = record->sequence;
	trim->horizon.ordinal = record->ordinal;
	trim->horizon.stream_bytes = record->stream_bytes;
	trim->bytes += record_bytes(record);
	trim->records++;
	return log_remove(trim->cursor, stream, record, &trim->rows);
}

static int trim_records(struct trim *trim, const struct stream *stream, uint64_t clock_ms,
	uint64_t max_rows)
{
	uint32_t id = stream->row.id;
	int err = log_seek(trim->cursor, id, trim->horizon.removed + 1, &trim->record);

	while (!err && trim->rows < max_rows && trim->bytes < TRIM_BYTES_MAX) {
		err = check_running_totals(trim, id);
		if (!err)
			err = hide_oldest_transaction(trim, stream, clock_ms);
		if (!err)
			err = remove_oldest_record(trim, id);
	}
	return err < 0 ? err : 0;
}

/* Sets the ordinal and the bytes of the newest record at which this record expires. A record of
 * the newest transaction does not expire by these limits before the next transaction. */
static void set_size_hints(struct trim_hint *hint, const struct retention *limit,
	const struct record *record, const struct stream_head *head)
{
	bool newest = record->transaction == head->transaction;

	if (limit->max_count)
		hint->at_ordinal = record->ordinal + limit->max_count;
	if (limit->max_count && newest && hint->at_ordinal <= head->ordinal)
		hint->at_ordinal = head->ordinal + 1;
	if (limit->max_bytes)
		hint->at_bytes = record->stream_bytes + limit->max_bytes;
	if (limit->max_bytes && newest && hint->at_bytes <= head->stream_bytes)
		hint->at_bytes = head->stream_bytes + 1;
}

/* Sets the hint to the time, count and bytes at which TRIM_WORTH more records can be removed,
 * together with the remaining records of the last one's transaction. */
static int set_trim_hint(struct cursor *cursor, struct stream *stream)
{
	const struct retention *limit = &stream->row.retention;
	const struct horizon *horizon = &stream->bounds.horizon;
	struct trim_hint *hint = &stream->hint;
	struct record record;
	int err = log_seek(cursor, stream->row.id, horizon->removed + 1, &record);

	if (!err && record.sequence <= horizon->hidden) {
		*hint = (struct trim_hint){ 0 };
		return 0;
	}
	for (int i = 1; err == 0 && i < TRIM_WORTH; i++)
		err = log_step(cursor, stream->row.id, &record);
	if (!err)
		err = log_seek(cursor, stream->row.id, record.sequence, &record);
	if (!err)
		err = find_last_of_transaction(cursor, stream->row.id, &record);
	if (err < 0)
		return err;
	hint->at_ordinal = UINT64_MAX;
	hint->at_bytes = UINT64_MAX;
	if (err == END) {
		hint->at_ms = UINT64_MAX;
		hint->at_ordinal = horizon->ordinal + TRIM_WORTH;
		return 0;
	}
	hint->at_ms = record.retention_ms + limit->age_ms;
	if (hint->at_ms < limit->age_ms)
		hint->at_ms = UINT64_MAX;
	set_size_hints(hint, limit, &record, &stream->bounds.head);
	return 0;
}

bool retention_due(const struct stream *stream, uint64_t clock_ms)
{
	const struct stream_head *head = &stream->bounds.head;
	const struct trim_hint *hint = &stream->hint;

	return clock_ms >= hint->at_ms || head->ordinal >= hint->at_ordinal ||
		head->stream_bytes >= hint->at_bytes;
}

/* Reads the holds on the stream, and hides the records that have expired in spite of them. */
static int read_holds(struct trim *trim, struct txn *txn, struct stream *stream, uint64_t clock_ms)
{
	const struct bounds bounds = { trim->horizon, stream->bounds.head };
	uint64_t hidden;
	struct held held;
	int err = hold_find(&held, txn, stream->row.id, &bounds, clock_ms);

	if (err)
		return err;
	trim->is_held = false;
	trim->holds = held.count;
	trim->free_through = stream->free_through = held.free_through;
	if (held.free_through == UINT64_MAX)
		return 0;
	err = find_hidden(txn, &stream->row, &bounds, clock_ms, held.after, &hidden);
	if (!err)
		err = hold_note_lost(txn, stream->row.id, &bounds, hidden);
	if (!err)
		trim->horizon.hidden = hidden;
	return err;
}

/* Removes the records that no consumer can hold, and then those that none does. */
static int trim_by_holds(struct trim *trim, struct txn *txn, struct stream *stream,
	uint64_t clock_ms, uint64_t max_rows)
{
	int err = trim_records(trim, stream, clock_ms, max_rows);

	if (err || !trim->is_held)
		return err;
	err = read_holds(trim, txn, stream, clock_ms);
	return err ? err : trim_records(trim, stream, clock_ms, max_rows);
}

/* Stores the horizon after a trim that returned err. The records before a damaged one have been
 * removed, so it is stored after CORRUPT, too. */
static int end_trim(const struct trim *trim, struct txn *txn, struct stream *stream, int err,
	uint64_t *removed)
{
	if (!trim->records || (err && err != ERR_CORRUPT))
		return err;
	*removed = trim->records;
	stream->bounds.horizon = trim->horizon;
	err = stream_write_horizon(txn, stream->row.id, &trim->horizon);
	/* The caller ignores CORRUPT, but may not commit this. */
	return err == ERR_CORRUPT ? ERR_STORE : err;
}

int retention_trim(struct txn *txn, struct stream *stream, uint64_t clock_ms,
	uint64_t max_rows, uint64_t *removed)
{
	struct trim trim = { .limit = &stream->row.retention, .horizon = stream->bounds.horizon,
		.free_through = stream->free_through };
	int err = txn_cursor(txn, TREE_LOG, &trim.cursor);

	*removed = 0;
	if (!err)
		err = trim_by_holds(&trim, txn, stream, clock_ms, max_rows);
	err = end_trim(&trim, txn, stream, err, removed);
	if (!err && trim.is_held) {
		stream->hint = (struct trim_hint){ clock_ms + TRIM_HELD_MS,
			stream->bounds.head.ordinal + TRIM_WORTH +
				trim.holds * TRIM_HELD_RECORDS, UINT64_MAX };
		return 0;
	}
	return err ? err : set_trim_hint(trim.cursor, stream);
}

int retention_trim_before(struct txn *txn, struct stream *stream, uint64_t clock_ms,
	uint64_t age_ms, uint64_t sequence, uint64_t *removed)
{
	const struct retention limit = { .age_ms = age_ms };
	struct trim trim = { .limit = &limit, .horizon = stream->bounds.horizon,
		.free_through = sequence - 1 };
	int err = txn_cursor(txn, TREE_LOG, &trim.cursor);

	*removed = 0;
	if (!err)
		err = trim_records(&trim, stream, clock_ms, TRIM_ROWS_MAX);
	return end_trim(&trim, txn, stream, err, removed);
}

int retention_hide(struct txn *txn, struct stream *stream, uint64_t clock_ms)
{
	uint64_t hidden;
	int err = retention_hidden(txn, &stream->row, &stream->bounds, clock_ms, 0, &hidden);

	if (err || hidden <= stream->bounds.horizon.hidden)
		return err;
	err = hold_note_lost(txn, stream->row.id, &stream->bounds, hidden);
	if (err)
		return err;
	stream->bounds.horizon.hidden = hidden;
	return stream_write_horizon(txn, stream->row.id, &stream->bounds.horizon);
}
