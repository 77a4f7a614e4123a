/* file.c - file system access: paths, checks of ownership and type, durable creation. */
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define OPEN_FLAGS (O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
#define SECTOR_BYTES 512
#define POPULATE_WRITE 23               /* MADV_POPULATE_WRITE; older headers lack it */
#define RENAME_WITHOUT_OVERWRITING 1u   /* RENAME_NOREPLACE; musl's headers lack it */

/* FS_IOC_GETFLAGS, FS_IOC_SETFLAGS and FS_NOCOW_FL of Linux; musl's headers lack them. The
 * kernel reads and writes an int, although the request numbers encode a long. */
#define GET_FILE_FLAGS _IOR('f', 1, long)
#define SET_FILE_FLAGS _IOW('f', 2, long)
#define NO_COPY_ON_WRITE 0x00800000

/* Free space, in bytes, below which a disk counts as full after a failed write. LMDB writes up to
 * 256 KiB at once, and a write that fails may have used up part of the free space. */
#define DISK_FULL_BELOW (UINT64_C(1) << 20)

int file_error(int system)
{
	switch (system) {
	case ENOENT: case ENOTDIR:
		return ERR_NO_FILE;
	case EACCES: case EPERM: case EROFS: case ELOOP:
		return ERR_PERMISSION;
	case ENOSPC: case EDQUOT: case EFBIG:
		return ERR_DISK_FULL;
	case ENOMEM:
		return ERR_NO_MEMORY;
	case EISDIR: case ENXIO:
		return ERR_NOT_DATABASE;
	case ENAMETOOLONG:
		return ERR_VALIDATION;
	default:
		return ERR_STORE;
	}
}

/* Returns true if the size of the file has reached RLIMIT_FSIZE, or nearly. */
static bool is_at_size_limit(int fd)
{
	struct rlimit limit;
	struct stat stat;

	return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
		fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) &&
		(uint64_t)stat.st_size + DISK_FULL_BELOW > limit.rlim_cur;
}

static bool is_disk_full(int fd)
{
	struct statvfs disk;
	uint64_t left;

	if (fstatvfs(fd, &disk))
		return false;
	left = geteuid() ? disk.f_bavail : disk.f_bfree;
	return left * disk.f_frsize < DISK_FULL_BELOW;
}

int file_write_error(int fd, int system)
{
	if (system == EIO && (is_disk_full(fd) || is_at_size_limit(fd)))
		return ERR_DISK_FULL;
	return file_error(system);
}

int file_fail_full(struct failure *failure, int fd, const char *path)
{
	if (is_at_size_limit(fd))
		return fail_as(failure, ERR_DISK_FULL, "%s: file too large: the process may not"
			" write larger files (ulimit -f)", path);
	return fail_about(failure, ERR_DISK_FULL, "%s", path);
}

int file_fail(struct failure *failure, int system, const char *path, const char *what)
{
	int err = file_error(system);

	if (system == ELOOP)
		fail_as(failure, err, "%s is a symbolic link; links are not followed", path);
	else
		fail_as(failure, err, "%s %s: %s", path, what, strerror(system));
	if (failure)
		failure->system = system;
	return err;
}

static int fail_too_long(struct failure *failure)
{
	return fail_as(failure, ERR_VALIDATION, "the path is too long: file name at most %d bytes,"
		" absolute path at most %d bytes", NAME_MAX - FILE_SUFFIX_MAX,
		PATH_MAX - FILE_SUFFIX_MAX - 1);
}

int file_resolve(char absolute[PATH_MAX], const char *path, struct failure *failure)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t dir_len = slash ? (size_t)(slash - path) : 0;
	size_t used;
	char dir[PATH_MAX];

	if (!*path)
		return fail_as(failure, ERR_VALIDATION, "the path is empty");
	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return fail_as(failure, ERR_NOT_DATABASE, "%s is a directory", path);
	if (dir_len >= sizeof dir || strlen(name) > NAME_MAX - FILE_SUFFIX_MAX)
		return fail_too_long(failure);

	memcpy(dir, path, dir_len);
	dir[dir_len] = '\0';
	if (!realpath(slash ? (dir_len ? dir : "/") : ".", absolute))
		return file_fail(failure, errno, path, "is in a directory that can't be resolved");

	used = strlen(absolute);
	if (used + 1 + strlen(name) + FILE_SUFFIX_MAX >= PATH_MAX)
		return fail_too_long(failure);
	if (used > 1)
		absolute[used++] = '/';
	memcpy(absolute + used, name, strlen(name) + 1);
	return 0;
}

