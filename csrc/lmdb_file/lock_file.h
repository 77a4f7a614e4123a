/* lock_file.h - LMDB's lock file, NAME-lock: created before LMDB opens it, and held by us.
 *
 * LMDB's own locks on the file are POSIX locks: they belong to the process, and
 * any close of the file in the process drops them. So the descriptor that is
 * opened here stays open as long as LMDB uses the file, and the lock that is set
 * through it is an open-file-description lock, which only its own close drops:
 *
 *     byte 0    shared while LMDB has the file open. LMDB initializes the file
 *               if it gets this byte exclusively, and some versions destroy the
 *               mutexes in it when they get it while closing. Neither can happen
 *               while a process of ours has the database open.
 */
#ifndef LMDB_FILE_LOCK_FILE_H
#define LMDB_FILE_LOCK_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/file.h"

struct lock_file {
	int fd;                  /* -1: not open */
	bool made;               /* by lock_file_open */
	struct file_facts facts;
	uint8_t *map;            /* of the whole file, shared and writable; NULL: none */
	size_t len;
};

/* Opens the file, or makes it for a database of this owner (NULL: it must exist),
 * allocates all of its blocks (LMDB would leave holes, and writing into a hole on
 * a full disk is SIGBUS), and maps it. A file
 * that is in use keeps its size: a process with the longer mapping would get
 * SIGBUS. Call it before LMDB opens the file, once in a process.
 * NO_FILE, NOT_DATABASE (it is a file of another kind), OPTIONS (this process has it
 * locked through another LMDB binding), DISK_FULL, PERMISSION, STORE. */
int lock_file_open(struct lock_file *file, const char *path, const struct file_owner *owner,
	uint64_t size, struct failure *failure);

/* Takes the shared lock on byte 0; LMDB must have the file open. STORE. */
int lock_file_hold(const struct lock_file *file, const char *path, struct failure *failure);

/* Takes LMDB's own locks of this process again, should a close of the file in this process
 * have dropped them: byte 0, and the byte of the pid, for a process that has readers. */
void lock_file_retake(const struct lock_file *file);

/* Returns true if another process has its reader lock, the byte of its pid. In doubt,
 * true. */
bool lock_file_has_reader(const struct lock_file *file, int64_t pid);

/* Releases everything; LMDB must have closed the file. Twice is fine. */
void lock_file_close(struct lock_file *file);

/* In a child of fork: closes the descriptor, so that the parent's lock does not
 * outlive the parent. To be called before the child opens any database. */
void lock_file_forget(struct lock_file *file);

/* The pid of a process that has LMDB's lock file in use, 0 if none has. Never call
 * it while this process has the file open: the close would drop LMDB's locks. */
int64_t lock_file_owner(const char *path);

#endif
