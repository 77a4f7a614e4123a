/* check.h - verifies the numbered invariants (doc/invariants.md) on every row of a file. */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

#include <stdbool.h>

#include "check/report.h"
#include "lmdb/store.h"
#include "os/thread.h"

/* Checks the last commit of an open store and fills *report. Other processes may write at the same
 * time, because an LMDB reader keeps the snapshot. Any thread may call this function. progress may
 * be NULL. Returns 0, READERS_FULL, NO_MEMORY, STORE or INTERRUPTED. */
int check_store(struct store *store, struct report *report, struct progress *progress,
	struct failure *failure);

/* Checks a file that no process writes to. Locks nothing and creates no file. Sets *moved to true
 * if a process has written to the file during the check, because the report is then meaningless.
 * Returns the errors of tide_check_file. */
int check_still(const char *path, struct report *report, struct progress *progress,
	bool *moved, struct failure *failure);

#endif
