/* commit_notifier.c - notifications as a descriptor, for event loops.
 *
 * inotify on the wake file: a commit writes one byte into the file (IN_MODIFY) while the
 * page counts a bell, an unlock reads one (IN_ACCESS) while a waiter at a
 * descriptor is in the queue. Changes of the page itself go through a mapping, which
 * inotify does not report. The kernel merges equal events, so the queue of a
 * descriptor that is never cleared does not grow.
 */
#include "os/shared_page.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/memory.h"
#include "os/file.h"
#include "os/shared_page_layout.h"

struct wakeup {
	int fd;
	struct shared_page *shared;
};

/* A notification that fails costs the watchers time, not a record. */
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

/* Watches the open file, not its name: the name may have been removed (stores in memory
 * have none) or replaced. */
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
			"%s: no more descriptors for this process, or inotify instances or watches"
			" for this user (fs.inotify.max_user_instances, max_user_watches)",
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
