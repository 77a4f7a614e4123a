/* key_condition.c - converts a key condition to the bounds of a query. */
#include "expr/key_condition.h"

#include "expr/message.h"

static const struct expr_node *argument(const struct binding *binding,
	const struct expr_test *test, unsigned n)
{
	const struct expression *expression = binding->expression;

	return &expression->nodes[expression->arguments[test->first + n]];
}

static struct slice attribute(const struct binding *binding, const struct expr_node *node)
{
	return binding->names[binding->expression->paths[node->at].first];
}

/* --- checks without a table --- */

static int check_operator(const struct expr_test *test, struct failure *failure)
{
	switch (test->operation) {
	case OPERATION_NOT_EQUAL:
	case OPERATION_IN:
	case OPERATION_EXISTS:
	case OPERATION_NOT_EXISTS:
	case OPERATION_TYPE:
	case OPERATION_CONTAINS:
		return fail_as(failure, ERR_VALIDATION, "Invalid operator used in"
			" KeyConditionExpression: %s",
			operation_name((enum operation)test->operation));
	default:
		return 0;
	}
}

static int invalid(struct failure *failure, const char *what)
{
	return fail_as(failure, ERR_VALIDATION, "Invalid condition in KeyConditionExpression: %s",
		what);
}

/* Checks that the operands of a test are one path of one step and values. */
static int check_operands(const struct binding *binding, const struct expr_test *test,
	struct failure *failure)
{
	unsigned i, paths = 0;

	if (test->operation == OPERATION_BETWEEN || test->operation == OPERATION_BEGINS_WITH)
		if (argument(binding, test, 0)->kind == NODE_VALUE)
			return invalid(failure, test->operation == OPERATION_BETWEEN ?
				"BETWEEN operator must have the key attribute as its first operand" :
				"begins_with operator must have the key attribute as its first"
				" operand");
	for (i = 0; i < test->count; i++) {
		const struct expr_node *node = argument(binding, test, i);

		if (node->kind == NODE_CALL)
			return fail_as(failure, ERR_VALIDATION,
				"KeyConditionExpressions cannot contain nested operations");
		if (node->kind == NODE_PATH && paths++ > 0)
			return invalid(failure, "Multiple attribute names used in one condition");
		if (node->kind == NODE_PATH && binding->expression->paths[node->at].count > 1)
			return fail_as(failure, ERR_VALIDATION, "KeyConditionExpressions cannot"
				" have conditions on nested attributes");
	}
	return paths ? 0 : invalid(failure, "No key attribute specified");
}

/* Returns the index of the operand that is the key attribute. */
static unsigned attribute_at(const struct binding *binding, const struct expr_test *test)
{
	return argument(binding, test, 0)->kind == NODE_PATH ? 0 : 1;
}

static struct slice test_attribute(const struct binding *binding, const struct expr_test *test)
{
	return attribute(binding, argument(binding, test, attribute_at(binding, test)));
}

static int check_repeated(const struct binding *binding, unsigned n, struct failure *failure)
{
	const struct expr_test *tests = binding->expression->tests;
	unsigned i;

	for (i = 0; i < n; i++)
		if (slice_equal(test_attribute(binding, &tests[i]),
				test_attribute(binding, &tests[n])))
			return fail_as(failure, ERR_VALIDATION, "KeyConditionExpressions must only"
				" contain one condition per key");
	return 0;
}

static int check_logic(const struct expression *expression, struct failure *failure)
{
	return fail_as(failure, ERR_VALIDATION, "Invalid operator used in KeyConditionExpression:"
		" %s", expression->first_logic_keyword == KEYWORD_OR ? "OR" : "NOT");
}

int key_condition_check(const struct binding *binding, struct failure *failure)
{
	const struct expression *expression = binding->expression;
	unsigned i;
	int err = 0;

	for (i = 0; i < expression->test_count && !err; i++) {
		const struct expr_test *test = &expression->tests[i];

		if (expression->first_logic_keyword && expression->first_logic < test->start)
			return check_logic(expression, failure);
		err = check_operator(test, failure);
		if (!err)
			err = check_operands(binding, test, failure);
		if (!err)
			err = check_repeated(binding, i, failure);
	}
	return !err && expression->first_logic_keyword ? check_logic(expression, failure) : err;
}

/* --- matching with the table's key --- */

