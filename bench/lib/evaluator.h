/* evaluator.h - interface of a store whose expressions are measured.
 *
 * bench/lib/evaluator.c calls all evaluators for the same work, measures it, and implements
 * their command line:
 *
 *     EVALUATOR describe                     prints version, schema, statements
 *     EVALUATOR make PATH ITEMS              stores small items, and a tenth as many large ones
 *     EVALUATOR put|update|insert PATH ITEMS LEVEL BATCH COUNT SEED
 *     EVALUATOR compare PATH ITEMS COUNT     puts and updates the same items, in ascending order
 *     EVALUATOR filter PATH top|nested       reads all small items, keeps 1 of 1,000
 *     EVALUATOR project PATH                 reads two attributes of all large items
 *
 * put replaces a random existing item by one with other values; update adds to its total if that
 * is less than a limit, which it is; insert fails, because the item exists. Items and keys are
 * encoded before the measurement, statements are prepared. All record both images of a change.
 * put, update and insert print nanoseconds per operation; compare prints those of a put and of an
 * update, in processor time, in alternating transactions of 1,000 without flush; filter and project
 * print nanoseconds of the whole scan and the number of items returned.
 */
#ifndef BENCH_EVALUATOR_H
#define BENCH_EVALUATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/program.h"
#include "lib/shipment.h"
#include "lib/store.h"

enum filter { FILTER_TOP, FILTER_NESTED };

struct evaluator {
	const char *name;
	void (*describe)(void);
	void (*open)(const char *path, enum level level, enum use use);
	void (*close)(void);

	/* Encodes key and item; NULL: the store takes the values themselves. */
	void (*encode)(struct shipment *shipment);

	/* Begins and ends a transaction of these operations. */
	void (*begin)(uint64_t operations);
	void (*commit)(void);

	void (*put)(const struct shipment *shipment);
	bool (*update)(const struct shipment *shipment);

	/* Returns false if the item exists. Runs in a separate transaction. */
	bool (*insert)(const struct shipment *shipment);

	/* Return the number of items. */
	uint64_t (*filter)(enum filter filter);
	uint64_t (*project)(void);

	void (*flush)(void);
};

int evaluator_main(const struct evaluator *of, int count, char **arg);

#endif
