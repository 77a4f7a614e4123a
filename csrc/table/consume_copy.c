/* consume_copy.c - the state of a consumer that is copying, in a write transaction. */
#include "table/consume_copy.h"

#include "stream/hold.h"

int consume_set_copy(struct transaction *transaction, uint64_t id, unsigned rounds,
	struct progress_row *progress)
{
	struct copy_row copy = { .rounds = (uint8_t)rounds };

	progress->is_copying = rounds > 0;
	return rounds ? copy_write(transaction->txn, id, &copy) :
		copy_remove(transaction->txn, id);
}

/* Reads the copy of a consumer that is copying. */
static int read_copy(struct copy_row *copy, struct transaction *transaction, uint64_t id)
{
	int err = copy_read(copy, transaction->txn, id);

	return err == END ? ERR_CORRUPT : err;
}

int consume_copy_rounds(struct transaction *transaction, uint64_t id,
	const struct progress_row *progress, unsigned *rounds)
{
	struct copy_row copy;
	int err = progress->is_copying ? read_copy(&copy, transaction, id) : 0;

	*rounds = !err && progress->is_copying ? copy.rounds : 0;
	return err;
}

/* Returns true if a batch may follow this state: MARK_BEGIN is first, and the keys ascend. */
static bool is_in_order(const struct copy_row *copy, const struct consume_batch *batch)
{
	return (batch->mark == MARK_BEGIN) != copy->has_begun &&
		(batch->mark == MARK_NONE || batch->items == 0) &&
		(batch->items == 0 || batch->key.len > 0) &&
		slice_compare(batch->key.len ? batch->key : copy->key, copy->key) >= 0;
}

int consume_copy_advance(struct transaction *transaction, const struct consume_batch *batch,
	struct progress_row *progress, struct failure *failure)
{
	struct copy_row copy;
	int err;

	if (!progress->is_copying)
		return batch->mark || batch->items ? fail(failure, ERR_LEASE_LOST) : 0;
	err = read_copy(&copy, transaction, batch->consumer);
	if (err)
		return fail_about(failure, err, "the copy of consumer %llu",
			(unsigned long long)batch->consumer);
	if (copy.items != batch->copied || !is_in_order(&copy, batch))
		return fail(failure, ERR_LEASE_LOST);
	if (!batch->mark && batch->items == 0 &&
			(!batch->key.len || slice_compare(batch->key, copy.key) == 0))
		return 0;
	progress->end = slice_of(NULL, 0);       /* the next write may move it */
	if (batch->mark == MARK_END) {
		err = consume_set_copy(transaction, batch->consumer, 0, progress);
		if (!err && !progress_hold_ms(progress))
			err = hold_remove_consumer(transaction->txn, batch->consumer);
	} else {
		copy.has_begun = true;
		copy.items += batch->items;
		if (batch->key.len)
			copy.key = batch->key;
		err = copy_write(transaction->txn, batch->consumer, &copy);
	}
	transaction->changed = true;
	return err ? fail(failure, transaction_break(transaction, err)) : 0;
}

/* Sets *has_none to whether the consumer is copying and no item was delivered or ignored yet. Then
 * it can't have lost a record. */
static int has_nothing(struct transaction *transaction, uint64_t id,
	const struct progress_row *progress, bool *has_none)
{
	struct copy_row copy;
	int err = progress->is_copying ? read_copy(&copy, transaction, id) : 0;

	*has_none = !err && progress->is_copying && copy.key.len == 0;
	return err;
}

int consume_find_gap(struct transaction *transaction, uint64_t id, struct slice streams,
	const struct progress_row *progress, bool *is_lost)
{
	struct view_of_streams view = { transaction->txn, &transaction->catalog->streams,
		&transaction->state, transaction->clock_ms };
	struct feed feed = { 0 };
	bool has_none;
	int err = has_nothing(transaction, id, progress, &has_none);

	*is_lost = false;
	if (err || has_none)
		return err;
	err = stream_set_init(&feed.streams, streams);
	if (!err)
		err = floors_read(&feed, transaction->txn, id);
	if (!err)
		err = feed_resume(&feed, progress->position, &view, NULL);
	if (!err)
		err = feed_fill(&feed, 0, &view, NULL);
	feed_release(&feed);
	*is_lost = err == ERR_TRIMMED;
	return err == ERR_TRIMMED || err == ERR_NOT_FOUND ? 0 : err;
}
