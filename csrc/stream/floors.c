/* floors.c - for each stream of a feed, the newest record that had expired at its start. */
#include "stream/floors.h"

#include "base/error.h"
#include "base/memory.h"

int floors_add(struct floors *floors, struct floor floor)
{
	if (floors->count == floors->cap) {
		struct floor *all = memory_grow(floors->all, &floors->cap, sizeof *all);

		if (!all)
			return ERR_NO_MEMORY;
		floors->all = all;
	}
	floors->all[floors->count++] = floor;
	return 0;
}

uint64_t floors_hidden(const struct floors *floors, uint32_t stream)
{
	size_t low = 0, high = floors->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (floors->all[middle].stream < stream)
			low = middle + 1;
		else
			high = middle;
	}
	return low < floors->count && floors->all[low].stream == stream ?
		floors->all[low].hidden : 0;
}

void floors_release(struct floors *floors)
{
	memory_free(floors->all);
	*floors = (struct floors){ 0 };
}
