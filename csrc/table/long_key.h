/* long_key.h - where an item's row lies, in spite of LMDB's 511 bytes.
 *
 *     items   item key, up to 510 bytes                       an item's row
 *     items   its first 510 bytes, 0x01                       a node: go on in tails
 *     tails   node id (u64), up to 502 more bytes             an item's row
 *     tails   node id, 502 bytes, 0x01                        a node again
 *
 * A row of 511 bytes is always a node: no item's row has that length. So the
 * rows, walked in order and down into each node as it comes, are in the order
 * of the whole keys.
 */
#ifndef TABLE_LONG_KEY_H
#define TABLE_LONG_KEY_H

#include "codec/key.h"
#include "lmdb/store.h"

#define LONG_KEY_LEVELS 3
/* The lower half of the first byte of a row's payload. */
enum row_kind { ROW_ITEM = 1, ROW_PARTS, ROW_NODE };

/* --- one row --- */

/* Which node the payload names; CORRUPT when it is none's. */
int row_node(struct slice payload, uint64_t *node);

struct place {
	enum tree tree;
	uint16_t len;
	uint8_t bytes[STORE_KEY_MAX];
};

static inline struct slice place_key(const struct place *place)
{
	return (struct slice){ place->bytes, place->len };
}

/* Where the row of this key is or would be. END: a node on the way is missing,
 * so there is no such row. */
int place_find(struct place *place, struct txn *txn, struct slice key);

/* The same, making the nodes that are missing; *node is the last id given. */
int place_make(struct place *place, struct txn *txn, struct slice key, uint64_t *node);

/* After the row of this key was deleted: removes nodes that hold nothing. */
int place_prune(struct txn *txn, struct slice key);

/* --- a walk over rows, in the order of their keys --- */

struct row_level {
	struct cursor *cursor;
	uint64_t node;               /* level 0: not used */
	size_t start;                /* where this level's bytes begin in the key */
};

struct row_walk {
	struct txn *txn;
	struct row_level levels[LONG_KEY_LEVELS];
	int depth;                   /* deepest level the walk is in */
	uint64_t tail_rows;          /* rows of `tails` it has been on, for check */
	size_t key_len;              /* the whole key of the row it is on */
	uint8_t key[KEY_HEAD_MAX + SORT_KEY_MAX];
	struct slice payload;        /* of that row; in the map */
};

/* Starts a walk, zeroed or used before in this transaction, on the first row whose key is not
 * less than `key`, or on the last row that is less. 0, END or an error; CORRUPT for a row that
 * is damaged. Rows of every table come along: the caller looks at the key. */
int row_walk_from(struct row_walk *walk, struct txn *txn, struct slice key);
int row_walk_before(struct row_walk *walk, struct txn *txn, struct slice key);

int row_walk_next(struct row_walk *walk);
int row_walk_previous(struct row_walk *walk);

static inline struct slice row_walk_key(const struct row_walk *walk)
{
	return (struct slice){ walk->key, walk->key_len };
}

/* Closes the cursors; before the transaction ends. Twice is fine. */
void row_walk_stop(struct row_walk *walk);

#endif
