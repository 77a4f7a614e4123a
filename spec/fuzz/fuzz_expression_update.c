/* fuzz_expression_update.c - random updates and projections of random items, compared with a
 * plain implementation on trees; the new item must be canonical.
 *
 *     update or projection (1 byte), item and values (3 bytes), then a byte for each choice
 */
#include "fuzz/script.h"

#define ACTIONS 12
#define MISSING "The provided expression refers to an attribute that does not exist in the item"
#define WRONG_TYPE "An operand in the update expression has an incorrect data type"
#define INVALID_PATH "The document path provided in the update expression is invalid for update"

struct action {
	struct plain_path path;
	enum operation section;
	struct tree *result;             /* NULL if there is none */
	bool keeps;
};

static struct script script;
static struct slice item;
static struct action actions[ACTIONS];
static unsigned action_count;
static bool exists;
static const char *expected_message;        /* the first error of the plain update, NULL if none */
static struct number numbers[ACTIONS];

static struct tree *refuse(const char *message)
{
	if (!expected_message)
		expected_message = message;
	return NULL;
}

/* Returns true if the path equals another one, or one of the two contains the
 * other. */
static bool overlaps(const struct plain_path *a, const struct plain_path *b)
{
	unsigned i;

	for (i = 0; i < a->count && i < b->count; i++)
		if (a->steps[i].is_index ? !b->steps[i].is_index ||
				a->steps[i].index != b->steps[i].index :
				b->steps[i].is_index ||
				!slice_equal(a->steps[i].name, b->steps[i].name))
			return false;
	return true;
}

/* Returns a path that rarely overlaps with an earlier target. */
static struct plain_path make_target(void)
{
	size_t len = script.len, names = script.parameters.name_count;
	struct plain_path path;
	unsigned tries, i;

	for (tries = 0; tries < 6; tries++) {
		script.len = len;
		script.parameters.name_count = names;
		path = script_path(&script);
		for (i = 0; i < action_count && !overlaps(&path, &actions[i].path);)
			i++;
		if (i == action_count)
			break;
	}
	return path;
}

static bool can_be_added(enum type type)
{
	return type == TYPE_N || type_is_set(type);
}

static bool can_be_deleted(enum type type)
{
	return type_is_set(type);
}

static bool is_list(enum type type)
{
	return type == TYPE_L;
}

/* --- values of SET --- */

static struct tree *find(const struct plain_path *path)
{
	return exists ? tree_find(script.item, path, path->count) : NULL;
}

/* Writes the text of an operand. counts is false in an alternative that is not
 * evaluated. */
static struct tree *make_operand(bool counts, unsigned depth, bool in_append);

static struct tree *make_if_not_exists(bool counts, unsigned depth, bool in_append)
{
	struct tree *value, *other;
	struct plain_path path;

	script_print(&script, "if_not_exists(");
	path = script_path(&script);
	value = find(&path);
	script_print(&script, ", ");
	other = make_operand(counts && !value, depth + 1, in_append);
	script_print(&script, ")");
	return value ? value : other;
}

static struct tree *make_append(bool counts, unsigned depth)
{
	struct tree *a, *b, *list = tree_new(TYPE_L), *child;

	script_print(&script, "list_append(");
	a = make_operand(counts, depth + 1, true);
	script_print(&script, ", ");
	b = make_operand(counts, depth + 1, true);
	script_print(&script, ")");
	if (!a || !b)
		return NULL;
	if (a->type != TYPE_L || b->type != TYPE_L)
		return counts ? refuse(WRONG_TYPE) : NULL;
	for (child = a->first; child; child = child->next)
		tree_append(list, tree_copy(child));
	for (child = b->first; child; child = child->next)
		tree_append(list, tree_copy(child));
	return list;
}

static struct tree *make_operand(bool counts, unsigned depth, bool in_append)
{
	unsigned roll = depth < 4 && !script_is_full(&script) ? script_roll(&script, 8) : 2;
	struct plain_path path;
	struct tree *value;

	if (roll == 0)
		return make_if_not_exists(counts, depth, in_append);
	if (roll == 1 && !in_append)
		return make_append(counts, depth);
	if (roll < 4)
		return script_value(&script, item, in_append ? is_list : script_any);
	path = script_path(&script);
	value = find(&path);
	return value || !counts ? value : refuse(MISSING);
}

