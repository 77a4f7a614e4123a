/* raw_cursor.c - a cursor on one tree that reads LMDB's data file with pread, without LMDB.
 *
 * levels[0] is the root of the tree, levels[top] the deepest page on the path that was read. The
 * index of a leaf level is that of the current row. The index of a branch level is that of the
 * child on the path, which may be unreadable.
 */
#include "lmdb_file/raw_cursor.h"

#include "base/memory.h"

struct level {
	struct tree_page page;
	struct page_range range;
	int64_t index;
};

struct raw_cursor {
	int fd;
	struct meta_page facts;
	struct tree_root tree;
	uint64_t *unread;        /* number of pages that the disk failed to read; or NULL */
	int top;                 /* -1 if the cursor has no position */
	struct buffer big;       /* copy of a value that is stored in overflow pages */
	struct level levels[TREE_DEPTH_MAX];
};

int raw_cursor_open(struct raw_cursor **out, int fd, const struct meta_page *facts,
	const struct tree_root *tree, uint64_t *unread)
{
	struct raw_cursor *raw = memory_alloc_zeroed(sizeof *raw);

	*out = raw;
	if (!raw)
		return ERR_NO_MEMORY;
	raw->fd = fd;
	raw->facts = *facts;
	raw->tree = *tree;
	raw->unread = unread;
	raw->top = -1;
	return 0;
}

void raw_cursor_close(struct raw_cursor *raw)
{
	if (!raw)
		return;
	for (int i = 0; i < TREE_DEPTH_MAX; i++)
		memory_free(raw->levels[i].page.bytes);
	buffer_release(&raw->big);
	memory_free(raw);
}

/* --- pages --- */

static bool is_within(const struct page_range *range, struct slice key)
{
	return slice_compare(key, range->low) >= 0 &&
		(!range->high.data || slice_compare(key, range->high) < 0);
}

/* Returns true if the page has a key within the range of its level. In a branch the first key is
 * ignored and the other keys must be strictly between the bounds. Then the ranges of two children
 * differ, so a damaged file cannot make the walk exponential or endless. */
static bool belongs(const struct level *level)
{
	const struct tree_page *page = &level->page;

	if (!page->is_leaf && page->count == 1)
		return true;

	for (unsigned i = page->is_leaf ? 0 : 1; i < page->count; i++) {
		struct page_node node;

		if (page_node(page, i, &node) && is_within(&level->range, node.key) &&
				(page->is_leaf || !slice_equal(node.key, level->range.low)))
			return true;
	}
	return false;
}

static int not_readable(struct raw_cursor *raw, const char *fault)
{
	if (fault == PAGE_UNREAD && raw->unread)
		++*raw->unread;
	return fault ? ERR_CORRUPT : 0;
}

/* Reads a page into the level unless the level already contains it. */
static int enter(struct raw_cursor *raw, int depth, uint64_t number, const struct page_range *range)
{
	struct level *level = &raw->levels[depth];

	if (depth >= TREE_DEPTH_MAX)
		return ERR_CORRUPT;
	if (!level->page.bytes)
		level->page.bytes = memory_alloc(raw->facts.page_bytes);
	if (!level->page.bytes)
		return ERR_NO_MEMORY;
	level->range = *range;
	if (level->page.number != number &&
			not_readable(raw, page_read(&level->page, raw->fd, &raw->facts,
				number, depth + 1 == raw->tree.depth)))
		return ERR_CORRUPT;
	if (!belongs(level)) {
		level->page.number = 0;
		return ERR_CORRUPT;
	}
	raw->top = depth;
	return 0;
}

static int enter_root(struct raw_cursor *raw)
{
	const struct page_range all = { { (const uint8_t *)"", 0 }, { NULL, 0 } };

	raw->top = -1;
	return raw->tree.root == TREE_NO_ROOT ? END
		: enter(raw, 0, raw->tree.root, &all);
}

/* Enters the child at the index of the top level. */
static int enter_child(struct raw_cursor *raw)
{
	const struct level *level = &raw->levels[raw->top];
	unsigned index = (unsigned)level->index;
	struct page_range range = page_child_range(&level->page, index, &level->range);
	struct page_node node;

	if (!page_node(&level->page, index, &node))
		return ERR_CORRUPT;
	if (index > 0 && !is_within(&level->range, node.key))
		return ERR_CORRUPT;
	return enter(raw, raw->top + 1, node.page, &range);
}

/* --- rows --- */

