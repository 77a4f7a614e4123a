/* test_difference.c - tests of codec/difference.h. */
#include "codec/difference.h"

#include "unit/document.h"
#include "unit/notation.h"

#define ROUNDS 3000

static struct builder old_builder, new_builder;
static struct buffer text;

static void print_value(const struct value *value)
{
	if (value->type)
		notation_print_value(&text, value);
	else
		notation_put(&text, "none");
}

static void print(const struct difference *difference)
{
	char index[16];

	for (unsigned i = 0; i < difference->step_count; i++) {
		const struct difference_step *step = &difference->steps[i];

		snprintf(index, sizeof index, "[%u]", step->index);
		if (step->is_index)
			notation_put(&text, index);
		else if (i > 0)
			notation_put(&text, ".");
		if (!step->is_index)
			buffer_put_slice(&text, step->name);
	}
	notation_put(&text, " ");
	print_value(&difference->old);
	notation_put(&text, " ");
	print_value(&difference->new);
	notation_put(&text, "; ");
}

/* Compares the differences between two items, as text, with the expected ones. */
static void check_slices(struct slice old, struct slice new, const char *expected)
{
	struct difference_walk walk;
	struct difference difference;
	int err = difference_start(&walk, old, new);

	buffer_clear(&text);
	while (!err && (err = difference_next(&walk, &difference)) == 0)
		print(&difference);
	CHECK_EQUAL_INT(err, END);
	CHECK_EQUAL_INT(difference_next(&walk, &difference), END);
	buffer_put_u8(&text, 0);
	CHECK_EQUAL_STRING((const char *)text.data, expected);
}

static void check(const char *old, const char *new, const char *expected)
{
	check_slices(notation_item(&old_builder, old), notation_item(&new_builder, new), expected);
}

static void test_attributes(void)
{
	check("{a: 1, b: 2}", "{a: 1, b: 2}", "");
	check("{a: 1, b: 2}", "{a: 1, b: 3}", "b 2 3; ");
	check("{b: 2, d: 4}", "{a: 1, b: 2, c: 3}", "a none 1; c none 3; d 4 none; ");
	check("{a: 1, ab: 1}", "{aa: 1, ab: 1}", "a 1 none; aa none 1; ");
	check("{a: 1}", "{a: '1'}", "a 1 '1'; ");
	check("{a: true, b: null}", "{a: false, b: true}", "a true false; b null true; ");
	check("{a: 1.0}", "{a: 1}", "");
	check("{}", "{a: 1}", "a none 1; ");
	check("{a: 1}", "{}", "a 1 none; ");
	check_slices(slice_of(NULL, 0), notation_item(&new_builder, "{a: {b: 1}, c: 2}"),
		"a none {b: 1}; c none 2; ");
	check_slices(notation_item(&old_builder, "{a: {b: 1}, c: 2}"), slice_of(NULL, 0),
		"a {b: 1} none; c 2 none; ");
	check_slices(slice_of(NULL, 0), slice_of(NULL, 0), "");
}

static void test_containers(void)
{
	check("{m: {a: 1, b: {c: 2}}}", "{m: {a: 1, b: {c: 3}, d: 4}}",
		"m.b.c 2 3; m.d none 4; ");
	check("{m: {}}", "{m: {a: {}}}", "m.a none {}; ");
	check("{m: {a: 1}}", "{m: {}}", "m.a 1 none; ");
	check("{m: {}, l: []}", "{m: [], l: {}}", "l [] {}; m {} []; ");
	check("{l: [1, 2, 3]}", "{l: [2, 3]}", "l[0] 1 2; l[1] 2 3; l[2] 3 none; ");
	check("{l: [1]}", "{l: [1, [2], {a: 3}]}", "l[1] none [2]; l[2] none {a: 3}; ");
	check("{l: [[1, 2], {a: 1, b: 2}], z: 1}", "{l: [[1, 3], {a: 1, b: 1}], z: 2}",
		"l[0][1] 2 3; l[1].b 2 1; z 1 2; ");
	check("{l: [[], 'x', [[1]]]}", "{l: [[], 'x', [[2]]]}", "l[2][0][0] 1 2; ");
	check("{s: <1, 2>, t: <'a'>}", "{s: <1, 3>, t: <b'a'>}",
		"s <1, 2> <1, 3>; t <'a'> <b'a'>; ");
	check("{s: <1>}", "{s: [1]}", "s <1> [1]; ");
}

