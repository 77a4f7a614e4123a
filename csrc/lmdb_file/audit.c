/* audit.c - page audit: checks every page of a data file, without LMDB.
 *
 * Two bitmaps record which pages are in use and which are free. The walk descends each tree
 * recursively, at most TREE_DEPTH_MAX levels, and enters no page twice.
 */
#include "lmdb_file/audit.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/memory.h"
#include "lmdb_file/raw_cursor.h"

struct walk {
	int fd;
	const struct meta_page *facts;
	const struct audit_callbacks *callbacks;
	struct audit *audit;
	uint64_t pages;          /* the smaller of file_pages and page_count */
	uint8_t *used;           /* bitmap of pages in use */
	uint8_t *free;           /* bitmap of free pages */
	uint64_t free_beyond;    /* number of free pages after the end of the file */
	int tree;                /* enum tree or AUDIT_FREE_LIST */
	struct tree_root counted;        /* pages and rows counted in this tree */
	bool is_damaged;         /* true if the tree has a finding, so the counts are incomplete */
	uint8_t *bufs[TREE_DEPTH_MAX];   /* page buffers, one for each level */
	struct buffer big;       /* copy of a value that is stored in overflow pages */
	int err;                 /* error that ends the audit */
};

/* --- findings --- */

static void report(struct walk *walk, struct finding *finding)
{
	finding->tree = walk->tree;
	if (walk->tree >= 0)
		walk->audit->is_damaged[walk->tree] = true;
	walk->is_damaged = true;
	walk->callbacks->found(walk->callbacks->context, finding);
}

static void page_is(struct walk *walk, uint64_t page, const char *what)
{
	report(walk, &(struct finding){ .page = page, .row = -1, .what = what });
}

static void page_with_rows_is(struct walk *walk, uint64_t page, const char *what,
	const struct page_range *range)
{
	report(walk, &(struct finding){ .page = page, .row = -1, .what = what, .has_range = true,
		.low = range->low, .high = range->high });
}

static void row_is(struct walk *walk, const struct tree_page *page, unsigned row, struct slice key,
	const char *what)
{
	report(walk, &(struct finding){ .page = page->number, .row = (int)row, .what = what,
		.key = key });
}

/* Reports a row with an unreadable key. The keys of the neighbouring rows identify the row. */
static void row_is_lost(struct walk *walk, const struct tree_page *page, unsigned row,
	struct slice before, const struct page_range *range)
{
	struct finding finding = { .page = page->number, .row = (int)row, .has_range = true,
		.what = "can't be read", .low = before.data ? before : range->low,
		.high = range->high };
	struct page_node node;

	for (unsigned i = row + 1; i < page->count; i++)
		if (page_node(page, i, &node)) {
			finding.high = node.key;
			break;
		}
	report(walk, &finding);
}

static void report_number(struct walk *walk, const char *what, uint64_t number)
{
	report(walk, &(struct finding){ .row = -1, .what = what, .has_number = true,
		.number = number });
}

/* --- use of pages --- */

static bool has(const uint8_t *bits, uint64_t page)
{
	return bits[page / 8] >> (page % 8) & 1;
}

static void set(uint8_t *bits, uint64_t page)
{
	bits[page / 8] |= (uint8_t)(1u << (page % 8));
}

/* Marks a page as used. Returns NULL, or the fault if the page cannot be used at this place. */
static const char *use(struct walk *walk, uint64_t page)
{
	if (page < 2 || page >= walk->facts->page_count)
		return "is referenced, but is not in the range of used pages";
	if (page >= walk->facts->file_pages)
		return "is missing: the file is truncated";
	if (has(walk->used, page))
		return "is used twice";
	set(walk->used, page);
	walk->audit->pages_used++;
	return NULL;
}

/* --- order --- */

/* Compares two keys of the tree. The keys of the free list are commit numbers in the machine's
 * byte order. */
static int compare(const struct walk *walk, struct slice a, struct slice b)
{
	uint64_t x = 0;
	uint64_t y = 0;

	if (walk->tree != AUDIT_FREE_LIST)
		return slice_compare(a, b);
	memcpy(&x, a.data, a.len < sizeof x ? a.len : sizeof x);
	memcpy(&y, b.data, b.len < sizeof y ? b.len : sizeof y);
	return (x > y) - (x < y);
}

