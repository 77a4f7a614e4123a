/* test_recovery.c - commits whose writer dies, or stops, while it flushes the meta page. */
#include "calls/calls.h"
#include "lmdb/internal.h"
#include "unit/stores.h"

static struct failure failure;
static char path[4200], lock_path[4300];

/* --- hooks that count system calls and make them fail --- */

static long made[CALL_KINDS];
static int refused = -1;                 /* kind of call that fails with EIO */
static int meta_signal;                  /* raised after writing a meta page */

static struct fate before_call(const struct call *call)
{
	return (struct fate){ .error = (int)call->kind == refused ? EIO : 0 };
}

static void after_call(const struct call *call, long result)
{
	(void)result;
	made[call->kind]++;
	if (call->kind == CALL_PWRITE && call->at < 2 * (uint64_t)getpagesize() && meta_signal)
		raise(meta_signal);
}

static void watch(void)
{
	static const struct call_hooks hooks = { before_call, after_call };

	memset(made, 0, sizeof made);
	calls_watch(&hooks);
}

/* --- a writer that stops between the two steps of a commit --- */

struct write {
	const char *value;
	enum durability durability;
	int signal;
};

static struct store *open_at(enum durability durability, bool read_only)
{
	struct store_options options = small_options(path);

	options.durability = durability;
	options.read_only = read_only;
	return open_with(&options);
}

static void write_and_stop(struct child *parent, void *context)
{
	const struct write *write = context;
	struct store *store = open_at(write->durability, false);

	child_tell(parent);
	CHECK(child_hear(parent));
	meta_signal = write->signal;
	watch();
	write_row(store, TREE_ITEMS, "a", write->value);
	calls_watch(NULL);
	child_tell(parent);
	child_hear(parent);
}

/* Starts a writer and waits until it is dead or stopped, after it has written the meta page of its
 * commit. */
static struct child leave_commit(const char *value, enum durability durability, int signal)
{
	struct write write = { value, durability, signal };
	struct child writer = child_start(write_and_stop, &write);
	int status;

	CHECK(child_hear(&writer));
	child_tell(&writer);
	if (signal == SIGSTOP) {
		CHECK(waitpid(writer.pid, &status, WUNTRACED) == writer.pid);
		CHECK(WIFSTOPPED(status));
	} else {
		status = child_reap(&writer);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == signal);
	}
	return writer;
}

/* Creates the database with one row, in which "a" is "1". */
static void create_database(void)
{
	struct store *store;

	unlink(path);
	store = open_at(DURABILITY_FULL, false);
	write_row(store, TREE_ITEMS, "a", "1");
	store_close(store);
}

/* Decrements the commit number in LMDB's lock file, so that the meta page is ahead of it although
 * no writer died. Runs in a child process, because closing the lock file releases the locks of the
 * process. */
static void unpublish(struct child *parent, void *context)
{
	uint64_t number = 0;
	int fd = open(lock_path, O_RDWR);
	const off_t at = 8 + sizeof(pthread_mutex_t);

	(void)parent;
	(void)context;
	CHECK(fd >= 0 && pread(fd, &number, sizeof number, at) == sizeof number);
	number--;
	CHECK(pwrite(fd, &number, sizeof number, at) == sizeof number);
}

static void leave_commit_without_owner(void)
{
	struct child editor = child_start(unpublish, NULL);

	child_end(&editor);
}

/* Creates and opens the database; a killed writer leaves the commit of "2" in the file. Sets
 * *before to the last visible commit. */
static struct store *open_before_kill(enum durability durability, uint64_t *before)
{
	struct store *store;

	create_database();
	store = open_at(durability, false);
	*before = store_last_commit(store);
	leave_commit("2", durability, SIGKILL);
	return store;
}

/* --- what other handles and processes read --- */

static void a_reader_completes_it(enum durability durability, bool read_only)
{
	struct store *store;
	struct txn *txn;
	uint64_t before;
	uint32_t commits;

	create_database();
	store = open_at(durability, read_only);
	txn = open_reader(store);
	renew(txn);
	before = txn_id(txn);
	reader_reset(txn);
	commits = commit_count(store_shared_page(store), 1);
	leave_commit("2", DURABILITY_FULL, SIGKILL);
	CHECK_EQUAL_UINT(store_last_commit(store), before);
	CHECK_EQUAL_UINT(store_wait_ms(store, 1000), 10);
	watch();
	renew(txn);
	calls_watch(NULL);
	CHECK_EQUAL_INT(made[CALL_FDATASYNC], durability != DURABILITY_NONE);
	CHECK_EQUAL_UINT(txn_id(txn), before + 1);
	CHECK_EQUAL_UINT(store_last_commit(store), before + 1);
	CHECK_EQUAL_UINT(store_wait_ms(store, 1000), 1000);
	CHECK(has_row(txn, TREE_ITEMS, "a", "2"));
	CHECK_EQUAL_UINT(commit_count(store_shared_page(store), 1), commits + 1);
	reader_close(txn);
	store_close(store);
}

