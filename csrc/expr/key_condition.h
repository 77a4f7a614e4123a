/* key_condition.h - converts a key condition to a partition key and a comparison of the sort
 * key.
 */
#ifndef EXPR_KEY_CONDITION_H
#define EXPR_KEY_CONDITION_H

#include "expr/binding.h"

/* A key condition as the bounds of a query. Its values are borrowed from the binding. */
struct key_condition {
	struct value partition;
	enum comparison comparison;
	struct value a, b;               /* operands of the comparison; b for BETWEEN only */
};

/* Checks a key condition without its table, in the order of the text. Returns VALIDATION unless it
 * consists of comparisons of enum comparison, each with one top-level attribute, that are joined
 * by AND. */
int key_condition_check(const struct binding *binding, struct failure *failure);

/* Matches a checked key condition with the table's key. Errors: VALIDATION, KEY_EMPTY. */
int key_condition_match(struct key_condition *condition, const struct binding *binding,
	const struct key_schema *schema, struct failure *failure);

#endif
