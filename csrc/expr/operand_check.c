/* operand_check.c - checks of the operands of an expression that need no item. */
#include "expr/operand_check.h"

#include <stdio.h>

#include "expr/message.h"

/* --- paths --- */

static bool steps_equal(const struct binding *binding, unsigned a, unsigned b)
{
	const struct expr_step *x = &binding->expression->steps[a];
	const struct expr_step *y = &binding->expression->steps[b];

	if ((x->kind == STEP_INDEX) != (y->kind == STEP_INDEX))
		return false;
	return x->kind == STEP_INDEX ? x->index == y->index :
		slice_equal(binding->names[a], binding->names[b]);
}

bool paths_equal(const struct binding *binding, const struct expr_path *a,
	const struct expr_path *b)
{
	unsigned i;

	if (a->count != b->count)
		return false;
	for (i = 0; i < a->count; i++)
		if (!steps_equal(binding, a->first + i, b->first + i))
			return false;
	return true;
}

static int print_step(const struct binding *binding, unsigned step, char *to, size_t space)
{
	const struct expr_step *s = &binding->expression->steps[step];

	if (s->kind == STEP_INDEX)
		return snprintf(to, space, "[%u]", (unsigned)s->index);
	return snprintf(to, space, "%s", quote_of(binding->names[step]).text);
}

struct path_text path_text_of(const struct binding *binding, const struct expr_path *path)
{
	struct path_text out = { "[" };
	size_t len = 1, space = sizeof out.text - 2;
	unsigned i;

	for (i = 0; i < path->count && len < space; i++) {
		len += (size_t)snprintf(out.text + len, space - len, "%s", i ? ", " : "");
		if (len < space)
			len += (size_t)print_step(binding, path->first + i, out.text + len,
				space - len);
	}
	len = len < space ? len : space - 1;
	out.text[len] = ']';
	out.text[len + 1] = '\0';
	return out;
}

/* --- types --- */

static const struct expr_node *argument(const struct binding *binding, unsigned first,
	unsigned n)
{
	const struct expression *expression = binding->expression;

	return &expression->nodes[expression->arguments[first + n]];
}

/* Returns the value of an operand, NULL if the operand is a path or a function. */
static const struct value *literal(const struct binding *binding, const struct expr_node *node)
{
	return node->kind == NODE_VALUE ? &binding->values[node->at] : NULL;
}

/* Returns the type of an operand if the type is known without an item, otherwise 0. */
static enum type static_type(const struct binding *binding, const struct expr_node *node)
{
	if (node->kind == NODE_VALUE)
		return binding->values[node->at].type;
	return node->kind == NODE_CALL && node->operation == OPERATION_SIZE ? TYPE_N : 0;
}

static int wrong_type(const struct binding *binding, enum operation operation, const char *type,
	struct failure *failure)
{
	return expression_fail(failure, binding->expression->kind, "Incorrect operand type for"
		" operator or function; operator or function: %s, operand type: %s",
		operation_name(operation), type);
}

static bool type_is_ordered(enum type type)
{
	return type == TYPE_S || type == TYPE_N || type == TYPE_B;
}

static bool type_has_size(enum type type)
{
	return type != TYPE_N && type != TYPE_TRUE && type != TYPE_FALSE && type != TYPE_NULL;
}

static bool type_has_beginning(enum type type)
{
	return type == TYPE_S || type == TYPE_B;
}

/* Fails at the first operand whose type is known without an item and wrong. */
static int check_types(const struct binding *binding, enum operation operation, unsigned first,
	unsigned count, bool (*fits)(enum type), struct failure *failure)
{
	unsigned i;

	for (i = 0; i < count; i++) {
		enum type type = static_type(binding, argument(binding, first, i));

		if (type && !fits(type))
			return wrong_type(binding, operation, type_name(type), failure);
	}
	return 0;
}

static int check_arity(const struct binding *binding, const struct expr_node *call,
	struct failure *failure)
{
	bool is_one = call->operation == OPERATION_EXISTS ||
		call->operation == OPERATION_NOT_EXISTS || call->operation == OPERATION_SIZE ||
		call->operation == OPERATION_CHANGED;

	if (call->count == (is_one ? 1 : 2))
		return 0;
	return expression_fail(failure, binding->expression->kind, "Incorrect number of operands"
		" for operator or function; operator or function: %s, number of operands: %u",
		operation_name((enum operation)call->operation), (unsigned)call->count);
}

