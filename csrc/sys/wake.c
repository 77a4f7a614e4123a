/* wake.c - the wake file: opening it, and notification of commits.
 *
 * No notification is lost between a look at the store and sleep. Both sides
 * write before they read, sequentially consistent (as in Dekker's algorithm):
 *
 *     waiter                              committer
 *     seen = commits                      commit (LMDB)
 *     look at the store                   commits += 1
 *     waiters += 1                        if waiters: futex wake
 *     futex wait while commits == seen
 *
 * Either the committer sees the waiter and wakes it, or the waiter read the
 * counter after the commit and sees the commit in the store.
 *
 * A process that is killed does not decrement its counts. They remain until the
 * page is reinitialized, and cost the others a needless system call.
 */
#include "sys/wake.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/futex.h"
#include "sys/wake_page.h"

#define MAGIC UINT32_C(0x74645741)
/* LMDB's lock file holds the C library's mutexes: who shares it must share the
 * library's layout too, so that is a part of the page's format. */
#ifdef __GLIBC__
#define FORMAT UINT32_C(0x00040001)
#else
#define FORMAT UINT32_C(0x00040002)
#endif

#define OPENING_PATIENCE_MS 10000
#define OPENING_RETRY_MS 2

/* Bytes that are locked; nothing needs to be there. */
enum { LOCK_OPENING, LOCK_ALIVE };
#define LOCK_GUARD (INT64_C(1) << 32)

static_assert(WAKE_STREAM_GROUPS == WAKE_STREAMS, "a bit of wake_signal for each group");
static_assert(sizeof(struct wake_page) < WAKE_BELL_AT, "the page has room for its words");

/* --- locks --- */

static int set_lock(const struct wake *wake, short type, int64_t at)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };
	int status;

	do
		status = fcntl(wake->fd, F_OFD_SETLK, &lock);
	while (status && errno == EINTR);
	return status ? errno : 0;
}

/* Has another description than ours a lock there? In doubt, yes. */
static bool is_locked(const struct wake *wake, int64_t at)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };

	return fcntl(wake->fd, F_OFD_GETLK, &lock) || lock.l_type != F_UNLCK;
}

bool wake_has_open(const struct wake *wake, int64_t pid)
{
	return is_locked(wake, LOCK_GUARD + pid);
}

static bool is_held_by_other(int system)
{
	return system == EAGAIN || system == EACCES;
}

/* Waits for OPENING, within reason. */
static int take_opening(struct wake *wake)
{
	int system = set_lock(wake, F_WRLCK, LOCK_OPENING);

	for (int waited = 0; is_held_by_other(system) && waited < OPENING_PATIENCE_MS;
			waited += OPENING_RETRY_MS) {
		clock_sleep_us(OPENING_RETRY_MS * 1000);
		system = set_lock(wake, F_WRLCK, LOCK_OPENING);
	}
	return system;
}

/* --- who is in the way --- */

int wake_fail_busy(struct failure *failure, int64_t pid, const char *format, ...)
{
	char what[PATH_MAX + 256], who[40] = "";
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	if (pid == getpid())
		snprintf(who, sizeof who, " (this process itself)");
	else if (pid)
		snprintf(who, sizeof who, " (process %lld)", (long long)pid);
	fail_as(failure, ERR_BUSY, "%s%s", what, who);
	if (failure)
		failure->pid = pid;
	return ERR_BUSY;
}

/* --- opening --- */

static uint64_t pid_namespace(void)
{
	struct stat namespace;

	return stat("/proc/self/ns/pid", &namespace) ? 0 : namespace.st_ino;
}

/* Each process that has the database open, or is about to, has a guard; the
 * lock that is told is the first. */
int64_t wake_other(const struct wake *wake)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_GUARD };

	if (fcntl(wake->fd, F_OFD_GETLK, &lock) || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_start - LOCK_GUARD;
}

/* The file, with OPENING held; it may be removed between the two. */
static int open_and_lock(struct wake *wake, const char *path, struct file_facts *facts,
	struct failure *failure)
{
	for (int attempt = 0; attempt < 10; attempt++) {
		int system;
		int err = file_open_or_make(&wake->fd, path, facts, failure);

		if (err)
			return err;
		system = take_opening(wake);
		if (is_held_by_other(system))
			return wake_fail_busy(failure, wake_other(wake), "%s: another process is busy"
				" opening or compacting the database", path);
		if (system)
			return file_fail(failure, system, path, "can't be locked");
		if (file_is_at(wake->fd, path))
			return 0;
		close(wake->fd);
		wake->fd = -1;
	}
	return fail_as(failure, ERR_BUSY, "%s: is removed again and again", path);
}

