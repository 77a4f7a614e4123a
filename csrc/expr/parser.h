/* parser.h - makes a struct expression of its text.
 *
 * An operator-precedence parser with an explicit stack (no recursion). Its depth is at most
 * the number of tokens, so any bytes are parsed or refused in bounded memory. The grammar is
 * in doc/expressions.md.
 */
#ifndef EXPR_PARSER_H
#define EXPR_PARSER_H

#include "base/error.h"
#include "expr/tree.h"

/* Parses text. Sets *expression, which the caller owns a reference to. VALIDATION with
 * DynamoDB's message, checked in this order: size, emptiness, syntax, number of operators,
 * redundant parentheses, function names, functions in the wrong place, reserved words,
 * repeated sections, depth and indexes of paths (an update has reserved words before
 * functions). NO_MEMORY. */
int expression_parse(struct expression **expression, enum expression_kind kind,
	struct slice text, struct failure *failure);

/* Drops a reference; the last one frees the memory. NULL is fine. */
void expression_release(struct expression *expression);

static inline struct expression *expression_share(struct expression *expression)
{
	expression->references++;
	return expression;
}

#endif
