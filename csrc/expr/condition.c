/* condition.c - evaluates conditions and filters on the bytes of an item.
 *
 * Values are canonical, so two values are equal if and only if their types and bytes are equal,
 * and S, N and B are ordered as their bytes are. An operand is found, missing or CORRUPT. If an
 * operand is missing, every test except <> and attribute_not_exists is false.
 */
#include "expr/condition.h"

#include <string.h>

struct operand {
	struct value value;              /* type 0: missing */
	struct number buf;               /* result of size() */
};

/* --- finding --- */

static inline void note_found(struct binding *binding, const struct value *value)
{
	if (value)
		binding->found[binding->found_count++] = *value;
	else
		binding->found[binding->found_count++].type = 0;
}

/* Continues the walk over the item's attributes until the attribute `top` is found or known to be
 * missing. */
static int find_top(struct binding *binding, unsigned top)
{
	int order, err;

	while (binding->found_count <= top) {
		struct slice wanted = binding->tops[binding->found_count];

		/* the name is empty, and precedes all others, at the start of the walk */
		order = slice_compare(binding->walk_name, wanted);
		if (order >= 0) {
			note_found(binding, order == 0 ? &binding->walk_value : NULL);
			continue;
		}
		err = map_seek(&binding->walk, wanted, &binding->walk_name, &binding->walk_value);
		if (err == END)
			while (binding->found_count < binding->top_count)
				note_found(binding, NULL);
		else if (err)
			return err;
	}
	return 0;
}

static int find_path(struct binding *binding, unsigned n, struct value *value)
{
	const struct expr_path *path = &binding->expression->paths[n];
	unsigned top = binding->path_top[n];
	int err = binding->found_count > top ? 0 : find_top(binding, top);

	if (err)
		return err;
	*value = binding->found[top];
	if (path->count > 1 && value->type)
		err = binding_descend(binding, path, 1, value);
	if (err == END)
		value->type = 0;
	return err == END ? 0 : err;
}

/* Returns the length of a string in UTF-16 code units, which DynamoDB counts. A character outside
 * the BMP counts twice. */
static int64_t utf16_len(struct slice text)
{
	int64_t len = 0;
	size_t i;

	for (i = 0; i < text.len; i++)
		len += ((text.data[i] & 0xc0) != 0x80) + (text.data[i] >= 0xf0);
	return len;
}

/* Replaces the operand by the result of size(). The operand becomes missing if its type has no
 * size. */
static void take_size(struct operand *operand)
{
	const struct value *value = &operand->value;
	int64_t size;

	switch (value->type) {
	case TYPE_S: size = utf16_len(value->bytes); break;
	case TYPE_B: size = (int64_t)value->bytes.len; break;
	case TYPE_M: case TYPE_L: case TYPE_SS: case TYPE_NS: case TYPE_BS:
		size = value->count;
		break;
	default:
		operand->value.type = 0;
		return;
	}
	number_from_integer(&operand->buf, size);
	operand->value = (struct value){ TYPE_N, 0, number_slice(&operand->buf) };
}

static int load(struct binding *binding, unsigned argument, struct operand *operand)
{
	const struct expression *expression = binding->expression;
	const struct expr_node *node = &expression->nodes[expression->arguments[argument]];
	int err;

	if (node->kind == NODE_PATH)
		return find_path(binding, node->at, &operand->value);
	if (node->kind == NODE_VALUE) {
		operand->value = binding->values[node->at];
		return 0;
	}
	/* the argument of size is a path or a value, because the binder rejects size(size(...)) */
	err = load(binding, node->at, operand);
	if (!err)
		take_size(operand);
	return err;
}

/* Sets *value to the value of a path in the image at a top. */
static int find_in_image(struct binding *binding, unsigned top, unsigned argument,
	struct value *value)
{
	const struct expression *expression = binding->expression;
	unsigned n = expression->nodes[expression->arguments[argument]].at;
	int err = binding->found_count > top ? 0 : find_top(binding, top);

	if (err)
		return err;
	*value = binding->found[top];
	if (value->type)
		err = binding_descend(binding, &expression->paths[n], 0, value);
	if (err == END)
		value->type = 0;
	return err == END ? 0 : err;
}

/* --- tests --- */

static inline bool equal(const struct value *a, const struct value *b)
{
	return a->type && a->type == b->type && slice_equal(a->bytes, b->bytes);
}

/* Sets *order to the order of two values. Returns false unless both have the same type and this
 * type is ordered (S, N or B). */
static inline bool compare(const struct value *a, const struct value *b, int *order)
{
	if (a->type != b->type || a->type < TYPE_S || a->type > TYPE_B)
		return false;
	*order = slice_compare(a->bytes, b->bytes);
	return true;
}

static bool compare_as(enum operation operation, const struct value *a, const struct value *b)
{
	int order;

	if (operation == OPERATION_EQUAL || operation == OPERATION_NOT_EQUAL)
		return equal(a, b) == (operation == OPERATION_EQUAL);
	if (!compare(a, b, &order))
		return false;
	switch (operation) {
	case OPERATION_LESS: return order < 0;
	case OPERATION_LESS_OR_EQUAL: return order <= 0;
	case OPERATION_GREATER: return order > 0;
	default: return order >= 0;
	}
}

static bool begins_with(const struct value *a, const struct value *b)
{
	return a->type == b->type && (a->type == TYPE_S || a->type == TYPE_B) &&
		slice_begins(a->bytes, b->bytes);
}