static bool is_within(const struct walk *walk, const struct page_range *range, struct slice key)
{
	return (range->low.len == 0 || compare(walk, key, range->low) >= 0) &&
		(!range->high.data || compare(walk, key, range->high) < 0);
}

/* Returns true if the page has readable keys and none of them is in the page's range, which means
 * that the page contains the bytes of another page. */
static bool is_foreign(const struct walk *walk, const struct tree_page *page,
	const struct page_range *range)
{
	bool any = false;

	for (unsigned i = page->is_leaf ? 0 : 1; i < page->count; i++) {
		struct page_node node;

		if (!page_node(page, i, &node))
			continue;
		if (is_within(walk, range, node.key))
			return false;
		any = true;
	}
	return any;
}

/* --- rows --- */

/* Checks and reads a value in overflow pages. Returns false if the value is unreadable. */
static bool take_big(struct walk *walk, struct page_node *node)
{
	uint64_t count;
	const char *fault = page_run_length(&count, node, walk->fd, walk->facts);

	for (uint64_t i = 0; i < count && !fault; i++) {
		fault = use(walk, node->page + i);
		walk->counted.overflow_pages++;
	}
	buffer_clear(&walk->big);
	if (!fault && !buffer_reserve(&walk->big, node->value_bytes)) {
		walk->err = ERR_NO_MEMORY;
		return false;
	}
	if (!fault)
		fault = page_run_read(walk->big.data, node, walk->fd, walk->facts);
	if (fault) {
		page_is(walk, node->page, fault);
		return false;
	}
	node->value = slice_of(walk->big.data, node->value_bytes);
	return true;
}

static void take_free_page(struct walk *walk, uint64_t page)
{
	const struct meta_page *facts = walk->facts;

	walk->audit->pages_free++;
	if (page < 2 || page >= facts->page_count)
		report_number(walk, "contains an invalid page number:", page);
	else if (page >= walk->pages)
		walk->free_beyond++;
	else if (has(walk->free, page))
		page_is(walk, page, "is listed as free twice");
	else
		set(walk->free, page);
}

/* Checks a row of the free list, which contains the number of pages that a commit freed, followed
 * by these pages. */
static const char *take_free_row(struct walk *walk, const struct page_node *node)
{
	uint64_t commit;
	uint64_t count;
	uint64_t before = UINT64_MAX;

	if (node->key.len != sizeof commit || node->value.len < sizeof count)
		return "is not a list of free pages";
	memcpy(&commit, node->key.data, sizeof commit);
	memcpy(&count, node->value.data, sizeof count);
	if (commit > walk->facts->commit || count > node->value.len / 8 - 1)
		return "is not a list of free pages";
	for (uint64_t i = 0; i < count; i++) {
		uint64_t number;

		memcpy(&number, node->value.data + 8 + 8 * i, sizeof number);
		if (number >= before)
			return "lists free pages out of order";
		take_free_page(walk, number);
		before = number;
	}
	return NULL;
}

static void pass_row(struct walk *walk, const struct tree_page *page, unsigned row,
	const struct page_node *node)
{
	struct audit_row passed = { (enum tree)walk->tree, page->number, (int)row, node->key,
		node->value };

	walk->audit->rows++;
	if (walk->callbacks->row)
		walk->err = walk->callbacks->row(walk->callbacks->context, &passed);
}

/* Returns true for the rows of the unnamed tree that contain descriptors of other trees. */
static bool is_tree_row(const struct walk *walk, struct slice key)
{
	return walk->tree == TREE_META && key.len > 0 && key.data[0] >= TREE_META_END;
}

/* Checks a row of a leaf page without comparing it with its neighbours. Returns the fault of the
 * row, NULL if there is none. */