static int check_value(const struct value *value, const struct key_attribute *key,
	struct failure *failure)
{
	if (value->type != key->type)
		return fail_as(failure, ERR_VALIDATION, "One or more parameter values were"
			" invalid: Condition parameter type does not match schema type");
	if (value->type != TYPE_N && value->bytes.len == 0)
		return fail_as(failure, ERR_KEY_EMPTY, "One or more parameter values are not valid."
			" The AttributeValue for a key attribute cannot contain an empty %s value."
			" Key: %s", value->type == TYPE_S ? "string" : "binary", key->name);
	return 0;
}

/* Returns the comparison of a test. is_flipped is true if the value is the left operand. */
static enum comparison comparison_of(const struct expr_test *test, bool is_flipped)
{
	switch (test->operation) {
	case OPERATION_LESS: return is_flipped ? COMPARE_GREATER : COMPARE_LESS;
	case OPERATION_LESS_OR_EQUAL:
		return is_flipped ? COMPARE_GREATER_OR_EQUAL : COMPARE_LESS_OR_EQUAL;
	case OPERATION_GREATER: return is_flipped ? COMPARE_LESS : COMPARE_GREATER;
	case OPERATION_GREATER_OR_EQUAL:
		return is_flipped ? COMPARE_LESS_OR_EQUAL : COMPARE_GREATER_OR_EQUAL;
	case OPERATION_BETWEEN: return COMPARE_BETWEEN;
	case OPERATION_BEGINS_WITH: return COMPARE_BEGINS_WITH;
	default: return COMPARE_EQUAL;
	}
}

static const struct value *value_at(const struct binding *binding, const struct expr_test *test,
	unsigned n)
{
	return &binding->values[argument(binding, test, n)->at];
}

static int match_partition(struct key_condition *condition, const struct binding *binding,
	const struct expr_test *test, const struct key_schema *schema, struct failure *failure)
{
	unsigned at = attribute_at(binding, test);

	if (comparison_of(test, at > 0) != COMPARE_EQUAL)
		return fail_as(failure, ERR_VALIDATION, "Query key condition not supported");
	condition->partition = *value_at(binding, test, 1 - at);
	return check_value(&condition->partition, &schema->partition, failure);
}

static int match_sort(struct key_condition *condition, const struct binding *binding,
	const struct expr_test *test, const struct key_schema *schema, struct failure *failure)
{
	unsigned at = attribute_at(binding, test);
	int err;

	condition->comparison = comparison_of(test, at > 0);
	condition->a = *value_at(binding, test, at > 0 ? 0 : 1);
	err = check_value(&condition->a, &schema->sort, failure);
	if (err || condition->comparison != COMPARE_BETWEEN)
		return err;
	condition->b = *value_at(binding, test, 2);
	return check_value(&condition->b, &schema->sort, failure);
}

static const struct expr_test *find_test(const struct binding *binding, struct slice name)
{
	const struct expression *expression = binding->expression;
	unsigned i;

	for (i = 0; i < expression->test_count; i++)
		if (slice_equal(test_attribute(binding, &expression->tests[i]), name))
			return &expression->tests[i];
	return NULL;
}

static int missed(struct failure *failure, const struct key_attribute *key)
{
	return fail_as(failure, ERR_VALIDATION, "Query condition missed key schema element: %s",
		key->name);
}

int key_condition_match(struct key_condition *condition, const struct binding *binding,
	const struct key_schema *schema, struct failure *failure)
{
	const struct expr_test *partition = find_test(binding, attribute_name(&schema->partition));
	const struct expr_test *sort = schema->sort.type ?
		find_test(binding, attribute_name(&schema->sort)) : NULL;
	unsigned keys = schema->sort.type ? 2 : 1, count = binding->expression->test_count;
	int err;

	*condition = (struct key_condition){ .comparison = COMPARE_ALL };
	if (count > keys)
		return fail_as(failure, ERR_VALIDATION, "The number of query conditions (%u)"
			" exceeds the number of key attributes defined in the schema (%u)", count,
			keys);
	if (!partition)
		return missed(failure, &schema->partition);
	if (count == 2 && !sort)
		return missed(failure, &schema->sort);
	err = match_partition(condition, binding, partition, schema, failure);
	return err || !sort ? err : match_sort(condition, binding, sort, schema, failure);
}
