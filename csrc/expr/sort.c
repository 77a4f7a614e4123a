/* sort.c - heap sort of indexes with a comparison function. */
#include "expr/sort.h"

#include <stdbool.h>

#define FEW 16                     /* maximum number of elements for insertion sort */

static void sort_few(uint32_t *ids, size_t count, sort_compare *compare, const void *context)
{
	size_t i, j;

	for (i = 1; i < count; i++) {
		uint32_t id = ids[i];

		for (j = i; j > 0 && compare(context, ids[j - 1], id) > 0; j--)
			ids[j] = ids[j - 1];
		ids[j] = id;
	}
}

static void sift_down(uint32_t *ids, size_t root, size_t count, sort_compare *compare,
	const void *context)
{
	uint32_t id = ids[root];
	size_t child;

	while ((child = 2 * root + 1) < count) {
		if (child + 1 < count && compare(context, ids[child], ids[child + 1]) < 0)
			child++;
		if (compare(context, id, ids[child]) >= 0)
			break;
		ids[root] = ids[child];
		root = child;
	}
	ids[root] = id;
}

void sort_ids(uint32_t *ids, size_t count, sort_compare *compare, const void *context)
{
	size_t i;

	if (count <= FEW) {
		sort_few(ids, count, compare, context);
		return;
	}
	for (i = count / 2; i-- > 0;)
		sift_down(ids, i, count, compare, context);
	for (i = count - 1; i > 0; i--) {
		uint32_t last = ids[i];

		ids[i] = ids[0];
		ids[0] = last;
		sift_down(ids, 0, i, compare, context);
	}
}
