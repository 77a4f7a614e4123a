/* test_store.c - store.h: sharing, renamed files, exclusive opening, fork. */
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "lmdb/cursor.h"
#include "os/clock.h"
#include "os/file.h"
#include "unit/files.h"
#include "unit/stores.h"

static struct failure failure;

/* --- sharing --- */

static void a_second_open_gives_the_same_store(void)
{
	const char *path = store_path("same.tide");
	struct store_options options = small_options(path);
	struct store *one = open_small(path);
	struct store *two = open_small(path);
	struct store *three;
	char directory[PATH_MAX];

	CHECK(one == two);
	CHECK(chdir(check_directory()) == 0);
	options.path = "./same.tide";
	options.max_bytes = 0;
	three = open_with(&options);
	CHECK(three == one);
	CHECK(realpath(check_directory(), directory) != NULL);
	CHECK(strncmp(store_options(one)->path, directory, strlen(directory)) == 0);
	store_close(two);
	store_close(three);
	write_row(one, TREE_META, "a", "b");
	CHECK(store_has(one, TREE_META, "a", "b"));
	store_close(one);
	store_close(NULL);
}

static void handles_may_not_contradict(void)
{
	const char *path = store_path("options.tide");
	struct store_options options = small_options(path);
	struct clock *clock = clock_manual(1);
	struct store *store, *again;

	options.clock = clock;
	store = open_with(&options);
	CHECK(store_clock(store) == clock);

	options.durability = DURABILITY_FULL;
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_OPTIONS);
	CHECK(strstr(failure.message, "durability"));
	options.durability = DURABILITY_NONE;
	options.max_bytes = 1 << 20;
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_OPTIONS);
	CHECK(strstr(failure.message, "max_size"));
	options.max_bytes = SMALL_MAX_BYTES;
	options.clock = clock_system();
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_OPTIONS);
	CHECK(strstr(failure.message, "clock"));

	options = (struct store_options){ .path = path, .read_only = true };
	again = open_with(&options);   /* the caller must not write */
	CHECK(again == store);
	store_close(again);
	store_close(store);
	clock_drop(clock);

	options.max_bytes = SMALL_MAX_BYTES;
	store = open_with(&options);
	options.read_only = false;
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_OPTIONS);
	CHECK(strstr(failure.message, "read-only"));
	store_close(store);
}

static void what_is_not_asked_for_has_a_default(void)
{
	struct store_options options = { .path = store_path("options.tide"), .read_only = true };
	struct store *store = open_with(&options);

	CHECK_EQUAL_UINT(store_options(store)->max_bytes, STORE_DEFAULT_MAX_BYTES);
	CHECK(store_clock(store) == clock_process());
	store_close(store);
}

static void a_store_keeps_its_clock(void)
{
	struct store_options options = small_options(store_path("clock.tide"));
	struct clock *clock = clock_manual(77);
	struct store *store;

	options.clock = clock;
	store = open_with(&options);
	clock_drop(clock);
	CHECK_EQUAL_UINT(clock_now_ms(store_clock(store)), 77);
	store_close(store);
}

/* The name refers to a new file, which would share the lock files of the open one. */
static void a_file_replaced_while_open_is_noticed(void)
{
	const char *path = store_path("replaced.tide");
	const char *aside = store_path("aside.tide");
	struct store_options options = small_options(path);
	struct store *store = open_small(path);

	CHECK(rename(path, aside) == 0);
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_OPTIONS);
	CHECK(strstr(failure.message, "removed or replaced"));
	store_close(store);
	CHECK_EQUAL_INT(try_open(&options, &failure), 0);
}

/* --- the name of an open file --- */