static int check_path_operand(const struct binding *binding, enum operation operation,
	unsigned first, struct failure *failure)
{
	if (argument(binding, first, 0)->kind == NODE_PATH)
		return 0;
	return expression_fail(failure, binding->expression->kind, "Operator or function requires"
		" a document path; operator or function: %s", operation_name(operation));
}

/* --- tests of conditions --- */

static int check_in(const struct binding *binding, const struct expr_test *test,
	struct failure *failure)
{
	if (test->operation != OPERATION_IN || test->count - 1 <= IN_OPERANDS_MAX)
		return 0;
	return expression_fail(failure, binding->expression->kind, "The IN operator is provided"
		" with too many operands; number of operands: %u", (unsigned)test->count - 1);
}

static int check_distinct(const struct binding *binding, const struct expr_test *test,
	struct failure *failure)
{
	const struct expression *expression = binding->expression;
	const struct expr_node *a, *b;

	if (test->count != 2 || test->operation == OPERATION_IN ||
			test->operation == OPERATION_BECAME)
		return 0;
	a = argument(binding, test->first, 0);
	b = argument(binding, test->first, 1);
	if (a->kind != NODE_PATH || b->kind != NODE_PATH ||
			!paths_equal(binding, &expression->paths[a->at], &expression->paths[b->at]))
		return 0;
	return expression_fail(failure, expression->kind, "The first operand must be distinct from"
		" the remaining operands for this operator or function; operator: %s, first"
		" operand: %s", operation_name((enum operation)test->operation),
		path_text_of(binding, &expression->paths[a->at]).text);
}

static void put_base64(char *to, struct slice bytes)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t i;

	for (i = 0; i < bytes.len; i += 3) {
		size_t left = bytes.len - i;
		unsigned word = (unsigned)bytes.data[i] << 16 |
			(left > 1 ? (unsigned)bytes.data[i + 1] << 8 : 0) |
			(left > 2 ? bytes.data[i + 2] : 0);

		*to++ = digits[word >> 18];
		*to++ = digits[word >> 12 & 63];
		*to++ = left > 1 ? digits[word >> 6 & 63] : '=';
		*to++ = left > 2 ? digits[word & 63] : '=';
	}
	*to = '\0';
}

#define BOUND_BYTES (NUMBER_MAX_TEXT + 5)

struct bound {
	char text[BOUND_BYTES];
};

/* Returns a bound of BETWEEN in the form of DynamoDB's messages, such as {S:abc}. Truncates a text
 * or a binary that is longer than any number. */
static struct bound print_bound(const struct value *value)
{
	char text[NUMBER_MAX_TEXT > 240 ? NUMBER_MAX_TEXT : 240];
	struct slice bytes = value->bytes;
	struct bound bound;

	if (value->type == TYPE_N) {
		number_format(bytes, text);
	} else if (value->type == TYPE_B) {
		bytes.len = bytes.len < 90 ? bytes.len : 90;
		put_base64(text, bytes);
	} else {
		snprintf(text, sizeof text, "%s", quote_of(bytes).text);
	}
	snprintf(bound.text, sizeof bound.text, "{%s:%.*s}", type_name(value->type),
		NUMBER_MAX_TEXT, text);
	return bound;
}

static int check_bounds(const struct binding *binding, const struct expr_test *test,
	struct failure *failure)
{
	const struct value *low = literal(binding, argument(binding, test->first, 1));
	const struct value *high = literal(binding, argument(binding, test->first, 2));
	const char *what;

	if (!low || !high)
		return 0;
	if (low->type != high->type)
		what = "same data type for lower and upper bounds";
	else if (slice_compare(low->bytes, high->bytes) > 0)
		what = "upper bound to be greater than or equal to lower bound";
	else
		return 0;
	return expression_fail(failure, binding->expression->kind, "The BETWEEN operator requires"
		" %s; lower bound operand: AttributeValue: %s, upper bound operand:"
		" AttributeValue: %s", what, print_bound(low).text, print_bound(high).text);
}

static int check_type_name(const struct binding *binding, const struct expr_test *test,
	struct failure *failure)
{
	static const char *const names[] = {
		"B", "NULL", "SS", "BOOL", "L", "BS", "N", "NS", "S", "M" };
	const struct expr_node *node = argument(binding, test->first, 1);
	enum type type = static_type(binding, node);
	struct slice name;
	unsigned i;

