/* test_commit_notifier.c - commit_notifier.h's wakeups: no event is lost. */
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "os/commit_notifier.h"
#include "os/shared_page.h"
#include "os/write_lock.h"
#include "unit/child.h"

#define ROUNDS 20000

static char path[4200];

static struct shared_page *open_wake(void)
{
	struct failure failure = { 0 };
	struct shared_page *shared;
	bool alone;

	CHECK_EQUAL_INT(shared_page_open(&shared, path, NULL, &alone, &failure), 0);
	shared_page_opened(shared);
	return shared;
}

static struct wakeup *open_wakeup(struct shared_page *shared)
{
	struct failure failure = { 0 };
	struct wakeup *wakeup;

	CHECK_EQUAL_INT(wakeup_open(&wakeup, shared, WAKEUP_COMMITS, &failure), 0);
	return wakeup;
}

static bool is_readable(const struct wakeup *wakeup, int timeout_ms)
{
	struct pollfd poll_one = { wakeup_descriptor(wakeup), POLLIN, 0 };

	return poll(&poll_one, 1, timeout_ms) == 1;
}

static void commits_notify(void)
{
	struct shared_page *shared = open_wake();
	struct wakeup *wakeup, *other;

	commit_notify(shared, 0);   /* before any wakeup exists */
	wakeup = open_wakeup(shared);
	other = open_wakeup(shared);
	CHECK(!is_readable(wakeup, 0));
	commit_notify(shared, 0);
	CHECK(is_readable(wakeup, 0) && is_readable(other, 0));
	wakeup_clear(wakeup);
	CHECK(!is_readable(wakeup, 0) && is_readable(other, 0));
	CHECK_EQUAL_INT(wakeup_wait(wakeup, 1), END);
	CHECK_EQUAL_INT(wakeup_wait(other, 100000), 0);
	wakeup_clear(other);
	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	write_lock_release(shared);                       /* no commit */
	CHECK(!is_readable(wakeup, 0));
	for (int i = 0; i < 100000; i++)   /* more than the kernel's event queue holds */
		commit_notify(shared, 0);
	wakeup_clear(wakeup);
	CHECK(!is_readable(wakeup, 0));
	commit_notify(shared, 0);
	CHECK(is_readable(wakeup, 0));
	wakeup_close(other);
	wakeup_close(wakeup);
	wakeup_close(NULL);
	shared_page_close(shared);
}

static void unlocks_ring_for_a_waiter_at_a_descriptor(void)
{
	struct shared_page *shared = open_wake();
	struct lock_waiter waiter = { .shared = shared, .at_descriptor = true };
	struct wakeup *commits = open_wakeup(shared), *unlocks;
	struct failure failure = { 0 };

	CHECK_EQUAL_INT(wakeup_open(&unlocks, shared, WAKEUP_UNLOCKS, &failure), 0);
	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	commit_notify(shared, COMMIT_ALL_GROUPS);
	CHECK(is_readable(commits, 0) && is_readable(unlocks, 0));
	wakeup_clear(commits);
	wakeup_clear(unlocks);
	write_lock_release(shared);                       /* no waiter */
	CHECK(!is_readable(unlocks, 0));
	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	CHECK(lock_waiter_arm(&waiter) > 0);
	write_lock_release(shared);
	CHECK(is_readable(unlocks, 0) && !is_readable(commits, 0));
	wakeup_clear(unlocks);
	CHECK_EQUAL_UINT(lock_waiter_arm(&waiter), 0);
	CHECK_EQUAL_INT(lock_waiter_try(&waiter), 0);
	write_lock_release(shared);                       /* the waiter has left the queue */
	CHECK(!is_readable(unlocks, 0));
	wakeup_close(unlocks);
	wakeup_close(commits);
	shared_page_close(shared);
}

static void a_file_without_a_name_notifies(void)
{
	struct shared_page *shared = open_wake();
	struct wakeup *wakeup;

	CHECK(remove(path) == 0);
	wakeup = open_wakeup(shared);
	commit_notify(shared, 0);
	CHECK(is_readable(wakeup, 0));
	wakeup_close(wakeup);
	shared_page_close(shared);
}

static void forget_in_child(struct child *parent, void *context)
{
	(void)parent;
	wakeup_forget(context);
}

static void forgetting_leaves_the_parents_wakeup(void)
{
	struct shared_page *shared = open_wake();
	struct wakeup *wakeup = open_wakeup(shared);
	struct child child = child_start(forget_in_child, wakeup);

	child_end(&child);
	commit_notify(shared, 0);
	CHECK(is_readable(wakeup, 0));
	wakeup_close(wakeup);
	shared_page_close(shared);
}

static void a_wakeup_may_be_refused(void)
{
	struct shared_page *shared = open_wake();
	struct failure failure = { 0 };
	struct rlimit before, none;
	struct wakeup *wakeup;

	CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
	none = (struct rlimit){ 0, before.rlim_max };
	CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
	CHECK_EQUAL_INT(wakeup_open(&wakeup, shared, WAKEUP_COMMITS, &failure), ERR_STORE);
	CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
	CHECK(wakeup == NULL);
	CHECK(strstr(failure.message, "inotify"));
	CHECK_EQUAL_INT(failure.system, EMFILE);
	shared_page_close(shared);
}

static void vary_timing(void)
{
	if (check_random_below(4) == 0)
		sched_yield();
	for (volatile uint64_t i = check_random_below(2000); i; i--)
		;
}

/* A move that was made before poll began must end the poll. */
static void wait_for_move(struct wakeup *wakeup, _Atomic uint64_t *moves, uint64_t mine)
{
	for (;;) {
		wakeup_clear(wakeup);
		vary_timing();
		if (atomic_load(moves) % 2 == mine)
			return;
		vary_timing();
		if (!is_readable(wakeup, 2000))
			CHECK(atomic_load(moves) % 2 != mine || is_readable(wakeup, 2000));
	}
}

static void play(_Atomic uint64_t *moves, uint64_t mine)
{
	struct shared_page *shared = open_wake();
	struct wakeup *wakeup = open_wakeup(shared);

	for (int i = 0; i < ROUNDS / 2; i++) {
		wait_for_move(wakeup, moves, mine);
		atomic_fetch_add(moves, 1);
		commit_notify(shared, 0);
	}
	wakeup_close(wakeup);
	shared_page_close(shared);
}

static void play_second(struct child *parent, void *context)
{
	(void)parent;
	play(context, 1);
}

static void no_wakeup_is_missed(void)
{
	_Atomic uint64_t *moves = mmap(NULL, sizeof *moves, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct child child;

	CHECK(moves != MAP_FAILED);
	child = child_start(play_second, moves);
	play(moves, 0);
	child_end(&child);
	CHECK_EQUAL_UINT(atomic_load(moves), ROUNDS);
	munmap(moves, sizeof *moves);
}

int main(void)
{
	snprintf(path, sizeof path, "%s/x.tide-wake", check_directory());
	commits_notify();
	unlocks_ring_for_a_waiter_at_a_descriptor();
	a_file_without_a_name_notifies();
	forgetting_leaves_the_parents_wakeup();
	a_wakeup_may_be_refused();
	no_wakeup_is_missed();
	return 0;
}
