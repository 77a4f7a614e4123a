/* update_value.h - computes the values that the actions of an update assign. */
#ifndef EXPR_UPDATE_VALUE_H
#define EXPR_UPDATE_VALUE_H

#include "expr/update.h"

/* Computes the result of every action from the old item. Errors are those of update_apply. */
int update_compute(struct update *update, const struct binding *binding, struct slice old,
	struct failure *failure);

#endif
