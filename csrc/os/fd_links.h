/* fd_links.h - names for open descriptors: LMDB opens files by name, and gets these.
 *
 * LMDB opens the data file twice and the lock file once. Were it given the name of
 * the database, that would be resolved again after the files were
 * checked: by then it may be a link to another file. So it gets links to
 * /proc/self/fd/N.
 *
 * The links are in a directory of this user, tidetable-links-UID in /dev/shm, $TMPDIR
 * or /tmp, mode 0700, and stay there: they have the numbers of the descriptors as
 * names, and serve all processes of the user. If that directory can't be had, or
 * another user has made it, they are in a new one that is removed again.
 */
#ifndef OS_FD_LINKS_H
#define OS_FD_LINKS_H

#include "os/file.h"

struct fd_links {
	char directory[PATH_MAX];    /* to be removed; empty: none */
	char path[PATH_MAX];         /* for LMDB; it adds "-lock" for the lock file */
};

/* Makes the name for a data file and a lock file. lock_fd -1: LMDB is to open without
 * one. beside is the database's path: if no directory for temporary files can be
 * used, the one of the database is. Without /proc the name is `beside` itself.
 * DISK_FULL, PERMISSION, STORE. */
int fd_links_make(struct fd_links *links, int data_fd, int lock_fd, const char *beside,
	struct failure *failure);
void fd_links_remove(struct fd_links *links);

#endif
