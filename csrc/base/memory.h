/* memory.h - where all of the core's memory comes from.
 *
 * One door, so that a test can make the n-th request fail, alone or with all after it.
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* NULL when there is none; memory_alloc_zeroed clears what it gives. */
void *memory_alloc(size_t size);
void *memory_alloc_zeroed(size_t size);
void *memory_realloc(void *memory, size_t size);
void memory_free(void *memory);   /* NULL is fine */

/* Doubles the capacity of an array of *cap elements, each of element_size bytes.
 * Returns the array, which may have moved, and sets *cap. Returns NULL if there is
 * no memory; the array and *cap are then unchanged. */
void *memory_grow(void *array, size_t *cap, size_t element_size);

/* --- for tests --- */

/* What a thread may ask for: so many requests more, then the next one is refused.
 * Once: that one alone, and the limit is gone with it. Else all from there on. */
struct memory_limit {
	long requests;               /* <0: no limit */
	bool once;
};

/* This thread's limit from now on; a negative number ends either kind. */
void memory_fail_after(long requests);
void memory_fail_once_after(long requests);

/* Whether this thread has been refused something since it last got a limit; the
 * end of the limit leaves that as it is. */
bool memory_was_refused(void);

/* What is left, and for a thread that goes on with another's work: a limit of its
 * own from there, so that each of the two may be refused something. */
struct memory_limit memory_limit(void);
void memory_limit_as(struct memory_limit limit);

#endif
