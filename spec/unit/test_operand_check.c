/* test_operand_check.c - tests of expr/operand_check.h. */
#include "expr/operand_check.h"

#include "unit/expressions.h"

#define ALL "{:s: 's', :n: 1, :b: b'b', :t: true, :z: null, :l: [], :m: {}, :ss: <'a'>," \
	" :ns: <1>, :bs: <b'x'>}"

/* Binds with those parameters of ALL that occur in the text; returns the error message. */
static const char *refusal(enum expression_kind kind, const char *text)
{
	static char parameters[400];
	char all[sizeof ALL] = ALL, *at;

	strcpy(parameters, "{");
	all[strlen(all) - 1] = '\0';
	for (at = all + 1; at; at = strstr(at, ", :") ? strstr(at, ", :") + 2 : NULL) {
		char placeholder[8];
		size_t len = strcspn(at + 1, ":") + 1;
		const char *used, *end = strstr(at, ", :");

		snprintf(placeholder, sizeof placeholder, "%.*s", (int)len, at);
		for (used = text; (used = strstr(used, placeholder)) != NULL; used++)
			if (!isalnum((unsigned char)used[len]))
				break;
		if (used)
			snprintf(parameters + strlen(parameters), 60, "%.*s, ",
				(int)(end ? end - at : (long)strlen(at)), at);
	}
	strcat(parameters, "}");
	return trial_refusal(kind, text, strlen(parameters) > 2 ? parameters : NULL);
}

static void check(enum expression_kind kind, const char *text, const char *expected)
{
	const char *found = refusal(kind, text);

	if (strcmp(found, expected) != 0)
		fprintf(stderr, "expression: %s\n", text);
	CHECK_EQUAL_STRING(found, expected);
}

static void accepts(const char *text)
{
	check(EXPRESSION_CONDITION, text, "");
}

static void wrong_type(const char *text, const char *operation, const char *type)
{
	char expected[200];

	snprintf(expected, sizeof expected, "Incorrect operand type for operator or function;"
		" operator or function: %s, operand type: %s", operation, type);
	check(strncmp(text, "SET", 3) == 0 ? EXPRESSION_UPDATE : EXPRESSION_FILTER, text, expected);
}

static void wrong_count(const char *text, const char *operation, unsigned count)
{
	char expected[200];

	snprintf(expected, sizeof expected, "Incorrect number of operands for operator or function;"
		" operator or function: %s, number of operands: %u", operation, count);
	check(strncmp(text, "SET", 3) == 0 ? EXPRESSION_UPDATE : EXPRESSION_FILTER, text, expected);
}

static void test_comparators(void)
{
	static const char *const ordered[] = { "<", "<=", ">", ">=" };
	static const struct { const char *value, *type; } others[] = {
		{ ":t", "BOOL" }, { ":z", "NULL" }, { ":l", "L" }, { ":m", "M" }, { ":ss", "SS" },
		{ ":ns", "NS" }, { ":bs", "BS" } };
	char text[100];
	unsigned i, j;

	for (i = 0; i < 4; i++) {
		snprintf(text, sizeof text, "a %s :s OR a %s :n OR :b %s a", ordered[i], ordered[i],
			ordered[i]);
		accepts(text);
		for (j = 0; j < 7; j++) {
			snprintf(text, sizeof text, "a %s %s", ordered[i], others[j].value);
			wrong_type(text, ordered[i], others[j].type);
			snprintf(text, sizeof text, "NOT %s %s a", others[j].value, ordered[i]);
			wrong_type(text, ordered[i], others[j].type);
		}
	}
	accepts("a = :t OR a <> :z OR a = :l OR a = :m OR a = :ss OR a IN (:ns, :bs)");
	wrong_type("size(a) < :t", "<", "BOOL");
	/* also in a branch that is never evaluated */
	wrong_type("a = :s OR a < :t", "<", "BOOL");
}

/* A message has all digits of a number, also of the longest one. */
static void test_longest_bound(void)
{
	const char *message = trial_refusal(EXPRESSION_CONDITION, "a BETWEEN :x AND :y",
		"{:x: 's', :y: -1.0000000000000000000000000000000000001E-93}");
	const char *digits = strrchr(message, '-');

	CHECK(digits != NULL);
	CHECK_EQUAL_UINT(strlen(digits), strlen("-0.") + 93 + 37 + strlen("}"));
	CHECK_EQUAL_STRING(message + strlen(message) - 5, "0001}");
}

