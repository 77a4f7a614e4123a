/* binding.h - a parsed expression with the names and values of one request.
 *
 * The binder resolves placeholders and makes every check that needs neither item nor table, so
 * an invalid request is refused before anything is read. A binding is then evaluated against
 * any number of items, without allocating memory.
 */
#ifndef EXPR_BINDING_H
#define EXPR_BINDING_H

#include "base/error.h"
#include "codec/key.h"
#include "codec/value.h"
#include "expr/request.h"
#include "expr/tree.h"

/* A zeroed one is valid. It is meant to be used again: its memory stays. */
struct binding {
	struct expression *expression;   /* a reference; NULL: nothing is bound */
	struct slice *names;             /* by step: the attribute's name */
	struct value *values;            /* by value */
	/* of conditions: the attributes they read, ascending by name */
	uint16_t *path_top;              /* by path: its attribute in `tops` */
	struct slice *tops;
	unsigned top_count;
	/* while an item is evaluated: one walk over its attributes finds them all */
	struct value *found;             /* by top; type 0: missing */
	unsigned found_count;            /* how many are known */
	struct map_walk walk;
	struct slice walk_name;          /* the attribute that the walk is on */
	struct value walk_value;
	/* of updates and projections: their targets, ascending by path */
	uint32_t *order;                 /* actions of an update, paths of a projection */
	unsigned order_count;
	void *memory;
	size_t cap;
};

/* Binds an expression to a request: the expressions of a request in the order update,
 * condition, key condition, filter, projection. The names and values that parameters lend
 * stay in use. VALIDATION with DynamoDB's message, NO_MEMORY; the binding is then empty. */
int binding_bind(struct binding *binding, struct request *request,
	struct expression *expression, struct failure *failure);

/* Checks that need the table's key: VALIDATION if a path goes into a key attribute, or an
 * update changes one. */
int binding_check_keys(const struct binding *binding, const struct key_schema *schema,
	struct failure *failure);

/* The filter of a query (not of a scan) reads no key attribute: VALIDATION. */
int binding_check_filter(const struct binding *binding, const struct key_schema *schema,
	struct failure *failure);

void binding_release(struct binding *binding);

/* The path of the n-th target in the binding's order. */
static inline const struct expr_path *binding_target(const struct binding *binding, uint32_t n)
{
	const struct expression *expression = binding->expression;

	return &expression->paths[expression->kind == EXPRESSION_UPDATE ?
		expression->actions[n].path : n];
}

/* Finds the value of a path in an item (no bytes: an item with no attributes). 0, END if it
 * is missing, CORRUPT. */
int binding_find(const struct binding *binding, const struct expr_path *path,
	struct slice item, struct value *value);

/* The rest of a path, from its step `from`, in a value, which is replaced. */
int binding_descend(const struct binding *binding, const struct expr_path *path, unsigned from,
	struct value *value);

#endif
