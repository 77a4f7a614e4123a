/* raw_cursor.h - the rows of one tree, read with pread and not by LMDB.
 *
 * A cursor for files that may be damaged: whatever the bytes are, it ends. A
 * page is gone into only if its keys lie between those that its parent gives
 * for it, so no page is met twice; a row is given only if it lies there too.
 * Where a page or a row can't be read the answer is CORRUPT, and the next move
 * goes on behind it. It says only that: what is wrong with the page is for
 * lmdb_file/audit.h.
 */
#ifndef LMDB_FILE_RAW_CURSOR_H
#define LMDB_FILE_RAW_CURSOR_H

#include "lmdb_file/format.h"

struct raw_cursor;

/* A cursor on a tree of integer keys isn't made here: the free list has no
 * rows that anybody looks for. *unread (or NULL) counts the pages that the disk
 * did not give. NO_MEMORY. */
int raw_cursor_open(struct raw_cursor **raw, int fd, const struct meta_page *facts,
	const struct tree_root *tree, uint64_t *unread);
void raw_cursor_close(struct raw_cursor *raw);       /* NULL is fine */

/* As cursor_move. The row is lent until the next move. */
int raw_cursor_move(struct raw_cursor *raw, enum move move, struct slice *key, struct slice *value);

#endif
