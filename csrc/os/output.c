/* output.c - standard output into a temporary file, which is renamed when it is complete, or into a
 * non-blocking pipe.
 */
#include "os/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int redirect(int fd, const char *path, struct failure *failure)
{
	return dup2(fd, STDOUT_FILENO) < 0 ? file_fail(failure, errno, path, "can't be opened") : 0;
}

static int open_directly(const char *path, struct failure *failure)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	int err;

	if (fd < 0)
		return file_fail(failure, errno, path, "can't be opened");
	err = redirect(fd, path, failure);
	close(fd);
	return err;
}

/* Gives the file the owner and mode of the file that it replaces, or the mode of a new file. */
static int copy_owner(int fd, const char *path, const struct stat *there, struct failure *failure)
{
	mode_t mask;

	if (!there) {
		mask = umask(0);
		umask(mask);
		return fchmod(fd, 0666 & ~mask) ? file_fail(failure, errno, path, "can't be created")
			: 0;
	}
	/* Only root can keep another owner. The file of any other user gets that user. */
	if (fchown(fd, there->st_uid, there->st_gid) && errno != EPERM)
		return file_fail(failure, errno, path, "can't be replaced");
	return fchmod(fd, there->st_mode & 0777) ? file_fail(failure, errno, path,
		"can't be replaced") : 0;
}

int output_open(struct output *output, const char *path, struct failure *failure)
{
	struct stat there;
	bool exists = stat(path, &there) == 0;
	int err;

	output->temporary.fd = -1;
	output->temporary.path[0] = '\0';
	if (exists && !S_ISREG(there.st_mode))
		return open_directly(path, failure);
	if (exists && !realpath(path, output->path))
		return file_fail(failure, errno, path, "can't be opened");
	if (!exists) {
		err = file_resolve(output->path, path, failure);
		if (err)
			return err;
	}
	err = temporary_make(&output->temporary, output->path, failure);
	if (!err)
		err = copy_owner(output->temporary.fd, path, exists ? &there : NULL, failure);
	if (!err)
		err = redirect(output->temporary.fd, path, failure);
	if (err)
		output_drop(output);
	return err;
}

int output_publish(struct output *output, struct failure *failure)
{
	if (!output->temporary.path[0])
		return 0;
	return temporary_publish(&output->temporary, output->path, true, failure);
}

void output_drop(struct output *output)
{
	temporary_drop(&output->temporary);
}

bool output_is_nonblocking(void)
{
	int flags = fcntl(STDOUT_FILENO, F_GETFL);

	return flags >= 0 && (flags & O_NONBLOCK);
}

bool output_write(const void *bytes, size_t len)
{
	struct pollfd output = { .fd = STDOUT_FILENO, .events = POLLOUT };
	const char *from = bytes;

	while (len) {
		ssize_t written = write(STDOUT_FILENO, from, len);

		if (written >= 0) {
			from += written;
			len -= (size_t)written;
		} else if (errno == EAGAIN) {
			if (poll(&output, 1, -1) < 0)
				return false;
		} else if (errno != EINTR) {
			return false;
		}
	}
	return true;
}