static struct tree *sum(const struct tree *a, const struct tree *b, bool is_plus)
{
	struct number *number = &numbers[action_count];
	int64_t n, m, result;
	struct tree *tree;

	if (!a || !b)
		return NULL;
	if (a->type != TYPE_N || b->type != TYPE_N)
		return refuse(WRONG_TYPE);
	CHECK(number_to_integer(a->text, &n) && number_to_integer(b->text, &m));
	tree = tree_new(TYPE_N);
	if (is_plus ? __builtin_add_overflow(n, m, &result) :
			__builtin_sub_overflow(n, m, &result)) {
		/* both have the same sign here (opposite signs for a
		 * difference) */
		uint64_t wide = (n < 0 ? -(uint64_t)n : (uint64_t)n) +
			(m < 0 ? -(uint64_t)m : (uint64_t)m);
		char text[48];

		snprintf(text, sizeof text, "%s%" PRIu64, n < 0 ? "-" : "", wide);
		CHECK_EQUAL_INT(number_parse(number, slice_of_text(text)), 0);
	} else {
		number_from_integer(number, result);
	}
	tree->text = number_slice(number);
	return tree;
}

static struct tree *make_set_value(void)
{
	unsigned roll = script_roll(&script, 4);
	struct tree *a = make_operand(true, 0, false), *b;

	if (roll > 1)
		return a;
	script_print(&script, roll ? " + " : " - ");
	b = make_operand(true, 0, false);
	return expected_message ? NULL : sum(a, b, roll == 1);
}

/* --- ADD and DELETE --- */

static struct tree *add(struct tree *old, struct tree *operand)
{
	struct tree *set, *child;

	if (!old)
		return operand;
	if (old->type != operand->type)
		return refuse(WRONG_TYPE);
	if (old->type == TYPE_N)
		return sum(old, operand, true);
	set = tree_copy(old);
	for (child = operand->first; child; child = child->next)
		if (!tree_contains(old, child))
			tree_append(set, tree_copy(child));
	return set;
}

static struct tree *subtract(struct tree *old, struct tree *operand, bool *keeps)
{
	struct tree *set, *child;

	*keeps = !old;
	if (!old)
		return NULL;
	if (old->type != operand->type)
		return refuse(WRONG_TYPE);
	set = tree_new(old->type);
	for (child = old->first; child; child = child->next)
		if (!tree_contains(operand, child))
			tree_append(set, tree_copy(child));
	return set->count ? set : NULL;
}

/* --- the actions --- */

static void make_action(enum operation section)
{
	struct action *action = &actions[action_count];
	struct tree *operand;

	*action = (struct action){ .section = section, .path = make_target() };
	if (section == OPERATION_SET) {
		script_print(&script, " = ");
		action->result = make_set_value();
	} else if (section != OPERATION_REMOVE) {
		script_print(&script, " ");
		operand = script_value(&script, item, section == OPERATION_ADD ? can_be_added :
			can_be_deleted);
		if (!expected_message && section == OPERATION_ADD)
			action->result = add(find(&action->path), operand);
		else if (!expected_message)
			action->result = subtract(find(&action->path), operand, &action->keeps);
	}
	action_count++;
}

static void make_update(void)
{
	unsigned section, count;

	for (section = OPERATION_SET; section <= OPERATION_DELETE; section++) {
		count = script_roll(&script, 3);
		if (section == OPERATION_DELETE && action_count == 0)
			count = 1;
		if (count)
			script_print(&script, " %s ", operation_name((enum operation)section));
		while (count-- > 0 && action_count < ACTIONS) {
			make_action((enum operation)section);
			script_print(&script, count ? ", " : "");
		}
	}
}