bool file_absolute(char absolute[PATH_MAX], const char *path)
{
	size_t used = 0;

	if (*path != '/') {
		if (!getcwd(absolute, PATH_MAX))
			return false;
		used = strlen(absolute);
	}
	return (size_t)snprintf(absolute + used, PATH_MAX - used, used ? "/%s" : "%s", path) <
		PATH_MAX - used;
}

void file_spare_standard(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		int taken = -1;

		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			taken = open("/", O_PATH | O_CLOEXEC);   /* the lowest free number */
		if (taken > fd)
			close(taken);   /* another thread opened fd first */
	}
}

static void note_facts(struct file_facts *facts, const struct stat *stat)
{
	facts->device = stat->st_dev;
	facts->inode = stat->st_ino;
	facts->size = (uint64_t)stat->st_size;
	facts->allocated = (uint64_t)stat->st_blocks * 512;
	facts->owner = (struct file_owner){ stat->st_uid, stat->st_gid, stat->st_mode & 0666 };
}

int file_look(const char *path, struct file_facts *facts, struct failure *failure)
{
	struct stat stat;

	if (lstat(path, &stat) == 0) {
		note_facts(facts, &stat);
		return 0;
	}
	return errno == ENOENT ? END : file_fail(failure, errno, path, "can't be examined");
}

#ifdef STATX_INO
static int look_for_inode(const char *path, uint64_t *device, uint64_t *inode)
{
	struct statx found;

	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_INO, &found))
		return errno;
	*device = makedev(found.stx_dev_major, found.stx_dev_minor);
	*inode = found.stx_ino;
	return 0;
}
#else
static int look_for_inode(const char *path, uint64_t *device, uint64_t *inode)
{
	struct stat found;

	if (lstat(path, &found))
		return errno;
	*device = found.st_dev;
	*inode = found.st_ino;
	return 0;
}
#endif

int file_identify(const char *path, uint64_t *device, uint64_t *inode)
{
	int system = look_for_inode(path, device, inode);

	if (system == ENOENT || system == ENOTDIR)
		return END;
	return system ? ERR_STORE : 0;
}

static int look_at(int fd, const char *path, struct file_facts *facts, struct failure *failure)
{
	struct stat stat;
	uid_t us = geteuid();

	if (fstat(fd, &stat))
		return file_fail(failure, errno, path, "can't be examined");
	if (!S_ISREG(stat.st_mode))
		return fail_as(failure, ERR_NOT_DATABASE, "%s is not a regular file", path);
	if (stat.st_nlink > 1)
		return fail_as(failure, ERR_PERMISSION,
			"%s has more than one hard link; a database file must have one", path);
	if (us && stat.st_uid != us)
		return fail_as(failure, ERR_PERMISSION, "%s is owned by another user", path);
	note_facts(facts, &stat);
	return 0;
}

/* Checks the type and the owner of an open file. On failure, closes the file and sets *fd to -1. */
static int check(int *fd, const char *path, struct file_facts *facts, struct failure *failure)
{
	int err = look_at(*fd, path, facts, failure);

	if (err) {
		close(*fd);
		*fd = -1;
	}
	return err;
}

int file_open(int *fd, const char *path, int flags, struct file_facts *facts,
	struct failure *failure)
{
	*fd = open(path, flags | OPEN_FLAGS);
	if (*fd < 0)
		return file_fail(failure, errno, path, "can't be opened");
	return check(fd, path, facts, failure);
}

int file_make(int *fd, const char *path, struct failure *failure)
{
	int err;

	*fd = open(path, O_RDWR | O_CREAT | O_EXCL | OPEN_FLAGS, 0600);
	if (*fd < 0)
		return file_fail(failure, errno, path, "can't be created");
	if (fchmod(*fd, 0600) == 0)   /* independent of the umask */
		return 0;
	err = file_fail(failure, errno, path, "can't be created");
	unlink(path);
	close(*fd);
	*fd = -1;
	return err;
}

int file_open_to_read(int *fd, const char *path, struct failure *failure)
{
	struct file_facts facts;

	return file_open(fd, path, O_RDONLY, &facts, failure);
}

void file_close(int fd)
{
	close(fd);
}

/* Disables copy-on-write for a side file, because with copy-on-write a store to its mapping needs
 * a free block and raises SIGBUS on a full disk. Only btrfs supports the flag. On other file
 * systems the call fails and is not needed. */
static void forbid_copy_on_write(int fd)
{
	int flags = 0;

	/* Calls ioctl through syscall, because the C libraries differ in the type of the
	 * request. */
	if (syscall(SYS_ioctl, fd, GET_FILE_FLAGS, &flags) == 0) {
		flags |= NO_COPY_ON_WRITE;
		syscall(SYS_ioctl, fd, SET_FILE_FLAGS, &flags);
	}
}

