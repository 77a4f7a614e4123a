/* fd_links.c - symbolic links to /proc/self/fd/N, given to LMDB as the names of open files. */
#include "os/fd_links.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "tidetable-links-"
#define DESCRIPTOR_PATH_MAX 40
#define LINK_MAX_LEN 40          /* "/", two numbers, "-lock" */

static void name_descriptor(char path[DESCRIPTOR_PATH_MAX], int fd)
{
	snprintf(path, DESCRIPTOR_PATH_MAX, "/proc/self/fd/%d", fd);
}

/* Creates a link to /proc/self/fd/N. Returns 0 or an errno. A link that another process of this
 * user has created is reused. */
static int make_link(int fd, const char *path)
{
	char to[DESCRIPTOR_PATH_MAX], found[DESCRIPTOR_PATH_MAX + 1] = "";

	name_descriptor(to, fd);
	if (symlink(to, path) == 0)
		return 0;
	if (errno != EEXIST)
		return errno;
	if (readlink(path, found, sizeof found - 1) < 0)
		return errno;
	return strcmp(found, to) == 0 ? 0 : EEXIST;
}

static void name_lock(char path[PATH_MAX + 8], const struct fd_links *links)
{
	snprintf(path, PATH_MAX + 8, "%s-lock", links->path);
}

/* Creates the links for the data file and the lock file. Returns 0 or an errno. */
static int make_both(struct fd_links *links, const char *directory, int data_fd, int lock_fd)
{
	char lock[PATH_MAX + 8];
	int system;

	snprintf(links->path, sizeof links->path, "%.*s/%d.%d", PATH_MAX - LINK_MAX_LEN,
		directory, data_fd, lock_fd);
	name_lock(lock, links);
	system = make_link(data_fd, links->path);
	return system ? system : make_link(lock_fd, lock);
}

/* --- the user's directory --- */

static bool is_private(const char *directory)
{
	struct stat stat;

	return lstat(directory, &stat) == 0 && S_ISDIR(stat.st_mode) &&
		stat.st_uid == geteuid() && (stat.st_mode & 07777) == 0700;
}

static bool make_in(struct fd_links *links, const char *parent, int data_fd, int lock_fd)
{
	char directory[PATH_MAX];
	int len = snprintf(directory, sizeof directory, "%s/" NAME "%lu", parent,
		(unsigned long)geteuid());

	if (len < 0 || len >= PATH_MAX - LINK_MAX_LEN)
		return false;
	if (mkdir(directory, 0700) && errno != EEXIST)
		return false;
	return is_private(directory) && make_both(links, directory, data_fd, lock_fd) == 0;
}

static bool make_in_users_directory(struct fd_links *links, int data_fd, int lock_fd)
{
	const char *chosen = getenv("TMPDIR");

	return make_in(links, "/dev/shm", data_fd, lock_fd) ||
		(chosen && *chosen == '/' && make_in(links, chosen, data_fd, lock_fd)) ||
		make_in(links, "/tmp", data_fd, lock_fd);
}

/* --- a directory that is removed on close --- */

static int make_in_own_directory(struct fd_links *links, int data_fd, int lock_fd,
	const char *database, struct failure *failure)
{
	int err = file_temporary_directory(links->directory, NAME, database, failure);
	int system;

	if (err)
		return err;
	system = make_both(links, links->directory, data_fd, lock_fd);
	if (!system)
		return 0;
	err = file_fail(failure, system, links->path, "can't be created");
	fd_links_remove(links);
	return err;
}

int fd_links_make(struct fd_links *links, int data_fd, int lock_fd, const char *database,
	struct failure *failure)
{
	char direct[DESCRIPTOR_PATH_MAX];

	links->directory[0] = '\0';
	name_descriptor(direct, data_fd);
	if (access(direct, F_OK)) {
		snprintf(links->path, sizeof links->path, "%s", database);
		return 0;
	}
	snprintf(links->path, sizeof links->path, "%s", direct);
	if (lock_fd < 0 || make_in_users_directory(links, data_fd, lock_fd))
		return 0;
	return make_in_own_directory(links, data_fd, lock_fd, database, failure);
}

void fd_links_remove(struct fd_links *links)
{
	char lock[PATH_MAX + 8];

	if (!links->directory[0])
		return;
	name_lock(lock, links);
	unlink(lock);
	unlink(links->path);
	rmdir(links->directory);
	links->directory[0] = '\0';
}
