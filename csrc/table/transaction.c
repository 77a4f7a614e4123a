/* transaction.c - a write transaction, from begin to commit. */
#include "table/transaction.h"

#include <assert.h>
#include <string.h>

#include "table/sweep.h"

static int read_state(struct transaction *transaction)
{
	uint64_t id = txn_id(transaction->txn);
	int err;

	catalog_limit(transaction->catalog);
	if (transaction->known_at && transaction->known_at + 1 == id)
		return catalog_refresh(transaction->catalog, transaction->txn,
			&transaction->state);
	transaction->known_at = 0;
	transaction->clock_unsaved = false;
	catalog_forget_expiries(transaction->catalog);
	streams_forget_bounds(&transaction->catalog->streams);
	err = state_read(transaction->txn, &transaction->state);
	return err ? err : catalog_refresh(transaction->catalog, transaction->txn,
		&transaction->state);
}

static void set_time(struct transaction *transaction)
{
	struct state *state = &transaction->state;
	uint64_t jump = state->jump.wall_ms, expiry_jump = state->expiry_jump.wall_ms;
	struct time_sample sample;

	time_sample_take(&sample, store_clock(transaction->store));
	store_note_time(transaction->store, sample.elapsed_ms);
	if (memcmp(state->boot, sample.boot, BOOT_BYTES) != 0)
		transaction->clock_unsaved = true;
	/* An item that should have expired more than five years ago is expired again if the clock
	 * is set back. */
	if (sample.now_ms < transaction->now_ms)
		catalog_forget_expiries(transaction->catalog);
	transaction->now_ms = sample.now_ms;
	transaction->removal_ms = expiry_clock_set(state, &sample);
	transaction->clock_ms = retention_clock_set(state, &sample);
	if (state->jump.wall_ms != jump || state->expiry_jump.wall_ms != expiry_jump)
		transaction->clock_unsaved = true;
}

int transaction_begin(struct transaction *transaction, struct failure *failure)
{
	int err = writer_begin(&transaction->txn, transaction->store, failure);

	if (err)
		return err;
	transaction->changed = false;
	transaction->has_progressed = false;
	transaction->notifies = false;
	transaction->broken = 0;
	transaction->swept = false;
	transaction->replica = 0;
	transaction->written = NULL;
	transaction->bytes = 0;
	transaction->changes = 0;
	transaction->records = 0;
	transaction->last_sequence = 0;
	pending_clear(&transaction->pending);
	err = read_state(transaction);
	if (err) {
		transaction_abort(transaction);
		return fail_about(failure, err, "a row of the state or of the catalog");
	}
	transaction->began_at = transaction->state.sequence;
	set_time(transaction);
	return 0;
}

void transaction_abort(struct transaction *transaction)
{
	writer_abort(&transaction->txn);
	transaction->known_at = 0;
	transaction->catalog->version = 0;
	transaction->scan = (struct trim_scan){ 0 };
}

uint64_t transaction_sequence(struct transaction *transaction)
{
	struct state *state = &transaction->state;

	transaction->changed = true;
	state->sequence++;
	if (transaction->now_ms < state->created_ms)
		state->stepped_back = state->sequence;
	state->created_ms = transaction->now_ms;
	transaction->last_sequence = state->sequence;
	transaction->changes++;
	return state->sequence;
}

void transaction_skip_to(struct transaction *transaction, uint64_t sequence)
{
	if (sequence > transaction->state.sequence + 1)
		transaction->state.sequence = sequence - 1;
}

int transaction_check_table(const struct transaction *transaction, const struct table_row *table,
	struct failure *failure)
{
	if (table->replica == transaction->replica || !table->replica)
		return 0;
	return fail_as(failure, ERR_REPLICATED, "table %s is replicated from another database and"
		" can't be changed here: promote its replica first", table->name);
}

int transaction_break(struct transaction *transaction, int err)
{
	if (err < 0 && !transaction->broken)
		transaction->broken = err;
	return err;
}

