/* park.c - parked records of consumers in a write transaction. */
#include "table/park.h"

#include <stdio.h>

#include "codec/record.h"
#include "table/consume_range.h"
#include "stream/consumer.h"
#include "table/park_transaction.h"

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

static int check_limits(const struct progress_row *row, const struct park_limits *limits,
	uint64_t more, struct failure *failure)
{
	char with[64] = "";

	if (row->parked + more < limits->records && row->parked_bytes < limits->bytes)
		return 0;
	if (more)
		snprintf(with, sizeof with, "; the transaction has %llu records",
			(unsigned long long)more + 1);
	return fail_as(failure, ERR_PARKED_FULL, "the consumer has %llu parked records"
		" of %llu bytes; it may have %llu of %llu bytes%s",
		(unsigned long long)row->parked, (unsigned long long)row->parked_bytes,
		(unsigned long long)limits->records, (unsigned long long)limits->bytes, with);
}

/* Parks a record because of its key. */
static int park_by_key(struct transaction *transaction, const struct parked_place *place,
	const struct parked_copy *copy, struct change *change)
{
	struct parked_place newest = *place;
	uint64_t bytes = 0;
	int err = parked_newest(transaction->txn, &newest);
	bool has_others = err == 0;

	if (err >= 0)
		err = parked_write(transaction->txn, place, copy, &bytes);
	change->bytes = (int64_t)bytes;
	if (!err && has_others)
		err = inherit_mark(transaction, place, &newest, change);
	return err;
}

/* Sets member->transaction to the transaction with which a record is parked. Sets *is_first to
 * whether it has no parked records. */
static int find_group(struct transaction *transaction, const struct park_group *group,
	struct parked_member *member, bool *is_first)
{
	struct parked_member first = { .place.consumer = member->place.consumer };
	int err = parked_transaction_of(transaction->txn, member->place.consumer,
		member->place.sequence, &member->transaction);

	*is_first = false;
	if (err != END)
		return err;
	member->transaction = first.transaction = group->transaction;
	err = parked_member_next_of(transaction->txn, &first);
	*is_first = err == END;
	return err == END ? 0 : err;
}

/* Parks a record with its transaction. */
static int park_member(struct transaction *transaction, const struct parked_member *member,
	const struct parked_copy *copy, bool is_last, struct change *change)
{
	uint64_t consumer = member->place.consumer, bytes = 0;
	int err = parked_write(transaction->txn, &member->place, copy, &bytes);

	change->bytes = (int64_t)bytes;
	if (!err)
		err = parked_member_write(transaction->txn, member);
	if (!err)
		err = parked_transaction_find_mark(transaction->txn, consumer,
			member->transaction);
	change->replays = err == 0;
	if (err >= 0)
		err = is_last ? park_inherit_mark(transaction->txn, consumer, member->transaction,
			&change->replays) : 0;
	return err;
}

