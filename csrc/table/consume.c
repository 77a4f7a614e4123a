/* consume.c - consumers in a write transaction: creation, ownership and progress. */
#include "table/consume.h"

#include <string.h>

#include "table/consume_copy.h"
#include "table/consume_range.h"
#include "table/consumer_hold.h"

static int find(struct consumer_row *row, struct transaction *transaction, struct slice name,
	struct failure *failure)
{
	return consumer_failed(failure, consumer_read(row, transaction->txn, name), name);
}

/* --- positions --- */

/* Moves a feed that starts at the oldest record to its first record that has not expired. */
static void skip_expired(struct feed *feed, uint64_t last_sequence)
{
	feed->position = last_sequence;
	for (size_t i = 0; i < feed->floors.count; i++) {
		const struct floor *floor = &feed->floors.all[i];

		if (floor->hidden < floor->last && floor->hidden < feed->position)
			feed->position = floor->hidden;
	}
}

/* Starts a zeroed feed at a start position. The caller releases it, also after an error. */
static int start(struct feed *feed, struct transaction *transaction, struct slice streams,
	struct position from, struct failure *failure)
{
	struct view_of_streams view = { transaction->txn, &transaction->catalog->streams,
		&transaction->state, transaction->clock_ms };
	int err = stream_set_init(&feed->streams, streams);

	err = err ? fail(failure, err) : feed_start(feed, from, &view, failure);
	if (!err && from.kind == POSITION_TRIM_HORIZON)
		skip_expired(feed, transaction->state.sequence);
	return err;
}

/* Sets row->position to that of a start position, at least `least`, and stores the floors. */
static int place(struct transaction *transaction, uint64_t id, struct slice streams,
	struct position from, uint64_t least, struct progress_row *row, struct failure *failure)
{
	struct feed feed = { 0 };
	int err = start(&feed, transaction, streams, from, failure);

