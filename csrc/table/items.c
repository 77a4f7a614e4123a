/* items.c - items as rows, whole or in parts. */
#include "table/items.h"

#include <string.h>

#include "base/error.h"

#define ITEM_HEAD 9           /* kind, sequence number */
#define PARTS_HEAD 21         /* and part id, length */

static struct slice part_key(uint8_t bytes[PART_KEY], uint64_t part, uint16_t n)
{
	set_u64(bytes, part);
	set_u16(bytes + 8, n);
	return slice_of(bytes, PART_KEY);
}

/* --- reading --- */

static int read_parts(struct txn *txn, uint64_t part, size_t len, struct buffer *out)
{
	uint8_t bytes[PART_KEY];

	buffer_clear(out);
	for (uint32_t n = 0; out->len < len; n++) {
		struct slice key = part_key(bytes, part, (uint16_t)n), value, piece;
		int err = n > UINT16_MAX ? END : txn_get(txn, TREE_PARTS, key, &value);

		if (err)
			return err == END ? ERR_CORRUPT : err;
		err = row_open(key, value, &piece);
		if (err)
			return err;
		if (piece.len == 0 || piece.len > len - out->len)
			return ERR_CORRUPT;
		buffer_put_slice(out, piece);
		if (buffer_error(out))
			return buffer_error(out);
	}
	return 0;
}

int stored_read(struct stored *stored, struct txn *txn, struct slice payload,
	struct buffer *scratch)
{
	uint32_t len;
	int err;

	if (payload.len < ITEM_HEAD)
		return ERR_CORRUPT;
	stored->sequence = get_u64(payload.data + 1);
	stored->part = 0;
	if (payload.data[0] == ROW_ITEM) {
		stored->item = slice_of(payload.data + ITEM_HEAD, payload.len - ITEM_HEAD);
		return 0;
	}
	if (payload.data[0] != ROW_PARTS || payload.len != PARTS_HEAD)
		return ERR_CORRUPT;
	stored->part = get_u64(payload.data + ITEM_HEAD);
	len = get_u32(payload.data + ITEM_HEAD + 8);
	err = read_parts(txn, stored->part, len, scratch);
	stored->item = buffer_slice(scratch);
	return err;
}

/* A hashed key may in theory meet another one's item: that is an error. */
static int compare_partition(const struct key_schema *schema, struct slice item,
	struct slice asked)
{
	struct slice name = attribute_name(&schema->partition);
	struct value a, b;

	if (map_find(item, name, &a) || map_find(asked, name, &b))
		return ERR_CORRUPT;
	return a.type == b.type && slice_equal(a.bytes, b.bytes) ? 0 : ERR_CORRUPT;
}

int item_get(struct stored *stored, struct txn *txn, const struct key *key,
	const struct key_schema *schema, struct slice asked, struct buffer *scratch)
{
	struct slice value, payload, row = key_whole(key);
	enum tree tree = TREE_ITEMS;
	struct place place;
	int err;

	if (row.len >= STORE_KEY_MAX) {
		err = place_find(&place, txn, row);
		if (err)
			return err;
		tree = place.tree;
		row = place_key(&place);
	}
	err = txn_get(txn, tree, row, &value);
	if (!err)
		err = row_open(row, value, &payload);
	if (!err)
		err = stored_read(stored, txn, payload, scratch);
	if (!err && key_is_hashed(key))
		err = compare_partition(schema, stored->item, asked);
	return err;
}

/* --- writing --- */

int item_delete_parts(struct txn *txn, uint64_t part, uint64_t *rows)
{
	uint8_t bytes[PART_KEY];

	for (uint32_t n = 0; n <= UINT16_MAX; n++) {
		int err = txn_delete(txn, TREE_PARTS, part_key(bytes, part, (uint16_t)n));

		if (err)
			return err == END ? 0 : err;
		(*rows)++;
	}
	return 0;
}

static int put_parts(struct txn *txn, uint64_t part, struct slice item)
{
	uint8_t bytes[PART_KEY], *row;
	size_t at = 0;

	for (uint16_t n = 0; at < item.len; n++) {
		struct slice key = part_key(bytes, part, n);
		size_t len = item.len - at < ITEM_SHARE ? item.len - at : ITEM_SHARE;
		int err;

		err = txn_append_room(txn, TREE_PARTS, key, ROW_CHECKSUM + len, &row);
		if (err)
			return err;
		memcpy(row + ROW_CHECKSUM, item.data + at, len);
		row_seal_here(row, ROW_CHECKSUM + len, key);
		at += len;
	}
	return 0;
}

/* A row of its own, or one that says where its parts are. */
static int put_row(struct txn *txn, enum tree tree, struct slice key, struct slice item,
	uint64_t sequence, uint64_t part, bool is_new)
{
	size_t len = ROW_CHECKSUM + (part ? PARTS_HEAD : ITEM_HEAD + item.len);
	uint8_t *row;
	int err = (is_new ? txn_insert_room : txn_put_room)(txn, tree, key, len, &row);

	if (err)
		return err;
	row[ROW_CHECKSUM] = part ? ROW_PARTS : ROW_ITEM;
	set_u64(row + ROW_CHECKSUM + 1, sequence);
	if (part) {
		set_u64(row + ROW_CHECKSUM + ITEM_HEAD, part);
		set_u32(row + ROW_CHECKSUM + ITEM_HEAD + 8, (uint32_t)item.len);
	} else {
		memcpy(row + ROW_CHECKSUM + ITEM_HEAD, item.data, item.len);
	}
	row_seal_here(row, len, key);
	return 0;
}

int item_put(struct txn *txn, const struct key *key, struct slice item, uint64_t sequence,
	const struct stored *old, uint64_t *node)
{
	struct slice row = key_whole(key);
	enum tree tree = TREE_ITEMS;
	struct place place;
	uint64_t rows = 0, part = 0;
	int err = 0;

	if (row.len >= STORE_KEY_MAX) {
		err = place_make(&place, txn, row, node);
		if (err)
			return err;
		tree = place.tree;
		row = place_key(&place);
	}
	if (old && old->part)
		err = item_delete_parts(txn, old->part, &rows);
	if (!err && row.len + ROW_CHECKSUM + ITEM_HEAD + item.len > STORE_ROW_SHARE) {
		part = ++*node;
		err = put_parts(txn, part, item);
	}
	return err ? err : put_row(txn, tree, row, item, sequence, part, !old);
}

int item_delete(struct txn *txn, const struct key *key, const struct stored *old)
{
	struct slice row = key_whole(key);
	struct place place;
	uint64_t rows = 0;
	int err = 0;

	if (old->part)
		err = item_delete_parts(txn, old->part, &rows);
	if (!err)
		err = place_find(&place, txn, row);
	if (!err)
		err = txn_delete(txn, place.tree, place_key(&place));
	if (!err && row.len >= STORE_KEY_MAX)
		err = place_prune(txn, row);
	return err == END ? ERR_CORRUPT : err;
}
