/* streams.h - checks records: their order in their stream, their transaction, and their items. */
#ifndef CHECK_STREAMS_H
#define CHECK_STREAMS_H

#include "check/checker.h"

/* Both functions add problems of records to the report. They return 0, NO_MEMORY, STORE or
 * INTERRUPTED. check_transactions must be called after check_streams. */
int check_streams(struct check *check);
int check_transactions(struct check *check);

#endif