static const char *take_row(struct walk *walk, const struct tree_page *page, unsigned row,
	struct page_node *node)
{
	walk->counted.rows++;
	if (node->is_tree != is_tree_row(walk, node->key))
		return "has damaged flags";
	if (node->is_big && !take_big(walk, node))
		return "has its value in damaged pages";
	if (walk->tree == AUDIT_FREE_LIST)
		return take_free_row(walk, node);
	if (!node->is_tree)
		pass_row(walk, page, row, node);
	return NULL;
}

/* Checks a row of a leaf page and its order. If two rows are out of order, either of them may be
 * damaged, so both are checked and passed to the callback. */
static const char *take_node(struct walk *walk, const struct tree_page *page, unsigned row,
	struct page_node *node, const struct page_range *range, struct slice before)
{
	const char *fault;

	if (!is_within(walk, range, node->key))
		return "has a key outside the range of its page";
	fault = take_row(walk, page, row, node);
	if (!fault && before.data && compare(walk, before, node->key) >= 0)
		fault = "is out of order with the row before it";
	return fault;
}

static void take_leaf(struct walk *walk, const struct tree_page *page,
	const struct page_range *range)
{
	struct slice before = { NULL, 0 };

	walk->counted.leaf_pages++;
	for (unsigned i = 0; i < page->count && !walk->err; i++) {
		struct page_node node;
		const char *fault;

		if (!page_node(page, i, &node)) {
			row_is_lost(walk, page, i, before, range);
			continue;
		}
		fault = take_node(walk, page, i, &node, range, before);
		if (fault && !walk->err)
			row_is(walk, page, i, node.key, fault);
		if (is_within(walk, range, node.key))
			before = node.key;
	}
}

/* --- pages --- */

static void walk_page(struct walk *walk, uint64_t number, unsigned level,
	const struct page_range *range);

static void take_branch(struct walk *walk, const struct tree_page *page, unsigned level,
	const struct page_range *range)
{
	struct slice before = range->low;

	walk->counted.branch_pages++;
	for (unsigned i = 0; i < page->count && !walk->err; i++) {
		struct page_range child = page_child_range(page, i, range);
		struct page_node node;
		bool in_order;

		if (!page_node(page, i, &node)) {
			page_with_rows_is(walk, page->number,
				"has a damaged pointer to another page",
				&child);
			continue;
		}
		in_order = i == 0 || (is_within(walk, range, node.key) &&
			(before.len == 0 || compare(walk, before, node.key) < 0));
		if (!in_order) {
			page_with_rows_is(walk, page->number, "points to pages out of order",
				&child);
			continue;
		}
		if (i > 0)
			before = node.key;
		walk_page(walk, node.page, level + 1, &child);
	}
}

/* Reads a page of the tree. Returns a fault that prevents reading the nodes of the page, NULL if
 * there is none. */
static const char *enter(struct walk *walk, struct tree_page *page, uint64_t number, unsigned level,
	unsigned depth, const struct page_range *range)
{
	const char *fault = use(walk, number);

	if (fault)
		return fault;
	if (level >= TREE_DEPTH_MAX)
		return "is deeper than a tree can be";
	if (!walk->bufs[level])
		walk->bufs[level] = memory_alloc(walk->facts->page_bytes);
	page->bytes = walk->bufs[level];
	if (!page->bytes) {
		walk->err = ERR_NO_MEMORY;
		return NULL;
	}
	fault = page_read(page, walk->fd, walk->facts, number, level + 1 == depth);
	if (!fault && is_foreign(walk, page, range))
		return "contains the rows of another page";
	return fault;
}

static void walk_page(struct walk *walk, uint64_t number, unsigned level,
	const struct page_range *range)
{
	struct tree_page page;
	unsigned depth = walk->counted.depth;
	const char *fault = enter(walk, &page, number, level, depth, range);

	if (walk->err)
		return;
	if (fault) {
		page_with_rows_is(walk, number, fault, range);
		return;
	}
	fault = page_fault(&page);
	if (!fault && page.is_leaf != (level + 1 == depth) && !walk->is_damaged)
		fault = "is at another depth than the tree's descriptor says";
	if (fault)
		page_with_rows_is(walk, number, fault, range);
	if (page.is_leaf)
		take_leaf(walk, &page, range);
	else
		take_branch(walk, &page, level, range);
}

