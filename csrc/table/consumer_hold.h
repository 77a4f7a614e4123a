/* consumer_hold.h - holds of consumers in a write transaction.
 *
 * A record that has expired must stay invisible. So before anything can make a hold cover records
 * that it did not cover (a new hold, a position that is set by a command, a longer limit, progress
 * after a hold was released), the expired records of its streams are hidden in the same
 * transaction. All functions can return CORRUPT, NO_MEMORY and STORE.
 */
#ifndef TABLE_CONSUMER_HOLD_H
#define TABLE_CONSUMER_HOLD_H

#include "codec/consumer.h"
#include "table/transaction.h"

/* Hides the expired records of these streams (ids; empty: all streams). */
int consumer_hold_hide(struct transaction *transaction, struct slice streams);

/* Writes the hold rows of a consumer whose position was just set, and changes the catalog version,
 * so that all handles discard their cached holds. The expired records must have been hidden before
 * (consumer_hold_hide). */
int consumer_hold_begin(struct transaction *transaction, uint64_t consumer, struct slice streams);

/* Removes the hold rows of a consumer. */
int consumer_hold_end(struct transaction *transaction, uint64_t consumer, struct slice streams);

/* Must be called before a batch moves the position of a range of a consumer's shards, which was set
 * at the time moved_ms of the retention clock. hold_ms: limit of the consumer's hold, 0 if it has
 * none. If its hold may have been released, hides the expired records of its streams and sets
 * *has_written. */
int consumer_hold_revive(struct transaction *transaction, uint64_t consumer, uint64_t hold_ms,
	uint64_t moved_ms, bool *has_written);

#endif
