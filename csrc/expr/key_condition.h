/* key_condition.h - a key condition as what a query needs: a partition key and a comparison of
 * the sort key.
 */
#ifndef EXPR_KEY_CONDITION_H
#define EXPR_KEY_CONDITION_H

#include "expr/binding.h"

/* Values are borrowed from the binding's. */
struct key_condition {
	struct value partition;
	enum comparison comparison;
	struct value a, b;               /* b: the upper bound of BETWEEN */
};

/* The checks that need no table, in the order of the text: only AND and the comparisons
 * above, one top-level attribute in each. VALIDATION. */
int key_condition_check(const struct binding *binding, struct failure *failure);

/* Matches a checked condition with the table's key: VALIDATION, KEY_EMPTY. */
int key_condition_match(struct key_condition *condition, const struct binding *binding,
	const struct key_schema *schema, struct failure *failure);

#endif
