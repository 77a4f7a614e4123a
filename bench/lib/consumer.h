/* consumer.h - interface of a store whose changes are handled in batches by a consumer.
 *
 * bench/lib/consumer.c calls all of them for the same work, measures it, and implements their
 * command line:
 *
 *     CONSUMER describe                 prints version, settings, statements
 *     CONSUMER make PATH RECORDS        records changes, which insert sales
 *     CONSUMER consume PATH LEVEL BATCH COUNT counters|count exactly|least
 *
 * consume handles the first COUNT changes with a new consumer, BATCH at a time, and prints
 * nanoseconds per change. The work *counters* adds an attribute of each sale to the counter of
 * its customer, one of 1,000; *count* adds the number of changes of a batch to a single counter.
 * With *exactly* the counters are stored in the same transaction as the position. With *least* they
 * are in the memory of the process, and only the position is stored. At the end consume verifies
 * the stored position and the sum of all counters.
 */
#ifndef BENCH_CONSUMER_H
#define BENCH_CONSUMER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/order.h"
#include "lib/program.h"
#include "lib/store.h"

#define SALE_CUSTOMERS 1000
#define SALE_CUSTOMER 9          /* length of a customer's name */

/* Name of the counter of the work `count`. */
#define RECORDS_COUNTER "records"

struct job {
	uint64_t batch;          /* changes in a transaction */
	bool is_counters;        /* false: the changes are only counted */
	bool is_exact;
};

/* An order with a total without decimals. */
struct sale {
	char customer[SALE_CUSTOMER + 1];
	int64_t total;
};

struct consumer {
	void (*describe)(void);
	void (*open)(const char *path, enum level level);
	void (*close)(void);

	/* Creates the schema, all counters with 0, and changes. Flushes them. */
	void (*make)(uint64_t records);

	/* Creates a consumer before the first change. */
	void (*start)(const struct job *job);

	/* Handles one batch. Returns its number of changes; 0 if none is left. */
	uint64_t (*handle)(const struct job *job);

	/* Returns the number of changes up to the stored position. */
	uint64_t (*position)(void);

	/* Returns the sum of all stored counters. */
	int64_t (*sum)(void);
};

/* The store of this program. */
extern const struct consumer consumer;

/* Creates the sale of change `number`, from 0. */
void sale_make(struct order *order, uint64_t number);

/* Returns the name of a customer, from 0 to SALE_CUSTOMERS - 1. The next call overwrites it. */
const char *sale_customer(uint64_t number);

/* Decodes a sale; exits with a message if the bytes are invalid. */
void sale_read(struct sale *sale, const void *item, size_t len);

/* Adds a sale to the counters in memory. */
void sale_add(const struct sale *sale);

/* Adds changes to the count in memory. */
void sale_count(uint64_t changes);

#endif
