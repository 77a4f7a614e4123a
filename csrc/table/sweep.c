/* sweep.c - removes expired items and records, and the items of deleted tables, in small steps. */
#include "table/sweep.h"

#include "stream/hold.h"
#include "table/expire.h"
#include "table/items.h"

/* --- deleted tables --- */

struct budget {
	uint64_t left;               /* number of rows that this step may still delete */
	uint64_t rows;               /* number of rows deleted */
};

static void spend(struct budget *budget, uint64_t rows)
{
	budget->rows += rows;
	budget->left -= rows < budget->left ? rows : budget->left;
}

/* Deletes the row at the cursor with its parts, or with all rows below its node. Sets *gone to
 * false if the budget did not suffice for the node; its row is then kept. */
static int drop_row(struct txn *txn, struct cursor *cursor, struct slice key,
	struct slice value, int level, struct budget *budget, bool *gone);

/* Deletes the rows with this prefix. Sets *empty to whether all were deleted. */
static int drop_prefix(struct txn *txn, enum tree tree, struct slice prefix, int level,
	struct budget *budget, bool *empty)
{
	struct slice key = prefix, value;
	struct cursor *cursor;
	int err = cursor_open(&cursor, txn, tree);

	*empty = false;
	if (err)
		return err;
	err = cursor_move(cursor, MOVE_FROM, &key, &value);
	while (!err && slice_begins(key, prefix)) {
		bool gone;

		if (budget->left == 0)
			goto done;
		err = drop_row(txn, cursor, key, value, level, budget, &gone);
		if (err || !gone)
			goto done;
		err = cursor_move(cursor, MOVE_NEXT, &key, &value);
	}
	*empty = err >= 0;

done:
	cursor_close(cursor);
	return err < 0 ? err : 0;
}

static int drop_row(struct txn *txn, struct cursor *cursor, struct slice key,
	struct slice value, int level, struct budget *budget, bool *gone)
{
	struct slice payload;
	struct stored stored;
	uint64_t node, rows = 0;
	int err = row_open(key, value, &payload);

	*gone = true;
	if (err)
		return err;
	if (row_node(payload, &node) == 0) {
		uint8_t prefix[8];

		if (level + 1 >= LONG_KEY_LEVELS)
			return ERR_CORRUPT;
		set_u64(prefix, node);
		err = drop_prefix(txn, TREE_TAILS, slice_of(prefix, sizeof prefix), level + 1,
			budget, gone);
	} else {
		err = stored_open(&stored, payload);
		if (!err && stored.part)
			err = item_delete_parts(txn, stored.part, &rows);
	}
	if (err || !*gone)
		return err;
	spend(budget, rows + 1);
	return cursor_delete(cursor);
}

static int drop_table(struct transaction *transaction, struct budget *budget)
{
	uint32_t table = transaction->catalog->dropped;
	uint8_t prefix[ID_MAX];
	size_t len = set_id(prefix, table);
	bool empty;
	int err;

	transaction->changed = true;
	err = drop_prefix(transaction->txn, TREE_ITEMS, slice_of(prefix, len), 0, budget,
		&empty);
	if (err || !empty)
		return err;
	err = catalog_delete_dropped(transaction->txn, table);
	return err ? err : transaction_catalog_changed(transaction);
}

/* --- streams --- */

/* Pause before commits try again to trim a stream whose first records are damaged. */
#define RETRY_DAMAGED_MS (UINT64_C(3600) * 1000)

/* Returns true if a disabled stream can be removed, which means that it has no records and
 * was disabled at least its retention ago. */
static bool has_ended(const struct stream *stream, uint64_t clock_ms)
{
	return stream->row.status == STREAM_DISABLED &&
		stream->bounds.horizon.removed == stream->bounds.head.sequence &&
		clock_ms >= stream->row.disabled_ms &&
		clock_ms - stream->row.disabled_ms >= stream->row.retention.age_ms;
}

static int trim_changes(struct transaction *transaction, struct stream *stream,
	uint64_t *removed)
{
	const struct trim_moment moment = { transaction->clock_ms, transaction->began_at,
		transaction->swept };

	return trim_after_others(transaction->txn, stream, &transaction->scan, &moment, removed);
}

