/* test_fault.c - tests of expr/fault.h. */
#include "expr/fault.h"

#include "unit/check.h"

int main(void)
{
	struct faults faults = { .found = { false } };
	struct failure failure = { 0 };
	unsigned fault;

	CHECK_EQUAL_INT(faults_report(&faults, EXPRESSION_UPDATE, &failure), 0);
	CHECK_EQUAL_INT(failure.err, 0);
	/* the order is reversed, so each fault is reported before those recorded earlier */
	for (fault = FAULT_COUNT; fault-- > 0;) {
		char text[16];
		struct failure before = failure;

		snprintf(text, sizeof text, "word%u", fault);
		fault_note(&faults, (enum fault)fault, slice_of_text(text), fault);
		fault_note(&faults, (enum fault)fault, slice_of_text("later"), 99);
		CHECK_EQUAL_INT(faults_report(&faults, EXPRESSION_UPDATE, &failure),
			ERR_VALIDATION);
		CHECK(strcmp(before.message, failure.message) != 0);
		CHECK(!strstr(failure.message, "later") && !strstr(failure.message, "99"));
	}
	return 0;
}
