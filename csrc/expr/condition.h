/* condition.h - evaluates conditions and filters on the bytes of an item. */
#ifndef EXPR_CONDITION_H
#define EXPR_CONDITION_H

#include "expr/binding.h"

/* Sets *holds to whether the item satisfies the condition. An empty slice is an item that does not
 * exist and has no attributes. Attributes that the condition does not name are skipped without
 * decoding, and the walk ends at the last one needed. The function does not allocate memory.
 * Returns 0 or CORRUPT. */
int condition_holds(struct binding *binding, struct slice item, bool *holds);

/* An attribute whose value is not part of an item's bytes, such as new_image of a record. */
struct condition_field {
	struct slice name;
	struct value value;
};

/* Like condition_holds, for an item whose attributes are given as fields, in any order. */
int condition_holds_fields(struct binding *binding, const struct condition_field *fields,
	size_t count, bool *holds);

#endif