static void a_name_that_stands_for_nothing_or_another_file(void)
{
	const char *path = store_path("named/x.tide"), *aside = store_path("aside.tide");
	const char *directory = store_path("named"), *moved = store_path("moved");
	struct store *store;

	CHECK(mkdir(directory, 0700) == 0);
	store = open_small(path);
	CHECK_EQUAL_INT(store_check_name(store, &failure), 0);
	CHECK_EQUAL_INT(store_check_name(store, NULL), 0);

	CHECK(rename(path, aside) == 0);
	CHECK_EQUAL_INT(store_check_name(store, &failure), ERR_FILE_GONE);
	CHECK_EQUAL_INT(failure.err, ERR_FILE_GONE);
	CHECK(strstr(failure.message, "named/x.tide was removed or renamed"));
	CHECK_EQUAL_INT(store_check_name(store, NULL), ERR_FILE_GONE);
	CHECK_EQUAL_INT(store_check_path(store, aside, &failure), 0);

	CHECK(close(open(path, O_CREAT | O_RDWR, 0600)) == 0);
	CHECK_EQUAL_INT(store_check_name(store, &failure), ERR_FILE_REPLACED);
	CHECK(strstr(failure.message, "named/x.tide was replaced by another file"));
	CHECK(unlink(path) == 0);
	CHECK(symlink(aside, path) == 0);        /* links are not followed */
	CHECK_EQUAL_INT(store_check_name(store, &failure), ERR_FILE_REPLACED);
	CHECK(rename(aside, path) == 0);
	CHECK_EQUAL_INT(store_check_name(store, &failure), 0);

	CHECK(rename(directory, moved) == 0);
	CHECK_EQUAL_INT(store_check_name(store, &failure), ERR_FILE_GONE);
	CHECK(close(open(directory, O_CREAT | O_RDWR, 0600)) == 0);      /* ENOTDIR */
	CHECK_EQUAL_INT(store_check_name(store, &failure), ERR_FILE_GONE);
	CHECK(unlink(directory) == 0);
	CHECK(rename(moved, directory) == 0);
	CHECK_EQUAL_INT(store_check_name(store, &failure), 0);
	store_close(store);
}

/* A process may drop privileges after it has opened the database. */
static void a_name_that_cannot_be_looked_at(void)
{
	struct store *store = open_small(store_path("named/x.tide"));

	CHECK(chmod(store_path("named"), 0) == 0);
	CHECK(geteuid() || seteuid(1) == 0);
	CHECK_EQUAL_INT(store_check_name(store, &failure), 0);
	CHECK(getuid() || seteuid(0) == 0);
	CHECK(chmod(store_path("named"), 0700) == 0);
	store_close(store);
}

static void a_store_in_memory_has_no_name(void)
{
	struct store_options options = small_options("");
	struct store *store;

	options.in_memory = true;
	store = open_with(&options);
	CHECK_EQUAL_INT(store_check_name(store, &failure), 0);
	store_close(store);
}

/* --- other processes --- */

static void keep_open(struct child *parent, void *context)
{
	struct store *store = open_small(context);

	child_tell(parent);
	child_hear(parent);
	store_close(store);
}

static void a_file_replaced_under_another_process_is_noticed(void)
{
	char *path = (char *)(uintptr_t)store_path("under.tide");
	const char *aside = store_path("under_aside.tide");
	struct store_options options = small_options(path);
	struct child child;
	char command[9000];

	store_close(open_small(path));
	child = child_start(keep_open, path);
	CHECK(child_hear(&child));
	CHECK(rename(path, aside) == 0);
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_BUSY);   /* would create a new one */
	CHECK(strstr(failure.message, "removed"));
	snprintf(command, sizeof command, "cp %s %s", aside, path);
	CHECK(system(command) == 0);
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_BUSY);   /* replaced by a copy */
	CHECK(strstr(failure.message, "new file"));
	child_end(&child);
	CHECK_EQUAL_INT(try_open(&options, &failure), 0);
}

/* --- exclusive opening --- */

static void in_this_process_it_is_the_only_handle(void)
{
	struct store_options options = small_options(store_path("alone.tide"));
	struct store *store = open_with(&options);
	struct file_facts file;

	MUST(file_look(options.path, &file, &failure), failure);
	CHECK(store_has_open(file.device, file.inode));
	options.alone = true;
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_BUSY);
	CHECK_EQUAL_INT(failure.pid, getpid());
	store_close(store);
	CHECK(!store_has_open(file.device, file.inode));
	store = open_with(&options);
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_BUSY);
	options.alone = false;
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_BUSY);
	write_row(store, TREE_META, "a", "b");
	store_close(store);
	CHECK_EQUAL_INT(try_open(&options, &failure), 0);
}

