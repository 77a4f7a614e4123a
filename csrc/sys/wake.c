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
#include "os/clock.h"
#include "os/file.h"
#include "os/file_system.h"
#include "os/futex.h"
#include "os/identity.h"
#include "sys/wake_page.h"

#define MAGIC UINT32_C(0x74645741)
#define MAGIC_UNFINISHED UINT32_C(0x74645755)        /* while the page is initialized */
/* LMDB's lock file holds the C library's mutexes: who shares it must share the
 * library's layout too, so that is a part of the page's format. */
#ifdef __GLIBC__
#define FORMAT UINT32_C(0x00050001)
#else
#define FORMAT UINT32_C(0x00050002)
#endif

/* Byte ranges that are locked; the file need not be that long. OPENING begins
 * at a fixed byte and is 1 + pid bytes long: two of them always overlap, and a
 * process that is refused learns the owner's pid from the length. */
#define LOCK_ALIVE 1
#define LOCK_GUARD (INT64_C(1) << 32)
#define LOCK_OPENING (INT64_C(1) << 33)

static_assert(WAKE_STREAM_GROUPS == WAKE_STREAMS, "a bit of wake_signal for each group");
static_assert(sizeof(struct wake_page) < WAKE_BELL_AT, "the page has room for its words");

/* --- locks --- */

static int set_range(const struct wake *wake, short type, int64_t at, int64_t len)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = len };
	int status;

	do
		status = fcntl(wake->fd, F_OFD_SETLK, &lock);
	while (status && errno == EINTR);
	return status ? errno : 0;
}

static int set_lock(const struct wake *wake, short type, int64_t at)
{
	return set_range(wake, type, at, 1);
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

static int take_opening(const struct wake *wake)
{
	return set_range(wake, F_WRLCK, LOCK_OPENING, 1 + wake->pid);
}

/* Returns the pid of the process that holds OPENING, 0 if none does. */
static int64_t opener(const struct wake *wake)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET,
		.l_start = LOCK_OPENING, .l_len = 1 };

	if (fcntl(wake->fd, F_OFD_GETLK, &lock) || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_len - 1;
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
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET,
		.l_start = LOCK_GUARD, .l_len = LOCK_OPENING - LOCK_GUARD };

	if (fcntl(wake->fd, F_OFD_GETLK, &lock) || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_start - LOCK_GUARD;
}

static int fail_for_a_moment(struct failure *failure, int err)
{
	if (failure)
		failure->momentary = true;
	return err;
}

/* Opens the file and takes OPENING. The name may be removed between the two;
 * then the lock would be on a file that no other process finds. */
static int open_and_lock(struct wake *wake, const char *path, const struct file_owner *owner,
	struct failure *failure)
{
	for (int attempt = 0; attempt < 10; attempt++) {
		int system;
		int err = file_open_or_make(&wake->fd, path, owner, &wake->facts,
			&wake->made, failure);

		if (err)
			return err;
		system = take_opening(wake);
		if (is_held_by_other(system))
			return fail_for_a_moment(failure, wake_fail_busy(failure, opener(wake),
				"%s: another process is opening or compacting the database", path));
		if (system)
			return file_fail(failure, system, path, "can't be locked");
		if (file_is_at(wake->fd, path))
			return 0;
		close(wake->fd);
		wake->fd = -1;
	}
	return fail_for_a_moment(failure, fail_as(failure, ERR_BUSY,
		"%s: keeps being removed by another process", path));
}

static int fail_namespace(const struct wake *wake, struct failure *failure)
{
	return fail_as(failure, ERR_NAMESPACE,
		"%s: a process in another PID namespace (another container, or one without /proc)"
		" has the database open; let them share one", wake->path);
}

/* The namespace of those who have the page; read, for it is not mapped yet. */
static bool is_other_namespace(const struct wake *wake)
{
	struct wake_page page;
	uint64_t ours = pid_namespace();

	return pread(wake->fd, &page, sizeof page, 0) == (ssize_t)sizeof page &&
		atomic_load(&page.magic) == MAGIC && page.pid_namespace != ours;
}

static int refuse_second_copy(struct wake *wake, struct failure *failure)
{
	int system = set_lock(wake, F_WRLCK, LOCK_GUARD + wake->pid);

	if (is_held_by_other(system) && is_other_namespace(wake))
		return fail_namespace(wake, failure);
	if (is_held_by_other(system))
		return fail_as(failure, ERR_OPTIONS,
			"%s: this process has the database open already, through another copy of"
			" the library or under a name that was removed or replaced", wake->path);
	return system ? file_fail(failure, system, wake->path, "can't be locked") : 0;
}

