/* lock_file.c - creates, maps and locks LMDB's lock file, NAME-lock. */
#include "lmdb_file/lock_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lmdb_file/layout.h"

/* Smallest size of a lock file in use: its header and one reader slot. */
#define SMALLEST LMDB_LOCK_BYTES(1)

/* Largest size of a lock file that was never initialized and begins with zeros. */
#define UNUSED_MOST (UINT64_C(1) << 20)

/* Returns the owner of a lock on one byte of LMDB's lock file: a pid, -1 for an
 * open-file-description lock, 0 if the byte is not locked. Tests with an open-file-description
 * lock, because this test also detects POSIX locks of this process. LMDB locks byte 0 while it has
 * the file open, and the byte of its pid after its first read transaction. */
static pid_t lock_holder(int fd, off_t at)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };

	if (fcntl(fd, F_OFD_GETLK, &lock) || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid ? lock.l_pid : -1;
}

static bool is_locked_by_us(int fd)
{
	return lock_holder(fd, 0) == getpid() || lock_holder(fd, getpid()) == getpid();
}

/* Returns true if the file is a lock file of LMDB, which begins with the magic number, or with
 * zeros if it was never initialized. A user's file must not be changed. */
static bool is_lock_file(int fd, uint64_t size)
{
	uint32_t magic = 0;

	if (size >= sizeof magic && pread(fd, &magic, sizeof magic, 0) != sizeof magic)
		return false;
	return magic == LMDB_MAGIC || (size <= UNUSED_MOST && file_begins_with_zeros(fd, size));
}

static int prepare(int fd, const char *path, const struct file_facts *facts, uint64_t size,
	struct failure *failure)
{
	bool in_use = lock_holder(fd, 0) != 0;

	if (in_use && facts->size < SMALLEST)
		return fail_as(failure, ERR_STORE,
			"%s is in use, but too short for a lock file", path);
	if (in_use || facts->size > size)
		size = facts->size;
	if (facts->size >= size && facts->allocated >= size)
		return 0;
	return file_reserve(fd, path, size, failure);
}

static int map(struct lock_file *file, const char *path, struct failure *failure)
{
	off_t len = lseek(file->fd, 0, SEEK_END);
	void *mapped = len > 0 ? mmap(NULL, (size_t)len, PROT_READ | PROT_WRITE, MAP_SHARED,
		file->fd, 0) : MAP_FAILED;

	if (mapped == MAP_FAILED)
		return file_fail(failure, errno, path, "can't be mapped");
	file->map = mapped;
	file->len = (size_t)len;
	return file_check_writable(mapped, file->len, path, failure);
}

int lock_file_open(struct lock_file *file, const char *path, const struct file_owner *owner,
	uint64_t size, struct failure *failure)
{
	struct file_facts *facts = &file->facts;
	int fd;
	int err = owner ? file_open_or_make(&fd, path, owner, facts, &file->made, failure)
		: file_open(&fd, path, O_RDWR, facts, failure);

	if (err)
		return err;
	if (is_locked_by_us(fd))
		/* The descriptor is not closed, because close would release all POSIX locks of
		 * this process on the file. */
		return fail_as(failure, ERR_OPTIONS,
			"%s is already open in this process, through another LMDB binding", path);
	if (!is_lock_file(fd, facts->size)) {
		close(fd);
		return fail_as(failure, ERR_NOT_DATABASE,
			"%s is not an LMDB lock file, but has the name of the database's lock"
			" file; rename it or the database", path);
	}
	file->fd = fd;
	err = prepare(fd, path, facts, size, failure);
	return err ? err : map(file, path, failure);
}

int lock_file_hold(const struct lock_file *file, const char *path, struct failure *failure)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1 };

	if (fcntl(file->fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return file_fail(failure, errno, path, "can't be locked");
}

static void retake(int fd, short type, off_t at)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };

	fcntl(fd, F_SETLK, &lock);
}

void lock_file_retake(const struct lock_file *file)
{
	if (file->fd < 0)
		return;
	retake(file->fd, F_RDLCK, 0);
	retake(file->fd, F_WRLCK, getpid());
}

bool lock_file_has_reader(const struct lock_file *file, int64_t pid)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = pid, .l_len = 1 };

	return fcntl(file->fd, F_OFD_GETLK, &lock) || lock.l_type != F_UNLCK;
}

static void unmap(struct lock_file *file)
{
	if (file->map)
		munmap(file->map, file->len);
	file->map = NULL;
}

void lock_file_close(struct lock_file *file)
{
	struct flock all = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	unmap(file);
	if (file->fd < 0)
		return;
	/* Releases the lock explicitly, because a forked process may still have the descriptor and
	 * close would not release the lock then. */
	fcntl(file->fd, F_OFD_SETLK, &all);
	close(file->fd);
	file->fd = -1;
}

void lock_file_forget(struct lock_file *file)
{
	unmap(file);
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

int64_t lock_file_owner(const char *path)
{
	struct file_facts facts;
	pid_t holder;
	int fd;

	if (file_open(&fd, path, O_RDWR, &facts, NULL))
		return 0;
	if (is_locked_by_us(fd))
		return getpid();         /* not closed, for the reason in lock_file_open */
	holder = lock_holder(fd, 0);
	close(fd);
	return holder;
}
