/* request.h - the names and values of a request's expressions.
 *
 * A request has DynamoDB's ExpressionAttributeNames and ExpressionAttributeValues, and an array of
 * values that are bound to ? in order. It checks the names and values once, looks them up for each
 * of its expressions, and fails at the end if some of them were not used.
 */
#ifndef EXPR_REQUEST_H
#define EXPR_REQUEST_H

#include "base/error.h"
#include "codec/value.h"

/* Maximum number of bytes of all placeholders, names and values of a request. */
#define PARAMETER_BYTES_MAX (2u * 1024 * 1024)

struct parameter_name {
	struct slice placeholder;        /* "#n" */
	struct slice name;
};

struct parameter_value {
	struct slice placeholder;        /* ":v" */
	struct value value;              /* canonical and verified */
};

/* Names and values of a request. They are borrowed until the request has ended and its bindings
 * are released or bound again. Each placeholder must appear once. */
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
	uint32_t *name_order, *value_order;      /* sorted by placeholder; NULL for linear search */
	bool *name_used, *value_used;
	size_t position;                         /* index of the value of the next ? */
	unsigned operators;                      /* number of operators of all expressions so far */
	void *memory;
	size_t cap;
};

/* Starts a request. has_expressions is true if the request has expressions. null_expressions is
 * NULL if some of them can have values, otherwise DynamoDB's text for this case, such as
 * "UpdateExpression and ConditionExpression are null". Errors: VALIDATION, NO_MEMORY. */
int request_start(struct request *request, const struct parameters *parameters,
	bool has_expressions, const char *null_expressions, struct failure *failure);

/* These functions return the name or value of a placeholder and mark it as used. They return NULL
 * if the placeholder is not defined. */
const struct slice *request_name(struct request *request, struct slice placeholder);
const struct value *request_value(struct request *request, struct slice placeholder);

/* Returns the value of the next ? of the request, NULL after the last value. */
const struct value *request_position(struct request *request);

/* Ends a request after its last expression was bound. Returns VALIDATION if a name or a value was
 * not used. */
int request_finish(const struct request *request, struct failure *failure);

void request_release(struct request *request);

#endif
