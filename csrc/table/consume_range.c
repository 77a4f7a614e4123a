/* consume_range.c - ranges of a consumer's shards in a write transaction. */
#include "table/consume_range.h"

#include <string.h>

int consume_written(struct transaction *transaction, int err, struct failure *failure)
{
	transaction->changed = true;
	txn_progressed(transaction->txn);
	if (err == ERR_TOO_BIG)
		return fail_as(failure, ERR_LIMIT,
			"the settings of the consumer take more than a row of 2,028 bytes");
	return err ? fail(failure, transaction_break(transaction, err)) : 0;
}

int consume_announced(struct transaction *transaction, int err, struct failure *failure)
{
	transaction->notifies = true;
	txn_touch(transaction->txn, COMMIT_ALL_GROUPS);
	return consume_written(transaction, err, failure);
}

int range_verify(struct transaction *transaction, struct shard_range range,
	struct progress_row *row, struct failure *failure)
{
	uint16_t shard = range.first;
	int err = progress_next(row, transaction->txn, range.consumer, &shard);

	if (err == END && range.first > 0) {
		shard = 0;
		err = progress_next(row, transaction->txn, range.consumer, &shard);
	}
	if (err == END)
		return fail(failure, ERR_CONSUMER_GONE);
	if (!err && (row->first != range.first || row->epoch != range.epoch))
		return fail(failure, ERR_LEASE_LOST);
	return err ? fail_about(failure, err, "progress of consumer %llu",
		(unsigned long long)range.consumer) : 0;
}

int range_read_head(struct transaction *transaction, uint64_t id, struct progress_row *head,
	struct failure *failure)
{
	int err = progress_read(head, transaction->txn, id, 0);

	return err ? fail_about(failure, err == END ? ERR_CORRUPT : err,
		"progress of consumer %llu", (unsigned long long)id) : 0;
}

/* Adds the progress of the right range to that of the left one. The result has the lower position,
 * the stricter limits and an epoch greater than both. */
static void add_range(struct progress_row *left, const struct progress_row *right)
{
	left->last = right->last;
	left->epoch = (left->epoch > right->epoch ? left->epoch : right->epoch) + 1;
	progress_take_older(left, right);
	if (right->attempts > left->attempts)
		left->attempts = right->attempts;
	if (right->largest_batch && (!left->largest_batch ||
			right->largest_batch < left->largest_batch))
		left->largest_batch = right->largest_batch;
	if (right->limit_until > left->limit_until)
		left->limit_until = right->limit_until;
	left->records += right->records;
	left->batches += right->batches;
	left->failures += right->failures;
	left->takeovers += right->takeovers;
}

int range_unite(struct transaction *transaction, const struct consumer_row *consumer,
	struct progress_row *head, struct failure *failure)
{
	struct progress_row next;
	uint64_t id = consumer->id;
	bool is_one = true;
	uint16_t shard;
	int err = range_read_head(transaction, id, head, failure);

	if (err)
		return err;
	head->end = slice_of(NULL, 0);           /* the next write may move it */
	shard = (uint16_t)(head->last + 1u);
	while (!err && (err = progress_next(&next, transaction->txn, id, &shard)) == 0) {
		add_range(head, &next);
		is_one = false;
		err = progress_remove(transaction->txn, id, next.first);
	}
	if (err == END && shard != consumer->shards)
		err = ERR_CORRUPT;               /* a row is missing */
	if (err == END && is_one)
		return 0;
	memset(&head->owner, 0, sizeof head->owner);
	/* The row must be in the file, because a search for holds reads it. */
	return consume_written(transaction, err == END ? progress_write(transaction->txn, id, head)
		: err, failure);
}

/* --- dividing and uniting --- */

int consume_split(struct transaction *transaction, struct shard_range range, uint16_t at,
	bool keeps_right, struct progress_row *row, struct failure *failure)
{
	struct progress_row left, right;
	int err = range_verify(transaction, range, &left, failure);

	if (err)
		return err;
	if (left.is_copying || at <= left.first || at > left.last)
		return fail(failure, ERR_LEASE_LOST);
	left.epoch++;
	left.end = slice_of(NULL, 0);            /* the next write may move it */
	right = (struct progress_row){ .first = at, .last = left.last, .epoch = left.epoch,
		.position = left.position, .moved_ms = left.moved_ms, .attempts = left.attempts,
		.largest_batch = left.largest_batch, .limit_until = left.limit_until };
	left.last = (uint16_t)(at - 1u);
	if (keeps_right) {
		right.owner = left.owner;
		memset(&left.owner, 0, sizeof left.owner);
	}
	*row = keeps_right ? right : left;
	err = progress_write(transaction->txn, range.consumer, &right);
	if (!err)
		err = progress_write(transaction->txn, range.consumer, &left);
	return consume_announced(transaction, err, failure);
}

