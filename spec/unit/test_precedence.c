/* test_precedence.c - the operator-precedence parser: the grammar of conditions. */
#include "expr/parsing.h"

#include "expr/parser.h"
#include "unit/check.h"

#define PARENTHESES "The expression has redundant parentheses;"

static const char *refusal(const char *text)
{
	static struct failure failure;
	struct expression *expression;

	if (expression_parse(&expression, EXPRESSION_CONDITION, slice_of_text(text), &failure))
		return failure.message + strlen("Invalid ConditionExpression: ");
	expression_release(expression);
	return "";
}

static void check(const char *text, const char *expected)
{
	const char *found = refusal(text);

	if (strcmp(found, expected) != 0)
		fprintf(stderr, "expression: %s\n", text);
	CHECK_EQUAL_STRING(found, expected);
}

static void accepts(const char *text)
{
	check(text, "");
}

static void syntax(const char *text, const char *token, const char *near)
{
	char expected[300];

	snprintf(expected, sizeof expected, "Syntax error; token: \"%s\", near: \"%s\"", token,
		near);
	check(text, expected);
}

static void test_accepted(void)
{
	accepts("a = :v");
	accepts("a=:v and b<>c or not d<e");
	accepts("a BETWEEN b AND c AND d between e and f OR g = h");
	accepts("a IN (b) AND c in (:d, size(e), (f))");
	accepts("NOT NOT not a = b");
	accepts("NOT (NOT (a = b))");
	accepts("(a) = (:b)");
	accepts("(a = b)");
	accepts("(a = b) OR (c = d AND (e = f))");
	accepts("((a = b) AND c = d)");
	accepts("((a) = b)");
	accepts("(attribute_exists(a))");
	accepts("attribute_exists((a))");
	accepts("(size(a)) > (size(b))");
	accepts("size((a)) BETWEEN (:b) AND (c)");
	accepts("a.b[1].c = d OR attribute_exists(#x.#y)");
	accepts("a = b OR (b = c AND c = d)");
}

static void test_parentheses(void)
{
	check("((a = b))", PARENTHESES);
	check("(((a = b)))", PARENTHESES);
	check("((a = b) AND ((c = d)))", PARENTHESES);
	check("((a)) = b", PARENTHESES);
	check("a = ((b))", PARENTHESES);
	check("((attribute_exists(a)))", PARENTHESES);
	check("attribute_exists(((a)))", PARENTHESES);
	check("NOT ((a = b))", PARENTHESES);
	check("((NOT a = b))", PARENTHESES);
	check("((a = b OR c = d))", PARENTHESES);
	check("a IN (((b)))", PARENTHESES);
	check("a IN ((b))", "");
}

static void test_no_condition(void)
{
	syntax("a", "<EOF>", "a");
	syntax(":v", "<EOF>", ":v");
	syntax("(a)", "<EOF>", ")");
	syntax("a AND b = c", "AND", "a AND b");
	syntax("a = b AND c", "<EOF>", "c");
	syntax("a = b OR c OR d = e", "OR", "c OR d");
	syntax("NOT a", "<EOF>", "a");
	syntax("NOT", "<EOF>", "NOT");
	syntax("(a = b) = c", "=", ") = c");
	syntax("a = (b = c)", "=", "b = c");
	syntax("a = b = c", "=", "b = c");
	syntax("a = NOT b", "NOT", "= NOT b");
	syntax("a BETWEEN b", "<EOF>", "b");
	syntax("a BETWEEN b OR c", "OR", "b OR c");
	syntax("a BETWEEN b AND c BETWEEN d AND e", "BETWEEN", "c BETWEEN d");
	syntax("a BETWEEN (b AND c)", "AND", "b AND c");
	syntax("(a BETWEEN b) AND c = d", ")", "b) AND");
	syntax("a IN b", "b", "IN b");
	syntax("a IN ()", ")", "()");
	syntax("a IN (b", "<EOF>", "b");
	syntax("a IN (b,)", ")", ",)");
	syntax("a IN (b = c)", "=", "b = c");
	syntax("a IN (NOT b)", "NOT", "(NOT b");
	syntax("contains(a = b, c)", "=", "a = b");
	syntax("contains((a = b), c)", "=", "a = b");
	syntax("contains(a AND b, c)", "AND", "a AND b");
	syntax("contains(a", "<EOF>", "a");
	syntax("contains a", "a", "contains a");
	syntax("attribute_exists()", ")", "()");
	syntax("a = b,", ",", "b,");
	syntax("a = b c", "c", "b c");
	syntax("a + b = c", "+", "a + b");
	syntax("a = b)", ")", "b)");
	syntax("(a = b", "<EOF>", "b");
	syntax("= b", "=", "= b");
	syntax("AND a = b", "AND", "AND a");
	syntax("in = b", "in", "in =");
	syntax("a.in = b", "in", ".in =");
	syntax("AND(a)", "AND", "AND(");
	syntax("a = b AND", "<EOF>", "AND");
	syntax("foo ==", "=", "==");
	syntax("([1])", "[", "([1");
	syntax("f", "<EOF>", "f");
}

/* Targets of the tests of a condition, determined by AND, OR and NOT. */
static void test_targets(void)
{
	struct expression *expression;
	struct failure failure;
	const struct expr_test *tests;

	CHECK_EQUAL_INT(expression_parse(&expression, EXPRESSION_CONDITION,
		slice_of_text("a = :x OR (b = :y AND NOT c = :z)"), &failure), 0);
	tests = expression->tests;
	CHECK_EQUAL_UINT(expression->test_count, 3);
	CHECK_EQUAL_UINT(tests[0].if_true, TARGET_ACCEPT);
	CHECK_EQUAL_UINT(tests[0].if_false, 1);
	CHECK_EQUAL_UINT(tests[1].if_true, 2);
	CHECK_EQUAL_UINT(tests[1].if_false, TARGET_REJECT);
	CHECK_EQUAL_UINT(tests[2].if_true, TARGET_REJECT);
	CHECK_EQUAL_UINT(tests[2].if_false, TARGET_ACCEPT);
	CHECK_EQUAL_UINT(expression->operator_count, 6);
	CHECK_EQUAL_INT(expression->first_logic_keyword, KEYWORD_OR);
	CHECK_EQUAL_UINT(expression->first_logic, 7);
	expression_release(expression);
}

int main(void)
{
	test_accepted();
	test_parentheses();
	test_no_condition();
	test_targets();
	return 0;
}