static int refuse_second_copy(struct wake *wake, struct failure *failure)
{
	int system = set_lock(wake, F_WRLCK, LOCK_GUARD + wake->pid);

	if (is_held_by_other(system))
		return fail_as(failure, ERR_OPTIONS,
			"%s: this process has the database open already, through another copy of"
			" the library or under a name that was removed or replaced", wake->path);
	return system ? file_fail(failure, system, wake->path, "can't be locked") : 0;
}

/* A file that isn't ours is not written to. */
static int check_page(const struct wake *wake, const struct file_facts *facts,
	struct failure *failure)
{
	uint32_t magic = 0;

	if (facts->size == 0)
		return 0;
	if (facts->size == WAKE_PAGE_BYTES &&
			pread(wake->fd, &magic, sizeof magic, 0) == sizeof magic &&
			(magic == MAGIC || magic == 0))
		return 0;
	return fail_as(failure, ERR_NOT_DATABASE, "%s: is no wake file of a database", wake->path);
}

static int map_page(struct wake *wake, const struct file_facts *facts, struct failure *failure)
{
	void *page;
	int err = check_page(wake, facts, failure);

	if (!err && facts->allocated < WAKE_PAGE_BYTES)
		err = file_reserve(wake->fd, wake->path, WAKE_PAGE_BYTES, failure);
	if (err)
		return err;
	page = mmap(NULL, WAKE_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, wake->fd, 0);
	if (page == MAP_FAILED)
		return file_fail(failure, errno, wake->path, "can't be mapped");
	wake->page = page;
	return 0;
}

static void reset_page(struct wake_page *page)
{
	bool ours = atomic_load(&page->magic) == MAGIC && page->format == FORMAT;
	uint64_t named = ours ? atomic_load(&page->named) : 0;
	uint32_t unsettled = ours ? atomic_load(&page->unsettled) : 0;

	atomic_store(&page->magic, 0);
	memset((char *)page + sizeof page->magic, 0, sizeof *page - sizeof page->magic);
	page->format = FORMAT;
	page->pid_namespace = pid_namespace();
	atomic_store(&page->named, named);
	atomic_store(&page->unsettled, unsettled);
	atomic_store(&page->magic, MAGIC);
}

static int join_page(struct wake *wake, struct failure *failure)
{
	const struct wake_page *page = wake->page;
	uint64_t ours = pid_namespace();

	if (atomic_load(&page->magic) != MAGIC || page->format != FORMAT)
		return fail_as(failure, ERR_STORE,
			"%s: another version of the library, or one for another C library, has"
			" the database open", wake->path);
	if (ours && page->pid_namespace && ours != page->pid_namespace)
		return fail_as(failure, ERR_NAMESPACE,
			"%s: a process in another PID namespace (another container) has the database"
			" open; let them share one", wake->path);
	return 0;
}

/* With OPENING held nobody else comes; so alone now is alone until wake_opened. */
static int join(struct wake *wake, bool *alone, struct failure *failure)
{
	int system = set_lock(wake, F_WRLCK, LOCK_ALIVE);
	int err;

	*alone = system == 0;
	if (*alone)
		reset_page(wake->page);
	else if (!is_held_by_other(system))
		return file_fail(failure, system, wake->path, "can't be locked");

	system = set_lock(wake, F_RDLCK, LOCK_ALIVE);
	if (system)
		return file_fail(failure, system, wake->path, "can't be locked");
	err = *alone ? 0 : join_page(wake, failure);
	if (!err)
		lock_drop_former(wake);
	return err;
}

