/* consumers.c - the functions of tide_consumer.h for consumers and their workers. */
#include <string.h>

#include "api/database.h"
#include "os/worker_slots.h"
#include "table/consume.h"
#include "table/consume_range.h"
#include "tide_consumer.h"

int tide_create_consumer(struct tide *tide, const struct tide_consumer_spec *spec,
	struct failure *failure)
{
	struct consume_spec consume = {
		.name = spec->name, .streams = spec->streams,
		.from = tide_position(spec->from, spec->at), .shards = spec->shards,
		.copies = spec->from == TIDE_SNAPSHOT, .settings = spec->settings,
		.hold_ms = spec->hold_ms,
	};
	uint64_t id;
	int err = tide_begin(tide, failure);

	return err ? err : tide_end(tide, consume_create(&tide->transaction, &consume, &id,
		failure), failure);
}

int tide_delete_consumer(struct tide *tide, struct slice name, bool discards, bool *is_done,
	struct failure *failure)
{
	int err = tide_begin(tide, failure);

	return err ? err : tide_end(tide, consume_delete(&tide->transaction, name, discards,
		is_done, failure), failure);
}

int tide_pause_consumer(struct tide *tide, struct slice name, bool is_paused,
	struct failure *failure)
{
	int err = tide_begin(tide, failure);

	return err ? err : tide_end(tide, consume_pause(&tide->transaction, name, is_paused,
		failure), failure);
}

int tide_set_consumer(struct tide *tide, struct slice name, const struct consumer_change *change,
	struct failure *failure)
{
	int err = tide_begin(tide, failure);

	return err ? err : tide_end(tide, consume_set(&tide->transaction, name, change, failure),
		failure);
}

int tide_move_consumer(struct tide *tide, struct slice name, enum tide_from from, uint64_t at,
	bool discards, bool *is_done, struct failure *failure)
{
	struct consume_target to = { tide_position(from, at), discards, from == TIDE_SNAPSHOT };
	int err = tide_begin(tide, failure);

	return err ? err : tide_end(tide, consume_move(&tide->transaction, name, &to, is_done,
		failure), failure);
}

int tide_skip_gap(struct tide *tide, struct slice name, struct shard_range range, bool copies,
	struct progress_row *progress, struct failure *failure)
{
	int err = tide_begin(tide, failure);

	return err ? err : tide_end(tide, consume_skip_gap(&tide->transaction, name, range,
		copies, progress, failure), failure);
}

int tide_renew_consumer(struct tide *tide, struct slice name, struct shard_range range,
	struct slice streams, bool *is_done, struct failure *failure)
{
	int err = tide_begin(tide, failure);

	return err ? err : tide_end(tide, consume_renew(&tide->transaction, name, range,
		streams, is_done, failure), failure);
}

const uint8_t *tide_opening(const struct tide *tide)
{
	return tide->opening;
}

int tide_join_consumer(struct tide *tide, struct shard_range range,
	const struct shard_owner *owner, const struct handler_batch *death,
	struct progress_row *progress, struct failure *failure)
{
	int err = tide_begin(tide, failure);

	return err ? err : tide_end(tide, consume_join(&tide->transaction, range, owner,
		death, progress, failure), failure);
}

int tide_leave_consumer(struct tide *tide, struct shard_range range, struct failure *failure)
{
	int err = tide_begin(tide, failure);

	return err ? err : tide_end(tide, consume_leave(&tide->transaction, range, failure),
		failure);
}

int tide_end_consumer(struct tide *tide, struct shard_range range, struct slice end,
	struct failure *failure)
{
	int err = tide_begin(tide, failure);

	return err ? err : tide_end(tide, consume_end(&tide->transaction, range, end, failure),
		failure);
}

int tide_split_range(struct tide *tide, struct shard_range range, uint16_t at, bool keeps_right,
	struct progress_row *progress, struct failure *failure)
{
	int err = tide_begin(tide, failure);

	return err ? err : tide_end(tide, consume_split(&tide->transaction, range, at,
		keeps_right, progress, failure), failure);
}

int tide_merge_ranges(struct tide *tide, struct shard_range left, struct shard_range right,
	struct progress_row *progress, struct failure *failure)
{
	int err = tide_begin(tide, failure);

