/* merge.c - k-way merge for a feed of all streams: a heap of the streams with records to read. */
#include "stream/merge.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"

static void swap_inputs(struct merge *merge, size_t a, size_t b)
{
	struct merge_input input = merge->all[a];

	merge->all[a] = merge->all[b];
	merge->all[b] = input;
}

int merge_add(struct merge *merge, const struct merge_input *input)
{
	size_t at = merge->count;

	if (merge->count == merge->cap) {
		struct merge_input *all = memory_grow(merge->all, &merge->cap, sizeof *all);

		if (!all)
			return ERR_NO_MEMORY;
		merge->all = all;
	}
	merge->all[merge->count++] = *input;
	while (at > 0 && merge->all[at].sequence < merge->all[(at - 1) / 2].sequence) {
		swap_inputs(merge, at, (at - 1) / 2);
		at = (at - 1) / 2;
	}
	return 0;
}

/* Returns the index of the child with the lower sequence number; merge->count if the input has
 * no child. */
static size_t child_with_lowest_sequence(const struct merge *merge, size_t at)
{
	size_t child = 2 * at + 1;

	if (child >= merge->count)
		return merge->count;
	return child + 1 < merge->count &&
		merge->all[child + 1].sequence < merge->all[child].sequence ? child + 1 : child;
}

uint64_t merge_until(const struct merge *merge)
{
	size_t second = child_with_lowest_sequence(merge, 0);

	return second < merge->count ? merge->all[second].sequence : UINT64_MAX;
}

/* Moves an input down to its place in the heap. */
static void sink(struct merge *merge, size_t at)
{
	size_t child;

	while ((child = child_with_lowest_sequence(merge, at)) < merge->count &&
			merge->all[child].sequence < merge->all[at].sequence) {
		swap_inputs(merge, at, child);
		at = child;
	}
}

void merge_sink(struct merge *merge)
{
	sink(merge, 0);
}

void merge_drop(struct merge *merge)
{
	merge->all[0] = merge->all[--merge->count];
	merge_sink(merge);
}

static int compare_streams(const void *a, const void *b)
{
	const struct merge_input *left = a, *right = b;

	return (left->stream > right->stream) - (left->stream < right->stream);
}

void merge_sort_by_stream(struct merge *merge)
{
	qsort(merge->all, merge->count, sizeof *merge->all, compare_streams);
}

void merge_restore(struct merge *merge)
{
	size_t count = 0;

	for (size_t i = 0; i < merge->count; i++)
		if (merge->all[i].sequence != MERGE_NONE)
			merge->all[count++] = merge->all[i];
	merge->count = count;
	for (size_t at = count / 2; at > 0; at--)
		sink(merge, at - 1);
}

void merge_clear(struct merge *merge)
{
	merge->count = 0;
	merge->position = 0;
	merge->complete_to = 0;
}

void merge_release(struct merge *merge)
{
	memory_free(merge->all);
	*merge = (struct merge){ 0 };
}
