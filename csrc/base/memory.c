/* memory.c - the allocator of the core: malloc and free, with simulated failures for tests. */
#include "base/memory.h"

#include <stdlib.h>

#define MIN_CAP 16

static _Thread_local struct memory_limit limit = { .requests = -1 };
static _Thread_local bool was_refused;

static bool refused(void)
{
	if (limit.requests < 0)
		return false;
	if (limit.requests > 0) {
		limit.requests--;
		return false;
	}
	if (limit.once)
		limit.requests = -1;
	was_refused = true;
	return true;
}

void *memory_alloc(size_t size)
{
	return refused() ? NULL : malloc(size ? size : 1);
}

void *memory_alloc_zeroed(size_t size)
{
	return refused() ? NULL : calloc(1, size ? size : 1);
}

void *memory_realloc(void *memory, size_t size)
{
	return refused() ? NULL : realloc(memory, size ? size : 1);
}

void memory_free(void *memory)
{
	free(memory);
}

void *memory_grow(void *array, size_t *cap, size_t element_size)
{
	size_t next = *cap ? 2 * *cap : MIN_CAP;
	void *grown = memory_realloc(array, next * element_size);

	if (grown)
		*cap = next;
	return grown;
}

void memory_limit_as(struct memory_limit next)
{
	if (next.requests >= 0)
		was_refused = false;
	limit = next;
}

void memory_fail_after(long requests)
{
	memory_limit_as((struct memory_limit){ requests, false });
}

void memory_fail_once_after(long requests)
{
	memory_limit_as((struct memory_limit){ requests, true });
}

bool memory_was_refused(void)
{
	return was_refused;
}

struct memory_limit memory_limit(void)
{
	return limit;
}
