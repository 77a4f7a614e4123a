/* test_sort.c - tests of expr/sort.h. */
#include "expr/sort.h"

#include "unit/check.h"

#define MOST 300

static unsigned compared;

static int compare(const void *context, uint32_t a, uint32_t b)
{
	const int *keys = context;

	compared++;
	return (keys[a] > keys[b]) - (keys[a] < keys[b]);
}

static void check_sorted(const int *keys, unsigned count)
{
	uint32_t ids[MOST];
	bool seen[MOST] = { false };
	unsigned i;

	for (i = 0; i < count; i++)
		ids[i] = i;
	sort_ids(ids, count, compare, keys);
	for (i = 0; i < count; i++) {
		CHECK(ids[i] < count && !seen[ids[i]]);
		seen[ids[i]] = true;
		CHECK(i == 0 || keys[ids[i - 1]] <= keys[ids[i]]);
	}
}

int main(void)
{
	int keys[MOST] = { 0 };
	unsigned count, i;

	for (count = 0; count < MOST; count++) {
		for (i = 0; i < count; i++)
			keys[i] = (int)check_random_below(1 + check_random_below(MOST));
		check_sorted(keys, count);
		for (i = 0; i < count; i++)
			keys[i] = (int)i;
		check_sorted(keys, count);
		for (i = 0; i < count; i++)
			keys[i] = -(int)i;
		compared = 0;
		check_sorted(keys, count);
		CHECK(compared <= 20 * count);
	}
	return 0;
}
