/* consume.c - consumers in a write transaction: creation, ownership and progress. */
#include "table/consume.h"

#include <string.h>

#include "table/consumer_hold.h"

static int find(struct consumer_row *row, struct transaction *transaction, struct slice name,
	struct failure *failure)
{
	int err = consumer_read(row, transaction->txn, name);

	if (err == END)
		return fail_as(failure, ERR_NOT_FOUND,
			"Requested resource not found: Consumer: %.*s not found",
			name.len > CONSUMER_NAME_MAX ? CONSUMER_NAME_MAX : (int)name.len,
			(const char *)name.data);
	return err ? fail_about(failure, err, "consumer %.*s", (int)name.len,
		(const char *)name.data) : 0;
}

/* Reports the result of a write: after a failure the transaction can only be aborted. */
static int written(struct transaction *transaction, int err, struct failure *failure)
{
	transaction->changed = true;
	txn_progressed(transaction->txn);
	if (err == ERR_TOO_BIG)
		return fail_as(failure, ERR_LIMIT,
			"the settings of the consumer take more than a row of 2,028 bytes");
	return err ? fail(failure, transaction_break(transaction, err)) : 0;
}

/* The same for a write of which all workers of the consumer are told. */
static int announced(struct transaction *transaction, int err, struct failure *failure)
{
	transaction->notifies = true;
	txn_touch(transaction->txn, COMMIT_ALL_GROUPS);
	return written(transaction, err, failure);
}

/* --- positions --- */

/* Moves a feed that starts at the oldest record to its first record that has not expired. */
static void skip_expired(struct feed *feed, uint64_t last_sequence)
{
	feed->position = last_sequence;
	for (size_t i = 0; i < feed->floor_count; i++) {
		const struct floor *floor = &feed->floors[i];

		if (floor->hidden < floor->last && floor->hidden < feed->position)
			feed->position = floor->hidden;
	}
}

/* Sets row->position to that of a start position, and stores the floors. */
static int place(struct transaction *transaction, uint64_t id, struct slice streams,
	struct position from, struct progress_row *row, struct failure *failure)
{
	uint32_t stream = streams.len ? get_u32(streams.data) : 0;
	struct view_of_streams view = { transaction->txn, &transaction->catalog->streams,
		&transaction->state, transaction->clock_ms };
	struct feed feed = { 0 };
	int err = feed_start(&feed, stream, from, &view, failure);

	if (!err && from.kind == POSITION_TRIM_HORIZON)
		skip_expired(&feed, transaction->state.sequence);
	if (!err) {
		row->position = feed.position;
		row->moved_ms = transaction->clock_ms;
		err = written(transaction, floors_write(transaction->txn, id, &feed), failure);
	}
	feed_release(&feed);
	return err;
}

/* Ids of streams, copied out of a row. */
struct stream_ids {
	uint8_t bytes[4 * CONSUMER_SOURCES_MAX];
	struct slice all;
};

static void copy_ids(struct stream_ids *ids, struct slice streams)
{
	memcpy(ids->bytes, streams.data, streams.len);
	ids->all = slice_of(ids->bytes, streams.len);
}

/* Sets the position of a consumer, whose hold begins there. */
static int place_with_hold(struct transaction *transaction, uint64_t id, struct slice streams,
	struct position from, struct progress_row *row, struct failure *failure)
{
	bool holds = progress_hold_ms(row) != 0;
	int err = holds ? consumer_hold_hide(transaction, streams) : 0;

	if (err)
		return written(transaction, err, failure);
	err = place(transaction, id, streams, from, row, failure);
	if (err || !holds)
		return err;
	return written(transaction, consumer_hold_begin(transaction, id, streams), failure);
}

/* --- definition --- */

static int check_spec(const struct consume_spec *spec, struct failure *failure)
{
	if (!is_consumer_name(spec->name))
		return fail_as(failure, ERR_VALIDATION, "a consumer's name must have 1 to %d"
			" characters of a-z, A-Z, 0-9, '_', '-' and '.'", CONSUMER_NAME_MAX);
	if (spec->shards < 1 || spec->shards > CONSUMER_SHARDS_MAX)
		return fail_as(failure, ERR_VALIDATION, "a consumer must have 1 to %d shards",
			CONSUMER_SHARDS_MAX);
	return 0;
}

static int check_free(struct transaction *transaction, struct slice name, struct failure *failure)
{
	struct consumer_row row;
	int err = consumer_read(&row, transaction->txn, name);

	if (!err)
		return fail_as(failure, ERR_IN_USE, "Consumer already exists: %.*s",
			(int)name.len, (const char *)name.data);
	return err == END ? 0 : fail_about(failure, err, "consumer %.*s", (int)name.len,
		(const char *)name.data);
}

