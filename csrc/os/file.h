/* file.h - file system access: paths, checks of ownership and type, durable creation.
 *
 * A database consists of three files in one directory: PATH, PATH-lock (LMDB's lock file) and
 * PATH-wake (the shared page). Each must be a regular file with exactly one hard link; symbolic
 * links are never followed. PATH must be owned by the effective user unless that user is root. The
 * other two files must be owned by the owner of PATH. On failure the functions fill `failure` with
 * a message that names the path.
 */
#ifndef OS_FILE_H
#define OS_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Length of the longest suffix of a database's path: "-lock", "-wake". */
#define FILE_SUFFIX_MAX 5

/* Owner and permissions of a file. */
struct file_owner {
	uint32_t uid, gid;
	uint32_t mode;        /* read and write bits only: 0600, 0640, ... */
};

struct file_facts {
	uint64_t device;
	uint64_t inode;
	uint64_t size;
	uint64_t allocated;   /* number of bytes that have disk blocks */
	struct file_owner owner;
};

/* Makes the path absolute by resolving its directory, but not its last component, so that a later
 * chdir does not change the result. Returns ERR_VALIDATION if the path is empty or too long. */
int file_resolve(char absolute[PATH_MAX], const char *path, struct failure *failure);

/* Makes the path absolute without resolving anything. Returns false if the result is too
 * long or the working directory has no name. */
bool file_absolute(char absolute[PATH_MAX], const char *path);

/* Occupies each of the descriptors 0 to 2 that is closed, with a descriptor that can be
 * neither read nor written. Otherwise a database file could get the number of standard output
 * or standard error, and the program's output would overwrite it. */
void file_spare_standard(void);

/* Sets *facts to the facts of the file with this name. Returns 0, END if there is no such file,
 * ERR_PERMISSION, ERR_NO_FILE (a directory of the path is not a directory) or ERR_STORE. */
int file_look(const char *path, struct file_facts *facts, struct failure *failure);

/* Sets *device and *inode to those of the file with this name. Returns 0, END if there is no such
 * file, ERR_STORE on other errors. Does not request timestamps, because Linux 6.13 and later
 * update the modification time at every write of a file whose timestamps were requested, which
 * took ext4 35 us per flushed commit. */
int file_identify(const char *path, uint64_t *device, uint64_t *inode);

/* Opens an existing file (flags: O_RDONLY or O_RDWR) and checks it. Returns 0, ERR_NO_FILE,
 * ERR_PERMISSION, ERR_NOT_DATABASE (not a regular file) or ERR_STORE. */
int file_open(int *fd, const char *path, int flags, struct file_facts *facts,
	struct failure *failure);

/* Like file_open with O_RDONLY, but without facts. file_close closes the descriptor. */
int file_open_to_read(int *fd, const char *path, struct failure *failure);
void file_close(int fd);

/* Opens a side file for reading and writing. Creates an empty file with copy-on-write disabled,
 * and sets *made to true, if the file does not exist. owner is the database's owner; NULL means
 * the effective user. Returns ERR_PERMISSION if the file has another owner. A process of root sets
 * the owner, group and mode of a side file that it creates, or that root created before, to those
 * of owner. Other processes create the file with mode 0600. */
int file_open_or_make(int *fd, const char *path, const struct file_owner *owner,
	struct file_facts *facts, bool *made, struct failure *failure);

/* Returns the owner and mode of a file that this process creates. */
struct file_owner file_owner_new(void);

/* Sets owner, group and mode of an open file that this process has created. If only the group
 * cannot be set, the file gets no group permissions. */
int file_give_to(int fd, const char *path, const struct file_owner *owner,
	struct failure *failure);

/* Returns ERR_PERMISSION if the directory of an absolute path is world-writable and has no sticky
 * bit, because any user could replace the files in it. */
int file_check_directory(const char *path, struct failure *failure);

/* Checks that the pages of a shared mapping can be written. A store to a page without a disk block
 * (in a hole, or with copy-on-write) raises SIGBUS if the disk is full; this call returns
 * ERR_DISK_FULL instead. Kernels before 5.14 cannot check a mapping; the result is then 0. */
int file_check_writable(void *map, size_t len, const char *path, struct failure *failure);

/* Creates a new empty file with mode 0600. Fails if the name exists. */
int file_make(int *fd, const char *path, struct failure *failure);

/* Returns true if the name still refers to the open file. */
bool file_is_at(int fd, const char *path);

/* Returns true if fd is open on the file with this device and inode. */
bool file_is(int fd, uint64_t device, uint64_t inode);

/* Returns true if the first sector of a file of `size` bytes is zero, as in a side file that was
 * created and never initialized. The other sectors may be non-zero after a power cut, because
 * sectors reach the disk independently. */
bool file_begins_with_zeros(int fd, uint64_t size);

/* Allocates disk blocks for the first `size` bytes and extends the file to at least that
 * size, so that a store through a mapping cannot raise SIGBUS on a full disk. */
int file_reserve(int fd, const char *path, uint64_t size, struct failure *failure);

/* Renames `from` to `to`; fails if `to` exists. If durable, fsyncs the file before and the
 * directory after the rename. */
int file_publish(const char *from, const char *to, bool durable, struct failure *failure);

/* Renames `from` to `to` durably and atomically; replaces an existing file at `to`. */
int file_replace(const char *from, const char *to, struct failure *failure);

/* Makes the name of an open file durable by an fsync of its directory. */
int file_flush_name(int fd, const char *path, struct failure *failure);

/* Removes a file; succeeds if it does not exist. */
int file_remove(const char *path, struct failure *failure);

/* Creates a directory with mode 0700 in the first of /dev/shm (in memory), $TMPDIR and /tmp where
 * that is possible. Stores its path in path. */
int file_memory_directory(char path[PATH_MAX], struct failure *failure);

/* Like file_memory_directory, with a name that begins with `name`. If all three fail, creates the
 * directory next to database, which is an absolute path. */
int file_temporary_directory(char path[PATH_MAX], const char *name, const char *database,
	struct failure *failure);

/* Returns the error code for the errno of a file operation. */
int file_error(int system);

/* Returns the error code for the errno of a failed write to fd. Returns ERR_DISK_FULL also for EIO
 * if the disk is full or the file has reached RLIMIT_FSIZE, because LMDB reports a short write as
 * EIO. */
int file_write_error(int fd, int system);

/* Fills failure for a write to fd that returned ERR_DISK_FULL and returns this code. The message
 * says whether the disk is full or the file has reached RLIMIT_FSIZE. */
int file_fail_full(struct failure *failure, int fd, const char *path);

/* Fills failure with the message "PATH WHAT: strerror(system)" and returns file_error(system).
 * what is a predicate, such as "can't be opened". */
int file_fail(struct failure *failure, int system, const char *path, const char *what);

#endif
