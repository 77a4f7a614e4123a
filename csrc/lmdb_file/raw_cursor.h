/* raw_cursor.h - a cursor on one tree that reads LMDB's data file with pread, without LMDB.
 *
 * The file may be damaged, but a walk ends for any bytes. The cursor enters a page only if the
 * page has a key between the two keys that the parent page gives for it, so the cursor enters no
 * page twice. The cursor returns only rows whose keys are between these two keys as well. If a
 * page or a row cannot be read, the move returns ERR_CORRUPT, and the next move continues after
 * the page or row. lmdb_file/audit.h reports the fault of the page.
 */
#ifndef LMDB_FILE_RAW_CURSOR_H
#define LMDB_FILE_RAW_CURSOR_H

#include "lmdb_file/format.h"

struct raw_cursor;

/* Opens a cursor on a tree. Integer keys, which only the free list has, are not supported. If
 * unread is not NULL, *unread is incremented for each page that the disk fails to read. Returns
 * 0 or ERR_NO_MEMORY. */
int raw_cursor_open(struct raw_cursor **raw, int fd, const struct meta_page *facts,
	const struct tree_root *tree, uint64_t *unread);
void raw_cursor_close(struct raw_cursor *raw);       /* NULL is allowed */

/* Like cursor_move (lmdb/store.h). *key and *value are valid until the next move. */
int raw_cursor_move(struct raw_cursor *raw, enum move move, struct slice *key, struct slice *value);

#endif
