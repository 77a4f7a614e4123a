/* durability.h - durability levels: which acknowledged commits survive a power cut. */
#ifndef LMDB_DURABILITY_H
#define LMDB_DURABILITY_H

enum durability {
	DURABILITY_FULL,       /* every acknowledged commit survives a power cut */
	DURABILITY_ONE_FLUSH,  /* a power cut may remove the last commit */
	DURABILITY_NONE,       /* a power cut may corrupt the file */
};

#endif
