/* table_changes.h - checks the records of changes of tables against each other and the catalog. */
#ifndef CHECK_TABLE_CHANGES_H
#define CHECK_TABLE_CHANGES_H

#include "check/checker.h"

/* Checks the content of the current record of the stream of the changes of tables, which was read
 * and decodes. torn: unreadable rows precede it. Returns 0 or NO_MEMORY. */
int check_table_change(struct check *check, const struct stream_row *row,
	const struct record *record, bool torn);

/* Compares the last record of each table with the catalog, which must be complete. torn: unreadable
 * rows end the stream. removed: sequence number of the last record that was removed; 0: none. */
int check_last_changes(struct check *check, uint64_t removed, bool torn);

void check_changes_release(struct check *check);

#endif
