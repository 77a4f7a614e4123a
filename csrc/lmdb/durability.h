/* durability.h - what a power cut may take from acknowledged commits. */
#ifndef LMDB_DURABILITY_H
#define LMDB_DURABILITY_H

enum durability {
	DURABILITY_FULL,       /* an acknowledged commit survives a power cut */
	DURABILITY_ONE_FLUSH,  /* a power cut may take back the last commit */
	DURABILITY_NONE,       /* a power cut may ruin the file */
};

#endif
