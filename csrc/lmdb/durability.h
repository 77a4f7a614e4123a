/* durability.h - durability levels: which acknowledged commits survive a power failure. */
#ifndef LMDB_DURABILITY_H
#define LMDB_DURABILITY_H

enum durability {
	DURABILITY_FULL,       /* an acknowledged commit survives a power failure */
	DURABILITY_ONE_FLUSH,  /* a power failure may undo the last commit */
	DURABILITY_NONE,       /* a power failure may corrupt the file */
};

#endif
