/* fault_tide.c - tide.h when memory runs out at each request of a call, once or from then on. */
#include <stdbool.h>

#include "base/error.h"
#include "base/memory.h"

static int refusal = ERR_NO_MEMORY;
static bool was_refused;

#include "unit/calls.h"

static int try_open(struct tide **tide)
{
	int err = tide_open(tide, &options, &failure);

	CHECK((err == 0) == (*tide != NULL));
	return err;
}

static bool once;

static void refuse_memory_after(long requests)
{
	if (requests < 0)
		was_refused = memory_was_refused();
	if (once)
		memory_fail_once_after(requests);
	else
		memory_fail_after(requests);
}

/* If opening a new database fails, the file does not exist; if opening succeeds, the file is
 * complete. */
static void opening_may_fail(enum durability durability)
{
	struct tide *tide;
	long allowed = 0;
	int err;

	options = weak_options(tide_path("open.tide"));
	options.durability = durability;
	do {
		refuse_memory_after(allowed++);
		err = try_open(&tide);
		refuse_memory_after(-1);
		CHECK_EQUAL_INT(err, was_refused ? ERR_NO_MEMORY : 0);
		tide_close(tide);
		if (err && access(options.path, F_OK) == 0) {
			CHECK_EQUAL_INT(try_open(&tide), 0);
			check_clean(tide);
			tide_close(tide);
		}
		remove_files(options.path);
	} while (err);
	CHECK(allowed > 3);
}

int main(void)
{
	refuse_after = refuse_memory_after;
	for (int i = 0; i < 2; i++) {
		once = i;
		opening_may_fail(DURABILITY_FULL);
		opening_may_fail(DURABILITY_NONE);
		each_call_may_fail();
	}
	builder_release(&made);
	return 0;
}
