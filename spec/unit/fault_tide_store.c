/* fault_tide_store.c - tide.h when a call of the store fails or returns damaged bytes: each call
 * once.
 */
#include "unit/failing_store.h"

#include "unit/calls.h"

/* Opens a new file, or one that has the boot id of a weaker durability level. */
static void opening_may_fail(bool is_new)
{
	struct tide *tide;
	int err;

	options = weak_options(tide_path("open.tide"));
	for (long requests = 0;; requests++) {
		if (!is_new) {
			options.durability = DURABILITY_FULL;
			tide_close(open_again());
			options.durability = DURABILITY_NONE;
		}
		was_refused = false;
		store_fail_after(requests);
		err = tide_open(&tide, &options, &failure);
		store_fail_after(-1);
		CHECK((err == 0) == (tide != NULL));
		CHECK(!err || (err == refusal && failure.err == err) || err == ERR_NOT_DATABASE);
		tide_close(tide);
		tide = open_again();
		check_clean(tide);
		tide_close(tide);
		remove_files(options.path);
		if (!was_refused)
			break;
	}
}

int main(void)
{
	static const int refusals[] = { ERR_STORE, ERR_CORRUPT };

	refuse_after = store_fail_after;
	for (size_t i = 0; i < 4; i++) {
		refusal = refusals[i % 2];
		once = i / 2;
		opening_may_fail(true);
		opening_may_fail(false);
		each_call_may_fail();
	}
	builder_release(&made);
	return 0;
}
