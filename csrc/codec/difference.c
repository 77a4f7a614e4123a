/* difference.c - merges the members of two items, level by level. */
#include "codec/difference.h"

#include "base/error.h"

static int start_map(struct difference_side *side, struct slice body)
{
	side->has_member = false;
	side->map = (struct map_walk){ .left = 0 };
	return body.len ? map_start(&side->map, body) : 0;
}

int difference_start(struct difference_walk *walk, struct slice old, struct slice new)
{
	int err;

	walk->depth = 1;
	walk->steps[0].is_index = false;
	err = start_map(&walk->levels[0].old, old);
	return err ? err : start_map(&walk->levels[0].new, new);
}

static int start_side(struct difference_side *side, const struct value *value)
{
	if (value->type == TYPE_M)
		return start_map(side, value->bytes);
	side->has_member = false;
	return list_start(&side->list, value);
}

/* Starts the level of two maps or two lists. */
static int start_level(struct difference_walk *walk, const struct difference *pair)
{
	unsigned n = walk->depth;
	int err;

	if (n == DIFFERENCE_LEVELS)
		return ERR_CORRUPT;
	walk->steps[n].is_index = pair->old.type == TYPE_L;
	walk->steps[n].index = UINT32_MAX;
	err = start_side(&walk->levels[n].old, &pair->old);
	if (!err)
		err = start_side(&walk->levels[n].new, &pair->new);
	walk->depth++;
	return err;
}

/* Reads the next member of a side, unless one was read and not taken. Returns 0, also at the end
 * of the side, or CORRUPT. */
static int load(struct difference_side *side, bool is_list)
{
	int err;

	if (side->has_member)
		return 0;
	err = is_list ? list_next(&side->list, &side->value) :
		map_next(&side->map, &side->name, &side->value);
	side->has_member = !err;
	return err == END ? 0 : err;
}

static void take(struct difference_side *side, bool is_taken, struct value *value)
{
	value->type = 0;
	if (!is_taken)
		return;
	*value = side->value;
	side->has_member = false;
}

/* Sets the values of pair to those of the next member of the deepest level, and the level's step to
 * this member. Returns END after the last member. */
static int next_pair(struct difference_walk *walk, struct difference *pair)
{
	struct difference_step *step = &walk->steps[walk->depth - 1];
	struct difference_side *old = &walk->levels[walk->depth - 1].old;
	struct difference_side *new = &walk->levels[walk->depth - 1].new;
	int order, err = load(old, step->is_index);

	if (!err)
		err = load(new, step->is_index);
	if (err)
		return err;
	if (!old->has_member && !new->has_member)
		return END;
	order = !old->has_member ? 1 : !new->has_member ? -1 : step->is_index ? 0 :
		slice_compare(old->name, new->name);
	step->index++;
	step->name = order <= 0 ? old->name : new->name;
	take(old, order <= 0, &pair->old);
	take(new, order >= 0, &pair->new);
	return 0;
}

static bool is_same(const struct value *a, const struct value *b)
{
	return a->type == b->type && a->count == b->count && slice_equal(a->bytes, b->bytes);
}

static bool is_divided(const struct difference *pair)
{
	return pair->old.type == pair->new.type &&
		(pair->old.type == TYPE_M || pair->old.type == TYPE_L);
}

int difference_next(struct difference_walk *walk, struct difference *difference)
{
	int err = 0;

	while (!err && walk->depth > 0) {
		err = next_pair(walk, difference);
		if (err == END) {
			walk->depth--;
			err = 0;
		} else if (!err && !is_same(&difference->old, &difference->new)) {
			if (!is_divided(difference))
				break;
			err = start_level(walk, difference);
		}
	}
	difference->steps = walk->steps;
	difference->step_count = walk->depth;
	return err ? err : walk->depth > 0 ? 0 : END;
}
