/* park.c - parked records of consumers in a write transaction. */
#include "table/park.h"

#include "codec/record.h"
#include "table/consume_range.h"
#include "stream/consumer.h"

/* What a call changes in the progress of a consumer. */
struct change {
	int64_t parked, bytes, replays;
	uint64_t records, failures, dead_letters;
	bool is_command;             /* the set of parked keys may change for all workers */
};

static int broken(struct transaction *transaction, int err, struct failure *failure)
{
	transaction->changed = true;
	return err ? fail(failure, transaction_break(transaction, err)) : 0;
}

static int read_progress(struct progress_row *row, struct transaction *transaction, uint64_t id,
	struct failure *failure)
{
	int err = progress_read(row, transaction->txn, id, 0);

	if (err == END)
		return fail(failure, ERR_CONSUMER_GONE);
	return err ? fail_about(failure, err, "progress of consumer %llu",
		(unsigned long long)id) : 0;
}

static int count_change(struct transaction *transaction, uint64_t id, const struct change *change,
	struct failure *failure)
{
	struct progress_row row;
	int err = read_progress(&row, transaction, id, failure);

	if (err)
		return broken(transaction, err, failure);
	row.parked += (uint64_t)change->parked;
	row.parked_bytes += (uint64_t)change->bytes;
	row.replays += (uint64_t)change->replays;
	row.records += change->records;
	row.failures += change->failures;
	row.dead_letters += change->dead_letters;
	if (change->is_command)
		row.parked_version++;
	transaction->has_progressed = true;
	return broken(transaction, progress_write(transaction->txn, id, &row), failure);
}

/* Notifies the workers after a commit that changes parked records by a command. */
static void announce(struct transaction *transaction)
{
	transaction->notifies = true;
	txn_progressed(transaction->txn);
	txn_touch(transaction->txn, COMMIT_ALL_GROUPS);
}

/* --- parking --- */

/* Marks the record if the newest parked record of its key is marked. */
static int inherit_mark(struct transaction *transaction, const struct parked_place *place,
	const struct parked_place *newest, struct change *change)
{
	int err = parked_find_mark(transaction->txn, newest);

	if (err)
		return err == END ? 0 : err;
	change->replays = 1;
	return parked_mark(transaction->txn, place);
}

int park_record(struct transaction *transaction, const struct parked_place *place,
	struct parked_copy *copy, const struct park_limits *limits, struct failure *failure)
{
	struct change change = { .parked = 1 };
	struct parked_place newest = *place;
	struct progress_row row;
	uint64_t bytes = 0;
	bool has_others;
	int err = read_progress(&row, transaction, place->consumer, failure);

	if (!err)
		err = writer_check_space(transaction->txn, failure);
	if (err)
		return err;
	err = parked_find(transaction->txn, place);
	if (err != END)
		return err ? fail(failure, err) : 0;
	if (row.parked >= limits->records || row.parked_bytes >= limits->bytes)
		return fail_as(failure, ERR_PARKED_FULL, "the consumer has %llu parked records"
			" of %llu bytes; it may have %llu of %llu bytes",
			(unsigned long long)row.parked, (unsigned long long)row.parked_bytes,
			(unsigned long long)limits->records, (unsigned long long)limits->bytes);
	copy->parked_ms = transaction->now_ms;
	err = parked_newest(transaction->txn, &newest);
	has_others = err == 0;
	if (err >= 0)
		err = parked_write(transaction->txn, place, copy, &bytes);
	change.bytes = (int64_t)bytes;
	if (!err && has_others)
		err = inherit_mark(transaction, place, &newest, &change);
	err = broken(transaction, err, failure);
	return err ? err : count_change(transaction, place->consumer, &change, failure);
}

int park_dead_letter(struct transaction *transaction, uint64_t id, struct failure *failure)
{
	return count_change(transaction, id, &(struct change){ .dead_letters = 1 }, failure);
}

/* --- delivery --- */

int park_verify(struct transaction *transaction, struct shard_range range, uint64_t version,
	struct failure *failure)
{
	struct progress_row row;
	int err = range_verify(transaction, range, &row, failure);

	if (!err)
		err = range_read_head(transaction, range.consumer, &row, failure);
	if (err)
		return err;
	return row.parked_version == version ? 0 : fail(failure, ERR_PARKED_CHANGED);
}

/* Removes a record and its mark. */
static int remove_record(struct transaction *transaction, const struct parked_place *place,
	struct change *change)
{
	uint64_t bytes;
	int err = parked_unmark(transaction->txn, place);

	if (err < 0)
		return err;
	change->replays -= err == 0;
	err = parked_remove(transaction->txn, place, &bytes);
	if (err)
		return err == END ? ERR_CORRUPT : err;
	change->parked--;
	change->bytes -= (int64_t)bytes;
	return 0;
}

int park_handled(struct transaction *transaction, const struct parked_place *place,
	struct failure *failure)
{
	struct change change = { .records = 1 };
	int err = broken(transaction, remove_record(transaction, place, &change), failure);

	return err ? err : count_change(transaction, place->consumer, &change, failure);
}

