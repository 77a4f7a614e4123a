/* test_key_condition.c - tests of expr/key_condition.h. */
#include "expr/key_condition.h"

#include "unit/expressions.h"

static const struct key_schema schema = { { TYPE_S, 1, "p" }, { TYPE_N, 1, "s" } };
static const struct key_schema binary = { { TYPE_B, 1, "p" }, { TYPE_S, 1, "s" } };
static const struct key_schema alone = { { TYPE_S, 1, "p" }, { 0, 0, "" } };

/* Returns the condition as "partition comparison a b", or the error message. */
static const char *match(const struct key_schema *with, const char *text, const char *parameters)
{
	static const char *const names[] = { "all", "=", "<", "<=", ">", ">=", "between",
		"begins" };
	struct trial *trial = trial_of_test();
	struct buffer *out = &trial->out;
	struct key_condition condition;

	if (trial_bind(trial, EXPRESSION_KEY_CONDITION, slice_of_text(text), parameters) ||
			key_condition_check(&trial->binding, &trial->failure) ||
			key_condition_match(&condition, &trial->binding, with, &trial->failure))
		return trial->failure.message;
	buffer_clear(out);
	notation_print_value(out, &condition.partition);
	buffer_put(out, " ", 1);
	notation_put(out, names[condition.comparison]);
	if (condition.comparison != COMPARE_ALL) {
		buffer_put(out, " ", 1);
		notation_print_value(out, &condition.a);
	}
	if (condition.comparison == COMPARE_BETWEEN) {
		buffer_put(out, " ", 1);
		notation_print_value(out, &condition.b);
	}
	buffer_put_u8(out, 0);
	return (const char *)out->data;
}

static void check(const char *text, const char *parameters, const char *expected)
{
	const char *found = match(&schema, text, parameters);

	if (strcmp(found, expected) != 0)
		fprintf(stderr, "key condition: %s\n", text);
	CHECK_EQUAL_STRING(found, expected);
}

static void test_matches(void)
{
	check("p = :p", "{:p: 'x'}", "'x' all");
	check(":p = p", "{:p: 'x'}", "'x' all");
	check("p = :p AND s = :s", "{:p: 'x', :s: 1}", "'x' = 1");
	check("s < :s AND p = :p", "{:p: 'x', :s: 1}", "'x' < 1");
	check("p = :p AND (s <= :s)", "{:p: 'x', :s: 1}", "'x' <= 1");
	check("(p = :p) and s > :s", "{:p: 'x', :s: 1}", "'x' > 1");
	check("(p = :p AND s >= :s)", "{:p: 'x', :s: 1}", "'x' >= 1");
	check("p = ? AND s BETWEEN ? AND ?", "{?: ['x', 1, 2]}", "'x' between 1 2");
	check("p = :p AND :s < s", "{:p: 'x', :s: 1}", "'x' > 1");
	check("p = :p AND :s <= s", "{:p: 'x', :s: 1}", "'x' >= 1");
	check("p = :p AND :s > s", "{:p: 'x', :s: 1}", "'x' < 1");
	check("p = :p AND :s >= s", "{:p: 'x', :s: 1}", "'x' <= 1");
	check("#p = :p", "{:p: 'x', #p: 'p'}", "'x' all");
	CHECK_EQUAL_STRING(match(&binary, "p = :p AND begins_with(s, :s)", "{:p: b'x', :s: 'y'}"),
		"b'x' begins 'y'");
	CHECK_EQUAL_STRING(match(&alone, "p = :p", "{:p: 'x'}"), "'x' all");
}

#define OPERATOR "Invalid operator used in KeyConditionExpression: "
#define CONDITION "Invalid condition in KeyConditionExpression: "

