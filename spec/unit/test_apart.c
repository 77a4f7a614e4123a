/* test_apart.c - apart.h: children that do well, and children that don't. */
#include <sys/time.h>

#include "sys/apart.h"
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

/* Slower than the patience, but not still. */
static void go_on(void *context, struct progress *progress, struct buffer *said)
{
	(void)context;
	for (int i = 0; i < 40; i++) {
		progress_step(progress, 1);
		usleep(100000);
	}
	buffer_put_u8(said, 42);
}

static struct apart_end run(const struct apart *apart, struct buffer *said)
{
	struct apart_end end;

	buffer_clear(said);
	CHECK_EQUAL_INT(apart_run(apart, said, &end, &failure), 0);
	return end;
}

static void what_is_said_comes_back(void)
{
	struct buffer said = { 0 };

	for (size_t len = 0; len < 1000000; len = len * 3 + 1) {
		struct apart apart = { say_much, &len, 60000 };
		struct apart_end end = run(&apart, &said);

		CHECK(!end.signal && !end.status && !end.hung);
		CHECK_EQUAL_UINT(said.len, len);
		for (size_t i = 0; i < len; i++)
			CHECK(said.data[i] == (uint8_t)(i * 7));
	}
	buffer_release(&said);
}

static void a_crash_is_told(void)
{
	struct buffer said = { 0 };
	struct apart apart = { crash, NULL, 60000 };
	struct apart_end end = run(&apart, &said);

	CHECK_EQUAL_INT(end.signal, SIGSEGV);
	CHECK(!end.hung && said.len == 0);
	buffer_release(&said);
}

static void who_stands_still_is_ended(void)
{
	struct buffer said = { 0 };
	struct apart apart = { hang, NULL, 200 };
	struct apart_end end = run(&apart, &said);

	CHECK(end.hung && end.signal == SIGKILL);
	buffer_release(&said);
}

static void who_goes_on_is_waited_for(void)
{
	struct buffer said = { 0 };
	struct apart apart = { go_on, NULL, 2000 };
	struct apart_end end = run(&apart, &said);

	CHECK(!end.hung && !end.signal && said.len == 1 && said.data[0] == 42);
	buffer_release(&said);
}

/* --- when it is not waited for any more: the child is gone, and its end of the pipe --- */

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

static void note_signal(int number)
{
	(void)number;
}

static void signal_soon(int number)
{
	struct sigaction action = { .sa_handler = note_signal, .sa_flags = SA_RESTART };
	struct itimerval soon = { { 0, 1000 }, { 0, 50000 } };

	CHECK(sigaction(number, &action, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
}

static void a_signal_ends_the_wait(void)
{
	static const struct itimerval never;
	struct apart apart = { 0 };
	struct buffer said = { 0 };
	struct apart_end end;
	int ends[2];
	char byte;

	CHECK(pipe(ends) == 0);
	apart = (struct apart){ hang_with_pipe, ends, 60000 };
	signal_soon(SIGALRM);
	CHECK_EQUAL_INT(apart_run(&apart, &said, &end, &failure), ERR_INTERRUPTED);
	CHECK_EQUAL_INT(failure.err, ERR_INTERRUPTED);
	CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
	close(ends[1]);
	CHECK(read(ends[0], &byte, 1) <= 1 && is_gone(ends[0]));
	close(ends[0]);
	buffer_release(&said);
}

/* The child's own end is no signal that ends anything. */
static void its_end_does_not(void)
{
	struct sigaction action = { .sa_handler = note_signal };
	struct buffer said = { 0 };
	size_t len = 200000;
	struct apart apart = { say_much, &len, 60000 };

	CHECK(sigaction(SIGCHLD, &action, NULL) == 0);
	for (int i = 0; i < 100; i++) {
		struct apart_end end = run(&apart, &said);

		CHECK(!end.signal && !end.status && said.len == len);
	}
	signal(SIGCHLD, SIG_DFL);
	buffer_release(&said);
}

static void hang_apart(struct child *parent, void *context)
{
	struct apart apart = { hang_with_pipe, context, 60000 };
	struct buffer said = { 0 };
	struct apart_end end;

	(void)parent;
	apart_run(&apart, &said, &end, &failure);
}

static void it_does_not_outlive_its_parent(void)
{
	struct child child;
	int ends[2];
	char byte;

	CHECK(pipe(ends) == 0);
	child = child_start(hang_apart, ends);
	CHECK(read(ends[0], &byte, 1) == 1);     /* from the child's child */
	close(ends[1]);
	child_kill(&child);
	CHECK(is_gone(ends[0]));
	close(ends[0]);
}

int main(void)
{
	what_is_said_comes_back();
	a_crash_is_told();
	who_stands_still_is_ended();
	who_goes_on_is_waited_for();
	its_end_does_not();
	a_signal_ends_the_wait();
	it_does_not_outlive_its_parent();
	return 0;
}
