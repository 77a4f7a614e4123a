/* retention.c - how long records stay, and who takes them away. */
#include "stream/retention.h"

#include <string.h>

/* --- the clock --- */

void moment_take(struct moment *moment, const struct clock *clock)
{
	moment->now_ms = clock_now_ms(clock);
	moment->elapsed_ms = clock_elapsed_ms(clock);
	clock_boot(clock, moment->boot);
}

static bool same_boot(const uint8_t a[BOOT_BYTES], const uint8_t b[BOOT_BYTES])
{
	return memcmp(a, b, BOOT_BYTES) == 0;
}

static bool is_confirmed(const struct clock_jump *jump, const struct moment *moment)
{
	if (jump->wall_ms == 0 || moment->now_ms < jump->wall_ms)
		return false;
	if (!same_boot(jump->boot, moment->boot))
		return true;
	return moment->elapsed_ms >= jump->elapsed_ms &&
		moment->elapsed_ms - jump->elapsed_ms >= CLOCK_BOUND_MS;
}

enum step { STEP_HOLD, STEP_FOLLOW, STEP_JUMP };

static enum step clock_step(const struct state *state, const struct moment *moment,
	uint64_t *clock_ms)
{
	uint64_t passed = 0;

	if (same_boot(state->boot, moment->boot) && moment->elapsed_ms > state->elapsed_ms)
		passed = moment->elapsed_ms - state->elapsed_ms;
	if (moment->now_ms <= state->retention_ms) {
		*clock_ms = state->retention_ms;
		return STEP_HOLD;
	}
	if (state->retention_ms == 0 ||
			moment->now_ms - state->retention_ms <= passed + CLOCK_BOUND_MS ||
			is_confirmed(&state->jump, moment)) {
		*clock_ms = moment->now_ms;
		return STEP_FOLLOW;
	}
	*clock_ms = state->retention_ms + passed;
	return STEP_JUMP;
}

uint64_t retention_clock(const struct state *state, const struct moment *moment)
{
	uint64_t clock_ms;

	clock_step(state, moment, &clock_ms);
	return clock_ms;
}

uint64_t retention_clock_set(struct state *state, const struct moment *moment)
{
	uint64_t clock_ms;

	if (clock_step(state, moment, &clock_ms) != STEP_JUMP) {
		memset(&state->jump, 0, sizeof state->jump);
	} else if (state->jump.wall_ms == 0 || moment->now_ms < state->jump.wall_ms) {
		state->jump.wall_ms = moment->now_ms;
		state->jump.elapsed_ms = moment->elapsed_ms;
		memcpy(state->jump.boot, moment->boot, BOOT_BYTES);
	}
	state->retention_ms = clock_ms;
	state->elapsed_ms = moment->elapsed_ms;
	memcpy(state->boot, moment->boot, BOOT_BYTES);
	return clock_ms;
}

/* --- what has expired --- */

bool retention_expired(const struct retention *limit, const struct stream_head *head,
	const struct record *record, uint64_t clock_ms)
{
	if (clock_ms >= record->retention_ms && clock_ms - record->retention_ms >= limit->age_ms)
		return true;
	if (limit->max_count && head->ordinal - record->ordinal >= limit->max_count)
		return true;
	return limit->max_bytes && head->stream_bytes - record->stream_bytes +
		record_bytes(record) > limit->max_bytes;
}

/* The first record that hasn't expired by itself, between the front and the
 * head: halving the range of sequence numbers. END when all have. */
static int first_alive(struct cursor *cursor, const struct stream_row *row,
	const struct bounds *bounds, uint64_t clock_ms, struct record *record)
{
	uint64_t low = bounds->horizon.hidden + 1, high = bounds->head.sequence + 1;
	int err;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		err = log_seek(cursor, row->id, middle, record);
		if (err < 0)
			return err;
		if (err == 0 && retention_expired(&row->retention, &bounds->head, record, clock_ms))
			low = record->sequence + 1;
		else
			high = middle;
	}
	return log_seek(cursor, row->id, low, record);
}

/* Steps back from a record to the first of its transaction in this stream, and
 * to the record before that: END when there is none. */
static int before_transaction(struct cursor *cursor, uint32_t stream, struct record record,
	struct record *before)
{
	int err;

	for (;;) {
		err = log_previous(cursor, stream, record.sequence, before);
		if (err || before->transaction != record.transaction)
			return err;
		record = *before;
	}
}

int retention_hidden(struct cursor *cursor, const struct stream_row *row,
	const struct bounds *bounds, uint64_t clock_ms, uint64_t *hidden)
{
	struct record alive, before;
	int err;

	*hidden = bounds->horizon.hidden;
	err = log_seek(cursor, row->id, bounds->horizon.hidden + 1, &alive);
	if (err || !retention_expired(&row->retention, &bounds->head, &alive, clock_ms))
		return err < 0 ? err : 0;
	err = first_alive(cursor, row, bounds, clock_ms, &alive);
	if (err == END) {
		*hidden = bounds->head.sequence;
		return 0;
	}
	/* A transaction goes whole: while its last record lives, so do the others. */
	if (!err)
		err = before_transaction(cursor, row->id, alive, &before);
	if (err == 0 && before.sequence > *hidden)
		*hidden = before.sequence;
	return err < 0 ? err : 0;
}