static int read_big(struct raw_cursor *raw, const struct page_node *node, struct slice *value)
{
	uint64_t count;

	if (not_readable(raw, page_run_length(&count, node, raw->fd, &raw->facts)))
		return ERR_CORRUPT;
	buffer_clear(&raw->big);
	if (!buffer_reserve(&raw->big, node->value_bytes))
		return ERR_NO_MEMORY;
	if (not_readable(raw, page_run_read(raw->big.data, node, raw->fd, &raw->facts)))
		return ERR_CORRUPT;
	*value = slice_of(raw->big.data, node->value_bytes);
	return 0;
}

/* Sets *key and *value to the row at the raw cursor. */
static int read_row(struct raw_cursor *raw, struct slice *key, struct slice *value)
{
	const struct level *level = &raw->levels[raw->top];
	struct page_node node;

	if (!page_node(&level->page, (unsigned)level->index, &node) ||
			!is_within(&level->range, node.key))
		return ERR_CORRUPT;
	*key = node.key;
	*value = node.value;
	return node.is_big ? read_big(raw, &node, value) : 0;
}

/* Descends from the index of the top level to the first or last row below it. */
static int descend(struct raw_cursor *raw, bool last, struct slice *key, struct slice *value)
{
	while (!raw->levels[raw->top].page.is_leaf) {
		struct level *level;
		int err = enter_child(raw);

		if (err)
			return err;
		level = &raw->levels[raw->top];
		level->index = last ? (int64_t)level->page.count - 1 : 0;
	}
	return read_row(raw, key, value);
}

static int move_to_edge(struct raw_cursor *raw, bool last, struct slice *key, struct slice *value)
{
	int err = enter_root(raw);

	if (err)
		return err;
	raw->levels[0].index = last ? (int64_t)raw->levels[0].page.count - 1 : 0;
	return descend(raw, last, key, value);
}

static int move_by(struct raw_cursor *raw, int step, struct slice *key, struct slice *value)
{
	for (; raw->top >= 0; raw->top--) {
		struct level *level = &raw->levels[raw->top];

		level->index += step;
		if (level->index >= 0 && level->index < (int64_t)level->page.count)
			return descend(raw, step < 0, key, value);
	}
	return END;
}

/* --- searching for a key --- */

/* Sets the level's index to the child that may contain the key, or to the first row whose key is
 * not less. Skips unreadable nodes, and sets *doubt to true if there was one. */
static void place(struct level *level, struct slice key, bool *doubt)
{
	const struct tree_page *page = &level->page;
	struct page_node node;
	unsigned low = page->is_leaf ? 0 : 1;
	unsigned high = page->count;
	unsigned at;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		int order;

		if (!page_node(page, middle, &node))
			break;
		order = slice_compare(node.key, key);
		if (order < 0 || (order == 0 && !page->is_leaf))
			low = middle + 1;
		else
			high = middle;
	}
	if (low == high) {
		level->index = page->is_leaf ? low : (int64_t)low - 1;
		return;
	}
	*doubt = true;
	level->index = page->is_leaf ? page->count : 0;
	for (at = page->is_leaf ? 0 : 1; at < page->count; at++) {
		int order;

		if (!page_node(page, at, &node))
			continue;
		order = slice_compare(node.key, key);
		if (page->is_leaf ? order >= 0 : order > 0) {
			level->index = page->is_leaf ? at : level->index;
			return;
		}
		if (!page->is_leaf)
			level->index = at;
	}
}

static int move_from(struct raw_cursor *raw, struct slice sought, bool exact, struct slice *key,
	struct slice *value)
{
	struct level *level;
	bool doubt = false;
	int err = enter_root(raw);

	while (!err) {
		level = &raw->levels[raw->top];
		place(level, sought, &doubt);
		if (level->page.is_leaf)
			break;
		err = enter_child(raw);
	}
	if (err)
		return err;
	if (level->index < (int64_t)level->page.count)
		err = read_row(raw, key, value);
	else if (exact)
		err = END;
	else
		err = move_by(raw, 1, key, value);
	if (exact && (err || !slice_equal(*key, sought)))
		return err < 0 || doubt ? ERR_CORRUPT : END;
	return err;
}

int raw_cursor_move(struct raw_cursor *raw, enum move move, struct slice *key, struct slice *value)
{
	switch (move) {
	case MOVE_FIRST:
		return move_to_edge(raw, false, key, value);
	case MOVE_LAST:
		return move_to_edge(raw, true, key, value);
	case MOVE_NEXT:
		return move_by(raw, 1, key, value);
	case MOVE_PREVIOUS:
		return move_by(raw, -1, key, value);
	case MOVE_HERE:
		return raw->top < 0 || !raw->levels[raw->top].page.is_leaf ? END
			: read_row(raw, key, value);
	case MOVE_TO:
		return move_from(raw, *key, true, key, value);
	default:
		return move_from(raw, *key, false, key, value);
	}
}
