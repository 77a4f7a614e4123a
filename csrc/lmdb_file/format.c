/* format.c - reads and checks pages of LMDB's data file, format 1, without LMDB.
 *
 * All numbers are in the machine's byte order. A page of page_bytes bytes:
 *
 *     0   page number, 8 bytes
 *     8   unused, 2
 *     10  flags, 2: BRANCH 1, LEAF 2, OVERFLOW 4, META 8
 *     12  lower, 2; upper, 2: bounds of the free space between offsets and nodes;
 *         in the first of consecutive overflow pages: their number, 4
 *     16  node offsets, 2 bytes each, up to `lower`
 *
 * A node: size (low half, high half), flags, key length, 2 bytes each; then key
 * and value. In a branch, size and flags together are the child's page number,
 * 48 bits. In a leaf, flag BIG 1: the value is the number of its first overflow
 * page; flag SUBTREE 2: the value is the descriptor of a tree.
 *
 * Descriptor of a tree, 48 bytes:
 *
 *     0   page size in the free list's descriptor, otherwise unused, 4
 *     4   flags, 2; depth, 2
 *     8   numbers of branch, leaf and overflow pages, 8 each; number of rows, 8
 *     40  root page, 8: all ones if the tree is empty
 *
 * Pages 0 and 1 are meta pages. The meta page with the larger commit number is valid. The lowest
 * bit of a commit number is the number of its meta page:
 *
 *     16  magic, 4; version, 4; address of a fixed map, 8: 0; map size, 8
 *     40  descriptors of the free list and of the unnamed tree, 48 each
 *     136 last page ever used, 8; commit number, 8
 *
 * The nodes fill the space from `upper` to the end of the page without gaps, at
 * even offsets.
 */
#include "lmdb_file/format.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lmdb_file/layout.h"
#include "os/file.h"

#define MAGIC LMDB_MAGIC
#define VERSION LMDB_DATA_FORMAT
#define MAGIC_AT LMDB_PAGE_HEADER
#define MAGIC_AT_32_BITS 12
#define ADDRESS_AT 24
#define TREES_AT 40

#define PAGE_HEADER LMDB_PAGE_HEADER
#define NODE_HEADER 8
#define PAGE_MOST UINT32_C(32768)

#define META_READINGS 1000

enum { PAGE_BRANCH = 1, PAGE_LEAF = 2, PAGE_OVERFLOW = 4, PAGE_META = 8 };
enum { NODE_BIG = 1, NODE_SUBTREE = 2 };

/* Flags of the free list's descriptor. The list has integer keys, and LMDB also stores
 * MDB_NOSUBDIR there. */
#define FREE_FLAGS 0x0008
#define FLAG_NAMED_FILE 0x4000

static uint16_t native_u16(const uint8_t *p)
{
	uint16_t n;

	memcpy(&n, p, sizeof n);
	return n;
}

static uint32_t native_u32(const uint8_t *p)
{
	uint32_t n;

	memcpy(&n, p, sizeof n);
	return n;
}

static uint64_t native_u64(const uint8_t *p)
{
	uint64_t n;

	memcpy(&n, p, sizeof n);
	return n;
}

/* Returns the size field of a node. The order of its halves depends on the byte order. */
static uint32_t node_size(const uint8_t *node)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return native_u16(node) | (uint32_t)native_u16(node + 2) << 16;
#else
	return native_u16(node + 2) | (uint32_t)native_u16(node) << 16;
#endif
}

static uint64_t child_of(const uint8_t *node)
{
	return node_size(node) | (uint64_t)native_u16(node + 4) << 32;
}

const char PAGE_UNREAD[] = "can't be read from the disk";

/* Reads len bytes at an offset of the file. Returns false on failure, with errno 0 if the file is
 * too short. */
