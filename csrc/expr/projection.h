/* projection.h - copies the attributes that a projection names out of an item. */
#ifndef EXPR_PROJECTION_H
#define EXPR_PROJECTION_H

#include "expr/binding.h"

/* Appends the projected item to out, as canonical bytes: nested values in their maps and
 * lists, list elements without gaps in the order of their indexes, missing paths left out.
 * Nothing found, or an item of no bytes: an item without attributes.
 *
 * The binding is a projection's; or an update's, whose paths are then projected: of the old
 * item that is what UPDATED_OLD returns, of the new one UPDATED_NEW. Returns 0, CORRUPT or
 * NO_MEMORY. */
int project(const struct binding *binding, struct slice item, struct buffer *out);

#endif
