/* catalog.h - the tables and streams of a file, kept in memory.
 *
 *     meta   0x10, name           a table               codec/schema.h
 *     meta   0x11, table id       a deleted table whose items are being removed
 *
 * The state's catalog version tells when the copy has aged; every transaction
 * and every page looks at it, so what another process made is seen at once.
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
	uint64_t version;            /* the state's, when it was read; 0: never */
	uint32_t dropped;            /* a deleted table that still has items; 0: none */
};

/* Reads everything anew if the state's version is another. */
int catalog_refresh(struct catalog *catalog, struct txn *txn, const struct state *state);
void catalog_release(struct catalog *catalog);

/* Adds one more table from its row; rows come in the order of their keys. */
int catalog_add_row(struct catalog *catalog, struct slice key, struct slice value);

/* NULL when there is none. Good until the next refresh. */
const struct table *catalog_find(const struct catalog *catalog, struct slice name);

/* One table as the transaction has it, whatever the copy says: 0 or END. */
int catalog_read_table(struct txn *txn, struct slice name, struct table *table);

/* Rows of `meta`. */
int catalog_put_table(struct txn *txn, const struct table_row *row);
int catalog_delete_table(struct txn *txn, struct slice name);
int catalog_put_dropped(struct txn *txn, uint32_t table, struct slice name);
int catalog_delete_dropped(struct txn *txn, uint32_t table);

/* The state's row. */
int state_read(struct txn *txn, struct state *state);
int state_write(struct txn *txn, const struct state *state, struct buffer *scratch);

#endif
