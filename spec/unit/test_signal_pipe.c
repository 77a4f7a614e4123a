/* test_signal_pipe.c - signal_pipe.h: each signal is a byte of the pipe, in this process only. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/descriptor.h"
#include "os/signal_pipe.h"
#include "unit/check.h"
#include "unit/must.h"

static struct failure failure;

/* Returns the number of the next signal; 0 if there is none. */
static int next_signal(int descriptor)
{
	uint8_t number;
	size_t len;

	return descriptor_read(descriptor, &number, 1, &len, &failure) == 0 ? number : 0;
}

static void signals_arrive_in_order(void)
{
	const int numbers[] = { SIGTERM, SIGHUP }, more[] = { SIGCHLD };
	int descriptor, same;

	MUST(signal_pipe_open(numbers, 2, &descriptor, &failure), failure);
	MUST(signal_pipe_open(more, 1, &same, &failure), failure);
	CHECK_EQUAL_INT(same, descriptor);
	CHECK_EQUAL_INT(next_signal(descriptor), 0);
	raise(SIGHUP);
	raise(SIGTERM);
	raise(SIGCHLD);
	CHECK_EQUAL_INT(next_signal(descriptor), SIGHUP);
	CHECK_EQUAL_INT(next_signal(descriptor), SIGTERM);
	CHECK_EQUAL_INT(next_signal(descriptor), SIGCHLD);
	CHECK_EQUAL_INT(next_signal(descriptor), 0);
}

static void a_full_pipe_loses_signals(void)
{
	int descriptor, count = 0;

	MUST(signal_pipe_open(NULL, 0, &descriptor, &failure), failure);
	for (int i = 0; i < 70000; i++)
		raise(SIGTERM);
	while (next_signal(descriptor))
		count++;
	CHECK_EQUAL_INT(count, 65536);
}

static void a_forked_child_writes_nothing(void)
{
	int descriptor;
	pid_t child;

	MUST(signal_pipe_open(NULL, 0, &descriptor, &failure), failure);
	child = fork();
	if (child == 0) {
		raise(SIGTERM);
		_exit(0);
	}
	CHECK(waitpid(child, NULL, 0) == child);
	CHECK_EQUAL_INT(next_signal(descriptor), SIGCHLD);
	CHECK_EQUAL_INT(next_signal(descriptor), 0);
}

static void an_ignored_hangup_stays_ignored(void)
{
	const int numbers[] = { SIGHUP };
	int descriptor;

	signal(SIGHUP, SIG_IGN);
	MUST(signal_pipe_open(numbers, 1, &descriptor, &failure), failure);
	raise(SIGHUP);
	CHECK_EQUAL_INT(next_signal(descriptor), 0);
}

static void a_signal_that_can_not_be_handled_is_an_error(void)
{
	const int numbers[] = { SIGKILL };
	int descriptor;

	CHECK_EQUAL_INT(signal_pipe_open(numbers, 1, &descriptor, &failure), ERR_STORE);
}

int main(void)
{
	signals_arrive_in_order();
	a_full_pipe_loses_signals();
	a_forked_child_writes_nothing();
	an_ignored_hangup_stays_ignored();
	a_signal_that_can_not_be_handled_is_an_error();
	return 0;
}