static bool contains_bytes(struct slice whole, struct slice part)
{
	return part.len == 0 ||
		(whole.len >= part.len && memmem(whole.data, whole.len, part.data, part.len));
}

/* Sets *holds to whether a list or a set has this member. Returns 0 or CORRUPT. */
static int contains_member(const struct value *list, const struct value *wanted, bool *holds)
{
	struct list_walk walk;
	struct value member;
	int err;

	list_start(&walk, list);
	while ((err = list_next(&walk, &member)) == 0) {
		if (equal(&member, wanted)) {
			*holds = true;
			return 0;
		}
	}
	return err == END ? 0 : err;
}

static int contains(const struct value *a, const struct value *b, bool *holds)
{
	if (a->type == TYPE_L || type_is_set(a->type))
		return contains_member(a, b, holds);
	*holds = a->type == b->type && (a->type == TYPE_S || a->type == TYPE_B) &&
		contains_bytes(a->bytes, b->bytes);
	return 0;
}

static bool has_type(const struct value *value, struct slice name)
{
	return value->type && slice_equal(slice_of_text(type_name(value->type)), name);
}

/* Evaluates x IN (...) and x BETWEEN a AND b. Loads the operands one by one. */
static int test_many(struct binding *binding, const struct expr_test *test, bool *holds)
{
	bool is_in = test->operation == OPERATION_IN;
	struct operand left, other;
	unsigned i;
	int err = load(binding, test->first, &left), order;

	*holds = !is_in;
	for (i = 1; i < test->count && !err && *holds != is_in; i++) {
		err = load(binding, test->first + i, &other);
		if (is_in)
			*holds = equal(&left.value, &other.value);
		else
			*holds = compare(&left.value, &other.value, &order) &&
				(i == 1 ? order >= 0 : order <= 0);
	}
	return err;
}

static int test_two(struct binding *binding, const struct expr_test *test, bool *holds)
{
	struct operand a, b;
	int err = load(binding, test->first, &a);

	if (!err)
		err = load(binding, test->first + 1u, &b);
	if (err)
		return err;
	switch (test->operation) {
	case OPERATION_TYPE:
		*holds = has_type(&a.value, b.value.bytes);
		return 0;
	case OPERATION_BEGINS_WITH:
		*holds = begins_with(&a.value, &b.value);
		return 0;
	case OPERATION_CONTAINS:
		*holds = false;
		return contains(&a.value, &b.value, holds);
	default:
		*holds = compare_as((enum operation)test->operation, &a.value, &b.value);
		return 0;
	}
}

/* Evaluates changed(path) and became(path, value). */
static int test_images(struct binding *binding, const struct expr_test *test, bool *holds)
{
	struct operand wanted;
	struct value old, new;
	int err = find_in_image(binding, binding->old_top, test->first, &old);

	if (!err)
		err = find_in_image(binding, binding->new_top, test->first, &new);
	if (err)
		return err;
	if (test->operation == OPERATION_CHANGED) {
		*holds = old.type != new.type || (old.type && !equal(&old, &new));
		return 0;
	}
	err = load(binding, test->first + 1u, &wanted);
	*holds = !err && equal(&new, &wanted.value) && !equal(&old, &wanted.value);
	return err;
}

static int test_exists(struct binding *binding, const struct expr_test *test, bool *holds)
{
	struct operand operand;
	int err = load(binding, test->first, &operand);

	*holds = !err && (operand.value.type != 0) == (test->operation == OPERATION_EXISTS);
	return err;
}

static int run_test(struct binding *binding, const struct expr_test *test, bool *holds)
{
	switch (test->operation) {
	case OPERATION_EXISTS:
	case OPERATION_NOT_EXISTS:
		return test_exists(binding, test, holds);
	case OPERATION_IN:
	case OPERATION_BETWEEN:
		return test_many(binding, test, holds);
	case OPERATION_CHANGED:
	case OPERATION_BECAME:
		return test_images(binding, test, holds);
	default:
		return test_two(binding, test, holds);
	}
}

/* Starts the walk over the item's attributes, before the first of them. */
static int start(struct binding *binding, struct slice item)
{
	static const uint8_t nothing[] = { 0 };

	binding->found_count = 0;
	binding->walk_name = slice_of(NULL, 0);
	return map_start(&binding->walk, item.len ? item : slice_of(nothing, sizeof nothing));
}

static int run(struct binding *binding, bool *holds)
{
	const struct expr_test *tests = binding->expression->tests;
	unsigned next = 0;
	int err = 0;

	*holds = false;
	while (!err && next < TARGET_REJECT) {
		err = run_test(binding, &tests[next], holds);
		next = *holds ? tests[next].if_true : tests[next].if_false;
	}
	*holds = !err && next == TARGET_ACCEPT;
	return err;
}

int condition_holds(struct binding *binding, struct slice item, bool *holds)
{
	int err = start(binding, item);

	*holds = false;
	return err ? err : run(binding, holds);
}

int condition_holds_fields(struct binding *binding, const struct condition_field *fields,
	size_t count, bool *holds)
{
	size_t i;

	binding->found_count = 0;
	while (binding->found_count < binding->top_count) {
		struct slice name = binding->tops[binding->found_count];

		for (i = 0; i < count && !slice_equal(fields[i].name, name);)
			i++;
		note_found(binding, i < count ? &fields[i].value : NULL);
	}
	return run(binding, holds);
}
