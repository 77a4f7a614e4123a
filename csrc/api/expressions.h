/* expressions.h - the expressions of one request, with their parameters: parsed and bound. */
#ifndef API_EXPRESSIONS_H
#define API_EXPRESSIONS_H

#include "expr/expression.h"
#include "tide.h"

/* A copy of the caller's parameters. While parameters are added, the slices contain offsets in
 * `bytes` instead of addresses, because the memory of `bytes` may move. */
struct copied_parameters {
	struct buffer bytes;
	struct parameter_name *names;
	size_t name_count, name_cap;
	struct parameter_value *values;
	size_t value_count, value_cap;
	struct value *positions;
	size_t position_count, position_cap;
	bool has_names, has_values;  /* the caller gave names or values, perhaps without entries */
};

struct tide_expressions {
	struct expression_cache *cache;      /* parsed expressions of the handle */
	struct copied_parameters copied;
	struct parameters parameters;
	struct request request;
	struct expression *parsed[EXPRESSION_KINDS]; /* by kind; NULL: not given */
	struct binding bindings[EXPRESSION_KINDS];
	struct update update;
};

/* Returns the bound expression of this kind, NULL if there is none; expressions may be NULL. */
static inline struct binding *expression_of(struct tide_expressions *expressions,
	enum expression_kind kind)
{
	return expressions && expressions->parsed[kind] ? &expressions->bindings[kind] : NULL;
}

#endif
