/* calling.h - what the calls of calls.h share. */
#ifndef UNIT_CALLING_H
#define UNIT_CALLING_H

#include "os/clock.h"
#include "unit/expiring.h"
#include "unit/files.h"
#include "unit/ranges.h"

#define BIG 5000                         /* an item of several parts */
#define DEEP 1020                        /* a sort key of several rows */
#define START_MS 1000000

static struct failure failure;
static struct tide_options options;
static struct clock *manual;
static char big[BIG + 1], deep[DEEP + 1];
static struct builder made;              /* items to put; warm, so it asks for nothing */

/* The file that includes this one says which requests fail; it also defines the error (refusal)
 * and, if it can tell, whether a request has failed (was_refused). */
static void (*refuse_after)(long requests);      /* this many succeed; <0: all */

/* One call, or several that belong together. A call releases what it creates. */
struct call {
	const char *name;
	int (*run)(struct tide *tide);
	bool happened;                   /* result of `sign`: the change was made */
	bool (*sign)(struct tide *tide);
	uint64_t wait_ms;                /* advance of the clock before the call */
	bool in_steps;                   /* a failed call may have done some of its transactions */
};

static int run_trim(struct tide *tide)
{
	struct tide_swept swept = { 0 };
	bool more = true;
	int err = 0;

	while (!err && more)
		err = tide_sweep(tide, &swept, &more, &failure);
	return err;
}

#endif
