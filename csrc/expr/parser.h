/* parser.h - parses the text of an expression.
 *
 * The parser is an operator-precedence parser with an explicit stack and without recursion. The
 * depth of the stack is at most the number of tokens, so memory is bounded for any input. The
 * grammar is in doc/expressions.md.
 */
#ifndef EXPR_PARSER_H
#define EXPR_PARSER_H

#include "base/error.h"
#include "expr/tree.h"

/* Parses text and sets *expression, to which the caller owns a reference. Errors: NO_MEMORY,
 * VALIDATION with DynamoDB's message. The parser makes its checks in this order: size, emptiness,
 * syntax, number of operators, redundant parentheses, function names, functions in the wrong
 * place, reserved words, repeated sections, depth and indexes of paths. In an update, reserved
 * words are checked before function names. In a filter of records, no word is reserved. */
int expression_parse(struct expression **expression, enum expression_kind kind,
	struct slice text, struct failure *failure);

/* Releases a reference to an expression, which may be NULL. The expression is freed with its last
 * reference. */
void expression_release(struct expression *expression);

static inline struct expression *expression_share(struct expression *expression)
{
	expression->references++;
	return expression;
}

#endif
