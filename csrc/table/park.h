/* park.h - parked records of consumers in a write transaction.
 *
 * A record that its consumer gave up is copied to the consumer's rows, and so is each later record
 * of its key when it is read. A command marks records, so that they are delivered again, or removes
 * them, and increases the consumer's parked version, which the commit of a batch compares
 * (consume_advance): the set of parked keys that a worker has cached may be stale if its version is
 * older. What a worker changes does not increase it: only this worker handles these keys.
 *
 * All functions can return CORRUPT, NO_MEMORY, STORE and, if they take an id, CONSUMER_GONE.
 */
#ifndef TABLE_PARK_H
#define TABLE_PARK_H

#include "codec/consumer.h"
#include "stream/parked.h"
#include "table/transaction.h"

/* Limits of a step of a command, which is a transaction. */
#define PARK_STEP_RECORDS 1000
#define PARK_STEP_BYTES (UINT64_C(4) << 20)

/* Maximum number of records that a consumer may have parked, and of their bytes. */
struct park_limits {
	uint64_t records;
	uint64_t bytes;
};

/* Parks a record, and sets copy->parked_ms. If the newest parked record of its key is marked, this
 * one is marked, too. A record that is parked already stays as it is: the item of a snapshot has
 * the sequence number of its last change, which may be parked. Returns FULL; or PARKED_FULL, and
 * nothing was changed, if the consumer has reached a limit. */
int park_record(struct transaction *transaction, const struct parked_place *place,
	struct parked_copy *copy, const struct park_limits *limits, struct failure *failure);

/* Verifies, in the transaction of a batch of parked records, that the worker is the owner and that
 * the parked version is the one with which it read them. Returns LEASE_LOST, PARKED_CHANGED. */
int park_verify(struct transaction *transaction, struct shard_range range, uint64_t version,
	struct failure *failure);

/* Removes a parked record that was handled. */
int park_handled(struct transaction *transaction, const struct parked_place *place,
	struct failure *failure);

/* Keeps a record that was delivered again and has failed: increases its attempts, replaces its
 * error, and removes the marks of its key. */
int park_failed(struct transaction *transaction, const struct parked_place *place,
	struct slice error, struct failure *failure);

/* The same for the record with this sequence number, after its worker died in the handler. Sets
 * *found to false, and does nothing, if no such record is to be delivered again. */
int park_died(struct transaction *transaction, uint64_t id, uint64_t sequence, bool *found,
	struct failure *failure);

/* Counts a record that was given up and is not parked. */
int park_dead_letter(struct transaction *transaction, uint64_t id, struct failure *failure);

/* A command for some parked records. */
struct park_command {
	uint64_t consumer;
	struct parked_scope scope;
	uint64_t limit;              /* maximum number of records */
	struct parked_place from;    /* continues after this place */
	bool is_done;                /* false: a step has reached its limit, and more follow */
	uint64_t count;              /* records marked or removed so far, of all steps */
};

/* These functions do a step of a command: they mark records that are not marked yet, or remove
 * records. Both notify the workers. */
int park_replay(struct transaction *transaction, struct park_command *command,
	struct failure *failure);
int park_discard(struct transaction *transaction, struct park_command *command,
	struct failure *failure);

/* Counts the parked records after a sequence number, and if `removes` is true, removes them if they
 * fit in a step. If they don't, removes those of a step and sets *is_done to false. */
int park_after(struct transaction *transaction, uint64_t id, uint64_t sequence, bool removes,
	uint64_t *count, bool *is_done, struct failure *failure);

#endif