/* --- trees --- */

/* Reports the numbers of rows and pages of a tree if they differ from the tree's descriptor. Does
 * nothing if the tree is damaged. */
static void compare_counts(struct walk *walk, const struct tree_root *tree)
{
	const struct tree_root *seen = &walk->counted;

	if (walk->is_damaged || walk->err)
		return;
	if (tree->rows != seen->rows)
		report_number(walk, "has another number of rows than its descriptor says:",
			tree->rows);
	if (tree->branch_pages != seen->branch_pages || tree->leaf_pages != seen->leaf_pages ||
			tree->overflow_pages != seen->overflow_pages)
		report_number(walk,
			"has other numbers of pages than its descriptor says; leaf pages:",
			tree->leaf_pages);
}

static void walk_tree(struct walk *walk, int which, const struct tree_root *tree)
{
	const struct page_range all = { { NULL, 0 }, { NULL, 0 } };

	walk->tree = which;
	walk->is_damaged = walk->audit->is_damaged[which];
	walk->counted = (struct tree_root){ .depth = tree->depth };
	if (tree->root != TREE_NO_ROOT && !walk->err)
		walk_page(walk, tree->root, 0, &all);
	compare_counts(walk, tree);
}

static int find_tree(struct tree_root *tree, struct raw_cursor *raw, enum tree which,
	const struct meta_page *facts)
{
	struct slice key = slice_of_text(tree_name(which));
	struct slice value;
	int err = raw_cursor_move(raw, MOVE_TO, &key, &value);

	if (err)
		return err < 0 ? err : ERR_CORRUPT;
	return tree_root_read(tree, value, facts) ? 0 : ERR_CORRUPT;
}

int audit_trees(struct tree_root trees[TREE_COUNT], bool lost[TREE_COUNT], int fd,
	const struct meta_page *facts, uint64_t *unread)
{
	struct raw_cursor *raw;
	int err = raw_cursor_open(&raw, fd, facts, &facts->trees, unread);

	trees[TREE_META] = facts->trees;
	lost[TREE_META] = false;
	for (int i = TREE_META + 1; i < TREE_COUNT && err != ERR_NO_MEMORY; i++) {
		err = find_tree(&trees[i], raw, (enum tree)i, facts);
		lost[i] = err != 0;
		if (lost[i])
			trees[i] = (struct tree_root){ .root = TREE_NO_ROOT };
	}
	raw_cursor_close(raw);
	return err == ERR_NO_MEMORY ? err : 0;
}

/* --- the whole file --- */

/* Reports pages that are both in use and free. Counts leaked pages (neither in use nor free),
 * which are harmless. */
static void compare_uses(struct walk *walk)
{
	const struct meta_page *facts = walk->facts;
	uint64_t *leaked = &walk->audit->pages_leaked;

	walk->tree = AUDIT_FREE_LIST;
	for (uint64_t page = 2; page < walk->pages; page++) {
		if (has(walk->used, page) && has(walk->free, page))
			page_is(walk, page, "is both free and in use");
		*leaked += !has(walk->used, page) && !has(walk->free, page);
	}
	if (facts->page_count > walk->pages + walk->free_beyond)
		*leaked += facts->page_count - walk->pages - walk->free_beyond;
}

static void find_trees(struct walk *walk)
{
	bool lost[TREE_COUNT];
	uint64_t unread = 0;

	walk->err = audit_trees(walk->audit->trees, lost, walk->fd, walk->facts, &unread);
	for (int i = 0; i < TREE_COUNT && !walk->err; i++) {
		walk->tree = i;
		if (lost[i])
			report(walk, &(struct finding){ .row = -1, .has_range = true,
				.what =
				unread ? "can't be found: its root can't be read from the disk"
					: "can't be found: its root is not in meta" });
	}
}

static void walk_all(struct walk *walk)
{
	struct audit *audit = walk->audit;

	find_trees(walk);
	walk_tree(walk, AUDIT_FREE_LIST, &walk->facts->free_list);
	for (int i = 0; i < TREE_COUNT && !walk->err; i++)
		walk_tree(walk, i, &audit->trees[i]);
	if (!walk->err)
		compare_uses(walk);
}

