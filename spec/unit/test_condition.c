/* test_condition.c - tests of expr/condition.h. */
#include "expr/condition.h"

#include "unit/expressions.h"

#define ITEM "{b: b'xyz', f: false, l: [1, 'two', {x: 3}, <1>], m: {k: 'v', n: {d: 1}}, n: 5," \
	" ns: <1, 2, 3>, s: 'hello', ss: <'a', 'b'>, t: true, z: null, bs: <b'p', b'q'>}"

static void check(const char *text, const char *parameters, const char *expected)
{
	const char *found = trial_condition(text, ITEM, parameters);

	if (strcmp(found, expected) != 0)
		fprintf(stderr, "condition: %s\n", text);
	CHECK_EQUAL_STRING(found, expected);
}

static void yes(const char *text, const char *parameters)
{
	check(text, parameters, "true");
}

static void no(const char *text, const char *parameters)
{
	check(text, parameters, "false");
}

static void test_equality(void)
{
	yes("n = :v", "{:v: 5}");
	yes("n = :v", "{:v: 5.00}");
	no("n = :v", "{:v: '5'}");
	yes("n <> :v", "{:v: '5'}");
	yes("ss = :v", "{:v: <'b', 'a'>}");
	no("ss = :v", "{:v: ['a', 'b']}");
	yes("m = :v", "{:v: {n: {d: 1.0}, k: 'v'}}");
	yes("l[2] = :v", "{:v: {x: 3}}");
	yes("t = :v", "{:v: true}");
	no("t = :v", "{:v: false}");
	yes("z = :v", "{:v: null}");
	yes(":v = :v", "{:v: 5}");
	yes(":v = n", "{:v: 5}");
}

static void test_order(void)
{
	yes("n < :v", "{:v: 6}");
	no("n < :v", "{:v: 5}");
	yes("n <= :v", "{:v: 5}");
	yes("n > :v", "{:v: -6}");
	yes("n >= :v", "{:v: 5}");
	no("n > :v", "{:v: '4'}");
	no("n < :v", "{:v: '6'}");
	yes("s < :v", "{:v: 'hellp'}");
	yes("s > :v", "{:v: 'hell'}");
	yes("b >= :v", "{:v: b'xya'}");
	no("ss < :v", "{:v: 'z'}");
	no("t < :v", "{:v: 'z'}");
	yes("n BETWEEN :a AND :b", "{:a: 5, :b: 5}");
	yes("n BETWEEN :a AND :b", "{:a: 4, :b: 5}");
	no("n BETWEEN :a AND :b", "{:a: 5.1, :b: 7}");
	no("s BETWEEN :a AND :b", "{:a: 1, :b: 7}");
	no("n BETWEEN :a AND m.k", "{:a: 1}");
	yes(":a BETWEEN n AND :b", "{:a: 5, :b: 7}");
}

static void test_missing(void)
{
	no("x = :v", "{:v: 1}");
	yes("x <> :v", "{:v: 1}");
	no("x < :v", "{:v: 1}");
	no("x >= :v", "{:v: 1}");
	no("x = y", NULL);
	yes("x <> y", NULL);
	no("x BETWEEN :a AND :b", "{:a: 1, :b: 2}");
	no("x IN (:a, y)", "{:a: 1}");
	no("begins_with(x, :v)", "{:v: 'a'}");
	no("begins_with(s, x)", NULL);
	no("contains(x, :v)", "{:v: 'a'}");
	no("contains(l, x)", NULL);
	no("attribute_type(x, :v)", "{:v: 'S'}");
	no("attribute_exists(x)", NULL);
	yes("attribute_not_exists(x)", NULL);
	no("s.x = :v", "{:v: 1}");
	no("s[0] = :v", "{:v: 1}");
	no("l.x = :v", "{:v: 1}");
	no("m[0] = :v", "{:v: 1}");
	no("attribute_exists(l[4])", NULL);
	no("attribute_exists(m.n.d.e)", NULL);
	no("size(x) = :v", "{:v: 1}");
	yes("size(x) <> :v", "{:v: 1}");
	no("size(n) >= :v", "{:v: 0}");
	no("size(t) < :v", "{:v: 9}");
	yes("size(z) <> :v", "{:v: 9}");
}

