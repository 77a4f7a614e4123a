/* test_projection.c - tests of expr/projection.h. */
#include "expr/projection.h"

#include "unit/expressions.h"

#define ITEM "{a: 1, b: {x: 1, y: {z: [1, 2, 3]}}, l: [{a: 1, b: 2}, 5, [6, 7]], s: <1, 2>}"

static void check(const char *text, const char *parameters, const char *expected)
{
	const char *found = trial_projection(text, ITEM, parameters);

	if (strcmp(found, expected) != 0)
		fprintf(stderr, "projection: %s\n", text);
	CHECK_EQUAL_STRING(found, expected);
}

static void test_attributes(void)
{
	check("a", NULL, "{a: 1}");
	check("s, a", NULL, "{a: 1, s: <1, 2>}");
	check("l, zz, b, aa", NULL,
		"{b: {x: 1, y: {z: [1, 2, 3]}}, l: [{a: 1, b: 2}, 5, [6, 7]]}");
	check("zz", NULL, "{}");
	check("aa, bb, zz", NULL, "{}");
	check("#n", "{#n: 'b'}", "{b: {x: 1, y: {z: [1, 2, 3]}}}");
	CHECK_EQUAL_STRING(trial_projection("a", NULL, NULL), "{}");
	CHECK_EQUAL_STRING(trial_projection("a, b.c", "{}", NULL), "{}");
}

static void test_nested(void)
{
	check("b.x", NULL, "{b: {x: 1}}");
	check("b.y.z[1]", NULL, "{b: {y: {z: [2]}}}");
	check("b.y.z[2], b.y.z[0], b.x", NULL, "{b: {x: 1, y: {z: [1, 3]}}}");
	check("l[0].b, l[0].a", NULL, "{l: [{a: 1, b: 2}]}");
	check("l[2][1], l[0].a", NULL, "{l: [{a: 1}, [7]]}");
	check("l[1]", NULL, "{l: [5]}");
	check("b.q, b.y.q, a", NULL, "{a: 1}");
	check("l[7], l[0].q", NULL, "{}");
	check("l[0].q, l[1], l[2][7]", NULL, "{l: [5]}");
	check("b.y.q, b.x", NULL, "{b: {x: 1}}");
	check("a.x, a[0]", NULL, "Two document paths conflict with each other; must remove or"
		" rewrite one of these paths; path one: [a, x], path two: [a, [0]]");
	check("b[0], l.x, s.x, s2[0]", NULL, "{}");
	check("b.#a, b.#b", "{#a: 'x', #b: 'y'}", "{b: {x: 1, y: {z: [1, 2, 3]}}}");
}

/* 200 of 300 attributes: the count needs two bytes. */
static void test_many(void)
{
	static char item[8192], text[4096], expected[8192];
	char one[32];
	unsigned i;

	strcpy(item, "{");
	strcpy(expected, "{");
	for (i = 0; i < 300; i++) {
		snprintf(one, sizeof one, "%sn%03u: %u", i ? ", " : "", i, i);
		strcat(item, one);
		if (i >= 100) {
			snprintf(one, sizeof one, "%sn%03u: %u", i > 100 ? ", " : "", i, i);
			strcat(expected, one);
			snprintf(one, sizeof one, "%sn%03u", i > 100 ? "," : "", 399 - i);
			strcat(text, one);
		}
	}
	strcat(item, "}");
	strcat(expected, "}");
	CHECK_EQUAL_STRING(trial_projection(text, item, NULL), expected);
}

/* The walk ends at the last attribute needed. */
static void test_stops_early(void)
{
	struct trial *trial = trial_of_test();
	uint8_t bytes[256];
	struct slice item;

	CHECK_EQUAL_INT(trial_bind(trial, EXPRESSION_PROJECTION, slice_of_text("a"), NULL), 0);
	item = notation_item(&trial->item, ITEM);
	memcpy(bytes, item.data, item.len);
	memset(bytes + 6, 0xff, item.len - 6);
	buffer_clear(&trial->out);
	CHECK_EQUAL_INT(project(&trial->binding, slice_of(bytes, item.len), &trial->out), 0);
	CHECK_EQUAL_STRING(notation_print(&trial->printed, buffer_slice(&trial->out)), "{a: 1}");
	CHECK_EQUAL_INT(trial_bind(trial, EXPRESSION_PROJECTION, slice_of_text("b"), NULL), 0);
	CHECK_EQUAL_INT(project(&trial->binding, slice_of(bytes, item.len), &trial->out),
		ERR_CORRUPT);
}

static struct slice project_copy(const struct binding *copy, const char *item)
{
	static struct buffer out;
	static struct builder builder;

	buffer_clear(&out);
	CHECK_EQUAL_INT(project(copy, notation_item(&builder, item), &out), 0);
	return buffer_slice(&out);
}

/* A copy gives the same result after the request, its names and the expression have gone. */
static void check_copy(const char *text, const char *parameters, const char *expected)
{
	struct trial *trial = trial_of_test();
	const struct binding *copy;
	uint64_t *block;
	size_t size;

	CHECK_EQUAL_INT(trial_bind(trial, EXPRESSION_PROJECTION, slice_of_text(text), parameters),
		0);
	size = projection_copy_size(&trial->binding);
	block = malloc(size);
	CHECK(block != NULL);
	copy = projection_copy(&trial->binding, block);
	binding_release(&trial->binding);
	builder_release(&trial->parameters.builder);
	CHECK_EQUAL_STRING(notation_print(&trial->printed, project_copy(copy, ITEM)), expected);
	CHECK_EQUAL_STRING(notation_print(&trial->printed, project_copy(copy, "{}")), "{}");
	free(block);
}

static void test_copies(void)
{
	check_copy("a", NULL, "{a: 1}");
	check_copy("zz, l[2][1], b.#y.z[2], b.#y.z[0], l[0].#a", "{#y: 'y', #a: 'b'}",
		"{b: {y: {z: [1, 3]}}, l: [{b: 2}, [7]]}");
	check_copy("#n", "{#n: 'no such attribute'}", "{}");
	check_copy("b.#x, #x", "{#x: 'x'}", "{b: {x: 1}}");
}

int main(void)
{
	test_attributes();
	test_nested();
	test_many();
	test_stops_early();
	test_copies();
	return 0;
}
