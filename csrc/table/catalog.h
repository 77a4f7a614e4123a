/* catalog.h - the tables and streams of a file, cached in memory.
 *
 *     meta   0x10, name           a table               codec/schema.h
 *     meta   0x11, table id       a deleted table whose items are being removed
 *
 * The cache is valid for one catalog version, which is part of the state. Every transaction and
 * every page compares it, so a table that another process creates is visible at once.
 */
#ifndef TABLE_CATALOG_H
#define TABLE_CATALOG_H

#include "codec/state.h"
#include "stream/stream.h"

struct table {
	struct table_row row;
};

struct catalog {
	struct table *tables;        /* ascending by name */
	size_t count;
	size_t cap;
	struct streams streams;
	uint64_t version;            /* catalog version of the cached rows; 0: invalid */
	uint32_t dropped;            /* id of a deleted table that still has items; 0: none */
};

/* Reads all rows again if state has another catalog version. Returns CORRUPT, NO_MEMORY or
 * STORE on failure; the cache is then invalid. */
int catalog_refresh(struct catalog *catalog, struct txn *txn, const struct state *state);
void catalog_release(struct catalog *catalog);

/* Adds a table from its row of meta. Rows have to be added in key order. */
int catalog_add_row(struct catalog *catalog, struct slice key, struct slice value);

/* Returns the table with this name, valid until the next refresh; NULL if there is none. */
const struct table *catalog_find(const struct catalog *catalog, struct slice name);

/* Reads one table from the transaction, not from the cache. Returns 0, END or an error. */
int catalog_read_table(struct txn *txn, struct slice name, struct table *table);

/* Write and delete rows of meta. */
int catalog_put_table(struct txn *txn, const struct table_row *row);
int catalog_delete_table(struct txn *txn, struct slice name);
int catalog_put_dropped(struct txn *txn, uint32_t table, struct slice name);
int catalog_delete_dropped(struct txn *txn, uint32_t table);

/* Read and write the row of the state. */
int state_read(struct txn *txn, struct state *state);
int state_write(struct txn *txn, const struct state *state, struct buffer *scratch);

#endif