int consume_create(struct transaction *transaction, const struct consume_spec *spec, uint64_t *id,
	struct failure *failure)
{
	struct consumer_row row = { .created_ms = transaction->now_ms, .shards = spec->shards,
		.streams = spec->streams, .settings = spec->settings };
	struct progress_row progress = { .last = (uint16_t)(spec->shards - 1),
		.hold_ms = spec->hold_ms };
	int err = check_spec(spec, failure);

	if (!err)
		err = check_free(transaction, spec->name, failure);
	if (!err)
		err = writer_check_space(transaction->txn, failure);
	if (err)
		return err;
	row.id = ++transaction->state.node;
	err = place_with_hold(transaction, row.id, row.streams, spec->from, &progress, failure);
	if (!err)
		err = written(transaction, consumer_write(transaction->txn, spec->name, &row),
			failure);
	if (!err)
		err = announced(transaction, progress_write(transaction->txn, row.id, &progress),
			failure);
	*id = row.id;
	return err;
}

int consume_delete(struct transaction *transaction, struct slice name, struct failure *failure)
{
	struct consumer_row row;
	struct stream_ids ids;
	int err = find(&row, transaction, name, failure);

	if (err)
		return err;
	copy_ids(&ids, row.streams);
	err = consumer_hold_end(transaction, row.id, ids.all);
	if (!err)
		err = consumer_remove(transaction->txn, name, row.id);
	return announced(transaction, err, failure);
}

/* Writes a consumer's row again. */
static int rewrite(struct transaction *transaction, struct slice name,
	const struct consumer_row *row, struct failure *failure)
{
	return announced(transaction, consumer_write(transaction->txn, name, row), failure);
}

int consume_pause(struct transaction *transaction, struct slice name, bool is_paused,
	struct failure *failure)
{
	struct consumer_row row;
	int err = find(&row, transaction, name, failure);

	if (err || row.is_paused == is_paused)
		return err;
	row.is_paused = is_paused;
	return rewrite(transaction, name, &row, failure);
}

/* Reads the progress of a consumer that was found. */
static int read_progress(struct transaction *transaction, struct slice name, uint64_t id,
	struct progress_row *row, struct failure *failure)
{
	int err = progress_read(row, transaction->txn, id, 0);

	if (err == END)
		return fail_with(failure, ERR_CORRUPT, "consumer %.*s has no progress",
			(int)name.len, (const char *)name.data);
	return err ? fail_about(failure, err, "progress of consumer %.*s", (int)name.len,
		(const char *)name.data) : 0;
}

/* Sets the limit of the hold of a consumer, which begins, continues or ends. Records that wait have
 * waited since now. */
static int set_hold(struct transaction *transaction, struct slice name,
	const struct consumer_row *row, uint64_t hold_ms, struct failure *failure)
{
	struct progress_row progress;
	struct stream_ids ids;
	int err = read_progress(transaction, name, row->id, &progress, failure);

	if (err || progress.hold_ms == hold_ms)
		return err;
	copy_ids(&ids, row->streams);
	err = consumer_hold_hide(transaction, ids.all);
	if (!err)                                /* again, because the row may have moved */
		err = progress_read(&progress, transaction->txn, row->id, 0);
	progress.hold_ms = hold_ms;
	progress.moved_ms = transaction->clock_ms;
	if (!err)
		err = progress_write(transaction->txn, row->id, &progress);
	if (!err)
		err = progress_hold_ms(&progress) ?
			consumer_hold_begin(transaction, row->id, ids.all) :
			consumer_hold_end(transaction, row->id, ids.all);
	return written(transaction, err == END ? ERR_CORRUPT : err, failure);
}

int consume_set(struct transaction *transaction, struct slice name, struct slice settings,
	uint64_t hold_ms, struct failure *failure)
{
	struct consumer_row row;
	int err = find(&row, transaction, name, failure);

	if (!err)
		err = set_hold(transaction, name, &row, hold_ms, failure);
	if (!err)
		err = find(&row, transaction, name, failure);
	if (err || slice_equal(row.settings, settings))
		return err;
	row.settings = settings;
	return rewrite(transaction, name, &row, failure);
}

/* --- progress --- */

/* Reads the progress of a consumer, and verifies that it has this epoch. */
static int hold(struct transaction *transaction, uint64_t id, uint64_t epoch,
	struct progress_row *row, struct failure *failure)
{
	int err = progress_read(row, transaction->txn, id, 0);

