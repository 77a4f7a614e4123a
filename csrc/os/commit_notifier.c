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
 * Wake tree: the committer wakes at most FAN_OUT sleepers of each counter, and a thread that was
 * woken wakes FAN_OUT others before it reads. So the committer's cost does not depend on the number
 * of sleepers. The tree is stored nowhere: the next thread to wake is the first in the kernel's
 * queue. A thread sleeps with the bit `seen % AGES` (a futex operation has 32 bits). So the threads
 * that have seen the last commit are told apart from those that have to be woken. The word `passed`
 * is the last value of the counter for which no sleeper was left:
 *
 *     pass on    if passed == commits: done
 *                wake FAN_OUT sleepers without the bit of commits; if there were as many: done
 *                if commits - passed >= AGES: wake all sleepers with the bit of commits
 *                passed = commits, if passed is unchanged
 *
 * All sleepers have seen at least `passed` commits. If fewer than AGES commits followed, a sleeper
 * with the bit of the counter has seen the last commit. Otherwise it may be older, and all sleepers
 * with this bit are woken.
 *
 * A thread passes on before and after each sleep. If one is killed or stopped after it was woken
 * and before it passes on, another continues, because at least two threads are awake until no
 * sleeper is left: the committer wakes two or, while an earlier tree is unfinished, one more. If
 * all of them are stopped, which may be threads of one process, `passed` stays behind. The next
 * thread that begins or ends a sleep continues, and so does the next commit. For this each sleeper
 * wakes up in its turn, without checking the database: the first after TURN_US, each of the others
 * TURN_US later, at most after WAIT_MAX_MS. So the delay is at most TURN_US for each thread that
 * was killed or stopped in a wait, and at most WAIT_MAX_MS in all. A process that is stopped while
 * it sleeps is not in the kernel's queue and cannot use up a notification.
 *
 * A wakeup is an inotify descriptor on the file of the shared page. While the page counts an open
 * wakeup, each commit writes one byte to the file (IN_MODIFY). While a waiter with a descriptor is
 * in the lock queue, each unlock reads one byte (IN_ACCESS). The system calls are necessary
 * because inotify does not report changes through a mapping. The kernel merges equal events, so
 * the event queue of a descriptor that is never cleared does not grow. The write makes every
 * descriptor readable within the committer's system call. An event loop cannot pass on, because it
 * may be busy. If no wakeup was cleared since the last write, all are still readable and nothing is
 * written:
 *
 *     waiter                              committer
 *     read all events                     commit (LMDB)
 *     cleared += 1                        now = cleared
 *     check the database                  if now != readable: write; readable = now
 *     poll
 */
#include "os/commit_notifier.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/futex.h"
#include "os/shared_page.h"
#include "os/shared_page_layout.h"

#define FAN_OUT 2      /* number of sleepers that a thread of the wake tree wakes */
#define AGES 32        /* number of bits of a futex operation */
/* Time between two sleepers that look for an unfinished tree. */
#define TURN_US UINT64_C(50000)

static_assert(COMMIT_GROUPS_IN_PAGE == COMMIT_GROUPS, "a bit of commit_notify for each group");

/* --- descriptors --- */

struct wakeup {
	int fd;
	enum wakeup_kind kind;
	struct shared_page *shared;
};

/* Makes the descriptors of open wakeups readable, unless they still are. After a failed
 * notification the next commit tries again, and waiting readers check the database once a second
 * anyway. */
static void notify_wakeups(struct shared_page *shared)
{
	static const char byte;
	uint32_t cleared = atomic_load(&shared->page->cleared);

	if (cleared == atomic_load(&shared->page->readable))
		return;
	if (pwrite(shared->fd, &byte, 1, NOTIFY_BYTE_AT) == 1)
		atomic_store(&shared->page->readable, cleared);
}

void wakeup_notify_unlocks(struct shared_page *shared)
{
	char byte;
	ssize_t got = pread(shared->fd, &byte, 1, NOTIFY_BYTE_AT);

	(void)got;
}

/* Events of the file that make a wakeup of this kind readable. */
static uint32_t events_of(enum wakeup_kind kind)
{
	switch (kind) {
	case WAKEUP_COMMITS:
		return IN_MODIFY;
	case WAKEUP_UNLOCKS:
		return IN_MODIFY | IN_ACCESS;
	case WAKEUP_PROGRESS:
		break;
	}
	return IN_ATTRIB;
}

/* Returns the number of open wakeups of the kinds that the same call notifies. */
static _Atomic uint32_t *count_of(struct shared_page *shared, enum wakeup_kind kind)
{
	return kind == WAKEUP_PROGRESS ? &shared->page->progress_wakeups : &shared->page->wakeups;
}

/* Adds an inotify watch on the shared page's open file. The watch is on the open file and not on
 * its name, because the name may have been removed or replaced, and an in-memory database has no
 * name. */
