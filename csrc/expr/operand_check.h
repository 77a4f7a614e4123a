/* operand_check.h - checks the operands of a bound expression: their number, types and
 * distinctness. The checks need values but no item.
 */
#ifndef EXPR_OPERAND_CHECK_H
#define EXPR_OPERAND_CHECK_H

#include "expr/binding.h"

/* Checks the operands of one test of a condition whose names and values are bound. The nodes of
 * the test begin at index `nodes`. */
int check_test(const struct binding *binding, const struct expr_test *test, unsigned nodes,
	struct failure *failure);

/* Checks the operands of ADD and DELETE, then the functions and sums of SET. */
int check_update(const struct binding *binding, struct failure *failure);

/* Returns true if two paths are equal after their placeholders have been replaced by names. */
bool paths_equal(const struct binding *binding, const struct expr_path *a,
	const struct expr_path *b);

/* A path in the form of DynamoDB's messages: [a, [0], b]. */
struct path_text {
	char text[160];
};

struct path_text path_text_of(const struct binding *binding, const struct expr_path *path);

#endif
