/* parked_transaction.h - the rows of parked transactions in a transaction (codec/parked.h).
 *
 * The records of a parked transaction are its members. The sequence numbers of two parked
 * transactions of a consumer do not overlap.
 */
#ifndef STREAM_PARKED_TRANSACTION_H
#define STREAM_PARKED_TRANSACTION_H

#include "codec/parked.h"
#include "lmdb/txn.h"
#include "stream/parked.h"

/* Adds a record to the members of a transaction. Its copy is written by parked_write. */
int parked_member_write(struct txn *txn, const struct parked_member *member);

/* Removes a record from the members of a transaction. Returns END if it is none. */
int parked_member_remove(struct txn *txn, const struct parked_member *member);

/* Moves *member to the next member of any parked transaction of its consumer. A member whose other
 * fields are 0 precedes all of them; one with the sequence number UINT64_MAX follows those of its
 * transaction. Returns END after the last one. */
int parked_member_next(struct txn *txn, struct parked_member *member);

/* Moves *member to the next member of its transaction; END after the last one. */
int parked_member_next_of(struct txn *txn, struct parked_member *member);

/* Sets *transaction to the next parked transaction of a consumer after it. Returns END after the
 * last one. */
int parked_transaction_next(struct txn *txn, uint64_t consumer, uint64_t *transaction);

/* Sets *transaction to the next one that has a record in a scope. */
int parked_transaction_next_of(struct txn *txn, struct parked_scope *scope, uint64_t consumer,
	uint64_t *transaction);

/* Sets *transaction to the parked transaction of a consumer in which this sequence number is: not
 * before its id, and not after its last member. Returns END if there is none. */
int parked_transaction_of(struct txn *txn, uint64_t consumer, uint64_t sequence,
	uint64_t *transaction);

/* The first function returns 0 if the transaction is to be delivered again, otherwise END. The last
 * one returns END if it has no mark. */
int parked_transaction_find_mark(struct txn *txn, uint64_t consumer, uint64_t transaction);
int parked_transaction_mark(struct txn *txn, uint64_t consumer, uint64_t transaction);
int parked_transaction_unmark(struct txn *txn, uint64_t consumer, uint64_t transaction);

/* Sets *transaction to the next marked transaction after it. Returns END after the last one. */
int parked_transaction_next_marked(struct txn *txn, uint64_t consumer, uint64_t *transaction);

#endif