	return err ? err : tide_end(tide, consume_merge(&tide->transaction, left, right, progress,
		failure), failure);
}

int tide_advance_consumer(struct tide *tide, const struct consume_batch *batch,
	struct failure *failure)
{
	return consume_advance(&tide->transaction, batch, failure);
}

int tide_skip_ignored(struct tide *tide, const struct consume_batch *batch,
	struct failure *failure)
{
	struct consume_batch ignored = *batch;
	int err = tide_begin(tide, failure);

	ignored.is_ignored = true;
	return err ? err : tide_end(tide, consume_advance(&tide->transaction, &ignored, failure),
		failure);
}

int tide_fail_consumer(struct tide *tide, const struct consume_batch *batch,
	uint32_t largest_batch, struct failure *failure)
{
	int err = tide_begin(tide, failure);

	return err ? err : tide_end(tide, consume_fail(&tide->transaction, batch, largest_batch,
		failure), failure);
}

/* --- workers --- */

static struct worker_id worker_of(const struct shard_owner *owner)
{
	struct worker_id id = { .number = owner->worker };

	memcpy(id.opening, owner->opening, WORKER_OPENING_BYTES);
	return id;
}

int tide_worker_join(struct tide *tide, uint32_t number, uint64_t consumer, uint64_t *slot,
	struct failure *failure)
{
	struct shard_owner owner = { .worker = number };
	struct worker_id id;

	memcpy(owner.opening, tide->opening, WORKER_OPENING_BYTES);
	id = worker_of(&owner);
	return worker_join(store_shared_page(tide->store), &id, consumer, slot, failure);
}

void tide_worker_leave(struct tide *tide, uint64_t slot)
{
	worker_leave(store_shared_page(tide->store), slot);
}

void tide_worker_beat(struct tide *tide, uint64_t slot)
{
	worker_beat(store_shared_page(tide->store), slot);
}

uint64_t tide_worker_asked(const struct tide *tide, uint64_t slot)
{
	return worker_asked(store_shared_page(tide->store), slot);
}

void tide_worker_enter_handler(struct tide *tide, uint64_t slot,
	const struct handler_batch *batch)
{
	struct worker_batch in_hand = { batch->records, batch->last };

	worker_enter_handler(store_shared_page(tide->store), slot, &in_hand);
}

void tide_worker_leave_handler(struct tide *tide, uint64_t slot)
{
	worker_leave_handler(store_shared_page(tide->store), slot);
}

void tide_note_stop(struct tide *tide, int64_t pid)
{
	worker_note_stop(store_shared_page(tide->store), pid);
}

bool tide_worker_is_alive(const struct tide *tide, const struct shard_owner *owner,
	uint64_t consumer, uint64_t lease_ms, uint64_t handler_limit_ms,
	struct handler_batch *batch)
{
	const struct shared_page *shared = store_shared_page(tide->store);
	struct worker_id id = worker_of(owner);
	struct worker_batch in_hand;

	*batch = (struct handler_batch){ 0 };
	if (worker_state(shared, &id, consumer, lease_ms, handler_limit_ms) == WORKER_LIVE)
		return true;
	if (worker_died_in_handler(shared, &id, consumer, handler_limit_ms, &in_hand))
		*batch = (struct handler_batch){ in_hand.records, in_hand.last };
	return false;
}

uint32_t tide_live_workers(const struct tide *tide, uint64_t consumer, uint64_t lease_ms,
	uint64_t handler_limit_ms)
{
	return worker_count_live(store_shared_page(tide->store), consumer, lease_ms,
		handler_limit_ms);
}

_Static_assert(TIDE_WORKERS_MAX == WORKERS_MAX, "every worker can be listed");

uint32_t tide_list_workers(const struct tide *tide, uint64_t consumer, uint64_t lease_ms,
	uint64_t handler_limit_ms, struct tide_worker workers[TIDE_WORKERS_MAX])
{
	const struct shared_page *shared = store_shared_page(tide->store);
	struct worker_facts facts[WORKERS_MAX];
	uint32_t count = worker_list(shared, consumer, facts, WORKERS_MAX);

	for (uint32_t i = 0; i < count; i++) {
		workers[i] = (struct tide_worker){ .owner.worker = facts[i].id.number,
			.pid = facts[i].pid, .beat_age_ms = facts[i].beat_age_ms,
			.in_handler = facts[i].in_handler,
			.is_alive = worker_state(shared, &facts[i].id, consumer, lease_ms,
				handler_limit_ms) == WORKER_LIVE };
		memcpy(workers[i].owner.opening, facts[i].id.opening, WORKER_OPENING_BYTES);
	}
	return count;
}

