/* kind.h - the kinds of expressions. */
#ifndef EXPR_KIND_H
#define EXPR_KIND_H

enum expression_kind {
	EXPRESSION_UPDATE, EXPRESSION_CONDITION, EXPRESSION_KEY_CONDITION, EXPRESSION_FILTER,
	EXPRESSION_PROJECTION,
};
#define EXPRESSION_KINDS 5

#endif
