/* request.h - the names and values of a request's expressions.
 *
 * DynamoDB's ExpressionAttributeNames and ExpressionAttributeValues, and an array of values
 * that are bound to ? in order. A request checks them once, looks them up for each of its
 * expressions, and fails at the end if some of them were not used.
 */
#ifndef EXPR_REQUEST_H
#define EXPR_REQUEST_H

#include "base/error.h"
#include "codec/value.h"

/* Maximum number of bytes of all placeholders, names and values. */
#define PARAMETER_BYTES_MAX (2u * 1024 * 1024)

struct parameter_name {
	struct slice placeholder;        /* "#n" */
	struct slice name;
};

struct parameter_value {
	struct slice placeholder;        /* ":v" */
	struct value value;              /* canonical and verified */
};

/* Borrowed until the request has ended and its bindings are released or bound again. Each
 * placeholder must appear once. */
struct parameters {
	const struct parameter_name *names;      /* NULL: not given; an empty map is an error */
	size_t name_count;
	const struct parameter_value *values;    /* NULL: not given; an empty map is an error */
	size_t value_count;
	const struct value *positions;
	size_t position_count;
};

/* A zeroed request is valid. It can be started any number of times and keeps its memory. */
struct request {
	const struct parameters *parameters;
	uint32_t *name_order, *value_order;      /* sorted by placeholder; NULL: linear search */
	bool *name_used, *value_used;
	size_t position;                         /* index of the value of the next ? */
	unsigned operators;                      /* number of operators of all expressions so far */
	void *memory;
	size_t cap;
};

/* Starts a request. has_expressions: the request has expressions. null_expressions: NULL if
 * some of them can have values, otherwise DynamoDB's text for this case, such as
 * "UpdateExpression and ConditionExpression are null". VALIDATION, NO_MEMORY. */
int request_start(struct request *request, const struct parameters *parameters,
	bool has_expressions, const char *null_expressions, struct failure *failure);

/* Return the name or value of a placeholder and mark it as used; NULL if it is not defined. */
const struct slice *request_name(struct request *request, struct slice placeholder);
const struct value *request_value(struct request *request, struct slice placeholder);

/* Returns the value of the next ?, NULL after the last one. */
const struct value *request_position(struct request *request);

/* Ends a request after its last expression. VALIDATION if a name or a value was not used. */
int request_finish(const struct request *request, struct failure *failure);

void request_release(struct request *request);

#endif
