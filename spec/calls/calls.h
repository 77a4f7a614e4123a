/* calls.h - what the library and LMDB ask of the system: seen, and refused.
 *
 * A program that links calls.c has these functions in libc's place, for itself
 * and for LMDB: the symbols of a program come before those of libraries. While
 * hooks are set, each call is shown to them before and after it is made; the
 * program's own work goes on with the hooks off.
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
	int fd;                      /* -1: it has none */
	const char *path;            /* NULL: it has none; of a rename, from */
	const char *to;
	int flags;                   /* of open; fcntl's command */
	uint64_t at;
	size_t len;                  /* bytes, or the new size */
	const struct iovec *parts;   /* what is written */
	int part_count;
};

/* What is to become of a call. */
struct fate {
	int error;                   /* 0: it is made; otherwise it fails with this errno, */
	bool made_first;             /* after it was made all the same, */
	size_t short_of;             /* or it writes so many bytes less than asked */
};

struct call_hooks {
	struct fate (*before)(const struct call *call);          /* NULL: all are made */
	void (*after)(const struct call *call, long result);     /* of those that were made */
};

/* NULL: off. */
void calls_watch(const struct call_hooks *hooks);

/* For memory.c: what becomes of a request for memory. */
bool calls_refuse_memory(size_t len);

/* The file that is read in place of the kernel's boot id: a machine that was
 * started anew. NULL: the kernel's. */
void calls_set_boot(const char *path);

/* Random bytes are drawn from this from now on, those of each length by
 * themselves: runs can be repeated, and one more name for a file in the making
 * changes no secret. */
void calls_set_random(uint64_t seed);

#endif
