/* table_record.h - records of the changes of tables (codec/table_change.h).
 *
 * They are records of the stream STREAM_OF_TABLES, in the transaction that changes the table. Each
 * takes a sequence number. The functions return 0, NO_MEMORY, STORE, or CORRUPT if the row of the
 * table's enabled stream is damaged or missing; they change no row.
 */
#ifndef TABLE_TABLE_RECORD_H
#define TABLE_TABLE_RECORD_H

#include "codec/table_change.h"
#include "table/transaction.h"

/* Encodes the present definition of a table, for the functions below: table->stream must be its
 * enabled stream. */
int table_record_note(struct transaction *transaction, const struct table_row *table);

/* Adds the record of an event other than TABLE_ALTERED, with the noted definition. */
int table_record_add(struct transaction *transaction, enum table_event event,
	const struct table_row *table);

/* Adds the record of an alteration, from the noted definition to the present one. Adds none if they
 * are equal. */
int table_record_add_altered(struct transaction *transaction, const struct table_row *table);

#endif
