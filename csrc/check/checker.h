/* checker.h - what the files behind tide_check share.
 *
 *     check/check.c           the file: its pages, every row by itself, the catalog
 *     check/items.c     items, the nodes and parts they need
 *     check/streams.c   records: along a stream, in transactions, beside the items
 *     check/problem.c         what is wrong, in words: tree, table, key, page
 *     api/checkup.c         all of it on a thread, or in a child process
 *
 * First the pages are gone through and every row's checksum is taken: that names
 * what is damaged. Then what is sound is compared with what it belongs to; what
 * is missing only because something else is damaged is not told again.
 */
#ifndef CHECK_CHECKER_H
#define CHECK_CHECKER_H

#include "base/u64_map.h"
#include "codec/state.h"
#include "lmdb_file/audit.h"
#include "os/thread.h"
#include "table/catalog.h"
#include "table/items.h"
#include "tide.h"

/* Of doc/invariants.md: each page has one use. The others are cited as they
 * come. */
#define INVARIANT_PAGES 25

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
	struct tide_report *report;
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

/* --- check/problem.c --- */

/* Sets check->subject; the key is what the tree's row has. */
void subject_is_file(struct check *check);
void subject_is_tree(struct check *check, int tree);
void subject_is_row(struct check *check, enum tree tree, struct slice key);
/* Where the subject lies. */
void subject_lies(struct check *check, uint64_t page, int row);
/* An item by its whole key, wherever its row is. */
void subject_is_item(struct check *check, struct slice whole);
void subject_is_record(struct check *check, const struct stream_row *row, uint64_t sequence);

/* Notes a problem of the subject, as the invariant's number and a sentence. */
void problem(struct check *check, int invariant, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A problem of the rows from low up to before high (data NULL: to the end). */
void problem_of_rows(struct check *check, int tree, const char *what, struct slice low,
	struct slice high);

/* NULL when there is none. */
const struct table *check_table_with_id(struct check *check, uint32_t id);

/* --- check/check.c --- */

/* What a cursor answered: is there more to come? Of rows and pages that can't be
 * read it says CORRUPT and goes on behind them, at most so often in a row as the
 * file has places for it; then it is told, and END made of it. */
bool check_goes_on(struct check *check, int tree, int *err);

/* Hands over the rows of a tree that can be read, in order, until take returns other
 * than 0. *unread (NULL is fine) becomes true when there were others. 0, or what was
 * negative. */
typedef int take_row_of(struct check *check, enum tree tree, struct slice key,
	struct slice value);
int check_each_row(struct check *check, enum tree tree, take_row_of *take, bool *unread);

/* An empty report, which keeps the room of its text. */
void check_report_start(struct tide_report *report);

/* tide_check, in two: what is of the handle, and what any thread may do. */
int check_prepare(struct tide *tide, uint32_t *stale_readers, struct failure *failure);
int check_store(struct store *store, struct tide_report *report, struct progress *progress,
	struct failure *failure);

/* tide_check_file. */
int check_file(const char *path, struct tide_report *report, struct progress *progress,
	struct failure *failure);

/* --- check/items.c, check/streams.c: 0 or NO_MEMORY, STORE --- */

int check_items(struct check *check);
int check_streams(struct check *check);
int check_transactions(struct check *check);

#endif
