/* difference.h - the differences between two items.
 *
 * Maps are compared attribute by attribute, lists element by element. Values of other types, and
 * values of different types, are compared as wholes; equal bytes are skipped without decoding. The
 * differences are in ascending order of their paths: names bytewise, elements by index.
 */
#ifndef CODEC_DIFFERENCE_H
#define CODEC_DIFFERENCE_H

#include "codec/value.h"

/* The item itself, and the maps and lists around a scalar. */
#define DIFFERENCE_LEVELS (VALUE_MAX_DEPTH + 1)

/* One step of a path: an attribute of a map or an element of a list. */
struct difference_step {
	bool is_index;
	uint32_t index;              /* of an element, from 0 */
	struct slice name;           /* of an attribute */
};

/* A path at which the two items differ. */
struct difference {
	const struct difference_step *steps; /* valid until the next call of difference_next */
	unsigned step_count;
	struct value old, new;       /* type 0: missing */
};

/* One of two maps or lists that are compared. */
struct difference_side {
	bool has_member;             /* name and value are those of the current member */
	struct slice name;
	struct value value;
	union {
		struct map_walk map;
		struct list_walk list;
	};
};

/* A walk over the differences. At each level two maps or two lists are merged. */
struct difference_walk {
	unsigned depth;              /* number of levels in use */
	struct difference_step steps[DIFFERENCE_LEVELS];
	struct {
		struct difference_side old, new;
	} levels[DIFFERENCE_LEVELS];
};

/* Starts a walk. An empty slice is an item without attributes. The items are borrowed until the
 * walk ends. Returns 0 or CORRUPT. */
int difference_start(struct difference_walk *walk, struct slice old, struct slice new);

/* Finds the next difference. Returns 0, END after the last one, or CORRUPT. */
int difference_next(struct difference_walk *walk, struct difference *difference);

#endif
