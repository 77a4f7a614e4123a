/* commit_notifier.c - notification of commits: futexes for threads, inotify for event loops.
 *
 * No notification is lost between the check of the database and the sleep. Both sides write
 * before they read, sequentially consistent (a Dekker-style handshake):
 *
 *     waiter                              committer
 *     seen = commits                      commit (LMDB)
 *     check the database                  commits += 1
 *     waiters += 1                        if waiters: futex wake
 *     futex wait while commits == seen
 *
 * Either the committer sees the waiter and wakes it, or the waiter read the counter after the
 * commit and therefore finds the commit in the database.
 *
 * A wakeup is an inotify descriptor on the file of the shared page. While the page counts an open
 * wakeup, each commit writes one byte to the file (IN_MODIFY). While a waiter with a descriptor is
 * in the lock queue, each unlock reads one byte (IN_ACCESS). The system calls are necessary
 * because inotify does not report changes through a mapping. The kernel merges equal events, so
 * the event queue of a descriptor that is never cleared does not grow.
 */
#include "os/commit_notifier.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/memory.h"
#include "os/file.h"
#include "os/futex.h"
#include "os/shared_page.h"
#include "os/shared_page_layout.h"

static_assert(COMMIT_GROUPS_IN_PAGE == COMMIT_GROUPS, "a bit of commit_notify for each group");

/* --- descriptors --- */

struct wakeup {
	int fd;
	struct shared_page *shared;
};

/* Makes the descriptors of open wakeups readable. A failed notification is ignored, because
 * waiting readers check the database once a second anyway. */
void wakeup_notify_commits(struct shared_page *shared)
{
	static const char byte;
	ssize_t written = pwrite(shared->fd, &byte, 1, NOTIFY_BYTE_AT);

	(void)written;
}

void wakeup_notify_unlocks(struct shared_page *shared)
{
	char byte;
	ssize_t got = pread(shared->fd, &byte, 1, NOTIFY_BYTE_AT);

	(void)got;
}

/* Adds an inotify watch on the shared page's open file. The watch is on the open file and not on
 * its name, because the name may have been removed or replaced, and an in-memory database has no
 * name. */
static int watch(int fd, const struct shared_page *shared, enum wakeup_kind kind)
{
	uint32_t events = kind == WAKEUP_COMMITS ? IN_MODIFY : IN_MODIFY | IN_ACCESS;
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", shared->fd);
	if (inotify_add_watch(fd, path, events) >= 0)
		return 0;
	if (errno != ENOENT && errno != EACCES)
		return -1;
	return inotify_add_watch(fd, shared->path, events) < 0 ? -1 : 0;
}

static int fail_to_watch(struct failure *failure, const struct shared_page *shared)
{
	int system = errno;

	if (system == EMFILE || system == ENOSPC)
		fail_as(failure, ERR_STORE,
			"%s can't be watched: the process has no more descriptors, or the user no more"
			" inotify instances or watches (fs.inotify.max_user_instances,"
			" max_user_watches)",
			shared->path);
	else
		return file_fail(failure, system, shared->path, "can't be watched");
	if (failure)
		failure->system = system;
	return ERR_STORE;
}

int wakeup_open(struct wakeup **out, struct shared_page *shared, enum wakeup_kind kind,
	struct failure *failure)
{
	struct wakeup *wakeup = memory_alloc_zeroed(sizeof *wakeup);
	int err;

	*out = NULL;
	if (!wakeup)
		return fail(failure, ERR_NO_MEMORY);
	wakeup->shared = shared;
	wakeup->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (wakeup->fd < 0 || watch(wakeup->fd, shared, kind)) {
		err = fail_to_watch(failure, shared);
		wakeup_forget(wakeup);
		return err;
	}
	atomic_fetch_add(&shared->page->wakeups, 1);
	*out = wakeup;
	return 0;
}

void wakeup_close(struct wakeup *wakeup)
{
	if (!wakeup)
		return;
	atomic_fetch_sub(&wakeup->shared->page->wakeups, 1);
	wakeup_forget(wakeup);
}

void wakeup_forget(struct wakeup *wakeup)
{
	if (!wakeup)
		return;
	if (wakeup->fd >= 0)
		close(wakeup->fd);
	memory_free(wakeup);
}

int wakeup_descriptor(const struct wakeup *wakeup)
{
	return wakeup->fd;
}

int wakeup_wait(const struct wakeup *wakeup, uint32_t timeout_ms)
{
	struct pollfd one = { wakeup->fd, POLLIN, 0 };
	uint32_t ms = timeout_ms < WAIT_MAX_MS ? timeout_ms : WAIT_MAX_MS;
	int ready = poll(&one, 1, (int)ms);

	if (ready < 0 && errno == EINTR)
		return ERR_INTERRUPTED;
	return ready > 0 ? 0 : END;
}

void wakeup_clear(struct wakeup *wakeup)
{
	char events[1024];

	while (read(wakeup->fd, events, sizeof events) > 0)
		;
}

/* --- futexes --- */

void commit_notify(struct shared_page *shared, uint64_t streams)
{
	struct shared_page_layout *page = shared->page;

	for (; streams; streams &= streams - 1) {
		struct commit_group *stream = &page->streams[__builtin_ctzll(streams)];

		atomic_fetch_add(&stream->commits, 1);
		if (atomic_load(&stream->waiters))
			futex_wake(&stream->commits, INT_MAX);
	}
	atomic_fetch_add(&page->commits, 1);
	if (atomic_load(&page->commit_waiters))
		futex_wake(&page->commits, INT_MAX);
	if (atomic_load(&page->wakeups))
		wakeup_notify_commits(shared);
}

uint32_t commit_count(const struct shared_page *shared, uint32_t stream)
{
	return atomic_load(stream ? &shared->page->streams[stream % COMMIT_GROUPS].commits
		: &shared->page->commits);
}

int commit_wait(struct shared_page *shared, uint32_t stream, uint32_t seen, uint32_t timeout_ms)
{
	struct commit_group *group = &shared->page->streams[stream % COMMIT_GROUPS];
	_Atomic uint32_t *word = stream ? &group->commits : &shared->page->commits;
	_Atomic uint32_t *waiters = stream ? &group->waiters : &shared->page->commit_waiters;
	uint32_t ms = timeout_ms < WAIT_MAX_MS ? timeout_ms : WAIT_MAX_MS;
	int err;

	atomic_fetch_add(waiters, 1);
	err = futex_wait(word, seen, UINT64_C(1000) * ms);
	atomic_fetch_sub(waiters, 1);
	return err;
}