static int trim(struct transaction *transaction, struct stream *stream, uint64_t max_rows,
	uint64_t *records)
{
	uint64_t removed;
	int err = stream->row.id == STREAM_OF_TABLES ?
		trim_changes(transaction, stream, &removed) :
		retention_trim(transaction->txn, stream, transaction->clock_ms, max_rows, &removed);

	*records += removed;
	if (removed)
		transaction->changed = true;
	if (err == ERR_CORRUPT)
		stream->hint = (struct trim_hint){ transaction->clock_ms + RETRY_DAMAGED_MS,
			UINT64_MAX, UINT64_MAX };
	return err;
}

/* Trims a stream. If it can be removed, removes it and sets *ended. */
static int sweep_stream(struct transaction *transaction, struct stream *stream, uint64_t *records,
	bool *ended)
{
	int err = stream_load_bounds(&transaction->catalog->streams, stream, transaction->txn);

	*ended = false;
	if (!err)
		err = trim(transaction, stream, SWEEP_ROWS, records);
	if (err || !has_ended(stream, transaction->clock_ms))
		return err;
	/* The caller commits although rows are damaged, so damage must be found before a row is
	 * removed. */
	err = stream_find_rows(transaction->txn, &stream->row);
	if (err)
		return err;
	*ended = true;
	err = hold_remove_stream(transaction->txn, stream->row.id);
	if (!err)
		err = stream_remove(transaction->txn, &stream->row);
	if (err)
		return transaction_break(transaction, err);
	if (stream->bounds.head.sequence > transaction->state.lost)
		transaction->state.lost = stream->bounds.head.sequence;
	if (transaction->state.streams)
		transaction->state.streams--;
	return transaction_catalog_changed(transaction);
}

/* Does the same for a stream that may not be cached, and does not cache it. */
static int sweep_stream_with_id(struct transaction *transaction, uint32_t id, uint64_t *records,
	bool *ended)
{
	struct stream *cached = streams_cached(&transaction->catalog->streams, id);
	struct stream stream = { 0 };
	int err = cached ? 0 : stream_read_row(transaction->txn, id, &stream.row);

	*ended = false;
	if (err)
		return err == END ? ERR_CORRUPT : err;
	return sweep_stream(transaction, cached ? cached : &stream, records, ended);
}

/* --- steps --- */

static uint64_t rows_to_trim(const struct transaction *transaction)
{
	uint64_t twice = transaction->records * 2;

	return twice > TRIM_ROWS_MAX ? twice : TRIM_ROWS_MAX;
}

/* Ignores CORRUPT, because damaged rows cannot be removed and must not make a commit or the
 * rest of a step fail. */
static int skip_damage(int err)
{
	return err == ERR_CORRUPT ? 0 : err;
}

/* Trims a stream whose bounds are known, if that is worthwhile. */
static int trim_if_due(struct transaction *transaction, struct stream *stream)
{
	uint64_t records = 0;

	if (!stream || !stream_is_known(&transaction->catalog->streams, stream) ||
			!retention_due(stream, transaction->clock_ms))
		return 0;
	return skip_damage(trim(transaction, stream, rows_to_trim(transaction), &records));
}

/* Trims the streams that got records in this transaction, and one other. The state knows the last
 * of them, which are all but in transactions with very many streams. */
static int trim_some(struct transaction *transaction)
{
	struct streams *streams = &transaction->catalog->streams;
	const struct state *state = &transaction->state;
	int err = 0;

	for (unsigned i = state->touched_count; i > 0 && !err; i--) {
		const struct touched_stream *touched = &state->touched[i - 1];

		if (touched->sequence <= transaction->began_at)
			break;
		err = trim_if_due(transaction, streams_cached(streams, touched->stream));
	}
	return err || streams->count == 0 ? err : trim_if_due(transaction,
		streams->all[transaction->next_known++ % streams->count]);
}

