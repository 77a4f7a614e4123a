/* checker.h - state of a check, shared by the files of this room.
 *
 * The page audit visits every page, verifies the checksum of every row, and reports damaged pages
 * and rows. The later steps compare undamaged rows with the rows they refer to. A row that is
 * missing because of damage that was already reported is not reported again.
 */
#ifndef CHECK_CHECKER_H
#define CHECK_CHECKER_H

#include "base/u64_map.h"
#include "check/report.h"
#include "codec/parked.h"
#include "codec/state.h"
#include "lmdb_file/audit.h"
#include "os/thread.h"
#include "table/catalog.h"
#include "table/items.h"

/* Subject of a problem in the report. */
struct subject {
	int tree;                    /* enum tree, AUDIT_FREE_LIST, or -1 for the file */
	uint64_t page;               /* 0 if unknown */
	int row;                     /* index in the page; -1 if unknown */
	char table[TABLE_NAME_MAX + 1];
	struct buffer key;           /* key as text */
	struct buffer name;          /* subject of the sentence */
};

/* The bytes of a long key that precede a node. */
struct node_name {
	uint64_t node, parent;       /* parent is 0 if the bytes are the beginning of the key */
	size_t at, len;              /* position of the bytes in check->node_bytes */
};

struct check {
	int fd;
	struct meta_page facts;
	struct meta_faults faults;
	struct txn *txn;             /* raw transaction */
	struct report *report;
	struct progress *progress;   /* NULL if not counted */
	struct audit audit;

	bool has_file_header, has_state;   /* if false, tests that need the row are left out */
	struct file_header header;
	struct state state;
	struct catalog catalog;
	const struct table *last_table;      /* last result of check_table_with_id */
	struct u64_map dropped;      /* ids of deleted tables that still have items */
	struct u64_map indexes;      /* id of an index -> a: enum index_work; 0: it is complete */
	uint64_t clock_ms;

	bool is_damaged[TREE_COUNT]; /* true if damage in the tree was reported */
	bool is_abandoned[TREE_COUNT];       /* true if reading ended at too many unreadable rows */
	bool has_broken_items, has_broken_meta, has_broken_catalog;  /* true if unreadable rows were
	                              * skipped */
	bool lacks_rows;             /* true if a row of the catalog does not decode */
	uint64_t breaks;             /* consecutive rows that a cursor could not read */
	enum tree tree_of_rows;      /* tree that the page audit is in */
	uint32_t orphan_id;          /* id of the missing table, stream or index of the last rows */
	uint64_t orphan_rows;        /* number of these rows */

	struct u64_map parts;        /* part id -> a: number of parts of its item */
	struct u64_map nodes;        /* node id -> a: rows found in it or below it */
	struct u64_map consumers;    /* id of a consumer -> a: shards, b: shards with progress */
	struct u64_map parked;       /* id of a consumer -> counts (check/parked.c) */
	struct u64_map replays;
	struct u64_map members;      /* id of a consumer -> counts (check/parked_transaction.c) */
	struct parked_member member;
	struct u64_map copies;       /* id of one that is copying -> a: 1 if it has a copy */
	struct u64_map holds;        /* id of a consumer -> a: number of hold rows */
	struct u64_map replicas;     /* id of a replica -> a: 1 if it was promoted */
	struct u64_map replicated;   /* id of a table -> a: id of the replica that has its state */
	struct u64_map expiries;     /* id of an expiry index -> a: rows that items need */
	struct u64_map overdue;      /* key hash -> a: sequence number, b: stream, of a change
	                              * that its item does not show */
	struct u64_map transactions; /* transaction id -> a: records expected, plus records found
	                              * << 32; b: sum of the positions not found */
	struct u64_map changes;      /* table id -> its last change (check/table_changes.c) */
	struct buffer definitions;   /* those of these changes */
	uint64_t changes_lost;       /* sequence number of the last change that was removed */
	uint64_t changes_torn;       /* of the first change after unreadable rows */
	uint32_t last_created;       /* table id of the last creation */
	struct buffer item;          /* an item assembled from its parts */
	struct buffer record;

	struct subject subject;
	struct buffer scratch;
	struct node_name *node_names;
	size_t node_count, node_cap;
	struct buffer node_bytes;
	bool nodes_are_named;        /* true if node_names has been filled */
	int nodes_err;               /* error while filling node_names; 0 if complete */
};

/* Returns true if every row of the catalog was read, so that a missing one does not exist. */
static inline bool check_has_whole_catalog(const struct check *check)
{
	return !check->is_damaged[TREE_CATALOG] && !check->has_broken_catalog &&
		!check->lacks_rows;
}

#endif
