/* test_shared_page.c - wake.h: opening the shared page, and notification of commits. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "os/commit_notifier.h"
#include "os/shared_page.h"
#include "os/shared_page_layout.h"
#include "os/write_lock.h"
#include "unit/child.h"

#define ROUNDS 20000

static char path[4200];

static struct shared_page *open_wake(void)
{
	struct failure failure = { 0 };
	struct shared_page *shared;
	bool alone;
	int err = shared_page_open(&shared, path, NULL, &alone, &failure);

	while (err == ERR_BUSY && failure.momentary) {
		sched_yield();
		err = shared_page_open(&shared, path, NULL, &alone, &failure);
	}
	if (err) {
		fprintf(stderr, "%s\n", failure.message);
		exit(1);
	}
	shared_page_opened(shared);
	return shared;
}

static int try_open(struct failure *failure)
{
	struct shared_page *shared;
	bool alone;
	int err = shared_page_open(&shared, path, NULL, &alone, failure);

	if (!err) {
		shared_page_opened(shared);
		shared_page_close(shared);
	}
	return err;
}

static void *share_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

static uint64_t now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

/* Nothing, a yield, or a short spin: so that the two meet at every point. */
static void dawdle(void)
{
	uint64_t kind = check_random_below(8);

	if (kind == 0)
		sched_yield();
	else if (kind < 5)
		for (volatile uint64_t i = check_random_below(3000); i; i--)
			;
}

/* --- opening --- */

static void the_file_is_made_and_private(void)
{
	struct stat stat;
	struct shared_page *shared;
	struct failure failure;
	bool alone;

	umask(0);
	CHECK_EQUAL_INT(shared_page_open(&shared, path, NULL, &alone, &failure), 0);
	CHECK(alone);
	shared_page_opened(shared);
	CHECK(lstat(path, &stat) == 0);
	CHECK_EQUAL_INT(stat.st_mode & 0777, 0600);
	CHECK_EQUAL_INT(stat.st_size, 4096);
	CHECK(stat.st_blocks * 512 >= 4096);
	shared_page_close(shared);
	shared_page_close(NULL);
	umask(022);
}

static void be_there(struct child *parent, void *context)
{
	struct shared_page *shared = open_wake();

	(void)context;
	child_tell(parent);
	child_hear(parent);
	shared_page_close(shared);
}

static void who_is_second_is_not_alone(void)
{
	struct child child = child_start(be_there, NULL);
	struct failure failure;
	struct shared_page *shared;
	bool alone;

	CHECK(child_hear(&child));
	CHECK_EQUAL_INT(shared_page_open(&shared, path, NULL, &alone, &failure), 0);
	CHECK(!alone);
	CHECK_EQUAL_INT(shared_page_other(shared), child.pid);
	shared_page_opened(shared);
	CHECK(shared_page_identify(shared, 1, 2));
	CHECK(shared_page_identify(shared, 1, 2));
	CHECK(!shared_page_identify(shared, 1, 3));
	child_tell(&child);
	child_end(&child);
	CHECK_EQUAL_INT(shared_page_other(shared), 0);    /* we ourselves are none */
	shared_page_close(shared);
}

struct opening {
	_Atomic bool done;
};

static void open_slowly(struct child *parent, void *context)
{
	struct opening *opening = context;
	struct shared_page *shared;
	struct failure failure;
	bool alone;

	CHECK_EQUAL_INT(shared_page_open(&shared, path, NULL, &alone, &failure), 0);
	child_tell(parent);
	usleep(20000);
	atomic_store(&opening->done, true);
	shared_page_opened(shared);
	child_hear(parent);
	shared_page_close(shared);
}

static void one_opens_at_a_time(void)
{
	struct opening *opening = share_memory(sizeof *opening);
	struct child child = child_start(open_slowly, opening);
	struct shared_page *shared;

	CHECK(child_hear(&child));
	shared = open_wake();
	CHECK(atomic_load(&opening->done));
	child_end(&child);
	shared_page_close(shared);
	munmap(opening, sizeof *opening);
}

static void a_killed_one_leaves_nothing(void)
{
	struct child child = child_start(be_there, NULL);
	struct failure failure;
	struct shared_page *shared = open_wake();
	bool alone;

	shared_page_set_named(shared, 7);
	shared_page_flush_failed(shared);
	shared_page_close(shared);
	CHECK(child_hear(&child));
	child_kill(&child);
	CHECK_EQUAL_INT(shared_page_open(&shared, path, NULL, &alone, &failure), 0);
	CHECK(alone);
	CHECK(shared_page_identify(shared, 5, 6));   /* the page was reset */
	CHECK_EQUAL_UINT(shared_page_named(shared), 7);   /* but not this */
	CHECK_EQUAL_UINT(shared_page_unsettled(shared), 1);   /* nor this */
	shared_page_settled(shared, 1);
	shared_page_close(shared);
}