int audit_file(struct audit *audit, int fd, const struct meta_page *facts,
	const struct audit_callbacks *callbacks)
{
	struct walk walk = { .fd = fd, .facts = facts, .callbacks = callbacks, .audit = audit };
	int err;

	*audit = (struct audit){ 0 };
	walk.pages = facts->file_pages < facts->page_count ? facts->file_pages
		: facts->page_count;
	walk.used = memory_alloc_zeroed(walk.pages / 8 + 1);
	walk.free = memory_alloc_zeroed(walk.pages / 8 + 1);
	walk.err = walk.used && walk.free ? 0 : ERR_NO_MEMORY;
	if (!walk.err)
		walk_all(&walk);
	for (int i = 0; i < TREE_DEPTH_MAX; i++)
		memory_free(walk.bufs[i]);
	memory_free(walk.used);
	memory_free(walk.free);
	buffer_release(&walk.big);
	err = walk.err;
	for (int i = 0; i <= TREE_COUNT && !err; i++)
		err = audit->is_damaged[i] ? ERR_CORRUPT : 0;
	return err;
}

/* --- the first finding --- */

struct first {
	const char *path;
	struct progress *progress;
	struct failure *failure;
	bool found;
};

static void note_first(void *context, const struct finding *finding)
{
	struct first *first = context;
	char subject[40] = "the free list", number[24] = "";

	if (first->found)
		return;
	first->found = true;
	if (finding->page)
		snprintf(subject, sizeof subject, "page %" PRIu64, finding->page);
	else if (finding->tree < TREE_COUNT)
		snprintf(subject, sizeof subject, "tree %s", tree_name((enum tree)finding->tree));
	if (finding->has_number)
		snprintf(number, sizeof number, " %" PRIu64, finding->number);
	fail_as(first->failure, ERR_CORRUPT, "%s of %s %s%s", subject, first->path, finding->what,
		number);
}

static int check_interrupt(void *context, const struct audit_row *row)
{
	const struct first *first = context;

	(void)row;
	return progress_step(first->progress, 0);
}

int audit_first(int fd, const char *path, const struct meta_page *facts,
	struct progress *progress, struct failure *failure)
{
	struct first first = { path, progress, failure, false };
	struct audit_callbacks callbacks = { note_first, check_interrupt, &first };
	struct audit audit;
	int err = audit_file(&audit, fd, facts, &callbacks);

	return err && err != ERR_CORRUPT ? fail(failure, err) : err;
}

static const char *check_root(struct tree_page *page, int fd, const struct meta_page *facts,
	const struct tree_root *tree)
{
	const char *fault;

	if (tree->root == TREE_NO_ROOT)
		return NULL;
	fault = page_read(page, fd, facts, tree->root, tree->depth == 1);
	if (!fault)
		fault = page_fault(page);
	if (!fault && page->is_leaf != (tree->depth == 1))
		fault = "is at another depth than the tree's descriptor says";
	for (unsigned i = 0; !fault && i < page->count; i++) {
		struct page_node node;

		if (!page_node(page, i, &node))
			fault = "has a damaged row";
	}
	return fault;
}

int audit_tops(int fd, const char *path, const struct meta_page *facts,
	struct failure *failure)
{
	struct tree_page page = { .bytes = memory_alloc(facts->page_bytes) };
	struct tree_root trees[TREE_COUNT + 1];
	bool lost[TREE_COUNT];
	const char *fault = NULL;
	int err = page.bytes ? audit_trees(trees, lost, fd, facts, NULL) : ERR_NO_MEMORY;
	int i;

	trees[AUDIT_FREE_LIST] = facts->free_list;
	for (i = 0; i <= TREE_COUNT && !err && !fault; i++)
		fault = check_root(&page, fd, facts, &trees[i]);
	memory_free(page.bytes);
	if (fault)
		return fail_as(failure, ERR_CORRUPT, "page %llu of %s %s",
			(unsigned long long)trees[i - 1].root, path, fault);
	return err ? fail(failure, err) : 0;
}
