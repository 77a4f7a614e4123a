/* test_transaction.c - table/transaction.h: what a handle caches between transactions. */
#include <sys/syscall.h>
#include <sys/uio.h>

#include "os/clock.h"
#include "stream/retention.h"
#include "unit/tides.h"

static struct failure failure;
static struct clock *manual;

/* --- a disk that refuses writes: these functions replace those that LMDB calls --- */

static bool writes_fail;

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at);
ssize_t writev(int fd, const struct iovec *parts, int count);

static bool fails(void)
{
	errno = EIO;
	return writes_fail;
}

__attribute__((visibility("default")))
ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	return fails() ? -1 : syscall(SYS_pwrite64, fd, bytes, len, at);
}

__attribute__((visibility("default")))
ssize_t writev(int fd, const struct iovec *parts, int count)
{
	return fails() ? -1 : syscall(SYS_writev, fd, parts, count);
}

/* --- tests --- */

/* Does one step of a trim. Returns the number of records removed. */
static uint64_t trim(struct tide *tide)
{
	struct tide_swept swept = { 0 };
	bool more;

	MUST(tide_sweep(tide, &swept, &more, &failure), failure);
	return swept.records;
}

static void change_nothing(struct tide *tide)
{
	begin(tide);
	commit(tide);
}

/* A transaction without changes neither writes to the file nor wakes readers. */
static void a_transaction_that_changed_nothing_is_no_commit(void)
{
	struct tide *tide = open_with_clock(tide_path("nothing.tide"), manual);
	struct tide_table table = create_table(tide, "orders");
	uint64_t last;

	CHECK_EQUAL_UINT(put_alone(tide, &table, "a", "1", "v"), 2);
	last = tide_last_commit(tide);
	change_nothing(tide);
	CHECK_EQUAL_UINT(put_alone(tide, &table, "a", "1", "v"), 0);
	CHECK_EQUAL_UINT(trim(tide), 0);
	CHECK_EQUAL_UINT(tide_last_commit(tide), last);
	CHECK_EQUAL_UINT(put_alone(tide, &table, "a", "1", "w"), 3);
	CHECK_EQUAL_UINT(tide_last_commit(tide), last + 1);
	tide_close(tide);
}

/* A transaction without changes does not use up its commit number, so the next commit of
 * another handle, which may append to the stream, has the same number. */
static void where_a_stream_ends_is_read_again_when_others_wrote(void)
{
	const char *path = tide_path("others.tide");
	struct tide *tide = open_with_clock(path, manual), *other = open_with_clock(path, manual);
	struct tide_table table = create_table(tide, "orders"), theirs = table_named("orders");

	CHECK_EQUAL_UINT(put_alone(tide, &table, "a", "1", "v"), 2);
	change_nothing(tide);
	CHECK_EQUAL_UINT(put_alone(other, &theirs, "a", "2", "v"), 3);
	change_nothing(tide);
	CHECK_EQUAL_UINT(put_alone(tide, &table, "a", "3", "v"), 4);
	check_clean(tide);
	tide_close(other);
	tide_close(tide);
}

/* After a step of trim, commits of the same handle sweep again. */
static void a_write_after_a_step_of_trim_trims(void)
{
	struct tide *tide = open_with_clock(tide_path("passing.tide"), manual);
	struct tide_table table = create_table(tide, "orders");
	char sort[16];

	for (int i = 0; i < 2 * TRIM_WORTH; i++) {
		snprintf(sort, sizeof sort, "%d", i);
		put_alone(tide, &table, "a", sort, "v");
	}
	CHECK_EQUAL_UINT(trim(tide), 0);
	clock_advance(manual, DAY_MS);
	put_alone(tide, &table, "a", "late", "v");
	CHECK_EQUAL_UINT(trim(tide), 0);
	tide_close(tide);
}

/* A trim that finds nothing to remove stores a jump of the clock, unless this or another handle
 * has stored it. */
static void a_jump_is_written_once(bool by_another)
{
	const char *path = tide_path(by_another ? "theirs.tide" : "ours.tide");
	struct tide *tide = open_with_clock(path, manual), *other = open_with_clock(path, manual);
	struct tide_table table = create_table(other, "orders");
	uint64_t last;

	clock_set(manual, clock_now_ms(manual) + 10 * DAY_MS);
	begin(tide);
	tide_abort(tide);
	if (by_another)
		put_alone(other, &table, "a", "1", "v");
	else
		trim(tide);
	last = tide_last_commit(other);
	trim(tide);
	CHECK_EQUAL_UINT(tide_last_commit(tide), last);
	tide_close(other);
	tide_close(tide);
}

/* The next commit, of any handle, uses the same catalog version. */
static void a_table_whose_commit_failed_is_forgotten(void)
{
	const char *path = tide_path("forgotten.tide");
	struct tide *tide = open_with_clock(path, manual), *other = open_with_clock(path, manual);
	struct tide_table_spec spec = spec_of("lost");

	create_table(tide, "first");
	writes_fail = true;
	CHECK_EQUAL_INT(tide_create_table(tide, &spec, &failure), ERR_STORE);
	writes_fail = false;
	create_table(other, "other");
	MUST(tide_delete_table(tide, slice_of_text("other"), &failure), failure);
	CHECK_EQUAL_INT(tide_delete_table(tide, slice_of_text("lost"), &failure), ERR_NOT_FOUND);
	check_clean(tide);
	tide_close(other);
	tide_close(tide);
}

int main(void)
{
	manual = clock_manual(UINT64_C(1700000000000));
	a_transaction_that_changed_nothing_is_no_commit();
	where_a_stream_ends_is_read_again_when_others_wrote();
	a_write_after_a_step_of_trim_trims();
	a_jump_is_written_once(true);
	a_jump_is_written_once(false);
	a_table_whose_commit_failed_is_forgotten();
	clock_drop(manual);
	return 0;
}