	if (err == END)
		return fail(failure, ERR_CONSUMER_GONE);
	if (!err && row->epoch != epoch)
		return fail(failure, ERR_LEASE_LOST);
	return err ? fail_about(failure, err, "progress of consumer %llu",
		(unsigned long long)id) : 0;
}

int consume_move(struct transaction *transaction, struct slice name, struct position to,
	struct failure *failure)
{
	struct consumer_row row;
	struct progress_row progress;
	struct stream_ids ids;
	int err = find(&row, transaction, name, failure);

	if (!err)
		err = read_progress(transaction, name, row.id, &progress, failure);
	if (err)
		return err;
	progress.end = slice_of(NULL, 0);        /* the next write may move it */
	copy_ids(&ids, row.streams);
	err = place_with_hold(transaction, row.id, ids.all, to, &progress, failure);
	if (err)
		return err;
	progress.epoch++;
	progress.attempts = progress.largest_batch = 0;
	progress.limit_until = 0;
	return announced(transaction, progress_write(transaction->txn, row.id, &progress), failure);
}

int consume_join(struct transaction *transaction, uint64_t id, uint64_t seen,
	const struct shard_owner *owner, struct progress_row *row, struct failure *failure)
{
	int err = hold(transaction, id, seen, row, failure);

	if (err)
		return err;
	row->epoch++;
	row->owner = *owner;
	row->end = slice_of(NULL, 0);
	return announced(transaction, progress_write(transaction->txn, id, row), failure);
}

int consume_leave(struct transaction *transaction, uint64_t id, uint64_t epoch,
	struct failure *failure)
{
	struct progress_row row;
	int err = hold(transaction, id, epoch, &row, failure);

	if (err)
		return err;
	memset(&row.owner, 0, sizeof row.owner);
	return announced(transaction, progress_write(transaction->txn, id, &row), failure);
}

/* Reads the progress of the batch's consumer, and verifies that the batch continues it. */
static int hold_batch(struct transaction *transaction, const struct consume_batch *batch,
	struct progress_row *row, struct failure *failure)
{
	int err = hold(transaction, batch->consumer, batch->epoch, row, failure);

	return err || row->position == batch->from ? err : fail(failure, ERR_LEASE_LOST);
}

/* Reads the progress of the batch's consumer, whose position is to be moved. */
static int hold_to_advance(struct transaction *transaction, const struct consume_batch *batch,
	struct progress_row *row, struct failure *failure)
{
	bool has_written;
	int err = hold_batch(transaction, batch, row, failure);

	if (err)
		return err;
	err = consumer_hold_revive(transaction, batch->consumer, row, &has_written);
	if (err || !has_written)
		return err ? written(transaction, err, failure) : 0;
	return hold_batch(transaction, batch, row, failure);
}

int consume_advance(struct transaction *transaction, const struct consume_batch *batch,
	struct failure *failure)
{
	struct progress_row row;
	int err = hold_to_advance(transaction, batch, &row, failure);

	if (!err && (batch->to < batch->from || batch->to > transaction->state.sequence))
		err = fail(failure, ERR_AHEAD);
	if (err)
		return err;
	row.position = batch->to;
	row.moved_ms = transaction->clock_ms;
	row.records += batch->records;
	row.batches++;
	row.attempts = 0;
	if (row.position >= row.limit_until)
		row.largest_batch = 0;
	transaction->has_progressed = true;
	return written(transaction, progress_write(transaction->txn, batch->consumer, &row),
		failure);
}

int consume_fail(struct transaction *transaction, const struct consume_batch *batch,
	uint32_t largest_batch, struct failure *failure)
{
	struct progress_row row;
	int err = hold_batch(transaction, batch, &row, failure);

	if (err)
		return err;
	row.attempts++;
	row.failures++;
	row.largest_batch = largest_batch;
	row.limit_until = batch->to;
	transaction->has_progressed = true;
	return written(transaction, progress_write(transaction->txn, batch->consumer, &row),
		failure);
}

int consume_end(struct transaction *transaction, uint64_t id, uint64_t epoch, struct slice end,
	struct failure *failure)
{
	struct progress_row row;
	int err = hold(transaction, id, epoch, &row, failure);

	if (err)
		return err;
	row.end = slice_of(end.data, end.len < CONSUMER_END_MAX ? end.len : CONSUMER_END_MAX);
	transaction->has_progressed = true;
	return written(transaction, progress_write(transaction->txn, id, &row), failure);
}
