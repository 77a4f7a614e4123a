/* test_merge.c - stream/merge.h: the heap of a merge against sorted arrays. */
#include "base/error.h"
#include "base/memory.h"
#include "stream/merge.h"
#include "unit/check.h"

#define INPUTS 40

/* Inputs of a plain model: the next sequence number of each stream; 0: dropped. */
static uint64_t next[INPUTS];

static int least(int except)
{
	int found = -1;

	for (int i = 0; i < INPUTS; i++)
		if (i != except && next[i] && (found < 0 || next[i] < next[found]))
			found = i;
	return found;
}

static void fill(struct merge *merge)
{
	for (int i = 0; i < INPUTS; i++) {
		/* Each sequence number belongs to one stream. */
		next[i] = (1 + check_random_below(1000)) * INPUTS + (uint64_t)i;
		CHECK_EQUAL_INT(merge_add(merge, &(struct merge_input){
			.sequence = next[i], .stream = (uint32_t)i }), 0);
	}
}

/* Reads the first input up to the others, as a feed does. */
static void step(struct merge *merge)
{
	struct merge_input *input = &merge->all[0];
	int first = least(-1), second = least(first);

	CHECK_EQUAL_UINT(input->stream, (uint64_t)first);
	CHECK_EQUAL_UINT(input->sequence, next[first]);
	CHECK_EQUAL_UINT(merge_until(merge), second < 0 ? UINT64_MAX : next[second]);
	if (check_random_below(4) == 0) {
		merge_drop(merge);
		next[first] = 0;
		return;
	}
	input->sequence += INPUTS * (1 + check_random_below(500));
	next[first] = input->sequence;
	merge_sink(merge);
}

/* Orders the inputs by stream, changes them, removes some, and makes them a heap again. */
static void changes_by_stream(void)
{
	struct merge merge = { 0 };

	for (int round = 0; round < 200; round++) {
		size_t count = 0;

		fill(&merge);
		merge_sort_by_stream(&merge);
		for (size_t i = 0; i < INPUTS; i++) {
			CHECK_EQUAL_UINT(merge.all[i].stream, i);
			next[i] = check_random_below(4) ? next[i] + INPUTS *
				check_random_below(1000) : 0;
			merge.all[i].sequence = next[i] ? next[i] : MERGE_NONE;
			count += next[i] != 0;
		}
		merge_restore(&merge);
		CHECK_EQUAL_UINT(merge.count, count);
		while (merge.count > 0)
			step(&merge);
		CHECK_EQUAL_INT(least(-1), -1);
	}
	merge_release(&merge);
}

static void agrees_with_a_plain_search(void)
{
	struct merge merge = { 0 };

	for (int round = 0; round < 200; round++) {
		fill(&merge);
		while (merge.count > 0)
			step(&merge);
		CHECK_EQUAL_INT(least(-1), -1);
		merge_clear(&merge);
	}
	merge_release(&merge);
	CHECK(merge.all == NULL && merge.cap == 0);
}

static void memory_runs_out(void)
{
	struct merge merge = { 0 };

	memory_fail_after(0);
	CHECK_EQUAL_INT(merge_add(&merge, &(struct merge_input){ .sequence = 1 }), ERR_NO_MEMORY);
	memory_fail_after(-1);
	CHECK_EQUAL_UINT(merge.count, 0);
	CHECK_EQUAL_INT(merge_add(&merge, &(struct merge_input){ .sequence = 1 }), 0);
	CHECK_EQUAL_UINT(merge_until(&merge), UINT64_MAX);
	merge_release(&merge);
}

int main(void)
{
	agrees_with_a_plain_search();
	changes_by_stream();
	memory_runs_out();
	return 0;
}
