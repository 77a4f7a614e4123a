/* test_parser.c - tests of expr/parser.h. */
#include "expr/parser.h"

#include "unit/check.h"

#define PARENTHESES "The expression has redundant parentheses;"

/* Returns the details of the error message; "" if the text is valid. */
static const char *parse(enum expression_kind kind, const char *text, size_t len)
{
	static struct failure failure;
	struct expression *expression;
	char start[64];
	int err;

	failure = (struct failure){ 0 };
	err = expression_parse(&expression, kind, slice_of(text, len), &failure);
	CHECK((err == 0) == (expression != NULL));
	if (!err) {
		CHECK_EQUAL_UINT(expression->references, 1);
		expression_release(expression);
		return "";
	}
	CHECK_EQUAL_INT(err, ERR_VALIDATION);
	snprintf(start, sizeof start, "Invalid %sExpression: ", expression_kind_name(kind));
	CHECK(strncmp(failure.message, start, strlen(start)) == 0);
	return failure.message + strlen(start);
}

static void check(enum expression_kind kind, const char *text, const char *expected)
{
	const char *found = parse(kind, text, strlen(text));

	if (strcmp(found, expected) != 0)
		fprintf(stderr, "expression: %s\n", text);
	CHECK_EQUAL_STRING(found, expected);
}

static void update(const char *text, const char *expected)
{
	check(EXPRESSION_UPDATE, text, expected);
}

static void condition(const char *text, const char *expected)
{
	check(EXPRESSION_CONDITION, text, expected);
	check(EXPRESSION_FILTER, text, expected);
	check(EXPRESSION_KEY_CONDITION, text, expected);
}

static void projection(const char *text, const char *expected)
{
	check(EXPRESSION_PROJECTION, text, expected);
}

static void test_size(void)
{
	static char text[EXPRESSION_BYTES_MAX + 2];
	unsigned kind;

	memset(text, ' ', sizeof text);
	for (kind = EXPRESSION_UPDATE; kind <= EXPRESSION_PROJECTION; kind++) {
		CHECK_EQUAL_STRING(parse((enum expression_kind)kind, text,
			EXPRESSION_BYTES_MAX + 1),
			"Expression size has exceeded the maximum allowed size; expression size:"
			" 4097");
		CHECK_EQUAL_STRING(parse((enum expression_kind)kind, text, EXPRESSION_BYTES_MAX),
			"The expression can not be empty;");
		CHECK_EQUAL_STRING(parse((enum expression_kind)kind, NULL, 0),
			"The expression can not be empty;");
	}
	memset(text, 'a', sizeof text);
	CHECK_EQUAL_STRING(parse(EXPRESSION_PROJECTION, text, EXPRESSION_BYTES_MAX), "");
}

/* A filter of records has no reserved words, but keywords. */
static void test_record_filters(void)
{
	check(EXPRESSION_RECORD_FILTER, "keys.name = :v AND attribute_exists(new_image.total)", "");
	check(EXPRESSION_FILTER, "a.keys = :v",
		"Attribute name is a reserved keyword; reserved keyword: keys");
	check(EXPRESSION_RECORD_FILTER, "a.and = :v",
		"Syntax error; token: \"and\", near: \".and =\"");
	check(EXPRESSION_RECORD_FILTER, "a = b = c", "Syntax error; token: \"=\", near: \"b = c\"");
}

static void test_projections(void)
{
	projection("a", "");
	projection("a.b[0].#c, #d[1][2],x", "");
	projection("and, a", "Attribute name is a reserved keyword; reserved keyword: and");
	projection("a.Name", "Attribute name is a reserved keyword; reserved keyword: Name");
	projection("a,", "Syntax error; token: \"<EOF>\", near: \",\"");
	projection("a b", "Syntax error; token: \"b\", near: \"a b\"");
	projection("a..b", "Syntax error; token: \".\", near: \"..b\"");
	projection("a[b]", "Syntax error; token: \"b\", near: \"[b]\"");
	projection("a[1", "Syntax error; token: \"<EOF>\", near: \"1\"");
	projection("a[1 2]", "Syntax error; token: \"2\", near: \"1 2]\"");
	projection("!!", "Syntax error; token: \"!\", near: \"!!\"");
	projection(":v", "Syntax error; token: \":v\", near: \":v\"");
	projection("a(b)", "Syntax error; token: \"(\", near: \"a(b\"");
	projection("(a)", "Syntax error; token: \"(\", near: \"(a\"");
	projection("_a", "Syntax error; token: \"_\", near: \"_a\"");
	projection("a, \xc3\xa9", "Syntax error; token: \"\xc3\xa9\", near: \", \xc3\xa9\"");
	projection("a, \xff", "Syntax error; token: \"?\", near: \", ?\"");
}

