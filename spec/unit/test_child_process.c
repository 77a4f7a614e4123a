/* test_child_process.c - child_process.h: children that succeed, fail, stall or are killed. */
#include <stdatomic.h>
#include <sys/time.h>

#include "os/child_process.h"
#include "unit/child.h"

static struct failure failure;

static void say_much(void *context, struct progress *progress, struct buffer *said)
{
	size_t len = *(size_t *)context;

	(void)progress;
	for (size_t i = 0; i < len; i++)
		buffer_put_u8(said, (uint8_t)(i * 7));
}

static void crash(void *context, struct progress *progress, struct buffer *said)
{
	(void)context;
	(void)progress;
	buffer_put_u8(said, 1);
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
}

static void hang(void *context, struct progress *progress, struct buffer *said)
{
	(void)context;
	(void)progress;
	(void)said;
	for (;;)
		pause();
}

/* Runs in the child. Takes longer than the stall timeout, but makes progress. */
static void make_slow_progress(void *context, struct progress *progress, struct buffer *said)
{
	(void)context;
	for (int i = 0; i < 40; i++) {
		progress_step(progress, 1);
		usleep(100000);
	}
	buffer_put_u8(said, 42);
}

static struct child_process *start(const struct child_process_work *work)
{
	struct child_process *child;

	CHECK_EQUAL_INT(child_process_start(&child, work, &failure), 0);
	return child;
}

static struct child_process_end end_of(struct child_process *child, struct slice *said)
{
	struct child_process_end end;
	int err;

	while ((err = child_process_result(child, said, &end, &failure)) == END)
		child_process_wait(child, 50);
	CHECK_EQUAL_INT(err, 0);
	return end;
}

/* Runs a child to its end and copies its result. */
static struct child_process_end run(const struct child_process_work *work, struct buffer *said)
{
	struct child_process *child = start(work);
	struct slice text;
	struct child_process_end end = end_of(child, &text);

	buffer_clear(said);
	buffer_put_slice(said, text);
	CHECK_EQUAL_INT(buffer_error(said), 0);
	child_process_finish(child);
	return end;
}

static void what_is_said_comes_back(void)
{
	struct buffer said = { 0 };

	for (size_t len = 0; len < 1000000; len = len * 3 + 1) {
		struct child_process_work work = { say_much, &len, 60000 };
		struct child_process_end end = run(&work, &said);

		CHECK(!end.signal && !end.status && !end.hung);
		CHECK_EQUAL_UINT(said.len, len);
		for (size_t i = 0; i < len; i++)
			CHECK(said.data[i] == (uint8_t)(i * 7));
	}
	buffer_release(&said);
}

static void a_crash_is_reported(void)
{
	struct buffer said = { 0 };
	struct child_process_work work = { crash, NULL, 60000 };
	struct child_process_end end = run(&work, &said);

	CHECK_EQUAL_INT(end.signal, SIGSEGV);
	CHECK(!end.hung && said.len == 0);
	buffer_release(&said);
}

static void who_stands_still_is_ended(void)
{
	struct buffer said = { 0 };
	struct child_process_work work = { hang, NULL, 200 };
	struct child_process_end end = run(&work, &said);

	CHECK(end.hung && end.signal == SIGKILL);
	buffer_release(&said);
}

static void who_goes_on_is_waited_for(void)
{
	struct buffer said = { 0 };
	struct child_process_work work = { make_slow_progress, NULL, 2000 };
	struct child_process_end end = run(&work, &said);

	CHECK(!end.hung && !end.signal && said.len == 1 && said.data[0] == 42);
	buffer_release(&said);
}

/* --- signals --- */

static atomic_int signals;

static void count_signal(int number)
{
	(void)number;
	atomic_fetch_add(&signals, 1);
}

static void handle(int number)
{
	struct sigaction action = { .sa_handler = count_signal };

	CHECK(sigaction(number, &action, NULL) == 0);
}

