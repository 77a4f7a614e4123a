/* test_txn.c - store.h's transactions: snapshots, and commits that fail. */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "lmdb/internal.h"
#include "os/fault_point.h"
#include "unit/stores.h"

static struct failure failure;

/* --- failing writes: wrappers of LMDB's pwrite, writev and fdatasync --- */

enum which { NO_WRITE, PAGE_WRITE, META_WRITE };

/* LMDB writes a meta page from its ninth byte to its end. */
#define META_WRITE_BYTES 120

static enum which failing;
static int failing_errno;       /* errno of the failure; 0 for a short write */
static bool written_all_the_same;

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at);
ssize_t writev(int fd, const struct iovec *parts, int count);

int fdatasync(int fd);

static int flushes;             /* number of flushes since the last reset */
static bool flushes_fail, next_flush_fails;

/* Number of writeback errors, shared by the processes of a test; NULL if not emulated. Linux
 * reports such an error once to each open file description, at the next flush or O_DSYNC write. */
static _Atomic int *writeback_errors;
static int reported[1024];      /* number of errors already reported, by descriptor */

static bool has_unreported_error(int fd)
{
	if (!writeback_errors || reported[fd] == *writeback_errors)
		return false;
	reported[fd] = *writeback_errors;
	return true;
}

__attribute__((visibility("default")))
int fdatasync(int fd)
{
	flushes++;
	if (flushes_fail || next_flush_fails) {
		next_flush_fails = false;
		if (writeback_errors)
			reported[fd] = ++*writeback_errors;
		errno = EIO;
		return -1;
	}
	if (has_unreported_error(fd)) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

static bool fails(size_t len)
{
	return failing == (len == META_WRITE_BYTES ? META_WRITE : PAGE_WRITE);
}

static ssize_t fail_write(int fd, const void *bytes, size_t len, off_t at)
{
	ssize_t written = 0;

	if (written_all_the_same)
		written = syscall(SYS_pwrite64, fd, bytes, len, at);
	else if (!failing_errno)
		written = syscall(SYS_pwrite64, fd, bytes, len / 2, at);
	failing = failing == META_WRITE ? NO_WRITE : failing;   /* the repair may succeed */
	errno = failing_errno;
	return failing_errno ? -1 : written / 2;
}

__attribute__((visibility("default")))
ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	ssize_t written = fails(len) ? fail_write(fd, bytes, len, at)
		: syscall(SYS_pwrite64, fd, bytes, len, at);

	if (written > 0 && fcntl(fd, F_GETFL) & O_DSYNC && has_unreported_error(fd)) {
		errno = EIO;
		return -1;
	}
	return written;
}

__attribute__((visibility("default")))
ssize_t writev(int fd, const struct iovec *parts, int count)
{
	if (failing == PAGE_WRITE) {
		errno = failing_errno ? failing_errno : EIO;
		return -1;
	}
	return syscall(SYS_writev, fd, parts, count);
}

static struct store *open_full(const char *path)
{
	struct store_options options = small_options(path);

	options.durability = DURABILITY_FULL;
	return open_with(&options);
}

static int commit_failing(struct store *store, enum which which, int system)
{
	struct txn *txn = begin_write(store);
	int err;

	CHECK_EQUAL_INT(txn_put(txn, TREE_ITEMS, slice_of_text("new"), slice_of_text("row")), 0);
	failing_errno = system;
	failing = which;
	err = end_write(txn, &failure);
	failing = NO_WRITE;
	return err;
}

