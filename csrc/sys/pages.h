/* pages.h - what a database's file says about itself, read without LMDB.
 *
 * LMDB trusts its file: a damaged one is SIGBUS, SIGSEGV or an endless loop.
 * So before LMDB maps a file, its two first pages are read here with pread and
 * checked; and where the file is shorter than they say, whether every page in
 * use is there (a healthy file may lack free pages at its end).
 */
#ifndef SYS_PAGES_H
#define SYS_PAGES_H

#include <stdint.h>

#include "base/error.h"

struct pages_facts {
	uint32_t page_bytes;
	uint64_t page_count;     /* up to the last page ever used */
	uint64_t file_pages;     /* whole pages in the file */
	uint64_t commit;         /* the last one's number */
	uint64_t roots[2];       /* of the free list and of the trees' tree */
};

#define PAGES_NO_ROOT UINT64_MAX

/* A meta page's header and all it says. */
#define PAGES_META_BYTES 152

/* Where in a meta page (the file's first two) these two words are. */
#define PAGES_META_LAST_PAGE_AT 136
#define PAGES_META_COMMIT_AT 144

/* Bytes in a page of files made here. */
uint32_t pages_this_machine(void);

/* NOT_DATABASE, FOREIGN_FORMAT, NEWER_FORMAT (LMDB's), CORRUPT, STORE. */
int pages_look(int fd, const char *path, struct pages_facts *facts, struct failure *failure);

/* Walks all pages in use, while nobody writes: CORRUPT if one is missing or
 * isn't what its parent says. */
int pages_walk(int fd, const char *path, const struct pages_facts *facts,
	struct failure *failure);

#endif
