/* binding.h - a parsed expression with the names and values of one request.
 *
 * The binder resolves placeholders and performs every check that needs neither an item nor a
 * table, so an invalid request is rejected before any row is read. A binding can be evaluated
 * against any number of items without allocating memory.
 */
#ifndef EXPR_BINDING_H
#define EXPR_BINDING_H

#include "base/error.h"
#include "codec/key.h"
#include "codec/value.h"
#include "expr/request.h"
#include "expr/tree.h"

/* A zeroed binding is valid. It can be bound any number of times and keeps its memory. */
struct binding {
	struct expression *expression;   /* a reference; NULL if not bound */
	struct slice *names;             /* by index of the step: name of the attribute */
	struct value *values;            /* by index of the value in the expression */
	/* for conditions: the top-level attributes that they read, ascending by name */
	uint16_t *path_top;              /* by path: index of its attribute in `tops` */
	struct slice *tops;
	unsigned top_count;
	uint16_t old_top, new_top;       /* old_image and new_image, if some paths are in_images */
	/* for the evaluation of an item, in which one walk over its attributes finds all tops */
	struct value *found;             /* by index in `tops`; type 0 if missing */
	unsigned found_count;            /* number of tops found or known to be missing */
	struct map_walk walk;
	struct slice walk_name;          /* current attribute of the walk */
	struct value walk_value;
	/* updates and projections: their targets, ascending by path */
	uint32_t *order;                 /* actions of an update, paths of a projection */
	unsigned order_count;
	void *memory;
	size_t cap;
};

/* Binds an expression to a request. The expressions of a request must be bound in the order
 * update, condition, key condition, filter, projection. Names and values are borrowed from the
 * request's parameters. Errors: VALIDATION with DynamoDB's message, NO_MEMORY. After an error the
 * binding is empty. */
int binding_bind(struct binding *binding, struct request *request,
	struct expression *expression, struct failure *failure);

/* Checks a bound expression against the table's key. Returns VALIDATION if a path leads into a key
 * attribute or an update changes a key attribute. */
int binding_check_keys(const struct binding *binding, const struct key_schema *schema,
	struct failure *failure);

/* Checks the bound filter of a query (not of a scan). Returns VALIDATION if the filter reads a key
 * attribute. */
int binding_check_filter(const struct binding *binding, const struct key_schema *schema,
	struct failure *failure);

void binding_release(struct binding *binding);

/* Returns the path of target n, an element of binding->order. */
static inline const struct expr_path *binding_target(const struct binding *binding, uint32_t n)
{
	const struct expression *expression = binding->expression;

	return &expression->paths[expression->kind == EXPRESSION_UPDATE ?
		expression->actions[n].path : n];
}

/* Finds the value of a path in an item. An empty slice is an item without attributes. Returns 0,
 * END if the path is missing, or CORRUPT. */
int binding_find(const struct binding *binding, const struct expr_path *path,
	struct slice item, struct value *value);

/* Follows the steps of a path from step `from` on, starting at *value, and sets *value to the
 * value found. Returns 0, END if the value is missing, or CORRUPT. */
int binding_descend(const struct binding *binding, const struct expr_path *path, unsigned from,
	struct value *value);

#endif
