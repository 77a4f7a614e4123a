/* targets.h - the sorted targets of an update or a projection as a tree of paths.
 *
 * Targets that have their first steps in common are a range of the order; it is split into
 * groups by the next step. No target is a prefix of another (the binder refuses that), so
 * a group in which a target ends has no other.
 */
#ifndef EXPR_TARGETS_H
#define EXPR_TARGETS_H

#include "expr/binding.h"

/* The targets low..high - 1 of the order, which have their first `depth` steps in common. */
struct targets {
	unsigned low, high;
	unsigned depth;
};

/* The step that a group was made by is the one before its depth. */
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

/* True if the group's only target ends here. */
static inline bool targets_end(const struct binding *binding, const struct targets *group)
{
	return binding_target(binding, binding->order[group->low])->count == group->depth;
}

/* True if the next steps are list indexes, false if they are names. */
static inline bool targets_are_indexes(const struct binding *binding,
	const struct targets *group)
{
	return binding->expression->steps[targets_step(binding, group) + 1].kind == STEP_INDEX;
}

/* The first group of a range, and the one after a group; its low is range->high if there is
 * none. */
struct targets targets_first(const struct binding *binding, const struct targets *range);
struct targets targets_next(const struct binding *binding, const struct targets *range,
	const struct targets *group);

#endif
