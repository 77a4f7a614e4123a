/* sweep.h - clearing away, in small steps: expired records, deleted tables.
 *
 * Writers do a little with every commit; trim does it until nothing is left.
 * A step is bounded, so that no commit stalls and the list of free pages stays
 * short.
 */
#ifndef TABLE_SWEEP_H
#define TABLE_SWEEP_H

#include "table/transaction.h"

/* A writer looks at another stream than its own every so many commits. */
#define SWEEP_TURN 64
#define SWEEP_ROWS 256

/* The streams of this commit when they are due, and by turns one other. */
int sweep_a_little(struct transaction *transaction);

/* One step of everything: what went is added to *records and, of deleted tables, to
 * *rows; *more says that another step would find something. CORRUPT when nothing is
 * left but what is damaged, and perhaps what lies behind it. */
int sweep_step(struct transaction *transaction, uint64_t *records, uint64_t *rows, bool *more);

#endif
