/* test_binding.c - tests of expr/binding.h. */
#include "expr/binding.h"

#include "unit/expressions.h"

static void check(enum expression_kind kind, const char *text, const char *parameters,
	const char *expected)
{
	CHECK_EQUAL_STRING(trial_refusal(kind, text, parameters), expected);
}

static void test_placeholders(void)
{
	check(EXPRESSION_UPDATE, "SET #a = :v", "{:v: 1}", "An expression attribute name used in"
		" the document path is not defined; attribute name: #a");
	check(EXPRESSION_UPDATE, "SET a = :w", "{:v: 1}", "An expression attribute value used in"
		" expression is not defined; attribute value: :w");
	check(EXPRESSION_FILTER, "#a = :w", "{:v: 1}", "An expression attribute name used in the"
		" document path is not defined; attribute name: #a");
	check(EXPRESSION_FILTER, ":w = #a", "{:v: 1}", "An expression attribute value used in"
		" expression is not defined; attribute value: :w");
	check(EXPRESSION_PROJECTION, "a, b.#c", "{#d: 'x'}", "An expression attribute name used in"
		" the document path is not defined; attribute name: #c");
	check(EXPRESSION_PROJECTION, "a", "{#d: 'x'}",
		"Value provided in ExpressionAttributeNames unused in expressions: keys: {#d}");
	check(EXPRESSION_CONDITION, "a = :v", "{:v: 1, :w: 2}",
		"Value provided in ExpressionAttributeValues unused in expressions: keys: {:w}");
	check(EXPRESSION_CONDITION, "a = ? AND b = ?", "{?: [1]}",
		"A value is missing for ? number 2");
	check(EXPRESSION_CONDITION, "a = ?", "{?: [1, 2]}",
		"2 values were given for ?, but the expressions have 1 ?");
	/* the name of a placeholder may be a reserved word or contain dots */
	check(EXPRESSION_CONDITION, "#a = :v", "{#a: 'name', :v: 1}", "");
	/* used in a branch that is never evaluated */
	check(EXPRESSION_CONDITION, "a = b OR c = :v", "{:v: 1}", "");
}

/* Values are assigned to ? in the order in which the expressions are bound. */
static void test_positions(void)
{
	struct trial *trial = trial_of_test();
	struct expression *update, *condition;
	struct binding second = { 0 };
	struct slice new;
	bool holds;

	CHECK_EQUAL_INT(expression_parse(&update, EXPRESSION_UPDATE,
		slice_of_text("SET a = ?, b = :v"), &trial->failure), 0);
	CHECK_EQUAL_INT(expression_parse(&condition, EXPRESSION_CONDITION,
		slice_of_text("c = ? AND d = :v"), &trial->failure), 0);
	CHECK_EQUAL_INT(request_start(&trial->request,
		trial_read(&trial->parameters, "{?: ['one', 'two'], :v: 3}"), true, NULL,
		&trial->failure), 0);
	CHECK_EQUAL_INT(binding_bind(&trial->binding, &trial->request, update, &trial->failure), 0);
	CHECK_EQUAL_INT(binding_bind(&second, &trial->request, condition, &trial->failure), 0);
	CHECK_EQUAL_INT(request_finish(&trial->request, &trial->failure), 0);
	expression_release(update);
	expression_release(condition);
	CHECK_EQUAL_INT(condition_holds(&second, notation_item(&trial->item, "{c: 'two', d: 3}"),
		&holds), 0);
	CHECK(holds);
	CHECK_EQUAL_INT(update_apply(&trial->update, &trial->binding,
		notation_item(&trial->item, "{}"), slice_of("\0", 1), &new, &trial->failure), 0);
	CHECK_EQUAL_STRING(notation_print(&trial->printed, new), "{a: 'one', b: 3}");
	binding_release(&second);
	binding_release(&second);
}

/* The limit is for all expressions of a request. */
static void test_operators(void)
{
	struct trial *trial = trial_of_test();
	struct expression *expression;
	char text[2000] = "a=b";
	int i;

	for (i = 1; i < 75; i++)
		strcat(text, " AND a=b");
	CHECK_EQUAL_INT(expression_parse(&expression, EXPRESSION_FILTER, slice_of_text(text),
		&trial->failure), 0);
	CHECK_EQUAL_UINT(expression->operator_count, 149);
	CHECK_EQUAL_INT(request_start(&trial->request, trial_read(&trial->parameters, NULL), true,
		NULL, &trial->failure), 0);
	CHECK_EQUAL_INT(binding_bind(&trial->binding, &trial->request, expression,
		&trial->failure), 0);
	CHECK_EQUAL_INT(binding_bind(&trial->binding, &trial->request, expression,
		&trial->failure), 0);
	CHECK_EQUAL_INT(binding_bind(&trial->binding, &trial->request, expression,
		&trial->failure), ERR_VALIDATION);
	CHECK_EQUAL_STRING(trial->failure.message, "Invalid FilterExpression: The expression"
		" contains too many operators; operator count: 301");
	CHECK(trial->binding.expression == NULL);
	CHECK_EQUAL_UINT(expression->references, 1);
	expression_release(expression);
}

static void clash(const char *text, const char *how, const char *one, const char *two)
{
	char expected[256];

	snprintf(expected, sizeof expected, "Two document paths %s with each other; must remove or"
		" rewrite one of these paths; path one: %s, path two: %s", how, one, two);
	check(EXPRESSION_PROJECTION, text, "{#a: 'a'}", expected);
}