static void test_shape(void)
{
	check("p = :p OR s = :p", "{:p: 'x'}", OPERATOR "OR");
	check("NOT p = :p", "{:p: 'x'}", OPERATOR "NOT");
	check("p <> :p", "{:p: 'x'}", OPERATOR "<>");
	check("p IN (:p)", "{:p: 'x'}", OPERATOR "IN");
	check("attribute_exists(p)", NULL, OPERATOR "attribute_exists");
	check("attribute_not_exists(p)", NULL, OPERATOR "attribute_not_exists");
	check("attribute_type(p, :p)", "{:p: 'S'}", OPERATOR "attribute_type");
	check("contains(p, :p)", "{:p: 'S'}", OPERATOR "contains");
	check("size(p) = :p", "{:p: 'S'}", "KeyConditionExpressions cannot contain nested"
		" operations");
	check("p = s", NULL, CONDITION "Multiple attribute names used in one condition");
	check(":p = :q", "{:p: 'S', :q: 'T'}", CONDITION "No key attribute specified");
	check(":p BETWEEN p AND :p", "{:p: 'S'}", CONDITION "BETWEEN operator must have the key"
		" attribute as its first operand");
	check("begins_with(:p, p)", "{:p: 'S'}", CONDITION "begins_with operator must have the key"
		" attribute as its first operand");
	check("p.x = :p", "{:p: 'x'}", "KeyConditionExpressions cannot have conditions on nested"
		" attributes");
	check("p = :p AND p = :p", "{:p: 'x'}", "KeyConditionExpressions must only contain one"
		" condition per key");
	/* in the order of the text */
	check("p = :p AND p = :p OR s = :p", "{:p: 'x'}", "KeyConditionExpressions must only"
		" contain one condition per key");
	check("p = :p OR p = :p", "{:p: 'x'}", OPERATOR "OR");
	check("p <> :p OR NOT p = :p", "{:p: 'x'}", OPERATOR "<>");
	/* the conditions are checked first, one by one */
	check("p = :p AND begins_with(s, :s)", "{:p: 'x', :s: 1}", "Invalid KeyConditionExpression:"
		" Incorrect operand type for operator or function; operator or function:"
		" begins_with, operand type: N");
	check("p = :p AND s < :s", "{:p: 'x', :s: true}", "Invalid KeyConditionExpression:"
		" Incorrect operand type for operator or function; operator or function: <, operand"
		" type: BOOL");
}

#define TYPE_MISMATCH "One or more parameter values were invalid: Condition parameter type does" \
	" not match schema type"

static void test_schema(void)
{
	check("p < :p", "{:p: 'x'}", "Query key condition not supported");
	check("begins_with(p, :p)", "{:p: 'x'}", "Query key condition not supported");
	check("s = :s", "{:s: 1}", "Query condition missed key schema element: p");
	check("x = :s", "{:s: 1}", "Query condition missed key schema element: p");
	check("p = :p AND x = :s", "{:p: 'x', :s: 1}",
		"Query condition missed key schema element: s");
	check("p = :p AND s = :s AND x = :s", "{:p: 'x', :s: 1}", "The number of query conditions"
		" (3) exceeds the number of key attributes defined in the schema (2)");
	CHECK_EQUAL_STRING(match(&alone, "p = :p AND s = :s", "{:p: 'x', :s: 1}"), "The number of"
		" query conditions (2) exceeds the number of key attributes defined in the schema"
		" (1)");
	check("p = :p", "{:p: 1}", TYPE_MISMATCH);
	check("p = :p AND s = :s", "{:p: 'x', :s: 'y'}", TYPE_MISMATCH);
	check("p = :p AND s = :s", "{:p: 'x', :s: true}", TYPE_MISMATCH);
	check("p = :p AND s BETWEEN :s AND :s", "{:p: 'x', :s: 'y'}", TYPE_MISMATCH);
	check("p = :p", "{:p: ''}", "One or more parameter values are not valid. The AttributeValue"
		" for a key attribute cannot contain an empty string value. Key: p");
	CHECK_EQUAL_STRING(match(&binary, "p = :p", "{:p: b''}"), "One or more parameter values are"
		" not valid. The AttributeValue for a key attribute cannot contain an empty binary"
		" value. Key: p");
	CHECK_EQUAL_INT(trial_of_test()->failure.err, ERR_KEY_EMPTY);
	CHECK_EQUAL_STRING(match(&binary, "p = :p AND s > :s", "{:p: b'x', :s: ''}"), "One or more"
		" parameter values are not valid. The AttributeValue for a key attribute cannot"
		" contain an empty string value. Key: s");
}

int main(void)
{
	test_matches();
	test_shape();
	test_schema();
	return 0;
}