int park_record(struct transaction *transaction, const struct parked_place *place,
	struct parked_copy *copy, const struct park_group *group,
	const struct park_limits *limits, struct failure *failure)
{
	struct parked_member member = { 0, *place };
	struct change change = { .parked = 1 };
	struct progress_row row;
	bool is_first = true;
	int err = read_progress(&row, transaction, place->consumer, failure);

	if (!err)
		err = writer_check_space(transaction->txn, failure);
	if (err)
		return err;
	err = parked_find(transaction->txn, place);
	if (err != END)
		return err ? fail(failure, err) : 0;
	err = group->transaction ? find_group(transaction, group, &member, &is_first) : 0;
	if (err)
		return fail(failure, err);
	err = is_first ? check_limits(&row, limits, group->more, failure) : 0;
	if (err)
		return err;
	copy->parked_ms = transaction->now_ms;
	err = member.transaction ? park_member(transaction, &member, copy, group->more == 0,
		&change) : park_by_key(transaction, place, copy, &change);
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

/* Removes the mark of a record. */
static int remove_mark(struct transaction *transaction, const struct parked_place *place,
	struct change *change)
{
	int err = parked_unmark(transaction->txn, place);

	change->replays -= err == 0;
	return err == END ? 0 : err;
}

/* Removes a record from its transaction, and the mark of that after its last record. */
static int remove_member(struct transaction *transaction, const struct parked_member *member,
	struct change *change)
{
	struct parked_member other = { member->transaction,
		{ .consumer = member->place.consumer } };
	struct txn *txn = transaction->txn;
	int err = parked_member_remove(txn, member), mark;

	if (err)
		return err == END ? ERR_CORRUPT : err;
	mark = parked_transaction_find_mark(txn, other.place.consumer, other.transaction);
	if (mark)
		return mark == END ? 0 : mark;
	change->replays--;
	err = parked_member_next_of(txn, &other);
	return err == END ? parked_transaction_unmark(txn, other.place.consumer,
		other.transaction) : err;
}

/* Removes a record and its mark. */
static int remove_record(struct transaction *transaction, const struct parked_place *place,
	struct change *change)
{
	struct parked_member member = { 0, *place };
	uint64_t bytes;
	int err = parked_transaction_of(transaction->txn, place->consumer, place->sequence,
		&member.transaction);

	if (err >= 0)
		err = err ? remove_mark(transaction, place, change) :
			remove_member(transaction, &member, change);
	if (err)
		return err;
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

/* Removes the marks of all records of a key. */
static int unmark_key(struct transaction *transaction, const struct parked_place *place,
	struct change *change)
{
	struct parked_place next = *place;
	int err = 0;

	next.sequence = 0;
	while (!err) {
		err = parked_next(transaction->txn, CONSUMER_REPLAY, &next);
		if (!err && !parked_is_same_key(&next, place))
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
		change->bytes += (int64_t)(after - before);
	buffer_release(&bytes);
	return err == END ? ERR_CORRUPT : err;
}

/* Keeps a record that is parked because of its key. */
static int keep_record(struct transaction *transaction, const struct parked_place *place,
	struct slice error, struct change *change)
{
	int err = rewrite(transaction, place, error, change);

	return err ? err : unmark_key(transaction, place, change);
}

/* Keeps all records of a transaction. */
static int keep_transaction(struct transaction *transaction, uint64_t consumer, uint64_t id,
	struct slice error, struct change *change)
{
	struct parked_member member = { id, { .consumer = consumer } };
	int err;

	while ((err = parked_member_next_of(transaction->txn, &member)) == 0) {
		err = rewrite(transaction, &member.place, error, change);
		if (err)
			return err;
	}
	return err == END ? park_unmark_transaction(transaction->txn, consumer, id,
		&change->replays) : err;
}

int park_failed(struct transaction *transaction, const struct parked_place *place,
	struct slice error, struct failure *failure)
{
	struct change change = { .failures = 1 };
	uint64_t id;
	int err = parked_transaction_of(transaction->txn, place->consumer, place->sequence, &id);

	if (err >= 0)
		err = err ? keep_record(transaction, place, error, &change) :
			keep_transaction(transaction, place->consumer, id, error, &change);
	err = broken(transaction, err, failure);
	return err ? err : count_change(transaction, place->consumer, &change, failure);
}

/* Sets *found to whether a marked transaction has a record with the sequence number of the place,
 * and sets the place to that of the record. */
static int find_marked_member(struct txn *txn, struct parked_place *place, bool *found)
{
	struct parked_member member = { 0, *place };
	int err = parked_transaction_of(txn, place->consumer, place->sequence,
		&member.transaction);

	*found = false;
	if (!err)
		err = parked_transaction_find_mark(txn, place->consumer, member.transaction);
	if (err)
		return err == END ? 0 : err;
	member.place.sequence--;
	err = parked_member_next_of(txn, &member);
	*found = !err && member.place.sequence == place->sequence;
	if (*found)
		*place = member.place;
	return err < 0 ? err : 0;
}

/* Sets *found to whether a marked record has the sequence number of the place, and sets the place
 * to that of the record. */
static int find_marked_record(struct txn *txn, struct parked_place *place, bool *found)
{
	struct parked_place marked = { .consumer = place->consumer };
	int err;

	while ((err = parked_next(txn, CONSUMER_REPLAY, &marked)) == 0) {
		*found = marked.sequence == place->sequence;
		if (*found) {
			*place = marked;
			return 0;
		}
	}
	return err == END ? 0 : err;
}

int park_died(struct transaction *transaction, uint64_t id, uint64_t sequence, bool *found,
	struct failure *failure)
{
	struct parked_place place = { .consumer = id, .sequence = sequence };
	int err = find_marked_member(transaction->txn, &place, found);

	if (!err && !*found)
		err = find_marked_record(transaction->txn, &place, found);
	if (err)
		return fail(failure, err);
	return *found ? park_failed(transaction, &place,
		slice_of_text("the worker died in the handler"), failure) : 0;
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

/* Marks records. Returns END after the last one. */
static int mark_records(struct transaction *transaction, struct park_command *command,
	struct change *change)
{
	int err = 0;

	for (int seen = 0; seen < PARK_STEP_RECORDS && !err; seen++) {
		err = command->count < command->limit ? parked_next_of(transaction->txn,
			&command->scope, &command->from) : END;
		if (!err)
			err = mark_once(transaction, command, change);
	}
	return err;
}

/* Moves command->from to the next transaction in the scope. Returns END after the last one or at
 * the limit of the command. */
static int next_transaction(struct txn *txn, struct park_command *command)
{
	return command->count < command->limit ? parked_transaction_next_of(txn, &command->scope,
		command->consumer, &command->from.sequence) : END;
}

/* Marks transactions. Returns END after the last one. */
static int mark_transactions(struct transaction *transaction, struct park_command *command,
	struct change *change)
{
	struct txn *txn = transaction->txn;
	uint64_t most = PARK_STEP_RECORDS, count, before;
	int err = 0;

	while (!err && most && change->replays < PARK_STEP_RECORDS) {
		before = command->from.sequence;
		err = next_transaction(txn, command);
		if (err)
			break;
		if (most > command->limit - command->count)
			most = command->limit - command->count;
		count = 0;
		err = park_mark_transaction(txn, command->consumer, command->from.sequence, most,
			&count, &change->replays);
		command->count += count;
		most -= count;
		if (!err && !most)
			command->from.sequence = before;         /* it may not be marked yet */
	}
	return !err && command->count >= command->limit ? END : err;
}

/* Sets *has_any to whether the consumer has parked transactions. */
static int has_transactions(struct txn *txn, uint64_t consumer, bool *has_any)
{
	uint64_t first = 0;
	int err = parked_transaction_next(txn, consumer, &first);

	*has_any = err == 0;
	return err < 0 ? err : 0;
}

int park_replay(struct transaction *transaction, struct park_command *command,
	struct failure *failure)
{
	struct change change = { 0 };
	bool by_transaction;
	int err = has_transactions(transaction->txn, command->consumer, &by_transaction);

	command->from.consumer = command->consumer;
	if (!err)
		err = by_transaction ? mark_transactions(transaction, command, &change) :
			mark_records(transaction, command, &change);
	return end_step(transaction, command, &change, err, failure);
}

/* Returns true if a step that has removed so much has to end. */
static bool is_full(const struct change *change)
{
	return change->parked <= -PARK_STEP_RECORDS ||
		change->bytes <= -(int64_t)PARK_STEP_BYTES;
}

/* Removes a parked transaction. */
static int remove_transaction(struct transaction *transaction, uint64_t consumer, uint64_t id,
	struct change *change)
{
	struct parked_member member = { id, { .consumer = consumer } };
	int err;

	while ((err = parked_member_next_of(transaction->txn, &member)) == 0) {
		err = remove_record(transaction, &member.place, change);
		if (err)
			return err;
	}
	return err == END ? 0 : err;
}

/* Removes the next record or transaction of a command. Returns END after the last one. */
static int remove_next(struct transaction *transaction, struct park_command *command,
	bool by_transaction, struct change *change)
{
	struct txn *txn = transaction->txn;
	int err = END;

	if (by_transaction)
		err = next_transaction(txn, command);
	else if (command->count < command->limit)
		err = parked_next_of(txn, &command->scope, &command->from);
	if (!err)
		err = by_transaction ? remove_transaction(transaction, command->consumer,
			command->from.sequence, change) :
			remove_record(transaction, &command->from, change);
	command->count += !err;
	return err;
}

int park_discard(struct transaction *transaction, struct park_command *command,
	struct failure *failure)
{
	struct change change = { 0 };
	bool by_transaction;
	int err = has_transactions(transaction->txn, command->consumer, &by_transaction);

	command->from.consumer = command->consumer;
	while (!err && !is_full(&change))
		err = remove_next(transaction, command, by_transaction, &change);
	return end_step(transaction, command, &change, err, failure);
}

/* Counts the records after a sequence number, and removes them if `removes` is true. Returns END
 * after the last one. */
static int records_after(struct transaction *transaction, uint64_t id, uint64_t sequence,
	bool removes, uint64_t *count, struct change *change)
{
	struct parked_place place = { .consumer = id };
	int err = 0;

	while (!err && !is_full(change)) {
		err = parked_next(transaction->txn, CONSUMER_PARKED, &place);
		if (err || place.sequence <= sequence)
			continue;
		++*count;
		if (removes)
			err = remove_record(transaction, &place, change);
	}
	return err;
}

/* The same for transactions that have records after a sequence number. */
static int transactions_after(struct transaction *transaction, uint64_t id, uint64_t sequence,
	bool removes, uint64_t *count, struct change *change)
{
	struct parked_member member = { sequence, { .consumer = id, .sequence = UINT64_MAX } };
	uint64_t first;
	int err = parked_transaction_of(transaction->txn, id, sequence + 1, &first);

	if (!err)
		member.transaction = first - 1;
	if (err == END)
		err = 0;
	while (!err) {
		first = member.transaction;
		err = parked_member_next(transaction->txn, &member);
		if (!err && member.transaction != first && is_full(change))
			break;
		if (!err && removes)
			err = remove_record(transaction, &member.place, change);
		*count += !err;
	}
	return err;
}

int park_after(struct transaction *transaction, uint64_t id, uint64_t sequence, bool removes,
	uint64_t *count, bool *is_done, struct failure *failure)
{
	struct park_command step = { .consumer = id };
	struct change change = { 0 };
	bool by_transaction;
	int err = has_transactions(transaction->txn, id, &by_transaction);

	*count = 0;
	if (!err)
		err = by_transaction ?
			transactions_after(transaction, id, sequence, removes, count, &change) :
			records_after(transaction, id, sequence, removes, count, &change);
	err = end_step(transaction, &step, &change, err, failure);
	*is_done = step.is_done;
	return err;
}
