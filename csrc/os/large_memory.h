/* large_memory.h - memory of several megabytes that is used immediately. Freeing it returns it to
 * the system. */
#ifndef OS_LARGE_MEMORY_H
#define OS_LARGE_MEMORY_H

#include <stddef.h>

/* From this size on, memory is mapped: all its pages are present, and are huge pages if the system
 * has some. Smaller memory is that of memory_alloc. */
#define LARGE_MEMORY_MAPPED ((size_t)2 << 20)

/* Returns memory of this size, which may contain anything, or NULL. */
void *large_memory_alloc(size_t size);

/* size: that of the allocation. NULL is allowed. */
void large_memory_free(void *memory, size_t size);

#endif