static void a_commit_that_could_not_write_never_was(void)
{
	struct store *store = open_full(store_path("page.tide"));
	struct txn *reader = open_reader(store);
	uint64_t before;

	write_row(store, TREE_ITEMS, "old", "row");
	before = store_last_commit(store);
	CHECK_EQUAL_INT(commit_failing(store, PAGE_WRITE, EIO), ERR_STORE);
	CHECK_EQUAL_INT(failure.system, EIO);
	CHECK_EQUAL_INT(commit_failing(store, PAGE_WRITE, ENOSPC), ERR_DISK_FULL);
	CHECK_EQUAL_INT(commit_failing(store, PAGE_WRITE, EDQUOT), ERR_DISK_FULL);
	CHECK_EQUAL_INT(commit_failing(store, PAGE_WRITE, 0), ERR_STORE);   /* short */
	CHECK_EQUAL_UINT(store_last_commit(store), before);
	renew(reader);
	CHECK(has_row(reader, TREE_ITEMS, "old", "row"));
	CHECK(!has_row(reader, TREE_ITEMS, "new", "row"));
	reader_close(reader);
	write_row(store, TREE_ITEMS, "new", "row");   /* the store is still usable */
	CHECK(store_has(store, TREE_ITEMS, "new", "row"));
	store_close(store);
}

/* The write of the meta page failed, so it is unknown whether the page is on the disk. */
static void a_commit_that_could_not_finish_is_unknown(bool it_did_finish)
{
	const char *path = store_path(it_did_finish ? "meta1.tide" : "meta2.tide");
	struct store *store = open_full(path);
	struct txn *reader = open_reader(store);
	struct txn *txn;
	struct store_usage usage;
	uint32_t cleared;

	write_row(store, TREE_ITEMS, "old", "row");
	written_all_the_same = it_did_finish;
	CHECK_EQUAL_INT(commit_failing(store, META_WRITE, EIO), ERR_UNKNOWN_OUTCOME);
	CHECK_EQUAL_INT(failure.system, EIO);
	written_all_the_same = false;
	CHECK(strstr(failure.message, "close every handle"));

	CHECK_EQUAL_INT(reader_renew(reader, &failure), ERR_STORE);
	CHECK(strstr(failure.message, "open it again"));
	CHECK_EQUAL_INT(reader_open(&txn, store, &failure), ERR_STORE);
	CHECK(txn == NULL);
	CHECK_EQUAL_INT(write_lock_try(store_shared_page(store)), 0);
	CHECK_EQUAL_INT(writer_begin(&txn, store, &failure), ERR_STORE);
	CHECK(txn == NULL);
	write_lock_release(store_shared_page(store));
	CHECK_EQUAL_INT(store_usage(store, &usage, &failure), ERR_STORE);
	CHECK_EQUAL_INT(store_clear_stale(store, &cleared, &failure), ERR_STORE);
	CHECK_EQUAL_INT(store_sync(store, &failure), ERR_STORE);
	CHECK(store_last_commit(store) > 0);
	reader_close(reader);
	store_close(store);

	store = open_full(path);
	CHECK(store_has(store, TREE_ITEMS, "old", "row"));
	write_row(store, TREE_ITEMS, "newer", "row");
	CHECK(store_has(store, TREE_ITEMS, "newer", "row"));
	store_close(store);
}

/* --- snapshots --- */

static void a_snapshot_stays_as_it_was(void)
{
	struct store *store = open_small(store_path("snapshot.tide"));
	struct txn *one = open_reader(store);
	struct txn *two = open_reader(store);

	write_row(store, TREE_ITEMS, "a", "1");
	renew(one);
	CHECK_EQUAL_UINT(txn_id(one), store_last_commit(store));
	write_row(store, TREE_ITEMS, "a", "2");
	renew(two);
	CHECK(has_row(one, TREE_ITEMS, "a", "1"));
	CHECK(has_row(two, TREE_ITEMS, "a", "2"));
	CHECK(store_last_commit(store) == txn_id(two) && txn_id(one) < txn_id(two));
	reader_reset(one);
	reader_reset(one);
	renew(one);
	CHECK(has_row(one, TREE_ITEMS, "a", "2"));
	reader_close(one);
	reader_close(two);
	reader_close(NULL);
	store_close(store);
}

