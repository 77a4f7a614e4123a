/* memory.h - where all of the core's memory comes from.
 *
 * One door, so that a test can make the n-th request fail.
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

/* NULL when there is none; memory_zeroed clears what it gives. */
void *memory_get(size_t size);
void *memory_zeroed(size_t size);
void *memory_resize(void *memory, size_t size);
void memory_give_back(void *memory);   /* NULL is fine */

/* For tests: let `requests` more succeed in this thread, then fail until told
 * otherwise; a negative number ends it. */
void memory_fail_after(long requests);

/* How many that still are, -1 when there is no limit: for a thread that goes on
 * with this one's work. */
long memory_left(void);

#endif
