/* consume.h - consumers in a write transaction: creation, ownership and progress.
 *
 * A consumer has a position in the records of a stream or of all streams. Only its owner moves it,
 * with a batch: consume_advance verifies in the transaction of the batch's effects that the worker
 * still is the owner and that the batch begins at the position. So if two workers run as the owner,
 * one commits, and the other gets LEASE_LOST. The caller decides whether an owner is alive.
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
	uint64_t hold_ms;            /* time for which records may wait before its hold ends; 0:
	                              * it holds no records */
};

/* Creates a consumer and sets *id. Errors: IN_USE, VALIDATION (name, streams, number of shards),
 * AHEAD, NOT_FOUND (no such stream), LIMIT (the settings don't fit in a row). */
int consume_create(struct transaction *transaction, const struct consume_spec *spec, uint64_t *id,
	struct failure *failure);

/* Removes a consumer. Returns PARKED if it has parked records and `discards` is false. Otherwise
 * removes them, too; if they are more than a step of park.h, removes those of a step and sets
 * *is_done to false, and the caller calls it again in another transaction. */
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
 * it is copying, the copy starts again. Sets *is_done to false, and does nothing, if other ranges
 * of its shards have not processed the records of the former streams. Returns VALIDATION (the ids),
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

/* The consumer with this name continues after records that expired before a worker read them, and
 * counts the gap: at the oldest record of each stream or, if `copies` or the consumer is copying,
 * with a new snapshot. This holds for all its shards. Does nothing if no records are lost.
 * Returns CONSUMER_GONE, LEASE_LOST; TRIMMED if CONSUMER_ROUNDS_MAX copies have begun and none has
 * ended. */
int consume_skip_gap(struct transaction *transaction, struct slice name, struct shard_range range,
	bool copies, struct progress_row *row, struct failure *failure);

/* Makes a worker the owner of a range and increases its epoch, if it still has the epoch seen.
 * death: the batch in whose handler the former owner died. If there is one, limits the next batches
 * to half its records until its last record is processed, and counts a failed attempt of a batch of
 * one record. Sets *row to the new progress. Returns CONSUMER_GONE or LEASE_LOST. */
int consume_join(struct transaction *transaction, struct shard_range range,
	const struct shard_owner *owner, const struct handler_batch *death,
	struct progress_row *row, struct failure *failure);

/* Removes the owner of a range. Returns CONSUMER_GONE or LEASE_LOST. */
int consume_leave(struct transaction *transaction, struct shard_range range,
	struct failure *failure);

/* Moves the position after a batch, and the copy of a consumer that is copying. If its records were
 * ignored, counts no batch, and keeps the failed attempts of the next one. Returns CONSUMER_GONE;
 * LEASE_LOST if the epoch, the position or the state of the copy has changed; PARKED_CHANGED if the
 * parked version has changed and the records were not ignored. */
int consume_advance(struct transaction *transaction, const struct consume_batch *batch,
	struct failure *failure);

/* Counts a failed attempt of the batch, which begins at batch->from, and limits the size of the
 * next batches until batch->to is passed (0: no limit). A lower limit that was set before remains.
 * Returns the errors of consume_advance, but not PARKED_CHANGED. */
int consume_fail(struct transaction *transaction, const struct consume_batch *batch,
	uint32_t largest_batch, struct failure *failure);

/* Stores the error that ended the worker's run: its code, a blank and its message, of which
 * CONSUMER_END_MAX bytes are kept. Returns CONSUMER_GONE or LEASE_LOST. */
int consume_end(struct transaction *transaction, struct shard_range range, struct slice end,
	struct failure *failure);

#endif
