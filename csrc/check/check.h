/* check.h - the numbered invariants, proved on every row of a file. */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

#include <stdbool.h>

#include "check/report.h"
#include "lmdb/store.h"
#include "os/thread.h"

/* Checks the last commit of an open store, while others may write: a reader of LMDB's keeps the
 * snapshot. Any thread may call it. READERS_FULL, NO_MEMORY, STORE. */
int check_store(struct store *store, struct report *report, struct progress *progress,
	struct failure *failure);

/* Checks a file that nobody writes to. Nothing is locked or created. *moved becomes true if
 * others have written meanwhile: then the result says nothing. Errors as tide_check_file. */
int check_still(const char *path, struct report *report, struct progress *progress,
	bool *moved, struct failure *failure);

#endif
