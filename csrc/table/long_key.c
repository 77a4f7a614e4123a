/* long_key.c - item keys longer than LMDB's limit of 511 bytes, as a trie of rows. */
#include "table/long_key.h"

#include <string.h>

#include "codec/row.h"

#define NODE_BYTES 8
#define NODE_MARK 0x01

static enum tree tree_of(int level)
{
	return level == 0 ? TREE_ITEMS : TREE_TAILS;
}

/* Maximum number of bytes of an item key in a row key of this level. */
static size_t capacity(int level)
{
	return STORE_KEY_MAX - 1 - (level == 0 ? 0 : NODE_BYTES);
}

/* Sets *place to the row key on this level for the rest of an item key. Returns true if it is
 * the row key of a node. */
static bool level_key(struct place *place, int level, uint64_t node, struct slice rest)
{
	size_t base = level == 0 ? 0 : NODE_BYTES;
	size_t fits = capacity(level);
	bool is_node = rest.len > fits;
	size_t len = is_node ? fits : rest.len;

	place->tree = tree_of(level);
	if (base)
		set_u64(place->bytes, node);
	memcpy(place->bytes + base, rest.data, len);
	if (is_node)
		place->bytes[base + len] = NODE_MARK;
	place->len = (uint16_t)(base + len + (is_node ? 1 : 0));
	return is_node;
}

int row_node(struct slice payload, uint64_t *node)
{
	if (payload.len != 1 + NODE_BYTES || payload.data[0] != ROW_NODE)
		return ERR_CORRUPT;
	*node = get_u64(payload.data + 1);
	return 0;
}

/* --- one row --- */

static int get_node(struct txn *txn, const struct place *place, uint64_t *node)
{
	struct slice value, payload;
	int err = txn_get(txn, place->tree, place_key(place), &value);

	if (!err)
		err = row_open(place_key(place), value, &payload);
	return err ? err : row_node(payload, node);
}

static int put_node(struct txn *txn, const struct place *place, uint64_t node)
{
	uint8_t value[ROW_CHECKSUM + 1 + NODE_BYTES];
	struct slice payload = slice_of(value + ROW_CHECKSUM, 1 + NODE_BYTES);

	value[ROW_CHECKSUM] = ROW_NODE;
	set_u64(value + ROW_CHECKSUM + 1, node);
	set_u32(value, row_checksum(place_key(place), payload));
	return txn_put(txn, place->tree, place_key(place), slice_of(value, sizeof value));
}

static int locate(struct place *place, struct txn *txn, struct slice key, uint64_t *last_node)
{
	uint64_t node = 0;

	for (int level = 0; level < LONG_KEY_LEVELS; level++) {
		int err;

		if (!level_key(place, level, node, key))
			return 0;
		err = get_node(txn, place, &node);
		if (err == END && last_node) {
			node = ++*last_node;
			err = put_node(txn, place, node);
		}
		if (err)
			return err;
		key = slice_of(key.data + capacity(level), key.len - capacity(level));
	}
	return ERR_CORRUPT;
}

int place_find(struct place *place, struct txn *txn, struct slice key)
{
	return locate(place, txn, key, NULL);
}

int place_make(struct place *place, struct txn *txn, struct slice key, uint64_t *node)
{
	return locate(place, txn, key, node);
}

static int node_is_empty(struct txn *txn, uint64_t node, bool *empty)
{
	uint8_t bytes[NODE_BYTES];
	struct slice key = slice_of(bytes, sizeof bytes), value;
	struct cursor *cursor;
	int err = txn_cursor(txn, TREE_TAILS, &cursor);

	set_u64(bytes, node);
	if (!err)
		err = cursor_move(cursor, MOVE_FROM, &key, &value);
	*empty = err == END || (!err && !slice_begins(key, slice_of(bytes, sizeof bytes)));
	return err < 0 ? err : 0;
}

int place_prune(struct txn *txn, struct slice key)
{
	struct place nodes[LONG_KEY_LEVELS];
	uint64_t ids[LONG_KEY_LEVELS], node = 0;
	int count = 0, err;

	while (count < LONG_KEY_LEVELS && level_key(&nodes[count], count, node, key)) {
		err = get_node(txn, &nodes[count], &node);
		if (err)
			return err < 0 ? err : ERR_CORRUPT;
		ids[count] = node;
		key = slice_of(key.data + capacity(count), key.len - capacity(count));
		count++;
	}
	while (count-- > 0) {
		bool empty;

		err = node_is_empty(txn, ids[count], &empty);
		if (err || !empty)
			return err;
		err = txn_delete(txn, nodes[count].tree, place_key(&nodes[count]));
		if (err)
			return err < 0 ? err : ERR_CORRUPT;
	}
	return 0;
}

/* --- a walk --- */

static int open_level(struct row_walk *walk, int level, uint64_t node, size_t start)
{
	struct row_level *at = &walk->levels[level];

	if (level >= LONG_KEY_LEVELS)
		return ERR_CORRUPT;
	at->node = node;
	at->start = start;
	walk->depth = level;
	return at->cursor ? 0 : cursor_open(&at->cursor, walk->txn, tree_of(level));
}

/* Returns true if a row of this level belongs to the current node of the level. */
static bool is_inside(const struct row_level *at, int level, struct slice key)
{
	return level == 0 || (key.len >= NODE_BYTES && get_u64(key.data) == at->node);
}

