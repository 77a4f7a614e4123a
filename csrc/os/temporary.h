/* temporary.h - a file in the making, beside the name that it is to get.
 *
 * Its name is PATH-part, eight random hexadecimal digits, and eight of the CRC-32C
 * of those and of the file name: so a file that the user calls PATH-part12345678 is
 * told apart. Mode 0600. No existing file is ever written to. While its process
 * lives it has a lock on it; one without was left by a process that died, and is
 * removed, with the files that a database has next to it, when the next file is
 * made for the same name.
 */
#ifndef OS_TEMPORARY_H
#define OS_TEMPORARY_H

#include "os/file.h"

#define TEMPORARY_SUFFIX_LEN 21       /* "-part" and the digits */

/* The name of a file in the making for this path. */
void temporary_name(char *name, size_t size, const char *path, uint32_t random);

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
