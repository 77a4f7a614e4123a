/* digest.h - everything that a database shows, in one number.
 *
 * Tables with their descriptions, items with their sequence numbers, streams
 * and every record in sight, byte by byte. Two moments of one database have
 * the same digest only if nobody can tell them apart (but for the sequence
 * number to come).
 */
#ifndef CALLS_DIGEST_H
#define CALLS_DIGEST_H

#include "tide.h"

/* 0, or what reading failed with. */
int digest_of(struct tide *tide, uint64_t *digest, struct failure *failure);

#endif
