/* update.h - applies an update expression to the bytes of an item. */
#ifndef EXPR_UPDATE_H
#define EXPR_UPDATE_H

#include "expr/binding.h"

/* The result of an action. */
struct update_result {
	struct value value;              /* the new one; type 0: none */
	struct number buf;              /* of a number that was computed */
	bool is_built;                   /* value.bytes are in `built`, from built_at */
	size_t built_at;
};

/* A zeroed one is valid. It is meant to be used again: its memory stays. */
struct update {
	struct update_result *results;   /* by action */
	size_t cap;
	struct buffer built;             /* lists and sets that were computed */
	struct buffer out;
};

/* Applies an update to the item `old`; no bytes: it does not exist, and what is made has the
 * attributes of `key`, a map body. All operands read the old item. Sets *item to the new
 * item, canonical bytes that are good until the next use of update; no bytes: there is no
 * item and the update makes none (it only removes). `old` and `key` are not the last result of
 * the same update.
 *
 * VALIDATION with DynamoDB's message, the codes of numbers (NUMBER_OVERFLOW also for more
 * than 38 digits, as DynamoDB), TOO_DEEP, ITEM_TOO_BIG, CORRUPT, NO_MEMORY. */
int update_apply(struct update *update, const struct binding *binding, struct slice old,
	struct slice key, struct slice *item, struct failure *failure);

void update_release(struct update *update);

#endif
