/* consume.h - consumers in a write transaction: creation, ownership and progress.
 *
 * Each range of a consumer's shards has a position in the records of one or more streams. Only the
 * owner of the range moves it, with a batch: consume_advance verifies, in the transaction of the
 * batch's effects, that the range still has the epoch of the worker and that the batch begins at
 * the position. So if two workers both act as the owner, one commits, and the other gets
 * LEASE_LOST. The caller decides whether an owner is alive.
 *
 * Functions that take a name return NOT_FOUND if no consumer has it. All functions can return
 * CORRUPT, NO_MEMORY and STORE.
 */
#ifndef TABLE_CONSUME_H
#define TABLE_CONSUME_H

#include "stream/consumer.h"
#include "table/park.h"
#include "table/transaction.h"

struct consume_spec {
	struct slice name;
	struct slice streams;        /* ids (u32), ascending; empty: all streams */
	struct position from;
	bool copies;                 /* starts with a snapshot; `from` is then the last change */
	uint16_t shards;             /* 1 to CONSUMER_SHARDS_MAX */
	struct slice settings;       /* a map */
	uint64_t hold_ms;            /* maximum time for which records may wait, after which its
	                              * hold is released; 0: no hold */
};

/* Creates a consumer and sets *id. Errors: IN_USE, VALIDATION (name, streams, number of shards),
 * AHEAD, NOT_FOUND (no such stream), LIMIT (the settings don't fit in a row). */
int consume_create(struct transaction *transaction, const struct consume_spec *spec, uint64_t *id,
	struct failure *failure);

/* Removes a consumer and its parked records. Returns PARKED if it has parked records and `discards`
 * is false. If they are more than a step of park.h can remove, removes those of one step and sets
 * *is_done to false; the caller then calls the function again in another transaction. */
int consume_delete(struct transaction *transaction, struct slice name, bool discards,
	bool *is_done, struct failure *failure);

int consume_pause(struct transaction *transaction, struct slice name, bool is_paused,
	struct failure *failure);

/* Replaces the settings and the limit of the hold, and changes the number of shards as
 * consume_reshard does. If `by` changes, increases the epochs, so no batch that was read before can
 * be committed. Returns LIMIT if the settings don't fit in a row; CONSUMER_DIFFERS if `by` or the
 * number of shards changes and the consumer is not paused; PARKED if it has parked records and
 * `by` becomes BY_TRANSACTION. */
int consume_set(struct transaction *transaction, struct slice name,
	const struct consumer_change *change, struct failure *failure);

/* Makes the consumer with this name read other streams (ids, u32, ascending), and counts a gap. If
 * it is copying, the copy starts again. If ranges of other workers have not processed all records
 * of the former streams, does nothing and sets *is_done to false. Returns VALIDATION (the ids),
 * CONSUMER_GONE, LEASE_LOST. */
int consume_renew(struct transaction *transaction, struct slice name, struct shard_range range,
	struct slice streams, bool *is_done, struct failure *failure);

/* A new position. Parked records after it make consume_move return PARKED, or are removed; before a
 * snapshot all of them do, because its items contain their changes. */
struct consume_target {
	struct position position;
	bool discards;
	bool copies;                 /* start with a snapshot; the position is the last change */
};

/* Sets the position and increases the epoch, so the current batch can't be committed. Returns
 * AHEAD, PARKED.
 * *is_done is as for consume_delete. */
int consume_move(struct transaction *transaction, struct slice name,
	const struct consume_target *to, bool *is_done, struct failure *failure);

/* Moves the consumer with this name over records that expired before a worker read them, and counts
 * a gap. All its ranges continue at the oldest record of each stream or, if `copies` is true or the
 * consumer is copying, with a new snapshot. Sets *row to the progress of the range. Does nothing
 * else if no records were lost. Returns CONSUMER_GONE, LEASE_LOST; TRIMMED if CONSUMER_ROUNDS_MAX
 * copies were started and none was completed. */
int consume_skip_gap(struct transaction *transaction, struct slice name, struct shard_range range,
	bool copies, struct progress_row *row, struct failure *failure);

/* Makes a worker the owner of a range and increases the range's epoch, if the range still has the
 * epoch range.epoch. death: the batch in whose handler the former owner died; records is 0 if it
 * did not. After a death, limits the next batches to half the records of that batch until its last
 * record is processed; for a batch of one record, counts a failed attempt. Sets *row to the new
 * progress. Returns CONSUMER_GONE or LEASE_LOST. */
int consume_join(struct transaction *transaction, struct shard_range range,
	const struct shard_owner *owner, const struct handler_batch *death,
	struct progress_row *row, struct failure *failure);

/* Removes the owner of a range. Returns CONSUMER_GONE or LEASE_LOST. */
int consume_leave(struct transaction *transaction, struct shard_range range,
	struct failure *failure);

/* Moves the position after a batch and, if the consumer is copying, updates the copy. If the
 * records of the batch were ignored, counts no batch, and keeps the count of failed attempts.
 * Returns CONSUMER_GONE; LEASE_LOST if the epoch, the position or the state of the copy has
 * changed; PARKED_CHANGED if the parked version has changed and the records were not ignored. */
int consume_advance(struct transaction *transaction, const struct consume_batch *batch,
	struct failure *failure);

/* Counts a failed attempt of the batch, which begins at batch->from, and limits the size of the
 * next batches until batch->to is passed (0: no limit). A lower limit that was set before remains.
 * Returns the errors of consume_advance, but not PARKED_CHANGED. */
int consume_fail(struct transaction *transaction, const struct consume_batch *batch,
	uint32_t largest_batch, struct failure *failure);

/* Stores the error that ended the worker's run: its code, a blank and its message, truncated to
 * CONSUMER_END_MAX bytes. Returns CONSUMER_GONE or LEASE_LOST. */
int consume_end(struct transaction *transaction, struct shard_range range, struct slice end,
	struct failure *failure);

#endif