static bool is_same_key(const struct parked_place *a, const struct parked_place *b)
{
	return a->table == b->table && memcmp(a->hash, b->hash, HASH_BYTES) == 0;
}

/* Removes the marks of all records of a key. */
static int unmark_key(struct transaction *transaction, const struct parked_place *place,
	struct change *change)
{
	struct parked_place next = *place;
	int err = 0;

	next.sequence = 0;
	while (!err) {
		err = parked_next(transaction->txn, CONSUMER_REPLAY, &next);
		if (!err && !is_same_key(&next, place))
			return 0;
		if (!err)
			err = parked_unmark(transaction->txn, &next);
		if (!err)
			change->replays--;
	}
	return err == END ? 0 : err;
}

/* Writes a copy again with one more attempt and another error. */
static int rewrite(struct transaction *transaction, const struct parked_place *place,
	struct slice error, struct change *change)
{
	struct buffer bytes = { 0 };
	struct parked_copy copy;
	uint64_t before, after;
	int err = parked_read(&bytes, transaction->txn, place);

	if (!err)
		err = parked_get(&copy, buffer_slice(&bytes));
	if (!err)
		err = parked_remove(transaction->txn, place, &before);
	if (!err) {
		copy.attempts++;
		copy.error = error;
		err = parked_write(transaction->txn, place, &copy, &after);
	}
	if (!err)
		change->bytes = (int64_t)(after - before);
	buffer_release(&bytes);
	return err == END ? ERR_CORRUPT : err;
}

int park_failed(struct transaction *transaction, const struct parked_place *place,
	struct slice error, struct failure *failure)
{
	struct change change = { .failures = 1 };
	int err = rewrite(transaction, place, error, &change);

	if (!err)
		err = unmark_key(transaction, place, &change);
	err = broken(transaction, err, failure);
	return err ? err : count_change(transaction, place->consumer, &change, failure);
}

int park_died(struct transaction *transaction, uint64_t id, uint64_t sequence, bool *found,
	struct failure *failure)
{
	struct parked_place place = { .consumer = id };
	int err = 0;

	*found = false;
	while (!err) {
		err = parked_next(transaction->txn, CONSUMER_REPLAY, &place);
		*found = !err && place.sequence == sequence;
		if (*found)
			return park_failed(transaction, &place,
				slice_of_text("the worker died in the handler"), failure);
	}
	return err == END ? 0 : fail(failure, err);
}

/* --- commands --- */

/* Ends the step of a command. */
static int end_step(struct transaction *transaction, struct park_command *command,
	struct change *change, int err, struct failure *failure)
{
	command->is_done = err == END;
	change->is_command = true;
	err = broken(transaction, err == END ? 0 : err, failure);
	if (err || (!change->parked && !change->replays))
		return err;
	announce(transaction);
	return count_change(transaction, command->consumer, change, failure);
}

/* Marks a record, unless it is marked. */
static int mark_once(struct transaction *transaction, struct park_command *command,
	struct change *change)
{
	int err = parked_find_mark(transaction->txn, &command->from);

	if (err != END)
		return err;
	command->count++;
	change->replays++;
	return parked_mark(transaction->txn, &command->from);
}

int park_replay(struct transaction *transaction, struct park_command *command,
	struct failure *failure)
{
	struct change change = { 0 };
	int err = 0;

	command->from.consumer = command->consumer;
	for (int seen = 0; seen < PARK_STEP_RECORDS && !err; seen++) {
		err = command->count < command->limit ? parked_next_of(transaction->txn,
			&command->scope, &command->from) : END;
		if (!err)
			err = mark_once(transaction, command, &change);
	}
	return end_step(transaction, command, &change, err, failure);
}

/* Returns true if a step that has removed so much has to end. */
static bool is_full(const struct change *change)
{
	return change->parked <= -PARK_STEP_RECORDS ||
		change->bytes <= -(int64_t)PARK_STEP_BYTES;
}

int park_discard(struct transaction *transaction, struct park_command *command,
	struct failure *failure)
{
	struct change change = { 0 };
	int err = 0;

	command->from.consumer = command->consumer;
	while (!err && !is_full(&change)) {
		err = command->count < command->limit ? parked_next_of(transaction->txn,
			&command->scope, &command->from) : END;
		if (!err)
			err = remove_record(transaction, &command->from, &change);
		if (!err)
			command->count++;
	}
	return end_step(transaction, command, &change, err, failure);
}

int park_after(struct transaction *transaction, uint64_t id, uint64_t sequence, bool removes,
	uint64_t *count, bool *is_done, struct failure *failure)
{
	struct park_command step = { .consumer = id };
	struct parked_place place = { .consumer = id };
	struct change change = { 0 };
	int err = 0;

	*count = 0;
	while (!err && !is_full(&change)) {
		err = parked_next(transaction->txn, CONSUMER_PARKED, &place);
		if (err || place.sequence <= sequence)
			continue;
		++*count;
		if (removes)
			err = remove_record(transaction, &place, &change);
	}
	err = end_step(transaction, &step, &change, err, failure);
	*is_done = step.is_done;
	return err;
}
