/* expiry_index.h - the items of a table in the order in which they expire.
 *
 *     indexes   index id (codec/id.h), time of expiry in ms (6 bytes),
 *               sequence number of the item's last change (u64)
 *                                               ->  item key
 *
 * doc/format.md, "Tree indexes", gives the reasons.
 */
#ifndef TABLE_EXPIRY_INDEX_H
#define TABLE_EXPIRY_INDEX_H

#include "codec/expiry.h"
#include "codec/key.h"
#include "lmdb/txn.h"

#define EXPIRY_KEY_MAX (ID_MAX + 6 + 8)

struct expiry_row {
	uint64_t expiry_ms;
	uint64_t sequence;
	struct slice item_key;       /* borrows from the memory map */
};

/* Writes the key of a row; returns its length. */
size_t expiry_row_key(uint8_t key[EXPIRY_KEY_MAX], uint32_t index, uint64_t expiry_ms,
	uint64_t sequence);

/* Adds the row of an item; replaces an equal one. */
int expiry_row_put(struct txn *txn, uint32_t index, const struct expiry_row *row);

/* Deletes the row of an item. Returns END if there is none. */
int expiry_row_delete(struct txn *txn, uint32_t index, uint64_t expiry_ms, uint64_t sequence);

/* Finds the first row that follows the row with *row's time and sequence number. Returns 0, END;
 * CORRUPT if it can't be read: row->expiry_ms and row->sequence are then set. */
int expiry_row_after(struct txn *txn, uint32_t index, struct expiry_row *row);

/* Decodes a row's key; returns false if it is malformed. */
bool expiry_row_read_key(uint32_t *index, struct expiry_row *row, struct slice key);

#endif
