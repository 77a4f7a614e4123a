/* items.h - items, and the nodes and parts that they need. */
#ifndef CHECK_ITEMS_H
#define CHECK_ITEMS_H

#include "check/checker.h"

/* 0, NO_MEMORY or STORE. */
int check_items(struct check *check);

#endif
