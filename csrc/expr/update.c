/* update.c - applies an update expression to the bytes of an item.
 *
 * The results of all actions are computed first, from the old item (update_value.c). Then the new
 * item is written in one merge of targets and attributes, which are both ascending. The bytes
 * between two targets are copied as one run. The depth of recursion is at most PATH_STEPS_MAX.
 */
#include "expr/update.h"

#include "base/memory.h"
#include "expr/container.h"
#include "expr/targets.h"
#include "expr/update_value.h"

#define INVALID_PATH "The document path provided in the update expression is invalid for update"
#define TOO_DEEP "Nesting Levels have exceeded supported limits: Attributes in the item have" \
	" nested levels beyond supported limit"
#define TOO_BIG "Item size to update has exceeded the maximum allowed size"

struct rewriting {
	const struct update *update;
	const struct binding *binding;
	struct buffer *out;
	struct failure *failure;
	bool is_new;                     /* the item does not exist yet */
};

/* Copies the unchanged bytes between two targets, from *run to `to`. The next run of unchanged
 * bytes starts at `next`. */
static void copy_run(struct rewriting *rewriting, const uint8_t **run, const uint8_t *to,
	const uint8_t *next)
{
	buffer_put(rewriting->out, *run, (size_t)(to - *run));
	*run = next;
}

static const struct update_result *result_of(const struct rewriting *rewriting,
	const struct targets *group)
{
	return &rewriting->update->results[rewriting->binding->order[group->low]];
}

/* Returns true if all actions of the group of targets are removals. */
static bool only_removes(const struct rewriting *rewriting, const struct targets *group)
{
	const struct binding *binding = rewriting->binding;
	unsigned i;

	for (i = group->low; i < group->high; i++) {
		const struct expr_action *action = &binding->expression->actions[binding->order[i]];

		if (action->section == OPERATION_SET || action->section == OPERATION_ADD)
			return false;
	}
	return true;
}

static int put_result(struct rewriting *rewriting, const struct update_result *result,
	unsigned depth)
{
	if (depth - 1 + value_levels(&result->value) > VALUE_MAX_DEPTH)
		return fail_as(rewriting->failure, ERR_TOO_DEEP, TOO_DEEP);
	container_put_value(rewriting->out, &result->value);
	return 0;
}

static int rewrite_map(struct rewriting *rewriting, struct slice body,
	const struct targets *range, size_t start);
static int rewrite_list(struct rewriting *rewriting, const struct value *list,
	const struct targets *range, size_t start);

/* Writes the new value of a map or list member that contains targets. old is NULL if the member is
 * missing. */
static int rewrite_inside(struct rewriting *rewriting, const struct value *old,
	const struct targets *group, bool *written)
{
	bool is_list = targets_are_indexes(rewriting->binding, group);
	size_t start;
	int err;

	*written = old != NULL;
	if (!old && rewriting->is_new && only_removes(rewriting, group))
		return 0;
	if (!old || old->type != (is_list ? TYPE_L : TYPE_M))
		return fail_as(rewriting->failure, ERR_VALIDATION, INVALID_PATH);
	start = container_open(rewriting->out, old->type);
	err = is_list ? rewrite_list(rewriting, old, group, start) :
		rewrite_map(rewriting, old->bytes, group, start);
	if (!err && !buffer_error(rewriting->out))
		set_u32(rewriting->out->data + start - 4,
			(uint32_t)(rewriting->out->len - start));
	return err;
}

/* Writes the new value of a map or list member. Sets *written to false if the update removes the
 * member. */
static int rewrite_member(struct rewriting *rewriting, const struct value *old,
	const struct targets *group, bool *written)
{
	const struct update_result *result;

	if (!targets_end(rewriting->binding, group))
		return rewrite_inside(rewriting, old, group, written);
	result = result_of(rewriting, group);
	*written = result->value.type != 0;
	return *written ? put_result(rewriting, result, group->depth) : 0;
}

static int rewrite_attribute(struct rewriting *rewriting, const struct value *old,
	const struct targets *group, uint64_t *count)
{
	size_t start = rewriting->out->len;
	bool written = false;
	int err;

	buffer_put_counted(rewriting->out, targets_name(rewriting->binding, group));
	err = rewrite_member(rewriting, old, group, &written);
	if (!written)
		rewriting->out->len = start;
	*count += written;
	return err;
}

/* Writes the new members whose targets, from *group on, precede the name; all of them if name is
 * NULL. */
static int rewrite_missing(struct rewriting *rewriting, const struct targets *range,
	struct targets *group, const struct slice *name, uint64_t *count)
{
	int err = 0;

	while (!err && group->low < range->high && (!name ||
			slice_compare(targets_name(rewriting->binding, group), *name) < 0)) {
		err = rewrite_attribute(rewriting, NULL, group, count);
		*group = targets_next(rewriting->binding, range, group);
	}
	return err;
}