/* Sweeps the stream whose turn it is, unless its bounds are known. */
static int sweep_unknown(struct transaction *transaction)
{
	uint32_t *id = &transaction->last_swept;
	const struct stream *cached;
	uint64_t records = 0;
	bool ended;
	int err = stream_next_id(transaction->txn, id);

	if (err == END) {
		*id = 0;
		err = stream_next_id(transaction->txn, id);
	}
	if (err)
		return err == END ? 0 : err;
	cached = streams_cached(&transaction->catalog->streams, *id);
	if (cached && stream_is_known(&transaction->catalog->streams, cached))
		return 0;
	return skip_damage(sweep_stream_with_id(transaction, *id, &records, &ended));
}

int sweep_a_little(struct transaction *transaction)
{
	uint64_t id = txn_id(transaction->txn), rows = 0;
	struct budget budget = { SWEEP_ROWS, 0 };
	int err = expire_a_little(transaction);

	if (!err)
		err = trim_some(transaction);
	if (!err && transaction->catalog->index)
		err = skip_damage(expire_index_step(transaction,
			id % SWEEP_TURN ? SWEEP_INDEXED : SWEEP_ROWS, &rows));
	if (err || id % SWEEP_TURN)
		return err;
	return transaction->catalog->dropped ? skip_damage(drop_table(transaction, &budget)) :
		sweep_unknown(transaction);
}

static bool is_same(const struct swept *a, const struct swept *b)
{
	return a->items == b->items && a->records == b->records && a->rows == b->rows;
}

/* Each of these returns CORRUPT if it found damage and removed nothing. */

static int sweep_dropped(struct transaction *transaction, struct swept *swept)
{
	struct budget budget = { SWEEP_ROWS, 0 };
	int err = transaction->catalog->dropped ? drop_table(transaction, &budget) : 0;

	swept->rows += budget.rows;
	return budget.rows ? skip_damage(err) : err;
}

static int sweep_index(struct transaction *transaction, struct swept *swept)
{
	return transaction->catalog->index ?
		expire_index_step(transaction, SWEEP_ROWS, &swept->rows) : 0;
}

static int sweep_items(struct transaction *transaction, struct swept *swept)
{
	return expire_step(transaction, &swept->items);
}

/* Trims the first stream after *id, up to `last`, from which something can be removed, and sets
 * *id to its id. */
static int sweep_streams_after(struct transaction *transaction, uint32_t *id, uint32_t last,
	struct swept *swept)
{
	const struct swept before = *swept;
	int damaged = 0, err;

	while ((err = stream_next_id(transaction->txn, id)) == 0 && *id <= last) {
		bool ended;

		err = sweep_stream_with_id(transaction, *id, *id == STREAM_OF_TABLES ?
			&swept->rows : &swept->records, &ended);
		if (ended)
			swept->rows++;
		if (!is_same(swept, &before) || skip_damage(err))
			return skip_damage(err);
		damaged = err ? err : damaged;
	}
	return err < 0 ? err : damaged;
}

/* Looks at all streams. Begins with the one that the last step has trimmed, so that steps which
 * remove something do not look at all those before it again. */
static int sweep_streams(struct transaction *transaction, struct swept *swept)
{
	const struct swept before = *swept;
	uint32_t first = transaction->last_swept ? transaction->last_swept - 1 : 0, id = first;
	int damaged = sweep_streams_after(transaction, &id, UINT32_MAX, swept);

	if (first && is_same(swept, &before) && !skip_damage(damaged)) {
		int err;

		id = 0;
		err = sweep_streams_after(transaction, &id, first, swept);
		damaged = err || !is_same(swept, &before) ? err : damaged;
	}
	transaction->last_swept = id;
	return damaged;
}

int sweep_step(struct transaction *transaction, struct swept *swept, bool *more)
{
	static int (*const steps[])(struct transaction *, struct swept *) = {
		sweep_dropped, sweep_index, sweep_items, sweep_streams,
	};
	const struct swept before = *swept;
	int damaged = 0;

	*more = true;
	transaction->swept = true;
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		int err = steps[i](transaction, swept);

		if (skip_damage(err) || !is_same(swept, &before))
			return skip_damage(err);
		damaged = err ? err : damaged;
	}
	/* A jump of a clock is confirmed by the time elapsed since it was stored, and elapsed time
	 * counts from the first commit on a boot. This step must store both, because it may be the
	 * only writer. */
	if (transaction->clock_unsaved)
		transaction->changed = true;
	*more = false;
	return damaged;
}
