/* fault.h - what is wrong with an expression besides its syntax.
 *
 * DynamoDB reports one fault, by rank and not by place in the text: the parser
 * collects the first of each rank, in one pass.
 */
#ifndef EXPR_FAULT_H
#define EXPR_FAULT_H

#include "base/error.h"
#include "expr/tree.h"

enum fault {
	FAULT_OPERATORS,             /* too many */
	FAULT_PARENTHESES,
	FAULT_RESERVED_UPDATE,       /* reserved word in an update */
	FAULT_UNKNOWN_FUNCTION,
	FAULT_FUNCTION_KIND,         /* a function of updates in a condition, or the reverse */
	FAULT_FUNCTION_USE,
	FAULT_SECTION,               /* a section of an update repeated */
	FAULT_RESERVED,
	FAULT_DEPTH,
	FAULT_INDEX,
	FAULT_COUNT,
};

struct faults {
	bool found[FAULT_COUNT];
	struct slice text[FAULT_COUNT];      /* the word, or the index */
	unsigned number[FAULT_COUNT];
};

/* Notes a fault, unless one of its kind was found before. */
void fault_note(struct faults *faults, enum fault fault, struct slice text, unsigned number);

/* Fails with the message of the first fault in the order above; 0 if there is none. */
int faults_report(const struct faults *faults, enum expression_kind kind,
	struct failure *failure);

#endif
