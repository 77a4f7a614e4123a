/* child_process.c - a function that runs in a forked child process and returns bytes. */
#include "os/child_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "os/clock.h"

/* Maximum time, in ms, that the interval between two checks of the child adds to its time without
 * progress. */
#define CHECK_COUNTS_MS 100

struct child_process {
	pid_t parent;
	pid_t child;                 /* 0 after the child has ended and `said` is complete */
	int fd;                      /* read end of the pipe */
	struct progress *progress;   /* in memory shared with the child */
	uint32_t stall_timeout_ms;
	uint64_t still_ms;           /* time without progress of the child */
	uint64_t checked_ms;         /* time of the last check */
	uint64_t seen;               /* progress->done at that check */
	struct buffer said;
	struct child_process_end end;
};

static int no_child(struct failure *failure, int system, const char *what)
{
	fail_as(failure, ERR_STORE, "%s: %s", what, strerror(system));
	if (failure)
		failure->system = system;
	return ERR_STORE;
}

/* --- the child --- */

static bool write_all(int fd, const uint8_t *bytes, size_t len)
{
	while (len) {
		ssize_t put = write(fd, bytes, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		bytes += put;
		len -= (size_t)put;
	}
	return true;
}

/* Restores the default action of SIGTSTP in the child, so that Ctrl-Z stops the child as well but
 * no handler of the host program runs in it. */
static void be_stopped_with_others(void)
{
	struct sigaction action;

	if (sigaction(SIGTSTP, NULL, &action) == 0 && action.sa_handler != SIG_IGN)
		signal(SIGTSTP, SIG_DFL);
}

/* Runs in the child. The kernel kills the child when its parent exits, because no process would
 * apply the timeout then. */
_Noreturn static void be_child(const struct child_process_work *work, pid_t parent, int fd,
	struct progress *progress)
{
	struct buffer said = { 0 };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		_exit(1);
	signal(SIGPIPE, SIG_IGN);
	be_stopped_with_others();
	work->run(work->context, progress, &said);
	if (buffer_error(&said) || !write_all(fd, said.data, said.len))
		_exit(1);
	_exit(0);
}

/* Forks a child in which all signals are blocked except SIGTSTP and those for faults of the child.
 * Signals such as SIGINT and SIGWINCH reach the whole process group, and the handlers of the host
 * program may write to pipes that the child has inherited. */
static pid_t fork_without_signals(void)
{
	static const int unblocked[] = {
		SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS, SIGTSTP,
	};
	sigset_t others, before;
	pid_t child;

	sigfillset(&others);
	for (size_t i = 0; i < sizeof unblocked / sizeof *unblocked; i++)
		sigdelset(&others, unblocked[i]);
	pthread_sigmask(SIG_BLOCK, &others, &before);
	child = fork();
	if (child != 0) {
		int system = errno;

		pthread_sigmask(SIG_SETMASK, &before, NULL);
		errno = system;
	}
	return child;
}

/* --- starting --- */

static int start_child(struct child_process *child, const struct child_process_work *work,
	struct failure *failure)
{
	int ends[2];
	int system;

	if (pipe2(ends, O_CLOEXEC))
		return no_child(failure, errno, "can't create a pipe");
	child->fd = ends[0];
	child->child = fork_without_signals();
	system = errno;
	if (child->child == 0) {
		close(ends[0]);
		be_child(work, child->parent, ends[1], child->progress);
	}
	close(ends[1]);
	if (child->child > 0)
		return 0;
	child->child = 0;
	return no_child(failure, system, "can't create a child process");
}

int child_process_start(struct child_process **out, const struct child_process_work *work,
	struct failure *failure)
{
	struct child_process *child = memory_alloc_zeroed(sizeof *child);
	int err;

	*out = NULL;
	if (!child)
		return fail(failure, ERR_NO_MEMORY);
	child->fd = -1;
	child->parent = getpid();
	child->stall_timeout_ms = work->stall_timeout_ms;
	child->checked_ms = clock_elapsed_ms(clock_system());
	child->progress = mmap(NULL, sizeof *child->progress, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (child->progress == MAP_FAILED)
		err = no_child(failure, errno, "can't map memory shared with a child process");
	else
		err = start_child(child, work, failure);
	if (err)
		child_process_finish(child);
	else
		*out = child;
	return err;
}

/* --- monitoring the child --- */

int child_process_descriptor(const struct child_process *child)
{
	return child->fd;
}

static bool is_readable(const struct child_process *child, int ms)
{
	struct pollfd said = { .fd = child->fd, .events = POLLIN };

	return poll(&said, 1, ms) > 0;
}

void child_process_wait(const struct child_process *child, uint32_t ms)
{
	if (child->child)
		is_readable(child, ms < 1000000 ? (int)ms : 1000000);
}

/* Reads some of the child's result from the pipe. Returns false at the end of the pipe. */
static bool read_some(struct child_process *child)
{
	uint8_t *buf = buffer_reserve(&child->said, 65536);
	ssize_t got;

	if (!buf)
		return false;
	got = read(child->fd, buf, 65536);
	if (got > 0)
		child->said.len += (size_t)got;
	return got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
}

/* Returns true if the child has made no progress for longer than the stall timeout. */
static bool is_stalled(struct child_process *child, bool has_said)
{
	uint64_t done = atomic_load(&child->progress->done);
	uint64_t now = clock_elapsed_ms(clock_system());
	uint64_t passed = now - child->checked_ms;

	child->checked_ms = now;
	if (has_said || done != child->seen)
		child->still_ms = 0;
	else
		child->still_ms += passed < CHECK_COUNTS_MS ? passed : CHECK_COUNTS_MS;
	child->seen = done;
	return child->still_ms > child->stall_timeout_ms;
}

static void await(struct child_process *child)
{
	int status = 0;
	pid_t got;

	do
		got = waitpid(child->child, &status, 0);
	while (got < 0 && errno == EINTR);
	if (got == child->child && WIFSIGNALED(status))
		child->end.signal = WTERMSIG(status);
	if (got == child->child && WIFEXITED(status))
		child->end.status = WEXITSTATUS(status);
	child->child = 0;
}

static bool has_ended(struct child_process *child)
{
	bool has_said = false, is_open = true;

	while (is_open && is_readable(child, 0)) {
		has_said = true;
		is_open = read_some(child);
	}
	if (is_open && !is_stalled(child, has_said))
		return false;
	child->end.hung = is_open;
	if (is_open || buffer_error(&child->said))
		kill(child->child, SIGKILL);
	await(child);
	return true;
}

int child_process_result(struct child_process *child, struct slice *said,
	struct child_process_end *end,
	struct failure *failure)
{
	if (child->child && !has_ended(child))
		return END;
	*said = buffer_slice(&child->said);
	*end = child->end;
	return buffer_error(&child->said) ? fail(failure, buffer_error(&child->said)) : 0;
}

void child_process_finish(struct child_process *child)
{
	if (!child)
		return;
	if (child->child && child->parent == getpid()) {
		kill(child->child, SIGKILL);
		await(child);
	}
	if (child->progress != MAP_FAILED)
		munmap(child->progress, sizeof *child->progress);
	if (child->fd >= 0)
		close(child->fd);
	buffer_release(&child->said);
	memory_free(child);
}
