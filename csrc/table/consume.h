/* consume.h - consumers in a write transaction: creation, ownership and progress.
 *
 * A consumer has a position in the records of a stream or of all streams. Only its owner moves it,
 * with a batch: consume_advance verifies in the transaction of the batch's effects that the worker
 * still is the owner and that the batch begins at the position. So of two workers that both believe
 * to be the owner, one commits, and the other gets LEASE_LOST. Whether an owner is alive is for the
 * caller to decide.
 *
 * Functions that take a name return NOT_FOUND if no consumer has it. All functions can return
 * CORRUPT, NO_MEMORY and STORE.
 */
#ifndef TABLE_CONSUME_H
#define TABLE_CONSUME_H

#include "stream/consumer.h"
#include "table/transaction.h"

struct consume_spec {
	struct slice name;
	struct slice streams;        /* ids (u32), ascending; empty: all streams */
	struct position from;
	uint16_t shards;             /* 1 to CONSUMER_SHARDS_MAX */
	struct slice settings;       /* a map */
	uint64_t hold_ms;            /* time for which records may wait before its hold ends; 0:
	                              * it holds no records */
};

/* Creates a consumer and sets *id. Errors: IN_USE, VALIDATION (its name, the number of shards),
 * AHEAD, NOT_FOUND (no such stream), LIMIT (the settings don't fit in a row). */
int consume_create(struct transaction *transaction, const struct consume_spec *spec, uint64_t *id,
	struct failure *failure);

/* Removes a consumer. */
int consume_delete(struct transaction *transaction, struct slice name, struct failure *failure);

int consume_pause(struct transaction *transaction, struct slice name, bool is_paused,
	struct failure *failure);

/* Replaces the settings and the limit of the hold. Returns LIMIT if they don't fit in a row. */
int consume_set(struct transaction *transaction, struct slice name, struct slice settings,
	uint64_t hold_ms, struct failure *failure);

/* Sets the position and increases the epoch: a batch in hand can't commit. Returns AHEAD. */
int consume_move(struct transaction *transaction, struct slice name, struct position to,
	struct failure *failure);

/* Makes a worker the owner and increases the epoch, if the consumer still has the epoch `seen`.
 * Sets *row to the new progress. Returns CONSUMER_GONE or LEASE_LOST. */
int consume_join(struct transaction *transaction, uint64_t id, uint64_t seen,
	const struct shard_owner *owner, struct progress_row *row, struct failure *failure);

/* Makes the consumer have no owner. Returns CONSUMER_GONE or LEASE_LOST. */
int consume_leave(struct transaction *transaction, uint64_t id, uint64_t epoch,
	struct failure *failure);

/* Moves the position after a batch. Returns CONSUMER_GONE; LEASE_LOST if the epoch or the position
 * is another one. */
int consume_advance(struct transaction *transaction, const struct consume_batch *batch,
	struct failure *failure);

/* Counts a failed attempt of the batch, which begins at batch->from, and limits the size of the
 * next batches (0: no limit). Returns the errors of consume_advance. */
int consume_fail(struct transaction *transaction, const struct consume_batch *batch,
	uint32_t largest_batch, struct failure *failure);

/* Stores the error that ended the worker's run: its code, a blank and its message, of which
 * CONSUMER_END_MAX bytes are kept. Returns CONSUMER_GONE or LEASE_LOST. */
int consume_end(struct transaction *transaction, uint64_t id, uint64_t epoch, struct slice end,
	struct failure *failure);

#endif
