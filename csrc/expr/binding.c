/* binding.c - binds expressions to names and values, and finds paths in items. */
#include "expr/binding.h"

#include "base/memory.h"
#include "expr/message.h"
#include "expr/operand_check.h"
#include "expr/parser.h"
#include "expr/sort.h"

/* --- memory: one block, divided into arrays --- */

static void *carve(uint8_t *block, size_t *at, size_t count, size_t size)
{
	void *piece = block ? block + *at : NULL;

	*at = (*at + count * size + 7) & ~(size_t)7;
	return piece;
}

static size_t lay_out(struct binding *binding, const struct expression *expression,
	uint8_t *block)
{
	size_t at = 0, tops = expression_is_condition(expression->kind) ?
		expression->path_count + (expression->compares_images ? 2u : 0u) : 0;
	size_t targets = expression->kind == EXPRESSION_UPDATE ? expression->action_count :
		expression->path_count;
	struct binding none, *b = block ? binding : &none;

	b->names = carve(block, &at, expression->step_count, sizeof *b->names);
	b->values = carve(block, &at, expression->value_count, sizeof *b->values);
	b->tops = carve(block, &at, tops, sizeof *b->tops);
	b->found = carve(block, &at, tops, sizeof *b->found);
	b->path_top = carve(block, &at, tops, sizeof *b->path_top);
	b->order = carve(block, &at, targets + tops, sizeof *b->order);
	b->top_count = 0;
	b->order_count = (unsigned)(tops ? 0 : targets);
	return at;
}

static int make_room(struct binding *binding, const struct expression *expression,
	struct failure *failure)
{
	size_t size = lay_out(binding, expression, NULL);
	void *memory;

	if (size > binding->cap) {
		memory = memory_realloc(binding->memory, size);
		if (!memory)
			return fail(failure, ERR_NO_MEMORY);
		binding->memory = memory;
		binding->cap = size;
	}
	lay_out(binding, expression, binding->memory);
	return 0;
}

/* --- names and values --- */

static int bind_step(struct binding *binding, struct request *request, unsigned n,
	struct failure *failure)
{
	const struct expression *expression = binding->expression;
	const struct expr_step *step = &expression->steps[n];
	struct slice text = step_text(expression, step);
	const struct slice *name = &text;

	if (step->kind == STEP_REFERENCE)
		name = request_name(request, text);
	if (!name)
		return expression_fail(failure, expression->kind, "An expression attribute name"
			" used in the document path is not defined; attribute name: %s",
			quote_of(text).text);
	binding->names[n] = *name;
	return 0;
}

static int bind_value(struct binding *binding, struct request *request, unsigned n,
	struct failure *failure)
{
	const struct expression *expression = binding->expression;
	struct slice text = value_text(expression, &expression->values[n]);
	bool is_position = text.data[0] == '?';
	const struct value *value = is_position ? request_position(request) :
		request_value(request, text);

	if (value) {
		binding->values[n] = *value;
		return 0;
	}
	if (is_position)
		return expression_fail(failure, expression->kind,
			"A value is missing for ? number %zu", request->position + 1);
	return expression_fail(failure, expression->kind, "An expression attribute value used in"
		" expression is not defined; attribute value: %s", quote_of(text).text);
}

/* Binds a range of the path steps and of the values to names and values of the request, in the
 * order of the text. */
static int bind_range(struct binding *binding, struct request *request, unsigned step,
	unsigned step_end, unsigned value, unsigned value_end, struct failure *failure)
{
	const struct expression *expression = binding->expression;
	int err = 0;

	while (!err && (step < step_end || value < value_end)) {
		if (value == value_end || (step < step_end &&
				expression->steps[step].start < expression->values[value].start))
			err = bind_step(binding, request, step++, failure);
		else
			err = bind_value(binding, request, value++, failure);
	}
	return err;
}

/* --- conditions --- */

/* The number of a path that stands for one of the images in the sorted list of paths, and its
 * name. */
enum { OLD_IMAGE, NEW_IMAGE };

static const struct slice image_names[] = {
	[OLD_IMAGE] = { (const uint8_t *)"old_image", sizeof "old_image" - 1 },
	[NEW_IMAGE] = { (const uint8_t *)"new_image", sizeof "new_image" - 1 },
};

/* Returns the name of the attribute in which a path begins. The numbers after those of the paths
 * stand for the images. */
static const struct slice *top_name(const struct binding *binding, uint32_t path)
{
	const struct expression *expression = binding->expression;

	return path < expression->path_count ? &binding->names[expression->paths[path].first] :
		&image_names[path - expression->path_count];
}

static int compare_tops(const void *context, uint32_t a, uint32_t b)
{
	return slice_compare(*top_name(context, a), *top_name(context, b));
}

/* Lists the paths in binding->order, except those in the images, for which it lists the images.
 * Returns their number. */