static bool read_at(int fd, void *bytes, size_t len, uint64_t at)
{
	uint8_t *to = bytes;

	while (len) {
		ssize_t got = pread(fd, to, len, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got == 0)
			errno = 0;
		if (got <= 0)
			return false;
		to += got;
		at += (uint64_t)got;
		len -= (size_t)got;
	}
	return true;
}

uint32_t page_bytes_of_machine(void)
{
	long bytes = sysconf(_SC_PAGESIZE);

	return bytes > 0 && bytes < PAGE_MOST ? (uint32_t)bytes : PAGE_MOST;
}

const char *tree_name(enum tree tree)
{
	static const char *const names[TREE_COUNT] = {
		[TREE_META] = "meta",
		[TREE_CATALOG] = "catalog",
		[TREE_ITEMS] = "items",
		[TREE_TAILS] = "tails",
		[TREE_PARTS] = "parts",
		[TREE_LOG] = "log",
		[TREE_INDEXES] = "indexes",
		[TREE_CONSUMERS] = "consumers",
	};

	return names[tree];
}

/* --- descriptors of trees --- */

static struct tree_root tree_at(const uint8_t *bytes)
{
	return (struct tree_root){
		.flags = native_u16(bytes + 4),
		.depth = native_u16(bytes + 6),
		.branch_pages = native_u64(bytes + 8),
		.leaf_pages = native_u64(bytes + 16),
		.overflow_pages = native_u64(bytes + 24),
		.rows = native_u64(bytes + 32),
		.root = native_u64(bytes + 40),
	};
}

static bool tree_is_sound(const struct tree_root *tree, uint16_t flags, uint64_t page_count)
{
	bool empty = tree->root == TREE_NO_ROOT;

	return (tree->flags & ~FLAG_NAMED_FILE) == flags && tree->depth <= TREE_DEPTH_MAX &&
		empty == (tree->depth == 0) && empty == (tree->rows == 0) &&
		(empty || (tree->root > 1 && tree->root < page_count));
}

bool tree_root_read(struct tree_root *tree, struct slice value,
	const struct meta_page *facts)
{
	if (value.len != TREE_ROOT_BYTES)
		return false;
	*tree = tree_at(value.data);
	return tree_is_sound(tree, 0, facts->page_count);
}

/* --- meta pages --- */

/* Checks the constant fields of a meta page, which no commit changes. */
static bool meta_is_one(const uint8_t *meta, uint32_t page_bytes)
{
	return native_u16(meta + 10) & PAGE_META &&
		native_u32(meta + MAGIC_AT) == MAGIC &&
		native_u32(meta + MAGIC_AT + 4) == VERSION &&
		native_u32(meta + TREES_AT) == page_bytes;
}

/* Checks the fields of the newer meta page that describe its commit. The older meta page may be
 * inconsistent, because a commit that fails at its last write leaves new roots with old counts
 * there. */
static bool meta_is_sound(const uint8_t *meta, uint64_t number)
{
	uint64_t page_count = native_u64(meta + META_PAGE_LAST_PAGE_AT) + 1;
	uint64_t commit = native_u64(meta + META_PAGE_COMMIT_AT);
	struct tree_root free_list = tree_at(meta + TREES_AT);
	struct tree_root trees = tree_at(meta + TREES_AT + TREE_ROOT_BYTES);

	return page_count >= 2 && page_count <= (UINT64_C(1) << 47) &&
		native_u64(meta + META_PAGE_MAP_SIZE_AT) <= (UINT64_C(1) << 48) &&
		(commit == 0 || (commit & 1) == number) &&
		tree_is_sound(&free_list, FREE_FLAGS, page_count) &&
		tree_is_sound(&trees, 0, page_count);
}

static void note_facts(struct meta_page *facts, const uint8_t *meta)
{
	facts->page_count = native_u64(meta + META_PAGE_LAST_PAGE_AT) + 1;
	facts->commit = native_u64(meta + META_PAGE_COMMIT_AT);
	facts->free_list = tree_at(meta + TREES_AT);
	facts->trees = tree_at(meta + TREES_AT + TREE_ROOT_BYTES);
}