static void test_no_item(void)
{
	CHECK_EQUAL_STRING(trial_condition("attribute_not_exists(p)", NULL, NULL), "true");
	CHECK_EQUAL_STRING(trial_condition("attribute_exists(p.a)", NULL, NULL), "false");
	CHECK_EQUAL_STRING(trial_condition("a = :v", NULL, "{:v: 1}"), "false");
	CHECK_EQUAL_STRING(trial_condition("a <> :v", NULL, "{:v: 1}"), "true");
	CHECK_EQUAL_STRING(trial_condition("a = :v", "{}", "{:v: 1}"), "false");
}

static void test_functions(void)
{
	yes("attribute_exists(z)", NULL);
	no("attribute_not_exists(z)", NULL);
	yes("attribute_exists(m.n.d)", NULL);
	yes("attribute_exists(l[3])", NULL);
	yes("attribute_type(z, :v)", "{:v: 'NULL'}");
	yes("attribute_type(f, :v)", "{:v: 'BOOL'}");
	yes("attribute_type(t, :v)", "{:v: 'BOOL'}");
	yes("attribute_type(bs, :v)", "{:v: 'BS'}");
	no("attribute_type(s, :v)", "{:v: 'SS'}");
	yes("begins_with(s, :v)", "{:v: 'hel'}");
	yes("begins_with(s, :v)", "{:v: ''}");
	no("begins_with(s, :v)", "{:v: 'hellos'}");
	yes("begins_with(b, :v)", "{:v: b'xy'}");
	no("begins_with(b, :v)", "{:v: 'xy'}");
	no("begins_with(n, :v)", "{:v: '5'}");
	yes("contains(s, :v)", "{:v: 'ell'}");
	yes("contains(s, :v)", "{:v: ''}");
	no("contains(s, :v)", "{:v: b'ell'}");
	yes("contains(b, :v)", "{:v: b'yz'}");
	yes("contains(b, :v)", "{:v: b''}");
	no("contains(b, :v)", "{:v: b'xz'}");
	yes("contains(ss, :v)", "{:v: 'b'}");
	no("contains(ss, :v)", "{:v: 'c'}");
	no("contains(ss, :v)", "{:v: <'a'>}");
	yes("contains(ns, :v)", "{:v: 2.0}");
	no("contains(ns, :v)", "{:v: '2'}");
	yes("contains(bs, :v)", "{:v: b'q'}");
	yes("contains(l, :v)", "{:v: {x: 3}}");
	yes("contains(l, :v)", "{:v: <1>}");
	no("contains(l, :v)", "{:v: 3}");
	no("contains(m, :v)", "{:v: 'k'}");
	no("contains(n, :v)", "{:v: 5}");
	yes("contains(:v, s)", "{:v: 'oh hello'}");
	yes("n IN (:a, :b)", "{:a: 1, :b: 5}");
	no("n IN (:a)", "{:a: <5>}");
	yes("ns IN (:a)", "{:a: <3, 2, 1>}");
}

static void test_sizes(void)
{
	yes("size(s) = :v", "{:v: 5}");
	yes("size(b) = :v", "{:v: 3}");
	yes("size(l) = :v", "{:v: 4}");
	yes("size(m) = :v", "{:v: 2}");
	yes("size(ss) = :v", "{:v: 2}");
	yes("size(ns) = size(:v)", "{:v: [1, 2, 3]}");
	yes("size(bs) BETWEEN :a AND size(l)", "{:a: 2}");
	yes("size(s) IN (:a, size(s))", "{:a: 1}");
	/* UTF-16 code units: 1 for a character of two bytes, 2 for one outside the BMP */
	yes("size(:s) = :v", "{:v: 3, :s: '\xc3\xa9\xf0\x9f\x8c\x8a'}");
}

static void test_logic(void)
{
	const char *both = "{:v: 5, :w: 'hello'}";

	yes("n = :v AND s = :w", both);
	no("n = :v AND s <> :w", both);
	yes("n <> :v OR s = :w", both);
	no("NOT (n = :v OR s = :w)", both);
	yes("NOT NOT n = :v", "{:v: 5}");
	no("NOT n = :v", "{:v: 5}");
	/* precedence: NOT, AND, OR */
	yes("n = :v OR s = :w AND s <> :w", both);
	no("(n = :v OR s = :w) AND s <> :w", both);
	no("NOT n = :v AND s = :w", both);
	yes("NOT (n = :v AND s <> :w)", both);
	yes("n BETWEEN :v AND :v AND s = :w", both);
	yes("NOT n BETWEEN :w AND :w OR n = :v", both);
	yes("NOT (n <> :v OR NOT (s = :w AND attribute_exists(l)))", both);
}