/* Two flushes have failed when the first is made up for: one more is to do. */
static void a_flush_that_fails_meanwhile_stays_to_be_settled(void)
{
	struct shared_page *shared = open_wake();
	uint32_t seen;

	CHECK_EQUAL_UINT(shared_page_unsettled(shared), 0);
	shared_page_flush_failed(shared);
	seen = shared_page_unsettled(shared);
	shared_page_flush_failed(shared);
	shared_page_settled(shared, seen);
	CHECK(shared_page_unsettled(shared) != 0);
	shared_page_settled(shared, shared_page_unsettled(shared));
	CHECK_EQUAL_UINT(shared_page_unsettled(shared), 0);
	CHECK_EQUAL_UINT(shared_page_flush_failures(shared), 2);
	shared_page_close(shared);
}

/* Two copies of the library in one process look like this to the file. */
static void a_second_copy_is_refused(void)
{
	struct failure failure;
	struct shared_page *shared = open_wake();

	CHECK_EQUAL_INT(try_open(&failure), ERR_OPTIONS);
	shared_page_close(shared);
	CHECK_EQUAL_INT(try_open(&failure), 0);
}

static void a_child_of_fork_may_open_its_own(struct child *parent, void *context)
{
	struct shared_page *inherited = context;
	struct shared_page *shared;

	shared_page_forget(inherited);
	shared_page_forget(inherited);
	shared_page_close(inherited);
	shared = open_wake();
	CHECK_EQUAL_INT(write_lock_try(shared), ERR_BUSY);
	shared_page_close(shared);
	child_tell(parent);
}

static void forgetting_leaves_the_locks(void)
{
	struct shared_page *shared = open_wake();
	struct child child;

	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	child = child_start(a_child_of_fork_may_open_its_own, shared);
	CHECK(child_hear(&child));
	child_end(&child);
	write_lock_release(shared);
	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	write_lock_release(shared);
	shared_page_close(shared);
}

static void what_is_no_wake_file_is_left_alone(void)
{
	static const char text[] = "a letter to my aunt";
	struct failure failure;
	char back[sizeof text];
	char victim[4300];
	int fd;

	remove(path);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	CHECK(write(fd, text, sizeof text) == sizeof text);
	CHECK_EQUAL_INT(try_open(&failure), ERR_NOT_DATABASE);
	CHECK(pread(fd, back, sizeof back, 0) == sizeof back);
	CHECK_BYTES(back, sizeof back, text, sizeof text);
	close(fd);

	snprintf(victim, sizeof victim, "%s-victim", path);
	CHECK(rename(path, victim) == 0);
	CHECK(symlink(victim, path) == 0);
	CHECK_EQUAL_INT(try_open(&failure), ERR_PERMISSION);
	CHECK(strstr(failure.message, "symbolic link"));
	remove(path);
	CHECK(link(victim, path) == 0);
	CHECK_EQUAL_INT(try_open(&failure), ERR_PERMISSION);
	remove(path);
	CHECK(mkfifo(path, 0600) == 0);
	CHECK_EQUAL_INT(try_open(&failure), ERR_NOT_DATABASE);
	remove(path);
	remove(victim);
}

/* Sectors reach the disk one by one: of a new page perhaps all but the first. */
static void a_page_torn_by_a_power_cut_is_made_again(void)
{
	static const char page[SHARED_PAGE_BYTES] = { [600] = 1, [4000] = 2 };
	int fd;

	remove(path);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	CHECK(write(fd, page, sizeof page) == sizeof page);
	close(fd);
	shared_page_close(open_wake());
	remove(path);
}

