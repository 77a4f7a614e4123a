/* memory.h - the allocator of the core; no other file calls malloc or free.
 *
 * A test can make the n-th allocation fail, either alone or with all later ones.
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* Allocation functions, which return NULL if memory runs out. Size 0 is allowed. */
void *memory_alloc(size_t size);
void *memory_alloc_zeroed(size_t size);
void *memory_realloc(void *memory, size_t size);
void memory_free(void *memory);   /* NULL is allowed */

/* Doubles the capacity of an array of *cap elements, each of element_size bytes.
 * Returns the array, which may have moved, and sets *cap. Returns NULL if memory runs
 * out; the array and *cap are then unchanged. */
void *memory_grow(void *array, size_t *cap, size_t element_size);

/* --- for tests --- */

/* Number of allocations after which the allocations of a thread fail, for tests. */
struct memory_limit {
	long requests;               /* allocations that still succeed; <0 if unlimited */
	bool once;                   /* true if one allocation fails and removes the limit */
};

/* Sets the calling thread's limit; a negative number removes it. */
void memory_fail_after(long requests);
void memory_fail_once_after(long requests);

/* Returns true if an allocation of the calling thread has failed since its limit
 * was last set. Removing the limit does not reset this. */
bool memory_was_refused(void);

/* Get and set the calling thread's limit. A thread that continues the work of
 * another one starts with a copy of that thread's limit. */
struct memory_limit memory_limit(void);
void memory_limit_as(struct memory_limit limit);

#endif
