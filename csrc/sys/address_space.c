/* address_space.c - how much can be mapped where the address space is limited.
 *
 * Found out by mapping: without access and without memory behind it, so that only
 * addresses are asked for. The largest free range is searched by bisection, in
 * steps of STEP.
 */
#include "sys/address_space.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>

/* Left to the rest of the process when all of `wanted` is mapped. */
#define SPARE (UINT64_C(64) << 20)
#define STEP (UINT64_C(1) << 20)

static bool is_free(uint64_t bytes)
{
	void *range = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		-1, 0);

	if (range == MAP_FAILED)
		return false;
	munmap(range, bytes);
	return true;
}

/* At most `most`, in whole steps. */
static uint64_t largest_free(uint64_t most)
{
	uint64_t low = 0;
	uint64_t high = most / STEP;

	while (low < high) {
		uint64_t middle = low + (high - low + 1) / 2;

		if (is_free(middle * STEP))
			low = middle;
		else
			high = middle - 1;
	}
	return low * STEP;
}

uint64_t address_space_fit(uint64_t wanted, uint64_t least, uint64_t reused)
{
	uint64_t half;

	if (is_free(wanted + SPARE))
		return wanted;
	half = largest_free(wanted + SPARE) / 2;
	if (half > wanted)
		half = wanted;
	if (half >= least)
		return half;
	if (least <= reused || is_free(least - reused))
		return least < wanted ? least : wanted;
	return 0;
}
