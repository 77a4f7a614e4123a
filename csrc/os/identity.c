/* identity.c - locks on the data file that make all processes use the same side files. */
#include "os/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "os/file_system.h"
#include "os/shared_page.h"

#define CLAIMS_AT (INT64_C(1) << 61)
#define CLAIMS_END (INT64_C(1) << 62)
#define SIDE_BITS 38
#define SIDE_BYTES (INT64_C(1) << 23)        /* more than the largest pid, 2^22 */

/* Opens the data file for writing even if read_only is set, if that is permitted. On overlayfs a
 * descriptor that is opened read-only refers to the file of the lower layer and shows no later
 * writes. */
int identity_open(struct identity *identity, const char *path, bool read_only,
	struct failure *failure)
{
	int err = file_open(&identity->fd, path, O_RDWR, &identity->facts, failure);

	if (err == ERR_PERMISSION && read_only)
		err = file_open(&identity->fd, path, O_RDONLY, &identity->facts, failure);
	return err ? err : file_system_check_local(identity->fd, path, failure);
}

/* Hashes the device and inode with the SplitMix64 finalizer, truncated to SIDE_BITS. Returns 1
 * instead of 0, because side 0 means that no side files are used. */
uint64_t identity_side(uint64_t device, uint64_t inode)
{
	uint64_t word = inode ^ (device << 32 | device >> 32);

	word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
	word = (word ^ word >> 31) >> (64 - SIDE_BITS);
	return word ? word : 1;
}

/* Returns the pid of a process with a claim in the range, 0 if there is none, -1 if the locks
 * cannot be read. */
static int64_t find_claim(int fd, int64_t from, int64_t to)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = from,
		.l_len = to - from };

	if (from >= to)
		return 0;
	if (fcntl(fd, F_OFD_GETLK, &lock))
		return -1;
	return lock.l_type == F_UNLCK ? 0 : lock.l_len - 1;
}

static int set_claim(int fd, short type, int64_t at)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = at,
		.l_len = 1 + getpid() };
	int status;

	do
		status = fcntl(fd, F_OFD_SETLK, &lock);
	while (status && errno == EINTR);
	return status ? errno : 0;
}

static int fail_claimed(const char *path, int64_t pid, uint64_t side, struct failure *failure)
{
	return fail_busy(failure, pid > 0 ? pid : 0, side
		? "%s is open in another process with other side files: under another name,"
			" after its -lock or -wake was removed, or read-only without them"
		: "%s is open for writing in another process, so it can't be read without"
			" its -lock and -wake", path);
}

static int fail_moved(const char *path, struct failure *failure)
{
	fail_as(failure, ERR_BUSY, "%s was replaced while it was being opened", path);
	if (failure)
		failure->transient = true;
	return ERR_BUSY;
}

int identity_claim(int fd, const char *path, uint64_t side, struct failure *failure)
{
	int64_t at = CLAIMS_AT + (int64_t)side * SIDE_BYTES;
	const char *name = path ? path : "the new file";
	int64_t pid;
	int system = set_claim(fd, F_RDLCK, at);

	if (system)
		return file_fail(failure, system, name, "can't be locked");
	pid = find_claim(fd, CLAIMS_AT, at);
	if (!pid)
		pid = find_claim(fd, at + SIDE_BYTES, CLAIMS_END);
	if (!pid && (!path || file_is_at(fd, path)))
		return 0;
	set_claim(fd, F_UNLCK, at);
	return pid ? fail_claimed(name, pid, side, failure) : fail_moved(name, failure);
}

void identity_close(struct identity *identity)
{
	struct flock all = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	if (identity->fd < 0)
		return;
	/* Releases the claim explicitly, because a forked process may still have the descriptor
	 * and close would not release the claim then. */
	fcntl(identity->fd, F_OFD_SETLK, &all);
	identity_forget(identity);
}

void identity_forget(struct identity *identity)
{
	if (identity->fd >= 0)
		close(identity->fd);
	identity->fd = -1;
}
