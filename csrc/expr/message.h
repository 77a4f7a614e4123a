/* message.h - error messages about expressions, in DynamoDB's words. */
#ifndef EXPR_MESSAGE_H
#define EXPR_MESSAGE_H

#include "base/error.h"
#include "expr/tree.h"

/* Fails with VALIDATION and the message "Invalid KindExpression: ", then the formatted
 * text. Returns ERR_VALIDATION. */
int expression_fail(struct failure *failure, enum expression_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A text of any bytes, made fit for a message: at most QUOTE_BYTES of it, NUL and what is
 * not UTF-8 as '?'. */
#define QUOTE_BYTES 160

struct quote {
	char text[QUOTE_BYTES + 1];
};

struct quote quote_of(struct slice text);

#endif
