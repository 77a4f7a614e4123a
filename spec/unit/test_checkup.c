/* test_checkup.c - tide_checkup: results, crashes, timeouts and ending it early. */
#undef _FORTIFY_SOURCE       /* the headers would define pread already */
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "unit/child.h"
#include "unit/forge.h"

static struct failure failure;
static struct tide *tide;

/* --- what the replaced pread does --- */

static enum { GOOD, KILLED, ENDED, STUCK, WAITING } reader_is;
static pid_t parent;
static atomic_bool is_reading, may_go;

__attribute__((visibility("default"))) ssize_t pread(int fd, void *bytes, size_t len, off_t at)
{
	if (getpid() != parent && reader_is == KILLED)
		raise(SIGKILL);
	if (getpid() != parent && reader_is == ENDED)
		_exit(3);
	while (getpid() != parent && reader_is == STUCK)
		pause();
	atomic_store(&is_reading, true);
	while (reader_is == WAITING && !atomic_load(&may_go))
		usleep(1000);
	return syscall(SYS_pread64, fd, bytes, len, at);
}

static const char *make_file(const char *name)
{
	const char *path = tide_path(name);
	struct tide_table table;

	tide = open_tide(path);
	table = create_table(tide, "orders");
	for (int i = 0; i < 5; i++)
		put_alone(tide, &table, "ann", "1", i % 2 ? "odd" : "even");
	tide_close(tide);
	return path;
}

static int result_of(struct tide_checkup *checkup, const struct report **report)
{
	int err;

	while ((err = tide_checkup_result(checkup, report, &failure)) == END)
		tide_checkup_wait(checkup, 50);
	return err;
}

/* --- results --- */

static void expect_sound(struct tide_checkup *checkup)
{
	const struct report *report;

	for (int twice = 0; twice < 2; twice++) {
		CHECK_EQUAL_INT(result_of(checkup, &report), 0);
		CHECK(report->problems == 0 && report->text.len == 0);
		CHECK(report->tables == 1 && report->records == 4 + report->items);
	}
	tide_checkup_finish(checkup);
}

static void a_sound_file_is_sound_in_every_way(void)
{
	const char *path = make_file("sound.tide");
	struct tide_checkup *checkup;

	MUST(tide_checkup_file(&checkup, path, &failure), failure);
	expect_sound(checkup);
	MUST(tide_checkup_isolated(&checkup, path, 60000, &failure), failure);
	expect_sound(checkup);
	tide = open_tide(path);
	MUST(tide_checkup_start(&checkup, tide, &failure), failure);
	expect_sound(checkup);
	tide_close(tide);
	tide_checkup_finish(NULL);
}

static void why_there_is_nothing_to_check_comes_back(void)
{
	const char *path = tide_path("none.tide");
	const struct report *report;
	struct tide_checkup *checkup;

	for (int child = 0; child < 2; child++) {
		if (child)
			MUST(tide_checkup_isolated(&checkup, path, 60000, &failure), failure);
		else
			MUST(tide_checkup_file(&checkup, path, &failure), failure);
		failure = (struct failure){ 0 };
		CHECK_EQUAL_INT(result_of(checkup, &report), ERR_NO_FILE);
		CHECK_EQUAL_INT(failure.err, ERR_NO_FILE);
		tide_checkup_finish(checkup);
	}
}

/* A report with a long text: hundreds of problems. */
static void all_that_is_wrong_comes_back(void)
{
	struct report whole = { 0 };
	const struct report *report;
	struct tide_checkup *checkup;
	const char *path = tide_path("wrong.tide");
	struct tide_table table;
	struct txn *txn;

	tide = open_tide(path);
	table = create_table(tide, "orders");
	put_alone(tide, &table, "ann", "1", "v");
	txn = forge_begin(tide);
	for (uint32_t i = 0; i < 3000; i++) {
		uint8_t key[6] = { 0, 0, (uint8_t)(i >> 8), (uint8_t)i, 9, 'a' };

		forge_row(txn, TREE_ITEMS, slice_of(key, sizeof key), slice_of_text("?"));
	}
	forge_commit(tide, txn);
	tide_close(tide);
	MUST(tide_check_file(path, &whole, &failure), failure);
	CHECK(whole.problems > 1000 && whole.text.len > 70000);
	MUST(tide_checkup_isolated(&checkup, path, 60000, &failure), failure);
	CHECK_EQUAL_INT(result_of(checkup, &report), 0);
	CHECK_EQUAL_UINT(report->problems, whole.problems);
	CHECK_BYTES(report->text.data, report->text.len, whole.text.data, whole.text.len);
	tide_checkup_finish(checkup);
	buffer_release(&whole.text);
}