static void *read_all_the_time(void *context)
{
	struct store *store = context;
	struct txn *txn = open_reader(store);
	struct slice one, other;

	for (int i = 0; i < 3000; i++) {
		renew(txn);
		CHECK_EQUAL_INT(txn_get(txn, TREE_ITEMS, slice_of_text("one"), &one), 0);
		CHECK_EQUAL_INT(txn_get(txn, TREE_LOG, slice_of_text("other"), &other), 0);
		CHECK(slice_equal(one, other));
		reader_reset(txn);
	}
	reader_close(txn);
	return NULL;
}

static void *write_all_the_time(void *context)
{
	struct store *store = context;

	for (int i = 0; i < 1000; i++) {
		struct txn *txn = begin_write(store);
		uint64_t word = check_random();
		struct slice value = slice_of(&word, sizeof word);

		CHECK_EQUAL_INT(txn_put(txn, TREE_ITEMS, slice_of_text("one"), value), 0);
		CHECK_EQUAL_INT(txn_put(txn, TREE_LOG, slice_of_text("other"), value), 0);
		commit(txn);
	}
	return NULL;
}

static void threads_see_whole_commits(void)
{
	struct store *store = open_small(store_path("threads.tide"));
	pthread_t threads[5];

	write_all_the_time(store);
	for (int i = 0; i < 5; i++)
		CHECK(pthread_create(&threads[i], NULL, i == 0 ? write_all_the_time
			: read_all_the_time, store) == 0);
	for (int i = 0; i < 5; i++)
		pthread_join(threads[i], NULL);
	store_close(store);
}

/* --- reader slots --- */

struct readers {
	const char *path;
	int count;
};

static void read_until_killed(struct child *parent, void *context)
{
	const struct readers *readers = context;
	struct store *store = open_small(readers->path);

	for (int i = 0; i < readers->count; i++)
		renew(open_reader(store));
	child_tell(parent);
	child_hear(parent);
}

static void the_readers_of_the_dead_are_cleared(void)
{
	struct readers readers = { store_path("dead.tide"), 5 };
	struct store *store = open_small(readers.path);
	struct child child = child_start(read_until_killed, &readers);
	struct store_usage usage;
	uint32_t cleared;

	CHECK(child_hear(&child));
	write_row(store, TREE_ITEMS, "a", "b");
	write_row(store, TREE_ITEMS, "a", "c");
	CHECK_EQUAL_INT(store_usage(store, &usage, &failure), 0);
	CHECK_EQUAL_UINT(usage.readers, 5);
	CHECK_EQUAL_UINT(usage.readers_max, 1024);
	CHECK_EQUAL_INT(usage.oldest_reader_pid, child.pid);
	CHECK_EQUAL_UINT(usage.oldest_reader_lag, 2);
	child_kill(&child);
	CHECK_EQUAL_INT(store_clear_stale(store, &cleared, &failure), 0);
	CHECK_EQUAL_UINT(cleared, 5);
	CHECK_EQUAL_INT(store_usage(store, &usage, &failure), 0);
	CHECK(usage.readers == 0 && usage.oldest_reader_pid == 0 && usage.oldest_reader_lag == 0);
	store_close(store);
}

/* A writer removes stale slots occasionally, so that the file stops growing. */
static void a_writer_clears_the_dead_too(void)
{
	struct readers readers = { store_path("grow.tide"), 1 };
	struct store *store = open_small(readers.path);
	struct child child = child_start(read_until_killed, &readers);
	struct store_usage usage;

	CHECK(child_hear(&child));
	child_kill(&child);
	for (int i = 0; i < 4000; i++)
		write_row(store, TREE_ITEMS, "a", i % 2 ? "b" : "c");
	CHECK_EQUAL_INT(store_usage(store, &usage, &failure), 0);
	CHECK_EQUAL_INT(usage.oldest_reader_pid, 0);
	CHECK(usage.file_bytes < 12 << 20);   /* 60 MB if no slot were removed */
	store_close(store);
}

