/* memory.c - the one door to malloc. */
#include "base/memory.h"

#include <stdbool.h>
#include <stdlib.h>

static _Thread_local long allowed = -1;

static bool refused(void)
{
	if (allowed < 0)
		return false;
	if (allowed == 0)
		return true;
	allowed--;
	return false;
}

void *memory_get(size_t size)
{
	return refused() ? NULL : malloc(size ? size : 1);
}

void *memory_zeroed(size_t size)
{
	return refused() ? NULL : calloc(1, size ? size : 1);
}

void *memory_resize(void *memory, size_t size)
{
	return refused() ? NULL : realloc(memory, size ? size : 1);
}

void memory_give_back(void *memory)
{
	free(memory);
}

void memory_fail_after(long requests)
{
	allowed = requests;
}

long memory_left(void)
{
	return allowed;
}
