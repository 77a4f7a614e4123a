/* test_shared_page.c - os/shared_page.h, os/commit_notifier.h: opening, and
 * notification of commits. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "os/commit_notifier.h"
#include "unit/shared_pages.h"

#define ROUNDS 20000

/* --- opening --- */

static void test_file_is_created_private(void)
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
	CHECK_EQUAL_INT(stat.st_size, SHARED_PAGE_BYTES);
	CHECK(stat.st_blocks * 512 >= SHARED_PAGE_BYTES);
	shared_page_close(shared);
	shared_page_close(NULL);
	umask(022);
}

static void test_second_process_is_not_alone(void)
{
	struct child child = child_start(stay_open, NULL);
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
	CHECK_EQUAL_INT(shared_page_other(shared), 0);    /* this process itself is not counted */
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

static void test_opening_is_exclusive(void)
{
	struct opening *opening = share_memory(sizeof *opening);
	struct child child = child_start(open_slowly, opening);
	struct shared_page *shared;

	CHECK(child_hear(&child));
	shared = open_page();
	CHECK(atomic_load(&opening->done));
	child_end(&child);
	shared_page_close(shared);
	munmap(opening, sizeof *opening);
}

static void test_killed_process(void)
{
	struct child child = child_start(stay_open, NULL);
	struct failure failure;
	struct shared_page *shared = open_page();
	bool alone;

	shared_page_set_named(shared, 7);
	shared_page_flush_failed(shared);
	shared_page_close(shared);
	CHECK(child_hear(&child));
	child_kill(&child);
	CHECK_EQUAL_INT(shared_page_open(&shared, path, NULL, &alone, &failure), 0);
	CHECK(alone);
	CHECK(shared_page_identify(shared, 5, 6));   /* the page was reset */
	CHECK_EQUAL_UINT(shared_page_named(shared), 7);   /* is not reset */
	CHECK_EQUAL_UINT(shared_page_unsettled(shared), 1);   /* is not reset */
	shared_page_settled(shared, 1);
	shared_page_close(shared);
}

/* A second flush fails before the first failure is repaired, so one unrepaired failure remains. */
static void test_second_failed_flush_remains_unsettled(void)
{
	struct shared_page *shared = open_page();
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

/* Opens the page twice, which has the same effect as two copies of the library in one process. */
static void test_second_copy_is_refused(void)
{
	struct failure failure;
	struct shared_page *shared = open_page();

	CHECK_EQUAL_INT(try_open(&failure), ERR_OPTIONS);
	shared_page_close(shared);
	CHECK_EQUAL_INT(try_open(&failure), 0);
}

static void open_after_fork(struct child *parent, void *context)
{
	struct shared_page *inherited = context;
	struct shared_page *shared;

	shared_page_forget(inherited);
	shared_page_forget(inherited);
	shared_page_close(inherited);
	shared = open_page();
	CHECK_EQUAL_INT(write_lock_try(shared), ERR_BUSY);
	shared_page_close(shared);
	child_tell(parent);
}

static void test_forgetting_keeps_the_locks(void)
{
	struct shared_page *shared = open_page();
	struct child child;

	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	child = child_start(open_after_fork, shared);
	CHECK(child_hear(&child));
	child_end(&child);
	write_lock_release(shared);
	CHECK_EQUAL_INT(write_lock_try(shared), 0);
	write_lock_release(shared);
	shared_page_close(shared);
}

static void test_other_files_are_not_changed(void)
{
	static const char text[] = "some other text";
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

/* A power cut may lose the first sector of a new page, because sectors are written
 * independently. */
static void test_torn_page_is_initialized_again(void)
{
	static const char page[SHARED_PAGE_BYTES] = { [600] = 1, [4000] = 2 };
	int fd;

	remove(path);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	CHECK(write(fd, page, sizeof page) == sizeof page);
	close(fd);
	shared_page_close(open_page());
	remove(path);
}

#define FORMER_BYTES 4096     /* of the page before format 7 */

static int make_file(const void *bytes, size_t len)
{
	int fd;

	remove(path);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	CHECK(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	return fd;
}

static uint64_t size_of_file(void)
{
	struct stat stat;

	CHECK(lstat(path, &stat) == 0);
	return (uint64_t)stat.st_size;
}

/* Returns the page of this version with another format, in which this process's pid is in use. */
static struct shared_page_layout *other_version(void)
{
	struct shared_page *shared = open_page();
	struct shared_page_layout *page = share_memory(2 * SHARED_PAGE_BYTES);

	memcpy(page, shared->page, SHARED_PAGE_BYTES);
	shared_page_close(shared);
	page->format ^= 0x30000;
	for (uint32_t i = 0; i < WORKER_SLOTS; i++)
		atomic_store(&page->workers[i].owner, UINT64_C(0xffffffffffc00000) |
			(uint64_t)getpid());
	atomic_store(&page->slots[0].place, (uint64_t)getpid());
	return page;
}

/* Other versions have a smaller or a larger page. A page in use is not changed. */
static void test_page_of_another_version(void)
{
	static const size_t sizes[] = {
		FORMER_BYTES, SHARED_PAGE_BYTES - FORMER_BYTES, SHARED_PAGE_BYTES,
		SHARED_PAGE_BYTES + FORMER_BYTES,
	};
	struct shared_page_layout *page = other_version();
	struct flock alive = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 1 };
	static char back[2 * SHARED_PAGE_BYTES];
	struct failure failure;

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		int fd = make_file(page, sizes[i]);

		CHECK(fcntl(fd, F_OFD_SETLK, &alive) == 0);
		CHECK_EQUAL_INT(try_open(&failure), ERR_STORE);
		CHECK(strstr(failure.message, "another version of the library"));
		CHECK_EQUAL_UINT(size_of_file(), sizes[i]);
		CHECK(pread(fd, back, sizes[i], 0) == (ssize_t)sizes[i]);
		CHECK_BYTES(back, sizes[i], page, sizes[i]);
		close(fd);
		CHECK_EQUAL_INT(try_open(&failure), 0);
		CHECK(size_of_file() >= SHARED_PAGE_BYTES && size_of_file() >= sizes[i]);
		CHECK_EQUAL_INT(try_open(&failure), 0);
	}
	munmap(page, 2 * SHARED_PAGE_BYTES);
	remove(path);
}

static void join_and_close(struct child *child)
{
	struct shared_page *shared;

	CHECK(child_hear(child));
	shared = open_page();
	CHECK(write_lock_try(shared) == 0);
	write_lock_release(shared);
	shared_page_close(shared);
	child_tell(child);
	child_end(child);
}

/* A file that a newer version has extended may be used by several processes of this version. */
static void test_larger_page_is_shared(void)
{
	struct shared_page_layout *page = other_version();
	struct child child;

	close(make_file(page, SHARED_PAGE_BYTES + FORMER_BYTES));
	child = child_start(stay_open, NULL);
	join_and_close(&child);
	munmap(page, 2 * SHARED_PAGE_BYTES);
	remove(path);
}

/* Disk blocks are given to a new file in several steps. */
static void test_unfinished_file(void)
{
	static const char zeros[SHARED_PAGE_BYTES + 512];
	struct failure failure;

	for (size_t size = 512; size <= SHARED_PAGE_BYTES; size += 512) {
		close(make_file(zeros, size));
		CHECK_EQUAL_INT(try_open(&failure), 0);
		CHECK_EQUAL_UINT(size_of_file(), SHARED_PAGE_BYTES);
	}
	close(make_file(zeros, 100));
	CHECK_EQUAL_INT(try_open(&failure), ERR_NOT_DATABASE);
	CHECK_EQUAL_UINT(size_of_file(), 100);
	close(make_file(zeros, sizeof zeros));
	CHECK_EQUAL_INT(try_open(&failure), ERR_NOT_DATABASE);
	CHECK_EQUAL_UINT(size_of_file(), sizeof zeros);
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

		/* Another PID namespace is not detected unless its /proc is mounted. */
		_exit(access("/proc/self/ns/pid", F_OK) ? 0 : err != ERR_NAMESPACE);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQUAL_INT(status, 0);
	child_tell(parent);
}

static void test_another_pid_namespace_is_refused(void)
{
	struct shared_page *shared = open_page();
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

static void test_signal_ends_a_wait(void)
{
	struct sigaction action = { .sa_handler = ignore, .sa_flags = SA_RESTART };
	struct signalling signalling = { .thread = pthread_self() };
	struct shared_page *shared = open_page();
	pthread_t thread;

	sigaction(SIGUSR1, &action, NULL);
	CHECK(pthread_create(&thread, NULL, interrupt_often, &signalling) == 0);
	while (commit_wait(shared, 0, commit_count(shared, 0), 1000) != ERR_INTERRUPTED)
		;
	atomic_store(&signalling.done, true);
	pthread_join(thread, NULL);
	shared_page_close(shared);
}

/* --- notifications --- */

/* Two processes make moves alternately; each waits for the other's. A lost
 * notification shows as a wait until the timeout although the other moved long
 * before; a slow machine does not cause this. After a wait a process would
 * never catch the other just before its wait, so each sometimes spins instead. */
struct game {
	_Atomic uint64_t moves;
	_Atomic uint64_t moved_at_ms;
	_Atomic uint64_t lost;
};

static void spin(struct game *game, uint64_t mine)
{
	for (uint64_t i = check_random_below(2) * 20000; i; i--)
		if (atomic_load(&game->moves) % 2 == mine)
			return;
}

static void wait_for_move(struct shared_page *shared, struct game *game, uint64_t mine)
{
	const uint32_t stream = (uint32_t)mine;      /* 0 waits for any commit, 1 for its stream */

	spin(game, mine);
	while (atomic_load(&game->moves) % 2 != mine) {
		uint32_t seen = commit_count(shared, stream);

		pause_randomly();
		if (atomic_load(&game->moves) % 2 != mine) {
			uint64_t before = now_ms();

			pause_randomly();
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
		pause_randomly();
		atomic_store(&game->moved_at_ms, now_ms());
		atomic_fetch_add(&game->moves, 1);
		commit_notify(shared, commit_group_bit(1));
	}
}

static void play_second(struct child *parent, void *context)
{
	struct shared_page *shared = open_page();

	(void)parent;
	play(shared, context, 1);
	shared_page_close(shared);
}

static void test_no_notification_is_lost(void)
{
	struct game *game = share_memory(sizeof *game);
	struct child child = child_start(play_second, game);
	struct shared_page *shared = open_page();

	play(shared, game, 0);
	child_end(&child);
	CHECK_EQUAL_UINT(atomic_load(&game->moves), ROUNDS);
	CHECK_EQUAL_UINT(atomic_load(&game->lost), 0);
	shared_page_close(shared);
	munmap(game, sizeof *game);
}

/* Streams with the same id modulo COMMIT_GROUPS are one group, and stream 0 counts all. */
static void test_commits_are_counted_by_stream(void)
{
	struct shared_page *shared = open_page();
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
	CHECK_EQUAL_INT(commit_wait(shared, 2, two, 1000000), 0);    /* returns immediately */
	shared_page_close(shared);
}

#define WAITERS 3
#define STREAM (1 + COMMIT_GROUPS)     /* a stream in the group of stream 1 */
#define NOTIFICATIONS 10

/* A process that a notification does not wake waits until the timeout. */
struct waiters {
	_Atomic uint64_t waiting;
	_Atomic uint64_t notified_at_ms;
	_Atomic uint64_t lost;
};

static void wait_with_others(struct child *parent, void *context)
{
	struct waiters *waiters = context;
	struct shared_page *shared = open_page();

	(void)parent;
	for (int i = 0; i < NOTIFICATIONS; i++) {
		uint32_t seen = commit_count(shared, STREAM);
		uint64_t before = now_ms();

		atomic_fetch_add(&waiters->waiting, 1);
		commit_wait(shared, STREAM, seen, WAIT_MAX_MS);
		if (now_ms() - before >= WAIT_MAX_MS - 50 &&
				now_ms() - atomic_load(&waiters->notified_at_ms) > 900)
			atomic_fetch_add(&waiters->lost, 1);
	}
	shared_page_close(shared);
}

static void test_commit_wakes_all_waiters(void)
{
	struct waiters *waiters = share_memory(sizeof *waiters);
	struct shared_page *shared = open_page();
	struct child children[WAITERS];

	for (int i = 0; i < WAITERS; i++)
		children[i] = child_start(wait_with_others, waiters);
	for (uint64_t notifications = 1; notifications <= NOTIFICATIONS; notifications++) {
		while (atomic_load(&waiters->waiting) < notifications * WAITERS)
			usleep(1000);
		usleep(5000);
		atomic_store(&waiters->notified_at_ms, now_ms());
		commit_notify(shared, commit_group_bit(1));
	}
	for (int i = 0; i < WAITERS; i++)
		child_end(&children[i]);
	CHECK(atomic_load(&waiters->lost) < NOTIFICATIONS);
	shared_page_close(shared);
	munmap(waiters, sizeof *waiters);
}

static void test_busy_names_the_process(void)
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
	test_busy_names_the_process();
	use_test_directory();
	test_file_is_created_private();
	test_second_process_is_not_alone();
	test_opening_is_exclusive();
	test_killed_process();
	test_second_failed_flush_remains_unsettled();
	test_second_copy_is_refused();
	test_forgetting_keeps_the_locks();
	test_another_pid_namespace_is_refused();
	test_signal_ends_a_wait();
	test_commits_are_counted_by_stream();
	test_no_notification_is_lost();
	test_commit_wakes_all_waiters();
	test_other_files_are_not_changed();
	test_torn_page_is_initialized_again();
	test_page_of_another_version();
	test_larger_page_is_shared();
	test_unfinished_file();
	return 0;
}
