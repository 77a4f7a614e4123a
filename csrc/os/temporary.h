/* temporary.h - a temporary file that is renamed to its final path when it is complete.
 *
 * The name of a temporary file is PATH-part, eight random hexadecimal digits, and the CRC-32C of
 * these digits and the file name as eight more digits. The checksum distinguishes a temporary file
 * from a user's file such as PATH-part12345678. The mode of the file is 0600. No existing file is
 * ever written to. The process that creates a temporary file holds a lock on it, so a file without
 * a lock was left by a process that died. Such a file and its side files are removed when the next
 * temporary file for the same path is created.
 */
#ifndef OS_TEMPORARY_H
#define OS_TEMPORARY_H

#include "os/file.h"

#define TEMPORARY_SUFFIX_LEN 21       /* "-part" and the digits */

/* Stores in name the path of a temporary file for this path and random number. */
void temporary_name(char *name, size_t size, const char *path, uint32_t random);

struct temporary {
	int fd;                      /* open for reading and writing; -1 if none */
	char path[PATH_MAX];         /* empty if there is nothing to remove */
};

/* Creates and locks a temporary file for a path from file_resolve. Returns 0, ERR_VALIDATION
 * (path too long), ERR_PERMISSION, ERR_DISK_FULL, ERR_BUSY or ERR_STORE. */
int temporary_make(struct temporary *temporary, const char *path, struct failure *failure);

/* Durably renames the file to path. If `overwrite` is true, an existing file of that name is
 * replaced; if it is false, an existing file is an error. On failure the file at path is
 * unchanged, with one exception: if the flush after a rename that replaced a file fails, the new
 * file stays. */
int temporary_publish(struct temporary *temporary, const char *path, bool overwrite,
	struct failure *failure);

/* Closes the temporary file, and removes it if it was not published. May be called twice. */
void temporary_drop(struct temporary *temporary);

/* Closes the descriptor in a forked process. The parent keeps the temporary file. */
void temporary_forget(struct temporary *temporary);

#endif
