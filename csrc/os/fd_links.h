/* fd_links.h - symbolic links to /proc/self/fd/N, given to LMDB as the names of open files.
 *
 * LMDB opens files by name: the data file twice and the lock file once. If LMDB got the database's
 * name, the name would be resolved again after the files were checked, and could then refer to
 * another file. A link to /proc/self/fd/N always refers to the file that was checked.
 *
 * The links are kept in the directory tidetable-links-UID, mode 0700, in /dev/shm, $TMPDIR or
 * /tmp. The names of the links are the descriptor numbers, so all processes of the user share the
 * links, and the links are never removed. If the directory cannot be created or is owned by
 * another user, a new directory is used instead and removed by fd_links_remove.
 */
#ifndef OS_FD_LINKS_H
#define OS_FD_LINKS_H

#include "os/file.h"

struct fd_links {
	char directory[PATH_MAX];    /* directory that fd_links_remove removes; empty if none */
	char path[PATH_MAX];         /* name for LMDB, which appends "-lock" for the lock file */
};

/* Creates the links for a data file and a lock file and sets links->path. lock_fd is -1 if LMDB
 * opens the database without a lock file. database is the database's path; its directory is used
 * if no temporary directory is usable. Without /proc, links->path is set to database. Returns 0,
 * ERR_DISK_FULL, ERR_PERMISSION or ERR_STORE. */
int fd_links_make(struct fd_links *links, int data_fd, int lock_fd, const char *database,
	struct failure *failure);
void fd_links_remove(struct fd_links *links);

#endif