/* Every condition of four tests t1..t4 over AND, OR and NOT against its truth table. */
static void test_every_shape(void)
{
	static const char *const words[] = { "AND", "OR" };
	char text[200], item[100];
	unsigned shape, truth;

	for (shape = 0; shape < 128; shape++) {
		bool nots[4] = { shape & 1, shape & 2, shape & 4, shape & 8 };
		bool ands[3] = { !(shape & 16), !(shape & 32), !(shape & 64) };

		snprintf(text, sizeof text, "%s a = :v %s %s b = :v %s %s c = :v %s %s d = :v",
			nots[0] ? "NOT" : "", words[!ands[0]], nots[1] ? "NOT" : "",
			words[!ands[1]], nots[2] ? "NOT" : "", words[!ands[2]],
			nots[3] ? "NOT" : "");
		for (truth = 0; truth < 16; truth++) {
			bool t[4], result = false, run;
			unsigned i;

			for (i = 0; i < 4; i++)
				t[i] = (truth >> i & 1) != nots[i];
			for (run = t[0], i = 0; i < 3; i++) {
				result |= !ands[i] && run;
				run = ands[i] ? run && t[i + 1] : t[i + 1];
			}
			result |= run;
			snprintf(item, sizeof item, "{a: %u, b: %u, c: %u, d: %u}", truth & 1,
				truth >> 1 & 1, truth >> 2 & 1, truth >> 3);
			CHECK_EQUAL_STRING(trial_condition(text, item, "{:v: 1}"),
				result ? "true" : "false");
		}
	}
}

/* Bytes after the last attribute needed are not read. */
static void test_stops_early(void)
{
	struct trial *trial = trial_of_test();
	uint8_t bytes[64];
	struct slice item;
	bool holds;

	CHECK_EQUAL_INT(trial_bind(trial, EXPRESSION_CONDITION, slice_of_text("a = :v"),
		"{:v: 1}"), 0);
	item = notation_item(&trial->item, "{a: 1, b: 'text', c: 5}");
	memcpy(bytes, item.data, item.len);
	memset(bytes + 6, 0xff, item.len - 6);
	CHECK_EQUAL_INT(condition_holds(&trial->binding, slice_of(bytes, item.len), &holds), 0);
	CHECK(holds);
	CHECK_EQUAL_INT(trial_bind(trial, EXPRESSION_CONDITION, slice_of_text("b = :v"),
		"{:v: 1}"), 0);
	CHECK_EQUAL_INT(condition_holds(&trial->binding, slice_of(bytes, item.len), &holds),
		ERR_CORRUPT);
	CHECK(!holds);
	CHECK_EQUAL_INT(condition_holds(&trial->binding, slice_of("\2", 1), &holds), ERR_CORRUPT);
}

/* Fields of a record, with and without images. */
static void test_fields(void)
{
	struct trial *trial = trial_of_test();
	struct condition_field fields[2];
	struct map_walk walk;
	unsigned i;
	bool holds;

	CHECK_EQUAL_INT(map_start(&walk, notation_item(&trial->item,
		"{keys: {id: 1}, new_image: {id: 1, s: ['x', 'y']}}")), 0);
	for (i = 0; i < 2; i++)
		CHECK_EQUAL_INT(map_next(&walk, &fields[1 - i].name, &fields[1 - i].value), 0);
	CHECK_EQUAL_INT(trial_bind(trial, EXPRESSION_FILTER, slice_of_text("new_image.s[1] = :y"
		" AND attribute_not_exists(old_image) AND #k.id = new_image.id AND"
		" attribute_not_exists(a) AND attribute_not_exists(z)"),
		"{#k: 'keys', :y: 'y'}"), 0);
	CHECK_EQUAL_INT(condition_holds_fields(&trial->binding, fields, 2, &holds), 0);
	CHECK(holds);
	CHECK_EQUAL_INT(condition_holds_fields(&trial->binding, fields, 1, &holds), 0);
	CHECK(!holds);
	CHECK_EQUAL_INT(condition_holds_fields(&trial->binding, NULL, 0, &holds), 0);
	CHECK(!holds);
}

int main(void)
{
	test_equality();
	test_order();
	test_missing();
	test_no_item();
	test_functions();
	test_sizes();
	test_logic();
	test_every_shape();
	test_stops_early();
	test_fields();
	return 0;
}
