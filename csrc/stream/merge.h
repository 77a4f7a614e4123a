/* merge.h - the streams of which a feed of all streams has records to read, as a heap.
 *
 * The input with the lowest sequence number comes first. A feed keeps its merge from one page to
 * the next, so that it looks at every stream once and not for each page.
 */
#ifndef STREAM_MERGE_H
#define STREAM_MERGE_H

#include <stddef.h>
#include <stdint.h>

struct merge_input {
	uint64_t sequence;           /* of its next record */
	uint64_t checked_at;         /* snapshot in which it was found not expired; 0: none */
	uint64_t age_ms;             /* the stream's retention in that snapshot */
	uint32_t stream;
};

struct merge {
	struct merge_input *all;     /* a binary heap */
	size_t count;
	size_t cap;
	uint64_t position;           /* position of the feed for which the inputs are valid */
	uint64_t complete_to;        /* inputs with a record up to here are in the heap */
};

/* Adds an input. Returns NO_MEMORY. */
int merge_add(struct merge *merge, const struct merge_input *input);

/* Returns the sequence number up to which the first input can be read without comparing again.
 * This is the lowest sequence number of the other inputs, or UINT64_MAX if the first is alone. */
uint64_t merge_until(const struct merge *merge);

/* Moves the first input to its place after its sequence number was increased. */
void merge_sink(struct merge *merge);

/* Removes the first input. */
void merge_drop(struct merge *merge);

/* Removes all inputs and keeps the memory. */
void merge_clear(struct merge *merge);
void merge_release(struct merge *merge);

#endif
