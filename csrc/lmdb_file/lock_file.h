/* lock_file.h - creates, maps and locks LMDB's lock file, NAME-lock.
 *
 * LMDB's own locks on the lock file are POSIX locks. They belong to the process, and any close of
 * the file in the process releases them. So the descriptor opened here stays open as long as LMDB
 * uses the file. The lock that is acquired through this descriptor is an open-file-description
 * lock, which is released only when the descriptor is closed:
 *
 *     byte 0    shared while LMDB has the file open. LMDB initializes the file
 *               if it acquires this byte exclusively, and some versions destroy the
 *               mutexes in it if they acquire it while closing. Neither can happen
 *               while a tidetable process has the database open.
 */
#ifndef LMDB_FILE_LOCK_FILE_H
#define LMDB_FILE_LOCK_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/file.h"

struct lock_file {
	int fd;                  /* -1 if not open */
	bool made;               /* true if lock_file_open created the file */
	struct file_facts facts;
	uint8_t *map;            /* shared writable mapping of the whole file; NULL if none */
	size_t len;
};

/* Opens the lock file, or creates it if `owner`, the database's owner, is not NULL. Maps the file
 * and allocates all of its disk blocks, because LMDB would leave holes, and a store to a hole
 * raises SIGBUS on a full disk. Never changes the size of a file that is in use, because a process
 * with the longer mapping would get SIGBUS. Must be called once per process, before LMDB opens the
 * file. Returns 0, ERR_NO_FILE, ERR_NOT_DATABASE (not a lock file), ERR_OPTIONS (this process has
 * it locked through another LMDB binding), ERR_DISK_FULL, ERR_PERMISSION or ERR_STORE. */
int lock_file_open(struct lock_file *file, const char *path, const struct file_owner *owner,
	uint64_t size, struct failure *failure);

/* Acquires the shared lock on byte 0. LMDB must have the file open. Returns 0 or ERR_STORE. */
int lock_file_hold(const struct lock_file *file, const char *path, struct failure *failure);

/* Acquires the POSIX locks again that LMDB holds in this process, because a close of the lock file
 * in this process may have released them. These are the locks on byte 0 and, if the process has
 * readers, on the byte of its pid. */
void lock_file_retake(const struct lock_file *file);

/* Returns true if the process with this pid holds LMDB's lock on the byte of its pid, or if the
 * locks cannot be read. */
bool lock_file_has_reader(const struct lock_file *file, int64_t pid);

/* Unmaps and closes the file and releases its locks. LMDB must have closed the file. May be
 * called twice. */
void lock_file_close(struct lock_file *file);

/* Closes the descriptor in a forked process, so that the parent's lock does not outlive the
 * parent. Must be called before the process opens any database. */
void lock_file_forget(struct lock_file *file);

/* Returns the pid of a process that uses the lock file, 0 if there is none, -1 if only an
 * open-file-description lock is found. Must not be called while this process has the file open,
 * because closing it would release LMDB's locks. */
int64_t lock_file_owner(const char *path);

#endif
