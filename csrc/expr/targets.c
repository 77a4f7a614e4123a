/* targets.c - the sorted targets of an update or a projection as a tree of paths. */
#include "expr/targets.h"

static bool same_step(const struct binding *binding, unsigned a, unsigned b)
{
	const struct expr_step *x = &binding->expression->steps[a];

	return x->kind == STEP_INDEX ? x->index == binding->expression->steps[b].index :
		slice_equal(binding->names[a], binding->names[b]);
}

static struct targets group_from(const struct binding *binding, const struct targets *range,
	unsigned low)
{
	struct targets group = { low, low, range->depth + 1 }, other = group;

	while (other.low < range->high && (other.low == low ||
			same_step(binding, targets_step(binding, &group),
				targets_step(binding, &other))))
		other.low++;
	group.high = other.low;
	return group;
}

struct targets targets_first(const struct binding *binding, const struct targets *range)
{
	return group_from(binding, range, range->low);
}

struct targets targets_next(const struct binding *binding, const struct targets *range,
	const struct targets *group)
{
	return group_from(binding, range, group->high);
}