static void an_exclusive_handle_excludes_others(void)
{
	char *path = (char *)(uintptr_t)store_path("others.tide");
	struct store_options options = small_options(path);
	struct child child;

	store_close(open_small(path));
	options.alone = true;
	child = child_start(keep_open, path);
	CHECK(child_hear(&child));
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_BUSY);
	CHECK_EQUAL_INT(failure.pid, child.pid);
	child_end(&child);
	CHECK_EQUAL_INT(try_open(&options, &failure), 0);
}

/* Locks byte 0 like LMDB in another program. */
static void lock_as_lmdb(struct child *parent, void *context)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1 };
	int fd = open(context, O_RDWR);

	CHECK(fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0);
	child_tell(parent);
	child_hear(parent);
}

static void other_programs_are_seen(void)
{
	char *lock_path = (char *)(uintptr_t)store_path("others.tide-lock");
	struct store_options options = small_options(store_path("others.tide"));
	struct child child = child_start(lock_as_lmdb, lock_path);

	CHECK(child_hear(&child));
	options.alone = true;
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_BUSY);
	CHECK_EQUAL_INT(failure.pid, child.pid);
	options.alone = false;
	CHECK_EQUAL_INT(try_open(&options, &failure), 0);
	child_kill(&child);
	options.alone = true;
	CHECK_EQUAL_INT(try_open(&options, &failure), 0);
}

static void open_when_it_may(struct child *parent, void *context)
{
	child_tell(parent);
	write_row(open_small(context), TREE_META, "b", "c");
	child_tell(parent);
	child_hear(parent);
}

static void opening_waits_for_an_exclusive_handle(void)
{
	char *path = (char *)(uintptr_t)store_path("waits.tide");
	struct store_options options = small_options(path);
	struct timespec pause = { 0, 20000000 };
	struct store *store;
	struct child child;

	options.alone = true;
	store = open_with(&options);
	child = child_start(open_when_it_may, path);
	CHECK(child_hear(&child));
	for (int i = 0; i < 3; i++) {
		CHECK(!store_has(store, TREE_META, "b", "c"));
		nanosleep(&pause, NULL);
	}
	store_close(store);
	CHECK(child_hear(&child));
	store = open_small(path);
	CHECK(store_has(store, TREE_META, "b", "c"));
	child_kill(&child);
	store_close(store);
}

static void compact_for_long(struct child *parent, void *context)
{
	struct store_options options = small_options(context);
	struct store *store;

	options.alone = true;
	store = open_with(&options);
	child_tell(parent);
	child_hear(parent);
	store_close(store);
}

/* A forked process inherits no descriptors, and other databases can be opened and closed. */
static void between_two_attempts_nothing_is_held(void)
{
	char *path = (char *)(uintptr_t)store_path("attempts.tide");
	struct store_options options = small_options(path);
	struct child child;
	int descriptors;

	child = child_start(compact_for_long, path);
	CHECK(child_hear(&child));
	file_spare_standard();
	descriptors = count_descriptors();
	for (int i = 0; i < 3; i++) {
		CHECK_EQUAL_INT(try_open(&options, &failure), ERR_BUSY);
		CHECK(failure.transient);
		CHECK_EQUAL_INT(failure.pid, child.pid);
		CHECK_EQUAL_INT(count_descriptors(), descriptors);
		store_close(open_small(store_path("unrelated.tide")));
	}
	child_tell(&child);
	child_end(&child);
	CHECK_EQUAL_INT(try_open(&options, &failure), 0);
}

