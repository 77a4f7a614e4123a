/* expiry.h - checks the expiry indexes: invariant 33. */
#ifndef CHECK_EXPIRY_H
#define CHECK_EXPIRY_H

#include "check/checker.h"

/* Checks that an item of a table with time to live has its row, and counts the row. */
int check_expiry_row(struct check *check, const struct table *table, const struct stored *stored,
	struct slice item_key);

/* Checks that the indexes have no other rows. All items must have been checked. */
int check_expiry_indexes(struct check *check);

#endif
