/* applying.h - the state and the functions that the files apply*.c share. */
#ifndef TABLE_APPLYING_H
#define TABLE_APPLYING_H

#include "table/apply.h"
#include "table/write.h"

/* A table of the replica, cached for the application of its records. */
struct applied_table {
	uint32_t source;             /* id in the source; 0: an unused entry */
	uint8_t state;
	bool merges;
	uint32_t id;
	uint16_t name_len;
	char name[TABLE_NAME_MAX + 1];
};

#define APPLIED_TABLES 8

struct apply {
	struct transaction *transaction;
	const struct apply_spec *spec;
	struct failure *failure;
	struct replica_row row;
	struct buffer settings;      /* of the row, which borrows from it */
	bool is_new;                 /* the replica is created */
	bool has_changed;            /* the row must be written */
	uint64_t head;
	uint64_t spent;              /* bytes in this transaction */
	uint64_t removed;            /* items that only this database had, in this transaction */
	bool is_adopting;            /* it takes over existing tables */
	struct applied_table tables[APPLIED_TABLES];
	unsigned next_table;         /* entry that is replaced next */
	struct buffer annotation;
	struct buffer path;
	struct buffer kept;          /* a row of a table of the replica */
	struct buffer scratch;
};

/* Sets *table to the table of the source with this id; NULL if it is not replicated. Returns 0 or
 * an error. */
int apply_find(struct apply *apply, uint32_t source, struct applied_table **table);

/* Forgets the cached tables, because their rows have changed. */
void apply_forget(struct apply *apply);

/* Sets *table to the table of the catalog. */
int apply_catalog_table(struct apply *apply, const struct applied_table *applied,
	const struct table **table);

/* Verifies the bytes of an item, or of its key attributes, that the source has sent: what is stored
 * must decode. Returns 0 or CORRUPT. */
int apply_check_item(struct apply *apply, struct slice item);

/* Reads the row of a table of the replica into memory that stays valid until the next call. */
int apply_read_table(struct apply *apply, uint32_t source, struct replica_table *table);

/* Ends a transaction for readers of streams, with this source in its annotation. */
int apply_flush(struct apply *apply, struct annotation *annotation);

/* Returns true if the transaction is large enough. */
static inline bool apply_is_full(const struct apply *apply)
{
	return apply->spent >= APPLY_BYTES || apply->removed >= APPLY_REMOVED;
}

/* Functions of one kind of frame. *is_done: the frame does not have to be applied again. */
int apply_tables(struct apply *apply, const struct frame *frame);
int apply_table(struct apply *apply, const struct frame *frame);
int apply_page(struct apply *apply, const struct frame *frame, bool *is_done);

#endif
