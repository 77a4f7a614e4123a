/* replicas.h - checks replicas: invariants 65 to 67. */
#ifndef CHECK_REPLICAS_H
#define CHECK_REPLICAS_H

#include "check/checker.h"

/* Decodes a row of replicas. Returns 0 or CORRUPT. */
int check_replica_row(struct slice key, struct slice payload);

/* Checks that the rows of replicas, and the tables that belong to them, match. */
int check_replicas(struct check *check);

#endif