static int refuse(const char *path, struct failure *failure)
{
	return fail_as(failure, ERR_NOT_DATABASE, "%s is not a tidetable database", path);
}

/* Refuses a file that is shorter than a meta page. An empty file gets a message for itself,
 * because os.tmpname creates such files. */
static int refuse_short(int fd, const char *path, struct failure *failure)
{
	struct stat stat;

	if (fstat(fd, &stat) || stat.st_size > 0)
		return refuse(path, failure);
	return fail_as(failure, ERR_NOT_DATABASE,
		"%s is empty; a database is created only if there is no file at its path", path);
}

static int refuse_format(const char *writer, uint32_t format, const char *path,
	struct failure *failure)
{
	return fail_as(failure, ERR_NEWER_FORMAT, "%s was written by %s (data format %u);"
		" tidetable needs a file of LMDB 0.9 (data format %u)", path, writer,
		(unsigned)format, (unsigned)VERSION);
}

/* Returns true if the word is LMDB's magic number in the other byte order. */
static bool is_swapped(const uint8_t *word)
{
	return native_u32(word) == __builtin_bswap32(MAGIC);
}

/* Checks the format, byte order, word size and page size in the first meta page. */
static int check_first(const uint8_t *meta, const char *path, struct failure *failure)
{
	uint32_t format = native_u32(meta + MAGIC_AT + 4);
	uint32_t format_1 = native_u32(meta + LMDB_1_PAGE_HEADER + 4) & LMDB_1_FORMAT_BITS;
	uint32_t page_bytes = native_u32(meta + TREES_AT);

	if (is_swapped(meta + MAGIC_AT) || is_swapped(meta + LMDB_1_PAGE_HEADER) ||
			native_u32(meta + MAGIC_AT_32_BITS) == MAGIC ||
			is_swapped(meta + MAGIC_AT_32_BITS))
		return fail_as(failure, ERR_FOREIGN_FORMAT,
			"%s was written on a machine with another word size or byte order", path);
	if (native_u32(meta + MAGIC_AT) != MAGIC)
		return native_u32(meta + LMDB_1_PAGE_HEADER) == MAGIC
			? refuse_format("LMDB 1.0", format_1, path, failure) : refuse(path,
			failure);
	if (format != VERSION)
		return refuse_format("another version of LMDB", format, path, failure);
	if (page_bytes == 0 || page_bytes & (page_bytes - 1) || page_bytes > PAGE_MOST)
		return refuse(path, failure);
	if (page_bytes != page_bytes_of_machine())
		return fail_as(failure, ERR_FOREIGN_FORMAT,
			"%s was written with pages of %u bytes, but this machine has pages of %u",
			path, (unsigned)page_bytes, (unsigned)page_bytes_of_machine());
	return 0;
}

/* Returns true if the second page is a valid meta page. Then a file whose first page is not
 * recognized is a damaged database. */
static bool second_is_valid(int fd)
{
	uint32_t page_bytes = page_bytes_of_machine();
	uint8_t meta[META_PAGE_BYTES];

	return read_at(fd, meta, META_PAGE_BYTES, page_bytes) && meta_is_one(meta, page_bytes) &&
		meta_is_sound(meta, 1);
}

/* Reads both meta pages consistently while other processes commit, by repeating until two reads
 * agree. The number of reads is bounded. If no two reads agree, the last one is used. Returns
 * false like read_at. */
static bool read_consistently(int fd, uint8_t metas[2][META_PAGE_BYTES], uint32_t page_bytes)
{
	uint8_t before[2][META_PAGE_BYTES];

	for (int reading = 0; reading < META_READINGS; reading++) {
		for (unsigned i = 0; i < 2; i++)
			if (!read_at(fd, metas[i], META_PAGE_BYTES, i * page_bytes))
				return false;
		if (reading && memcmp(before, metas, sizeof before) == 0)
			break;
		memcpy(before, metas, sizeof before);
	}
	return true;
}