int file_check_writable(void *map, size_t len, const char *path, struct failure *failure)
{
	int status;

	do
		status = madvise(map, len, POPULATE_WRITE);
	while (status && errno == EINTR);
	/* The call returns EINVAL on kernels before 5.14, which introduced MADV_POPULATE_WRITE. */
	if (status == 0 || errno == EINVAL)
		return 0;
	if (errno == EFAULT)
		return fail_as(failure, ERR_DISK_FULL,
			"%s can't be written, because the disk is full", path);
	return file_fail(failure, errno, path, "can't be written through its mapping");
}

struct file_owner file_owner_new(void)
{
	return (struct file_owner){ geteuid(), getegid(), 0600 };
}

int file_give_to(int fd, const char *path, const struct file_owner *owner,
	struct failure *failure)
{
	uint32_t mode = owner->mode;
	struct stat stat;

	if (fstat(fd, &stat))
		return file_fail(failure, errno, path, "can't be examined");
	if (stat.st_uid != owner->uid && fchown(fd, owner->uid, (gid_t)-1))
		return file_fail(failure, errno, path, "can't be given the database's owner");
	if (stat.st_gid != owner->gid && fchown(fd, (uid_t)-1, owner->gid))
		mode &= ~(uint32_t)S_IRWXG;
	if ((stat.st_mode & 0777) != mode && fchmod(fd, mode))
		return file_fail(failure, errno, path, "can't be given the database's mode");
	return 0;
}

/* Refuses a side file that belongs to another user than the database's owner, even for root,
 * because that user could truncate the file while it is mapped. A side file that root created
 * before is given to the database's owner. */
static int check_owner(int fd, const char *path, const struct file_owner *owner,
	const struct file_facts *facts, struct failure *failure)
{
	if (!owner || facts->owner.uid == owner->uid)
		return 0;
	if (geteuid() == 0 && facts->owner.uid == 0)
		return file_give_to(fd, path, owner, failure);
	return fail_as(failure, ERR_PERMISSION,
		"%s is owned by another user than the database", path);
}

static int make_side_file(int *fd, const char *path, const struct file_owner *owner,
	struct failure *failure)
{
	int err = file_make(fd, path, failure);

	if (err)
		return err;
	forbid_copy_on_write(*fd);
	if (!owner || geteuid())
		return 0;
	err = file_give_to(*fd, path, owner, failure);
	if (err) {
		unlink(path);
		close(*fd);
		*fd = -1;
	}
	return err;
}

int file_open_or_make(int *fd, const char *path, const struct file_owner *owner,
	struct file_facts *facts, bool *made, struct failure *failure)
{
	struct failure ours = { 0 };
	int err = 0;

	*made = false;
	/* The number of attempts is limited, because another process may remove and create the
	 * file repeatedly. */
	for (int attempt = 0; attempt < 10; attempt++) {
		err = file_open(fd, path, O_RDWR, facts, &ours);
		if (err != ERR_NO_FILE)
			break;
		err = make_side_file(fd, path, owner, &ours);
		*made = !err;
		if (!err)
			err = check(fd, path, facts, &ours);
		if (ours.system != EEXIST)
			break;
	}
	if (!err) {
		err = check_owner(*fd, path, owner, facts, &ours);
		if (err) {
			close(*fd);
			*fd = -1;
		}
	}
	if (err && failure)
		*failure = ours;
	return err;
}

int file_check_directory(const char *path, struct failure *failure)
{
	const char *slash = strrchr(path, '/');
	char directory[PATH_MAX];
	struct stat found;

	snprintf(directory, sizeof directory, "%.*s", (int)(slash - path) + 1, path);
	if (stat(directory, &found))
		return file_fail(failure, errno, directory, "can't be examined");
	if (!(found.st_mode & S_IWOTH) || found.st_mode & S_ISVTX)
		return 0;
	return fail_as(failure, ERR_PERMISSION, "the directory %s is world-writable, so any user"
		" could replace the files in it; set the sticky bit (chmod +t) or remove the"
		" permission (chmod o-w)", directory);
}

bool file_is_at(int fd, const char *path)
{
	struct stat open_one;
	struct stat named;

	return fstat(fd, &open_one) == 0 && lstat(path, &named) == 0 &&
		open_one.st_dev == named.st_dev && open_one.st_ino == named.st_ino;
}

