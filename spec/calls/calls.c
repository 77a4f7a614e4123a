/* calls.c - libc's functions, wrapped so that hooks see each call. */
#undef _FORTIFY_SOURCE       /* the headers would define some of these functions */

#include "calls/calls.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "calls/dice.h"

#define PARTS_MAX 64         /* the maximum number of parts that LMDB passes to writev */
#define RANDOM_MAX 32        /* longest request for random bytes that is answered here */
#define EXPORTED __attribute__((visibility("default")))

/* Other names of the same functions: fortified open, and fstat before glibc 2.33. */
EXPORTED int __open_2(const char *path, int flags);
EXPORTED int __fxstat(int version, int fd, struct stat *stat);

static const struct call_hooks *hooks;
static const char *boot_path;
static struct dice random_dice[RANDOM_MAX + 1];     /* one generator for each length */
static bool random_is_ours;

const char *call_name(enum call_kind kind)
{
	static const char *const names[] = {
#define CALL_NAME(name, text) text,
		CALL_MAP(CALL_NAME)
#undef CALL_NAME
	};

	return names[kind];
}

void calls_watch(const struct call_hooks *watch)
{
	hooks = watch;
}

void calls_set_boot(const char *path)
{
	boot_path = path;
}

void calls_set_random(uint64_t seed)
{
	for (size_t len = 0; len <= RANDOM_MAX; len++)
		random_dice[len] = dice_for(seed, len, 0, 0);
	random_is_ours = true;
}

/* Returns libc's own function. dlsym returns a pointer to an object, which memcpy converts to a
 * function pointer. */
#define REAL(name) __extension__ ({ \
	static __typeof__(&name) real_##name; \
	if (!real_##name) { \
		void *found = dlsym(RTLD_NEXT, #name); \
		memcpy(&real_##name, &found, sizeof found); \
	} \
	real_##name; })

static struct fate before_call(const struct call *call)
{
	return hooks && hooks->before ? hooks->before(call) : (struct fate){ 0 };
}

static void after_call(const struct call *call, long result)
{
	int before = errno;

	if (hooks && hooks->after)
		hooks->after(call, result);
	errno = before;
}

/* Makes the call unless a hook refuses it. Returns its result, -1 if refused. */
#define PASS(call, expression) __extension__ ({ \
	struct fate fate_ = before_call(call); \
	long result_ = -1; \
	if (!fate_.error || fate_.made_first) { \
		result_ = (long)(expression); \
		after_call((call), result_); \
	} \
	if (fate_.error) { \
		result_ = -1; \
		errno = fate_.error; \
	} \
	result_; })

bool calls_refuse_memory(size_t len)
{
	struct call call = { .kind = CALL_MEMORY, .fd = -1, .len = len };

	return before_call(&call).error != 0;
}

/* --- names --- */

static int open_any(const char *path, int flags, mode_t mode)
{
	struct call call = { .kind = CALL_OPEN, .fd = -1, .path = path, .flags = flags };

	if (boot_path && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0)
		path = boot_path;
	return (int)PASS(&call, REAL(open)(path, flags, mode));
}

EXPORTED int open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	return open_any(path, flags, mode);
}

int __open_2(const char *path, int flags)
{
	return open_any(path, flags, 0);
}

EXPORTED int rename(const char *from, const char *to)
{
	struct call call = { .kind = CALL_RENAME, .fd = -1, .path = from, .to = to };

	return (int)PASS(&call, REAL(rename)(from, to));
}

EXPORTED int symlink(const char *to, const char *path)
{
	struct call call = { .kind = CALL_LINK, .fd = -1, .path = path, .to = to };

	return (int)PASS(&call, REAL(symlink)(to, path));
}

EXPORTED int unlink(const char *path)
{
	struct call call = { .kind = CALL_UNLINK, .fd = -1, .path = path };

	return (int)PASS(&call, REAL(unlink)(path));
}

EXPORTED int lstat(const char *restrict path, struct stat *restrict stat)
{
	struct call call = { .kind = CALL_STAT, .fd = -1, .path = path };

	return (int)PASS(&call, REAL(lstat)(path, stat));
}

/* --- descriptors --- */

EXPORTED int close(int fd)
{
	struct call call = { .kind = CALL_CLOSE, .fd = fd };

	return (int)PASS(&call, REAL(close)(fd));
}

EXPORTED int fstat(int fd, struct stat *stat)
{
	struct call call = { .kind = CALL_STAT, .fd = fd };

	return (int)PASS(&call, REAL(fstat)(fd, stat));
}

int __fxstat(int version, int fd, struct stat *stat)
{
	(void)version;
	return fstat(fd, stat);
}