/* --- reading --- */

int tide_keep_consumer(struct tide_consumer *consumer, struct buffer *kept)
{
	struct slice *const slices[] = { &consumer->row.streams, &consumer->row.settings,
		&consumer->progress.end, &consumer->ranges };
	size_t at = 0;

	buffer_clear(kept);
	for (size_t i = 0; i < sizeof slices / sizeof *slices; i++)
		buffer_put_slice(kept, *slices[i]);
	if (buffer_error(kept))
		return buffer_error(kept);
	for (size_t i = 0; i < sizeof slices / sizeof *slices; i++) {
		*slices[i] = slice_of(kept->data + at, slices[i]->len);
		at += slices[i]->len;
	}
	return 0;
}

/* Reads the progress of a consumer whose row exists. */
static int read_progress(struct progress_row *progress, struct txn *txn, uint64_t id)
{
	int err = progress_read(progress, txn, id, 0);

	return err == END ? ERR_CORRUPT : err;
}

/* Sets the ranges of a consumer to its rows of progress, in `ranges`, adds their statistics to its
 * progress, and sets its position to the lowest one. */
static int read_ranges(struct tide_consumer *consumer, struct txn *txn, struct buffer *ranges)
{
	struct progress_row *sum = &consumer->progress, row;
	uint16_t shard = 0;
	int err;

	buffer_clear(ranges);
	while ((err = progress_next(&row, txn, consumer->row.id, &shard)) == 0) {
		row.end = slice_of(NULL, 0);
		buffer_put(ranges, &row, sizeof row);
		if (row.first == 0)
			continue;
		sum->records += row.records;
		sum->batches += row.batches;
		sum->failures += row.failures;
		sum->takeovers += row.takeovers;
		progress_take_older(sum, &row);
	}
	consumer->ranges = buffer_slice(ranges);
	if (err == END && shard != consumer->row.shards)
		return ERR_CORRUPT;              /* no worker would read the other shards */
	return err == END ? buffer_error(ranges) : err;
}

/* Reads the copy of a consumer that is copying. */
static int read_copy(struct tide_consumer *consumer, struct txn *txn)
{
	int err = consumer->progress.is_copying ?
		copy_read(&consumer->copy, txn, consumer->row.id) : 0;

	consumer->copy.key = slice_of(NULL, 0);
	return err == END ? ERR_CORRUPT : err;
}

int tide_describe_consumer(struct tide *tide, struct slice name, struct tide_consumer *consumer,
	struct failure *failure)
{
	struct buffer ranges = { 0 };
	struct read_view snapshot;
	int err = tide_read_begin(tide, &snapshot, failure);

	if (err)
		return err;
	consumer->last_sequence = snapshot.state->sequence;
	err = consumer_read(&consumer->row, snapshot.txn, name);
	if (!err)
		err = read_progress(&consumer->progress, snapshot.txn, consumer->row.id);
	if (!err)
		err = read_ranges(consumer, snapshot.txn, &ranges);
	if (!err)
		err = read_copy(consumer, snapshot.txn);
	if (!err)
		err = tide_keep_consumer(consumer, &tide->scratch);
	buffer_release(&ranges);
	return tide_read_end(tide, &snapshot, consumer_failed(failure, err, name), failure);
}

int tide_item_key(const struct tide *tide, uint32_t table, const struct key_schema *schema,
	struct slice keys, struct key *key)
{
	return key_of_item(key, table, schema, keys, tide->header.secret);
}

int tide_consumer_names(struct tide *tide, struct buffer *names, struct failure *failure)
{
	struct read_view snapshot;
	int err = tide_read_begin(tide, &snapshot, failure);

	if (err)
		return err;
	buffer_clear(names);
	err = consumer_names(names, snapshot.txn);
	return tide_read_end(tide, &snapshot, err ? fail(failure, err) : 0, failure);
}
