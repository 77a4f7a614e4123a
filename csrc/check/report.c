/* report.c - the result of a check. */
#include "check/report.h"

#include <string.h>

void report_start(struct report *report)
{
	buffer_clear(&report->text);
	*report = (struct report){ .text = report->text };
}

struct slice report_first_problem(const struct report *report)
{
	struct slice text = buffer_slice(&report->text);
	const uint8_t *newline = text.len ? memchr(text.data, '\n', text.len) : NULL;
	const uint8_t *tab;

	if (!newline)
		return slice_of("", 0);
	tab = memrchr(text.data, '\t', (size_t)(newline - text.data));
	return slice_of(tab + 1, (size_t)(newline - tab - 1));
}
