/* projection.h - copies the attributes named by a projection from an item; copies of bound
 * projections.
 */
#ifndef EXPR_PROJECTION_H
#define EXPR_PROJECTION_H

#include "expr/binding.h"

/* Appends the projected item to out, in canonical form. Nested values stay inside their maps and
 * lists. List elements are in the order of their indexes, without gaps. Paths that the item does
 * not have are omitted. If it has none of them, or the item is an empty slice, the result has no
 * attributes.
 *
 * The binding is that of a projection or of an update, whose targets are then projected: from
 * the old item for UPDATED_OLD, from the new one for UPDATED_NEW. Returns 0, CORRUPT or
 * NO_MEMORY. */
int project(const struct binding *binding, struct slice item, struct buffer *out);

/* Returns the number of bytes of a copy of a bound projection. */
size_t projection_copy_size(const struct binding *binding);

/* Writes a copy of a bound projection to a block of projection_copy_size bytes that is aligned as
 * a pointer, and returns it. The copy refers to no memory outside of the block, so it stays valid
 * as long as the block exists and is not moved. It can be used with project only, and is not
 * released. */
const struct binding *projection_copy(const struct binding *binding, void *block);

#endif
