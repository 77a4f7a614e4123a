/* fault_tide.c - tide.h when memory runs out, at each request of each call once. */
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

/* Opening: a new file appears whole or not at all. */
static void opening_may_fail(enum tide_durability durability)
{
	struct tide *tide;
	long allowed = 0;
	int err;

	options = weak_options(tide_path("open.tide"));
	options.durability = durability;
	do {
		memory_fail_after(allowed++);
		err = try_open(&tide);
		memory_fail_after(-1);
		CHECK(err == 0 || err == ERR_NO_MEMORY);
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
	opening_may_fail(TIDE_FULL);
	opening_may_fail(TIDE_NONE);
	refuse_after = memory_fail_after;
	each_call_may_fail();
	builder_release(&made);
	return 0;
}