/* Counting free pages needs a reader. */
static void expect_no_room_to_be_known(struct store *store)
{
	struct txn *txn = begin_write(store);
	uint64_t max_pages = store->max_pages;

	store->max_pages = 1;
	CHECK_EQUAL_INT(writer_check_space(txn, &failure), ERR_READERS_FULL);
	store->max_pages = max_pages;
	cancel_write(txn);
}

static void full_reader_slots_are_said_and_cured(void)
{
	struct readers readers = { store_path("slots.tide"), 1000 };
	struct store *store = open_small(readers.path);
	struct child child = child_start(read_until_killed, &readers);
	struct txn *taken[30];
	int count = 0;

	CHECK(child_hear(&child));
	while (reader_open(&taken[count], store, &failure) == 0)
		count++;
	CHECK(store->slots == &taken[count - 1]->slot);
	CHECK_EQUAL_INT(failure.err, ERR_READERS_FULL);
	CHECK(taken[count] == NULL);
	CHECK_EQUAL_INT(count, 24);
	expect_no_room_to_be_known(store);
	child_kill(&child);
	CHECK_EQUAL_INT(reader_open(&taken[count], store, &failure), 0);
	for (int i = 0; i <= count; i++)
		reader_close(taken[i]);
	store_close(store);
}

/* --- the gate --- */

/* gate_leave must be called exactly once. If it were called twice, the mapping could be replaced
 * while in use; if it were not called, the mapping could never be replaced. */
static void each_transaction_passes_the_gate_once(void)
{
	struct store *store = open_full(store_path("pass.tide"));
	struct txn *reader = open_reader(store), *none = NULL;

	CHECK_EQUAL_INT(store->active, 0);
	renew(reader);
	CHECK_EQUAL_INT(store->active, 1);
	write_row(store, TREE_ITEMS, "a", "b");
	cancel_write(begin_write(store));
	writer_abort(&none);
	CHECK_EQUAL_INT(commit_failing(store, PAGE_WRITE, EIO), ERR_STORE);
	CHECK_EQUAL_INT(store->active, 1);
	reader_reset(reader);
	reader_reset(reader);
	CHECK_EQUAL_INT(store->active, 0);
	renew(reader);
	CHECK_EQUAL_INT(commit_failing(store, META_WRITE, EIO), ERR_UNKNOWN_OUTCOME);
	reader_close(reader);
	CHECK_EQUAL_INT(store->active, 0);
	store_close(store);
}

/* --- failing transactions --- */

/* LMDB fails a store if a meta page could not be written, or if a thread died while it held LMDB's
 * mutex. */
static void when_lmdb_gives_up_so_does_the_store(void)
{
	struct store *store = open_full(store_path("gave_up.tide"));
	struct txn *reader = open_reader(store);
	MDB_val row = { 1, (void *)"a" };
	MDB_txn *mdb;

	CHECK_EQUAL_INT(mdb_txn_begin(store->env, NULL, 0, &mdb), 0);
	CHECK_EQUAL_INT(mdb_put(mdb, store->trees[TREE_ITEMS], &row, &row, 0), 0);
	failing_errno = EIO;
	failing = META_WRITE;
	CHECK(mdb_txn_commit(mdb) != 0);
	failing = NO_WRITE;
	CHECK_EQUAL_INT(reader_renew(reader, &failure), ERR_STORE);
	CHECK(strstr(failure.message, "open it again"));
	reader_close(reader);
	CHECK_EQUAL_INT(store->active, 0);
	store_close(store);
}

/* The error of one snapshot is not returned for the next. */
static void an_error_ends_with_the_snapshot(void)
{
	struct store *store = open_small(store_path("error.tide"));
	struct txn *reader = open_reader(store);
	struct slice value;

	renew(reader);
	reader_reset(reader);
	CHECK(txn_get(reader, TREE_ITEMS, slice_of_text("a"), &value) < 0);
	CHECK(reader->err < 0 && reader->system != 0);
	renew(reader);
	CHECK(reader->err == 0 && reader->system == 0);
	reader_close(reader);
	store_close(store);
}

