/* temporary_directory.h - a directory that is removed with everything in it. */
#ifndef OS_TEMPORARY_DIRECTORY_H
#define OS_TEMPORARY_DIRECTORY_H

#include <limits.h>
#include <stdint.h>

struct failure;

struct temporary_directory {
	char path[PATH_MAX];         /* absolute; empty: none */
	int64_t pid;                 /* process that created it */
};

/* Creates a new directory, with mode 0700, in the directory that TMPDIR names, /tmp by default.
 * Returns 0 or ERR_STORE. */
int temporary_directory_create(struct temporary_directory *directory, struct failure *failure);

/* Removes the directory and everything in it; does not follow symbolic links out of it. Does
 * nothing in a forked process. May be called twice. */
void temporary_directory_remove(struct temporary_directory *directory);

#endif
