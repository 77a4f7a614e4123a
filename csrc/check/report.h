/* report.h - what a check found. */
#ifndef CHECK_REPORT_H
#define CHECK_REPORT_H

#include <stdint.h>

#include "base/buffer.h"

/* The invariant that each page has one use (doc/invariants.md). */
#define INVARIANT_PAGES 25

struct report {
	uint64_t tables, items, streams, records, rows, bytes;
	uint64_t pages, pages_free, pages_leaked;    /* leaked: neither free nor used */
	uint64_t commit;             /* the snapshot that was checked */
	uint32_t stale_readers;      /* cleared */
	uint64_t problems;
	/* A problem a line, the first REPORT_PROBLEMS_MAX: the invariant's number, tree,
	 * table, key, page (0: none) and a sentence, a tab between them. */
	struct buffer text;
};
#define REPORT_PROBLEMS_MAX 100000

/* Empties the report; the memory of its text is kept. */
void report_start(struct report *report);

/* The sentence of the first problem; empty if there is none. */
struct slice report_first_problem(const struct report *report);

#endif
