/* problem.h - formats problems as lines of the report, with tree, table, key, page and a
 * sentence. */
#ifndef CHECK_PROBLEM_H
#define CHECK_PROBLEM_H

#include "check/checker.h"

/* The subject_set functions set check->subject, the subject of the next problem. `key` is the key
 * of the row in its tree. */
void subject_set_file(struct check *check);
void subject_set_tree(struct check *check, int tree);
void subject_set_row(struct check *check, enum tree tree, struct slice key);
/* `whole` is the item's complete key, which may be stored in several rows. */
void subject_set_item(struct check *check, struct slice whole);
void subject_set_record(struct check *check, const struct stream_row *row, uint64_t sequence);

/* Adds the subject's page (0 if unknown) and its row in the page (-1 if unknown). */
void subject_set_page(struct check *check, uint64_t page, int row);

/* Adds a problem to the report: the number of the violated invariant, the subject and the rest of
 * the sentence. */
void problem(struct check *check, int invariant, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Adds a problem of the tree's rows from key `low`, which is included, up to key `high`, which is
 * not. If low is empty, the range begins with the first row; if high.data is NULL, the range ends
 * with the last row. */
void problem_of_rows(struct check *check, int tree, const char *what, struct slice low,
	struct slice high);

/* Returns the table with this id in the catalog of the checked file, NULL if there is none. */
const struct table *check_table_with_id(struct check *check, uint32_t id);

#endif