int consume_merge(struct transaction *transaction, struct shard_range left,
	struct shard_range right, struct progress_row *row, struct failure *failure)
{
	struct progress_row other;
	int err = range_verify(transaction, right, &other, failure);

	if (!err)
		err = range_verify(transaction, left, row, failure);
	if (err)
		return err;
	if (left.consumer != right.consumer || row->last + 1u != other.first ||
			row->position != other.position ||
			memcmp(&row->owner, &other.owner, sizeof row->owner) != 0)
		return fail(failure, ERR_LEASE_LOST);
	add_range(row, &other);
	row->end = slice_of(NULL, 0);            /* the next write may move it */
	err = progress_remove(transaction->txn, left.consumer, other.first);
	if (!err)
		err = progress_write(transaction->txn, left.consumer, row);
	return consume_announced(transaction, err, failure);
}

/* Sets *epoch to the greatest epoch of a range. */
static int find_epoch(struct transaction *transaction, uint64_t id, uint64_t *epoch)
{
	struct progress_row row;
	uint16_t shard = 0;
	int err;

	*epoch = 0;
	while ((err = progress_next(&row, transaction->txn, id, &shard)) == 0)
		*epoch = row.epoch > *epoch ? row.epoch : *epoch;
	return err == END ? 0 : err;
}

/* Multiplies the shard numbers of all ranges. A range may then have the first shard that another
 * range had, so all ranges get an epoch greater than all before. */
static int multiply(struct transaction *transaction, uint64_t id, uint16_t shards, unsigned factor)
{
	struct progress_row row;
	uint64_t epoch;
	int err = find_epoch(transaction, id, &epoch);

	/* Begins with the last range, so that no key is overwritten. */
	for (uint32_t end = shards; end > 0 && !err;) {
		err = progress_read(&row, transaction->txn, id, (uint16_t)(end - 1));
		if (err)
			break;
		end = row.first;
		row.end = slice_of(NULL, 0);
		err = progress_remove(transaction->txn, id, row.first);
		row.first = (uint16_t)(row.first * factor);
		row.last = (uint16_t)((row.last + 1u) * factor - 1);
		row.epoch = epoch + 1;
		memset(&row.owner, 0, sizeof row.owner);
		if (!err)
			err = progress_write(transaction->txn, id, &row);
	}
	return err == END ? ERR_CORRUPT : err;
}

/* Replaces all ranges by one range with this number of shards. Returns VALIDATION if their
 * positions differ. */
static int replace(struct transaction *transaction, const struct consumer_row *consumer,
	uint16_t shards, struct failure *failure)
{
	struct progress_row head, next;
	uint64_t id = consumer->id;
	uint16_t shard;
	int err = range_read_head(transaction, id, &head, failure);

	if (err)
		return err;
	shard = (uint16_t)(head.last + 1u);
	while ((err = progress_next(&next, transaction->txn, id, &shard)) == 0)
		if (next.position != head.position)
			return fail_as(failure, ERR_VALIDATION, "the number of shards must be a"
				" multiple of the former one while the shards have different"
				" positions; they have the same one after the workers have"
				" caught up and stopped");
	if (err != END)
		return fail(failure, err);
	err = range_unite(transaction, consumer, &head, failure);
	if (err)
		return err;
	head.last = (uint16_t)(shards - 1);
	head.epoch++;
	memset(&head.owner, 0, sizeof head.owner);
	return consume_written(transaction, progress_write(transaction->txn, id, &head), failure);
}

int consume_reshard(struct transaction *transaction, struct slice name, uint16_t shards,
	bool renews, struct failure *failure)
{
	struct consumer_row row;
	int err = consumer_failed(failure, consumer_read(&row, transaction->txn, name), name);

	if (err || (row.shards == shards && !renews))
		return err;
	if (shards < 1 || shards > CONSUMER_SHARDS_MAX)
		return fail_as(failure, ERR_VALIDATION, "a consumer must have 1 to %d shards",
			CONSUMER_SHARDS_MAX);
	if (!row.is_paused)
		return fail_as(failure, ERR_CONSUMER_DIFFERS, "the number of shards of consumer"
			" %.*s can be changed only while the consumer is paused", (int)name.len,
			(const char *)name.data);
	if (shards % row.shards == 0)
		err = consume_written(transaction, multiply(transaction, row.id, row.shards,
			shards / row.shards), failure);
	else
		err = replace(transaction, &row, shards, failure);
	if (!err)
		err = consumer_failed(failure, consumer_read(&row, transaction->txn, name), name);
	row.shards = shards;
	return err ? err : consume_announced(transaction, consumer_write(transaction->txn, name,
		&row), failure);
}