static void so_does_a_follower_that_only_looks(void)
{
	uint64_t before;
	struct store *store = open_before_kill(DURABILITY_FULL, &before);

	CHECK_EQUAL_INT(store_recover(store, &failure), 0);
	CHECK_EQUAL_UINT(store_last_commit(store), before + 1);
	store_close(store);
}

static void so_does_the_next_writer_and_flushes_first(void)
{
	uint64_t before;
	struct store *store = open_before_kill(DURABILITY_ONE_FLUSH, &before);
	struct txn *txn;

	watch();
	txn = begin_write(store);
	calls_watch(NULL);
	CHECK_EQUAL_INT(made[CALL_FDATASYNC], 1);
	CHECK_EQUAL_UINT(txn_id(txn), before + 2);
	cancel_write(txn);
	CHECK(store_has(store, TREE_ITEMS, "a", "2"));
	store_close(store);
}

/* The first process to open the file has LMDB publish it. */
static void opening_alone_flushes_it(bool read_only)
{
	struct store *store;

	create_database();
	leave_commit("2", DURABILITY_FULL, SIGKILL);
	for (int time = 0; time < 2; time++) {
		watch();
		store = open_at(DURABILITY_FULL, read_only);
		calls_watch(NULL);
		CHECK_EQUAL_INT(made[CALL_FDATASYNC], time == 0);
		CHECK(store_has(store, TREE_ITEMS, "a", "2"));
		store_close(store);
	}
}

/* --- while the writer lives --- */

static void pin_and_check(struct store *store, const char *value)
{
	struct txn *pin = open_reader(store), *txn;
	struct meta_faults faults;
	struct meta_page facts;
	int fd;

	MUST(raw_txn_pin(pin, &fd, &facts, &faults, &failure), failure);
	CHECK(!faults.metas[0] && !faults.metas[1]);
	CHECK_EQUAL_UINT(facts.commit, txn_id(pin));
	CHECK_EQUAL_INT(raw_txn_open(&txn, fd, &facts), 0);
	CHECK(has_row(txn, TREE_ITEMS, "a", value));
	raw_txn_close(txn);
	reader_close(pin);
}

/* Renews a snapshot a thousand times. The owner of the write lock is tested at most once in 10 ms,
 * which takes a system call. */
static void keeps_the_last_commit(struct store *store, uint64_t before)
{
	uint64_t began = clock_elapsed_ms(clock_system());
	struct txn *txn = open_reader(store);

	watch();
	for (int i = 0; i < 1000; i++) {
		renew(txn);
		CHECK_EQUAL_UINT(txn_id(txn), before);
		CHECK_EQUAL_UINT(store_last_commit(store), before);
		reader_reset(txn);
	}
	calls_watch(NULL);
	CHECK(made[CALL_CONTROL] >= 1);
	CHECK((uint64_t)made[CALL_CONTROL] <=
		(clock_elapsed_ms(clock_system()) - began) / 10 + 1);
	CHECK_EQUAL_INT(made[CALL_FDATASYNC], 0);
	reader_close(txn);
	CHECK(store_has(store, TREE_ITEMS, "a", "1"));
}

static void a_flushing_writer_is_left_alone(bool is_killed)
{
	struct store *store;
	struct child writer;
	uint64_t before;

	create_database();
	store = open_at(DURABILITY_FULL, false);
	before = store_last_commit(store);
	writer = leave_commit("2", DURABILITY_FULL, SIGSTOP);
	CHECK_EQUAL_UINT(store_wait_ms(store, 1000), 10);
	CHECK_EQUAL_UINT(store_wait_ms(store, 5), 5);
	keeps_the_last_commit(store, before);
	pin_and_check(store, "1");
	if (is_killed) {
		child_kill(&writer);
		usleep(11000);           /* more than the 10 ms between two tests */
	} else {
		CHECK(kill(writer.pid, SIGCONT) == 0);
		CHECK(child_hear(&writer));
		child_end(&writer);
	}
	CHECK(store_has(store, TREE_ITEMS, "a", "2"));
	CHECK_EQUAL_UINT(store_last_commit(store), before + 1);
	pin_and_check(store, "2");
	store_close(store);
}

