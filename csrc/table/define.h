/* define.h - creates, changes and deletes tables and their streams.
 *
 * Each function works in an open transaction and leaves the catalog valid. Those that change or
 * delete a table return REPLICATED if it belongs to a replica.
 */
#ifndef TABLE_DEFINE_H
#define TABLE_DEFINE_H

#include "table/transaction.h"

/* Maximum numbers of tables and streams in a file, limited because some functions look at all of
 * them. */
#define TABLES_MAX 10000
#define STREAMS_MAX 20000

struct table_spec {
	struct slice name;
	struct key_schema schema;
	uint8_t view;                /* enum view; 0: without a stream */
	struct slice ttl;            /* time-to-live attribute; len 0: none */
	struct retention retention;
};

/* Creates a table. Returns VALIDATION (name, key attributes, view or retention), IN_USE if a
 * table has this name, LIMIT. */
int define_table(struct transaction *transaction, const struct table_spec *spec,
	struct failure *failure);

/* Deletes a table. Its stream is disabled and stays readable; its items are removed in steps
 * (sweep.h). Returns NOT_FOUND. */
int define_delete(struct transaction *transaction, struct slice name, struct failure *failure);

/* Enables a new stream. Returns VALIDATION (view or retention, or a stream is enabled: its view
 * type cannot be changed), NOT_FOUND, LIMIT. */
int define_stream(struct transaction *transaction, struct slice name, uint8_t view,
	const struct retention *retention, struct failure *failure);

/* Disables the stream of a table. Returns VALIDATION if none is enabled, NOT_FOUND. */
int define_no_stream(struct transaction *transaction, struct slice name,
	struct failure *failure);

/* Sets the time-to-live attribute of a table, or disables time to live (attribute.len 0). The
 * expiry index of existing items is built, and an old index is removed, in steps (expire.h).
 * Without effect if the table has this attribute. Returns VALIDATION (attribute), NOT_FOUND,
 * LIMIT. */
int define_ttl(struct transaction *transaction, struct slice name, struct slice attribute,
	struct failure *failure);

/* Changes the retention of a stream. Records that have expired stay invisible. A cap of holds that
 * is 0 is unchanged; a new stream gets the default. Returns
 * VALIDATION, NOT_FOUND. */
int define_retention(struct transaction *transaction, uint32_t stream,
	const struct retention *retention, struct failure *failure);

#endif
