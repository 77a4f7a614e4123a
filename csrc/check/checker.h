/* checker.h - what the files of this room share: what is being checked, and what is known of it.
 *
 * First the pages are gone through and every row's checksum is taken: that names
 * what is damaged. Then what is sound is compared with what it belongs to; what
 * is missing only because something else is damaged is not told again.
 */
#ifndef CHECK_CHECKER_H
#define CHECK_CHECKER_H

#include "base/u64_map.h"
#include "check/report.h"
#include "codec/state.h"
#include "lmdb_file/audit.h"
#include "os/thread.h"
#include "table/catalog.h"
#include "table/items.h"

/* Whom a problem is about. */
struct subject {
	int tree;                    /* enum tree, AUDIT_FREE_LIST, -1: the file */
	uint64_t page;               /* 0: not known */
	int row;                     /* its index in the page; -1: not known */
	char table[TABLE_NAME_MAX + 1];
	struct buffer key;           /* as people read it */
	struct buffer name;          /* the sentence's subject */
};

/* A long key's node: where in the key it begins. */
struct node_name {
	uint64_t node, parent;       /* parent 0: the bytes begin the key */
	size_t at, len;              /* its share of the key, in check->node_bytes */
};

struct check {
	int fd;
	struct meta_page facts;
	struct meta_faults faults;
	struct txn *txn;             /* careful */
	struct report *report;
	struct progress *progress;   /* NULL: nobody looks */
	struct audit audit;

	bool has_file_header, has_state;   /* else what can't be known isn't asked */
	struct file_header header;
	struct state state;
	struct catalog catalog;
	const struct table *last_table;
	struct u64_map dropped;        /* ids of deleted tables that still have items */
	uint64_t clock_ms;

	bool is_damaged[TREE_COUNT]; /* rows of the tree can't be read */
	bool is_endless[TREE_COUNT]; /* its rows were given up */
	bool has_broken_items, has_broken_meta;
	uint64_t breaks;             /* in a row that a cursor could not read */
	enum tree tree_of_rows;      /* which the survey is in */
	uint32_t stray;              /* the table or stream of the last row of none, */
	uint64_t stray_rows;         /* and how many it has */

	struct u64_map parts;          /* part id: pieces its item has */
	struct u64_map nodes;          /* node id: met */
	struct u64_map overdue;        /* key's hash: a change that its item lacks */
	struct u64_map transactions;   /* id: records seen in several streams */
	struct buffer item;          /* an item put together */
	struct buffer record;

	struct subject subject;
	struct buffer scratch;
	struct node_name *node_names;
	size_t node_count, node_cap;
	struct buffer node_bytes;
	bool nodes_are_named;
	int nodes_err;               /* NO_MEMORY: not all of them */
};

#endif
