/* problem.h - what is wrong with a file, in words: tree, table, key, page. */
#ifndef CHECK_PROBLEM_H
#define CHECK_PROBLEM_H

#include "check/checker.h"

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

#endif
