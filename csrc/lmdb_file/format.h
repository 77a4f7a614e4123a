/* format.h - what a database's file says about itself, read without LMDB.
 *
 * LMDB trusts its file: a damaged one is SIGBUS, SIGSEGV or an endless loop.
 * So before LMDB maps a file, its two first pages are read here with pread and
 * checked; and whoever has to read a file that may be damaged reads all of it
 * here: a page at a time (lmdb_file/raw_cursor.h goes through a tree's rows, lmdb_file/audit.h
 * through the whole file). Nothing that a page says is believed unseen.
 */
#ifndef LMDB_FILE_FORMAT_H
#define LMDB_FILE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "lmdb_file/tree.h"

/* What a tree is described by: its root, and how much there is below it. */
struct tree_root {
	uint16_t flags;
	uint16_t depth;          /* levels of pages, 0: the tree is empty */
	uint64_t branch_pages;
	uint64_t leaf_pages;
	uint64_t overflow_pages;
	uint64_t rows;
	uint64_t root;
};

struct meta_page {
	uint32_t page_bytes;
	uint64_t page_count;     /* up to the last page ever used */
	uint64_t file_pages;     /* whole pages in the file */
	uint64_t commit;         /* the last one's number */
	struct tree_root free_list;
	struct tree_root trees; /* the unnamed one, which holds the others' roots */
};

#define TREE_NO_ROOT UINT64_MAX
#define TREE_DEPTH_MAX 32
#define TREE_ROOT_BYTES 48

/* A meta page's header and all it says. */
#define META_PAGE_BYTES 152

/* Where in a meta page (the file's first two) these words are. */
#define META_PAGE_MAP_SIZE_AT 32
#define META_PAGE_LAST_PAGE_AT 136
#define META_PAGE_COMMIT_AT 144

/* Bytes in a page of files made here. */
uint32_t page_bytes_of_machine(void);

/* The name a tree has in the unnamed one; that one's, for people, is "meta". */
const char *tree_name(enum tree tree);

/* For opening: NOT_DATABASE, FOREIGN_FORMAT, NEWER_FORMAT (LMDB's), CORRUPT,
 * STORE. Both meta pages must be sound. */
int meta_page_read(int fd, const char *path, struct meta_page *facts, struct failure *failure);

/* For checking: one sound meta page is enough, and the newer one counts. The
 * faults say what is wrong with each (NULL: nothing). */
struct meta_faults {
	const char *metas[2];
};
int meta_page_read_either(int fd, const char *path, struct meta_page *facts,
	struct meta_faults *faults, struct failure *failure);

/* The same for the meta page of this commit, the last published one: CORRUPT if it is
 * damaged. The other page may hold a newer commit. */
int meta_page_read_of_commit(int fd, const char *path, uint64_t commit, struct meta_page *facts,
	struct meta_faults *faults, struct failure *failure);

/* The newest commit that either meta page claims. 0: they can't be read. */
uint64_t meta_page_newest_commit(int fd, uint32_t page_bytes);

/* A tree's description in a row of the unnamed tree: false if it can't be one. */
bool tree_root_read(struct tree_root *tree, struct slice value,
	const struct meta_page *facts);

/* --- a page of a tree --- */

struct tree_page {
	uint8_t *bytes;          /* the caller's, as many as a page has */
	uint32_t size;
	uint64_t number;         /* 0: none was read */
	bool is_leaf;
	unsigned count;          /* its nodes */
};

/* What is said of a page when not the file's bytes are wrong, but the disk. */
extern const char PAGE_UNREAD[];

/* Reads it. NULL, or what makes it unreadable (then its number is 0). A page
 * that says itself neither leaf nor branch is what was expected. */
const char *page_read(struct tree_page *page, int fd, const struct meta_page *facts,
	uint64_t number, bool expect_leaf);

/* What is wrong with the head of a page that could be read; NULL: nothing. */
const char *page_fault(const struct tree_page *page);

/* A row's node in a leaf; in a branch a key and the page with the keys from it
 * on (the first one's key stands for the least there is). */
struct page_node {
	struct slice key;
	struct slice value;      /* in a leaf: the row's, or when `is_big`, */
	bool is_big;
	bool is_tree;            /* the value describes a tree */
	uint64_t page;           /* where it begins; in a branch, the child */
	uint32_t value_bytes;    /* its length, wherever it is */
	uint32_t at, bytes;      /* where in the page the node lies, padded */
};

/* False if the node reaches out of its page, or is none. */
bool page_node(const struct tree_page *page, unsigned index, struct page_node *node);

/* The keys that a page may hold: not less than low, less than high. They point into
 * the pages above it. */
struct page_range {
	struct slice low;
	struct slice high;       /* data NULL: there is no end */
};

/* Those of a branch's child, as far as its neighbours can be read. */
struct page_range page_child_range(const struct tree_page *page, unsigned index,
	const struct page_range *range);

/* A value in pages of its own: how many they are (LMDB keeps more than are needed
 * when a value becomes shorter), and its bytes (room for node->value_bytes).
 * NULL, or what is wrong with the first of them. */
const char *page_run_length(uint64_t *length, const struct page_node *node, int fd,
	const struct meta_page *facts);
const char *page_run_read(uint8_t *bytes, const struct page_node *node, int fd,
	const struct meta_page *facts);

#endif
