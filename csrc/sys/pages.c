/* pages.c - LMDB's file, version 1, in the machine's byte order.
 *
 * A page, of page_bytes each:
 *
 *     0   number, 8 bytes
 *     8   unused, 2
 *     10  flags, 2: BRANCH 1, LEAF 2, OVERFLOW 4, META 8
 *     12  lower, 2; upper, 2: the free space between the slots and the nodes
 *         in an overflow page: how many pages it is long, 4
 *     16  slots, 2 bytes each up to `lower`: where in the page a node begins
 *
 * A node: size (low half, high half), flags, key length, 2 bytes each; then key
 * and value. In a branch size and flags together are the child's page number,
 * 48 bits. In a leaf flags say BIG 1: the value is the number of an overflow
 * page; SUBTREE 2: the value is the description of a tree.
 *
 * A description of a tree, 48 bytes:
 *
 *     0   unused in ours (in the free list's: the page size), 4
 *     4   flags, 2; depth, 2
 *     8   counts of branch, leaf and overflow pages, 8 each; of entries, 8
 *     40  root, 8: all ones if the tree is empty
 *
 * Pages 0 and 1 are meta pages; the one with the greater commit number holds,
 * and that number's lowest bit is the page's:
 *
 *     16  magic, 4; version, 4; address, 8; map size, 8
 *     40  the free list's tree, 48; the trees' tree, 48
 *     136 last page ever used, 8; commit number, 8
 */
#include "sys/pages.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "sys/file.h"

#define MAGIC UINT32_C(0xbeefc0de)
#define VERSION 1
#define MAGIC_AT 16
#define MAGIC_AT_32_BITS 12
#define TREES_AT 40
#define TREE_BYTES 48
#define ROOT_AT 40

#define PAGE_HEADER 16
#define NODE_HEADER 8
#define PAGE_MOST UINT32_C(32768)
#define DEPTH_MOST 32

enum { PAGE_BRANCH = 1, PAGE_LEAF = 2, PAGE_OVERFLOW = 4, PAGE_META = 8, PAGE_KINDS = 0x2f };
enum { NODE_BIG = 1, NODE_SUBTREE = 2 };

/* Kept by LMDB with the free list's flags: its integer keys, and that the
 * file's name is no directory's. No other flag is ours. */
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

/* Size and flags of a node's head, in either byte order. */
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

