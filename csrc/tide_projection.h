/* tide_projection.h - the part of the C core's interface that concerns projections of records.
 *
 * Records are used longer than the feed that has returned them and than the handle. So the bound
 * projection of a feed's options is copied to a block of memory that belongs to its records.
 */
#ifndef TIDE_PROJECTION_H
#define TIDE_PROJECTION_H

#include "tide.h"

/* Returns true if a text of this kind was parsed. */
bool tide_expressions_has(const struct tide_expressions *expressions, enum expression_kind kind);

/* A copy of a bound projection. It needs neither the expressions nor the handle, and is not
 * closed. */
struct tide_projection;

/* Returns the size of a copy of the bound projection in bytes; 0 if there is no projection. */
size_t tide_projection_size(const struct tide_expressions *expressions);

/* Writes a copy of the bound projection to a block of tide_projection_size bytes, which is aligned
 * as a pointer and must not be moved. */
const struct tide_projection *tide_projection_copy(const struct tide_expressions *expressions,
	void *block);

/* Appends to out what the projection selects of an item. Returns 0, CORRUPT or NO_MEMORY. */
int tide_project(const struct tide_projection *projection, struct slice item, struct buffer *out);

#endif
