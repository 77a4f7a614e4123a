/* file.h - the door to the file system: whose file, whole, on disk.
 *
 * A database is three files side by side: PATH, PATH-lock (LMDB's) and
 * PATH-wake (ours). Each must be a regular file with one name; links are never
 * followed. The first must be owned by us, unless we are root; the other two by
 * its owner. The functions fill failure with a sentence that names the path.
 */
#ifndef OS_FILE_H
#define OS_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* The longest suffix that a database's path gets: "-lock", "-wake". */
#define FILE_SUFFIX_MAX 5

/* The owner of a file, and its permissions. */
struct file_owner {
	uint32_t uid, gid;
	uint32_t mode;        /* of reading and writing: 0600, 0640, ... */
};

struct file_facts {
	uint64_t device;
	uint64_t inode;
	uint64_t size;
	uint64_t allocated;   /* bytes that have blocks on the disk */
	struct file_owner owner;
};

/* Makes the path absolute, its directories resolved and its last name as it
 * is, so that a later chdir moves nothing. VALIDATION: empty or too long. */
int file_resolve(char absolute[PATH_MAX], const char *path, struct failure *failure);

/* Makes the path absolute and resolves nothing in it. Returns false if the result is
 * too long or the working directory has no name. */
bool file_absolute(char absolute[PATH_MAX], const char *path);

/* Takes those of the descriptors 0 to 2 that the program was started without,
 * with what can neither be read nor written, as if they were not there. No file
 * that is opened afterwards is standard output or standard error: what the
 * program, or its interpreter, says there would be written into a database. */
void file_spare_standard(void);

/* What the name stands for now: 0 (facts filled), END: nothing, PERMISSION, NO_FILE
 * (what should be a directory is none), or STORE. */
int file_look(const char *path, struct file_facts *facts, struct failure *failure);

/* Finds the file that the name stands for: 0, END if there is none, STORE if it can't be
 * looked at. Asks for no times: Linux 6.13 and later give a file whose times were asked for
 * a new modification time with each write, which took ext4 35 us of a flushed commit. */
int file_identify(const char *path, uint64_t *device, uint64_t *inode);

/* Opens what is there (flags: O_RDONLY or O_RDWR) and checks it: NO_FILE,
 * PERMISSION, NOT_DATABASE (no regular file), STORE. */
int file_open(int *fd, const char *path, int flags, struct file_facts *facts,
	struct failure *failure);

/* The same, to read only; and closed again. */
int file_open_to_read(int *fd, const char *path, struct failure *failure);
void file_close(int fd);

/* Opens a side file for reading and writing, or makes it, empty and without
 * copy-on-write; *made says which. owner is that of the database, NULL: this process.
 * A file of another owner is PERMISSION. Root gives what it makes, and what root has
 * made before, to the owner; else the mode is 0600. */
int file_open_or_make(int *fd, const char *path, const struct file_owner *owner,
	struct file_facts *facts, bool *made, struct failure *failure);

/* Of a file that this process makes. */
struct file_owner file_owner_new(void);

/* Gives an open file that this process has made the owner, group and mode of another.
 * Where only the group can't be given, its permissions are withheld. */
int file_give_to(int fd, const char *path, const struct file_owner *owner,
	struct failure *failure);

/* PERMISSION if everybody may write to the directory of an absolute path and the sticky
 * bit is not set: then anybody may exchange the files in it. */
int file_check_directory(const char *path, struct failure *failure);

/* Checks that the pages of a shared map can be written. A store into a page that
 * has no block on a full disk (a hole, or copy-on-write) is SIGBUS; this call
 * returns DISK_FULL instead. Kernels before 5.14 can't tell: 0. */
int file_check_writable(void *map, size_t len, const char *path, struct failure *failure);

/* Makes a file that wasn't there: empty, mode 0600. */
int file_make(int *fd, const char *path, struct failure *failure);

/* True if the name still stands for the open file. */
bool file_is_at(int fd, const char *path);

/* Returns true if fd is open on the file with this device and inode. */
bool file_is(int fd, uint64_t device, uint64_t inode);
/* Returns true if the first sector of a file of `size` bytes is zero: a side file that was
 * made and never initialized. After a power cut its other sectors may be from later, because
 * sectors reach the disk one by one. */
bool file_begins_with_zeros(int fd, uint64_t size);

/* Gives the first `size` bytes blocks on the disk, and at least that size: who
 * writes to them through a map then can't meet a full disk, which is SIGBUS. */
int file_reserve(int fd, const char *path, uint64_t size, struct failure *failure);

/* Gives a finished file its name, durably: flushes it, renames it without
 * overwriting, flushes the directory. `durable` false skips the flushes. */
int file_publish(const char *from, const char *to, bool durable, struct failure *failure);

/* The same, but whatever has the name loses it: one or the other is there at
 * any moment. */
int file_replace(const char *from, const char *to, struct failure *failure);

/* Flushes the directory of an open file: the name it has there stays. */
int file_keep_name(int fd, const char *path, struct failure *failure);

/* Removes a name; that it isn't there is fine. */
int file_remove(const char *path, struct failure *failure);

/* A new directory, mode 0700, where files live in memory if there is such a
 * place: /dev/shm, $TMPDIR, /tmp. */
int file_memory_directory(char path[PATH_MAX], struct failure *failure);

/* The same for other uses, its name beginning with `name`; if all else fails, in the
 * directory of `beside`, an absolute path. */
int file_temporary_directory(char path[PATH_MAX], const char *name, const char *beside,
	struct failure *failure);

/* The kind of failure an errno is, for a file. */
int file_error(int system);

/* The same for a failed write to fd. LMDB reports a short write as EIO: that is
 * DISK_FULL if the disk is full or the file has reached RLIMIT_FSIZE. */
int file_write_error(int fd, int system);

/* Fills failure with "path: what: the system's words"; returns file_error. */
int file_fail(struct failure *failure, int system, const char *path, const char *what);

#endif