EXPORTED int fchmod(int fd, mode_t mode)
{
	struct call call = { .kind = CALL_CHMOD, .fd = fd };

	return (int)PASS(&call, REAL(fchmod)(fd, mode));
}

EXPORTED int fstatfs(int fd, struct statfs *statfs)
{
	struct call call = { .kind = CALL_STATFS, .fd = fd };

	return (int)PASS(&call, REAL(fstatfs)(fd, statfs));
}

EXPORTED int fstatvfs(int fd, struct statvfs *statvfs)
{
	struct call call = { .kind = CALL_STATFS, .fd = fd };

	return (int)PASS(&call, REAL(fstatvfs)(fd, statvfs));
}

EXPORTED int fcntl(int fd, int command, ...)
{
	struct call call = { .kind = CALL_CONTROL, .fd = fd, .flags = command };
	va_list args;
	void *argument;

	va_start(args, command);
	argument = va_arg(args, void *);
	va_end(args);
	return (int)PASS(&call, REAL(fcntl)(fd, command, argument));
}

/* --- reading --- */

EXPORTED ssize_t read(int fd, void *bytes, size_t len)
{
	struct call call = { .kind = CALL_READ, .fd = fd, .len = len };

	return PASS(&call, REAL(read)(fd, bytes, len));
}

EXPORTED ssize_t pread(int fd, void *bytes, size_t len, off_t at)
{
	struct call call = { .kind = CALL_PREAD, .fd = fd, .at = (uint64_t)at, .len = len };

	return PASS(&call, REAL(pread)(fd, bytes, len, at));
}

EXPORTED off_t lseek(int fd, off_t at, int whence)
{
	struct call call = { .kind = CALL_LSEEK, .fd = fd, .at = (uint64_t)at };

	return PASS(&call, REAL(lseek)(fd, at, whence));
}

EXPORTED ssize_t recv(int fd, void *bytes, size_t len, int flags)
{
	struct call call = { .kind = CALL_RECEIVE, .fd = fd, .len = len, .flags = flags };

	return PASS(&call, REAL(recv)(fd, bytes, len, flags));
}

/* --- writing --- */

/* Copies the first len bytes of parts to cut. Returns the number of parts. */
static int cut_parts(struct iovec cut[PARTS_MAX], const struct iovec *parts, int count,
	size_t len)
{
	int used = 0;

	while (used < count && used < PARTS_MAX && len > 0) {
		cut[used] = parts[used];
		if (cut[used].iov_len > len)
			cut[used].iov_len = len;
		len -= cut[used++].iov_len;
	}
	return used;
}

/* Writes at the descriptor's position, or at call->at for pwrite. */
static long make_write(const struct call *call)
{
	if (call->kind == CALL_PWRITE)
		return REAL(pwrite)(call->fd, call->parts->iov_base, call->len, (off_t)call->at);
	return REAL(writev)(call->fd, call->parts, call->part_count);
}

static ssize_t write_any(struct call *call)
{
	struct fate fate = before_call(call);
	struct iovec parts[PARTS_MAX];
	long result = -1;

	if (!fate.error || fate.made_first) {
		if (fate.short_of && fate.short_of < call->len) {
			call->len -= fate.short_of;
			call->part_count = cut_parts(parts, call->parts, call->part_count,
				call->len);
			call->parts = parts;
		}
		result = make_write(call);
		after_call(call, result);
	}
	if (!fate.error)
		return result;
	errno = fate.error;
	return -1;
}

static uint64_t place_of(int fd)
{
	off_t at = hooks ? REAL(lseek)(fd, 0, SEEK_CUR) : 0;

	return at > 0 ? (uint64_t)at : 0;
}

EXPORTED ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	struct iovec part = { (void *)(uintptr_t)bytes, len };
	struct call call = { .kind = CALL_PWRITE, .fd = fd, .at = (uint64_t)at, .len = len,
		.parts = &part, .part_count = 1 };

	return write_any(&call);
}

EXPORTED ssize_t write(int fd, const void *bytes, size_t len)
{
	struct iovec part = { (void *)(uintptr_t)bytes, len };
	struct call call = { .kind = CALL_WRITE, .fd = fd, .at = place_of(fd), .len = len,
		.parts = &part, .part_count = 1 };

	return write_any(&call);
}

EXPORTED ssize_t writev(int fd, const struct iovec *parts, int count)
{
	struct call call = { .kind = CALL_WRITEV, .fd = fd, .at = place_of(fd), .parts = parts,
		.part_count = count };

	for (int i = 0; i < count; i++)
		call.len += parts[i].iov_len;
	return write_any(&call);
}

