/* shared_page.c - opens and closes the memory shared by all processes that have a database open.
 *
 * A process that is killed does not decrement its counts in the page. These counts remain until
 * the page is reinitialized. Until then the other processes make unnecessary system calls.
 */
#include "os/shared_page.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/file_system.h"
#include "os/identity.h"
#include "os/shared_page_layout.h"
#include "os/write_lock.h"

#define MAGIC UINT32_C(0x74645741)
#define MAGIC_UNFINISHED UINT32_C(0x74645755)        /* magic while the page is initialized */
/* Format number of the page. It depends on the C library, because LMDB's lock file contains
 * mutexes of the C library, so all processes must use the same C library. */
#ifdef __GLIBC__
#define FORMAT UINT32_C(0x000a0001)
#else
#define FORMAT UINT32_C(0x000a0002)
#endif

/* Locked byte ranges, which may be beyond the end of the file. OPENING begins at a fixed byte and
 * is 1 + pid bytes long. So any two OPENING locks overlap, and the length of the lock gives the
 * pid of its holder. */
#define LOCK_ALIVE 1
#define LOCK_GUARD (INT64_C(1) << 32)
#define LOCK_OPENING (INT64_C(1) << 33)

/* The file's size is a multiple of this, also if its creation was interrupted by a power cut. */
#define SIZE_UNIT 512

static_assert(sizeof(struct shared_page_layout) <= NOTIFY_BYTE_AT,
	"the fields fit in the page");

/* --- locks --- */

static int set_range(const struct shared_page *shared, short type, int64_t at, int64_t len)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = len };
	int status;

	do
		status = fcntl(shared->fd, F_OFD_SETLK, &lock);
	while (status && errno == EINTR);
	return status ? errno : 0;
}

static int set_lock(const struct shared_page *shared, short type, int64_t at)
{
	return set_range(shared, type, at, 1);
}

/* Returns true if another open file description has a lock on this byte of the file, or if that
 * cannot be determined. */
static bool is_locked(const struct shared_page *shared, int64_t at)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };

	return fcntl(shared->fd, F_OFD_GETLK, &lock) || lock.l_type != F_UNLCK;
}

bool shared_page_has_open(const struct shared_page *shared, int64_t pid)
{
	return is_locked(shared, LOCK_GUARD + pid);
}

static bool is_held_by_other(int system)
{
	return system == EAGAIN || system == EACCES;
}

static int take_opening(const struct shared_page *shared)
{
	return set_range(shared, F_WRLCK, LOCK_OPENING, 1 + shared->pid);
}

/* Returns the pid of the process that holds OPENING, 0 if no process does. */
static int64_t opener(const struct shared_page *shared)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET,
		.l_start = LOCK_OPENING, .l_len = 1 };

	if (fcntl(shared->fd, F_OFD_GETLK, &lock) || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_len - 1;
}

/* --- ERR_BUSY with a pid --- */

int fail_busy(struct failure *failure, int64_t pid, const char *format, ...)
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

/* Finds a GUARD lock of another process, because each process that has the database open or is
 * opening it holds its GUARD. fcntl reports the first of these locks. */
int64_t shared_page_other(const struct shared_page *shared)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET,
		.l_start = LOCK_GUARD, .l_len = LOCK_OPENING - LOCK_GUARD };

	if (fcntl(shared->fd, F_OFD_GETLK, &lock) || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_start - LOCK_GUARD;
}

static int mark_transient(struct failure *failure, int err)
{
	if (failure)
		failure->transient = true;
	return err;
}

/* Opens the file and acquires OPENING. Tries again if the name was removed in between, because the
 * lock would be on a file that no other process can find. */
