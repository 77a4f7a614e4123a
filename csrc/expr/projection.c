/* projection.c - copies the attributes named by a projection from an item.
 *
 * Targets and attributes are both ascending and are merged in one pass. The depth of
 * recursion is at most PATH_STEPS_MAX.
 *
 * The copy of a projection is one block: the binding, the expression with only its paths and steps,
 * the arrays of both, and the bytes of the names.
 */
#include "expr/projection.h"

#include "expr/container.h"
#include "expr/targets.h"

static int project_map(const struct binding *binding, struct slice body,
	const struct targets *range, struct buffer *out, uint64_t *count);
static int project_list(const struct binding *binding, const struct value *list,
	const struct targets *range, struct buffer *out, uint64_t *count);

/* Writes a map or list with only the members that the projection names. Writes nothing if it has
 * none of them. */
static int project_inside(const struct binding *binding, const struct value *value,
	const struct targets *group, struct buffer *out, bool *written)
{
	bool is_list = targets_are_indexes(binding, group);
	size_t start = out->len, body;
	uint64_t count = 0;
	int err;

	*written = false;
	if (value->type != (is_list ? TYPE_L : TYPE_M))
		return 0;
	body = container_open(out, value->type);
	err = is_list ? project_list(binding, value, group, out, &count) :
		project_map(binding, value->bytes, group, out, &count);
	*written = count > 0;
	if (count)
		container_close(out, body, count);
	else
		out->len = start;
	return err;
}

static int project_member(const struct binding *binding, const struct value *value,
	const struct targets *group, struct buffer *out, bool *written)
{
	if (!targets_end(binding, group))
		return project_inside(binding, value, group, out, written);
	container_put_value(out, value);
	*written = true;
	return 0;
}

static int project_attribute(const struct binding *binding, struct slice name,
	const struct value *value, const struct targets *group, struct buffer *out, bool *written)
{
	size_t start = out->len;
	int err;

	buffer_put_counted(out, name);
	err = project_member(binding, value, group, out, written);
	if (!*written)
		out->len = start;
	return err;
}

static int project_map(const struct binding *binding, struct slice body,
	const struct targets *range, struct buffer *out, uint64_t *count)
{
	struct targets group = targets_first(binding, range);
	struct map_walk walk;
	struct slice name;
	struct value value;
	bool written;
	int order, err = map_start(&walk, body);

	while (!err && group.low < range->high) {
		err = map_seek(&walk, targets_name(binding, &group), &name, &value);
		while (!err && group.low < range->high) {
			order = slice_compare(targets_name(binding, &group), name);
			if (order == 0) {
				err = project_attribute(binding, name, &value, &group, out,
					&written);
				*count += written;
			}
			if (order > 0)
				break;
			group = targets_next(binding, range, &group);
		}
	}
	return err == END ? 0 : err;
}

static int project_list(const struct binding *binding, const struct value *list,
	const struct targets *range, struct buffer *out, uint64_t *count)
{
	struct targets group = targets_first(binding, range);
	struct list_walk walk;
	struct value value;
	uint32_t index;
	bool written;
	int err = list_start(&walk, list);

	for (index = 0; !err && group.low < range->high; index++) {
		err = list_next(&walk, &value);
		if (!err && targets_index(binding, &group) == index) {
			err = project_member(binding, &value, &group, out, &written);
			*count += written;
			group = targets_next(binding, range, &group);
		}
	}
	return err == END ? 0 : err;
}

int project(const struct binding *binding, struct slice item, struct buffer *out)
{
	struct targets all = { 0, binding->order_count, 0 };
	size_t body = container_open_item(out);
	uint64_t count = 0;
	int err = item.len ? project_map(binding, item, &all, out, &count) : 0;

	container_close_item(out, body, count);
	return err ? err : buffer_error(out);
}

/* --- copies --- */

/* The beginning of a copy. */
struct copy {
	struct binding binding;
	struct expression expression;
};

/* Offsets of the arrays in a copy, and its size. */
struct layout {
	size_t steps, paths, names, order, text, size;
};

/* Reserves an array at *at and returns its offset. */
static size_t reserve(size_t *at, size_t count, size_t size)
{
	size_t start = *at;

	*at = (start + count * size + 7) & ~(size_t)7;
	return start;
}

static struct layout lay_out(const struct binding *binding)
{
	const struct expression *expression = binding->expression;
	struct layout layout;
	size_t at = 0;

	reserve(&at, 1, sizeof(struct copy));
	layout.steps = reserve(&at, expression->step_count, sizeof *expression->steps);
	layout.paths = reserve(&at, expression->path_count, sizeof *expression->paths);
	layout.names = reserve(&at, expression->step_count, sizeof *binding->names);
	layout.order = reserve(&at, binding->order_count, sizeof *binding->order);
	layout.text = at;
	for (unsigned i = 0; i < expression->step_count; i++)
		at += binding->names[i].len;
	layout.size = at;
	return layout;
}

size_t projection_copy_size(const struct binding *binding)
{
	return lay_out(binding).size;
}

/* Copies the names; their bytes are stored from text on. */
static struct slice *copy_names(const struct binding *binding, struct slice *names, uint8_t *text)
{
	for (unsigned i = 0; i < binding->expression->step_count; i++) {
		names[i] = slice_of(text, binding->names[i].len);
		text = slice_write(text, binding->names[i]);
	}
	return names;
}

const struct binding *projection_copy(const struct binding *binding, void *block)
{
	const struct expression *from = binding->expression;
	struct layout layout = lay_out(binding);
	uint8_t *bytes = block;
	struct copy *copy = block;

	memset(copy, 0, sizeof *copy);
	copy->expression.kind = from->kind;
	copy->expression.step_count = from->step_count;
	copy->expression.path_count = from->path_count;
	copy->expression.steps = memcpy(bytes + layout.steps, from->steps,
		from->step_count * sizeof *from->steps);
	copy->expression.paths = memcpy(bytes + layout.paths, from->paths,
		from->path_count * sizeof *from->paths);
	copy->binding.expression = &copy->expression;
	copy->binding.names = copy_names(binding, (struct slice *)(void *)(bytes + layout.names),
		bytes + layout.text);
	copy->binding.order = memcpy(bytes + layout.order, binding->order,
		binding->order_count * sizeof *binding->order);
	copy->binding.order_count = binding->order_count;
	return &copy->binding;
}