static void a_row_that_failed_poisons_its_transaction(void)
{
	struct store *store = open_small(store_path("poison.tide"));
	static uint8_t bytes[1 << 20];
	struct txn *txn = begin_write(store);
	int err = 0;

	for (uint8_t i = 0; !err; i++)   /* without writer_check_space */
		err = txn_put(txn, TREE_PARTS, slice_of(&i, 1), slice_of(bytes, sizeof bytes));
	CHECK_EQUAL_INT(err, ERR_FULL);
	err = txn_put(txn, TREE_META, slice_of_text("a"), slice_of_text("b"));
	CHECK_EQUAL_INT(err, ERR_FULL);
	CHECK_EQUAL_INT(end_write(txn, &failure), ERR_FULL);
	CHECK_EQUAL_INT(failure.system, MDB_MAP_FULL);
	CHECK(!store_has(store, TREE_META, "a", "b"));
	write_row(store, TREE_META, "a", "b");
	store_close(store);
}

static void a_read_only_store_does_not_write(void)
{
	const char *path = store_path("readonly.tide");
	struct store_options options = small_options(path);
	struct store *store = open_small(path);
	struct txn *txn;

	write_row(store, TREE_META, "a", "b");
	store_close(store);
	options.read_only = true;
	store = open_with(&options);
	CHECK_EQUAL_INT(writer_begin(&txn, store, &failure), ERR_READ_ONLY);
	CHECK(txn == NULL);
	CHECK(store_has(store, TREE_META, "a", "b"));
	CHECK_EQUAL_INT(store_sync(store, &failure), 0);
	store_close(store);
}

/* A commit without a change does not notify, nor does the release of the lock. */
static void a_commit_notifies(void)
{
	struct store *store = open_small(store_path("notify.tide"));
	struct txn *txn;
	struct wakeup *wakeup;

	MUST(wakeup_open(&wakeup, store_shared_page(store), WAKEUP_COMMITS, &failure), failure);
	txn = begin_write(store);
	MUST(writer_commit(&txn, &failure), failure);
	CHECK_EQUAL_INT(wakeup_wait(wakeup, 0), END);
	MUST(writer_begin(&txn, store, &failure), failure);
	CHECK_EQUAL_INT(txn_put(txn, TREE_META, slice_of_text("a"), slice_of_text("b")), 0);
	MUST(writer_commit(&txn, &failure), failure);
	CHECK_EQUAL_INT(wakeup_wait(wakeup, 0), 0);
	wakeup_clear(wakeup);
	write_lock_release(store_shared_page(store));
	CHECK_EQUAL_INT(wakeup_wait(wakeup, 0), END);
	wakeup_close(wakeup);
	store_close(store);
}

static int flushes_of_a_write(struct store *store)
{
	flushes = 0;
	write_row(store, TREE_META, "a", "b");
	return flushes;
}

/* The kernel marks unwritten pages clean. The next writer makes the last commit durable before its
 * own commit is acknowledged. */
static void a_flush_that_failed_at_the_end_is_made_up_for(void)
{
	const char *path = store_path("settles.tide");
	struct store_options options = small_options(path);
	struct store *store;

	options.durability = DURABILITY_ONE_FLUSH;
	store = open_with(&options);
	write_row(store, TREE_META, "a", "b");
	store_close(store);
	store = open_with(&options);
	CHECK_EQUAL_INT(flushes_of_a_write(store), 1);
	flushes_fail = true;
	store_close(store);
	flushes_fail = false;
	store = open_with(&options);
	CHECK_EQUAL_INT(flushes_of_a_write(store), 2);
	CHECK_EQUAL_INT(flushes_of_a_write(store), 1);
	store_close(store);
}

