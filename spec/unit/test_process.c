/* test_process.c - process.h: execution, descriptors, environment, end and group of a child. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "os/process.h"
#include "unit/check.h"
#include "unit/must.h"

static struct failure failure;

static void nap(void)
{
	nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
}

static struct process_end end_of(struct process *process)
{
	struct process_end end;

	while (process_poll(process, &end) == END)
		nap();
	CHECK_EQUAL_INT(process->pid, 0);
	return end;
}

/* Starts a shell whose standard output is `output`, -1: /dev/null. */
static struct process start(const char *script, int output, const char *const changes[])
{
	const char *const words[] = { "sh", "-c", script, NULL };
	int descriptors[] = { -1, output, 2 };
	struct process_plan plan = { .words = words, .changes = changes,
		.descriptors = descriptors, .count = 3 };
	struct process process;

	MUST(process_start(&process, &plan, &failure), failure);
	CHECK(process.pid > 0);
	return process;
}

/* Returns what the script writes, valid until the next call. */
static const char *output_of(const char *script, const char *const changes[])
{
	static char text[4096];
	struct process process;
	size_t len = 0;
	ssize_t got;
	int ends[2];

	CHECK(pipe(ends) == 0);
	process = start(script, ends[1], changes);
	close(ends[1]);
	while ((got = read(ends[0], text + len, sizeof text - 1 - len)) > 0)
		len += (size_t)got;
	text[len] = '\0';
	close(ends[0]);
	CHECK_EQUAL_INT(end_of(&process).status, 0);
	return text;
}

static void the_end_is_reported(void)
{
	struct process process = start("exit 3", -1, NULL);

	CHECK_EQUAL_INT(end_of(&process).status, 3);
	process = start("kill -9 $$", -1, NULL);
	CHECK_EQUAL_INT(end_of(&process).signal, SIGKILL);
}

static void a_program_that_does_not_exist_is_an_error(void)
{
	const char *const words[] = { "/nowhere/at/all", NULL };
	struct process_plan plan = { .words = words };
	struct process process;

	CHECK_EQUAL_INT(process_start(&process, &plan, &failure), ERR_STORE);
	CHECK_EQUAL_INT(failure.system, ENOENT);
	CHECK_EQUAL_STRING(failure.message,
		"can't start /nowhere/at/all: No such file or directory");
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

/* Opens descriptors with low and high numbers, without FD_CLOEXEC. */
static void other_descriptors_are_closed(void)
{
	int low = open("/dev/null", O_RDONLY), high = fcntl(low, F_DUPFD, 200);

	CHECK(low >= 0 && high >= 200);
	CHECK_EQUAL_STRING(output_of("for fd in $(seq 0 300); do "
		"test ! -e /proc/$$/fd/$fd || echo $fd; done", NULL), "0\n1\n2\n");
	close(low);
	close(high);
}

static void the_environment_is_changed(void)
{
	const char *const changes[] = { "NEW=one two", "GONE", "CHANGED=b", NULL };

	setenv("GONE", "a", 1);
	setenv("CHANGED", "a", 1);
	setenv("KEPT", "a", 1);
	CHECK_EQUAL_STRING(output_of("echo $NEW ${GONE-none} $CHANGED $KEPT", changes),
		"one two none b a\n");
	CHECK_EQUAL_STRING(getenv("GONE"), "a");
}

/* SigIgn, SigCgt and SigBlk of the program: bits of SIGINT, SIGPIPE, SIGTERM. */
static void no_signal_is_blocked_or_ignored(void)
{
	sigset_t all;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	CHECK_EQUAL_STRING(output_of(
		"exec sed -n 's/^Sig\\(Blk\\|Ign\\):.*0000/\\1 /p' /proc/self/status", NULL),
		"Blk \nIgn \n");
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGINT, SIG_DFL);
}


/* The leader exits; its child, which is in the same group, is killed when the leader is reaped. */
static void the_group_is_killed_when_the_leader_is_reaped(void)
{
	struct process process;
	char text[32] = "";
	pid_t grandchild;
	int ends[2];

	CHECK(pipe(ends) == 0);
	process = start("sleep 1000 & echo $!", ends[1], NULL);
	close(ends[1]);
	CHECK(read(ends[0], text, sizeof text - 1) > 0);
	grandchild = (pid_t)strtol(text, NULL, 10);
	CHECK(getpgid(grandchild) == (pid_t)process.pid && getpgrp() != (pid_t)process.pid);
	CHECK_EQUAL_INT(end_of(&process).status, 0);
	CHECK(read(ends[0], text, 1) == 0);    /* no process has the pipe open */
	close(ends[0]);
}

static void a_signal_reaches_the_process(void)
{
	struct process process = start("exec sleep 1000", -1, NULL);
	struct process_end end;

	CHECK_EQUAL_INT(process_poll(&process, &end), END);
	process_signal(&process, SIGTERM, false);
	CHECK_EQUAL_INT(end_of(&process).signal, SIGTERM);
	process_signal(&process, SIGKILL, true);       /* does nothing */
}

/* A process starts a child and is killed; the child is killed by the kernel. */
static void a_child_dies_with_its_parent(void)
{
	int ends[2];
	pid_t parent;
	char byte;

	CHECK(pipe(ends) == 0);
	parent = fork();
	if (parent == 0) {
		start("echo; exec sleep 1000", ends[1], NULL);
		pause();
	}
	close(ends[1]);
	CHECK(read(ends[0], &byte, 1) == 1);
	kill(parent, SIGKILL);
	CHECK(waitpid(parent, NULL, 0) == parent);
	CHECK(read(ends[0], &byte, 1) == 0);
	close(ends[0]);
}

/* A host that ignores SIGCHLD lets the kernel reap its children. */
static void an_end_that_was_lost_is_no_success(void)
{
	struct process process;
	struct process_end end;

	CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
	process = start("exit 0", -1, NULL);
	end = end_of(&process);
	CHECK(signal(SIGCHLD, SIG_DFL) != SIG_ERR);
	CHECK_EQUAL_INT(end.status, PROCESS_END_LOST);
	CHECK_EQUAL_INT(end.signal, 0);
}

int main(void)
{
	an_end_that_was_lost_is_no_success();
	the_end_is_reported();
	a_program_that_does_not_exist_is_an_error();
	other_descriptors_are_closed();
	the_environment_is_changed();
	no_signal_is_blocked_or_ignored();
	the_group_is_killed_when_the_leader_is_reaped();
	a_signal_reaches_the_process();
	a_child_dies_with_its_parent();
	return 0;
}
