/* sweep.h - removes expired records and the items of deleted tables, in small steps.
 *
 * Each commit does a small step; trim does steps until nothing is left. A step is bounded, so
 * that no commit takes long and LMDB's list of free pages stays short.
 */
#ifndef TABLE_SWEEP_H
#define TABLE_SWEEP_H

#include "table/transaction.h"

/* Every SWEEP_TURN commits a writer also sweeps a stream that it has not written to. */
#define SWEEP_TURN 64
#define SWEEP_ROWS 256               /* number of removed rows at which a step ends */

/* Does the step of a commit: trims the streams that it has appended to, if a trim is
 * worthwhile, and every SWEEP_TURN commits a deleted table or one other stream. Skips damaged
 * rows. */
int sweep_a_little(struct transaction *transaction);

/* Does one step of a trim. Adds the number of removed records to *records, of removed rows of
 * deleted tables to *rows, and sets *more if another step may remove something. Returns CORRUPT
 * if only damaged rows, and rows after them, are left. */
int sweep_step(struct transaction *transaction, uint64_t *records, uint64_t *rows, bool *more);

#endif