/* Signals arrive every millisecond, and SIGCHLD when a child ends. */
static void signals_end_nothing(void)
{
	static const struct itimerval often = { { 0, 1000 }, { 0, 1000 } }, never;
	struct buffer said = { 0 };
	struct child_process_work work = { make_slow_progress, NULL, 2000 };
	struct child_process_end end;

	handle(SIGALRM);
	handle(SIGCHLD);
	CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
	end = run(&work, &said);
	CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
	CHECK(!end.hung && !end.signal && said.len == 1 && said.data[0] == 42);
	CHECK(signals > 100);
	work = (struct child_process_work){ hang, NULL, 200 };
	CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
	end = run(&work, &said);
	CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
	CHECK(end.hung && end.signal == SIGKILL);
	signal(SIGALRM, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	buffer_release(&said);
}

/* child_process_wait returns after a signal, so that the caller can handle it. */
static void a_signal_ends_one_wait(void)
{
	static const struct itimerval soon = { { 0, 50000 }, { 0, 50000 } }, never;
	struct child_process_work work = { hang, NULL, 60000 };
	struct child_process *child = start(&work);
	struct child_process_end end;
	struct slice said;

	handle(SIGALRM);
	signals = 0;
	CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
	child_process_wait(child, 1000000);
	CHECK(signals > 0);
	CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
	CHECK_EQUAL_INT(child_process_result(child, &said, &end, &failure), END);
	child_process_finish(child);
	signal(SIGALRM, SIG_DFL);
}

/* Sends the signals that Ctrl-C and a resize send to all processes of a terminal. */
static void get_signals(void *context, struct progress *progress, struct buffer *said)
{
	(void)context;
	(void)progress;
	kill(getpid(), SIGINT);
	kill(getpid(), SIGUSR1);
	buffer_put_u8(said, (uint8_t)signals);
}

static void its_hosts_handlers_are_not_for_it(void)
{
	struct child_process_work work = { get_signals, NULL, 60000 };
	struct buffer said = { 0 };
	struct child_process_end end;

	signals = 0;
	handle(SIGUSR1);
	end = run(&work, &said);
	CHECK(!end.signal && !end.status && said.len == 1 && said.data[0] == 0);
	CHECK(kill(getpid(), SIGUSR1) == 0 && signals == 1);       /* not blocked in the parent */
	signal(SIGUSR1, SIG_DFL);
	buffer_release(&said);
}

/* Ctrl-Z stops the parent and the child. The time while both are stopped does not count as time
 * without progress. */
static void only_time_that_is_asked_in_counts(void)
{
	struct child_process_work work = { hang, NULL, 300 };
	struct child_process *child = start(&work);
	struct child_process_end end;
	struct slice said;

	for (int i = 0; i < 2; i++) {
		usleep(400000);
		CHECK_EQUAL_INT(child_process_result(child, &said, &end, &failure), END);
	}
	end = end_of(child, &said);
	CHECK(end.hung && end.signal == SIGKILL);
	child_process_finish(child);
}

/* --- finishing while the child runs --- */

static void hang_with_pipe(void *context, struct progress *progress, struct buffer *said)
{
	const int *ends = context;

	close(ends[0]);
	CHECK(write(ends[1], "!", 1) == 1);
	hang(NULL, progress, said);
}

static bool is_gone(int from)
{
	char byte;

	return read(from, &byte, 1) == 0;
}

static struct child_process *hangs(int ends[2])
{
	struct child_process_work work = { hang_with_pipe, ends, 60000 };
	struct child_process *child;
	char byte;

	CHECK(pipe(ends) == 0);
	child = start(&work);
	close(ends[1]);
	CHECK(read(ends[0], &byte, 1) == 1);
	return child;
}

static void who_is_finished_is_ended(void)
{
	int ends[2];
	struct child_process *child = hangs(ends);

	child_process_finish(child);
	CHECK(is_gone(ends[0]));
	close(ends[0]);
	child_process_finish(NULL);
}

static void finish_of_another(struct child *self, void *context)
{
	(void)self;
	child_process_finish(context);
}

static void a_fork_does_not_end_it(void)
{
	int ends[2];
	struct child_process *child = hangs(ends);
	struct child other = child_start(finish_of_another, child);
	struct child_process_end end;
	struct slice said;

	child_end(&other);
	child_process_wait(child, 100);
	CHECK_EQUAL_INT(child_process_result(child, &said, &end, &failure), END);
	child_process_finish(child);
	CHECK(is_gone(ends[0]));
	close(ends[0]);
}

static void hang_in_child(struct child *parent, void *context)
{
	struct child_process_work work = { hang_with_pipe, context, 60000 };
	struct slice said;
	struct child_process *child = start(&work);

	(void)parent;
	end_of(child, &said);
}

static void it_does_not_outlive_its_parent(void)
{
	struct child child;
	int ends[2];
	char byte;

	CHECK(pipe(ends) == 0);
	child = child_start(hang_in_child, ends);
	CHECK(read(ends[0], &byte, 1) == 1);     /* from the grandchild */
	close(ends[1]);
	child_kill(&child);
	CHECK(is_gone(ends[0]));
	close(ends[0]);
}

int main(void)
{
	what_is_said_comes_back();
	a_crash_is_reported();
	who_stands_still_is_ended();
	who_goes_on_is_waited_for();
	signals_end_nothing();
	a_signal_ends_one_wait();
	its_hosts_handlers_are_not_for_it();
	only_time_that_is_asked_in_counts();
	who_is_finished_is_ended();
	a_fork_does_not_end_it();
	it_does_not_outlive_its_parent();
	return 0;
}
