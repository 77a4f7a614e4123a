/* operand_check.h - the static checks of operands: their number, their types, and that they
 * are distinct. They need values but no item. */
#ifndef EXPR_OPERAND_CHECK_H
#define EXPR_OPERAND_CHECK_H

#include "expr/binding.h"

/* One test of a condition, whose names and values are bound. Its nodes begin at `nodes`. */
int check_test(const struct binding *binding, const struct expr_test *test, unsigned nodes,
	struct failure *failure);

/* The operands of ADD and DELETE, then the functions and sums of SET. */
int check_update(const struct binding *binding, struct failure *failure);

/* True if two paths are the same, names resolved. */
bool paths_equal(const struct binding *binding, const struct expr_path *a,
	const struct expr_path *b);

/* A path as DynamoDB's messages print it: [a, [0], b]. */
struct path_text {
	char text[160];
};

struct path_text path_text_of(const struct binding *binding, const struct expr_path *path);

#endif