bool file_is(int fd, uint64_t device, uint64_t inode)
{
	struct stat stat;

	return fstat(fd, &stat) == 0 && stat.st_dev == device && stat.st_ino == inode;
}

bool file_begins_with_zeros(int fd, uint64_t size)
{
	static const char zeros[SECTOR_BYTES];
	char bytes[SECTOR_BYTES];
	size_t len = size < SECTOR_BYTES ? (size_t)size : SECTOR_BYTES;

	return pread(fd, bytes, len, 0) == (ssize_t)len && memcmp(bytes, zeros, len) == 0;
}

int file_reserve(int fd, const char *path, uint64_t size, struct failure *failure)
{
	int system;

	do
		system = posix_fallocate(fd, 0, (off_t)size);
	while (system == EINTR);
	return system ? file_fail(failure, system, path, "can't be given disk blocks") : 0;
}

static int sync_path(const char *path, int flags, struct failure *failure)
{
	int err = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | flags);

	if (fd < 0)
		return file_fail(failure, errno, path, "can't be opened for fsync");
	/* A file system without fsync for directories returns EINVAL and does not need it. */
	if (fsync(fd) && !(errno == EINVAL && flags & O_DIRECTORY))
		err = file_fail(failure, errno, path, "can't be flushed");
	close(fd);
	return err;
}

static int sync_directory_of(const char *path, struct failure *failure)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	if (!slash)
		return sync_path(".", O_DIRECTORY, failure);
	if (len == 0)
		return sync_path("/", O_DIRECTORY, failure);
	memcpy(dir, path, len);
	dir[len] = '\0';
	return sync_path(dir, O_DIRECTORY, failure);
}

/* Some file systems lack RENAME_NOREPLACE. A test before the rename is safe there, because
 * the caller holds OPENING, and only a process that holds it creates this name. */
static int rename_to_free_name(const char *from, const char *to)
{
	struct stat stat;

	if (syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, RENAME_WITHOUT_OVERWRITING) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (lstat(to, &stat) == 0) {
		errno = EEXIST;
		return -1;
	}
	return rename(from, to);
}

int file_publish(const char *from, const char *to, bool durable, struct failure *failure)
{
	int err = durable ? sync_path(from, O_NOFOLLOW, failure) : 0;

	if (err)
		return err;
	if (rename_to_free_name(from, to))
		return file_fail(failure, errno, to, "can't be created");
	return durable ? sync_directory_of(to, failure) : 0;
}

int file_replace(const char *from, const char *to, struct failure *failure)
{
	int err = sync_path(from, O_NOFOLLOW, failure);

	if (err)
		return err;
	if (rename(from, to))
		return file_fail(failure, errno, to, "can't be replaced");
	return sync_directory_of(to, failure);
}

/* Flushes the whole file system if the directory cannot be opened, because it is writable but not
 * readable. */
int file_flush_name(int fd, const char *path, struct failure *failure)
{
	struct failure ours = { 0 };
	int err = sync_directory_of(path, &ours);

	if (err && ours.system == EACCES && syncfs(fd) == 0)
		return 0;
	if (err && failure)
		*failure = ours;
	return err;
}

int file_remove(const char *path, struct failure *failure)
{
	if (unlink(path) && errno != ENOENT)
		return file_fail(failure, errno, path, "can't be removed");
	return 0;
}

static bool make_directory_in(char path[PATH_MAX], const char *parent, const char *name)
{
	int len = snprintf(path, PATH_MAX, "%s/%sXXXXXX", parent, name);

	return len > 0 && len < PATH_MAX - 32 && mkdtemp(path);
}

static bool make_temporary_directory(char path[PATH_MAX], const char *name)
{
	const char *chosen = getenv("TMPDIR");

	return make_directory_in(path, "/dev/shm", name) ||
		(chosen && *chosen == '/' && make_directory_in(path, chosen, name)) ||
		make_directory_in(path, "/tmp", name);
}

int file_memory_directory(char path[PATH_MAX], struct failure *failure)
{
	if (make_temporary_directory(path, "tidetable-"))
		return 0;
	path[0] = '\0';
	return file_fail(failure, errno, "/tmp", "can't contain a temporary directory");
}

int file_temporary_directory(char path[PATH_MAX], const char *name, const char *database,
	struct failure *failure)
{
	char own[PATH_MAX];
	size_t len = (size_t)(strrchr(database, '/') - database);

	if (make_temporary_directory(path, name))
		return 0;
	memcpy(own, database, len);
	own[len] = '\0';
	if (make_directory_in(path, own, name))
		return 0;
	path[0] = '\0';
	return file_fail(failure, errno, own, "can't contain a temporary directory");
}