/* A file that isn't ours is not written to. One that was never initialized begins with zeros. */
static int check_page(const struct wake *wake, struct failure *failure)
{
	const struct file_facts *facts = &wake->facts;
	uint32_t magic = 0;

	if (facts->size == 0)
		return 0;
	if (facts->size == WAKE_PAGE_BYTES &&
			pread(wake->fd, &magic, sizeof magic, 0) == sizeof magic &&
			(magic == MAGIC || magic == MAGIC_UNFINISHED ||
			file_begins_with_zeros(wake->fd, WAKE_PAGE_BYTES)))
		return 0;
	return fail_as(failure, ERR_NOT_DATABASE, "%s: is no wake file of a database", wake->path);
}

static int map_page(struct wake *wake, struct failure *failure)
{
	void *page;
	int err = check_page(wake, failure);

	if (!err && wake->facts.allocated < WAKE_PAGE_BYTES)
		err = file_reserve(wake->fd, wake->path, WAKE_PAGE_BYTES, failure);
	if (err)
		return err;
	page = mmap(NULL, WAKE_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, wake->fd, 0);
	if (page == MAP_FAILED)
		return file_fail(failure, errno, wake->path, "can't be mapped");
	wake->page = page;
	return file_check_writable(page, WAKE_PAGE_BYTES, wake->path, failure);
}

static void reset_page(struct wake_page *page)
{
	bool ours = atomic_load(&page->magic) == MAGIC && page->format == FORMAT;
	uint64_t named = ours ? atomic_load(&page->named) : 0;
	uint32_t unsettled = ours ? atomic_load(&page->unsettled) : 0;

	atomic_store(&page->magic, MAGIC_UNFINISHED);
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
	if (ours != page->pid_namespace)
		return fail_namespace(wake, failure);
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

static struct wake *new_wake(const char *path)
{
	struct wake *wake = memory_alloc_zeroed(sizeof *wake);

	if (!wake)
		return NULL;
	wake->fd = -1;
	wake->pid = getpid();
	wake->limits = lock_limits_here();
	wake->path = memory_alloc(strlen(path) + 1);
	if (!wake->path) {
		memory_free(wake);
		return NULL;
	}
	memcpy(wake->path, path, strlen(path) + 1);
	return wake;
}

/* With OPENING held, or a file that no other process has. */
static int enter(struct wake *wake, bool *alone, struct failure *failure)
{
	int err = refuse_second_copy(wake, failure);

	if (!err)
		err = map_page(wake, failure);
	return err ? err : join(wake, alone, failure);
}

int wake_open(struct wake **out, const char *path, const struct file_owner *owner,
	bool *alone, struct failure *failure)
{
	struct wake *wake = new_wake(path);
	int err;

	*out = NULL;
	if (!wake)
		return fail(failure, ERR_NO_MEMORY);
	err = open_and_lock(wake, path, owner, failure);
	if (!err) {
		err = file_system_check_local(wake->fd, path, failure);
		if (!err)
			err = enter(wake, alone, failure);
		if (err)
			wake_take_back(wake);
	}
	if (err)
		wake_close(wake);
	else
		*out = wake;
	return err;
}

int wake_open_private(struct wake **out, const char *path, struct failure *failure)
{
	struct wake *wake = new_wake(path);
	bool alone;
	int err;

	*out = NULL;
	if (!wake)
		return fail(failure, ERR_NO_MEMORY);
	wake->fd = memfd_create("tidetable-wake", MFD_CLOEXEC);
	err = wake->fd < 0 ? file_fail(failure, errno, path, "no memory file can be made")
		: enter(wake, &alone, failure);
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

bool wake_identify_lock(struct wake *wake, uint64_t device, uint64_t inode)
{
	struct wake_page *page = wake->page;

	if (!atomic_load(&page->lock_inode)) {
		atomic_store(&page->lock_device, device);
		atomic_store(&page->lock_inode, inode);
	}
	return atomic_load(&page->lock_device) == device &&
		atomic_load(&page->lock_inode) == inode;
}

uint64_t wake_side(const struct wake *wake)
{
	return identity_side(wake->facts.device, wake->facts.inode);
}

void wake_take_back(const struct wake *wake)
{
	if (wake->made)
		file_remove(wake->path, NULL);
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
	set_range(wake, F_UNLCK, LOCK_OPENING, 1 + wake->pid);
}

/* A map holds the open file, and with it the locks: as long as this process lives, the
 * parent's would outlive the parent. So the page is replaced by a private copy. */
static void leave_page(struct wake *wake)
{
	char copy[WAKE_PAGE_BYTES];
	void *page;

	memcpy(copy, wake->page, sizeof copy);
	page = mmap(wake->page, WAKE_PAGE_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (page != MAP_FAILED)
		memcpy(page, copy, sizeof copy);
}

void wake_forget(struct wake *wake)
{
	if (!wake || wake->foreign)
		return;
	wake->foreign = true;
	leave_page(wake);
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
	memory_free(wake->path);
	memory_free(wake);
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
