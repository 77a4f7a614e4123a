/* update.h - applies an update expression to the bytes of an item. */
#ifndef EXPR_UPDATE_H
#define EXPR_UPDATE_H

#include "expr/binding.h"

/* Result of an action of an update. */
struct update_result {
	struct value value;              /* new value; type 0 if none */
	struct number buf;               /* storage of a computed number */
	bool is_built;                   /* true if value.bytes are in `built` at built_at */
	size_t built_at;
};

/* A zeroed update is valid. It can be applied any number of times and keeps its memory. */
struct update {
	struct update_result *results;   /* by index of the action */
	size_t cap;
	struct buffer built;             /* computed lists and sets */
	struct buffer out;
};

/* Applies an update to the item `old`. If `old` is empty, the item does not exist, and the update
 * creates an item with the attributes of `key`, a map body. All operands are read from the old
 * item. Sets *item to the canonical bytes of the new item, which are valid until the next use of
 * `update`. Sets *item to an empty slice if the item does not exist and the update only removes
 * attributes. `old` and `key` must not be the result of the same update.
 *
 * Errors: VALIDATION with DynamoDB's message, the codes of numbers (NUMBER_OVERFLOW also for
 * more than 38 digits, like DynamoDB), TOO_DEEP, ITEM_TOO_BIG, CORRUPT, NO_MEMORY. */
int update_apply(struct update *update, const struct binding *binding, struct slice old,
	struct slice key, struct slice *item, struct failure *failure);

void update_release(struct update *update);

#endif