static int open_and_lock(struct shared_page *shared, const char *path,
	const struct file_owner *owner,
	struct failure *failure)
{
	for (int attempt = 0; attempt < 10; attempt++) {
		int system;
		int err = file_open_or_make(&shared->fd, path, owner, &shared->facts,
			&shared->made, failure);

		if (err)
			return err;
		system = take_opening(shared);
		if (is_held_by_other(system))
			return mark_transient(failure, fail_busy(failure, opener(shared),
				"the database of %s is being opened or compacted", path));
		if (system)
			return file_fail(failure, system, path, "can't be locked");
		if (file_is_at(shared->fd, path))
			return 0;
		close(shared->fd);
		shared->fd = -1;
	}
	return mark_transient(failure, fail_as(failure, ERR_BUSY,
		"%s keeps being removed by another process", path));
}

static int fail_namespace(const struct shared_page *shared, struct failure *failure)
{
	return fail_as(failure, ERR_NAMESPACE,
		"%s is in use by a process in another PID namespace (another container, or one"
		" without /proc); run both processes in one PID namespace", shared->path);
}

/* Returns true if the page was initialized in another PID namespace. Reads the first fields of the
 * file, which all versions share, because the page is not mapped yet. */
static bool is_other_namespace(const struct shared_page *shared)
{
	const size_t len = offsetof(struct shared_page_layout, device);
	struct shared_page_layout page;
	uint64_t ours = pid_namespace();

	return pread(shared->fd, &page, len, 0) == (ssize_t)len &&
		atomic_load(&page.magic) == MAGIC && page.pid_namespace != ours;
}

static int refuse_second_copy(struct shared_page *shared, struct failure *failure)
{
	int system = set_lock(shared, F_WRLCK, LOCK_GUARD + shared->pid);

	if (is_held_by_other(system) && is_other_namespace(shared))
		return fail_namespace(shared, failure);
	if (is_held_by_other(system))
		return fail_as(failure, ERR_OPTIONS,
			"%s is already in use by this process, through another copy of the"
			" library or under a name that was removed or replaced", shared->path);
	return system ? file_fail(failure, system, shared->path, "can't be locked") : 0;
}

static int fail_version(const struct shared_page *shared, struct failure *failure)
{
	return fail_as(failure, ERR_STORE,
		"%s is in use by a process with another version of the library, or with"
		" another C library", shared->path);
}

/* Returns true if the file is empty or a shared page file, of any version. A shared page file that
 * was never initialized begins with zeros. */
static bool is_shared_page(const struct shared_page *shared)
{
	uint64_t size = shared->facts.size;
	uint32_t magic = 0;

	if (size % SIZE_UNIT)
		return false;
	if (size == 0)
		return true;
	if (pread(shared->fd, &magic, sizeof magic, 0) != sizeof magic)
		return false;
	return magic == MAGIC || magic == MAGIC_UNFINISHED ||
		(size <= SHARED_PAGE_BYTES && file_begins_with_zeros(shared->fd, size));
}

/* Rejects a file that is not a shared page file, before anything is written to it. Versions before
 * format 7 have a smaller page, which is not extended while one of them uses it, because they
 * reject a larger file. */
static int check_page(const struct shared_page *shared, struct failure *failure)
{
	if (!is_shared_page(shared))
		return fail_as(failure, ERR_NOT_DATABASE,
			"%s is not a shared page file of a database", shared->path);
	if (shared->facts.size < SHARED_PAGE_BYTES && is_locked(shared, LOCK_ALIVE))
		return fail_version(shared, failure);
	return 0;
}

static int map_page(struct shared_page *shared, struct failure *failure)
{
	void *page;
	int err = check_page(shared, failure);

	if (!err && (shared->facts.size < SHARED_PAGE_BYTES ||
			shared->facts.allocated < SHARED_PAGE_BYTES))
		err = file_reserve(shared->fd, shared->path, SHARED_PAGE_BYTES, failure);
	if (err)
		return err;
	page = mmap(NULL, SHARED_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, shared->fd, 0);
	if (page == MAP_FAILED)
		return file_fail(failure, errno, shared->path, "can't be mapped");
	shared->page = page;
	return file_check_writable(page, SHARED_PAGE_BYTES, shared->path, failure);
}