static void test_path_limits(void)
{
	char text[200] = "a";
	unsigned i;

	for (i = 1; i < PATH_STEPS_MAX; i++)
		strcat(text, i % 2 ? ".b" : "[7]");
	projection(text, "");
	strcat(text, ".c");
	projection(text, "The document path has too many nesting levels; nesting levels: 33");
	projection("a[4294967294]", "");
	projection("a[0000000000000000000001]", "");
	projection("a[4294967295]",
		"List index is not within the allowable range; index: [4294967295]");
	projection("a[99999999999999999999999]",
		"List index is not within the allowable range; index: [99999999999999999999999]");
	projection("a[99999999999], name", "Attribute name is a reserved keyword; reserved"
		" keyword: name");
}

static void test_updates(void)
{
	update("SET a = :v", "");
	update("set a = :v, b=?, c.d[1] = #e remove x Add n :n, m ? DELETE s :s", "");
	update("SET a = b + :v, c = d - e, f = (g + h), i = (j) - (k)", "");
	update("SET a = if_not_exists(b, if_not_exists(c, :v)) + list_append(d, (e))", "");
	update("SET a = :a REMOVE b SET c = :c",
		"The \"SET\" section can only be used once in an update expression;");
	update("remove a add b :c delete d :e remove e",
		"The \"REMOVE\" section can only be used once in an update expression;");
	update("HELLO a = :v", "Syntax error; token: \"HELLO\", near: \"HELLO a\"");
	update("SET _123 = :v", "Syntax error; token: \"_\", near: \"SET _123\"");
	update("SET a", "Syntax error; token: \"<EOF>\", near: \"a\"");
	update("SET a =", "Syntax error; token: \"<EOF>\", near: \"=\"");
	update("SET a = :v,", "Syntax error; token: \"<EOF>\", near: \",\"");
	update("SET", "Syntax error; token: \"<EOF>\", near: \"SET\"");
	update("SET a = b 1", "Syntax error; token: \"1\", near: \"b 1\"");
	update("SET a = :a + :b + :c", "Syntax error; token: \"+\", near: \":b + :c\"");
	update("SET a = (:a + :b) + :c", "Syntax error; token: \"+\", near: \") + :c\"");
	update("SET a = :a + (:b + :c)", "Syntax error; token: \"+\", near: \":b + :c\"");
	update("SET a = if_not_exists(a, :b + :c)",
		"Syntax error; token: \"+\", near: \":b + :c\"");
	update("SET a = (:a", "Syntax error; token: \"<EOF>\", near: \":a\"");
	update("SET a = :a)", "Syntax error; token: \")\", near: \":a)\"");
	update("SET a = f()", "Syntax error; token: \")\", near: \"()\"");
	update("SET a = b = c", "Syntax error; token: \"=\", near: \"b = c\"");
	update("SET a = b AND c", "Syntax error; token: \"AND\", near: \"b AND c\"");
	update("ADD a b", "Syntax error; token: \"b\", near: \"a b\"");
	update("ADD a", "Syntax error; token: \"<EOF>\", near: \"a\"");
	update("ADD a = :v", "Syntax error; token: \"=\", near: \"a = :v\"");
	update("DELETE a, b :v", "Syntax error; token: \",\", near: \"a, b\"");
	update("REMOVE a :v", "Syntax error; token: \":v\", near: \"a :v\"");
	update("SET a[:i] = :v", "Syntax error; token: \":i\", near: \"[:i]\"");
	update("SET set = :v", "Syntax error; token: \"set\", near: \"SET set =\"");
	update("SET and = :v", "Attribute name is a reserved keyword; reserved keyword: and");
	update("SET a = not", "Attribute name is a reserved keyword; reserved keyword: not");
	update("SET a = ((:v))", PARENTHESES);
	update("SET a = ((b + :v))", PARENTHESES);
	update("SET a = list_append((b), ((:v)))", PARENTHESES);
}

static void test_functions(void)
{
	update("SET a = f123_hi(b, c, d)", "Invalid function name; function: f123_hi");
	update("SET a = f(g(b))", "Invalid function name; function: g");
	update("SET a = LIST_APPEND(b, c)", "Invalid function name; function: LIST_APPEND");
	update("SET a = contains(b, :v)",
		"The function is not allowed in an update expression; function: contains");
	update("SET a = size(b)",
		"The function is not allowed in an update expression; function: size");
	update("SET a = list_append(list_append(:a, :b), :c)", "The function is not allowed to be"
		" used this way in an expression; function: list_append");
	update("SET a = list_append(if_not_exists(x, list_append(:a, :b)), :c)", "The function is"
		" not allowed to be used this way in an expression; function: list_append");
	condition("f(a)", "Invalid function name; function: f");
	condition("a = f(b)", "Invalid function name; function: f");
	condition("SIZE(a) = :v", "Invalid function name; function: SIZE");
	condition("a = if_not_exists(b, :v)",
		"The function is not allowed in a condition expression; function: if_not_exists");
	condition("size(a)", "The function is not allowed to be used this way in an expression;"
		" function: size");
	condition("a = :v AND size(b)", "The function is not allowed to be used this way in an"
		" expression; function: size");
	condition("contains(a, b) = :v", "The function is not allowed to be used this way in an"
		" expression; function: contains");
	condition("a IN (:v, begins_with(a, b))", "The function is not allowed to be used this"
		" way in an expression; function: begins_with");
	condition("a BETWEEN attribute_exists(b) AND :v", "The function is not allowed to be used"
		" this way in an expression; function: attribute_exists");
	condition("contains(attribute_type(a, :b), :c)", "The function is not allowed to be used"
		" this way in an expression; function: attribute_type");
}

