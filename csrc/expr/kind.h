/* kind.h - the kinds of expressions. */
#ifndef EXPR_KIND_H
#define EXPR_KIND_H

enum expression_kind {
	EXPRESSION_UPDATE, EXPRESSION_CONDITION, EXPRESSION_KEY_CONDITION, EXPRESSION_FILTER,
	EXPRESSION_PROJECTION,
	EXPRESSION_RECORD_FILTER,    /* a filter of stream records: no word is reserved */
};
#define EXPRESSION_KINDS 6

#endif
