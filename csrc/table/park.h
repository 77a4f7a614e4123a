/* park.h - parked records of consumers in a write transaction.
 *
 * A record that its consumer gave up is copied to the consumer's rows, and so is each later record
 * of its key when it is read. A command marks records, so that they are delivered again, or removes
 * them, and increases the consumer's parked version, which the commit of a batch compares
 * (consume_advance): the set of parked keys that a worker has cached may be stale if its version is
 * older. What a worker changes does not increase it: only this worker handles these keys.
 *
 * A consumer with by = "transaction" parks whole transactions (stream/parked_transaction.h). Then
 * the functions for a parked record apply to its transaction, except park_handled, which is called
 * for each record.
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

/* The transaction with which a record is parked. */
struct park_group {
	uint64_t transaction;        /* id; 0: none, the record is parked because of its key */
	uint64_t more;               /* number of its records that will be parked after this one */
};

/* Parks a record, and sets copy->parked_ms. If the newest parked record of its key is marked, this
 * one is marked, too; a transaction is marked as park_inherit_mark says, after its last record. A
 * record that is parked already stays as it is: the item of a snapshot has the sequence number of
 * its last change, which may be parked. If that is between those of a parked transaction, the item
 * becomes a record of this one. Returns FULL; or PARKED_FULL, and nothing was changed, if the
 * consumer has reached a limit, or would exceed that of records with the first of a group. */
int park_record(struct transaction *transaction, const struct parked_place *place,
	struct parked_copy *copy, const struct park_group *group,
	const struct park_limits *limits, struct failure *failure);

/* Verifies, in the transaction of a batch of parked records, that the worker is the owner and that
 * the parked version is the one with which it read them. Returns LEASE_LOST, PARKED_CHANGED. */
int park_verify(struct transaction *transaction, struct shard_range range, uint64_t version,
	struct failure *failure);

/* Removes a parked record that was handled. */
int park_handled(struct transaction *transaction, const struct parked_place *place,
	struct failure *failure);

/* Keeps a record that was delivered again and has failed: increases its attempts, replaces its
 * error, and removes the marks of its key. Of a transaction, all records are kept so, and the marks
 * of all that must be delivered after it are removed, too. */
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
	uint64_t limit;              /* maximum number of records, or of transactions */
	struct parked_place from;    /* continues after this place; of transactions only the
	                              * sequence number, which is that of their ids, is used */
	bool is_done;                /* false: a step has reached its limit, and more follow */
	uint64_t count;              /* records or transactions marked or removed so far, of all
	                              * steps */
};

/* These functions do a step of a command: they mark records that are not marked yet, or remove
 * records. A transaction is in the scope if one of its records is. Before it, the transactions are
 * marked that must be delivered before it. Both functions notify the workers. */
int park_replay(struct transaction *transaction, struct park_command *command,
	struct failure *failure);
int park_discard(struct transaction *transaction, struct park_command *command,
	struct failure *failure);

/* Counts the parked records after a sequence number, and if `removes` is true, removes them if they
 * fit in a step. If they don't, removes those of a step and sets *is_done to false. A transaction
 * is counted and removed as one unit. */
int park_after(struct transaction *transaction, uint64_t id, uint64_t sequence, bool removes,
	uint64_t *count, bool *is_done, struct failure *failure);

#endif
