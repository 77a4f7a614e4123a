/* define.h - making, changing and deleting tables and their streams.
 *
 * Each works inside a transaction and leaves the catalog refreshed.
 */
#ifndef TABLE_DEFINE_H
#define TABLE_DEFINE_H

#include "table/transaction.h"

/* How many tables and streams a file may have: the catalog is kept in memory. */
#define TABLES_MAX 10000
#define STREAMS_MAX 20000

/* A table to be made; view 0: without a stream. */
struct table_spec {
	struct slice name;
	struct key_schema schema;
	uint8_t view;
	struct retention retention;
};

/* VALIDATION (name, key attributes, view, retention), IN_USE (the name is taken),
 * LIMIT. */
int define_table(struct transaction *transaction, const struct table_spec *spec,
	struct failure *failure);

/* NOT_FOUND. The stream, if any, is disabled and stays readable; the items go
 * in steps (sweep.h). */
int define_delete(struct transaction *transaction, struct slice name, struct failure *failure);

/* VALIDATION (view, retention), also when one is enabled already: a view can't be changed,
 * only a new stream begun. */
int define_stream(struct transaction *transaction, struct slice name, uint8_t view,
	const struct retention *retention, struct failure *failure);

/* VALIDATION when none is enabled. */
int define_no_stream(struct transaction *transaction, struct slice name,
	struct failure *failure);

/* Changes how long a stream keeps its records: VALIDATION, NOT_FOUND. What has
 * expired stays gone. */
int define_retention(struct transaction *transaction, uint32_t stream,
	const struct retention *retention, struct failure *failure);

#endif