static void reset_page(struct shared_page_layout *page)
{
	bool ours = atomic_load(&page->magic) == MAGIC && page->format == FORMAT;
	uint64_t named = ours ? atomic_load(&page->named) : 0;
	uint32_t unsettled = ours ? atomic_load(&page->unsettled) : 0;

	atomic_store(&page->magic, MAGIC_UNFINISHED);
	memset((char *)page + sizeof page->magic, 0,
		offsetof(struct shared_page_layout, workers) - sizeof page->magic);
	worker_slots_reset(page, ours);
	page->format = FORMAT;
	page->pid_namespace = pid_namespace();
	atomic_store(&page->named, named);
	atomic_store(&page->unsettled, unsettled);
	atomic_store(&page->magic, MAGIC);
}

static int join_page(struct shared_page *shared, struct failure *failure)
{
	const struct shared_page_layout *page = shared->page;
	uint64_t ours = pid_namespace();

	if (atomic_load(&page->magic) != MAGIC || page->format != FORMAT)
		return fail_version(shared, failure);
	if (ours != page->pid_namespace)
		return fail_namespace(shared, failure);
	return 0;
}

/* Acquires ALIVE and sets *alone to true if no other process holds it. While OPENING is held, no
 * other process can acquire ALIVE, so *alone remains valid until shared_page_opened. */
static int join(struct shared_page *shared, bool *alone, struct failure *failure)
{
	int system = set_lock(shared, F_WRLCK, LOCK_ALIVE);
	int err;

	*alone = system == 0;
	if (*alone)
		reset_page(shared->page);
	else if (!is_held_by_other(system))
		return file_fail(failure, system, shared->path, "can't be locked");

	system = set_lock(shared, F_RDLCK, LOCK_ALIVE);
	if (system)
		return file_fail(failure, system, shared->path, "can't be locked");
	err = *alone ? 0 : join_page(shared, failure);
	if (err)
		return err;
	shared->joined = true;
	lock_drop_former(shared);
	worker_slots_release(shared, false);
	return 0;
}

static struct shared_page *new_shared_page(const char *path)
{
	struct shared_page *shared = memory_alloc_zeroed(sizeof *shared);

	if (!shared)
		return NULL;
	shared->fd = -1;
	shared->pid = getpid();
	shared->proc = "/proc";
	shared->limits = lock_limits_here();
	shared->path = memory_alloc(strlen(path) + 1);
	if (!shared->path) {
		memory_free(shared);
		return NULL;
	}
	memcpy(shared->path, path, strlen(path) + 1);
	return shared;
}

/* Maps the page and acquires ALIVE and GUARD. OPENING must be held unless the file is private. */
static int enter(struct shared_page *shared, bool *alone, struct failure *failure)
{
	int err = refuse_second_copy(shared, failure);

	if (!err)
		err = map_page(shared, failure);
	return err ? err : join(shared, alone, failure);
}

int shared_page_open(struct shared_page **out, const char *path, const struct file_owner *owner,
	bool *alone, struct failure *failure)
{
	struct shared_page *shared = new_shared_page(path);
	int err;

	*out = NULL;
	if (!shared)
		return fail(failure, ERR_NO_MEMORY);
	err = open_and_lock(shared, path, owner, failure);
	if (!err) {
		err = file_system_check_local(shared->fd, path, failure);
		if (!err)
			err = enter(shared, alone, failure);
		if (err)
			shared_page_take_back(shared);
	}
	if (err)
		shared_page_close(shared);
	else
		*out = shared;
	return err;
}

