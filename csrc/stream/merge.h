/* merge.h - k-way merge for a feed of all streams: a heap of the streams with records to read.
 *
 * The input with the lowest sequence number comes first. A feed keeps its merge from one page to
 * the next, so that it reads the bounds of every stream once, and not for each page.
 */
#ifndef STREAM_MERGE_H
#define STREAM_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct merge_input {
	uint64_t sequence;           /* sequence number of the stream's next record */
	uint64_t checked_at;         /* snapshot in which that record was found not expired; 0:
	                              * none */
	uint64_t checked_ms;         /* retention clock then */
	uint64_t age_ms;             /* retention of the stream in that snapshot */
	uint32_t stream;
	bool by_age_only;            /* that retention has no limit of count or bytes */
};

/* Sequence number of an input without a next record. */
#define MERGE_NONE UINT64_MAX

struct merge {
	struct merge_input *all;     /* a binary heap */
	size_t count;
	size_t cap;
	uint64_t position;           /* position of the feed for which the inputs are valid */
	uint64_t complete_to;        /* sequence number up to which the heap has all records'
	                              * streams */
};

/* Adds an input. Returns 0 or NO_MEMORY. */
int merge_add(struct merge *merge, const struct merge_input *input);

/* Returns the lowest sequence number of the inputs after the first, UINT64_MAX if there are none.
 * The first input can be read up to there without comparing it with the others again. */
uint64_t merge_until(const struct merge *merge);

/* Moves the first input to its place after its sequence number was increased. */
void merge_sink(struct merge *merge);

/* Removes the first input. */
void merge_drop(struct merge *merge);

/* Orders the inputs by stream. No other function but merge_restore and merge_clear may be called
 * then. */
void merge_sort_by_stream(struct merge *merge);

/* Removes the inputs whose sequence number is MERGE_NONE, and makes the others a heap again. */
void merge_restore(struct merge *merge);

/* Removes all inputs, but keeps their memory for later ones. */
void merge_clear(struct merge *merge);
void merge_release(struct merge *merge);

#endif
