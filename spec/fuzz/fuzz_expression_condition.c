/* fuzz_expression_condition.c - random conditions on random items, compared with a plain
 * evaluator.
 *
 *     item and values (3 bytes), then a byte for each choice
 */
#include "fuzz/script.h"

enum { LOGIC_DEPTH = 6 };


static struct script script;
static struct slice item;

/* --- operands --- */

static const struct tree *size_of(const struct tree *value)
{
	static struct number numbers[8];
	static unsigned next;
	struct number *number = &numbers[next++ % 8];
	struct tree *tree;
	int64_t size = 0;
	size_t i;

	if (!value || value->type == TYPE_N ||
			(value->type >= TYPE_TRUE && value->type <= TYPE_NULL))
		return NULL;
	if (value->type == TYPE_S) {
		for (i = 0; i < value->text.len;) {
			uint8_t lead = value->text.data[i];
			unsigned width = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

			size += width == 4 ? 2 : 1;
			i += width;
		}
	} else {
		size = value->type == TYPE_B ? (int64_t)value->text.len : value->count;
	}
	number_from_integer(number, size);
	tree = tree_new(TYPE_N);
	tree->text = number_slice(number);
	return tree;
}

static const struct tree *make_plain_operand(void)
{
	struct plain_path path;

	if (script_roll(&script, 5) < 2)
		return script_value(&script, item, script_any);
	path = script_path(&script);
	return tree_find(script.item, &path, path.count);
}

static const struct tree *make_operand(void)
{
	const struct tree *value;
	unsigned roll = script_roll(&script, 12);

	if (roll < 2) {
		script_print(&script, "size(");
		value = size_of(make_plain_operand());
		script_print(&script, ")");
		return value;
	}
	if (roll == 2)
		script_print(&script, "(");
	value = make_plain_operand();
	if (roll == 2)
		script_print(&script, ")");
	return value;
}

/* --- tests --- */

static bool make_comparison(void)
{
	static const char *const names[] = { "=", "<>", "<", "<=", ">", ">=" };
	unsigned which = script_roll(&script, 6);
	const struct tree *a = make_operand(), *b;
	bool same, ordered;
	int order;

	script_print(&script, "%s", names[which]);
	b = make_operand();
	same = a && b && tree_equal(a, b);
	ordered = tree_is_ordered(a, b);
	order = ordered ? tree_order(a, b) : 0;
	switch (which) {
	case 0: return same;
	case 1: return !same;
	case 2: return ordered && order < 0;
	case 3: return ordered && order <= 0;
	case 4: return ordered && order > 0;
	default: return ordered && order >= 0;
	}
}

static bool make_between(void)
{
	const struct tree *a = make_operand(), *low, *high;

	script_print(&script, " BETWEEN ");
	low = make_operand();
	script_print(&script, " AND ");
	high = make_operand();
	return tree_is_ordered(a, low) && tree_is_ordered(a, high) && tree_order(a, low) >= 0 &&
		tree_order(a, high) <= 0;
}

static bool make_in(void)
{
	const struct tree *a = make_operand(), *b;
	unsigned count = 1 + script_roll(&script, 4);
	bool found = false;

	script_print(&script, " IN (");
	while (count-- > 0) {
		b = make_operand();
		found |= a && b && tree_equal(a, b);
		script_print(&script, count ? "," : ")");
	}
	return found;
}

static bool find_bytes(struct slice whole, struct slice part)
{
	size_t at;

	for (at = 0; at + part.len <= whole.len; at++)
		if (part.len == 0 || memcmp(whole.data + at, part.data, part.len) == 0)
			return true;
	return false;
}

static bool make_contains(bool begins)
{
	const struct tree *a, *b;

	script_print(&script, begins ? "begins_with(" : "contains(");
	a = make_operand();
	script_print(&script, ",");
	b = make_operand();
	script_print(&script, ")");
	if (!a || !b)
		return false;
	if (!begins && (a->type == TYPE_L || type_is_set(a->type)))
		return tree_contains(a, b);
	if (a->type != b->type || (a->type != TYPE_S && a->type != TYPE_B))
		return false;
	return begins ? a->text.len >= b->text.len &&
		find_bytes(slice_of(a->text.data, b->text.len), b->text) :
		find_bytes(a->text, b->text);
}

static bool make_exists(void)
{
	bool not = script_roll(&script, 2);
	struct plain_path path;

	script_print(&script, not ? "attribute_not_exists(" : "attribute_exists(");
	path = script_path(&script);
	script_print(&script, ")");
	return (tree_find(script.item, &path, path.count) != NULL) != not;
}

static bool make_type(void)
{
	static const char *const names[] = {
		"S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS" };
	static const enum type types[] = { TYPE_S, TYPE_N, TYPE_B, TYPE_TRUE, TYPE_NULL, TYPE_M,
		TYPE_L, TYPE_SS, TYPE_NS, TYPE_BS };
	unsigned which = script_roll(&script, 10);
	struct value value = { TYPE_S, 0, slice_of_text(names[which]) };
	const struct tree *a;

	script_print(&script, "attribute_type(");
	a = make_operand();
	script_print(&script, ",");
	script_add_value(&script, &value);
	script_print(&script, ")");
	return a && (a->type == types[which] ||
		(a->type == TYPE_FALSE && types[which] == TYPE_TRUE));
}

static bool make_test(void)
{
	switch (script_roll(&script, 8)) {
	case 0: return make_between();
	case 1: return make_in();
	case 2: return make_contains(false);
	case 3: return make_contains(true);
	case 4: return make_exists();
	case 5: return make_type();
	default: return make_comparison();
	}
}

/* --- AND, OR, NOT ---
 *
 * `binds` is the surrounding operator. 0: none, 1: OR, 2: AND, 3: NOT. Weaker operators are put
 * in parentheses, and sometimes others too.
 */

static bool make_condition(unsigned depth, unsigned binds);

static bool make_logic(unsigned depth, unsigned which)
{
	bool a, b;

	if (which == 3) {
		script_print(&script, "NOT ");
		return !make_condition(depth + 1, 3);
	}
	a = make_condition(depth + 1, which);
	script_print(&script, which == 1 ? " OR " : " and ");
	b = make_condition(depth + 1, which);
	return which == 1 ? a || b : a && b;
}

static bool make_condition(unsigned depth, unsigned binds)
{
	unsigned which = depth < LOGIC_DEPTH && !script_is_full(&script) ?
		script_roll(&script, 5) : 0;
	bool is_logic = which >= 1 && which <= 3, result;
	bool parentheses = is_logic && (which < binds || script_roll(&script, 4) == 1);

	if (parentheses)
		script_print(&script, "(");
	result = is_logic ? make_logic(depth, which) : make_test();
	if (parentheses)
		script_print(&script, ")");
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct binding binding;
	struct failure failure;
	bool expected, holds, accepted;

	item = script_start(&script, data, size);
	expected = make_condition(0, 0);
	accepted = script_bind(&script, EXPRESSION_FILTER, &binding, &failure);
	script_count(accepted);
	if (!accepted)
		return 0;
	CHECK_EQUAL_INT(condition_holds(&binding, item, &holds), 0);
	if (holds != expected)
		fprintf(stderr, "%s\n", script.text);
	CHECK_EQUAL_INT(holds, expected);
	return 0;
}

bool fuzz_seed(unsigned n, struct buffer *out)
{
	unsigned i;

	for (i = 0; i < 300; i++)
		buffer_put_u8(out, (uint8_t)check_random());
	return n < 50;
}