/* Puts a result at its path. Members keep their old indexes until the end. */
static void place(struct tree *new, const struct action *action)
{
	unsigned last = action->path.count - 1;
	struct tree *parent = tree_find(new, &action->path, last), *child, **end;
	bool is_index = action->path.steps[last].is_index;
	bool removes = action->section == OPERATION_REMOVE || action->section == OPERATION_DELETE;

	if (!parent && !exists && removes)
		return;
	if (!parent || parent->type != (is_index ? TYPE_L : TYPE_M)) {
		refuse(INVALID_PATH);
		return;
	}
	child = tree_find(new, &action->path, last + 1);
	if (action->keeps || (!child && !action->result))
		return;
	if (child) {
		struct slice name = child->name;
		struct tree *next = child->next;

		*child = action->result ? *action->result : *tree_new(0);
		child->name = name;
		child->next = next;
		return;
	}
	child = tree_copy(action->result);
	child->name = action->path.steps[last].name;
	child->index = action->path.steps[last].index;
	/* An index past the end of a list: kept by index after the members, not
	 * counted, so that other paths do not find it. */
	end = &parent->first;
	for (unsigned i = 0; i < parent->count; i++)
		end = &(*end)->next;
	while (*end && (*end)->index < child->index)
		end = &(*end)->next;
	child->next = *end;
	*end = child;
}

static bool only_removes(void)
{
	unsigned i;

	for (i = 0; i < action_count; i++)
		if (actions[i].section == OPERATION_SET || actions[i].section == OPERATION_ADD)
			return false;
	return true;
}

/* Compares the binding's projection of all targets with the plain one. */
static void check_projection(const struct binding *binding, struct slice bytes)
{
	static struct builder builder;
	static struct buffer out;
	struct tree *tree = bytes.len ? tree_of_map(bytes) : tree_new(TYPE_M);
	struct slice expected;
	unsigned i;

	for (i = 0; i < action_count; i++)
		tree_mark(tree, &actions[i].path);
	tree_drop_unmarked(tree);
	expected = tree_bytes(&builder, tree);
	buffer_clear(&out);
	CHECK_EQUAL_INT(project(binding, bytes, &out), 0);
	CHECK_BYTES(out.data, out.len, expected.data, expected.len);
}

static void check_update(const struct binding *binding)
{
	static struct update update;
	static struct builder builder;
	struct slice key = slice_of("\1\1k\6", 4), new, expected;
	struct failure failure = { 0 };
	struct tree *tree = tree_of_map(exists ? item : key);
	unsigned i;
	int err = update_apply(&update, binding, exists ? item : slice_of(NULL, 0), key, &new,
		&failure);

	if (!exists && !expected_message && only_removes()) {
		CHECK_EQUAL_INT(err, 0);
		CHECK_EQUAL_UINT(new.len, 0);
		return;
	}
	for (i = 0; i < action_count && !expected_message; i++)
		place(tree, &actions[i]);
	if (err != (expected_message ? ERR_VALIDATION : 0))
		fprintf(stderr, "%s: %s, not %s\n", script.text, failure.message,
			expected_message ? expected_message : "applied");
	CHECK_EQUAL_INT(err, expected_message ? ERR_VALIDATION : 0);
	if (err) {
		CHECK_EQUAL_STRING(failure.message, expected_message);
		return;
	}
	CHECK_EQUAL_INT(map_check(new), 0);
	expected = tree_bytes(&builder, tree);
	if (!slice_equal(new, expected))
		fprintf(stderr, "%s\n", script.text);
	CHECK_BYTES(new.data, new.len, expected.data, expected.len);
	check_projection(binding, exists ? item : slice_of(NULL, 0));
	check_projection(binding, new);
}

static void make_projection(void)
{
	unsigned count = 1 + script_roll(&script, ACTIONS);

	while (action_count < count) {
		script_print(&script, action_count ? ", " : "");
		actions[action_count].path = make_target();
		action_count++;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct binding binding;
	struct failure failure;
	bool accepted, is_update = !size || data[0] % 4;

	exists = !size || data[0] % 8;
	expected_message = NULL;
	action_count = 0;
	item = script_start(&script, data + (size > 0), size - (size > 0));
	if (is_update)
		make_update();
	else
		make_projection();
	accepted = script_bind(&script, is_update ? EXPRESSION_UPDATE : EXPRESSION_PROJECTION,
		&binding, &failure);
	script_count(accepted);
	if (accepted && is_update)
		check_update(&binding);
	else if (accepted)
		check_projection(&binding, item);
	return 0;
}

bool fuzz_seed(unsigned n, struct buffer *out)
{
	unsigned i;

	for (i = 0; i < 200; i++)
		buffer_put_u8(out, (uint8_t)check_random());
	return n < 100;
}