static void test_between(void)
{
	accepts("a BETWEEN :n AND :n");
	accepts("a BETWEEN :n AND b");
	accepts("a BETWEEN :n AND size(b)");
	wrong_type("a BETWEEN :t AND :n", "BETWEEN", "BOOL");
	wrong_type("a BETWEEN :n AND :ss", "BETWEEN", "SS");
	wrong_type(":l BETWEEN :n AND :n", "BETWEEN", "L");
	check(EXPRESSION_CONDITION, "a BETWEEN :n AND :s", "The BETWEEN operator requires same data"
		" type for lower and upper bounds; lower bound operand: AttributeValue: {N:1}, upper"
		" bound operand: AttributeValue: {S:s}");
	CHECK_EQUAL_STRING(trial_refusal(EXPRESSION_CONDITION, "a BETWEEN :x AND :y",
		"{:x: 12, :y: 3}"),
		"The BETWEEN operator requires upper bound to be greater than or"
		" equal to lower bound; lower bound operand: AttributeValue: {N:12}, upper bound"
		" operand: AttributeValue: {N:3}");
	CHECK_EQUAL_STRING(trial_refusal(EXPRESSION_CONDITION, "a BETWEEN :x AND :y",
		"{:x: b'abcd', :y: b'abc'}"), "The BETWEEN operator requires upper bound to be"
		" greater than or equal to lower bound; lower bound operand: AttributeValue:"
		" {B:YWJjZA==}, upper bound operand: AttributeValue: {B:YWJj}");
}

static void test_in(void)
{
	char text[1000];
	unsigned i, count;

	for (count = IN_OPERANDS_MAX; count <= IN_OPERANDS_MAX + 1; count++) {
		strcpy(text, "a IN (b");
		for (i = 1; i < count; i++)
			strcat(text, ",b");
		strcat(text, ")");
		check(EXPRESSION_CONDITION, text, count > IN_OPERANDS_MAX ? "The IN operator is"
			" provided with too many operands; number of operands: 101" : "");
	}
}

static void test_functions(void)
{
	accepts("begins_with(a, :s) OR begins_with(:b, a) OR contains(:l, a) OR contains(a, :n)");
	wrong_type("begins_with(a, :n)", "begins_with", "N");
	wrong_type("begins_with(:ss, a)", "begins_with", "SS");
	wrong_type("begins_with(a, size(b))", "begins_with", "N");
	wrong_type("size(:n) = :s", "size", "N");
	wrong_type("size(:t) = :s", "size", "BOOL");
	wrong_type("size(:z) = :s", "size", "NULL");
	wrong_type("size(size(a)) = :s", "size", "N");
	accepts("size(:l) = size(:m)");
	wrong_type("attribute_type(a, :n)", "attribute_type", "N");
	wrong_type("attribute_type(a, b)", "attribute_type", "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}");
	wrong_type("attribute_type(a, size(b))", "attribute_type", "N");
	check(EXPRESSION_CONDITION, "attribute_type(a, :s)", "Invalid attribute type name found;"
		" type: s, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}");
	check(EXPRESSION_CONDITION, "attribute_exists(:s)", "Operator or function requires a"
		" document path; operator or function: attribute_exists");
	check(EXPRESSION_CONDITION, "attribute_not_exists(size(a))", "Operator or function requires"
		" a document path; operator or function: attribute_not_exists");
	wrong_count("attribute_exists(a, b)", "attribute_exists", 2);
	wrong_count("attribute_not_exists(a, b, c)", "attribute_not_exists", 3);
	wrong_count("size(a, b) = c", "size", 2);
	wrong_count("contains(a)", "contains", 1);
	wrong_count("begins_with(a, b, c)", "begins_with", 3);
	wrong_count("attribute_type(a)", "attribute_type", 1);
}

static void test_distinct(void)
{
	const char *const distinct = "The first operand must be distinct from the remaining"
		" operands for this operator or function; operator: %s, first operand: %s";
	char expected[200];

	snprintf(expected, sizeof expected, distinct, "=", "[a]");
	check(EXPRESSION_CONDITION, "a = a", expected);
	snprintf(expected, sizeof expected, distinct, "<>", "[a, [2], b]");
	check(EXPRESSION_CONDITION, "a[2].b <> a[2].b", expected);
	snprintf(expected, sizeof expected, distinct, "contains", "[a]");
	check(EXPRESSION_CONDITION, "contains(a, a)", expected);
	snprintf(expected, sizeof expected, distinct, "begins_with", "[a]");
	CHECK_EQUAL_STRING(trial_refusal(EXPRESSION_CONDITION, "begins_with(a, #a)", "{#a: 'a'}"),
		expected);
	accepts("a = b");
	accepts("a[1] = a[2]");
	accepts("a.b = a");
	accepts(":n = :n");
	accepts("a IN (a)");
	accepts("a BETWEEN a AND a");
}

/* Order of the checks in one test: undefined names and values, number of operands, distinct
 * operands, types. */
static void test_order(void)
{
	check(EXPRESSION_CONDITION, "a < :t AND contains(b)", "Incorrect operand type for operator"
		" or function; operator or function: <, operand type: BOOL");
	check(EXPRESSION_CONDITION, "contains(b) AND a < :t", "Incorrect number of operands for"
		" operator or function; operator or function: contains, number of operands: 1");
	check(EXPRESSION_CONDITION, "attribute_type(#x)", "An expression attribute name used in the"
		" document path is not defined; attribute name: #x");
	check(EXPRESSION_CONDITION, "a = :undefined AND #x = :t", "An expression attribute value"
		" used in expression is not defined; attribute value: :undefined");
	check(EXPRESSION_CONDITION, "a < :t AND #x = :n", "Incorrect operand type for operator or"
		" function; operator or function: <, operand type: BOOL");
}

