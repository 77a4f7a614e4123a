/* rows.c - iterates over the readable rows of a tree. */
#include "check/rows.h"

/* Maximum number of rows of a page that can each be unreadable. */
#define BREAKS_PER_PAGE 256

bool check_continues(struct check *check, int tree, int *err)
{
	check->breaks = *err == ERR_CORRUPT ? check->breaks + 1 : 0;
	if (check->breaks > check->facts.file_pages * BREAKS_PER_PAGE) {
		check->is_abandoned[tree] = true;
		*err = END;
	}
	return *err == 0 || *err == ERR_CORRUPT;
}

int check_each_row(struct check *check, enum tree tree, take_row_of *take, bool *unread)
{
	struct slice key, value;
	struct cursor *cursor;
	int err = cursor_open(&cursor, check->txn, tree), taken = 0;

	if (err)
		return err;
	err = cursor_move(cursor, MOVE_FIRST, &key, &value);
	while (!taken && check_continues(check, (int)tree, &err)) {
		if (err != ERR_CORRUPT)
			taken = take(check, tree, key, value);
		else if (unread)
			*unread = true;
		err = cursor_move(cursor, MOVE_NEXT, &key, &value);
	}
	cursor_close(cursor);
	if (taken)
		return taken < 0 ? taken : 0;
	return err < 0 ? err : 0;
}