static struct slice nested(struct builder *builder, unsigned levels, const char *value)
{
	char item[256] = "{a: ";

	for (unsigned i = 0; i < levels; i++)
		strcat(item, "[");
	strcat(item, value);
	for (unsigned i = 0; i < levels; i++)
		strcat(item, "]");
	strcat(item, "}");
	return notation_item(builder, item);
}

static void test_deepest(void)
{
	char expected[256] = "a";
	uint8_t body[1024] = { 1, 1, 'a' };
	struct difference_walk walk;
	struct difference difference;
	uint8_t other[1024];
	size_t at = 3;

	for (unsigned i = 0; i < VALUE_MAX_DEPTH; i++)
		strcat(expected, "[0]");
	strcat(expected, " 1 2; ");
	check_slices(nested(&old_builder, VALUE_MAX_DEPTH, "1"),
		nested(&new_builder, VALUE_MAX_DEPTH, "2"), expected);
	for (uint32_t left = VALUE_MAX_DEPTH + 1; left > 0; left--) {
		uint32_t len = (left - 1) * 6 + 2;

		memcpy(body + at, (const uint8_t[]){ TYPE_L, 0, 0, 0, (uint8_t)len, 1 }, 6);
		at += 6;
	}
	memcpy(other, body, at);
	body[at] = TYPE_TRUE;
	other[at] = TYPE_FALSE;
	CHECK_EQUAL_INT(difference_start(&walk, slice_of(body, at + 1),
		slice_of(other, at + 1)), 0);
	CHECK_EQUAL_INT(difference_next(&walk, &difference), ERR_CORRUPT);
}

/* Bytes of an item that are cut anywhere are CORRUPT, if the walk gets there. */
static void test_damaged(void)
{
	struct slice old = notation_item(&old_builder, "{a: 1, b: {c: [1, 2]}, d: 'text'}");
	struct slice new = notation_item(&new_builder, "{a: 2, b: {c: [1, 3]}, d: 'texts'}");
	struct difference_walk walk;
	struct difference difference;

	for (size_t len = 1; len < old.len; len++) {
		int err = difference_start(&walk, slice_of(old.data, len), new);

		while (!err)
			err = difference_next(&walk, &difference);
		CHECK_EQUAL_INT(err, ERR_CORRUPT);
		err = difference_start(&walk, new, slice_of(old.data, len));
		while (!err)
			err = difference_next(&walk, &difference);
		CHECK_EQUAL_INT(err, ERR_CORRUPT);
	}
}

/* --- random documents, compared as trees --- */

static const struct node *child_named(const struct node *map, struct slice name)
{
	for (unsigned i = 0; i < map->count; i++)
		if (slice_equal(map->children[i]->name, name))
			return map->children[i];
	return NULL;
}

static bool equal(const struct node *a, const struct node *b);

static bool has_equal(const struct node *set, const struct node *member)
{
	for (unsigned i = 0; i < set->count; i++)
		if (equal(set->children[i], member))
			return true;
	return false;
}

static bool equal(const struct node *a, const struct node *b)
{
	bool same = a->type == b->type && a->count == b->count && slice_equal(a->text, b->text);

	for (unsigned i = 0; same && i < a->count; i++) {
		const struct node *other = b->children[i];

		if (a->type == TYPE_M)
			other = child_named(b, a->children[i]->name);
		same = type_is_set(a->type) ? has_equal(b, a->children[i]) :
			other && equal(a->children[i], other);
	}
	return same;
}

