/* targets.h - the sorted targets of an update or a projection as a tree of paths.
 *
 * Targets with a common prefix are a contiguous range of the sorted order, which is divided into
 * groups by the next step. The binder rejects targets of which one is a prefix of another, so a
 * group with a target that ends at the group's depth has no other target.
 */
#ifndef EXPR_TARGETS_H
#define EXPR_TARGETS_H

#include "expr/binding.h"

/* Group of targets whose first `depth` steps are equal: the targets low to high - 1 of the sorted
 * order. */
struct targets {
	unsigned low, high;
	unsigned depth;
};

/* Returns the last step that the targets of a group have in common. */
static inline unsigned targets_step(const struct binding *binding, const struct targets *group)
{
	return binding_target(binding, binding->order[group->low])->first + group->depth - 1;
}

static inline struct slice targets_name(const struct binding *binding,
	const struct targets *group)
{
	return binding->names[targets_step(binding, group)];
}

static inline uint32_t targets_index(const struct binding *binding,
	const struct targets *group)
{
	return binding->expression->steps[targets_step(binding, group)].index;
}

/* Returns true if the group's only target ends at its depth. */
static inline bool targets_end(const struct binding *binding, const struct targets *group)
{
	return binding_target(binding, binding->order[group->low])->count == group->depth;
}

/* Returns true if the next steps of the targets are list indexes, false if they are names. */
static inline bool targets_are_indexes(const struct binding *binding,
	const struct targets *group)
{
	return binding->expression->steps[targets_step(binding, group) + 1].kind == STEP_INDEX;
}

/* targets_first returns the first group of a range, targets_next the group after `group`. After
 * the last group the result has low equal to range->high. */
struct targets targets_first(const struct binding *binding, const struct targets *range);
struct targets targets_next(const struct binding *binding, const struct targets *range,
	const struct targets *group);

#endif
