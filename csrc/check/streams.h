/* streams.h - records: along their stream, in their transaction, beside their items. */
#ifndef CHECK_STREAMS_H
#define CHECK_STREAMS_H

#include "check/checker.h"

/* 0, NO_MEMORY or STORE. */
int check_streams(struct check *check);
int check_transactions(struct check *check);

#endif