/* Reads both meta pages and sets page_bytes and file_pages. A first page that is not a meta page
 * is replaced by zeros if the second one is valid. */
static int read_metas(int fd, const char *path, uint8_t metas[2][META_PAGE_BYTES],
	struct meta_page *facts, struct failure *failure)
{
	struct stat stat;
	bool is_blank;
	int err;

	if (!read_at(fd, metas[0], META_PAGE_BYTES, 0))
		return errno ? file_fail(failure, errno, path, "can't be read")
			: refuse_short(fd, path, failure);
	err = check_first(metas[0], path, failure);
	is_blank = err == ERR_NOT_DATABASE && second_is_valid(fd);
	if (err && !is_blank)
		return err;
	facts->page_bytes = page_bytes_of_machine();
	if (!read_consistently(fd, metas, facts->page_bytes))
		return errno ? file_fail(failure, errno, path, "can't be read")
			: fail_as(failure, ERR_NOT_DATABASE,
				"%s is truncated: the file ends before its second page", path);
	if (is_blank)
		memset(metas[0], 0, META_PAGE_BYTES);
	if (fstat(fd, &stat))   /* read after the meta pages, because the file may grow */
		return file_fail(failure, errno, path, "can't be examined");
	facts->file_pages = (uint64_t)stat.st_size / facts->page_bytes;
	return 0;
}

/* Returns the fault of meta page i, NULL if there is none. `chosen` is the meta page that is used.
 * The other meta page must be one commit older, or one commit newer while a writer flushes. An
 * older meta page is not checked further. */
static const char *meta_fault(uint8_t metas[2][META_PAGE_BYTES], unsigned i, unsigned chosen,
	uint32_t page_bytes)
{
	uint64_t mine = native_u64(metas[i] + META_PAGE_COMMIT_AT);
	uint64_t other = native_u64(metas[!i] + META_PAGE_COMMIT_AT);

	if (!meta_is_one(metas[i], page_bytes))
		return "is not a meta page";
	if (native_u64(metas[i]) != i)
		return "has the number of another page";
	if (native_u64(metas[i] + ADDRESS_AT) ||
			native_u64(metas[i] + META_PAGE_MAP_SIZE_AT) % page_bytes)
		return "has an invalid map address or size";
	if (i == chosen)
		return meta_is_sound(metas[i], i) ? NULL : "has invalid contents";
	if (mine == other + 1 && meta_is_sound(metas[i], i))
		return NULL;
	if (mine + 1 != other + (other == 0))
		return "has a commit number that does not match the other meta page";
	return NULL;
}

int meta_page_read(int fd, const char *path, struct meta_page *facts, struct failure *failure)
{
	uint8_t metas[2][META_PAGE_BYTES];
	unsigned newest;
	int err = read_metas(fd, path, metas, facts, failure);

	if (err)
		return err;
	newest = native_u64(metas[1] + META_PAGE_COMMIT_AT) >
		native_u64(metas[0] + META_PAGE_COMMIT_AT);
	for (unsigned i = 0; i < 2; i++)
		if (!meta_is_one(metas[i], facts->page_bytes) || facts->file_pages < 2 ||
				(i == newest && !meta_is_sound(metas[i], i)))
			return fail_as(failure, ERR_CORRUPT, "meta page %u of %s is damaged", i,
				path);
	note_facts(facts, metas[newest]);
	return 0;
}

int meta_page_read_either(int fd, const char *path, struct meta_page *facts,
	struct meta_faults *faults, struct failure *failure)
{
	uint8_t metas[2][META_PAGE_BYTES];
	bool sound[2];
	unsigned newest;
	int err = read_metas(fd, path, metas, facts, failure);

