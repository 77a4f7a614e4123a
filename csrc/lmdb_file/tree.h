/* tree.h - the trees of a database file, and the moves of a cursor in one of them. */
#ifndef LMDB_FILE_TREE_H
#define LMDB_FILE_TREE_H

/* Maximum length of a key, in bytes. */
#define STORE_KEY_MAX 511

/* The trees of a database file, which are LMDB's databases (doc/format.md). TREE_META is LMDB's
 * unnamed database, in which LMDB also stores the roots of the other trees under their names. Keys
 * that begin with a byte of TREE_META_END or more are LMDB's. Every commit writes the root page of
 * TREE_META anyway, so changing a row in it writes no additional page while the tree is one page.
 * So rows whose number grows with tables, streams or consumers are in other trees. */
enum tree {
	TREE_META, TREE_CATALOG, TREE_ITEMS, TREE_TAILS, TREE_PARTS, TREE_LOG, TREE_INDEXES,
	TREE_CONSUMERS,
};
#define TREE_COUNT 8
#define TREE_META_END 0x60

enum move {
	MOVE_FIRST, MOVE_LAST, MOVE_NEXT, MOVE_PREVIOUS,
	MOVE_HERE,    /* the current row (not after cursor_delete) */
	MOVE_TO,      /* the row with *key */
	MOVE_FROM,    /* the first row whose key is not less than *key */
};

#endif