static void flush_in_vain(struct child *parent, void *context)
{
	struct store *store = open_with(context);

	write_row(store, TREE_META, "a", "b");
	flushes_fail = true;
	CHECK(store_sync(store, &failure) < 0);
	child_tell(parent);
	child_hear(parent);
}

static void a_flush_that_failed_elsewhere_is_made_up_for(void)
{
	struct store_options options = small_options(store_path("elsewhere.tide"));
	struct child child;
	struct store *store;

	options.durability = DURABILITY_ONE_FLUSH;
	child = child_start(flush_in_vain, &options);
	CHECK(child_hear(&child));
	store = open_with(&options);
	child_kill(&child);
	CHECK_EQUAL_INT(flushes_of_a_write(store), 2);
	CHECK_EQUAL_INT(flushes_of_a_write(store), 1);
	store_close(store);
}

/* The commit fails immediately, while its page is still in the page cache. */
static void a_flush_that_failed_in_a_commit_is_made_up_for(void)
{
	struct store *store = open_full(store_path("once.tide"));

	write_row(store, TREE_META, "a", "b");
	flushes = 0;
	next_flush_fails = true;
	CHECK_EQUAL_INT(commit_failing(store, NO_WRITE, 0), ERR_STORE);
	CHECK_EQUAL_INT(flushes, 3);     /* the failed flush, and two flushes of the repair */
	CHECK_EQUAL_INT(flushes_of_a_write(store), 1);
	store_close(store);
}

/* No commit succeeds while the last one may not be on the disk. */
static void a_flush_that_keeps_failing_blocks_writes(void)
{
	struct store *store = open_full(store_path("flush.tide"));
	struct txn *txn;

	write_row(store, TREE_META, "a", "b");
	flushes_fail = true;
	CHECK_EQUAL_INT(commit_failing(store, NO_WRITE, 0), ERR_STORE);
	CHECK_EQUAL_INT(write_lock_try(store_shared_page(store)), 0);
	CHECK_EQUAL_INT(writer_begin(&txn, store, &failure), ERR_STORE);
	CHECK(txn == NULL && strstr(failure.message, "flushed"));
	write_lock_release(store_shared_page(store));
	flushes_fail = false;
	write_row(store, TREE_META, "a", "c");
	CHECK(store_has(store, TREE_META, "a", "c") && !store_has(store, TREE_ITEMS, "new", "row"));
	store_close(store);
}