/* --- taking it away --- */

/* What a trim may take: through a record that ends its transaction. */
struct cut {
	uint64_t rows, bytes;
	struct record through;       /* sequence 0: nothing */
};

/* Walks from the front over what is out of sight, as far as one step goes. */
static int find_cut(struct cursor *cursor, const struct stream *stream, uint64_t hidden,
	uint64_t max_rows, struct cut *cut)
{
	struct record record, last = { 0 };
	int err = log_seek(cursor, stream->row.id, stream->bounds.horizon.removed + 1, &record);

	*cut = (struct cut){ 0 };
	while (err == 0 && record.sequence <= hidden) {
		if (last.sequence && record.transaction != last.transaction) {
			cut->through = last;
			if (cut->rows >= max_rows || cut->bytes >= TRIM_BYTES_MAX)
				return 0;
		}
		cut->rows += 1 + record_bytes(&record) / LOG_SHARE;
		cut->bytes += record_bytes(&record);
		last = record;
		err = log_next(cursor, stream->row.id, &record);
	}
	if (err < 0)
		return err;
	cut->through = last;
	return 0;
}

/* When the next look is worth it: as soon as TRIM_WORTH more can go. */
static int set_hint(struct cursor *cursor, struct stream *stream)
{
	const struct retention *limit = &stream->row.retention;
	struct trim_hint *hint = &stream->hint;
	struct record record;
	int err = log_seek(cursor, stream->row.id, stream->bounds.horizon.removed + 1, &record);

	for (int i = 1; err == 0 && i < TRIM_WORTH; i++)
		err = log_next(cursor, stream->row.id, &record);
	if (err < 0)
		return err;
	hint->at_ordinal = UINT64_MAX;
	hint->at_bytes = UINT64_MAX;
	if (err == END) {
		hint->at_ms = UINT64_MAX;
		hint->at_ordinal = stream->bounds.horizon.ordinal + TRIM_WORTH;
		return 0;
	}
	hint->at_ms = record.retention_ms + limit->age_ms;
	if (hint->at_ms < limit->age_ms)
		hint->at_ms = UINT64_MAX;
	if (limit->max_count)
		hint->at_ordinal = record.ordinal + limit->max_count;
	if (limit->max_bytes)
		hint->at_bytes = record.stream_bytes + limit->max_bytes;
	return 0;
}

bool retention_due(const struct stream *stream, uint64_t clock_ms)
{
	const struct stream_head *head = &stream->bounds.head;
	const struct trim_hint *hint = &stream->hint;

	return clock_ms >= hint->at_ms || head->ordinal >= hint->at_ordinal ||
		head->stream_bytes >= hint->at_bytes;
}

int retention_trim(struct txn *txn, struct stream *stream, uint64_t clock_ms,
	uint64_t max_rows, uint64_t *removed)
{
	struct cursor *cursor;
	struct cut cut;
	uint64_t hidden;
	int err = txn_cursor(txn, TREE_LOG, &cursor);

	*removed = 0;
	if (!err)
		err = retention_hidden(cursor, &stream->row, &stream->bounds, clock_ms, &hidden);
	if (!err)
		err = find_cut(cursor, stream, hidden, max_rows, &cut);
	if (err)
		return err;
	if (cut.through.sequence) {
		err = log_remove(cursor, stream->row.id, cut.through.sequence, removed);
		if (err)
			return err;
		stream->bounds.horizon.removed = cut.through.sequence;
		stream->bounds.horizon.ordinal = cut.through.ordinal;
		stream->bounds.horizon.stream_bytes = cut.through.stream_bytes;
		if (stream->bounds.horizon.hidden < stream->bounds.horizon.removed)
			stream->bounds.horizon.hidden = stream->bounds.horizon.removed;
		err = stream_write_horizon(txn, stream->row.id, &stream->bounds.horizon);
	}
	return err ? err : set_hint(cursor, stream);
}

int retention_hide(struct txn *txn, struct stream *stream, uint64_t clock_ms)
{
	struct cursor *cursor;
	uint64_t hidden;
	int err = txn_cursor(txn, TREE_LOG, &cursor);

	if (!err)
		err = retention_hidden(cursor, &stream->row, &stream->bounds, clock_ms, &hidden);
	if (err || hidden <= stream->bounds.horizon.hidden)
		return err;
	stream->bounds.horizon.hidden = hidden;
	return stream_write_horizon(txn, stream->row.id, &stream->bounds.horizon);
}
