/* long_key.h - item keys longer than LMDB's limit of 511 bytes, as a trie of rows.
 *
 *     items   item key, up to 510 bytes                       an item
 *     items   its first 510 bytes, 0x01                       a node: the key continues in tails
 *     tails   node id (u64), up to 502 more bytes             an item
 *     tails   node id, 502 bytes, 0x01                        a node again
 *
 * A row key of 511 bytes always belongs to a node: no item has a row key of this length. A walk
 * over the rows that descends into each node where it occurs yields the items in the order of
 * their whole keys.
 */
#ifndef TABLE_LONG_KEY_H
#define TABLE_LONG_KEY_H

#include "codec/key.h"
#include "lmdb/cursor.h"

#define LONG_KEY_LEVELS 3

/* Lower half of the first byte of a row's payload. */
enum row_kind { ROW_ITEM = 1, ROW_PARTS, ROW_NODE };

/* --- one row --- */

/* Sets *node to the node id in the payload of a node's row. Returns CORRUPT for other rows. */
int row_node(struct slice payload, uint64_t *node);

/* Tree and row key of an item. */
struct place {
	enum tree tree;
	uint16_t len;
	uint8_t bytes[STORE_KEY_MAX];
};

static inline struct slice place_key(const struct place *place)
{
	return (struct slice){ place->bytes, place->len };
}

/* Finds where the row of an item key is or would be. Returns END if a node of the key does not
 * exist, and therefore no row. */
int place_find(struct place *place, struct txn *txn, struct slice key);

/* Like place_find, but creates missing nodes. Sets *node to the last node or part id that was
 * assigned. */
int place_make(struct place *place, struct txn *txn, struct slice key, uint64_t *node);

/* Deletes the nodes of a key that have become empty, after its row was deleted. */
int place_prune(struct txn *txn, struct slice key);

/* --- a walk over items, in key order --- */

struct row_level {
	struct cursor *cursor;
	uint64_t node;               /* unused on level 0 */
	size_t start;                /* offset in the key of this level's bytes */
};

struct row_walk {
	struct txn *txn;
	struct row_level levels[LONG_KEY_LEVELS];
	int depth;                   /* level of the current row; -1: the walk has ended */
	uint64_t tail_rows;          /* number of rows of `tails` visited, for check */
	size_t key_len;
	uint8_t key[KEY_HEAD_MAX + SORT_KEY_MAX];    /* whole key of the current row */
	struct slice payload;        /* of the current row; borrows from the map */
};

/* Starts a walk at the first row whose key is not less than `key`; row_walk_before at the last
 * row whose key is less. The walk must be zeroed or have been used in the same transaction. The
 * walk crosses from one table into the next, so the caller checks the key. Returns 0, END or an
 * error; CORRUPT if the row is damaged. */
int row_walk_from(struct row_walk *walk, struct txn *txn, struct slice key);
int row_walk_before(struct row_walk *walk, struct txn *txn, struct slice key);

/* Move to the next or the previous row. Return 0, END or an error. */
int row_walk_next(struct row_walk *walk);
int row_walk_previous(struct row_walk *walk);

static inline struct slice row_walk_key(const struct row_walk *walk)
{
	return (struct slice){ walk->key, walk->key_len };
}

/* Closes the cursors. To be called before the transaction ends; can be called twice. */
void row_walk_stop(struct row_walk *walk);

#endif
