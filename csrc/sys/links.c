/* links.c - names for open descriptors: LMDB opens files by name, and gets these. */
#include "sys/links.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DESCRIPTOR_PATH_MAX 40

static void name_descriptor(char path[DESCRIPTOR_PATH_MAX], int fd)
{
	snprintf(path, DESCRIPTOR_PATH_MAX, "/proc/self/fd/%d", fd);
}

static int make_link(int fd, const char *path, struct failure *failure)
{
	char to[DESCRIPTOR_PATH_MAX];

	name_descriptor(to, fd);
	return symlink(to, path) ? file_fail(failure, errno, path, "can't be made") : 0;
}

static void name_lock(char path[PATH_MAX], const struct links *links)
{
	snprintf(path, PATH_MAX, "%.*s-lock", PATH_MAX - 6, links->path);
}

static int make_both(struct links *links, int data_fd, int lock_fd, struct failure *failure)
{
	char lock[PATH_MAX];
	int err;

	snprintf(links->path, sizeof links->path, "%.*s/d", PATH_MAX - 8, links->directory);
	name_lock(lock, links);
	err = make_link(data_fd, links->path, failure);
	if (!err)
		err = make_link(lock_fd, lock, failure);
	if (err)
		links_remove(links);
	return err;
}

int links_make(struct links *links, int data_fd, int lock_fd, const char *beside,
	struct failure *failure)
{
	char direct[DESCRIPTOR_PATH_MAX];
	int err;

	links->directory[0] = '\0';
	name_descriptor(direct, data_fd);
	if (access(direct, F_OK)) {
		snprintf(links->path, sizeof links->path, "%s", beside);
		return 0;
	}
	snprintf(links->path, sizeof links->path, "%s", direct);
	if (lock_fd < 0)
		return 0;
	err = file_temporary_directory(links->directory, beside, failure);
	return err ? err : make_both(links, data_fd, lock_fd, failure);
}

void links_remove(struct links *links)
{
	char lock[PATH_MAX];

	if (!links->directory[0])
		return;
	name_lock(lock, links);
	unlink(lock);
	unlink(links->path);
	rmdir(links->directory);
	links->directory[0] = '\0';
}
