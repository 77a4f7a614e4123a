/* rows.h - the rows of a tree, as far as they can be read. */
#ifndef CHECK_ROWS_H
#define CHECK_ROWS_H

#include "check/checker.h"

/* What a cursor answered: is there more to come? Of rows and pages that can't be
 * read it says CORRUPT and goes on behind them, at most so often in a row as the
 * file has places for it; then it is told, and END made of it. */
bool check_goes_on(struct check *check, int tree, int *err);

/* Hands over the rows of a tree that can be read, in order, until take returns other
 * than 0. *unread (NULL is fine) becomes true when there were others. 0, or what was
 * negative. */
typedef int take_row_of(struct check *check, enum tree tree, struct slice key,
	struct slice value);
int check_each_row(struct check *check, enum tree tree, take_row_of *take, bool *unread);

#endif