	if (err)
		return err;
	for (unsigned i = 0; i < 2; i++)
		sound[i] = meta_is_one(metas[i], facts->page_bytes) && meta_is_sound(metas[i], i);
	newest = native_u64(metas[1] + META_PAGE_COMMIT_AT) >
		native_u64(metas[0] + META_PAGE_COMMIT_AT);
	if (sound[0] != sound[1])
		newest = sound[1];
	for (unsigned i = 0; i < 2; i++)
		faults->metas[i] = meta_fault(metas, i, newest, facts->page_bytes);
	if (!sound[newest])
		return fail_as(failure, ERR_CORRUPT, "both meta pages of %s are damaged", path);
	note_facts(facts, metas[newest]);
	return 0;
}

int meta_page_read_of_commit(int fd, const char *path, uint64_t commit, struct meta_page *facts,
	struct meta_faults *faults, struct failure *failure)
{
	unsigned chosen = commit & 1;
	uint8_t metas[2][META_PAGE_BYTES];
	int err = read_metas(fd, path, metas, facts, failure);

	if (err)
		return err;
	for (unsigned i = 0; i < 2; i++)
		faults->metas[i] = meta_fault(metas, i, chosen, facts->page_bytes);
	note_facts(facts, metas[chosen]);
	return !faults->metas[chosen] && facts->commit == commit ? 0 :
		fail_as(failure, ERR_CORRUPT, "meta page %u of %s does not contain commit %llu",
			chosen, path, (unsigned long long)commit);
}

uint64_t meta_page_newest_commit(int fd, uint32_t page_bytes)
{
	uint64_t newest = 0;

	for (uint64_t i = 0; i < 2; i++) {
		uint8_t word[8];

		if (!read_at(fd, word, sizeof word, i * page_bytes + META_PAGE_COMMIT_AT))
			return 0;
		if (native_u64(word) > newest)
			newest = native_u64(word);
	}
	return newest;
}

/* --- a page of a tree --- */

static uint16_t flags_of(const struct tree_page *page)
{
	return native_u16(page->bytes + 10);
}

static uint32_t upper_of(const struct tree_page *page)
{
	return native_u16(page->bytes + 14);
}

const char *page_read(struct tree_page *page, int fd, const struct meta_page *facts,
	uint64_t number, bool expect_leaf)
{
	uint32_t lower;

	page->number = 0;
	page->size = facts->page_bytes;
	if (number < 2 || number >= facts->page_count)
		return "is referenced, but is not in the range of used pages";
	if (number >= facts->file_pages)
		return "is missing: the file is truncated";
	if (!read_at(fd, page->bytes, page->size, number * page->size))
		return PAGE_UNREAD;
	lower = native_u16(page->bytes + 12);
	if (lower <= PAGE_HEADER || lower > page->size || lower % 2)
		return "has a damaged header: its nodes can't be located";
	switch (flags_of(page) & (PAGE_BRANCH | PAGE_LEAF)) {
	case PAGE_LEAF: page->is_leaf = true; break;
	case PAGE_BRANCH: page->is_leaf = false; break;
	default: page->is_leaf = expect_leaf;
	}
	page->count = (lower - PAGE_HEADER) / 2;
	page->number = number;
	return NULL;
}

/* Returns true if the nodes of the page fill their space without overlaps and gaps. */
static bool is_dense(const struct tree_page *page)
{
	uint8_t used[PAGE_MOST / 2];
	size_t upper = upper_of(page);

	memset(used, 0, page->size / 2);
	for (unsigned i = 0; i < page->count; i++) {
		struct page_node node;

		if (!page_node(page, i, &node))
			return true;     /* reported as a fault of the node */
		memset(used + node.at / 2, 1, node.bytes / 2);
		upper += node.bytes;
	}
	return upper == page->size && !memchr(used + upper_of(page) / 2, 0,
		(page->size - upper_of(page)) / 2);
}

