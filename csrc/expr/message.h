/* message.h - error messages about expressions. */
#ifndef EXPR_MESSAGE_H
#define EXPR_MESSAGE_H

#include "base/error.h"
#include "expr/tree.h"

/* Fails with VALIDATION. The message is "Invalid KINDExpression: ", followed by the formatted
 * text. Returns ERR_VALIDATION. */
int expression_fail(struct failure *failure, enum expression_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define QUOTE_BYTES 160

struct quote {
	char text[QUOTE_BYTES + 1];
};

/* Returns a text in a form that can be part of a message. It has at most QUOTE_BYTES bytes, with
 * '?' in place of NUL and of bytes that are not UTF-8. */
struct quote quote_of(struct slice text);

#endif
