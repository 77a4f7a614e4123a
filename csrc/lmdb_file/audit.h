/* audit.h - every page of a file, and the one use each is put to.
 *
 * Walks the free list and all trees with pread: pages are there, are what
 * their parents say, in order within and across, and none is used twice or
 * used and free at once. What is wrong is told finding by finding, and the walk
 * goes on; each row that can be reached is handed over, whatever is in it.
 */
#ifndef LMDB_FILE_AUDIT_H
#define LMDB_FILE_AUDIT_H

#include "lmdb_file/format.h"
#include "os/thread.h"

/* Where the free list's pages are told of. */
#define AUDIT_FREE_LIST TREE_COUNT

struct finding {
	int tree;                /* enum tree, or AUDIT_FREE_LIST; -1: the file */
	uint64_t page;           /* 0: none in particular (or the first meta page) */
	int row;                 /* its index in the page; -1: the page itself */
	const char *what;        /* a sentence without its subject */
	bool has_number;         /* the sentence ends with ':', and this is behind it */
	uint64_t number;
	struct slice key;        /* of the row, as far as it can be read */
	/* The rows that it concerns, from low up to before high; or, when it is one
	 * row whose key can't be read, the keys of its neighbours. */
	bool has_range;
	struct slice low;
	struct slice high;       /* data NULL: to the end */
};

struct audit_row {
	enum tree tree;
	uint64_t page;
	int row;
	struct slice key, value;
};

/* Lent for the call. */
struct audit_told {
	void (*found)(void *context, const struct finding *finding);
	/* May be NULL; what it returns other than 0 ends the survey. */
	int (*row)(void *context, const struct audit_row *row);
	void *context;
};

struct audit {
	/* Leaked pages are neither used nor free; where something is damaged, what
	 * lies behind it counts too. */
	uint64_t pages_used, pages_free, pages_leaked, rows;
	bool is_damaged[TREE_COUNT + 1];     /* something was found in the tree */
	struct tree_root trees[TREE_COUNT];
};

/* Of the snapshot that facts tells of; nobody may use its pages again while it
 * runs. 0, NO_MEMORY, what `row` returned, or CORRUPT: `found` has told. */
int audit_file(struct audit *audit, int fd, const struct meta_page *facts,
	const struct audit_told *told);

/* The roots of all trees, from the unnamed one. One that can't be found there is
 * lost, and as if empty; unread as in lmdb_file/raw_cursor.h. 0 or NO_MEMORY. */
int audit_trees(struct tree_root trees[TREE_COUNT], bool lost[TREE_COUNT], int fd,
	const struct meta_page *facts, uint64_t *unread);

/* For opening, quickly: the page at the top of each tree. CORRUPT, NO_MEMORY. */
int audit_tops(int fd, const char *path, const struct meta_page *facts,
	struct failure *failure);

/* All of a file of which nobody uses pages again meanwhile: CORRUPT, with the first
 * thing that is wrong; INTERRUPTED if the progress (or NULL) says so; NO_MEMORY. */
int audit_first(int fd, const char *path, const struct meta_page *facts,
	struct progress *progress, struct failure *failure);

#endif
