/* trim_after.c - trims the stream whose records are kept while another stream has an older one. */
#include "stream/trim_after.h"

#include "stream/hold.h"

/* --- the oldest record of a stream --- */

/* Positions the cursor on the first record of a stream that has not expired. Returns END if there
 * is none. Without a limit of count or bytes a record expires by its age, so the bounds of the
 * stream are read only if the first record has expired. */
static int seek_visible(struct txn *txn, const struct stream_row *row, struct cursor *cursor,
	uint64_t clock_ms, struct record *header)
{
	static const struct stream_head no_head;
	const struct retention *limit = &row->retention;
	struct bounds bounds = { 0 };
	uint64_t hidden;
	int err = stream_horizon(txn, row->id, &bounds.horizon);

	if (!err)
		err = log_seek(cursor, row->id, bounds.horizon.hidden + 1, header);
	if (err || (!limit->max_bytes && !limit->max_count &&
			!retention_expired(limit, &no_head, header, clock_ms)))
		return err;
	err = stream_bounds(txn, row->id, &bounds);
	if (!err)
		err = retention_hidden(txn, row, &bounds, clock_ms, 0, &hidden);
	return err ? err : log_seek(cursor, row->id, hidden + 1, header);
}

/* Sets *sequence to that of the oldest record of a stream that has not expired, UINT64_MAX if there
 * is none, 0 if damage hides it. */
static int find_oldest(struct txn *txn, uint32_t id, uint64_t clock_ms, uint64_t *sequence)
{
	struct stream_row row;
	struct record header;
	struct cursor *cursor;
	int err = stream_read_row(txn, id, &row);

	if (!err)
		err = txn_cursor(txn, TREE_LOG, &cursor);
	if (!err)
		err = seek_visible(txn, &row, cursor, clock_ms, &header);
	*sequence = err == END ? UINT64_MAX : err ? 0 : header.sequence;
	return err == END || err == ERR_CORRUPT ? 0 : err;
}

/* --- the scan --- */

/* Scans the next streams, and sets scan->end after the last one. Stops at a stream that has a
 * record before the one with this sequence number. */
static int scan_others(struct txn *txn, struct trim_scan *scan, const struct trim_moment *moment,
	uint64_t sequence)
{
	uint64_t oldest;
	uint32_t id;
	int err;

	if (scan->passed == 0) {
		scan->passed = STREAM_OF_TABLES;
		scan->lowest = moment->sequence + 1;
	}
	for (unsigned n = 0; moment->is_whole || n < TRIM_AFTER_STREAMS; n++) {
		id = scan->passed;
		err = stream_next_id(txn, &id);
		if (err == END) {
			scan->end = scan->lowest;
			scan->passed = 0;
		}
		if (err)
			return err == END ? 0 : err;
		err = find_oldest(txn, id, moment->clock_ms, &oldest);
		if (err || oldest < sequence)
			return err;
		if (oldest < scan->lowest)
			scan->lowest = oldest;
		scan->passed = id;
	}
	return 0;
}

/* --- a step --- */

/* Sets *sequence to that of the first record that a consumer holds, UINT64_MAX if none is held. */
static int find_held(struct txn *txn, const struct stream *stream, uint64_t clock_ms,
	uint64_t *sequence)
{
	struct held held;
	int err = hold_find(&held, txn, stream->row.id, &stream->bounds, clock_ms);

	*sequence = err || held.after == UINT64_MAX ? UINT64_MAX : held.after + 1;
	return err;
}

/* Removes the records that are old enough and have sequence numbers less than end. */
static int remove_before(struct txn *txn, struct stream *stream, uint64_t end, uint64_t clock_ms,
	uint64_t *removed)
{
	int err = hold_note_lost(txn, stream->row.id, &stream->bounds, end - 1);

	if (!err)
		err = retention_trim_before(txn, stream, clock_ms, TRIM_AFTER_AGE_MS, end,
			removed);
	if (*removed)
		stream->hint.at_ms = 0;
	return err;
}

/* Does a step for a stream whose oldest record is old enough. */
static int trim(struct txn *txn, struct stream *stream, struct trim_scan *scan,
	const struct trim_moment *moment, uint64_t oldest, uint64_t *removed)
{
	uint64_t held;
	int err = find_held(txn, stream, moment->clock_ms, &held);

	if (err || held <= oldest)
		return err;
	if (oldest >= scan->end)
		err = scan_others(txn, scan, moment, oldest);
	if (err || oldest >= scan->end)
		return err;
	return remove_before(txn, stream, held < scan->end ? held : scan->end, moment->clock_ms,
		removed);
}

int trim_after_others(struct txn *txn, struct stream *stream, struct trim_scan *scan,
	const struct trim_moment *moment, uint64_t *removed)
{
	struct trim_hint *hint = &stream->hint;
	struct record record;
	struct cursor *cursor;
	int err = txn_cursor(txn, TREE_LOG, &cursor);

	*removed = 0;
	*hint = (struct trim_hint){ moment->clock_ms + TRIM_HELD_MS, UINT64_MAX, UINT64_MAX };
	if (!err)
		err = log_seek(cursor, stream->row.id, stream->bounds.horizon.removed + 1,
			&record);
	if (err == END) {
		hint->at_ms = moment->clock_ms + TRIM_AFTER_AGE_MS;
		return 0;
	}
	if (err)
		return err;
	if (moment->clock_ms < record.retention_ms ||
			moment->clock_ms - record.retention_ms < TRIM_AFTER_AGE_MS) {
		hint->at_ms = record.retention_ms + TRIM_AFTER_AGE_MS;
		return 0;
	}
	return trim(txn, stream, scan, moment, record.sequence, removed);
}
