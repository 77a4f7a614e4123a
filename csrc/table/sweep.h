/* sweep.h - removes expired items and records, and the items of deleted tables, in small steps.
 *
 * Each commit does a small step; db:sweep does steps until nothing is left. A step is bounded, so
 * that no commit takes long and LMDB's list of free pages stays short.
 */
#ifndef TABLE_SWEEP_H
#define TABLE_SWEEP_H

#include "table/transaction.h"

/* Every SWEEP_TURN commits a writer also sweeps a stream that it has not written to. */
#define SWEEP_TURN 64
#define SWEEP_ROWS 256               /* number of removed rows at which a step ends */
#define SWEEP_INDEXED 16             /* number of items that a commit enters in a new index */

struct swept {
	uint64_t items;              /* expired items removed */
	uint64_t records;            /* expired records of items removed */
	uint64_t rows;               /* rows of deleted tables and of indexes removed, or indexed;
	                              * records of changes of tables removed */
};

/* Does the step of a commit: removes expired items (expire.h), trims the streams that records
 * were appended to, if a trim is worthwhile, continues an index in progress, and every
 * SWEEP_TURN commits a deleted table or one other stream. Skips damaged rows. */
int sweep_a_little(struct transaction *transaction);

/* Does one step of db:sweep. Adds what it removed to *swept, and sets *more if another step may
 * remove something. Returns CORRUPT if only damaged rows, and rows after them, are left. */
int sweep_step(struct transaction *transaction, struct swept *swept, bool *more);

#endif
