/* consumers.h - checks of consumers and of the progress of their shards. */
#ifndef CHECK_CONSUMERS_H
#define CHECK_CONSUMERS_H

#include "check/checker.h"

/* Decodes a row of a consumer with a valid key. Returns 0, also for other rows, or CORRUPT. */
int check_consumer_row(struct slice key, struct slice payload);

/* Checks the rows of consumers: invariants 40, 48 and 50. Returns 0, NO_MEMORY, STORE. */
int check_consumers(struct check *check);

#endif
