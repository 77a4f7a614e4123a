/* condition.h - evaluates conditions and filters on the bytes of an item. */
#ifndef EXPR_CONDITION_H
#define EXPR_CONDITION_H

#include "expr/binding.h"

/* Sets *holds to whether the item satisfies the condition. An item of no bytes does not
 * exist: it has no attributes. Values that the condition does not name are skipped, not
 * decoded; the walk over the attributes ends at the last one it needs. Allocates nothing.
 * Returns 0 or CORRUPT. */
int condition_holds(struct binding *binding, struct slice item, bool *holds);

#endif
