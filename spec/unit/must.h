/* must.h - MUST: checks that a call succeeds, and prints the failure's message if not. */
#ifndef UNIT_MUST_H
#define UNIT_MUST_H

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"

#define MUST(call, failure) must_go_well((call), &(failure), __FILE__, __LINE__)

static inline void must_go_well(int err, const struct failure *failure, const char *file, int line)
{
	if (!err)
		return;
	fprintf(stderr, "%s:%d: %s: %s\n", file, line, error_code(err), failure->message);
	exit(1);
}

#endif