/* A process that is stopped while opening does not block closing in others. */
static void closing_does_not_wait(void)
{
	char *path = (char *)(uintptr_t)store_path("closing.tide");
	char wake_path[4300];
	struct store *store = open_small(path);
	struct flock opening = { .l_type = F_WRLCK, .l_whence = SEEK_SET,
		.l_start = INT64_C(1) << 33, .l_len = 1 };
	struct store_options options = small_options(path);
	int fd;

	snprintf(wake_path, sizeof wake_path, "%s-wake", path);
	fd = open(wake_path, O_RDWR);
	CHECK(fd >= 0 && fcntl(fd, F_OFD_SETLK, &opening) == 0);
	store_close(store);
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_BUSY);
	CHECK_EQUAL_INT(failure.pid, 0);        /* a lock of length 1 contains no pid */
	close(fd);
	CHECK_EQUAL_INT(try_open(&options, &failure), 0);
}

/* --- concurrent opening and closing --- */

static void *open_and_close(void *context)
{
	for (int i = 0; i < 300; i++) {
		struct store *store = open_small(context);

		if (i % 10 == 0)
			write_row(store, TREE_META, "a", "b");
		store_close(store);
	}
	return NULL;
}

static void open_and_close_in_threads(struct child *parent, void *context)
{
	pthread_t threads[3];

	(void)parent;
	for (int i = 0; i < 3; i++)
		CHECK(pthread_create(&threads[i], NULL, open_and_close, context) == 0);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}

static void opening_and_closing_may_meet(void)
{
	char *path = (char *)(uintptr_t)store_path("storm.tide");
	struct child children[4];

	for (int i = 0; i < 4; i++)
		children[i] = child_start(open_and_close_in_threads, path);
	for (int i = 0; i < 4; i++)
		child_end(&children[i]);
}

/* --- processes --- */

static void write_on(struct child *parent, void *context)
{
	struct store *store = open_small(context);

	for (uint32_t i = 0; i < 500; i++) {
		struct txn *txn = begin_write(store);
		uint8_t count[4] = { 0 };
		struct slice found;
		int err = txn_get(txn, TREE_META, slice_of_text("count"), &found);

		if (!err)
			memcpy(count, found.data, sizeof count);
		set_u32(count, get_u32(count) + 1);
		err = txn_put(txn, TREE_META, slice_of_text("count"),
			slice_of(count, sizeof count));
		CHECK_EQUAL_INT(err, 0);
		commit(txn);
	}
	child_tell(parent);
	store_close(store);
}

static void processes_write_in_turn(void)
{
	char *path = (char *)(uintptr_t)store_path("turns.tide");
	struct child children[3];
	struct store *store;
	struct txn *txn;
	struct slice found;

	for (int i = 0; i < 3; i++)
		children[i] = child_start(write_on, path);
	for (int i = 0; i < 3; i++)
		child_end(&children[i]);
	store = open_small(path);
	txn = open_reader(store);
	renew(txn);
	CHECK_EQUAL_INT(txn_get(txn, TREE_META, slice_of_text("count"), &found), 0);
	CHECK_EQUAL_UINT(get_u32(found.data), 1500);
	reader_close(txn);
	store_close(store);
}

static void write_until_killed(struct child *parent, void *context)
{
	struct store *store = open_small(context);
	struct txn *txn = begin_write(store);

	CHECK_EQUAL_INT(txn_put(txn, TREE_META, slice_of_text("half"), slice_of_text("done")), 0);
	child_tell(parent);
	child_hear(parent);
}

static void a_killed_writer_was_never_there(void)
{
	char *path = (char *)(uintptr_t)store_path("killed.tide");
	struct store *store = open_small(path);
	struct child child = child_start(write_until_killed, path);

	CHECK(child_hear(&child));
	CHECK_EQUAL_INT(write_lock_try(store_shared_page(store)), ERR_BUSY);
	CHECK_EQUAL_INT(write_lock_owner(store_shared_page(store)), child.pid);
	child_kill(&child);
	write_row(store, TREE_META, "whole", "row");
	CHECK(!store_has(store, TREE_META, "half", "done"));
	CHECK(store_has(store, TREE_META, "whole", "row"));
	store_close(store);
}

/* --- fork --- */

