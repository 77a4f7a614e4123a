/* test_large_memory.c - os/large_memory.h: memory of any size, and what happens if none is left. */
#include "os/large_memory.h"

#include "base/memory.h"
#include "unit/check.h"

static void memory_of_any_size(void)
{
	static const size_t sizes[] = { 0, 1, 4096, LARGE_MEMORY_MAPPED - 1, LARGE_MEMORY_MAPPED,
		LARGE_MEMORY_MAPPED + 1, 5000001, (size_t)16 << 20 };
	uint8_t *all[sizeof sizes / sizeof *sizes];

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		all[i] = large_memory_alloc(sizes[i]);
		CHECK(all[i] != NULL);
		memset(all[i], (int)i + 1, sizes[i]);
	}
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		CHECK(sizes[i] == 0 || (all[i][0] == i + 1 && all[i][sizes[i] - 1] == i + 1));
		large_memory_free(all[i], sizes[i]);
	}
	large_memory_free(NULL, 100);
	large_memory_free(NULL, LARGE_MEMORY_MAPPED);
}

static void memory_runs_out(void)
{
	memory_fail_after(0);
	CHECK(large_memory_alloc(100) == NULL);
	memory_fail_after(-1);
	CHECK(large_memory_alloc(SIZE_MAX / 4) == NULL);
}

int main(void)
{
	memory_of_any_size();
	memory_runs_out();
	return 0;
}
