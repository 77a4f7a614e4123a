/* cursor.h - cursors on the trees of a store. */
#ifndef LMDB_CURSOR_H
#define LMDB_CURSOR_H

#include "lmdb/txn.h"

/* Opens another cursor on a tree. The cursor must be closed before the transaction ends or is
 * reset. */
int cursor_open(struct cursor **cursor, struct txn *txn, enum tree tree);
void cursor_close(struct cursor *cursor);     /* NULL is allowed */

/* Moves the cursor and sets *key and *value to its row. MOVE_TO and MOVE_FROM search for *key.
 * Returns 0, END if no row was found, or an error. */
int cursor_move(struct cursor *cursor, enum move move, struct slice *key, struct slice *value);

/* Prefetches the row that probably follows the given one, for a forward walk that reads every row
 * completely. LMDB fills a page from its end, so the row after an appended row is stored at the
 * addresses just before that row, where hardware prefetching does not find it. If the next row is
 * stored elsewhere, the prefetch is useless but harmless. */
static inline void cursor_expect_next(struct slice key, struct slice value)
{
	const size_t cache_line = 64;
	uintptr_t at = (uintptr_t)key.data;
	size_t len = value.len < STORE_ROW_SHARE ? value.len : STORE_ROW_SHARE;

	for (size_t before = cache_line; before <= len + cache_line; before += cache_line)
		__builtin_prefetch((const void *)(at - before));
}

/* Deletes the current row. MOVE_NEXT then moves to the row after it. */
int cursor_delete(struct cursor *cursor);

#endif