static int watch(int fd, const struct shared_page *shared, enum wakeup_kind kind)
{
	uint32_t events = events_of(kind);
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
	wakeup->kind = kind;
	wakeup->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (wakeup->fd < 0 || watch(wakeup->fd, shared, kind)) {
		err = fail_to_watch(failure, shared);
		wakeup_forget(wakeup);
		return err;
	}
	atomic_fetch_add(&shared->page->cleared, 1);
	atomic_fetch_add(count_of(shared, kind), 1);
	*out = wakeup;
	return 0;
}

void wakeup_close(struct wakeup *wakeup)
{
	if (!wakeup)
		return;
	atomic_fetch_sub(count_of(wakeup->shared, wakeup->kind), 1);
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
	atomic_fetch_add(&wakeup->shared->page->cleared, 1);
}

/* --- futexes --- */

/* Returns the bit of a sleeper that has seen this number of commits. */
static uint32_t bit_of(uint32_t commits)
{
	return UINT32_C(1) << commits % AGES;
}

/* Wakes FAN_OUT of the sleepers that have not seen the last commit, if there may be any. */
static void pass_on(struct commit_group *group)
{
	uint32_t passed = atomic_load(&group->passed), commits = atomic_load(&group->commits);

	if (passed == commits)
		return;
	if (atomic_load(&group->waiters)) {
		if (futex_wake_bits(&group->commits, FAN_OUT, ~bit_of(commits)) == FAN_OUT)
			return;
		if (commits - passed >= AGES)
			futex_wake_bits(&group->commits, INT_MAX, bit_of(commits));
	}
	atomic_compare_exchange_strong(&group->passed, &passed, commits);
}

/* Counts a commit and wakes the roots of its wake tree. If there were fewer, no sleeper is left. */
static void notify_group(struct commit_group *group)
{
	uint32_t passed = atomic_load(&group->passed);
	uint32_t commits = atomic_fetch_add(&group->commits, 1) + 1;
	int roots = commits - passed == 1 ? FAN_OUT : 1;

	if (atomic_load(&group->waiters) && futex_wake(&group->commits, roots) < roots)
		atomic_compare_exchange_strong(&group->passed, &passed, commits);
}

static struct commit_group *group_of(const struct shared_page *shared, uint32_t stream)
{
	return stream ? &shared->page->streams[stream % COMMIT_GROUPS] : &shared->page->all;
}

void commit_notify(struct shared_page *shared, uint64_t streams)
{
	struct shared_page_layout *page = shared->page;

	for (; streams; streams &= streams - 1)
		notify_group(&page->streams[__builtin_ctzll(streams)]);
	notify_group(&page->all);
	if (atomic_load(&page->wakeups))
		notify_wakeups(shared);
}

uint32_t commit_count(const struct shared_page *shared, uint32_t stream)
{
	return atomic_load(&group_of(shared, stream)->commits);
}

/* Returns the time, in us, after which a sleeper looks for an unfinished tree. The roots of a tree
 * need no turn. */
static uint64_t turn_us(uint32_t other_waiters)
{
	uint64_t us = UINT64_C(1000) * WAIT_MAX_MS;

	if (other_waiters >= FAN_OUT && TURN_US * (other_waiters - 1) < us)
		us = TURN_US * (other_waiters - 1);
	return us;
}

/* Sleeps once, at most timeout_us. */
static int sleep_once(struct commit_group *group, uint32_t seen, uint64_t timeout_us)
{
	uint64_t us = turn_us(atomic_fetch_add(&group->waiters, 1));
	int err = futex_wait_bits(&group->commits, seen, bit_of(seen),
		us < timeout_us ? us : timeout_us);

	atomic_fetch_sub(&group->waiters, 1);
	return err;
}

static int wait_in(struct commit_group *group, uint32_t seen, uint32_t timeout_ms)
{
	uint32_t ms = timeout_ms < WAIT_MAX_MS ? timeout_ms : WAIT_MAX_MS;
	uint64_t now = clock_monotonic_us(), deadline = now + UINT64_C(1000) * ms;
	int err;

	pass_on(group);
	do {
		err = sleep_once(group, seen, deadline - now);
		pass_on(group);
		now = clock_monotonic_us();
	} while (!err && atomic_load(&group->commits) == seen && now < deadline);
	return err;
}

int commit_wait(struct shared_page *shared, uint32_t stream, uint32_t seen, uint32_t timeout_ms)
{
	return wait_in(group_of(shared, stream), seen, timeout_ms);
}

/* --- progress of consumers --- */

/* Setting the file's times is an event (IN_ATTRIB) that the wakeups of readers don't watch. After a
 * failure those who wait check the database once a second anyway. */
void progress_notify(struct shared_page *shared)
{
	notify_group(&shared->page->progress);
	if (atomic_load(&shared->page->progress_wakeups))
		(void)!futimens(shared->fd, NULL);
}

uint32_t progress_count(const struct shared_page *shared)
{
	return atomic_load(&shared->page->progress.commits);
}

int progress_wait(struct shared_page *shared, uint32_t seen, uint32_t timeout_ms)
{
	return wait_in(&shared->page->progress, seen, timeout_ms);
}
