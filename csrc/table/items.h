/* items.h - items as rows: one row each while it fits, else cut into parts.
 *
 *     payload   head, the item
 *     payload   head, part id (u64), length (u32)
 *     parts     part id (u64), n (u16)  ->  a piece of up to ITEM_SHARE bytes
 *
 *     head      kind (ROW_ITEM, ROW_PARTS) in the lower half byte and how wide the number
 *               is in the upper; the sequence number of the item's last change in
 *               as few bytes as it takes, the lowest first
 */
#ifndef TABLE_ITEMS_H
#define TABLE_ITEMS_H

#include "codec/row.h"
#include "table/long_key.h"

#define PART_KEY 10
#define ITEM_SHARE (STORE_ROW_SHARE - PART_KEY - ROW_CHECKSUM)

/* An item as it is stored. */
struct stored {
	uint64_t sequence;
	uint64_t part;               /* its parts' id; 0: in its row */
	struct slice item;
};

/* Reads a row's payload and no parts: where there are some, the item has its length
 * and no address. CORRUPT. */
int stored_open(struct stored *stored, struct slice payload);

/* Joins the parts of an item that stored_open has found in scratch. CORRUPT. */
int stored_read_parts(struct stored *stored, struct txn *txn, struct buffer *scratch);

/* Reads what a row's payload says. The item is lent by the payload, or put
 * together in scratch; the payload must be good until then. CORRUPT. */
static inline int stored_read(struct stored *stored, struct txn *txn, struct slice payload,
	struct buffer *scratch)
{
	int err = stored_open(stored, payload);

	return err || !stored->part ? err : stored_read_parts(stored, txn, scratch);
}

/* The item with this key: 0, END or an error. `asked` is an item (or a key)
 * that has the key attributes: a hit on a hashed key is compared with it. */
int item_get(struct stored *stored, struct txn *txn, const struct key *key,
	const struct key_schema *schema, struct slice asked, struct buffer *scratch);

/* Writes an item in place of what is there (NULL: nothing is). *node is the
 * last node or part id given. */
int item_put(struct txn *txn, const struct key *key, struct slice item, uint64_t sequence,
	const struct stored *old, uint64_t *node);

int item_delete(struct txn *txn, const struct key *key, const struct stored *old);

/* Deletes the pieces of an item; *rows counts them. */
int item_delete_parts(struct txn *txn, uint64_t part, uint64_t *rows);

#endif
