/* report.h - the result of a check: counters and the list of problems. */
#ifndef CHECK_REPORT_H
#define CHECK_REPORT_H

#include <stdint.h>

#include "base/buffer.h"

/* Number of the invariant that each page has exactly one use (doc/invariants.md). */
#define INVARIANT_PAGES 25

struct report {
	uint64_t tables, items, streams, records, rows, bytes;
	uint64_t table_changes;      /* records of changes of tables; the others are `records` */
	uint64_t pages, pages_free, pages_leaked;    /* leaked: neither free nor in use */
	uint64_t commit;             /* number of the commit that was checked */
	uint32_t stale_readers;      /* reader slots of dead processes that were cleared */
	uint64_t problems;           /* number of problems found */
	/* One line for each of the first REPORT_PROBLEMS_MAX problems, with the invariant's
	 * number, tree, table, key, page (0 if none) and a sentence, separated by tabs. */
	struct buffer text;
};
#define REPORT_PROBLEMS_MAX 100000

/* Sets all counters of the report to 0 and empties its text, but keeps the memory. */
void report_start(struct report *report);

/* Returns the sentence of the first problem, which points into report->text; empty if there is
 * none. */
struct slice report_first_problem(const struct report *report);

#endif