struct inherited {
	const char *path;
	struct store *store;
	struct txn *reader;
	struct txn *writer;
	struct cursor *cursor;
	struct wakeup *wakeup;
};

/* The forked process closes the inherited handles, in an order that a garbage collector may use,
 * then opens the file itself. */
static void inherit(struct child *parent, void *context)
{
	struct inherited *inherited = context;
	struct store *store;

	CHECK(store_is_foreign(inherited->store));
	cursor_close(inherited->cursor);
	reader_close(inherited->reader);
	writer_abort(&inherited->writer);
	CHECK(inherited->writer == NULL);
	wakeup_forget(inherited->wakeup);
	store_close(inherited->store);
	store_close(inherited->store);   /* the second handle of the child */

	store = open_small(inherited->path);
	CHECK(store != inherited->store);
	CHECK(!store_is_foreign(store));
	child_tell(parent);
	CHECK(child_hear(parent));       /* the parent has committed */
	CHECK(store_has(store, TREE_META, "who", "parent"));
	for (int i = 0; i < 60; i++)
		write_row(store, TREE_META, "who", "child");
	store_close(store);
	child_tell(parent);
}

static void expect_hundred_rows(struct txn *txn)
{
	struct cursor *cursor;
	struct slice key, value;

	CHECK_EQUAL_INT(cursor_open(&cursor, txn, TREE_ITEMS), 0);
	for (uint8_t i = 0; i < 100; i++) {
		CHECK_EQUAL_INT(cursor_move(cursor, MOVE_NEXT, &key, &value), 0);
		CHECK_BYTES(key.data, key.len, &i, 1);
		CHECK(slice_equal(value, slice_of_text("before the fork")));
	}
	CHECK_EQUAL_INT(cursor_move(cursor, MOVE_NEXT, &key, &value), END);
	cursor_close(cursor);
}

static void overwrite_all(struct store *store)
{
	struct txn *txn = begin_write(store);

	for (uint8_t i = 0; i < 100; i++)
		CHECK_EQUAL_INT(txn_put(txn, TREE_ITEMS, slice_of(&i, 1),
			slice_of_text("after")), 0);
	commit(txn);
}

static void a_forked_child_has_no_effect(void)
{
	struct inherited inherited = { .path = store_path("fork.tide") };
	struct store *store = open_small(inherited.path);
	struct child child;
	struct txn *txn = begin_write(store);

	for (uint8_t i = 0; i < 100; i++)
		CHECK_EQUAL_INT(txn_put(txn, TREE_ITEMS, slice_of(&i, 1),
			slice_of_text("before the fork")), 0);
	commit(txn);
	inherited.store = open_small(inherited.path);
	inherited.reader = open_reader(store);
	renew(inherited.reader);
	CHECK_EQUAL_INT(cursor_open(&inherited.cursor, inherited.reader, TREE_ITEMS), 0);
	CHECK_EQUAL_INT(wakeup_open(&inherited.wakeup, store_shared_page(store), WAKEUP_COMMITS,
		&failure), 0);
	inherited.writer = begin_write(store);
	CHECK_EQUAL_INT(txn_put(inherited.writer, TREE_META, slice_of_text("who"),
		slice_of_text("parent")), 0);

	child = child_start(inherit, &inherited);
	CHECK(child_hear(&child));
	CHECK(!store_is_foreign(store));
	CHECK_EQUAL_INT(write_lock_owner(store_shared_page(store)), getpid());
	commit(inherited.writer);
	overwrite_all(store);
	child_tell(&child);
	CHECK(child_hear(&child));
	for (int i = 0; i < 5; i++)
		overwrite_all(store);
	expect_hundred_rows(inherited.reader);
	cursor_close(inherited.cursor);
	reader_close(inherited.reader);
	CHECK(store_has(store, TREE_META, "who", "child"));
	wakeup_close(inherited.wakeup);
	child_end(&child);
	store_close(store);
	store_close(store);
	store_close(open_small(inherited.path));
}

static void *open_while_forking(void *context)
{
	struct inherited *inherited = context;
	struct store *store = open_small(inherited->path);

	store_close(store);
	return NULL;
}

