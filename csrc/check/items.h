/* items.h - checks items and the nodes and parts that belong to them. */
#ifndef CHECK_ITEMS_H
#define CHECK_ITEMS_H

#include "check/checker.h"

/* Checks all items and adds their problems to the report. Returns 0, NO_MEMORY, STORE or
 * INTERRUPTED. */
int check_items(struct check *check);

#endif