const char *page_fault(const struct tree_page *page)
{
	uint32_t lower = native_u16(page->bytes + 12);

	if (native_u64(page->bytes) != page->number)
		return "has the number of another page";
	if (flags_of(page) != (page->is_leaf ? PAGE_LEAF : PAGE_BRANCH))
		return "has damaged flags";
	if (upper_of(page) < lower || upper_of(page) > page->size)
		return "has a damaged header";
	if (!is_dense(page))
		return "has rows that overlap or are missing";
	return NULL;
}

static bool leaf_node(const uint8_t *bytes, uint32_t space, struct page_node *node)
{
	uint16_t flags = native_u16(bytes + 4);
	size_t inside;

	node->value_bytes = node_size(bytes);
	node->is_big = flags == NODE_BIG;
	node->is_tree = flags == NODE_SUBTREE;
	inside = node->is_big ? 8 : node->value_bytes;
	if ((flags && !node->is_big && !node->is_tree) || node->key.len == 0 ||
			inside > space - NODE_HEADER - node->key.len)
		return false;
	node->value = slice_of(node->key.data + node->key.len, inside);
	if (node->is_big)
		node->page = native_u64(node->value.data);
	node->bytes = (uint32_t)(NODE_HEADER + node->key.len + inside + 1) & ~UINT32_C(1);
	return node->bytes <= space;
}

bool page_node(const struct tree_page *page, unsigned index, struct page_node *node)
{
	uint32_t at = native_u16(page->bytes + PAGE_HEADER + 2 * (size_t)index);
	const uint8_t *bytes;
	uint32_t space;
	size_t key_len;

	if (at % 2 || at < PAGE_HEADER + 2 * page->count || at > page->size - NODE_HEADER)
		return false;
	bytes = page->bytes + at;
	space = page->size - at;
	key_len = native_u16(bytes + 6);
	if (key_len > STORE_KEY_MAX || key_len > space - NODE_HEADER)
		return false;
	*node = (struct page_node){ .key = slice_of(bytes + NODE_HEADER, key_len), .at = at };
	if (page->is_leaf)
		return leaf_node(bytes, space, node);
	node->page = child_of(bytes);
	node->bytes = (uint32_t)(NODE_HEADER + key_len + 1) & ~UINT32_C(1);
	return node->bytes <= space && (index == 0 || key_len > 0);
}

struct page_range page_child_range(const struct tree_page *page, unsigned index,
	const struct page_range *range)
{
	struct page_range child = *range;
	struct page_node node;

	if (index > 0 && page_node(page, index, &node))
		child.low = node.key;
	for (unsigned i = index + 1; i < page->count; i++)
		if (page_node(page, i, &node)) {
			child.high = node.key;
			break;
		}
	return child;
}

/* --- values in overflow pages --- */

const char *page_run_length(uint64_t *length, const struct page_node *node, int fd,
	const struct meta_page *facts)
{
	uint64_t least = (PAGE_HEADER + (uint64_t)node->value_bytes + facts->page_bytes - 1) /
		facts->page_bytes;
	uint8_t head[PAGE_HEADER];

	*length = 0;
	if (node->page < 2 || node->page >= facts->page_count)
		return "is referenced, but is not in the range of used pages";
	if (node->page >= facts->file_pages)
		return "is missing: the file is truncated";
	if (!read_at(fd, head, sizeof head, node->page * facts->page_bytes))
		return PAGE_UNREAD;
	if (native_u64(head) != node->page || native_u16(head + 10) != PAGE_OVERFLOW ||
			native_u32(head + 12) < least)
		return "has a damaged header";
	if (native_u32(head + 12) > facts->file_pages - node->page)
		return "has a damaged header, or the file is truncated";
	*length = native_u32(head + 12);
	return NULL;
}

const char *page_run_read(uint8_t *bytes, const struct page_node *node, int fd,
	const struct meta_page *facts)
{
	uint64_t at = node->page * facts->page_bytes + PAGE_HEADER;

	return read_at(fd, bytes, node->value_bytes, at) ? NULL : PAGE_UNREAD;
}
