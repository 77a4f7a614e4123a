/* fault_tide_store.c - tide.h when the store fails or what it lends is damaged, at each
 * call of it once.
 */
#include "unit/failing_store.h"
#include "unit/calls.h"

int main(void)
{
	static const int refusals[] = { ERR_STORE, ERR_CORRUPT };

	refuse_after = store_fail_after;
	for (size_t i = 0; i < 4; i++) {
		refusal = refusals[i % 2];
		once = i / 2;
		each_call_may_fail();
	}
	builder_release(&made);
	return 0;
}
