/* test_commit_wait.c - commit_notifier.h's commit_wait: the wake tree reaches every sleeper, also
 * if woken threads are stopped or killed before they pass on. */
#include "os/commit_notifier.h"

#include <pthread.h>
#include <sys/syscall.h>

#include "os/futex.h"
#include "unit/shared_pages.h"

#define STREAM 1
#define AN_HOUR (3600 * UINT64_C(1000000))

/* --- sleepers that do not pass on --- */

/* A thread that sleeps as commit_wait does and ends when it is woken, as if it was stopped before
 * it has passed on. */
struct sleeper {
	pthread_t thread;
	struct commit_group *group;
	uint32_t seen;
	_Atomic int tid;
};

static void *sleep_once(void *context)
{
	struct sleeper *sleeper = context;

	atomic_store(&sleeper->tid, (int)syscall(SYS_gettid));
	futex_wait_bits(&sleeper->group->commits, sleeper->seen,
		UINT32_C(1) << sleeper->seen % 32, AN_HOUR);
	atomic_fetch_sub(&sleeper->group->waiters, 1);
	return NULL;
}

static bool is_asleep(int tid)
{
	char name[64], state = '?';
	FILE *file;

	snprintf(name, sizeof name, "/proc/self/task/%d/stat", tid);
	file = fopen(name, "r");
	if (!file)
		return false;
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = '?';
	fclose(file);
	return state == 'S';
}

/* Starts sleepers and returns when all are asleep. */
static void start_sleepers(struct sleeper *sleepers, int count, struct commit_group *group)
{
	for (int i = 0; i < count; i++) {
		sleepers[i] = (struct sleeper){
			.group = group, .seen = atomic_load(&group->commits),
		};
		atomic_fetch_add(&group->waiters, 1);
		CHECK(pthread_create(&sleepers[i].thread, NULL, sleep_once, &sleepers[i]) == 0);
		while (!atomic_load(&sleepers[i].tid) || !is_asleep(atomic_load(&sleepers[i].tid)))
			usleep(100);
	}
}

static void join_sleepers(struct sleeper *sleepers, int count)
{
	for (int i = 0; i < count; i++)
		pthread_join(sleepers[i].thread, NULL);
}

/* Begins and ends a sleep, as a thread that is alive does. */
static void pass_by(struct shared_page *shared)
{
	commit_wait(shared, STREAM, commit_count(shared, STREAM), 0);
}

/* Wakes the sleepers that are left and returns their number. */
static int wake_rest(struct commit_group *group)
{
	return futex_wake(&group->commits, 1000);
}

#define SLEEPERS 9

/* A writer alone, whose sleepers do not pass on. */
static void a_commit_wakes_two(struct shared_page *shared)
{
	struct commit_group *group = &shared->page->streams[STREAM];
	struct sleeper sleepers[SLEEPERS];

	start_sleepers(sleepers, SLEEPERS, group);
	commit_notify(shared, commit_group_bit(STREAM));
	CHECK_EQUAL_INT(wake_rest(group), SLEEPERS - 2);
	join_sleepers(sleepers, SLEEPERS);
	pass_by(shared);
	CHECK_EQUAL_UINT(atomic_load(&group->passed), atomic_load(&group->commits));
}

/* Each wait wakes two before its sleep and two after it. */
static void whoever_waits_continues_an_unfinished_tree(struct shared_page *shared)
{
	struct commit_group *group = &shared->page->streams[STREAM];
	struct sleeper sleepers[SLEEPERS];

	start_sleepers(sleepers, SLEEPERS, group);
	commit_notify(shared, commit_group_bit(STREAM));
	pass_by(shared);
	CHECK_EQUAL_INT(wake_rest(group), SLEEPERS - 6);
	join_sleepers(sleepers, SLEEPERS);

	start_sleepers(sleepers, SLEEPERS, group);
	commit_notify(shared, commit_group_bit(STREAM));
	while (atomic_load(&group->passed) != atomic_load(&group->commits))
		pass_by(shared);
	CHECK_EQUAL_INT(wake_rest(group), 0);
	join_sleepers(sleepers, SLEEPERS);
}