int shared_page_open_private(struct shared_page **out, const char *path, struct failure *failure)
{
	struct shared_page *shared = new_shared_page(path);
	bool alone;
	int err;

	*out = NULL;
	if (!shared)
		return fail(failure, ERR_NO_MEMORY);
	shared->fd = memfd_create("tidetable-wake", MFD_CLOEXEC);
	err = shared->fd < 0 ? file_fail(failure, errno, path, "can't be created in memory")
		: enter(shared, &alone, failure);
	if (err)
		shared_page_close(shared);
	else
		*out = shared;
	return err;
}

bool shared_page_identify(struct shared_page *shared, uint64_t device, uint64_t inode)
{
	struct shared_page_layout *page = shared->page;

	if (!atomic_load(&page->inode)) {
		atomic_store(&page->device, device);
		atomic_store(&page->inode, inode);
	}
	return atomic_load(&page->device) == device && atomic_load(&page->inode) == inode;
}

bool shared_page_identify_lock(struct shared_page *shared, uint64_t device, uint64_t inode)
{
	struct shared_page_layout *page = shared->page;

	if (!atomic_load(&page->lock_inode)) {
		atomic_store(&page->lock_device, device);
		atomic_store(&page->lock_inode, inode);
	}
	return atomic_load(&page->lock_device) == device &&
		atomic_load(&page->lock_inode) == inode;
}

uint64_t shared_page_side(const struct shared_page *shared)
{
	return identity_side(shared->facts.device, shared->facts.inode);
}

void shared_page_take_back(const struct shared_page *shared)
{
	if (shared->made)
		file_remove(shared->path, NULL);
}

uint64_t shared_page_named(const struct shared_page *shared)
{
	return atomic_load(&shared->page->named);
}

void shared_page_set_named(struct shared_page *shared, uint64_t inode)
{
	atomic_store(&shared->page->named, inode);
}

uint32_t shared_page_unsettled(const struct shared_page *shared)
{
	return atomic_load(&shared->page->unsettled);
}

uint32_t shared_page_flush_failures(const struct shared_page *shared)
{
	return atomic_load(&shared->page->flush_failures);
}

void shared_page_flush_failed(struct shared_page *shared)
{
	atomic_fetch_add(&shared->page->flush_failures, 1);
	atomic_fetch_add(&shared->page->unsettled, 1);
}

void shared_page_settled(struct shared_page *shared, uint32_t seen)
{
	atomic_compare_exchange_strong(&shared->page->unsettled, &seen, 0);
}

void shared_page_opened(struct shared_page *shared)
{
	set_range(shared, F_UNLCK, LOCK_OPENING, 1 + shared->pid);
}

/* Replaces the mapping in a forked process by a private copy. The shared mapping refers to the
 * parent's open file description, so the parent's locks would outlive the parent. */
static void leave_page(struct shared_page *shared)
{
	void *copy = mmap(NULL, SHARED_PAGE_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (copy == MAP_FAILED)
		return;
	memcpy(copy, shared->page, SHARED_PAGE_BYTES);
	if (mremap(copy, SHARED_PAGE_BYTES, SHARED_PAGE_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED,
			shared->page) == MAP_FAILED)
		munmap(copy, SHARED_PAGE_BYTES);
}

void shared_page_forget(struct shared_page *shared)
{
	if (!shared || shared->foreign)
		return;
	shared->foreign = true;
	leave_page(shared);
	close(shared->fd);
	shared->fd = -1;
}

void shared_page_close(struct shared_page *shared)
{
	struct flock all = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	if (!shared)
		return;
	if (shared->joined && !shared->foreign) {
		worker_slots_release(shared, true);
		lock_close(shared);
	}
	if (shared->page)
		munmap(shared->page, SHARED_PAGE_BYTES);
	if (shared->fd >= 0) {
		/* Releases the locks explicitly, because a forked process may still have the open
		 * file description and close would not release them then. */
		fcntl(shared->fd, F_OFD_SETLK, &all);
		close(shared->fd);
	}
	memory_free(shared->path);
	memory_free(shared);
}
