/* consume_copy.h - the state of a consumer that is copying, in a write transaction.
 *
 * A consumer that starts with a snapshot is copying until all items were delivered. It then has a
 * row of its own besides its progress:
 *
 *     position   the records up to it whose item keys are at most `key` were delivered
 *     key        nothing of the keys after it was delivered
 *
 * A batch moves the position, the key, or both. The state starts with no key and ends with a commit
 * that has no records.
 */
#ifndef TABLE_CONSUME_COPY_H
#define TABLE_CONSUME_COPY_H

#include "stream/consumer.h"
#include "table/transaction.h"

/* Starts a copy at the first key with this number of rounds, or ends the copy (0). Sets
 * progress->is_copying; the caller writes the row of progress. */
int consume_set_copy(struct transaction *transaction, uint64_t id, unsigned rounds,
	struct progress_row *progress);

/* Sets *rounds to the rounds of a consumer's copy; 0 if it is not copying. */
int consume_copy_rounds(struct transaction *transaction, uint64_t id,
	const struct progress_row *progress, unsigned *rounds);

/* Verifies that a batch continues the copy, and moves it. Does nothing for a consumer that is not
 * copying. May clear progress->is_copying; the caller writes the row of progress. Returns
 * LEASE_LOST if the batch was read in another state, or CORRUPT. */
int consume_copy_advance(struct transaction *transaction, const struct consume_batch *batch,
	struct progress_row *progress, struct failure *failure);

/* Sets *is_lost to whether records that a consumer would deliver after its position have expired.
 * streams: as in consumer_row. */
int consume_find_gap(struct transaction *transaction, uint64_t id, struct slice streams,
	const struct progress_row *progress, bool *is_lost);

#endif
