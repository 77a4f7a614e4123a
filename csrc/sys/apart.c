/* apart.c - work done in a child process, so that its end is not ours. */
#include "sys/apart.h"

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

/* At most so much time without progress lies between two looks. */
#define LOOK_COUNTS_MS 100

struct apart {
	pid_t parent;
	pid_t child;                 /* 0: it has ended, and what it said is here */
	int fd;                      /* what it says */
	struct progress *progress;   /* shared with it */
	uint32_t patience_ms;
	uint64_t still_ms;           /* without progress, and since when that is known */
	uint64_t looked_ms;
	uint64_t seen;               /* of the progress */
	struct buffer said;
	struct apart_end end;
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

/* The shell's "stop" (Ctrl-Z) is for it too, but not what the host does about it. */
static void be_stopped_with_others(void)
{
	struct sigaction action;

	if (sigaction(SIGTSTP, NULL, &action) == 0 && action.sa_handler != SIG_IGN)
		signal(SIGTSTP, SIG_DFL);
}

/* It goes with its parent: who could tell that it hangs, would be gone. */
_Noreturn static void be_child(const struct apart_work *work, pid_t parent, int fd,
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

/* Signals that come to the whole group (Ctrl-C, a window's new size) are the host's,
 * whose handlers may write to pipes that the child shares. Its own faults are its own. */
static pid_t fork_without_signals(void)
{
	static const int its_own[] = {
		SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS, SIGTSTP,
	};
	sigset_t others, before;
	pid_t child;

	sigfillset(&others);
	for (size_t i = 0; i < sizeof its_own / sizeof *its_own; i++)
		sigdelset(&others, its_own[i]);
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

static int start_child(struct apart *apart, const struct apart_work *work,
	struct failure *failure)
{
	int ends[2];
	int system;

	if (pipe2(ends, O_CLOEXEC))
		return no_child(failure, errno, "a pipe");
	apart->fd = ends[0];
	apart->child = fork_without_signals();
	system = errno;
	if (apart->child == 0) {
		close(ends[0]);
		be_child(work, apart->parent, ends[1], apart->progress);
	}
	close(ends[1]);
	if (apart->child > 0)
		return 0;
	apart->child = 0;
	return no_child(failure, system, "a child process");
}

int apart_start(struct apart **out, const struct apart_work *work, struct failure *failure)
{
	struct apart *apart = memory_alloc_zeroed(sizeof *apart);
	int err;

	*out = NULL;
	if (!apart)
		return fail(failure, ERR_NO_MEMORY);
	apart->fd = -1;
	apart->parent = getpid();
	apart->patience_ms = work->patience_ms;
	apart->looked_ms = clock_elapsed_ms(clock_system());
	apart->progress = mmap(NULL, sizeof *apart->progress, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (apart->progress == MAP_FAILED)
		err = no_child(failure, errno, "memory to share with a child process");
	else
		err = start_child(apart, work, failure);
	if (err)
		apart_finish(apart);
	else
		*out = apart;
	return err;
}

/* --- watching it --- */

int apart_descriptor(const struct apart *apart)
{
	return apart->fd;
}

static bool is_readable(const struct apart *apart, int ms)
{
	struct pollfd said = { .fd = apart->fd, .events = POLLIN };

	return poll(&said, 1, ms) > 0;
}

void apart_wait(const struct apart *apart, uint32_t ms)
{
	if (apart->child)
		is_readable(apart, ms < 1000000 ? (int)ms : 1000000);
}

/* Takes some of what there is. False at the end. */
static bool take(struct apart *apart)
{
	uint8_t *room = buffer_room(&apart->said, 65536);
	ssize_t got;

	if (!room)
		return false;
	got = read(apart->fd, room, 65536);
	if (got > 0)
		apart->said.len += (size_t)got;
	return got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
}

/* Has it shown no sign of life for too long? */
static bool is_still(struct apart *apart, bool has_said)
{
	uint64_t done = atomic_load(&apart->progress->done);
	uint64_t now = clock_elapsed_ms(clock_system());
	uint64_t passed = now - apart->looked_ms;

	apart->looked_ms = now;
	if (has_said || done != apart->seen)
		apart->still_ms = 0;
	else
		apart->still_ms += passed < LOOK_COUNTS_MS ? passed : LOOK_COUNTS_MS;
	apart->seen = done;
	return apart->still_ms > apart->patience_ms;
}

static void await(struct apart *apart)
{
	int status = 0;
	pid_t got;

	do
		got = waitpid(apart->child, &status, 0);
	while (got < 0 && errno == EINTR);
	if (got == apart->child && WIFSIGNALED(status))
		apart->end.signal = WTERMSIG(status);
	if (got == apart->child && WIFEXITED(status))
		apart->end.status = WEXITSTATUS(status);
	apart->child = 0;
}

static bool has_ended(struct apart *apart)
{
	bool has_said = false, is_open = true;

	while (is_open && is_readable(apart, 0)) {
		has_said = true;
		is_open = take(apart);
	}
	if (is_open && !is_still(apart, has_said))
		return false;
	apart->end.hung = is_open;
	if (is_open || buffer_error(&apart->said))
		kill(apart->child, SIGKILL);
	await(apart);
	return true;
}

int apart_result(struct apart *apart, struct slice *said, struct apart_end *end,
	struct failure *failure)
{
	if (apart->child && !has_ended(apart))
		return END;
	*said = buffer_slice(&apart->said);
	*end = apart->end;
	return buffer_error(&apart->said) ? fail(failure, buffer_error(&apart->said)) : 0;
}

void apart_finish(struct apart *apart)
{
	if (!apart)
		return;
	if (apart->child && apart->parent == getpid()) {
		kill(apart->child, SIGKILL);
		await(apart);
	}
	if (apart->progress != MAP_FAILED)
		munmap(apart->progress, sizeof *apart->progress);
	if (apart->fd >= 0)
		close(apart->fd);
	buffer_release(&apart->said);
	memory_free(apart);
}