static bool read_at(int fd, void *bytes, size_t len, uint64_t at)
{
	uint8_t *to = bytes;

	while (len) {
		ssize_t got = pread(fd, to, len, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		to += got;
		at += (uint64_t)got;
		len -= (size_t)got;
	}
	return true;
}

static int refuse(const char *path, struct failure *failure)
{
	return fail_as(failure, ERR_NOT_DATABASE, "%s: is not a tidetable database", path);
}

uint32_t pages_this_machine(void)
{
	long bytes = sysconf(_SC_PAGESIZE);

	return bytes > 0 && bytes < PAGE_MOST ? (uint32_t)bytes : PAGE_MOST;
}

/* The first page, good enough to say what wrote it. */
static int check_first(const uint8_t *meta, const char *path, struct failure *failure)
{
	uint32_t magic = native_u32(meta + MAGIC_AT);
	uint32_t narrow = native_u32(meta + MAGIC_AT_32_BITS);
	uint32_t page_bytes = native_u32(meta + TREES_AT);

	if (magic == __builtin_bswap32(MAGIC) || narrow == MAGIC ||
			narrow == __builtin_bswap32(MAGIC))
		return fail_as(failure, ERR_FOREIGN_FORMAT,
			"%s: was written on a machine of another word size or byte order", path);
	if (magic != MAGIC)
		return refuse(path, failure);
	if (native_u32(meta + MAGIC_AT + 4) != VERSION)
		return fail_as(failure, ERR_NEWER_FORMAT,
			"%s: was written by another version of LMDB (format %u)", path,
			(unsigned)native_u32(meta + MAGIC_AT + 4));
	if (page_bytes == 0 || page_bytes & (page_bytes - 1) || page_bytes > PAGE_MOST)
		return refuse(path, failure);
	if (page_bytes != pages_this_machine())
		return fail_as(failure, ERR_FOREIGN_FORMAT,
			"%s: was written with pages of %u bytes; this machine's have %u", path,
			(unsigned)page_bytes, (unsigned)pages_this_machine());
	return 0;
}

static bool tree_is_sound(const uint8_t *tree, uint16_t flags, uint64_t last_page)
{
	uint64_t root = native_u64(tree + ROOT_AT);

	return (native_u16(tree + 4) & ~FLAG_NAMED_FILE) == flags &&
		native_u16(tree + 6) <= DEPTH_MOST &&
		(root == PAGES_NO_ROOT || (root > 1 && root <= last_page));
}

/* What no commit changes. */
static bool meta_is_one(const uint8_t *meta, uint32_t page_bytes)
{
	return native_u16(meta + 10) & PAGE_META &&
		native_u32(meta + MAGIC_AT) == MAGIC &&
		native_u32(meta + MAGIC_AT + 4) == VERSION &&
		native_u32(meta + TREES_AT) == page_bytes;
}

/* The meta page that holds. (Of the other one this can't be asked: a commit
 * that fails at its last write leaves new roots there with old numbers.) */
static bool meta_is_sound(const uint8_t *meta, uint64_t number)
{
	uint64_t last_page = native_u64(meta + PAGES_META_LAST_PAGE_AT);
	uint64_t commit = native_u64(meta + PAGES_META_COMMIT_AT);

	return last_page >= 1 && last_page < (UINT64_C(1) << 47) &&
		(commit == 0 || (commit & 1) == number) &&
		tree_is_sound(meta + TREES_AT, FREE_FLAGS, last_page) &&
		tree_is_sound(meta + TREES_AT + TREE_BYTES, 0, last_page);
}

static void note_facts(struct pages_facts *facts, const uint8_t *meta)
{
	facts->page_count = native_u64(meta + PAGES_META_LAST_PAGE_AT) + 1;
	facts->commit = native_u64(meta + PAGES_META_COMMIT_AT);
	facts->roots[0] = native_u64(meta + TREES_AT + ROOT_AT);
	facts->roots[1] = native_u64(meta + TREES_AT + TREE_BYTES + ROOT_AT);
}

int pages_look(int fd, const char *path, struct pages_facts *facts, struct failure *failure)
{
	uint8_t metas[2][PAGES_META_BYTES];
	struct stat stat;
	unsigned newest;
	int err;

	if (!read_at(fd, metas[0], PAGES_META_BYTES, 0))
		return refuse(path, failure);
	err = check_first(metas[0], path, failure);
	if (err)
		return err;
	facts->page_bytes = native_u32(metas[0] + TREES_AT);
	if (!read_at(fd, metas[1], PAGES_META_BYTES, facts->page_bytes) || fstat(fd, &stat))
		return fail_as(failure, ERR_NOT_DATABASE,
			"%s: ends before its second page: it was cut off", path);
	facts->file_pages = (uint64_t)stat.st_size / facts->page_bytes;

	newest = native_u64(metas[1] + PAGES_META_COMMIT_AT) >
		native_u64(metas[0] + PAGES_META_COMMIT_AT);
	for (unsigned i = 0; i < 2; i++)
		if (!meta_is_one(metas[i], facts->page_bytes) || facts->file_pages < 2 ||
				(i == newest && !meta_is_sound(metas[i], i)))
			return fail_as(failure, ERR_CORRUPT, "%s: its page %u is damaged", path, i);
	note_facts(facts, metas[newest]);
	return 0;
}

/* --- the walk --- */

struct walk {
	int fd;
	const char *path;
	const struct pages_facts *facts;
	struct failure *failure;
	uint8_t *seen;            /* a bit for each page: none has two parents */
	uint8_t *pages;           /* room for a page at each depth */
};

static int walk_tree(struct walk *walk, uint64_t root, unsigned depth);

static int damaged(const struct walk *walk, uint64_t number, const char *how)
{
	return fail_as(walk->failure, ERR_CORRUPT, "%s: page %llu %s", walk->path,
		(unsigned long long)number, how);
}

/* Takes note of a page; it must be there, and be met for the first time. */
static int visit(struct walk *walk, uint64_t number)
{
	uint8_t bit = (uint8_t)(1u << (number & 7));

	if (number < 2 || number >= walk->facts->page_count)
		return damaged(walk, number, "is pointed to, but can't be");
	if (number >= walk->facts->file_pages)
		return damaged(walk, number, "is in use, but the file was cut off before it");
	if (walk->seen[number / 8] & bit)
		return damaged(walk, number, "is pointed to twice");
	walk->seen[number / 8] |= bit;
	return 0;
}

static int walk_overflow(struct walk *walk, uint64_t first)
{
	uint8_t head[PAGE_HEADER];
	uint32_t count;
	int err = visit(walk, first);

	if (err)
		return err;
	if (!read_at(walk->fd, head, sizeof head, first * walk->facts->page_bytes))
		return damaged(walk, first, "can't be read");
	count = native_u32(head + 12);
	if (native_u64(head) != first || !(native_u16(head + 10) & PAGE_OVERFLOW) || count == 0)
		return damaged(walk, first, "is damaged");
	for (uint64_t i = 1; i < count && !err; i++)
		err = visit(walk, first + i);
	return err;
}

/* What a leaf's node points to, if anything. */
static int walk_value(struct walk *walk, uint64_t number, const uint8_t *node, size_t room,
	unsigned depth)
{
	uint16_t flags = native_u16(node + 4);
	size_t key_len = native_u16(node + 6);
	const uint8_t *value = node + NODE_HEADER + key_len;
	size_t value_len = flags & NODE_BIG ? 8 : node_size(node);

	if (flags & ~(NODE_BIG | NODE_SUBTREE) || room < NODE_HEADER + key_len ||
			value_len > room - NODE_HEADER - key_len)
		return damaged(walk, number, "is damaged");
	if (flags & NODE_BIG)
		return walk_overflow(walk, native_u64(value));
	if (!(flags & NODE_SUBTREE))
		return 0;
	if (value_len != TREE_BYTES)
		return damaged(walk, number, "is damaged");
	return walk_tree(walk, native_u64(value + ROOT_AT), depth + 1);
}

static int walk_page(struct walk *walk, uint64_t number, unsigned depth);

static int walk_nodes(struct walk *walk, uint64_t number, const uint8_t *page, unsigned depth)
{
	uint32_t page_bytes = walk->facts->page_bytes;
	uint16_t kind = native_u16(page + 10) & PAGE_KINDS;
	uint16_t lower = native_u16(page + 12);
	int err = 0;

	if (native_u64(page) != number || (kind != PAGE_BRANCH && kind != PAGE_LEAF) ||
			lower < PAGE_HEADER || lower > page_bytes)
		return damaged(walk, number, "is damaged");
	for (uint32_t slot = PAGE_HEADER; slot + 2 <= lower && !err; slot += 2) {
		uint32_t at = native_u16(page + slot);
		const uint8_t *node = page + at;

		if (at < lower || at > page_bytes - NODE_HEADER)
			return damaged(walk, number, "is damaged");
		if (kind == PAGE_LEAF)
			err = walk_value(walk, number, node, page_bytes - at, depth);
		else
			err = walk_page(walk, child_of(node), depth + 1);
	}
	return err;
}

static int walk_page(struct walk *walk, uint64_t number, unsigned depth)
{
	uint32_t page_bytes = walk->facts->page_bytes;
	uint8_t *page = walk->pages + (size_t)depth * page_bytes;
	int err;

	if (depth >= DEPTH_MOST)
		return damaged(walk, number, "lies too deep");
	err = visit(walk, number);
	if (err)
		return err;
	if (!read_at(walk->fd, page, page_bytes, number * page_bytes))
		return damaged(walk, number, "can't be read");
	return walk_nodes(walk, number, page, depth);
}

/* Trees in trees count as one: a page at each depth, and an end to it. */
static int walk_tree(struct walk *walk, uint64_t root, unsigned depth)
{
	return root == PAGES_NO_ROOT ? 0 : walk_page(walk, root, depth);
}

int pages_walk(int fd, const char *path, const struct pages_facts *facts,
	struct failure *failure)
{
	struct walk walk = { .fd = fd, .path = path, .facts = facts, .failure = failure };
	int err;

	walk.seen = memory_zeroed(facts->file_pages / 8 + 1);
	walk.pages = memory_get((size_t)DEPTH_MOST * facts->page_bytes);
	if (!walk.seen || !walk.pages)
		err = fail(failure, ERR_NO_MEMORY);
	else
		err = walk_tree(&walk, facts->roots[0], 0);
	if (!err)
		err = walk_tree(&walk, facts->roots[1], 0);
	memory_give_back(walk.seen);
	memory_give_back(walk.pages);
	return err;
}
