/* tree.h - the trees of a database file, and the moves of a cursor in one of them. */
#ifndef LMDB_FILE_TREE_H
#define LMDB_FILE_TREE_H

/* Maximum length of a key, in bytes. */
#define STORE_KEY_MAX 511

/* Trees are LMDB's databases; their set is fixed (doc/format.md). TREE_META is
 * the unnamed one, in which LMDB keeps the roots of the others under their
 * names: what begins with TREE_META_END or more there is not ours. Each commit
 * writes that page anyway, so a row in it costs no page of its own. */
enum tree { TREE_META, TREE_ITEMS, TREE_TAILS, TREE_PARTS, TREE_LOG };
#define TREE_COUNT 5
#define TREE_META_END 0x60

enum move {
	MOVE_FIRST, MOVE_LAST, MOVE_NEXT, MOVE_PREVIOUS,
	MOVE_HERE,    /* the row it is on (not after cursor_delete) */
	MOVE_TO,      /* the row with *key */
	MOVE_FROM,    /* the first row whose key is not less than *key */
};

#endif