static void test_clashes(void)
{
	clash("#a, b, a", "overlap", "[a]", "[a]");
	clash("#a.b, a", "overlap", "[a, b]", "[a]");
	clash("#a, a.b[3].c", "overlap", "[a]", "[a, b, [3], c]");
	clash("b, c, #a[1].x, d, a[1].x", "overlap", "[a, [1], x]", "[a, [1], x]");
	clash("#a.b, a[0]", "conflict", "[a, b]", "[a, [0]]");
	clash("#a[0].b, c, a[0][1]", "conflict", "[a, [0], b]", "[a, [0], [1]]");
	/* an overlap is reported before a conflict that precedes it in the text */
	clash("#a.b, a[0], c, c", "overlap", "[c]", "[c]");
	check(EXPRESSION_PROJECTION, "#a.b, a.c, ab, a2, a1[1], a1[2].x, a1[2].y", "{#a: 'a'}",
		"");
	check(EXPRESSION_UPDATE, "SET a = :v REMOVE a.b", "{:v: 1}", "Two document paths overlap"
		" with each other; must remove or rewrite one of these paths; path one: [a], path"
		" two: [a, b]");
	/* paths that are only read do not count */
	check(EXPRESSION_UPDATE, "SET a = a.b, c = a, d = c[1] REMOVE e", NULL, "");
}

static void test_keys(void)
{
	struct key_schema schema = { { TYPE_S, 1, "p" }, { TYPE_N, 2, "s1" } };
	struct trial *trial = trial_of_test();
	static const struct { enum expression_kind kind; const char *text, *expected; } cases[] = {
		{ EXPRESSION_UPDATE, "SET p = a",
			"One or more parameter values were invalid: Cannot"
			" update attribute p. This attribute is part of the key" },
		{ EXPRESSION_UPDATE, "SET a = p REMOVE s1", "One or more parameter values were"
			" invalid: Cannot update attribute s1. This attribute is part of the key" },
		{ EXPRESSION_UPDATE, "SET a = p, b = s1", "" },
		{ EXPRESSION_UPDATE, "SET p.x = a", "Key attributes must be scalars; list random"
			" access '[]' and map lookup '.' are not allowed: Key: p" },
		{ EXPRESSION_UPDATE, "SET p = a, b = s1[1]", "Key attributes must be scalars; list"
			" random access '[]' and map lookup '.' are not allowed: Key: s1" },
		{ EXPRESSION_CONDITION, "a = p.b", "Key attributes must be scalars; list random"
			" access '[]' and map lookup '.' are not allowed: Key: p" },
		{ EXPRESSION_CONDITION, "a = p AND s1 = b AND a.p = s.s1", "" },
		{ EXPRESSION_PROJECTION, "a, p[1]", "Key attributes must be scalars; list random"
			" access '[]' and map lookup '.' are not allowed: Key: p" },
		{ EXPRESSION_PROJECTION, "a, p, s1", "" },
	};
	unsigned i;

	for (i = 0; i < sizeof cases / sizeof *cases; i++) {
		CHECK_EQUAL_INT(trial_bind(trial, cases[i].kind, slice_of_text(cases[i].text),
			NULL), 0);
		trial->failure.message[0] = '\0';
		CHECK_EQUAL_INT(binding_check_keys(&trial->binding, &schema, &trial->failure),
			cases[i].expected[0] ? ERR_VALIDATION : 0);
		CHECK_EQUAL_STRING(trial->failure.message, cases[i].expected);
	}
	CHECK_EQUAL_INT(trial_bind(trial, EXPRESSION_FILTER, slice_of_text("a = b OR c < #s"),
		"{#s: 's1'}"), 0);
	CHECK_EQUAL_INT(binding_check_filter(&trial->binding, &schema, &trial->failure),
		ERR_VALIDATION);
	CHECK_EQUAL_STRING(trial->failure.message, "Filter Expression can only contain non-primary"
		" key attributes: Primary key attribute: s1");
	schema.sort.type = 0;
	CHECK_EQUAL_INT(binding_check_filter(&trial->binding, &schema, &trial->failure), 0);
}

static const char *find(const char *path, const char *item)
{
	struct trial *trial = trial_of_test();
	struct value value;
	int err;

	CHECK_EQUAL_INT(trial_bind(trial, EXPRESSION_PROJECTION, slice_of_text(path), NULL), 0);
	err = binding_find(&trial->binding, &trial->binding.expression->paths[0],
		trial_item(&trial->item, item), &value);
	if (err)
		return err == END ? "missing" : error_text(err);
	buffer_clear(&trial->printed);
	notation_print_value(&trial->printed, &value);
	buffer_put_u8(&trial->printed, 0);
	return (const char *)trial->printed.data;
}

static void test_find(void)
{
	const char *item = "{a: 1, b: [1, [2, {x: 'y'}]], c: {d: {e: <1>}}}";

	CHECK_EQUAL_STRING(find("a", item), "1");
	CHECK_EQUAL_STRING(find("b[1][1].x", item), "'y'");
	CHECK_EQUAL_STRING(find("c.d.e", item), "<1>");
	CHECK_EQUAL_STRING(find("b[2]", item), "missing");
	CHECK_EQUAL_STRING(find("b[4294967294]", item), "missing");
	CHECK_EQUAL_STRING(find("c.e", item), "missing");
	CHECK_EQUAL_STRING(find("c[0]", item), "missing");
	CHECK_EQUAL_STRING(find("b.x", item), "missing");
	CHECK_EQUAL_STRING(find("c.d.e[0]", item), "missing");
	CHECK_EQUAL_STRING(find("a.x", item), "missing");
	CHECK_EQUAL_STRING(find("a", NULL), "missing");
}

int main(void)
{
	test_placeholders();
	test_positions();
	test_operators();
	test_clashes();
	test_keys();
	test_find();
	return 0;
}
