/* rows.h - iterates over the readable rows of a tree. */
#ifndef CHECK_ROWS_H
#define CHECK_ROWS_H

#include "check/checker.h"

/* Returns true if a loop over a raw cursor must continue after a move with the result *err. This
 * is the case after 0, and after CORRUPT, because the cursor has then skipped the unreadable row
 * or page. If CORRUPT repeats more often than the file has rows, marks the tree as abandoned and
 * sets *err to END. */
bool check_continues(struct check *check, int tree, int *err);

/* Calls `take` for each readable row of a tree, in key order, until take returns a value other
 * than 0. Sets *unread (may be NULL) to true if unreadable rows were skipped. Returns 0, or the
 * negative error of take or of the cursor. */
typedef int take_row_of(struct check *check, enum tree tree, struct slice key,
	struct slice value);
int check_each_row(struct check *check, enum tree tree, take_row_of *take, bool *unread);

#endif