static void live_on(struct child *parent, void *context)
{
	(void)context;
	child_hear(parent);
}

/* A process forked during an open must not inherit the locks, because the file could not be opened
 * here again while the child lives. */
static void *fork_once(void *context)
{
	atomic_bool *forked = context;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	atomic_store(forked, true);
	CHECK(waitpid(pid, NULL, 0) == pid);
	return NULL;
}

static void forks_wait_while_they_are_held(void)
{
	atomic_bool forked = false;
	pthread_t thread;

	store_hold_forks();
	CHECK(pthread_create(&thread, NULL, fork_once, &forked) == 0);
	usleep(20000);
	CHECK(!atomic_load(&forked));
	store_release_forks();
	pthread_join(thread, NULL);
	CHECK(atomic_load(&forked));
}

static void forking_and_opening_may_meet(void)
{
	struct inherited inherited = { .path = store_path("meet.tide") };

	for (int i = 0; i < 100; i++) {
		pthread_t thread;
		struct child child;

		CHECK(pthread_create(&thread, NULL, open_while_forking, &inherited) == 0);
		for (uint64_t spin = check_random_below(2000000); spin; spin--)
			__asm__ volatile("");
		child = child_start(live_on, NULL);
		pthread_join(thread, NULL);
		store_close(open_small(inherited.path));
		child_end(&child);
	}
}

/* All descriptors are closed by exec. */
static void nothing_is_left_open_across_exec(void)
{
	struct store *store = open_small(store_path("exec.tide"));
	struct wakeup *wakeup;

	CHECK_EQUAL_INT(wakeup_open(&wakeup, store_shared_page(store), WAKEUP_COMMITS, &failure),
		0);
	CHECK(system("! ls -l /proc/self/fd | grep -q -e exec.tide -e inotify") == 0);
	wakeup_close(wakeup);
	store_close(store);
}

/* --- notification of commits --- */

static void a_commit_tells_who_waits(void)
{
	struct store *store = open_small(store_path("news.tide"));
	uint32_t seen = commit_count(store_shared_page(store), 0);
	uint64_t before = store_last_commit(store);
	struct store_usage usage;

	commit(begin_write(store));
	CHECK_EQUAL_UINT(commit_count(store_shared_page(store), 0), seen);  /* no change */
	write_row(store, TREE_META, "a", "b");
	CHECK_EQUAL_INT(commit_wait(store_shared_page(store), 0, seen, 1000000), 0);
	CHECK_EQUAL_UINT(commit_count(store_shared_page(store), 0), seen + 1);
	CHECK_EQUAL_UINT(store_last_commit(store), before + 1);
	CHECK_EQUAL_INT(store_usage(store, &usage, &failure), 0);
	CHECK(strstr(usage.engine, "LMDB 0.9"));
	CHECK_EQUAL_UINT(usage.page_bytes, 4096);
	CHECK(usage.file_bytes > usage.free_bytes);
	CHECK_EQUAL_INT(store_sync(store, &failure), 0);
	store_close(store);
}

int main(void)
{
	a_second_open_gives_the_same_store();
	handles_may_not_contradict();
	what_is_not_asked_for_has_a_default();
	a_store_keeps_its_clock();
	a_file_replaced_while_open_is_noticed();
	a_name_that_stands_for_nothing_or_another_file();
	a_name_that_cannot_be_looked_at();
	a_store_in_memory_has_no_name();
	a_file_replaced_under_another_process_is_noticed();
	in_this_process_it_is_the_only_handle();
	an_exclusive_handle_excludes_others();
	other_programs_are_seen();
	opening_waits_for_an_exclusive_handle();
	between_two_attempts_nothing_is_held();
	closing_does_not_wait();
	opening_and_closing_may_meet();
	processes_write_in_turn();
	a_killed_writer_was_never_there();
	a_forked_child_has_no_effect();
	forking_and_opening_may_meet();
	forks_wait_while_they_are_held();
	nothing_is_left_open_across_exec();
	a_commit_tells_who_waits();
	return 0;
}
