/* large_memory.c - memory of several megabytes that is used immediately.
 *
 * A page fault for each 4 KiB takes longer than writing them.
 */
#include "os/large_memory.h"

#include <stdint.h>
#include <sys/mman.h>

#include "base/memory.h"

#define HUGE_PAGE ((size_t)2 << 20)

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23           /* Linux 5.14 */
#endif

/* Maps `size` bytes at an address that is a multiple of HUGE_PAGE. */
static uint8_t *map(size_t size)
{
	uint8_t *range = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before;

	if (range == MAP_FAILED)
		return NULL;
	before = (HUGE_PAGE - (uintptr_t)range % HUGE_PAGE) % HUGE_PAGE;
	if (before)
		munmap(range, before);
	if (before < HUGE_PAGE)
		munmap(range + before + size, HUGE_PAGE - before);
	return range + before;
}

static size_t mapped_size(size_t size)
{
	return (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

void *large_memory_alloc(size_t size)
{
	uint8_t *memory;

	if (size < LARGE_MEMORY_MAPPED)
		return memory_alloc(size);
	memory = map(mapped_size(size));
	if (!memory)
		return NULL;
	/* Both calls only make later accesses faster. */
	(void)madvise(memory, size, MADV_HUGEPAGE);
	(void)madvise(memory, size, MADV_POPULATE_WRITE);
	return memory;
}

void large_memory_free(void *memory, size_t size)
{
	if (size < LARGE_MEMORY_MAPPED)
		memory_free(memory);
	else if (memory)
		munmap(memory, mapped_size(size));
}
