/* calls.h - hooks on the system calls of the library and of LMDB.
 *
 * A program that links calls.c replaces libc's functions for itself and for LMDB,
 * because symbols of a program precede those of libraries. While hooks are set,
 * each call is passed to them before and after it is made, and they can refuse
 * it. The program sets no hooks during its own work.
 */
#ifndef CALLS_CALLS_H
#define CALLS_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define CALL_MAP(X) \
	X(OPEN, "open") X(CLOSE, "close") X(READ, "read") X(PREAD, "pread") \
	X(PWRITE, "pwrite") X(WRITE, "write") X(WRITEV, "writev") X(LSEEK, "lseek") \
	X(FDATASYNC, "fdatasync") X(FSYNC, "fsync") X(TRUNCATE, "ftruncate") \
	X(RESERVE, "posix_fallocate") X(STAT, "stat") X(STATFS, "statfs") \
	X(MAP, "mmap") X(UNMAP, "munmap") X(CONTROL, "fcntl") X(RENAME, "rename") \
	X(UNLINK, "unlink") X(LINK, "symlink") X(CHMOD, "fchmod") X(FUTEX, "futex") \
	X(INOTIFY, "inotify_init1") X(WATCH, "inotify_add_watch") \
	X(SOCKETS, "socketpair") X(RECEIVE, "recv") X(RANDOM, "getrandom") \
	X(MEMORY, "malloc")

enum call_kind {
#define CALL_ENUM(name, text) CALL_##name,
	CALL_MAP(CALL_ENUM)
#undef CALL_ENUM
	CALL_KINDS
};

const char *call_name(enum call_kind kind);

struct call {
	enum call_kind kind;
	int fd;                      /* -1 if the call has no descriptor */
	const char *path;            /* NULL if the call has no path; the old name of a rename */
	const char *to;
	int flags;                   /* flags of open, or the command of fcntl */
	uint64_t at;
	size_t len;                  /* number of bytes, or the new size */
	const struct iovec *parts;   /* bytes to write */
	int part_count;
};

/* What a hook does with a call. */
struct fate {
	int error;                   /* errno of the failure; 0 to make the call */
	bool made_first;             /* true to make the call before it fails */
	size_t short_of;             /* number of requested bytes that are not written */
};

struct call_hooks {
	struct fate (*before)(const struct call *call);          /* NULL: make every call */
	void (*after)(const struct call *call, long result);     /* not if the call was refused */
};

/* Sets the hooks. NULL removes them. */
void calls_watch(const struct call_hooks *hooks);

/* For memory.c: returns true if this request for memory must fail. */
bool calls_refuse_memory(size_t len);

/* Sets the file that is read in place of the kernel's boot id, to simulate a
 * restart of the machine. NULL: the kernel's own. */
void calls_set_boot(const char *path);

/* Derives random bytes from seed from now on, so that runs can be repeated. Each length of a
 * request has its own generator, so that an additional temporary file name does not change the
 * secrets. */
void calls_set_random(uint64_t seed);

#endif
