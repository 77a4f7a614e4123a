/* items.h - items as rows: an item that fits is one row, a larger one is cut into parts.
 *
 *     payload   head, the item
 *     payload   head, part id (u64), length of the item (u32)
 *     parts     part id (u64), n (u16)  ->  piece n, up to ITEM_SHARE bytes
 *
 *     head      one byte: kind (ROW_ITEM, ROW_PARTS) in the lower half, width of the sequence
 *               number in the upper half; then the sequence number of the item's last
 *               change, little-endian, minimal length
 */
#ifndef TABLE_ITEMS_H
#define TABLE_ITEMS_H

#include "codec/row.h"
#include "table/long_key.h"

#define PART_KEY 10
#define ITEM_SHARE (STORE_ROW_SHARE - PART_KEY - ROW_CHECKSUM)

/* A stored item. */
struct stored {
	uint64_t sequence;           /* of its last change */
	uint64_t part;               /* id of its parts; 0: the item is in its row */
	struct slice item;
};

/* Decodes the payload of a row. An item in parts is not read: stored->item then has its length
 * and no data. Returns CORRUPT. */
int stored_open(struct stored *stored, struct slice payload);

/* Reads the parts of a decoded item into scratch and sets stored->item to them. Returns
 * CORRUPT, NO_MEMORY, STORE. */
int stored_read_parts(struct stored *stored, struct txn *txn, struct buffer *scratch);

/* Decodes the payload of a row and reads its parts, if any. stored->item borrows from payload
 * or from scratch. Returns CORRUPT, NO_MEMORY, STORE. */
static inline int stored_read(struct stored *stored, struct txn *txn, struct slice payload,
	struct buffer *scratch)
{
	int err = stored_open(stored, payload);

	return err || !stored->part ? err : stored_read_parts(stored, txn, scratch);
}

/* Reads the item whose whole key is these bytes; stored->item borrows from the map or from
 * scratch. Returns 0, END or an error. */
int item_at(struct stored *stored, struct txn *txn, struct slice whole, struct buffer *scratch);

/* Reads the item with this key; stored->item borrows from the map or from scratch. `asked` is an
 * item or a key with the key attributes: if the partition key is hashed, its value is compared.
 * Returns 0, END or an error. */
int item_get(struct stored *stored, struct txn *txn, const struct key *key,
	const struct key_schema *schema, struct slice asked, struct buffer *scratch);

/* Stores an item and replaces old (NULL: there is none). *node is the last node or part id that
 * was assigned. */
int item_put(struct txn *txn, const struct key *key, struct slice item, uint64_t sequence,
	const struct stored *old, uint64_t *node);

/* Deletes the item and the nodes that become empty. */
int item_delete(struct txn *txn, const struct key *key, const struct stored *old);

/* Deletes the rows of the big item with this part id and adds their number to *rows. */
int item_delete_parts(struct txn *txn, uint64_t part, uint64_t *rows);

#endif
