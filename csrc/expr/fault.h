/* fault.h - errors in an expression that are not syntax errors.
 *
 * DynamoDB reports only one of them, chosen by the order of enum fault and not by
 * its position in the text. The parser records the first error of each kind.
 */
#ifndef EXPR_FAULT_H
#define EXPR_FAULT_H

#include "base/error.h"
#include "expr/tree.h"

enum fault {
	FAULT_OPERATORS,             /* too many operators */
	FAULT_PARENTHESES,
	FAULT_RESERVED_UPDATE,       /* reserved word in an update */
	FAULT_UNKNOWN_FUNCTION,
	FAULT_FUNCTION_KIND,         /* a function of updates in a condition, or the reverse */
	FAULT_FUNCTION_USE,
	FAULT_SECTION,               /* repeated section of an update */
	FAULT_RESERVED,
	FAULT_DEPTH,
	FAULT_INDEX,
	FAULT_COUNT,
};

struct faults {
	bool found[FAULT_COUNT];
	struct slice text[FAULT_COUNT];      /* the word or the index that the message quotes */
	unsigned number[FAULT_COUNT];
};

/* Records a fault of an expression, unless a fault of this kind is recorded already. */
void fault_note(struct faults *faults, enum fault fault, struct slice text, unsigned number);

/* Fails with the message of the first recorded fault in the order of enum fault. Returns 0 if no
 * fault is recorded. */
int faults_report(const struct faults *faults, enum expression_kind kind,
	struct failure *failure);

#endif
