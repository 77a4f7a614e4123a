/* expiry_index.c - the items of a table in the order in which they expire. */
#include "table/expiry_index.h"

#include "base/error.h"
#include "codec/row.h"
#include "lmdb/cursor.h"

#define EXPIRY_BYTES 6

size_t expiry_row_key(uint8_t key[EXPIRY_KEY_MAX], uint32_t index, uint64_t expiry_ms,
	uint64_t sequence)
{
	size_t len = set_id(key, index);
	uint8_t bytes[8];

	set_u64(bytes, expiry_ms);
	memcpy(key + len, bytes + 8 - EXPIRY_BYTES, EXPIRY_BYTES);
	set_u64(key + len + EXPIRY_BYTES, sequence);
	return len + EXPIRY_BYTES + 8;
}

bool expiry_row_read_key(uint32_t *index, struct expiry_row *row, struct slice key)
{
	uint8_t bytes[8] = { 0 };
	size_t width;

	*index = get_id(key);
	width = *index ? id_width(key.data[0]) : 0;
	if (!*index || key.len != width + EXPIRY_BYTES + 8)
		return false;
	memcpy(bytes + 8 - EXPIRY_BYTES, key.data + width, EXPIRY_BYTES);
	row->expiry_ms = get_u64(bytes);
	row->sequence = get_u64(key.data + width + EXPIRY_BYTES);
	return true;
}

int expiry_row_put(struct txn *txn, uint32_t index, const struct expiry_row *row)
{
	uint8_t bytes[EXPIRY_KEY_MAX], *value;
	struct slice key = { bytes, expiry_row_key(bytes, index, row->expiry_ms, row->sequence) };
	size_t len = ROW_CHECKSUM + row->item_key.len;
	int err = txn_put_reserve(txn, TREE_INDEXES, key, len, &value);

	if (err)
		return err;
	slice_write(value + ROW_CHECKSUM, row->item_key);
	row_seal_here(value, len, key);
	return 0;
}

int expiry_row_delete(struct txn *txn, uint32_t index, uint64_t expiry_ms, uint64_t sequence)
{
	uint8_t bytes[EXPIRY_KEY_MAX];
	size_t len = expiry_row_key(bytes, index, expiry_ms, sequence);

	return txn_delete(txn, TREE_INDEXES, slice_of(bytes, len));
}

int expiry_row_after(struct txn *txn, uint32_t index, struct expiry_row *row)
{
	uint8_t bytes[EXPIRY_KEY_MAX];
	size_t len = expiry_row_key(bytes, index, row->expiry_ms, row->sequence + 1);
	struct slice key = slice_of(bytes, len), value;
	struct cursor *cursor;
	uint32_t of;
	int err = txn_cursor(txn, TREE_INDEXES, &cursor);

	if (!err)
		err = cursor_move(cursor, MOVE_FROM, &key, &value);
	if (err)
		return err;
	if (get_id(key) != index)
		return END;
	if (!expiry_row_read_key(&of, row, key))
		return ERR_CORRUPT;
	return row_open(key, value, &row->item_key);
}