/* The first commit wakes two, each of the next ones wakes one. */
static void the_next_commits_continue_it_too(struct shared_page *shared)
{
	struct commit_group *group = &shared->page->streams[STREAM];
	struct sleeper sleepers[SLEEPERS];

	start_sleepers(sleepers, SLEEPERS, group);
	commit_notify(shared, commit_group_bit(STREAM));
	commit_notify(shared, commit_group_bit(STREAM));
	CHECK_EQUAL_INT(wake_rest(group), SLEEPERS - 3);
	join_sleepers(sleepers, SLEEPERS);
	pass_by(shared);

	start_sleepers(sleepers, SLEEPERS, group);
	for (int i = 0; i < SLEEPERS; i++)
		commit_notify(shared, commit_group_bit(STREAM));
	CHECK_EQUAL_INT(wake_rest(group), 0);
	join_sleepers(sleepers, SLEEPERS);
}

static void who_has_seen_the_commit_sleeps_on(struct shared_page *shared)
{
	struct commit_group *group = &shared->page->streams[STREAM];
	struct sleeper old[SLEEPERS], fresh[SLEEPERS];

	start_sleepers(old, SLEEPERS, group);
	commit_notify(shared, commit_group_bit(STREAM));
	start_sleepers(fresh, SLEEPERS, group);
	while (atomic_load(&group->passed) != atomic_load(&group->commits))
		pass_by(shared);
	join_sleepers(old, SLEEPERS);
	CHECK_EQUAL_INT(wake_rest(group), SLEEPERS);
	join_sleepers(fresh, SLEEPERS);
}

static void other_streams_are_not_woken(struct shared_page *shared)
{
	struct commit_group *group = &shared->page->streams[STREAM];
	struct sleeper sleepers[SLEEPERS];

	start_sleepers(sleepers, SLEEPERS, group);
	for (uint32_t other = STREAM + 1; other < STREAM + COMMIT_GROUPS; other++)
		commit_notify(shared, commit_group_bit(other));
	pass_by(shared);
	CHECK_EQUAL_INT(wake_rest(group), SLEEPERS);
	join_sleepers(sleepers, SLEEPERS);
}

/* Commits of writers that were killed before they woke anybody: the sleepers have the same bit as
 * those that have seen the last commit. */
static void the_oldest_sleepers_are_not_taken_for_the_newest(struct shared_page *shared)
{
	struct commit_group *group = &shared->page->streams[STREAM];
	struct sleeper sleepers[SLEEPERS];

	for (uint32_t commits = 31; commits <= 65; commits++) {
		pass_by(shared);
		start_sleepers(sleepers, SLEEPERS, group);
		atomic_fetch_add(&group->commits, commits);
		while (atomic_load(&group->passed) != atomic_load(&group->commits))
			pass_by(shared);
		CHECK_EQUAL_INT(wake_rest(group), 0);
		join_sleepers(sleepers, SLEEPERS);
	}
}

/* The counter wraps around, and passed is behind by more than half of its range. */
static void the_counter_wraps_around(struct shared_page *shared)
{
	struct commit_group *group = &shared->page->streams[STREAM];
	struct sleeper sleepers[SLEEPERS];

	for (uint32_t back = 0; back < 3; back++) {
		atomic_store(&group->commits, UINT32_MAX - back);
		atomic_store(&group->passed, 7);
		start_sleepers(sleepers, SLEEPERS, group);
		commit_notify(shared, commit_group_bit(STREAM));
		while (atomic_load(&group->passed) != atomic_load(&group->commits))
			pass_by(shared);
		CHECK_EQUAL_INT(wake_rest(group), 0);
		join_sleepers(sleepers, SLEEPERS);
	}
}

/* --- a sleeper's turn --- */

struct live {
	struct shared_page *shared;
	uint32_t seen;
	_Atomic int tid;
	_Atomic uint64_t waited_ms;
};

