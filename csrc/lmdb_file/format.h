/* format.h - reads and checks pages of LMDB's data file without LMDB.
 *
 * LMDB trusts its data file, so a damaged file causes SIGBUS, SIGSEGV or an endless loop.
 * Therefore the first two pages are read with pread and checked before LMDB maps a file. Code that
 * must read a damaged file reads single pages with these functions: lmdb_file/raw_cursor.h
 * iterates over the rows of a tree, lmdb_file/audit.h over the whole file. Every value is checked
 * before it is used.
 */
#ifndef LMDB_FILE_FORMAT_H
#define LMDB_FILE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "lmdb_file/tree.h"

/* Descriptor of a tree, as LMDB stores it (MDB_db): its root page and its size. */
struct tree_root {
	uint16_t flags;
	uint16_t depth;          /* number of levels; 0 if the tree is empty */
	uint64_t branch_pages;
	uint64_t leaf_pages;
	uint64_t overflow_pages;
	uint64_t rows;
	uint64_t root;
};

/* Content of a meta page. */
struct meta_page {
	uint32_t page_bytes;
	uint64_t page_count;     /* number of pages up to the last page ever used */
	uint64_t file_pages;     /* number of whole pages in the file */
	uint64_t commit;         /* number of the commit that wrote the meta page */
	struct tree_root free_list;
	struct tree_root trees;  /* the unnamed tree, which contains the roots of the others */
};

#define TREE_NO_ROOT UINT64_MAX
#define TREE_DEPTH_MAX 32
#define TREE_ROOT_BYTES 48

/* Size of a meta page's header and content. */
#define META_PAGE_BYTES 152

/* Offsets of fields in a meta page. The first two pages of the file are meta pages. */
#define META_PAGE_MAP_SIZE_AT 32
#define META_PAGE_LAST_PAGE_AT 136
#define META_PAGE_COMMIT_AT 144

/* Returns the page size of files created on this machine. */
uint32_t page_bytes_of_machine(void);

/* Returns the name of a tree, under which LMDB stores it; "meta" for the unnamed tree. */
const char *tree_name(enum tree tree);

/* Reads the newer meta page, before a database is opened. Both meta pages must be valid.
 * Returns 0, ERR_NOT_DATABASE, ERR_FOREIGN_FORMAT, ERR_NEWER_FORMAT (of LMDB), ERR_CORRUPT or
 * ERR_STORE. */
int meta_page_read(int fd, const char *path, struct meta_page *facts, struct failure *failure);

/* Fault of each meta page; NULL if it has none. */
struct meta_faults {
	const char *metas[2];
};

/* Reads the newer valid meta page, for the check of a database, where one valid meta page is
 * sufficient. Sets *faults. Returns the errors of meta_page_read. */
int meta_page_read_either(int fd, const char *path, struct meta_page *facts,
	struct meta_faults *faults, struct failure *failure);

/* Reads the meta page of a commit, which must be the last published one. The other meta page may
 * contain a newer commit. Returns ERR_CORRUPT if the meta page of the commit is damaged. */
int meta_page_read_of_commit(int fd, const char *path, uint64_t commit, struct meta_page *facts,
	struct meta_faults *faults, struct failure *failure);

/* Returns the larger commit number of the two meta pages, unchecked; 0 if they cannot be
 * read. */
uint64_t meta_page_newest_commit(int fd, uint32_t page_bytes);

/* Decodes the descriptor of a tree, the value of a row of the unnamed tree. Returns false if it
 * is invalid. */
bool tree_root_read(struct tree_root *tree, struct slice value,
	const struct meta_page *facts);

/* --- a page of a tree --- */

struct tree_page {
	uint8_t *bytes;          /* buffer of page_bytes bytes, owned by the caller */
	uint32_t size;
	uint64_t number;         /* 0 if no page was read */
	bool is_leaf;
	unsigned count;          /* number of nodes */
};

/* Fault of a page that the disk fails to read. */
extern const char PAGE_UNREAD[];

/* Reads a page. Returns NULL, or a description of the fault that makes the page unreadable;
 * page->number is then 0. expect_leaf applies if the flags of the page identify neither a leaf nor
 * a branch. */
const char *page_read(struct tree_page *page, int fd, const struct meta_page *facts,
	uint64_t number, bool expect_leaf);

/* Checks the header of a readable page and that its nodes fill their space. Returns a
 * description of the fault, NULL if there is none. */
const char *page_fault(const struct tree_page *page);

/* A node of a page. In a leaf, a node is a row. In a branch, a node is a key and the child page
 * with the keys from this key on; the first key of a branch counts as the smallest possible key. */
struct page_node {
	struct slice key;
	struct slice value;      /* in a leaf: the row's value, unless is_big */
	bool is_big;             /* true if the value is stored in overflow pages */
	bool is_tree;            /* true if the value is the descriptor of a tree */
	uint64_t page;           /* in a branch: the child; if is_big: the first overflow page */
	uint32_t value_bytes;    /* length of the value, also if is_big */
	uint32_t at, bytes;      /* offset of the node in its page, and its padded length */
};

/* Decodes a node. Returns false if it is invalid or extends beyond its page. */
bool page_node(const struct tree_page *page, unsigned index, struct page_node *node);

/* Range of the keys of a page. Its keys are not less than low and less than high. The slices point
 * into the parent pages. */
struct page_range {
	struct slice low;
	struct slice high;       /* data is NULL if it is unbounded */
};

/* Returns the range of a branch's child. If a neighbouring node is unreadable, the next readable
 * one is used. */
struct page_range page_child_range(const struct tree_page *page, unsigned index,
	const struct page_range *range);

/* Functions for a value in overflow pages. page_run_length sets *length to the number of these
 * pages, which may be more than necessary, because LMDB keeps them if a value becomes shorter.
 * page_run_read copies the value to `bytes`, which must have space for node->value_bytes. Both
 * return NULL, or a description of the fault of the first page. */
const char *page_run_length(uint64_t *length, const struct page_node *node, int fd,
	const struct meta_page *facts);
const char *page_run_read(uint8_t *bytes, const struct page_node *node, int fd,
	const struct meta_page *facts);

#endif
