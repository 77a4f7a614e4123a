/* links.c - names for open descriptors: LMDB opens files by name, and gets these. */
#include "sys/links.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME "tidetable-links-"
#define LINK "/d"
#define DESCRIPTOR_PATH_MAX 40

/* A process that was killed while LMDB opened leaves its directory. One that is older than
 * this is removed by the next to open; should its owner live, it tries again. */
#define LEFT_AFTER_S 60

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

/* --- what killed processes have left --- */

static bool is_left(const char *directory, char link[PATH_MAX])
{
	static const char to[] = "/proc/self/fd/";
	char found[sizeof to];
	struct stat stat;

	snprintf(link, PATH_MAX, "%.*s" LINK, PATH_MAX - 20, directory);
	return lstat(directory, &stat) == 0 && S_ISDIR(stat.st_mode) &&
		stat.st_uid == geteuid() && stat.st_mtime + LEFT_AFTER_S < time(NULL) &&
		readlink(link, found, sizeof found) >= (ssize_t)sizeof to - 1 &&
		memcmp(found, to, sizeof to - 1) == 0;
}

static void remove_if_left(const char *directory)
{
	struct links links;

	if (!is_left(directory, links.path))
		return;
	snprintf(links.directory, sizeof links.directory, "%s", directory);
	links_remove(&links);
}

static void sweep(const char *made)
{
	int parent_len = (int)(strrchr(made, '/') - made) + 1;
	char each[PATH_MAX];
	struct dirent *entry;
	DIR *parent;

	snprintf(each, sizeof each, "%.*s", parent_len, made);
	parent = opendir(each);
	while (parent && (entry = readdir(parent)))
		if (strncmp(entry->d_name, NAME, sizeof NAME - 1) == 0 &&
				(size_t)snprintf(each, sizeof each, "%.*s%s", parent_len, made,
				entry->d_name) < sizeof each)
			remove_if_left(each);
	if (parent)
		closedir(parent);
}

/* --- making them --- */

static int make_both(struct links *links, int data_fd, int lock_fd, struct failure *failure)
{
	char lock[PATH_MAX];
	int err;

	snprintf(links->path, sizeof links->path, "%.*s" LINK, PATH_MAX - 20,
		links->directory);
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
	err = file_temporary_directory(links->directory, NAME, beside, failure);
	if (err)
		return err;
	sweep(links->directory);
	return make_both(links, data_fd, lock_fd, failure);
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
