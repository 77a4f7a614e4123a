/* tide_comparison.h - the part of the C core's interface that compares the items of two tables.
 *
 * The tables are in two databases or in one. Both are read in key order from snapshots, in bounded
 * memory, and items are compared by their canonical bytes. Items that have expired count as stored.
 * The rules of tide.h hold.
 */
#ifndef TIDE_COMPARISON_H
#define TIDE_COMPARISON_H

#include "tide.h"

/* A table in a snapshot. */
struct tide_compared {
	struct tide *tide;
	const struct tide_snapshot *snapshot;
	struct tide_table *table;
};

enum tide_difference_kind { TIDE_SAME, TIDE_ONLY_FIRST, TIDE_ONLY_SECOND, TIDE_DIFFERENT };

struct tide_difference {
	enum tide_difference_kind kind;      /* TIDE_SAME: no difference was found yet */
	struct slice first, second;          /* items, valid until the next call; empty: none */
	uint64_t first_sequence;             /* of the item's last change; 0: none */
	uint64_t second_sequence;
};

struct tide_comparison;

/* Prepares the comparison of two tables. Returns VALIDATION if their key attributes differ,
 * NOT_FOUND, TIMEOUT. */
int tide_comparison_start(struct tide_comparison **comparison, const struct tide_compared *first,
	const struct tide_compared *second, struct failure *failure);

/* Compares items until a difference is found or max items have been read. The snapshots may be
 * others than before, if the tables are the same. Returns 0, or END after the last item; TIMEOUT,
 * CORRUPT. */
int tide_comparison_next(struct tide_comparison *comparison, const struct tide_compared *first,
	const struct tide_compared *second, uint32_t max, struct tide_difference *difference,
	struct failure *failure);

/* Returns the number of pairs of equal items so far. */
uint64_t tide_comparison_equal(const struct tide_comparison *comparison);

/* Accepts NULL. */
void tide_comparison_finish(struct tide_comparison *comparison);

#endif
