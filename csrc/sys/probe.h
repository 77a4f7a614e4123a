/* probe.h - the rows of one tree, read with pread and not by LMDB.
 *
 * A cursor for files that may be damaged: whatever the bytes are, it ends. A
 * page is gone into only if its keys lie between those that its parent gives
 * for it, so no page is met twice; a row is given only if it lies there too.
 * Where a page or a row can't be read the answer is CORRUPT, and the next move
 * goes on behind it. It says only that: what is wrong with the page is for
 * sys/survey.h.
 */
#ifndef SYS_PROBE_H
#define SYS_PROBE_H

#include "sys/pages.h"

struct probe;

/* A cursor on a tree of integer keys isn't made here: the free list has no
 * rows that anybody looks for. *unread (or NULL) counts the pages that the disk
 * did not give. NO_MEMORY. */
int probe_open(struct probe **probe, int fd, const struct pages_facts *facts,
	const struct pages_tree *tree, uint64_t *unread);
void probe_close(struct probe *probe);       /* NULL is fine */

/* As cursor_move. The row is lent until the next move. */
int probe_move(struct probe *probe, enum move move, struct slice *key, struct slice *value);

#endif
