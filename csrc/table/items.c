/* items.c - items as rows, whole or in parts; the layout is in items.h. */
#include "table/items.h"

#include <string.h>

#include "base/error.h"

#define HEAD_MAX 9
#define PARTS_BYTES 12        /* part id and length */

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

/* Returns the length of the head, 0 if it is invalid or not minimal. */
static size_t read_head(struct slice payload, enum row_kind *kind, uint64_t *sequence)
{
	size_t width = payload.len ? payload.data[0] >> 4 : 0;

	if (width > 8 || payload.len <= width || (width > 0 && payload.data[width] == 0))
		return 0;
	*kind = payload.data[0] & 15;
	*sequence = 0;
	for (size_t i = width; i > 0; i--)
		*sequence = *sequence << 8 | payload.data[i];
	return 1 + width;
}

int stored_open(struct stored *stored, struct slice payload)
{
	enum row_kind kind = 0;
	size_t head = read_head(payload, &kind, &stored->sequence);
	struct slice rest;

	if (head == 0)
		return ERR_CORRUPT;
	rest = slice_of(payload.data + head, payload.len - head);
	stored->part = 0;
	stored->item = rest;
	if (kind == ROW_ITEM)
		return 0;
	if (kind != ROW_PARTS || rest.len != PARTS_BYTES)
		return ERR_CORRUPT;
	stored->part = get_u64(rest.data);
	stored->item = slice_of(NULL, get_u32(rest.data + 8));
	return stored->part ? 0 : ERR_CORRUPT;
}

int stored_read_parts(struct stored *stored, struct txn *txn, struct buffer *scratch)
{
	int err = read_parts(txn, stored->part, stored->item.len, scratch);

	stored->item = buffer_slice(scratch);
	return err;
}

/* Returns CORRUPT if two partition keys have the same hash. */
static int compare_partition(const struct key_schema *schema, struct slice item,
	struct slice asked)
{
	struct slice name = attribute_name(&schema->partition);
	struct value a, b;

	if (map_find(item, name, &a) || map_find(asked, name, &b))
		return ERR_CORRUPT;
	return a.type == b.type && slice_equal(a.bytes, b.bytes) ? 0 : ERR_CORRUPT;
}

int item_at(struct stored *stored, struct txn *txn, struct slice whole, struct buffer *scratch)
{
	struct slice value, payload, row = whole;
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
	return err ? err : stored_read(stored, txn, payload, scratch);
}

int item_get(struct stored *stored, struct txn *txn, const struct key *key,
	const struct key_schema *schema, struct slice asked, struct buffer *scratch)
{
	int err = item_at(stored, txn, key_whole(key), scratch);

	return !err && key_is_hashed(key) ? compare_partition(schema, stored->item, asked) : err;
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

		err = txn_append_reserve(txn, TREE_PARTS, key, ROW_CHECKSUM + len, &row);
		if (err)
			return err;
		memcpy(row + ROW_CHECKSUM, item.data + at, len);
		row_seal_here(row, ROW_CHECKSUM + len, key);
		at += len;
	}
	return 0;
}

/* Returns the length of the head. */
static size_t put_head(uint8_t head[HEAD_MAX], enum row_kind kind, uint64_t sequence)
{
	unsigned width = u64_width(sequence);

	head[0] = (uint8_t)(width << 4 | kind);
	set_u64_little(head + 1, sequence);
	return 1 + width;
}

static int put_row(struct txn *txn, enum tree tree, struct slice key, struct slice head,
	struct slice item, bool is_new)
{
	size_t len = ROW_CHECKSUM + head.len + item.len;
	uint8_t *row;
	int err = (is_new ? txn_insert_reserve : txn_put_reserve)(txn, tree, key, len, &row);

	if (err)
		return err;
	slice_write(slice_write(row + ROW_CHECKSUM, head), item);
	row_seal_here(row, len, key);
	return 0;
}

/* Stores an item in parts, and a row that refers to them. */
static int put_big(struct txn *txn, enum tree tree, struct slice key, struct slice item,
	uint64_t sequence, uint64_t part, bool is_new)
{
	uint8_t head[HEAD_MAX + PARTS_BYTES];
	size_t len = put_head(head, ROW_PARTS, sequence);
	int err = put_parts(txn, part, item);

	if (err)
		return err;
	set_u64(head + len, part);
	set_u32(head + len + 8, (uint32_t)item.len);
	return put_row(txn, tree, key, slice_of(head, len + PARTS_BYTES), slice_of(NULL, 0),
		is_new);
}

int item_put(struct txn *txn, const struct key *key, struct slice item, uint64_t sequence,
	const struct stored *old, uint64_t *node)
{
	struct slice row = key_whole(key);
	enum tree tree = TREE_ITEMS;
	struct place place;
	uint8_t head[HEAD_MAX];
	size_t len = put_head(head, ROW_ITEM, sequence);
	uint64_t rows = 0;
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
	if (err)
		return err;
	if (row.len + ROW_CHECKSUM + len + item.len > STORE_ROW_SHARE)
		return put_big(txn, tree, row, item, sequence, ++*node, !old);
	return put_row(txn, tree, row, slice_of(head, len), item, !old);
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