static void *wait_once(void *context)
{
	struct live *live = context;
	uint64_t before = now_ms();

	atomic_store(&live->tid, (int)syscall(SYS_gettid));
	commit_wait(live->shared, STREAM, live->seen, WAIT_MAX_MS);
	atomic_store(&live->waited_ms, now_ms() - before);
	return NULL;
}

/* The threads that the commit wakes do not pass on, and no other commit follows. Returns the time
 * after which the thread behind them is awake. */
static uint64_t wait_for_turn(struct shared_page *shared)
{
	struct commit_group *group = &shared->page->streams[STREAM];
	struct live live = { .shared = shared, .seen = atomic_load(&group->commits) };
	struct sleeper sleepers[2];
	pthread_t thread;

	start_sleepers(sleepers, 2, group);
	CHECK(pthread_create(&thread, NULL, wait_once, &live) == 0);
	while (!atomic_load(&live.tid) || !is_asleep(atomic_load(&live.tid)))
		usleep(100);
	commit_notify(shared, commit_group_bit(STREAM));
	pthread_join(thread, NULL);
	join_sleepers(sleepers, 2);
	return atomic_load(&live.waited_ms);
}

/* On a busy machine a turn may be late, but not each. */
static void a_sleeper_looks_for_an_unfinished_tree(struct shared_page *shared)
{
	uint64_t waited_ms = WAIT_MAX_MS;

	for (int tries = 0; tries < 20 && waited_ms >= WAIT_MAX_MS / 2; tries++) {
		pass_by(shared);
		waited_ms = wait_for_turn(shared);
	}
	CHECK(waited_ms < WAIT_MAX_MS / 2);
}

/* Without a commit a wait lasts as long as it was told, whatever the turns. */
static void turns_do_not_end_a_wait(struct shared_page *shared)
{
	uint64_t before = now_ms();

	atomic_store(&shared->page->streams[STREAM].waiters, 3);
	commit_wait(shared, STREAM, commit_count(shared, STREAM), 400);
	CHECK(now_ms() - before >= 399);
	atomic_store(&shared->page->streams[STREAM].waiters, 0);
}

/* --- processes that follow --- */

#define CHILDREN 10
#define THREADS 5
#define STEPS 400

/* Commits are counted before they are notified. A follower that a notification does not reach
 * sleeps until its timeout although the commit is older. */
struct play {
	_Atomic uint64_t commits;
	_Atomic uint64_t committed_at_ms;
	_Atomic uint64_t done;
	_Atomic uint64_t read[CHILDREN];    /* the commits that the slowest thread has read */
	_Atomic uint64_t late;
};

struct follower {
	struct shared_page *shared;
	struct play *play;
	_Atomic uint64_t read;
};

static void *follow(void *context)
{
	struct follower *follower = context;
	struct play *play = follower->play;

	while (!atomic_load(&play->done)) {
		uint32_t seen = commit_count(follower->shared, STREAM);
		uint64_t before = now_ms();

		atomic_store(&follower->read, atomic_load(&play->commits));
		commit_wait(follower->shared, STREAM, seen, WAIT_MAX_MS);
		if (now_ms() - before >= WAIT_MAX_MS - 50 &&
				commit_count(follower->shared, STREAM) != seen &&
				now_ms() - atomic_load(&play->committed_at_ms) > 900)
			atomic_fetch_add(&play->late, 1);
	}
	return NULL;
}

struct child_context {
	struct play *play;
	int number;
};

/* Runs THREADS followers and publishes what all of them have read. */
static void follow_in_child(struct child *parent, void *context)
{
	const struct child_context *mine = context;
	struct shared_page *shared = open_page();
	struct follower followers[THREADS];
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++) {
		followers[i] = (struct follower){ .shared = shared, .play = mine->play };
		CHECK(pthread_create(&threads[i], NULL, follow, &followers[i]) == 0);
	}
	child_tell(parent);
	while (!atomic_load(&mine->play->done)) {
		uint64_t least = UINT64_MAX;

		for (int i = 0; i < THREADS; i++)
			if (atomic_load(&followers[i].read) < least)
				least = atomic_load(&followers[i].read);
		atomic_store(&mine->play->read[mine->number], least);
		usleep(500);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	shared_page_close(shared);
}

