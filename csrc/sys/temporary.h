/* temporary.h - a file in the making, beside the name that it is to get.
 *
 * It is PATH-part and eight random digits, mode 0600, made for us alone: no
 * file that was there is ever written to or removed. While its process lives
 * it has a lock on it; one without is what a dead process has left, and goes
 * when the next file is made for the same name, with the files that a database
 * has beside it.
 */
#ifndef SYS_TEMPORARY_H
#define SYS_TEMPORARY_H

#include "sys/file.h"

struct temporary {
	int fd;                      /* reads and writes */
	char path[PATH_MAX];         /* empty: there is none */
};

/* For a path that file_resolve made. VALIDATION (too long), PERMISSION,
 * DISK_FULL, STORE. */
int temporary_make(struct temporary *temporary, const char *path, struct failure *failure);

/* Gives it the name, durably: `overwrite` says whether a file may lose it.
 * On failure nothing has the name that hadn't, and the temporary is as it was. */
int temporary_publish(struct temporary *temporary, const char *path, bool overwrite,
	struct failure *failure);

/* Removes what is left, and closes it; twice is fine. */
void temporary_drop(struct temporary *temporary);

/* In a child of fork: closes it, and leaves the file to the parent. */
void temporary_forget(struct temporary *temporary);

#endif