static unsigned list_paths(struct binding *binding)
{
	const struct expression *expression = binding->expression;
	unsigned i, count = 0;

	for (i = 0; i < expression->path_count; i++)
		if (!expression->paths[i].in_images)
			binding->order[count++] = i;
	if (expression->compares_images) {
		binding->order[count++] = expression->path_count + (uint32_t)OLD_IMAGE;
		binding->order[count++] = expression->path_count + (uint32_t)NEW_IMAGE;
	}
	return count;
}

/* Collects the distinct top-level attributes of the paths of a condition, ascending by name. */
static void list_tops(struct binding *binding)
{
	unsigned i, count = list_paths(binding), paths = binding->expression->path_count;
	uint32_t *order = binding->order;

	sort_ids(order, count, compare_tops, binding);
	for (i = 0; i < count; i++) {
		struct slice name = *top_name(binding, order[i]);

		if (i == 0 || !slice_equal(name, binding->tops[binding->top_count - 1]))
			binding->tops[binding->top_count++] = name;
		binding->path_top[order[i]] = (uint16_t)(binding->top_count - 1);
	}
	if (binding->expression->compares_images) {
		binding->old_top = binding->path_top[paths + (unsigned)OLD_IMAGE];
		binding->new_top = binding->path_top[paths + (unsigned)NEW_IMAGE];
	}
}

static int bind_condition(struct binding *binding, struct request *request,
	struct failure *failure)
{
	const struct expression *expression = binding->expression;
	unsigned i, step = 0, value = 0, node = 0;
	int err = 0;

	for (i = 0; i < expression->test_count && !err; i++) {
		const struct expr_test *test = &expression->tests[i];

		err = bind_range(binding, request, step, test->steps, value, test->values, failure);
		if (!err)
			err = check_test(binding, test, node, failure);
		step = test->steps;
		value = test->values;
		node = test->nodes;
	}
	if (!err)
		list_tops(binding);
	return err;
}

/* --- targets of updates and projections --- */

/* Compares two path steps. Indexes precede names. */
static int compare_steps(const struct binding *binding, unsigned a, unsigned b)
{
	const struct expr_step *x = &binding->expression->steps[a];
	const struct expr_step *y = &binding->expression->steps[b];

	if (x->kind == STEP_INDEX && y->kind == STEP_INDEX)
		return (x->index > y->index) - (x->index < y->index);
	if (x->kind == STEP_INDEX || y->kind == STEP_INDEX)
		return x->kind == STEP_INDEX ? -1 : 1;
	return slice_compare(binding->names[a], binding->names[b]);
}

/* Returns the length of the common prefix of two paths, in steps. */
static unsigned common_steps(const struct binding *binding, const struct expr_path *a,
	const struct expr_path *b)
{
	unsigned i = 0;

	while (i < a->count && i < b->count &&
			compare_steps(binding, a->first + i, b->first + i) == 0)
		i++;
	return i;
}

static int compare_targets(const void *context, uint32_t a, uint32_t b)
{
	const struct binding *binding = context;
	const struct expr_path *x = binding_target(binding, a), *y = binding_target(binding, b);
	unsigned same = common_steps(binding, x, y);

	if (same == x->count || same == y->count)
		return (x->count > y->count) - (x->count < y->count);
	return compare_steps(binding, x->first + same, y->first + same);
}

enum clash { CLASH_NONE, CLASH_CONFLICT, CLASH_OVERLAP };

static enum clash clash_of(const struct binding *binding, uint32_t a, uint32_t b)
{
	const struct expr_path *x = binding_target(binding, a), *y = binding_target(binding, b);
	const struct expr_step *steps = binding->expression->steps;
	unsigned same = common_steps(binding, x, y);

	if (same == x->count || same == y->count)
		return CLASH_OVERLAP;
	return (steps[x->first + same].kind == STEP_INDEX) !=
		(steps[y->first + same].kind == STEP_INDEX) ? CLASH_CONFLICT : CLASH_NONE;
}

/* Fails with the names of the first two targets, in the order of the text, that overlap or
 * conflict. */
static int report_clash(const struct binding *binding, enum clash clash,
	struct failure *failure)
{
	uint32_t i = 0, j = 1;

	while (clash_of(binding, i, j) != clash)
		if (++i == j) {
			i = 0;
			j++;
		}
	return expression_fail(failure, binding->expression->kind, "Two document paths %s with"
		" each other; must remove or rewrite one of these paths; path one: %s, path two:"
		" %s", clash == CLASH_OVERLAP ? "overlap" : "conflict",
		path_text_of(binding, binding_target(binding, i)).text,
		path_text_of(binding, binding_target(binding, j)).text);
}

/* Sorts the targets by path and compares only neighbours, because if any two targets overlap or
 * conflict, two neighbours do. */