/* --- commits that can't be published --- */

static int renew_once(struct store *store)
{
	struct txn *txn = open_reader(store);
	int err = reader_renew(txn, &failure);

	reader_close(txn);
	return err;
}

static void an_unflushed_commit_is_not_published(void)
{
	uint64_t before;
	struct store *store = open_before_kill(DURABILITY_FULL, &before);

	refused = CALL_FDATASYNC;
	watch();
	for (int time = 0; time < 3; time++) {
		CHECK_EQUAL_INT(renew_once(store), ERR_STORE);
		CHECK_EQUAL_UINT(store_last_commit(store), before);
	}
	refused = -1;
	watch();
	CHECK_EQUAL_INT(renew_once(store), 0);
	calls_watch(NULL);
	/* The kernel has marked the pages clean after the failed flush, so the meta pages are
	 * written again. */
	CHECK_EQUAL_INT(made[CALL_PWRITE], 2);
	CHECK_EQUAL_UINT(store_last_commit(store), before + 1);
	store_close(store);
}

static void opening_fails_if_the_commit_cannot_be_flushed(void)
{
	struct store_options options = small_options(path);

	create_database();
	leave_commit("2", DURABILITY_FULL, SIGKILL);
	options.durability = DURABILITY_FULL;
	for (int time = 0; time < 3; time++) {
		refused = time < 2 ? CALL_FDATASYNC : -1;
		watch();
		CHECK_EQUAL_INT(try_open(&options, &failure), time < 2 ? ERR_STORE : 0);
		calls_watch(NULL);
		/* After a failed flush both of LMDB's descriptors are flushed. */
		CHECK_EQUAL_INT(made[CALL_FDATASYNC], time == 2 ? 2 : 0);
	}
}

static void a_number_without_a_dead_owner_is_set(void)
{
	struct store *store;
	struct txn *txn;
	uint64_t before;

	create_database();
	store = open_at(DURABILITY_FULL, false);
	for (int by_writer = 0; by_writer < 2; by_writer++) {
		write_row(store, TREE_ITEMS, "a", by_writer ? "3" : "2");
		before = store_last_commit(store);
		leave_commit_without_owner();
		CHECK_EQUAL_UINT(store_last_commit(store), before - 1);
		if (by_writer) {
			txn = begin_write(store);
			CHECK_EQUAL_UINT(txn_id(txn), before + 1);
			cancel_write(txn);
		}
		usleep(11000);
		CHECK(store_has(store, TREE_ITEMS, "a", by_writer ? "3" : "2"));
		CHECK_EQUAL_UINT(store_last_commit(store), before);
	}
	store_close(store);
}

static void open_for_writing(struct child *parent, void *context)
{
	struct store *store = open_at(DURABILITY_FULL, false);

	(void)parent;
	(void)context;
	CHECK(store_has(store, TREE_ITEMS, "a", "1"));
	store_close(store);
}

static void a_read_only_store_is_busy_until_a_writer_opens(void)
{
	struct store *store;
	struct child other;

	create_database();
	store = open_at(DURABILITY_FULL, true);
	leave_commit_without_owner();
	for (int time = 0; time < 3; time++)
		CHECK_EQUAL_INT(renew_once(store), ERR_BUSY);
	CHECK(strstr(failure.message, "open the database for writing") != NULL);
	other = child_start(open_for_writing, NULL);
	child_end(&other);
	CHECK(store_has(store, TREE_ITEMS, "a", "1"));
	store_close(store);
}

int main(void)
{
	snprintf(path, sizeof path, "%s", store_path("recovery.tide"));
	snprintf(lock_path, sizeof lock_path, "%s-lock", path);
	a_reader_completes_it(DURABILITY_FULL, false);
	a_reader_completes_it(DURABILITY_FULL, true);
	a_reader_completes_it(DURABILITY_ONE_FLUSH, false);
	a_reader_completes_it(DURABILITY_NONE, false);
	so_does_a_follower_that_only_looks();
	so_does_the_next_writer_and_flushes_first();
	opening_alone_flushes_it(false);
	opening_alone_flushes_it(true);
	a_flushing_writer_is_left_alone(false);
	a_flushing_writer_is_left_alone(true);
	an_unflushed_commit_is_not_published();
	opening_fails_if_the_commit_cannot_be_flushed();
	a_number_without_a_dead_owner_is_set();
	a_read_only_store_is_busy_until_a_writer_opens();
	return 0;
}