static void said_is(const struct report *report, const char *end)
{
	char text[200];

	snprintf(text, sizeof text, "25\t\t\t\t0\tthe file could not be checked completely:"
		" the child process %s", end);
	CHECK_BYTES(report->text.data, report->text.len, text, strlen(text));
}

static void a_process_may_not_come_back(void)
{
	static const char *const ends[] = {
		[KILLED] = "was killed by signal 9\n",
		[ENDED] = "exited with status 3\n",
		[STUCK] = "made no progress and was killed by signal 9\n",
	};
	const char *path = make_file("isolated.tide");
	const struct report *report;
	struct tide_checkup *checkup;

	for (reader_is = KILLED; reader_is <= STUCK; reader_is++) {
		MUST(tide_checkup_isolated(&checkup, path, 200, &failure), failure);
		CHECK_EQUAL_INT(result_of(checkup, &report), 0);
		CHECK_EQUAL_UINT(report->problems, 1);
		said_is(report, ends[reader_is]);
		tide_checkup_finish(checkup);
	}
	reader_is = GOOD;
}

/* --- concurrent use --- */

static struct tide_checkup *start_waiting(void)
{
	struct tide_checkup *checkup;

	atomic_store(&may_go, false);
	atomic_store(&is_reading, false);
	reader_is = WAITING;
	MUST(tide_checkup_start(&checkup, tide, &failure), failure);
	while (!atomic_load(&is_reading))
		usleep(1000);
	return checkup;
}

/* The handle can write while the check is running. */
static void its_handle_goes_on(void)
{
	const char *path = make_file("beside.tide");
	struct tide_checkup *checkup, *refused;
	struct tide_table table;

	tide = open_tide(path);
	table = table_named("orders");
	checkup = start_waiting();
	begin(tide);
	put(tide, &table, "bob", "1", "v");
	CHECK_EQUAL_INT(tide_checkup_start(&refused, tide, &failure), ERR_NESTED);
	CHECK(!refused);
	commit(tide);
	atomic_store(&may_go, true);
	expect_sound(checkup);
	reader_is = GOOD;
	tide_close(tide);
}

static void who_is_finished_is_ended(void)
{
	const struct report *report;
	struct tide_checkup *checkup;

	tide = open_tide(make_file("ended.tide"));
	checkup = start_waiting();
	CHECK_EQUAL_INT(tide_checkup_result(checkup, &report, &failure), END);
	atomic_store(&may_go, true);
	tide_checkup_finish(checkup);
	reader_is = GOOD;
	check_clean(tide);
	tide_close(tide);
}

static void ask_of_another(struct child *self, void *context)
{
	const struct report *report;

	(void)self;
	CHECK_EQUAL_INT(tide_checkup_result(context, &report, &failure), ERR_FORKED);
	tide_checkup_finish(context);
}

static void a_fork_has_nothing_to_ask(void)
{
	struct tide_checkup *checkup;
	struct child child;

	MUST(tide_checkup_file(&checkup, make_file("forked.tide"), &failure), failure);
	child = child_start(ask_of_another, checkup);
	child_end(&child);
	expect_sound(checkup);
}

int main(void)
{
	parent = getpid();
	a_sound_file_is_sound_in_every_way();
	why_there_is_nothing_to_check_comes_back();
	all_that_is_wrong_comes_back();
	a_process_may_not_come_back();
	its_handle_goes_on();
	who_is_finished_is_ended();
	a_fork_has_nothing_to_ask();
	return 0;
}