int wake_open(struct wake **out, const char *path, bool *alone, struct failure *failure)
{
	struct file_facts facts;
	struct wake *wake = memory_zeroed(sizeof *wake);
	int err;

	*out = NULL;
	if (!wake)
		return fail(failure, ERR_NO_MEMORY);
	wake->fd = -1;
	wake->pid = getpid();
	wake->limits = lock_limits_here();
	wake->path = memory_get(strlen(path) + 1);
	err = wake->path ? 0 : fail(failure, ERR_NO_MEMORY);
	if (err)
		goto done;
	memcpy(wake->path, path, strlen(path) + 1);

	err = open_and_lock(wake, path, &facts, failure);
	if (!err)
		err = file_check_local(wake->fd, path, failure);
	if (!err)
		err = refuse_second_copy(wake, failure);
	if (!err)
		err = map_page(wake, &facts, failure);
	if (!err)
		err = join(wake, alone, failure);
done:
	if (err)
		wake_close(wake);
	else
		*out = wake;
	return err;
}

bool wake_identify(struct wake *wake, uint64_t device, uint64_t inode)
{
	struct wake_page *page = wake->page;

	if (!atomic_load(&page->inode)) {
		atomic_store(&page->device, device);
		atomic_store(&page->inode, inode);
	}
	return atomic_load(&page->device) == device && atomic_load(&page->inode) == inode;
}

uint64_t wake_named(const struct wake *wake)
{
	return atomic_load(&wake->page->named);
}

void wake_set_named(struct wake *wake, uint64_t inode)
{
	atomic_store(&wake->page->named, inode);
}

uint32_t wake_unsettled(const struct wake *wake)
{
	return atomic_load(&wake->page->unsettled);
}

uint32_t wake_flush_failures(const struct wake *wake)
{
	return atomic_load(&wake->page->flush_failures);
}

void wake_flush_failed(struct wake *wake)
{
	atomic_fetch_add(&wake->page->flush_failures, 1);
	atomic_fetch_add(&wake->page->unsettled, 1);
}

void wake_settled(struct wake *wake, uint32_t seen)
{
	atomic_compare_exchange_strong(&wake->page->unsettled, &seen, 0);
}

void wake_opened(struct wake *wake)
{
	set_lock(wake, F_UNLCK, LOCK_OPENING);
}

void wake_closing(struct wake *wake)
{
	take_opening(wake);   /* in vain after a while: then without it */
}

void wake_forget(struct wake *wake)
{
	if (!wake || wake->foreign)
		return;
	wake->foreign = true;
	close(wake->fd);
	wake->fd = -1;
}

void wake_close(struct wake *wake)
{
	struct flock all = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	if (!wake)
		return;
	if (wake->page && !wake->foreign)
		lock_close(wake);
	if (wake->page)
		munmap(wake->page, WAKE_PAGE_BYTES);
	if (wake->fd >= 0) {
		/* A child of fork may still hold the description: a close
		 * alone would leave it our locks. */
		fcntl(wake->fd, F_OFD_SETLK, &all);
		close(wake->fd);
	}
	memory_give_back(wake->path);
	memory_give_back(wake);
}

/* --- notification of commits --- */

void wake_signal(struct wake *wake, uint64_t streams)
{
	struct wake_page *page = wake->page;

	for (; streams; streams &= streams - 1) {
		struct wake_stream *stream = &page->streams[__builtin_ctzll(streams)];

		atomic_fetch_add(&stream->commits, 1);
		if (atomic_load(&stream->waiters))
			futex_wake(&stream->commits, INT_MAX);
	}
	atomic_fetch_add(&page->commits, 1);
	if (atomic_load(&page->commit_waiters))
		futex_wake(&page->commits, INT_MAX);
	if (atomic_load(&page->bells))
		bell_ring_commits(wake);
}

uint32_t wake_commits(const struct wake *wake, uint32_t stream)
{
	return atomic_load(stream ? &wake->page->streams[stream % WAKE_STREAMS].commits
		: &wake->page->commits);
}

int wake_wait(struct wake *wake, uint32_t stream, uint32_t seen, uint32_t timeout_ms)
{
	struct wake_stream *group = &wake->page->streams[stream % WAKE_STREAMS];
	_Atomic uint32_t *word = stream ? &group->commits : &wake->page->commits;
	_Atomic uint32_t *waiters = stream ? &group->waiters : &wake->page->commit_waiters;
	uint32_t ms = timeout_ms < WAKE_LONGEST_SLEEP_MS ? timeout_ms : WAKE_LONGEST_SLEEP_MS;
	int err;

	atomic_fetch_add(waiters, 1);
	err = futex_wait(word, seen, UINT64_C(1000) * ms);
	atomic_fetch_sub(waiters, 1);
	return err;
}