static int order_targets(struct binding *binding, struct failure *failure)
{
	enum clash worst = CLASH_NONE, clash;
	unsigned i;

	for (i = 0; i < binding->order_count; i++)
		binding->order[i] = i;
	sort_ids(binding->order, binding->order_count, compare_targets, binding);
	for (i = 1; i < binding->order_count; i++) {
		clash = clash_of(binding, binding->order[i - 1], binding->order[i]);
		worst = clash > worst ? clash : worst;
	}
	return worst ? report_clash(binding, worst, failure) : 0;
}

/* --- binding an expression --- */

static int count_operators(struct request *request, const struct expression *expression,
	struct failure *failure)
{
	request->operators += expression->operator_count;
	if (request->operators <= OPERATORS_MAX)
		return 0;
	return expression_fail(failure, expression->kind, "The expression contains too many"
		" operators; operator count: %d", OPERATORS_MAX + 1);
}

static int bind(struct binding *binding, struct request *request, struct failure *failure)
{
	const struct expression *expression = binding->expression;
	int err;

	if (expression_is_condition(expression->kind))
		return bind_condition(binding, request, failure);
	err = bind_range(binding, request, 0, expression->step_count, 0, 0, failure);
	if (!err)
		err = bind_range(binding, request, 0, 0, 0, expression->value_count, failure);
	if (!err)
		err = order_targets(binding, failure);
	return err || expression->kind == EXPRESSION_PROJECTION ? err :
		check_update(binding, failure);
}

int binding_bind(struct binding *binding, struct request *request,
	struct expression *expression, struct failure *failure)
{
	int err;

	expression_share(expression);
	expression_release(binding->expression);
	binding->expression = expression;
	err = count_operators(request, expression, failure);
	if (!err)
		err = make_room(binding, expression, failure);
	if (!err)
		err = bind(binding, request, failure);
	if (err) {
		expression_release(binding->expression);
		binding->expression = NULL;
	}
	return err;
}

void binding_release(struct binding *binding)
{
	expression_release(binding->expression);
	memory_free(binding->memory);
	*binding = (struct binding){ 0 };
}

/* --- key attributes --- */

static bool is_key(const struct key_schema *schema, struct slice name)
{
	return slice_equal(name, attribute_name(&schema->partition)) ||
		(schema->sort.type && slice_equal(name, attribute_name(&schema->sort)));
}

int binding_check_keys(const struct binding *binding, const struct key_schema *schema,
	struct failure *failure)
{
	const struct expression *expression = binding->expression;
	unsigned i;

	for (i = 0; i < expression->path_count; i++)
		if (expression->paths[i].count > 1 && is_key(schema, *top_name(binding, i)))
			return fail_as(failure, ERR_VALIDATION, "Key attributes must be scalars;"
				" list random access '[]' and map lookup '.' are not allowed: Key:"
				" %s", quote_of(*top_name(binding, i)).text);
	for (i = 0; i < expression->action_count; i++) {
		struct slice name = *top_name(binding, expression->actions[i].path);

		if (is_key(schema, name))
			return fail_as(failure, ERR_VALIDATION, "One or more parameter values were"
				" invalid: Cannot update attribute %s. This attribute is part of"
				" the key", quote_of(name).text);
	}
	return 0;
}

int binding_check_filter(const struct binding *binding, const struct key_schema *schema,
	struct failure *failure)
{
	unsigned i;

	for (i = 0; i < binding->expression->path_count; i++)
		if (is_key(schema, *top_name(binding, i)))
			return fail_as(failure, ERR_VALIDATION, "Filter Expression can only contain"
				" non-primary key attributes: Primary key attribute: %s",
				quote_of(*top_name(binding, i)).text);
	return 0;
}

/* --- paths in items --- */

static int list_find(const struct value *list, uint32_t index, struct value *value)
{
	struct list_walk walk;
	uint32_t i;
	int err = index < list->count ? 0 : END;

	if (err)
		return err;
	list_start(&walk, list);
	for (i = 0; i <= index && !err; i++)
		err = list_next(&walk, value);
	return err;
}

int binding_descend(const struct binding *binding, const struct expr_path *path, unsigned from,
	struct value *value)
{
	const struct expression *expression = binding->expression;
	unsigned i;
	int err = 0;

	for (i = path->first + from; i < (unsigned)path->first + path->count && !err; i++) {
		const struct expr_step *step = &expression->steps[i];
		struct value parent = *value;

		if (step->kind == STEP_INDEX)
			err = parent.type == TYPE_L ? list_find(&parent, step->index, value) : END;
		else
			err = parent.type == TYPE_M ?
				map_find(parent.bytes, binding->names[i], value) : END;
	}
	return err;
}

int binding_find(const struct binding *binding, const struct expr_path *path,
	struct slice item, struct value *value)
{
	int err = item.len ? map_find(item, binding->names[path->first], value) : END;

	return err ? err : binding_descend(binding, path, 1, value);
}