/* A text with one fault of each kind; the first kind is reported. */
static void test_ranks(void)
{
	condition("((name = :v)) AND f(a) AND size(a) AND x.y[99999999999] = ",
		"Syntax error; token: \"<EOF>\", near: \"=\"");
	condition("size(a) AND f(a) AND name = :v AND ((b = :v))", PARENTHESES);
	condition("size(a) AND f(a) AND name = :v", "Invalid function name; function: f");
	condition("name = :v AND size(a) AND list_append(a, b) = c",
		"The function is not allowed in a condition expression; function: list_append");
	condition("name = :v AND size(a)", "The function is not allowed to be used this way in an"
		" expression; function: size");
	condition("a[99999999999] = :v AND name = :v",
		"Attribute name is a reserved keyword; reserved keyword: name");
	update("SET a = f(b) SET a = name", "Attribute name is a reserved keyword; reserved"
		" keyword: name");
	update("SET a = :v SET b = size(b), c = f(b)", "Invalid function name; function: f");
	update("SET a = :v SET b = size(b)",
		"The function is not allowed in an update expression; function: size");
	update("SET a[99999999999] = :v SET b = :v",
		"The \"SET\" section can only be used once in an update expression;");
}

/* Comparators, AND, OR, NOT, BETWEEN, IN, + and - count; functions and parentheses do not. */
static void test_operators(void)
{
	static char text[EXPRESSION_BYTES_MAX + 1];
	unsigned i, tests;

	for (tests = 150; tests <= 151; tests++) {
		strcpy(text, "NOT a=b");
		for (i = 1; i < tests; i++)
			strcat(text, i % 2 ? " AND(a in(b))" : " OR c between d and e");
		/* operators: one NOT, `tests` comparators, tests - 1 times AND */
		condition(text, tests > 150 ? "The expression contains too many operators; operator"
			" count: 301" : "");
	}
	strcpy(text, "SET a=b+c");
	for (i = 1; i < 300; i++)
		strcat(text, i % 2 ? ",a=b-c" : ",a=b+c");
	update(text, "");
	strcat(text, ",a=b+c,name=f(c)");
	update(text, "The expression contains too many operators; operator count: 301");
}

/* Only the size of the text limits nesting. */
static void test_depth(void)
{
	static char text[EXPRESSION_BYTES_MAX + 1];
	size_t i;

	memset(text, '(', EXPRESSION_BYTES_MAX);
	condition(text, "Syntax error; token: \"<EOF>\", near: \"(\"");
	strcpy(text + 2000, "a=b");
	memset(text + 2003, ')', 2000);
	text[4003] = '\0';
	condition(text, PARENTHESES);
	memset(text + 2003, ')', 2001);
	text[4004] = '\0';
	condition(text, "Syntax error; token: \")\", near: \"))\"");
	for (text[0] = '\0', i = 0; i < 200; i++)
		strcat(text, "NOT(");
	strcat(text, "a=b");
	for (i = 0; i < 200; i++)
		strcat(text, ")");
	condition(text, "");
	for (strcpy(text, "SET a = "), i = 0; i < 200; i++)
		strcat(text, "if_not_exists(a,");
	strcat(text, "b");
	for (i = 0; i < 200; i++)
		strcat(text, ")");
	update(text, "");
}

/* A shared expression is freed when its last owner releases it. */
static void test_references(void)
{
	struct expression *expression;
	struct failure failure;

	CHECK_EQUAL_INT(expression_parse(&expression, EXPRESSION_UPDATE,
		slice_of_text("SET a.#b[2] = ? ADD c ?"), &failure), 0);
	CHECK(expression_share(expression) == expression);
	expression_release(expression);
	CHECK_EQUAL_UINT(expression->references, 1);
	CHECK_EQUAL_UINT(expression->position_count, 2);
	CHECK_EQUAL_UINT(expression->action_count, 2);
	CHECK_EQUAL_UINT(expression->step_count, 4);
	CHECK_EQUAL_UINT(expression->steps[2].index, 2);
	CHECK(expression->size >= sizeof *expression);
	CHECK(slice_equal(step_text(expression, &expression->steps[1]), slice_of_text("#b")));
	CHECK(slice_equal(value_text(expression, &expression->values[0]), slice_of_text("?")));
	expression_release(expression);
	expression_release(NULL);
}

int main(void)
{
	test_size();
	test_projections();
	test_record_filters();
	test_path_limits();
	test_updates();
	test_functions();
	test_ranks();
	test_operators();
	test_depth();
	test_references();
	return 0;
}