/* Returns the number of differences between two values; NULL: missing. */
static unsigned count(const struct node *a, const struct node *b)
{
	unsigned n = 0;

	if (!a || !b)
		return 1;
	if (a->type != b->type || (a->type != TYPE_M && a->type != TYPE_L))
		return !equal(a, b);
	for (unsigned i = 0; i < a->count; i++)
		n += count(a->children[i], a->type == TYPE_M ?
			child_named(b, a->children[i]->name) :
			i < b->count ? b->children[i] : NULL);
	for (unsigned i = 0; i < b->count; i++)
		n += a->type == TYPE_M ? !child_named(a, b->children[i]->name) : i >= a->count;
	return n;
}

/* Follows a path from the root of a document; NULL: missing. */
static const struct node *find(const struct node *node, const struct difference *difference)
{
	for (unsigned i = 0; node && i < difference->step_count; i++) {
		const struct difference_step *step = &difference->steps[i];

		if (node->type != (step->is_index ? TYPE_L : TYPE_M))
			return NULL;
		node = !step->is_index ? child_named(node, step->name) :
			step->index < node->count ? node->children[step->index] : NULL;
	}
	return node;
}

/* Checks that the value is that of the node. */
static void check_value(const struct value *value, const struct node *node)
{
	CHECK_EQUAL_INT(value->type, node ? node->type : 0);
	if (node && node->type <= TYPE_B)
		CHECK_BYTES(value->bytes.data, value->bytes.len, node->text.data, node->text.len);
}

/* Replaces some values of a document by other plain values. */
static void change(struct document *document)
{
	for (unsigned n = 1; n < document->used; n++) {
		struct node *node = &document->nodes[n];
		enum type type = node->type;

		if (type <= TYPE_NULL && check_random_below(4) == 0) {
			node->type = type == TYPE_TRUE ? TYPE_FALSE : type == TYPE_FALSE ?
				TYPE_NULL : type;
			if (type == TYPE_N)
				node->text = document_number(node->text_value);
		} else if (!type_is_set(type) && node->count && check_random_below(4) == 0) {
			node->count--;
		}
	}
}

/* Moves the members of the copy of a document from the original to the copy. */
static void copy(struct document *to, const struct document *from)
{
	*to = *from;
	to->item = to->nodes + (from->item - from->nodes);
	for (unsigned n = 0; n < to->used; n++) {
		struct node *node = &to->nodes[n];
		const struct node *original = &from->nodes[n];

		if (original->text.len)
			node->text.data = (const uint8_t *)node->text_value;
		if (original->name.len)
			node->name.data = (const uint8_t *)node->text_name;
		for (unsigned i = 0; i < node->count; i++)
			node->children[i] = to->nodes + (original->children[i] - from->nodes);
	}
}

static void test_random(void)
{
	static struct document a, b;
	struct slice old, new;
	struct difference_walk walk;
	struct difference difference;

	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned n = 0;
		int err;

		document_random(&a);
		if (check_random_below(4) == 0)
			document_random(&b);
		else
			copy(&b, &a);
		if (check_random_below(8) > 0)
			change(&b);
		if (document_build(&old_builder, &a, &old) ||
				document_build(&new_builder, &b, &new))
			continue;            /* a set has two equal members */
		CHECK_EQUAL_INT(difference_start(&walk, old, new), 0);
		for (; (err = difference_next(&walk, &difference)) == 0; n++) {
			check_value(&difference.old, find(a.item, &difference));
			check_value(&difference.new, find(b.item, &difference));
		}
		CHECK_EQUAL_INT(err, END);
		CHECK_EQUAL_UINT(n, count(a.item, b.item));
		CHECK((n == 0) == slice_equal(old, new));
	}
}

int main(void)
{
	test_attributes();
	test_containers();
	test_deepest();
	test_damaged();
	test_random();
	builder_release(&old_builder);
	builder_release(&new_builder);
	buffer_release(&text);
	return 0;
}
