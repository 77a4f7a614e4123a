/* update_value.h - what the actions of an update compute from the old item. */
#ifndef EXPR_UPDATE_VALUE_H
#define EXPR_UPDATE_VALUE_H

#include "expr/update.h"

/* Computes the result of every action. Errors as update_apply. */
int update_compute(struct update *update, const struct binding *binding, struct slice old,
	struct failure *failure);

#endif