	if (feed.position < least)
		feed.position = least;
	if (!err) {
		row->position = feed.position;
		row->moved_ms = transaction->clock_ms;
		err = consume_written(transaction, floors_write(transaction->txn, id, &feed),
			failure);
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

/* Sets the position of a consumer, at least `least`, and writes or removes its hold rows. */
static int place_with_hold(struct transaction *transaction, uint64_t id, struct slice streams,
	struct position from, uint64_t least, struct progress_row *row, struct failure *failure)
{
	bool holds = progress_hold_ms(row) != 0;
	int err = holds ? consumer_hold_hide(transaction, streams) : 0;

	if (err)
		return consume_written(transaction, err, failure);
	err = place(transaction, id, streams, from, least, row, failure);
	if (err)
		return err;
	return consume_written(transaction, holds ? consumer_hold_begin(transaction, id, streams) :
		consumer_hold_end(transaction, id, streams), failure);
}

/* --- definition --- */

static int check_source(struct slice streams, struct failure *failure)
{
	if (streams.len > 4 * CONSUMER_SOURCES_MAX)
		return fail_as(failure, ERR_LIMIT, "a consumer can have at most %d tables",
			CONSUMER_SOURCES_MAX);
	return is_consumer_source(streams) ? 0 : fail_as(failure, ERR_VALIDATION,
		"the stream ids of a consumer must be those of tables, in ascending order");
}

static int check_spec(const struct consume_spec *spec, struct failure *failure)
{
	if (!is_consumer_name(spec->name))
		return fail_as(failure, ERR_VALIDATION, "a consumer's name must have 1 to %d"
			" characters of a-z, A-Z, 0-9, '_', '-' and '.'", CONSUMER_NAME_MAX);
	if (spec->shards < 1 || spec->shards > CONSUMER_SHARDS_MAX)
		return fail_as(failure, ERR_VALIDATION, "a consumer must have 1 to %d shards",
			CONSUMER_SHARDS_MAX);
	return check_source(spec->streams, failure);
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
	if (spec->copies)
		err = consume_written(transaction, consume_set_copy(transaction, row.id, 1,
			&progress), failure);
	if (!err)
		err = place_with_hold(transaction, row.id, row.streams, spec->from, 0, &progress,
			failure);
	if (!err)
		err = consume_written(transaction, consumer_write(transaction->txn, spec->name,
			&row), failure);
	if (!err)
		err = consume_announced(transaction, progress_write(transaction->txn, row.id,
			&progress), failure);
	*id = row.id;
	return err;
}

/* Removes the parked records of a consumer after a sequence number, or refuses if `discards` is
 * false and there are some. Sets *is_done to false if more of them follow. */
static int clear_parked(struct transaction *transaction, struct slice name, uint64_t id,
	uint64_t sequence, bool discards, bool *is_done, struct failure *failure)
{
	uint64_t count;
	int err = park_after(transaction, id, sequence, discards, &count, is_done, failure);

	if (err || discards || count == 0)
		return err;
	return fail_as(failure, ERR_PARKED, "consumer %.*s has %llu parked records%s; give"
		" { discard = true } to remove them", (int)name.len, (const char *)name.data,
		(unsigned long long)count, sequence ? " after that position" : "");
}

int consume_delete(struct transaction *transaction, struct slice name, bool discards,
	bool *is_done, struct failure *failure)
{
	struct consumer_row row;
	struct stream_ids ids;
	int err = find(&row, transaction, name, failure);

	if (!err)
		err = clear_parked(transaction, name, row.id, 0, discards, is_done, failure);
	if (err || !*is_done)
		return err;
	err = find(&row, transaction, name, failure);    /* the rows may have moved */
	if (err)
		return err;
	copy_ids(&ids, row.streams);
	err = consumer_hold_end(transaction, row.id, ids.all);
	if (!err)
		err = consumer_remove(transaction->txn, name, row.id);
	return consume_announced(transaction, err, failure);
}

/* Writes a consumer's row again. */
static int rewrite(struct transaction *transaction, struct slice name,
	const struct consumer_row *row, struct failure *failure)
{
	return consume_announced(transaction, consumer_write(transaction->txn, name, row), failure);
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

/* Sets the hold limit of a consumer, and restarts the waiting time of all its ranges. Sets *head to
 * the progress of the first range. */
static int restart_waiting(struct transaction *transaction, uint64_t id, uint64_t hold_ms,
	struct progress_row *head)
{
	struct progress_row row;
	uint16_t shard = 0;
	int err;

	while ((err = progress_next(&row, transaction->txn, id, &shard)) == 0) {
		row.moved_ms = transaction->clock_ms;
		if (row.first == 0) {
			row.hold_ms = hold_ms;
			*head = row;
		}
		err = progress_write(transaction->txn, id, &row);
		if (err)
			return err;
	}
	return err == END ? 0 : err;
}

/* Sets the hold limit of a consumer: its hold begins, continues or ends. */
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
	if (!err)
		err = restart_waiting(transaction, row->id, hold_ms, &progress);
	if (!err)
		err = progress_hold_ms(&progress) ?
			consumer_hold_begin(transaction, row->id, ids.all) :
			consumer_hold_end(transaction, row->id, ids.all);
	return consume_written(transaction, err, failure);
}

/* Changes `by` and the number of shards, or returns an error if the state of the consumer does not
 * allow it. */
static int set_division(struct transaction *transaction, struct slice name,
	const struct consumer_row *row, const struct consumer_change *change,
	struct failure *failure)
{
	struct progress_row progress;
	uint16_t shards = change->shards ? change->shards : row->shards;
	int err = read_progress(transaction, name, row->id, &progress, failure);

	if (err)
		return err;
	if (change->by && !row->is_paused)
		return fail_as(failure, ERR_CONSUMER_DIFFERS, "the setting \"by\" of consumer %.*s"
			" can be changed only while the consumer is paused", (int)name.len,
			(const char *)name.data);
	if (change->by && progress.parked)
		return fail_as(failure, ERR_PARKED, "consumer %.*s has %llu parked records: replay"
			" or discard them before \"by\" is changed", (int)name.len,
			(const char *)name.data, (unsigned long long)progress.parked);
	return consume_reshard(transaction, name, shards, change->by != BY_UNCHANGED, failure);
}

int consume_set(struct transaction *transaction, struct slice name,
	const struct consumer_change *change, struct failure *failure)
{
	struct consumer_row row;
	int err = find(&row, transaction, name, failure);

	if (!err && (change->by || change->shards))
		err = set_division(transaction, name, &row, change, failure);
	if (!err)
		err = find(&row, transaction, name, failure);
	if (!err)
		err = set_hold(transaction, name, &row, change->hold_ms, failure);
	if (!err)
		err = find(&row, transaction, name, failure);
	if (err || slice_equal(row.settings, change->settings))
		return err;
	row.settings = change->settings;
	return rewrite(transaction, name, &row, failure);
}

/* --- progress --- */

/* Replaces the holds of a consumer by holds on other streams. */
static int replace_holds(struct transaction *transaction, uint64_t id, struct slice before,
	struct slice now, const struct progress_row *progress)
{
	int err = consumer_hold_end(transaction, id, before);

	if (err || !progress_hold_ms(progress))
		return err;
	err = consumer_hold_hide(transaction, now);
	return err ? err : consumer_hold_begin(transaction, id, now);
}

/* Sets *have_read to whether all ranges of a consumer have processed all records of these streams,
 * which get no further records. */
static int have_read(struct transaction *transaction, uint64_t id, struct slice streams,
	bool *have_read)
{
	struct progress_row oldest;
	struct bounds bounds;
	int err = progress_read_oldest(&oldest, transaction->txn, id);

	*have_read = true;
	for (size_t i = 0; i < streams.len && !err; i += 4) {
		bounds = (struct bounds){ 0 };
		err = stream_bounds(transaction->txn, get_u32(streams.data + i), &bounds);
		if (!err && bounds.head.sequence > oldest.position)
			*have_read = false;
	}
	return err == END ? ERR_CORRUPT : err;
}

int consume_renew(struct transaction *transaction, struct slice name, struct shard_range range,
	struct slice streams, bool *is_done, struct failure *failure)
{
	struct consumer_row row;
	struct progress_row progress;
	struct stream_ids ids;
	uint64_t id = range.consumer;
	int err = check_source(streams, failure);

	if (!err)
		err = range_verify(transaction, range, &progress, failure);
	if (!err)
		err = find(&row, transaction, name, failure);
	if (err == ERR_NOT_FOUND || (!err && row.id != id))
		return fail(failure, ERR_CONSUMER_GONE);
	if (err)
		return err;
	copy_ids(&ids, row.streams);
	*is_done = row.shards == progress.last + 1u - progress.first;
	if (!*is_done)
		err = have_read(transaction, id, ids.all, is_done);
	if (err || !*is_done)
		return err ? fail(failure, err) : 0;
	err = range_unite(transaction, &row, &progress, failure);
	if (err)
		return err;
	progress.gaps++;
	if (progress.is_copying) {
		progress.position = transaction->state.sequence;
		err = consume_set_copy(transaction, id, 1, &progress);
	}
	if (!err)
		err = replace_holds(transaction, id, ids.all, streams, &progress);
	if (!err)
		err = progress_write(transaction->txn, id, &progress);
	err = consume_written(transaction, err, failure);
	if (!err)
		err = find(&row, transaction, name, failure);
	row.streams = streams;
	return err ? err : rewrite(transaction, name, &row, failure);
}

/* Clears the parked records after a start position, and all of them if a copy starts there
 * (clear_parked). */
static int clear_after(struct transaction *transaction, struct slice name,
	const struct consumer_row *row, const struct consume_target *to, bool *is_done,
	struct failure *failure)
{
	struct feed feed = { 0 };
	int err = start(&feed, transaction, row->streams, to->position, failure);

	if (!err)
		err = clear_parked(transaction, name, row->id, to->copies ? 0 : feed.position,
			to->discards, is_done, failure);
	feed_release(&feed);
	return err;
}

/* Sets the position, and the rounds of the copy that starts there (0: none). */
static int relocate(struct transaction *transaction, const struct consumer_row *row,
	struct position to, uint64_t least, unsigned rounds, struct progress_row *progress,
	struct failure *failure)
{
	struct stream_ids ids;
	int err;

	progress->end = slice_of(NULL, 0);       /* the next write may move it */
	copy_ids(&ids, row->streams);
	err = consume_written(transaction, consume_set_copy(transaction, row->id, rounds, progress),
		failure);
	if (!err)
		err = place_with_hold(transaction, row->id, ids.all, to, least, progress, failure);
	if (err)
		return err;
	progress->attempts = progress->largest_batch = 0;
	progress->limit_until = 0;
	return consume_announced(transaction, progress_write(transaction->txn, row->id, progress),
		failure);
}

int consume_move(struct transaction *transaction, struct slice name,
	const struct consume_target *to, bool *is_done, struct failure *failure)
{
	struct consumer_row row;
	struct progress_row progress;
	bool is_lost;
	int err = find(&row, transaction, name, failure);

	if (!err)
		err = clear_after(transaction, name, &row, to, is_done, failure);
	if (err || !*is_done)
		return err;
	err = find(&row, transaction, name, failure);    /* the rows may have moved */
	if (!err)
		err = range_unite(transaction, &row, &progress, failure);
	if (!err)
		err = find(&row, transaction, name, failure);
	if (err)
		return err;
	err = consume_find_gap(transaction, row.id, row.streams, &progress, &is_lost);
	if (err)
		return fail(failure, err);
	progress.epoch++;
	progress.gaps += is_lost;
	return relocate(transaction, &row, to->position, 0, to->copies ? 1 : 0, &progress,
		failure);
}

/* Moves the ranges of a consumer whose position precedes this one to it, and counts a gap. */
static int advance_ranges(struct transaction *transaction, uint64_t id, uint64_t position)
{
	struct progress_row row;
	uint16_t shard = 0;
	int err;

	while ((err = progress_next(&row, transaction->txn, id, &shard)) == 0) {
		row.gaps += row.first == 0;
		if (row.position < position) {
			row.position = position;
			row.moved_ms = transaction->clock_ms;
			row.attempts = row.largest_batch = 0;
			row.limit_until = 0;
		}
		err = progress_write(transaction->txn, id, &row);
		if (err)
			return err;
	}
	return err == END ? 0 : err;
}

/* Moves all ranges of a consumer whose position is before the oldest records to these, and counts a
 * gap. Batches that other workers have read for such ranges can no longer be committed. Sets *row
 * to the range of the caller. */
static int skip_in_all(struct transaction *transaction, const struct consumer_row *consumer,
	struct shard_range range, struct progress_row *row, struct failure *failure)
{
	struct progress_row oldest;
	uint64_t id = consumer->id;
	struct stream_ids ids;
	int err = range_read_head(transaction, id, &oldest, failure);

	if (err)
		return err;
	copy_ids(&ids, consumer->streams);
	err = place_with_hold(transaction, id, ids.all, (struct position){ POSITION_TRIM_HORIZON,
		0 }, 0, &oldest, failure);
	if (!err)
		err = consume_announced(transaction, advance_ranges(transaction, id,
			oldest.position), failure);
	return err ? err : range_verify(transaction, range, row, failure);
}

int consume_skip_gap(struct transaction *transaction, struct slice name, struct shard_range range,
	bool copies, struct progress_row *row, struct failure *failure)
{
	struct consumer_row consumer;
	unsigned rounds;
	bool is_lost;
	int err = find(&consumer, transaction, name, failure);

	if (err == ERR_NOT_FOUND || (!err && consumer.id != range.consumer))
		return fail(failure, ERR_CONSUMER_GONE);
	if (!err)
		err = range_verify(transaction, range, row, failure);
	if (err)
		return err;
	err = consume_find_gap(transaction, consumer.id, consumer.streams, row, &is_lost);
	if (!err)
		err = consume_copy_rounds(transaction, consumer.id, row, &rounds);
	if (err || !is_lost)
		return err ? fail(failure, err) : 0;
	if (rounds >= CONSUMER_ROUNDS_MAX)
		return fail_as(failure, ERR_TRIMMED, "consumer %.*s: records expired in each of"
			" %u snapshots", (int)name.len, (const char *)name.data, rounds);
	if (!copies && !rounds && row->last + 1u - row->first < consumer.shards)
		return skip_in_all(transaction, &consumer, range, row, failure);
	err = range_unite(transaction, &consumer, row, failure);
	if (!err)
		err = find(&consumer, transaction, name, failure);
	if (err)
		return err;
	row->gaps++;
	if (copies || rounds)
		return relocate(transaction, &consumer, (struct position){ POSITION_LATEST, 0 },
			0, rounds + 1, row, failure);
	return relocate(transaction, &consumer, (struct position){ POSITION_TRIM_HORIZON, 0 },
		row->position, 0, row, failure);
}

/* Limits the next batches to half the batch in which a worker died. For a batch of one record,
 * counts a failed attempt. */
static void halve(struct progress_row *row, const struct handler_batch *death, bool is_replay)
{
	row->largest_batch = death->records > 1 ? death->records / 2 : 1;
	row->limit_until = death->last;
	if (death->records == 1 && !is_replay) {
		row->attempts++;
		row->failures++;
	}
}

/* Sets *is_replay to whether the batch in which the worker died was a replay: unless the consumer
 * is copying, the records of a replay are not after the position. If the replay had one record,
 * counts a failed attempt of it. */
static int count_death_in_replay(struct transaction *transaction, struct shard_range range,
	struct progress_row *row, const struct handler_batch *death, bool *is_replay,
	struct failure *failure)
{
	struct progress_row head;
	bool found;
	int err = range_read_head(transaction, range.consumer, &head, failure);

	*is_replay = !row->is_copying && death->last <= row->position;
	if (err || death->records > 1 || head.replays == 0 || (!row->is_copying && !*is_replay))
		return err;
	err = park_died(transaction, range.consumer, death->last, &found, failure);
	if (err)
		return err;
	*is_replay |= found;
	return range_verify(transaction, range, row, failure);
}

/* Removes the error that ended the last run of a consumer. */
static int clear_end(struct transaction *transaction, uint64_t id, struct failure *failure)
{
	struct progress_row head;
	int err = range_read_head(transaction, id, &head, failure);

	if (err || head.end.len == 0)
		return err;
	head.end = slice_of(NULL, 0);
	return consume_written(transaction, progress_write(transaction->txn, id, &head), failure);
}

int consume_join(struct transaction *transaction, struct shard_range range,
	const struct shard_owner *owner, const struct handler_batch *death,
	struct progress_row *row, struct failure *failure)
{
	int err = range_verify(transaction, range, row, failure);
	bool is_replay = false;

	if (!err && death->records)
		err = count_death_in_replay(transaction, range, row, death, &is_replay, failure);
	if (!err)
		err = clear_end(transaction, range.consumer, failure);
	if (err)
		return err;
	row->epoch++;
	if (row->owner.worker && memcmp(&row->owner, owner, sizeof *owner) != 0)
		row->takeovers++;
	row->owner = *owner;
	row->end = slice_of(NULL, 0);
	if (death->records)
		halve(row, death, is_replay);
	return consume_announced(transaction, progress_write(transaction->txn, range.consumer, row),
		failure);
}

int consume_leave(struct transaction *transaction, struct shard_range range,
	struct failure *failure)
{
	struct progress_row row;
	int err = range_verify(transaction, range, &row, failure);

	if (err)
		return err;
	memset(&row.owner, 0, sizeof row.owner);
	return consume_announced(transaction, progress_write(transaction->txn, range.consumer,
		&row), failure);
}

/* Reads the progress of the batch's range, and verifies that the batch begins at its position. */
static int verify_batch(struct transaction *transaction, const struct consume_batch *batch,
	struct progress_row *row, struct failure *failure)
{
	struct shard_range range = { batch->consumer, batch->first, batch->epoch };
	int err = range_verify(transaction, range, row, failure);

	return err || row->position == batch->from ? err : fail(failure, ERR_LEASE_LOST);
}

/* Does verify_batch and consumer_hold_revive, before the position is moved. */
static int prepare_advance(struct transaction *transaction, const struct consume_batch *batch,
	struct progress_row *row, struct failure *failure)
{
	struct progress_row head;
	bool has_written;
	int err = verify_batch(transaction, batch, row, failure);

	if (!err && row->first)
		err = range_read_head(transaction, batch->consumer, &head, failure);
	if (err)
		return err;
	err = consumer_hold_revive(transaction, batch->consumer,
		progress_hold_ms(row->first ? &head : row), row->moved_ms, &has_written);
	if (err || !has_written)
		return err ? consume_written(transaction, err, failure) : 0;
	return verify_batch(transaction, batch, row, failure);
}

/* Returns PARKED_CHANGED if the parked version is not that of the batch. */
static int verify_parked(struct transaction *transaction, const struct consume_batch *batch,
	const struct progress_row *row, struct failure *failure)
{
	struct progress_row head;
	int err = row->first ? range_read_head(transaction, batch->consumer, &head, failure) : 0;

	if (err)
		return err;
	return (row->first ? &head : row)->parked_version == batch->parked_version ? 0 :
		fail(failure, ERR_PARKED_CHANGED);
}

int consume_advance(struct transaction *transaction, const struct consume_batch *batch,
	struct failure *failure)
{
	struct progress_row row;
	int err = prepare_advance(transaction, batch, &row, failure);

	if (!err && (batch->to < batch->from || batch->to > transaction->state.sequence))
		err = fail(failure, ERR_AHEAD);
	if (!err && !batch->is_ignored)
		err = verify_parked(transaction, batch, &row, failure);
	if (!err)
		err = consume_copy_advance(transaction, batch, &row, failure);
	if (err)
		return err;
	row.position = batch->to;
	row.moved_ms = transaction->clock_ms;
	row.records += batch->records;
	row.batches += !batch->is_ignored && !batch->mark;
	if (!batch->is_ignored)
		row.attempts = 0;
	if ((row.is_copying ? batch->copied + batch->items : row.position) >= row.limit_until)
		row.largest_batch = 0;
	transaction->has_progressed = true;
	return consume_written(transaction, progress_write(transaction->txn, batch->consumer, &row),
		failure);
}

int consume_fail(struct transaction *transaction, const struct consume_batch *batch,
	uint32_t largest_batch, struct failure *failure)
{
	struct progress_row row;
	int err = verify_batch(transaction, batch, &row, failure);

	if (err)
		return err;
	row.attempts++;
	row.failures++;
	if (largest_batch && (!row.largest_batch || largest_batch < row.largest_batch))
		row.largest_batch = largest_batch;
	if (batch->to > row.limit_until)
		row.limit_until = batch->to;
	transaction->has_progressed = true;
	return consume_written(transaction, progress_write(transaction->txn, batch->consumer, &row),
		failure);
}

int consume_end(struct transaction *transaction, struct shard_range range, struct slice end,
	struct failure *failure)
{
	struct progress_row row;
	int err = range_verify(transaction, range, &row, failure);

	if (!err)
		err = range_read_head(transaction, range.consumer, &row, failure);
	if (err)
		return err;
	row.end = slice_of(end.data, end.len < CONSUMER_END_MAX ? end.len : CONSUMER_END_MAX);
	transaction->has_progressed = true;
	return consume_written(transaction, progress_write(transaction->txn, range.consumer, &row),
		failure);
}
