/* catalog.h - the tables and streams of a file, cached in memory.
 *
 *     meta   0x10, name           a table               codec/schema.h
 *     meta   0x11, table id       a deleted table whose items are being removed
 *     meta   0x12, index id       an index that is being built or removed
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
	uint64_t next_expiry_ms;     /* no item in the expiry index expires before; 0: unknown */
};

struct catalog {
	struct table **tables;       /* ascending by name */
	size_t count;
	size_t allocated;            /* number of tables with memory, at least count */
	size_t cap;
	struct streams streams;
	uint64_t version;            /* catalog version of the cached rows; 0: invalid */
	uint32_t dropped;            /* id of a deleted table that still has items; 0: none */
	uint32_t index;              /* id of an index that is being built or removed; 0: none */
	struct table **expiring;     /* those with time to live */
	size_t expiring_count;
	size_t expiring_cap;
};

/* Reads all rows again if state has another catalog version. Returns CORRUPT, NO_MEMORY or
 * STORE on failure; the cache is then invalid. */
int catalog_refresh(struct catalog *catalog, struct txn *txn, const struct state *state);
void catalog_release(struct catalog *catalog);

/* Adds a table from its row of meta. Rows have to be added in key order. */
int catalog_add_row(struct catalog *catalog, struct slice key, struct slice value);

/* Enters a table that was just created, and its stream (NULL: none), in a catalog that is valid but
 * for them. The caller sets the version. Returns NO_MEMORY. */
int catalog_enter(struct catalog *catalog, const struct table_row *row,
	const struct stream_row *stream);

/* Returns the table with this name, valid until the next refresh; NULL if there is none. */
const struct table *catalog_find(const struct catalog *catalog, struct slice name);

/* Returns the position in catalog->tables of the table with this name, valid as long as the version
 * stays; catalog->count if there is none. */
size_t catalog_position(const struct catalog *catalog, struct slice name);

/* Returns the table with this id, or NULL. Searches all tables. */
const struct table *catalog_with_id(const struct catalog *catalog, uint32_t id);

/* Sets the next expiry of every table to unknown, because another handle has committed. */
void catalog_forget_expiries(struct catalog *catalog);

/* Set the next expiry of a table of this catalog; the second only lowers it, if it is known. */
void catalog_set_expiry(struct catalog *catalog, const struct table *table,
	uint64_t expiry_ms);
void catalog_lower_expiry(struct catalog *catalog, const struct table *table,
	uint64_t expiry_ms);

/* Reads one table from the transaction, not from the cache. Returns 0, END or an error. */
int catalog_read_table(struct txn *txn, struct slice name, struct table *table);

/* Write and delete rows of meta. */
int catalog_put_table(struct txn *txn, const struct table_row *row);
int catalog_delete_table(struct txn *txn, struct slice name);
int catalog_put_dropped(struct txn *txn, uint32_t table, struct slice name);
int catalog_delete_dropped(struct txn *txn, uint32_t table);
int catalog_put_index(struct txn *txn, const struct index_row *row);
int catalog_delete_index(struct txn *txn, uint32_t index);

/* Reads the row of an index that is being built or removed; row->done borrows from the map.
 * Returns 0, END or an error. */
int catalog_read_index(struct txn *txn, uint32_t index, struct index_row *row);

/* Read and write the row of the state. */
int state_read(struct txn *txn, struct state *state);
int state_write(struct txn *txn, const struct state *state, struct buffer *scratch);

#endif
