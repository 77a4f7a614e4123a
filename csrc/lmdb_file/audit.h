/* audit.h - page audit: checks every page of a data file, without LMDB.
 *
 * Walks the free list and all trees with pread. Checks that each page exists, is of the type
 * that its parent requires, has its keys in order and in its parent's range, and is used once
 * and not listed as free. Each fault is reported as a finding, and the walk continues. Each
 * row that is reached is passed to a callback.
 */
#ifndef LMDB_FILE_AUDIT_H
#define LMDB_FILE_AUDIT_H

#include "lmdb_file/format.h"
#include "os/thread.h"

/* Number of the free list in a finding; greater than those of enum tree. */
#define AUDIT_FREE_LIST TREE_COUNT

struct finding {
	int tree;                /* enum tree, AUDIT_FREE_LIST, or -1 for the file itself */
	uint64_t page;           /* page number; 0 if unknown or the first meta page */
	int row;                 /* index of the row in the page; -1 for the page itself */
	const char *what;        /* predicate of the message, which has no subject */
	bool has_number;         /* true if `what` ends with ':' and `number` follows it */
	uint64_t number;
	struct slice key;        /* key of the row, empty if it is unreadable */
	/* Range of the affected rows, low included, high excluded. For a single row with an
	 * unreadable key, low and high are the keys of its neighbours. */
	bool has_range;
	struct slice low;
	struct slice high;       /* data is NULL if it is unbounded */
};

struct audit_row {
	enum tree tree;
	uint64_t page;
	int row;
	struct slice key, value;
};

/* Callbacks of a page audit. Their arguments are valid only during the call. */
struct audit_callbacks {
	void (*found)(void *context, const struct finding *finding);
	/* May be NULL. A result other than 0 ends the audit. */
	int (*row)(void *context, const struct audit_row *row);
	void *context;
};

struct audit {
	/* Leaked pages are neither in use nor free. Pages that are not reached, because a page
	 * above them is damaged, count as leaked. */
	uint64_t pages_used, pages_free, pages_leaked, rows;
	bool is_damaged[TREE_COUNT + 1];     /* true if the tree has a finding */
	struct tree_root trees[TREE_COUNT];
};

/* Audits the snapshot of the meta page `facts`. No writer may reuse the pages of this snapshot
 * during the call. Returns 0, ERR_NO_MEMORY, the result of callbacks->row if it is not 0, or
 * ERR_CORRUPT if callbacks->found was called. */
int audit_file(struct audit *audit, int fd, const struct meta_page *facts,
	const struct audit_callbacks *callbacks);

/* Reads the descriptors of all trees from the unnamed tree. A tree whose descriptor is missing
 * or unreadable is marked as lost and returned as empty. *unread is incremented as in
 * lmdb_file/raw_cursor.h. Returns 0 or ERR_NO_MEMORY. */
int audit_trees(struct tree_root trees[TREE_COUNT], bool lost[TREE_COUNT], int fd,
	const struct meta_page *facts, uint64_t *unread);

/* Checks only the root page of each tree, before a file is opened. Returns 0, ERR_CORRUPT or
 * ERR_NO_MEMORY. */
int audit_tops(int fd, const char *path, const struct meta_page *facts,
	struct failure *failure);

/* Audits the file and reports the first finding in failure. No writer may reuse pages of the
 * snapshot during the call. progress may be NULL. Returns 0, ERR_CORRUPT, ERR_NO_MEMORY, or
 * ERR_INTERRUPTED if progress requests it. */
int audit_first(int fd, const char *path, const struct meta_page *facts,
	struct progress *progress, struct failure *failure);

#endif