static struct child start_follower(struct play *play, int number)
{
	struct child_context context = { play, number };
	struct child child;

	atomic_store(&play->read[number], 0);
	child = child_start(follow_in_child, &context);
	CHECK(child_hear(&child));
	return child;
}

static void commit(struct shared_page *shared, struct play *play)
{
	atomic_fetch_add(&play->commits, 1);
	atomic_store(&play->committed_at_ms, now_ms());
	commit_notify(shared, commit_group_bit(STREAM));
}

static void wait_until_read(struct play *play, const bool stopped[CHILDREN])
{
	for (int i = 0; i < CHILDREN; i++)
		while (!stopped[i] && atomic_load(&play->read[i]) != atomic_load(&play->commits))
			usleep(100);
}

/* Makes one random change: a child is stopped, continued, or killed and replaced, just before or
 * after a commit, when its threads may have been woken and not have passed on. */
static void disturb(struct play *play, struct child *children, bool *stopped)
{
	int i = (int)check_random_below(CHILDREN);

	if (stopped[i]) {
		CHECK(kill(children[i].pid, SIGCONT) == 0);
		stopped[i] = false;
	} else if (check_random_below(4)) {
		CHECK(kill(children[i].pid, SIGSTOP) == 0);
		stopped[i] = true;
	} else {
		child_kill(&children[i]);
		children[i] = start_follower(play, i);
	}
}

static void play_steps(struct shared_page *shared, struct play *play, struct child *children,
	bool disturbed)
{
	bool stopped[CHILDREN] = { false };

	for (int step = 0; step < STEPS; step++) {
		if (disturbed && check_random_below(3) == 0)
			disturb(play, children, stopped);
		for (uint64_t i = check_random_below(4); i <= 3; i++) {
			commit(shared, play);
			pause_randomly();
		}
		if (disturbed && check_random_below(3) == 0)
			disturb(play, children, stopped);
		if (check_random_below(2))
			wait_until_read(play, stopped);
	}
	for (int i = 0; i < CHILDREN; i++)
		CHECK(!stopped[i] || kill(children[i].pid, SIGCONT) == 0);
	wait_until_read(play, (bool[CHILDREN]){ false });
}

/* Every follower that is alive reads every commit. Without faults none waits for its timeout. With
 * faults one may, if all threads that the tree has woken are stopped at once. */
static void followers_read_every_commit(bool disturbed)
{
	struct play *play = share_memory(sizeof *play);
	struct shared_page *shared = open_page();
	struct child children[CHILDREN];

	for (int i = 0; i < CHILDREN; i++)
		children[i] = start_follower(play, i);
	play_steps(shared, play, children, disturbed);
	atomic_store(&play->done, 1);
	commit(shared, play);
	for (int i = 0; i < CHILDREN; i++)
		child_end(&children[i]);
	CHECK(disturbed || atomic_load(&play->late) == 0);
	shared_page_close(shared);
	munmap(play, sizeof *play);
}

int main(void)
{
	struct shared_page *shared;

	use_test_directory();
	shared = open_page();
	a_commit_wakes_two(shared);
	whoever_waits_continues_an_unfinished_tree(shared);
	the_next_commits_continue_it_too(shared);
	who_has_seen_the_commit_sleeps_on(shared);
	other_streams_are_not_woken(shared);
	the_oldest_sleepers_are_not_taken_for_the_newest(shared);
	the_counter_wraps_around(shared);
	a_sleeper_looks_for_an_unfinished_tree(shared);
	turns_do_not_end_a_wait(shared);
	shared_page_close(shared);
	followers_read_every_commit(false);
	followers_read_every_commit(true);
	return 0;
}