/* Writes the body of a changed map. The member count is at offset `start` of the output. */
static int rewrite_map(struct rewriting *rewriting, struct slice body,
	const struct targets *range, size_t start)
{
	struct targets group = targets_first(rewriting->binding, range);
	const uint8_t *run;
	struct map_walk walk;
	struct slice name;
	struct value value;
	uint64_t count;
	int err = map_start(&walk, body);

	if (err)
		return fail(rewriting->failure, err);
	run = walk.source.at;
	count = walk.left;
	while (group.low < range->high) {
		err = map_seek(&walk, targets_name(rewriting->binding, &group), &name, &value);
		if (err)
			break;
		copy_run(rewriting, &run, walk.found, walk.found);
		err = rewrite_missing(rewriting, range, &group, &name, &count);
		if (err)
			return err;
		if (group.low < range->high &&
				slice_equal(targets_name(rewriting->binding, &group), name)) {
			count--;
			err = rewrite_attribute(rewriting, &value, &group, &count);
			if (err)
				return err;
			run = walk.source.at;
			group = targets_next(rewriting->binding, range, &group);
		}
	}
	if (err < 0)
		return fail(rewriting->failure, err);
	copy_run(rewriting, &run, walk.source.end, run);
	err = rewrite_missing(rewriting, range, &group, NULL, &count);
	container_close_item(rewriting->out, start, count);
	return err;
}

/* Appends the new members whose indexes are past the end of a list, without gaps. */
static int append_members(struct rewriting *rewriting, const struct targets *range,
	struct targets group, uint64_t *count)
{
	bool written = false;
	int err = 0;

	while (!err && group.low < range->high) {
		err = rewrite_member(rewriting, NULL, &group, &written);
		*count += written;
		group = targets_next(rewriting->binding, range, &group);
	}
	return err;
}

static int rewrite_list(struct rewriting *rewriting, const struct value *list,
	const struct targets *range, size_t start)
{
	struct targets group = targets_first(rewriting->binding, range);
	uint64_t count = list->count;
	const uint8_t *run, *at;
	struct list_walk walk;
	struct value value;
	uint32_t index;
	bool written;
	int err = list_start(&walk, list);

	run = walk.source.at;
	for (index = 0; index < list->count && group.low < range->high; index++) {
		at = walk.source.at;
		err = list_next(&walk, &value);
		if (err)
			return fail(rewriting->failure, ERR_CORRUPT);
		if (targets_index(rewriting->binding, &group) != index)
			continue;
		copy_run(rewriting, &run, at, walk.source.at);
		err = rewrite_member(rewriting, &value, &group, &written);
		if (err)
			return err;
		count -= !written;
		group = targets_next(rewriting->binding, range, &group);
	}
	copy_run(rewriting, &run, walk.source.end, run);
	err = append_members(rewriting, range, group, &count);
	container_close_item(rewriting->out, start, count);
	return err;
}

/* --- applying an update --- */

static int make_room(struct update *update, size_t count, struct failure *failure)
{
	struct update_result *results;

	if (count <= update->cap)
		return 0;
	results = memory_realloc(update->results, count * sizeof *results);
	if (!results)
		return fail(failure, ERR_NO_MEMORY);
	update->results = results;
	update->cap = count;
	return 0;
}

/* Checks the size that DynamoDB counts. That size is at most twice the encoded size (DynamoDB
 * counts one byte more for each member of a list or map and for each negative number), so small
 * items need no computation. */
static int check_size(struct slice item, struct failure *failure)
{
	if (item.len > ITEM_MAX_BYTES / 2 && item_size(item) > ITEM_MAX_BYTES)
		return fail_as(failure, ERR_ITEM_TOO_BIG, TOO_BIG);
	return 0;
}

int update_apply(struct update *update, const struct binding *binding, struct slice old,
	struct slice key, struct slice *item, struct failure *failure)
{
	struct targets all = { 0, binding->order_count, 0 };
	struct rewriting rewriting = { update, binding, &update->out, failure, old.len == 0 };
	size_t start;
	int err = make_room(update, binding->order_count, failure);

	*item = slice_of(NULL, 0);
	buffer_clear(&update->out);
	if (!err)
		err = update_compute(update, binding, old, failure);
	if (err || (rewriting.is_new && only_removes(&rewriting, &all)))
		return err;
	start = container_open_item(&update->out);
	err = rewrite_map(&rewriting, old.len ? old : key, &all, start);
	if (!err && buffer_error(&update->out))
		err = fail(failure, buffer_error(&update->out));
	if (!err)
		err = check_size(buffer_slice(&update->out), failure);
	if (!err)
		*item = buffer_slice(&update->out);
	return err;
}

void update_release(struct update *update)
{
	memory_free(update->results);
	buffer_release(&update->built);
	buffer_release(&update->out);
	*update = (struct update){ 0 };
}