static void test_updates(void)
{
	static const struct { const char *value, *type; } others[] = {
		{ ":s", "STRING" }, { ":b", "BINARY" }, { ":t", "BOOLEAN" }, { ":z", "NULL" },
		{ ":l", "LIST" }, { ":m", "MAP" } };
	char text[100], expected[200];
	unsigned i;

	check(EXPRESSION_UPDATE, "ADD a :n, b :ss, c :ns, d :bs DELETE e :ss, f :ns, g :bs", "");
	for (i = 0; i < 6; i++) {
		snprintf(text, sizeof text, "ADD a %s", others[i].value);
		snprintf(expected, sizeof expected, "Incorrect operand type for operator or"
			" function; operator: ADD, operand type: %s, typeSet:"
			" ALLOWED_FOR_ADD_OPERAND", others[i].type);
		check(EXPRESSION_UPDATE, text, expected);
	}
	check(EXPRESSION_UPDATE, "SET b = contains1 DELETE a :n", "Incorrect operand type for"
		" operator or function; operator: DELETE, operand type: NUMBER, typeSet:"
		" ALLOWED_FOR_DELETE_OPERAND");
	wrong_type("SET a = b + :s", "+", "S");
	wrong_type("SET a = :ss - b", "-", "SS");
	wrong_type("SET a = list_append(b, :m)", "list_append", "M");
	wrong_type("SET a = list_append(:s, b)", "list_append", "S");
	wrong_type("SET a = if_not_exists(b, list_append(:s, b))", "list_append", "S");
	wrong_count("SET a = list_append(b)", "list_append", 1);
	wrong_count("SET a = if_not_exists(b, :s, :t)", "if_not_exists", 3);
	check(EXPRESSION_UPDATE, "SET a = if_not_exists(:s, :n)", "Operator or function requires a"
		" document path; operator or function: if_not_exists");
	check(EXPRESSION_UPDATE, "SET a = if_not_exists(if_not_exists(a, :n), :n)", "Operator or"
		" function requires a document path; operator or function: if_not_exists");
	/* order: undefined name, value, overlap, conflict, ADD and DELETE, functions */
	check(EXPRESSION_UPDATE, "SET a = list_append(:s, b), a = :x, c = #x ADD d :s",
		"An expression attribute name used in the document path is not defined; attribute"
		" name: #x");
	check(EXPRESSION_UPDATE, "SET a = list_append(:s, b), a = :x ADD d :s",
		"An expression attribute value used in expression is not defined; attribute value:"
		" :x");
	check(EXPRESSION_UPDATE, "SET a = list_append(:s, b), d[0] = :s, d.x = :s, a = b ADD e :s",
		"Two document paths overlap with each other; must remove or rewrite one of these"
		" paths; path one: [a], path two: [a]");
	check(EXPRESSION_UPDATE, "SET a = list_append(:s, b), d[0] = :s, d.x = :s ADD e :s",
		"Two document paths conflict with each other; must remove or rewrite one of these"
		" paths; path one: [d, [0]], path two: [d, x]");
	check(EXPRESSION_UPDATE, "SET a = list_append(:s, b) ADD e :s", "Incorrect operand type for"
		" operator or function; operator: ADD, operand type: STRING, typeSet:"
		" ALLOWED_FOR_ADD_OPERAND");
}

static void test_path_text(void)
{
	struct trial *trial = trial_of_test();
	char text[3000] = "a";
	struct path_text printed;
	int i;

	CHECK_EQUAL_INT(trial_bind(trial, EXPRESSION_PROJECTION, slice_of_text("a.#b[10].c"),
		"{#b: 'x.y'}"), 0);
	printed = path_text_of(&trial->binding, &trial->binding.expression->paths[0]);
	CHECK_EQUAL_STRING(printed.text, "[a, x.y, [10], c]");
	for (i = 0; i < 30; i++)
		strcat(text, ".abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz");
	CHECK_EQUAL_INT(trial_bind(trial, EXPRESSION_PROJECTION, slice_of_text(text), NULL), 0);
	printed = path_text_of(&trial->binding, &trial->binding.expression->paths[0]);
	CHECK_EQUAL_UINT(strlen(printed.text), sizeof printed.text - 2);
	CHECK(printed.text[strlen(printed.text) - 1] == ']');
	CHECK(paths_equal(&trial->binding, &trial->binding.expression->paths[0],
		&trial->binding.expression->paths[0]));
}

int main(void)
{
	test_comparators();
	test_between();
	test_longest_bound();
	test_in();
	test_functions();
	test_distinct();
	test_order();
	test_updates();
	test_path_text();
	return 0;
}
