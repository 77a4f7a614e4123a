/* temporary.c - a temporary file that is renamed to its final path when it is complete. */
#include "os/temporary.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/checksum.h"

#define MARK "-part"
#define MARK_LEN (sizeof MARK - 1)
#define DIGITS 8

/* Sets an open-file-description lock on the temporary file. The kernel releases this lock when the
 * process exits, and it also excludes other descriptors of the same process. */
static int set_lock(int fd, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1 };

	return fcntl(fd, F_OFD_SETLK, &lock) ? errno : 0;
}

static void remove_side_files(const char *path)
{
	char name[PATH_MAX + FILE_SUFFIX_MAX];

	snprintf(name, sizeof name, "%s-lock", path);
	unlink(name);
	snprintf(name, sizeof name, "%s-wake", path);
	unlink(name);
}

/* --- files left by processes that died --- */

static bool is_name_of_ours(const char *entry, const char *name)
{
	char again[NAME_MAX + 1];
	char digits[DIGITS + 1] = "";
	size_t len = strlen(name);

	if (strlen(entry) != len + TEMPORARY_SUFFIX_LEN)
		return false;
	memcpy(digits, entry + len + MARK_LEN, DIGITS);
	temporary_name(again, sizeof again, name, (uint32_t)strtoul(digits, NULL, 16));
	return strcmp(entry, again) == 0;
}

static void remove_if_left(const char *path)
{
	struct file_facts facts;
	int fd;

	if (file_open(&fd, path, O_RDWR, &facts, NULL))
		return;
	if (set_lock(fd, F_WRLCK) == 0 && file_is_at(fd, path)) {
		remove_side_files(path);
		unlink(path);
	}
	close(fd);
}

static void remove_stale(const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	int folder_len = (int)(name - path);
	char each[PATH_MAX];
	struct dirent *entry;
	DIR *directory;

	snprintf(each, sizeof each, "%.*s", folder_len, path);
	directory = opendir(each);
	while (directory && (entry = readdir(directory))) {
		if (is_name_of_ours(entry->d_name, name) && (size_t)snprintf(each, sizeof each,
				"%.*s%s", folder_len, path, entry->d_name) < sizeof each)
			remove_if_left(each);
	}
	if (directory)
		closedir(directory);
}

/* --- creating one --- */

void temporary_name(char *name, size_t size, const char *path, uint32_t random)
{
	const char *slash = strrchr(path, '/');
	const char *last = slash ? slash + 1 : path;
	char digits[DIGITS + 1];
	uint32_t sum;

	snprintf(digits, sizeof digits, "%08lx", (unsigned long)random);
	sum = checksum(checksum(0, digits, DIGITS), last, strlen(last));
	snprintf(name, size, "%s" MARK "%s%08lx", path, digits, (unsigned long)sum);
}

static int choose_name(struct temporary *temporary, const char *path, struct failure *failure)
{
	const char *name = strrchr(path, '/') + 1;
	uint32_t random;

	if (strlen(name) + TEMPORARY_SUFFIX_LEN + FILE_SUFFIX_MAX > NAME_MAX ||
			strlen(path) + TEMPORARY_SUFFIX_LEN + FILE_SUFFIX_MAX >= PATH_MAX)
		return fail_as(failure, ERR_VALIDATION, "the path is too long for a temporary file"
			" next to it: file name at most %d bytes, absolute path at most %d bytes",
			NAME_MAX - TEMPORARY_SUFFIX_LEN - FILE_SUFFIX_MAX,
			PATH_MAX - TEMPORARY_SUFFIX_LEN - FILE_SUFFIX_MAX - 1);
	if (getrandom(&random, sizeof random, 0) != sizeof random)
		return file_fail(failure, errno, path, "can't be given a temporary name");
	temporary_name(temporary->path, sizeof temporary->path, path, random);
	return 0;
}

/* Creates a temporary file and locks it. Returns ERR_BUSY if another process removed the file
 * before it was locked. */
static int make_and_lock(struct temporary *temporary, const char *path, struct failure *failure)
{
	int system;
	int err = choose_name(temporary, path, failure);

	if (!err)
		err = file_make(&temporary->fd, temporary->path, failure);
	if (err)
		return err;
	system = set_lock(temporary->fd, F_WRLCK);
	if (!system && file_is_at(temporary->fd, temporary->path))
		return 0;
	unlink(temporary->path);
	close(temporary->fd);
	temporary->fd = -1;
	if (!system || system == EAGAIN || system == EACCES)
		return fail_as(failure, ERR_BUSY, "%s keeps being removed by another process",
			temporary->path);
	return file_fail(failure, system, temporary->path, "can't be locked");
}

int temporary_make(struct temporary *temporary, const char *path, struct failure *failure)
{
	struct failure ours = { 0 };
	int err = 0;

	*temporary = (struct temporary){ .fd = -1 };
	remove_stale(path);
	for (int attempt = 0; attempt < 10; attempt++) {
		err = make_and_lock(temporary, path, &ours);
		if (!err)
			return 0;
		if (err != ERR_BUSY && ours.system != EEXIST)
			break;
	}
	temporary->path[0] = '\0';
	if (failure)
		*failure = ours;
	return err;
}

/* --- publishing and removing --- */

int temporary_publish(struct temporary *temporary, const char *path, bool overwrite,
	struct failure *failure)
{
	int err;

	/* The side files are removed before the rename, because remove_stale finds them only by
	 * the name of the temporary file. */
	remove_side_files(temporary->path);
	err = overwrite ? file_replace(temporary->path, path, failure)
		: file_publish(temporary->path, path, true, failure);
	if (err && !file_is_at(temporary->fd, path))
		return err;
	/* The rename succeeded, but may not be durable. A new name is removed again. An old file
	 * that was replaced cannot be restored. */
	if (err && !overwrite)
		unlink(path);
	temporary->path[0] = '\0';
	return err;
}

void temporary_drop(struct temporary *temporary)
{
	struct flock all = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	if (temporary->path[0]) {
		remove_side_files(temporary->path);
		unlink(temporary->path);
	}
	if (temporary->fd >= 0) {
		/* Releases all locks explicitly, also the claim (identity.h), because a forked
		 * process may still have the descriptor. */
		fcntl(temporary->fd, F_OFD_SETLK, &all);
		close(temporary->fd);
	}
	*temporary = (struct temporary){ .fd = -1 };
}

void temporary_forget(struct temporary *temporary)
{
	if (temporary->fd >= 0)
		close(temporary->fd);
	*temporary = (struct temporary){ .fd = -1 };
}