/* Makes the row at the cursor of this level the current one. If it is a node's, sets *is_node
 * and *node: the walk must descend. */
static int take_row(struct row_walk *walk, int level, struct slice key, struct slice value,
	bool *is_node, uint64_t *node)
{
	struct row_level *at = &walk->levels[level];
	size_t base = level == 0 ? 0 : NODE_BYTES;
	size_t len;

	*is_node = key.len == STORE_KEY_MAX;
	len = key.len - base - (*is_node ? 1 : 0);
	if (at->start + len > sizeof walk->key || len == 0)
		return ERR_CORRUPT;
	/* With another mark two rows could have the same item key, or be out of order. */
	if (*is_node && key.data[key.len - 1] != NODE_MARK)
		return ERR_CORRUPT;
	walk->tail_rows += level > 0;
	memcpy(walk->key + at->start, key.data + base, len);
	walk->key_len = at->start + len;
	if (row_open(key, value, &walk->payload))
		return ERR_CORRUPT;
	return *is_node ? row_node(walk->payload, node) : 0;
}

static struct slice edge_of_node(uint8_t bytes[NODE_BYTES], uint64_t node)
{
	set_u64(bytes, node);
	return slice_of(bytes, NODE_BYTES);
}

/* Descends from the row at the cursor of this level to the first or the last item below it. */
static int settle(struct row_walk *walk, int level, struct slice key, struct slice value,
	bool last)
{
	uint8_t bytes[NODE_BYTES];
	bool is_node;
	uint64_t node;
	int err = take_row(walk, level, key, value, &is_node, &node);

	while (!err && is_node) {
		struct row_level *at;

		level++;
		err = open_level(walk, level, node, walk->key_len);
		if (err)
			return err;
		at = &walk->levels[level];
		key = edge_of_node(bytes, last ? node + 1 : node);
		err = cursor_move(at->cursor, MOVE_FROM, &key, &value);
		if (last && err >= 0)
			err = cursor_move(at->cursor, err == END ? MOVE_LAST : MOVE_PREVIOUS, &key,
				&value);
		if (err == END || (!err && !is_inside(at, level, key)))
			return ERR_CORRUPT;      /* a node is never empty */
		if (!err)
			err = take_row(walk, level, key, value, &is_node, &node);
	}
	return err;
}

/* Moves to the neighboring row. The level's cursor is on a row or between two. */
static int step(struct row_walk *walk, enum move move)
{
	struct slice key, value;

	for (; walk->depth >= 0; walk->depth--) {
		struct row_level *at = &walk->levels[walk->depth];
		int err = at->cursor ? cursor_move(at->cursor, move, &key, &value) : END;

		if (err < 0)
			return err;
		if (err == 0 && move == MOVE_NEXT)
			cursor_expect_next(key, value);
		if (err == 0 && is_inside(at, walk->depth, key))
			return settle(walk, walk->depth, key, value, move == MOVE_PREVIOUS);
	}
	return END;
}

int row_walk_next(struct row_walk *walk)
{
	return walk->depth < 0 ? END : step(walk, MOVE_NEXT);
}

int row_walk_previous(struct row_walk *walk)
{
	return walk->depth < 0 ? END : step(walk, MOVE_PREVIOUS);
}

int row_walk_from(struct row_walk *walk, struct txn *txn, struct slice whole)
{
	struct slice rest = whole, key, value, payload;
	struct place place;
	uint64_t node = 0;
	int err = 0;

	walk->txn = txn;
	for (int level = 0; level < LONG_KEY_LEVELS; level++) {
		bool is_node = level_key(&place, level, node, rest);

		err = open_level(walk, level, node, whole.len - rest.len);
		if (err)
			return err;
		memcpy(walk->key, whole.data, whole.len - rest.len);
		key = place_key(&place);
		err = cursor_move(walk->levels[level].cursor, MOVE_FROM, &key, &value);
		if (err < 0)
			return err;
		if (err == END || !is_inside(&walk->levels[level], level, key)) {
			walk->depth--;
			return level == 0 ? END : step(walk, MOVE_NEXT);
		}
		if (!is_node || !slice_equal(key, place_key(&place)))
			return settle(walk, level, key, value, false);
		err = row_open(key, value, &payload);
		if (!err)
			err = row_node(payload, &node);
		if (err)
			return err;
		rest = slice_of(rest.data + capacity(level), rest.len - capacity(level));
	}
	return ERR_CORRUPT;
}

int row_walk_before(struct row_walk *walk, struct txn *txn, struct slice whole)
{
	struct slice key, value;
	int err = row_walk_from(walk, txn, whole);

	if (err == 0)
		return row_walk_previous(walk);
	if (err < 0)
		return err;
	err = open_level(walk, 0, 0, 0);
	if (!err)
		err = cursor_move(walk->levels[0].cursor, MOVE_LAST, &key, &value);
	return err ? err : settle(walk, 0, key, value, true);
}

void row_walk_stop(struct row_walk *walk)
{
	for (int level = 0; level < LONG_KEY_LEVELS; level++) {
		cursor_close(walk->levels[level].cursor);
		walk->levels[level].cursor = NULL;
	}
	walk->depth = -1;
}