static void open_in_another_namespace(struct child *parent, void *context)
{
	struct failure failure;
	pid_t pid;
	int status;

	(void)context;
	if (unshare(CLONE_NEWPID)) {
		fprintf(stderr, "skipped: another PID namespace: %s\n", strerror(errno));
		_exit(0);
	}
	pid = fork();
	if (pid == 0) {
		int err = try_open(&failure);

		/* Without a /proc that shows us, nobody can tell. */
		_exit(access("/proc/self/ns/pid", F_OK) ? 0 : err != ERR_NAMESPACE);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQUAL_INT(status, 0);
	child_tell(parent);
}

static void another_pid_namespace_is_refused(void)
{
	struct shared_page *shared = open_wake();
	struct child child = child_start(open_in_another_namespace, NULL);

	child_hear(&child);
	child_end(&child);
	shared_page_close(shared);
}

static void ignore(int signal)
{
	(void)signal;
}

struct signalling {
	pthread_t thread;
	atomic_bool done;
};

static void *interrupt_often(void *context)
{
	struct signalling *signalling = context;

	while (!atomic_load(&signalling->done)) {
		pthread_kill(signalling->thread, SIGUSR1);
		usleep(1000);
	}
	return NULL;
}

static void a_signal_ends_a_wait(void)
{
	struct sigaction action = { .sa_handler = ignore, .sa_flags = SA_RESTART };
	struct signalling signalling = { .thread = pthread_self() };
	struct shared_page *shared = open_wake();
	pthread_t thread;

	sigaction(SIGUSR1, &action, NULL);
	CHECK(pthread_create(&thread, NULL, interrupt_often, &signalling) == 0);
	while (commit_wait(shared, 0, commit_count(shared, 0), 1000) != ERR_INTERRUPTED)
		;
	atomic_store(&signalling.done, true);
	pthread_join(thread, NULL);
	shared_page_close(shared);
}

/* --- no wake-up is lost --- */

/* Two play ping-pong: each waits until the other has made its move. A lost
 * wake-up is a sleep to its very end although the move was long made; that the
 * machine is slow makes neither. Who has just slept is too late to meet the
 * other on its way to bed, so each sometimes stays up for a while. */
struct game {
	_Atomic uint64_t moves;
	_Atomic uint64_t moved_at_ms;
	_Atomic uint64_t lost;
};

static void stay_up(struct game *game, uint64_t mine)
{
	for (uint64_t i = check_random_below(2) * 20000; i; i--)
		if (atomic_load(&game->moves) % 2 == mine)
			return;
}

static void wait_for_move(struct shared_page *shared, struct game *game, uint64_t mine)
{
	const uint32_t stream = (uint32_t)mine;      /* 0 waits for all, 1 for its own */

	stay_up(game, mine);
	while (atomic_load(&game->moves) % 2 != mine) {
		uint32_t seen = commit_count(shared, stream);

		dawdle();
		if (atomic_load(&game->moves) % 2 != mine) {
			uint64_t before = now_ms();

			dawdle();
			commit_wait(shared, stream, seen, WAIT_MAX_MS);
			if (atomic_load(&game->moves) % 2 == mine &&
					now_ms() - before >= WAIT_MAX_MS - 50 &&
					now_ms() - atomic_load(&game->moved_at_ms) > 900)
				atomic_fetch_add(&game->lost, 1);
		}
	}
}

static void play(struct shared_page *shared, struct game *game, uint64_t mine)
{
	for (int i = 0; i < ROUNDS / 2; i++) {
		wait_for_move(shared, game, mine);
		dawdle();
		atomic_store(&game->moved_at_ms, now_ms());
		atomic_fetch_add(&game->moves, 1);
		commit_notify(shared, commit_group_bit(1));
	}
}

static void play_second(struct child *parent, void *context)
{
	struct shared_page *shared = open_wake();

	(void)parent;
	play(shared, context, 1);
	shared_page_close(shared);
}

static void no_commit_is_slept_through(void)
{
	struct game *game = share_memory(sizeof *game);
	struct child child = child_start(play_second, game);
	struct shared_page *shared = open_wake();

	play(shared, game, 0);
	child_end(&child);
	CHECK_EQUAL_UINT(atomic_load(&game->moves), ROUNDS);
	CHECK_EQUAL_UINT(atomic_load(&game->lost), 0);
	shared_page_close(shared);
	munmap(game, sizeof *game);
}

/* Streams with the same id modulo COMMIT_GROUPS are one group, and stream 0 counts all. */
static void a_commit_is_counted_for_its_streams(void)
{
	struct shared_page *shared = open_wake();
	uint32_t all = commit_count(shared, 0), one = commit_count(shared, 1);
	uint32_t two = commit_count(shared, 2), far = commit_count(shared, 63);

	commit_notify(shared, 0);
	CHECK_EQUAL_UINT(commit_count(shared, 0), all + 1);
	CHECK_EQUAL_UINT(commit_count(shared, 1), one);
	commit_notify(shared, commit_group_bit(1) | commit_group_bit(COMMIT_GROUPS + 63));
	CHECK_EQUAL_UINT(commit_count(shared, 0), all + 2);
	CHECK_EQUAL_UINT(commit_count(shared, 1), one + 1);
	CHECK_EQUAL_UINT(commit_count(shared, 1 + COMMIT_GROUPS), one + 1);
	CHECK_EQUAL_UINT(commit_count(shared, 2), two);
	CHECK_EQUAL_UINT(commit_count(shared, 63), far + 1);
	commit_notify(shared, COMMIT_ALL_GROUPS);
	CHECK_EQUAL_UINT(commit_count(shared, 2), two + 1);
	CHECK_EQUAL_INT(commit_wait(shared, 2, two, 1000000), 0);    /* does not sleep */
	shared_page_close(shared);
}

#define SLEEPERS 3
#define STREAM (1 + COMMIT_GROUPS)     /* of the same group as stream 1 */
#define CALLS 10

/* Whom a call does not wake sleeps to the end, long after it. */
struct crowd {
	_Atomic uint64_t abed;
	_Atomic uint64_t called_at_ms;
	_Atomic uint64_t lost;
};

static void sleep_among_others(struct child *parent, void *context)
{
	struct crowd *crowd = context;
	struct shared_page *shared = open_wake();

	(void)parent;
	for (int i = 0; i < CALLS; i++) {
		uint32_t seen = commit_count(shared, STREAM);
		uint64_t before = now_ms();

		atomic_fetch_add(&crowd->abed, 1);
		commit_wait(shared, STREAM, seen, WAIT_MAX_MS);
		if (now_ms() - before >= WAIT_MAX_MS - 50 &&
				now_ms() - atomic_load(&crowd->called_at_ms) > 900)
			atomic_fetch_add(&crowd->lost, 1);
	}
	shared_page_close(shared);
}

static void a_commit_wakes_all_who_sleep(void)
{
	struct crowd *crowd = share_memory(sizeof *crowd);
	struct shared_page *shared = open_wake();
	struct child children[SLEEPERS];

	for (int i = 0; i < SLEEPERS; i++)
		children[i] = child_start(sleep_among_others, crowd);
	for (uint64_t calls = 1; calls <= CALLS; calls++) {
		while (atomic_load(&crowd->abed) < calls * SLEEPERS)
			usleep(1000);
		usleep(5000);
		atomic_store(&crowd->called_at_ms, now_ms());
		commit_notify(shared, commit_group_bit(1));
	}
	for (int i = 0; i < SLEEPERS; i++)
		child_end(&children[i]);
	CHECK(atomic_load(&crowd->lost) < CALLS);
	shared_page_close(shared);
	munmap(crowd, sizeof *crowd);
}

static void who_is_busy_is_said_where_it_is_known(void)
{
	struct failure failure;

	CHECK_EQUAL_INT(fail_busy(&failure, 42, "%s: taken", "shop.tide"),
		ERR_BUSY);
	CHECK_EQUAL_STRING(failure.message, "shop.tide: taken (process 42)");
	CHECK_EQUAL_INT(failure.err, ERR_BUSY);
	CHECK_EQUAL_INT(failure.pid, 42);
	CHECK_EQUAL_INT(fail_busy(&failure, 0, "%s: taken", "shop.tide"),
		ERR_BUSY);
	CHECK_EQUAL_STRING(failure.message, "shop.tide: taken");
	CHECK_EQUAL_INT(failure.pid, 0);
	CHECK_EQUAL_INT(fail_busy(&failure, getpid(), "taken"), ERR_BUSY);
	CHECK_EQUAL_STRING(failure.message, "taken (this process itself)");
	CHECK_EQUAL_INT(failure.pid, getpid());
	CHECK_EQUAL_INT(fail_busy(NULL, 1, "taken"), ERR_BUSY);
}

int main(void)
{
	who_is_busy_is_said_where_it_is_known();
	snprintf(path, sizeof path, "%s/x.tide-wake", check_directory());
	the_file_is_made_and_private();
	who_is_second_is_not_alone();
	one_opens_at_a_time();
	a_killed_one_leaves_nothing();
	a_flush_that_fails_meanwhile_stays_to_be_settled();
	a_second_copy_is_refused();
	forgetting_leaves_the_locks();
	another_pid_namespace_is_refused();
	a_signal_ends_a_wait();
	a_commit_is_counted_for_its_streams();
	no_commit_is_slept_through();
	a_commit_wakes_all_who_sleep();
	what_is_no_wake_file_is_left_alone();
	a_page_torn_by_a_power_cut_is_made_again();
	return 0;
}