static void begin_emulating(void)
{
	writeback_errors = mmap(NULL, sizeof *writeback_errors, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(writeback_errors != MAP_FAILED);
	memset(reported, 0, sizeof reported);
}

static void end_emulating(void)
{
	CHECK(munmap((void *)writeback_errors, sizeof *writeback_errors) == 0);
	writeback_errors = NULL;
}

/* LMDB writes meta pages through a second descriptor with O_DSYNC. It would report the old error at
 * the next meta page, and LMDB would refuse all further writes. */
static void after_a_failed_flush_commits_succeed_on_the_same_store(void)
{
	struct store *store;
	struct txn *snapshot;

	begin_emulating();
	store = open_full(store_path("errors.tide"));
	write_row(store, TREE_META, "a", "b");
	snapshot = open_reader(store);
	renew(snapshot);
	for (int i = 0; i < 3; i++) {
		next_flush_fails = true;
		CHECK_EQUAL_INT(commit_failing(store, NO_WRITE, 0), ERR_STORE);
		write_row(store, TREE_META, "a", "c");
		write_row(store, TREE_META, "a", "d");
	}
	flushes_fail = true;
	CHECK_EQUAL_INT(commit_failing(store, NO_WRITE, 0), ERR_STORE);
	CHECK_EQUAL_INT(store_sync(store, &failure), ERR_STORE);
	flushes_fail = false;
	write_row(store, TREE_META, "a", "e");
	CHECK(store_has(store, TREE_META, "a", "e"));
	CHECK(has_row(snapshot, TREE_META, "a", "b"));
	reader_close(snapshot);
	store_close(store);
	end_emulating();
}

static void write_on_request(struct child *parent, void *context)
{
	struct store *store = open_full(context);

	do {
		write_row(store, TREE_META, "a", "b");
		write_row(store, TREE_META, "a", "c");
		child_tell(parent);
	} while (child_hear(parent));
	store_close(store);
}

static void after_a_failed_flush_commits_succeed_in_other_processes(void)
{
	char *path = (char *)(uintptr_t)store_path("errors_elsewhere.tide");
	struct store *store;
	struct child child;

	begin_emulating();
	child = child_start(write_on_request, path);
	CHECK(child_hear(&child));
	store = open_full(path);
	for (int i = 0; i < 3; i++) {
		next_flush_fails = true;
		CHECK_EQUAL_INT(commit_failing(store, NO_WRITE, 0), ERR_STORE);
		write_row(store, TREE_META, "a", "d");
		child_tell(&child);
		CHECK(child_hear(&child));
	}
	child_end(&child);
	store_close(store);
	end_emulating();
}

/* Commits a row with a fault set. Returns the result. */
static int commit_with_fault(struct store *store, enum fault_point point, int fault,
	const char *value)
{
	struct txn *txn = begin_write(store);
	int err;

	CHECK_EQUAL_INT(txn_put(txn, TREE_META, slice_of_text("a"), slice_of_text(value)), 0);
	CHECK_EQUAL_INT(fault_set(point, 1, fault, NULL), 0);
	err = end_write(txn, &failure);
	CHECK_EQUAL_INT(failure.err, err);
	CHECK(failure.message[0]);
	return err;
}

static void a_fault_fails_one_commit(void)
{
	const char *path = store_path("faults.tide");
	struct store *store = open_small(path);

	write_row(store, TREE_META, "a", "b");
	CHECK_EQUAL_INT(commit_with_fault(store, FAULT_BEFORE_COMMIT, ERR_DISK_FULL, "c"),
		ERR_DISK_FULL);
	CHECK(store_has(store, TREE_META, "a", "b"));
	write_row(store, TREE_META, "a", "d");
	CHECK_EQUAL_INT(commit_with_fault(store, FAULT_BEFORE_COMMIT, ERR_UNKNOWN_OUTCOME, "e"),
		ERR_UNKNOWN_OUTCOME);
	store_close(store);
	store = open_small(path);
	CHECK(store_has(store, TREE_META, "a", "d"));
	CHECK_EQUAL_INT(commit_with_fault(store, FAULT_AFTER_COMMIT, ERR_UNKNOWN_OUTCOME, "f"),
		ERR_UNKNOWN_OUTCOME);
	store_close(store);
	store = open_small(path);
	CHECK(store_has(store, TREE_META, "a", "f"));
	store_close(store);
}

int main(void)
{
	a_fault_fails_one_commit();
	a_commit_that_could_not_write_never_was();
	a_commit_that_could_not_finish_is_unknown(false);
	a_commit_that_could_not_finish_is_unknown(true);
	a_snapshot_stays_as_it_was();
	threads_see_whole_commits();
	the_readers_of_the_dead_are_cleared();
	a_writer_clears_the_dead_too();
	full_reader_slots_are_said_and_cured();
	each_transaction_passes_the_gate_once();
	when_lmdb_gives_up_so_does_the_store();
	an_error_ends_with_the_snapshot();
	a_row_that_failed_poisons_its_transaction();
	a_read_only_store_does_not_write();
	a_commit_notifies();
	a_flush_that_failed_at_the_end_is_made_up_for();
	a_flush_that_failed_elsewhere_is_made_up_for();
	a_flush_that_failed_in_a_commit_is_made_up_for();
	a_flush_that_keeps_failing_blocks_writes();
	after_a_failed_flush_commits_succeed_on_the_same_store();
	after_a_failed_flush_commits_succeed_in_other_processes();
	return 0;
}
