/* parked.h - checks parked records: invariant 43. */
#ifndef CHECK_PARKED_H
#define CHECK_PARKED_H

#include "check/checker.h"
#include "codec/consumer.h"

/* Adds what the progress of some shards of a consumer says of parked records. */
int check_parked_progress(struct check *check, uint64_t consumer, const struct progress_row *row);

/* Checks a row with the kind CONSUMER_PARKED or CONSUMER_REPLAY, and counts it. The rows of
 * progress have been read. */
int check_parked_row(struct check *check, struct slice key, struct slice payload);

/* Compares the counts of a consumer, after all rows have been read. The consumer is the subject. */
void check_parked_counts(struct check *check, uint64_t consumer);

#endif
