/* catalog.h - the tables of a file, and those that were used, cached with their streams.
 *
 *     catalog   0x10, name           a table               codec/schema.h
 *     catalog   0x11, table id       a deleted table whose items are being removed
 *     catalog   0x12, index id       an index that is being built or removed
 *     catalog   0x13, index id       the name of the table with this expiry index
 *
 * Tables and streams are read when they are used, so neither opening a database nor the memory of
 * a handle depends on their number. The cache is valid for one catalog version, which is part of
 * the state. Every transaction and every page compares it, so a table that another process creates
 * is visible at once.
 */
#ifndef TABLE_CATALOG_H
#define TABLE_CATALOG_H

#include "codec/state.h"
#include "stream/stream.h"

/* A handle that has cached more tables or streams discards them before its next call. */
#define CATALOG_CACHED_MAX 5000

struct table {
	struct table_row row;
	uint64_t next_expiry_ms;     /* no item in the expiry index expires before; 0: unknown */
	uint64_t epoch;              /* that of the catalog for which next_expiry_ms holds */
};

struct catalog {
	struct table **tables;       /* those cached, ascending by name */
	size_t count;
	size_t cap;
	struct streams streams;
	uint64_t version;            /* catalog version of the cached rows; 0: invalid */
	uint64_t generation;         /* another number, of no other catalog of this process, when
	                              * the cached tables are discarded */
	uint64_t epoch;              /* incremented when the next expiries become unknown */
	uint32_t dropped;            /* id of a deleted table that still has items; 0: none */
	uint32_t index;              /* id of an index that is being built or removed; 0: none */
	uint32_t expiring;           /* id of an expiry index of a table; 0: none */
};

/* Discards the cache if state has another catalog version. Returns STORE on failure; the cache is
 * then invalid. */
int catalog_refresh(struct catalog *catalog, struct txn *txn, const struct state *state);

/* Discards the cache if it has more than CATALOG_CACHED_MAX tables or streams. */
void catalog_limit(struct catalog *catalog);
void catalog_release(struct catalog *catalog);

/* Sets *table to the table with this name, which is read from the transaction if it is not cached.
 * It is valid as long as the generation stays. Returns 0, END if there is none, CORRUPT,
 * NO_MEMORY, STORE. */
int catalog_find(struct catalog *catalog, struct txn *txn, struct slice name,
	const struct table **table);

/* Sets *table to the table with this expiry index. Returns CORRUPT if there is none. */
int catalog_find_expiring(struct catalog *catalog, struct txn *txn, uint32_t index,
	const struct table **table);

/* Returns the table with this name if it is cached, otherwise NULL. */
const struct table *catalog_cached(const struct catalog *catalog, struct slice name);

/* Cache a table that is not cached, from its decoded row or from its row. */
int catalog_enter(struct catalog *catalog, const struct table *table,
	const struct table **entered);
int catalog_add_row(struct catalog *catalog, struct slice key, struct slice value,
	const struct table **entered);

/* Sets the next expiry of every table to unknown, because another handle has committed. */
void catalog_forget_expiries(struct catalog *catalog);

/* Returns the next expiry of a table, 0 if it is unknown. The others set that of a cached table;
 * the second only lowers it, if it is known. */
uint64_t catalog_expiry(const struct catalog *catalog, const struct table *table);
void catalog_set_expiry(struct catalog *catalog, const struct table *table,
	uint64_t expiry_ms);
void catalog_lower_expiry(struct catalog *catalog, const struct table *table,
	uint64_t expiry_ms);

/* --- rows --- */

/* Reads one table from the transaction, not from the cache. Returns 0, END or an error. */
int catalog_read_table(struct txn *txn, struct slice name, struct table *table);

/* Calls take for the name of each table, in byte order, until it returns a value other than 0.
 * Returns CORRUPT at a damaged row, or the negative error of take, which must not read rows. */
typedef int catalog_take_name(void *context, struct slice name);
int catalog_each_name(struct txn *txn, catalog_take_name *take, void *context);

/* Sets *index to the lowest id greater than *index of an expiry index that belongs to a table.
 * Returns 0, END or STORE. */
int catalog_next_expiry(struct txn *txn, uint32_t *index);

/* Write and delete rows. */
int catalog_put_table(struct txn *txn, const struct table_row *row);
int catalog_delete_table(struct txn *txn, struct slice name);
int catalog_put_dropped(struct txn *txn, uint32_t table, struct slice name);
int catalog_delete_dropped(struct txn *txn, uint32_t table);
int catalog_put_index(struct txn *txn, const struct index_row *row);
int catalog_delete_index(struct txn *txn, uint32_t index);
int catalog_put_expiry(struct txn *txn, uint32_t index, struct slice name);
int catalog_delete_expiry(struct txn *txn, uint32_t index);

/* Sets *name to the name of the table with this expiry index; it borrows from the map. Returns 0,
 * END or an error. */
int catalog_read_expiry(struct txn *txn, uint32_t index, struct slice *name);

/* Reads the row of an index that is being built or removed; row->done borrows from the map.
 * Returns 0, END or an error. */
int catalog_read_index(struct txn *txn, uint32_t index, struct index_row *row);

/* --- the state --- */

/* Read and write its row in meta. */
int state_read(struct txn *txn, struct state *state);
int state_write(struct txn *txn, const struct state *state, struct buffer *scratch);

#endif