	if (type != TYPE_S)
		return wrong_type(binding, OPERATION_TYPE, type ? type_name(type) :
			"{NS,SS,L,BS,N,M,B,BOOL,NULL,S}", failure);
	name = literal(binding, node)->bytes;
	for (i = 0; i < sizeof names / sizeof *names; i++)
		if (slice_equal(name, slice_of_text(names[i])))
			return 0;
	return expression_fail(failure, binding->expression->kind, "Invalid attribute type name"
		" found; type: %s, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
		quote_of(name).text);
}

static int check_operands(const struct binding *binding, const struct expr_test *test,
	struct failure *failure)
{
	enum operation operation = (enum operation)test->operation;
	int err;

	switch (operation) {
	case OPERATION_EXISTS:
	case OPERATION_NOT_EXISTS:
	case OPERATION_CHANGED:
	case OPERATION_BECAME:
		return check_path_operand(binding, operation, test->first, failure);
	case OPERATION_TYPE:
		return check_type_name(binding, test, failure);
	case OPERATION_BEGINS_WITH:
		return check_types(binding, operation, test->first, 2, type_has_beginning, failure);
	case OPERATION_LESS:
	case OPERATION_LESS_OR_EQUAL:
	case OPERATION_GREATER:
	case OPERATION_GREATER_OR_EQUAL:
		return check_types(binding, operation, test->first, 2, type_is_ordered, failure);
	case OPERATION_BETWEEN:
		err = check_types(binding, operation, test->first, 3, type_is_ordered, failure);
		return err ? err : check_bounds(binding, test, failure);
	default:
		return 0;
	}
}

int check_test(const struct binding *binding, const struct expr_test *test, unsigned nodes,
	struct failure *failure)
{
	const struct expression *expression = binding->expression;
	unsigned i;
	int err = 0;

	for (i = nodes; i < test->nodes && !err; i++)
		if (expression->nodes[i].kind == NODE_CALL)
			err = check_arity(binding, &expression->nodes[i], failure);
	if (!err)
		err = check_in(binding, test, failure);
	if (!err)
		err = check_distinct(binding, test, failure);
	for (i = nodes; i < test->nodes && !err; i++) {
		const struct expr_node *node = &expression->nodes[i];

		if (node->kind == NODE_CALL && node->operation == OPERATION_SIZE)
			err = check_types(binding, OPERATION_SIZE, node->at, 1, type_has_size,
				failure);
	}
	return err ? err : check_operands(binding, test, failure);
}

/* --- updates --- */

/* Returns the name of a type in DynamoDB's messages about ADD and DELETE. */
static const char *long_type_name(enum type type)
{
	switch (type) {
	case TYPE_S: return "STRING";
	case TYPE_N: return "NUMBER";
	case TYPE_B: return "BINARY";
	case TYPE_NULL: return "NULL";
	case TYPE_L: return "LIST";
	case TYPE_M: return "MAP";
	default: return "BOOLEAN";
	}
}

static int check_action(const struct binding *binding, const struct expr_action *action,
	struct failure *failure)
{
	const char *section = operation_name((enum operation)action->section);
	enum type type;

	if (action->section != OPERATION_ADD && action->section != OPERATION_DELETE)
		return 0;
	type = static_type(binding, &binding->expression->nodes[action->node]);
	if (type_is_set(type) || (type == TYPE_N && action->section == OPERATION_ADD))
		return 0;
	return expression_fail(failure, EXPRESSION_UPDATE, "Incorrect operand type for operator or"
		" function; operator: %s, operand type: %s, typeSet: ALLOWED_FOR_%s_OPERAND",
		section, long_type_name(type), section);
}

static bool type_is_list(enum type type)
{
	return type == TYPE_L;
}

static bool type_is_number(enum type type)
{
	return type == TYPE_N;
}

static int check_call(const struct binding *binding, const struct expr_node *call,
	struct failure *failure)
{
	enum operation operation = (enum operation)call->operation;
	int err = check_arity(binding, call, failure);

	if (err)
		return err;
	if (operation == OPERATION_IF_NOT_EXISTS)
		return check_path_operand(binding, operation, call->at, failure);
	return check_types(binding, operation, call->at, 2,
		operation == OPERATION_LIST_APPEND ? type_is_list : type_is_number, failure);
}

int check_update(const struct binding *binding, struct failure *failure)
{
	const struct expression *expression = binding->expression;
	unsigned i;
	int err = 0;

	for (i = 0; i < expression->action_count && !err; i++)
		err = check_action(binding, &expression->actions[i], failure);
	for (i = 0; i < expression->node_count && !err; i++)
		if (expression->nodes[i].kind == NODE_CALL)
			err = check_call(binding, &expression->nodes[i], failure);
	return err;
}