EXPORTED int ftruncate(int fd, off_t len)
{
	struct call call = { .kind = CALL_TRUNCATE, .fd = fd, .len = (size_t)len };

	return (int)PASS(&call, REAL(ftruncate)(fd, len));
}

/* Returns the errno instead of setting it. */
EXPORTED int posix_fallocate(int fd, off_t at, off_t len)
{
	struct call call = { .kind = CALL_RESERVE, .fd = fd, .at = (uint64_t)at,
		.len = (size_t)len };
	struct fate fate = before_call(&call);
	int system = fate.error;

	if (!fate.error || fate.made_first) {
		system = REAL(posix_fallocate)(fd, at, len);
		after_call(&call, system ? -1 : 0);
	}
	return fate.error ? fate.error : system;
}

EXPORTED int fdatasync(int fd)
{
	struct call call = { .kind = CALL_FDATASYNC, .fd = fd };

	return (int)PASS(&call, REAL(fdatasync)(fd));
}

EXPORTED int fsync(int fd)
{
	struct call call = { .kind = CALL_FSYNC, .fd = fd };

	return (int)PASS(&call, REAL(fsync)(fd));
}

/* --- maps --- */

EXPORTED void *mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
	struct call call = { .kind = CALL_MAP, .fd = fd, .at = (uint64_t)offset, .len = len,
		.flags = flags };

	return (void *)PASS(&call, REAL(mmap)(at, len, protection, flags, fd, offset));
}

EXPORTED int munmap(void *at, size_t len)
{
	struct call call = { .kind = CALL_UNMAP, .fd = -1, .len = len };

	return (int)PASS(&call, REAL(munmap)(at, len));
}

/* --- calls that are not traced --- */

/* Functions that change files and are not wrapped, because nothing uses them. A program that calls
 * one of them aborts. To use the function, add it above. */
#define UNWRAPPED_MAP(X) \
	X(creat) X(openat) X(link) X(linkat) X(symlinkat) X(renameat) X(renameat2) X(unlinkat) \
	X(truncate) X(fallocate) X(pwritev) X(pwritev2) X(sendfile) X(copy_file_range) \
	X(sync_file_range) X(msync) X(open64) X(openat64) X(pwrite64) X(pread64) \
	X(ftruncate64) X(posix_fallocate64) X(mmap64) X(lseek64)

#define UNSEEN(name) \
	EXPORTED void unseen_##name(void) __asm__(#name); \
	void unseen_##name(void) \
	{ \
		fputs("spec/calls: " #name " is not wrapped\n", stderr); \
		abort(); \
	}
UNWRAPPED_MAP(UNSEEN)

/* --- the rest --- */

EXPORTED int inotify_init1(int flags)
{
	struct call call = { .kind = CALL_INOTIFY, .fd = -1 };

	return (int)PASS(&call, REAL(inotify_init1)(flags));
}

EXPORTED int inotify_add_watch(int fd, const char *path, uint32_t mask)
{
	struct call call = { .kind = CALL_WATCH, .fd = fd, .path = path };

	return (int)PASS(&call, REAL(inotify_add_watch)(fd, path, mask));
}

EXPORTED int socketpair(int domain, int type, int protocol, int sockets[2])
{
	struct call call = { .kind = CALL_SOCKETS, .fd = -1 };

	return (int)PASS(&call, REAL(socketpair)(domain, type, protocol, sockets));
}

static ssize_t draw(void *bytes, size_t len, unsigned flags)
{
	if (!random_is_ours || len > RANDOM_MAX)
		return REAL(getrandom)(bytes, len, flags);
	for (size_t i = 0; i < len; i++)
		((uint8_t *)bytes)[i] = (uint8_t)dice_roll(&random_dice[len]);
	return (ssize_t)len;
}

EXPORTED ssize_t getrandom(void *bytes, size_t len, unsigned flags)
{
	struct call call = { .kind = CALL_RANDOM, .fd = -1, .len = len };

	return PASS(&call, draw(bytes, len, flags));
}

static void describe(struct call *call, long number, const long args[6])
{
	if (number == SYS_renameat2) {
		call->kind = CALL_RENAME;
		call->path = (const char *)args[1];
		call->to = (const char *)args[3];
	}
}

/* Handles renameat2 and futex, which are called through syscall. */
EXPORTED long syscall(long number, ...)
{
	struct call call = { .kind = CALL_FUTEX, .fd = -1 };
	long args[6];
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		args[i] = va_arg(list, long);
	va_end(list);
	describe(&call, number, args);
	return PASS(&call, REAL(syscall)(number, args[0], args[1], args[2], args[3], args[4],
		args[5]));
}
