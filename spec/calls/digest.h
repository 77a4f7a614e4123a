/* digest.h - a hash of everything that a database contains.
 *
 * Covers the tables with their descriptions, items with their sequence numbers, streams, the bytes
 * of every visible record, and the consumers with their progress, lag and parked records. Two
 * states of a database with the same digest differ at most in the next sequence number.
 */
#ifndef CALLS_DIGEST_H
#define CALLS_DIGEST_H

#include "tide.h"

/* Sets *digest. Returns 0, or the error that reading failed with. */
int digest_of(struct tide *tide, uint64_t *digest, struct failure *failure);

#endif
