/* parked_transaction.h - checks parked transactions: invariants 58 and 59. */
#ifndef CHECK_PARKED_TRANSACTION_H
#define CHECK_PARKED_TRANSACTION_H

#include "check/checker.h"

/* Counts a parked record of a consumer. */
int check_parked_member_expected(struct check *check, uint64_t consumer);

/* Checks that a mark of a record (CONSUMER_REPLAY) does not belong to a consumer with parked
 * transactions. */
int check_mark_of_record(struct check *check, uint64_t consumer);

/* Checks a row with the kind CONSUMER_MEMBER or CONSUMER_REPLAY_TRANSACTION, and counts it. The
 * rows of parked records have been read. */
int check_parked_transaction_row(struct check *check, struct slice key, struct slice payload);

/* Compares the counts of a consumer, after all rows have been read. The consumer is the subject. */
void check_parked_transaction_counts(struct check *check, uint64_t consumer);

#endif