void transaction_expects_expiry(struct transaction *transaction, const struct table *table,
	uint64_t expiry_ms)
{
	transaction->written = table;
	catalog_lower_expiry(transaction->catalog, table, expiry_ms);
}

static void change_version(struct transaction *transaction)
{
	transaction->changed = true;
	transaction->notifies = true;
	transaction->written = NULL;
	txn_touch(transaction->txn, COMMIT_ALL_GROUPS);
	transaction->state.catalog_version++;
}

void transaction_table_created(struct transaction *transaction, const struct table_row *row)
{
	struct catalog *catalog = transaction->catalog;

	change_version(transaction);
	catalog->version = transaction->state.catalog_version;
	if (row->ttl.index)
		catalog->expiring = row->ttl.index;
}

int transaction_catalog_changed(struct transaction *transaction)
{
	change_version(transaction);
	return catalog_refresh(transaction->catalog, transaction->txn, &transaction->state);
}

int transaction_annotate(struct transaction *transaction, struct slice annotation)
{
	struct buffer *kept = &transaction->pending.annotation;

	buffer_clear(kept);
	buffer_put_slice(kept, annotation);
	return transaction_break(transaction, buffer_error(kept));
}

/* Loads the bounds of every stream that records will be appended to. */
static int load_stream_bounds(struct transaction *transaction)
{
	struct streams *streams = &transaction->catalog->streams;
	struct pending_records *pending = &transaction->pending;
	struct stream *known = NULL;
	int err = 0;

	for (uint32_t i = 0; i < pending->count && !err; i++) {
		if (known && known->row.id == pending->all[i].stream)
			continue;
		err = streams_find(streams, transaction->txn, pending->all[i].stream, &known);
		if (!err)
			err = stream_load_bounds(streams, known, transaction->txn);
	}
	return err == END ? ERR_CORRUPT : err;
}

int transaction_flush(struct transaction *transaction)
{
	int err = load_stream_bounds(transaction);

	if (!err)
		err = pending_flush(&transaction->pending, transaction->txn,
			&transaction->catalog->streams, transaction->now_ms,
			transaction->clock_ms);
	for (uint32_t i = 0; i < transaction->pending.count; i++)
		state_touch(&transaction->state, transaction->pending.all[i].stream,
			transaction->pending.all[i].record.sequence);
	transaction->records += transaction->pending.count;
	pending_clear(&transaction->pending);
	return err;
}

static int finish(struct transaction *transaction)
{
	int err = transaction_flush(transaction);

	if (!err && !transaction->swept)
		err = sweep_a_little(transaction);
	return err ? err : state_write(transaction->txn, &transaction->state,
		&transaction->scratch);
}

/* Ends a transaction without changes. The cache stays valid. */
static void end_unchanged(struct transaction *transaction)
{
	uint64_t id = txn_id(transaction->txn), version = transaction->catalog->version;
	struct trim_scan scan = transaction->scan;

	transaction_abort(transaction);
	transaction->known_at = id - 1;
	transaction->catalog->version = version;
	transaction->scan = scan;
}

int transaction_commit(struct transaction *transaction, struct failure *failure)
{
	uint64_t id = txn_id(transaction->txn);
	int err = transaction->broken;

	if (!err && !transaction->changed) {
		end_unchanged(transaction);
		return 0;
	}
	if (!err)
		err = finish(transaction);
	if (err) {
		transaction_abort(transaction);
		return fail(failure, err);
	}
	if (transaction->has_progressed && !transaction->notifies && transaction->changes == 0)
		txn_be_quiet(transaction->txn);
	err = writer_commit(&transaction->txn, failure);
	transaction->known_at = err ? 0 : id;
	transaction->clock_unsaved = false;
	if (err) {
		transaction->catalog->version = 0;
		transaction->scan = (struct trim_scan){ 0 };
	}
	return err;
}

void transaction_release(struct transaction *transaction)
{
	assert(!transaction->txn);
	pending_release(&transaction->pending);
	buffer_release(&transaction->scratch);
	buffer_release(&transaction->old);
	buffer_release(&transaction->definition);
	buffer_release(&transaction->new_definition);
}
