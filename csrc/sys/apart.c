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

#include "sys/clock.h"

#define LOOK_EVERY_MS 50

static int no_child(struct failure *failure, const char *what)
{
	int system = errno;
	int err = fail_as(failure, ERR_STORE, "%s: %s", what, strerror(system));

	if (failure)
		failure->system = system;
	return err;
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

/* It goes with its parent: who could tell that it hangs, would be gone. */
_Noreturn static void be_child(const struct apart *apart, pid_t parent, int fd,
	struct progress *progress)
{
	struct buffer said = { 0 };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		_exit(1);
	signal(SIGPIPE, SIG_IGN);
	apart->work(apart->context, progress, &said);
	if (buffer_error(&said) || !write_all(fd, said.data, said.len))
		_exit(1);
	_exit(0);
}

/* --- the parent --- */

/* Takes what there is. False at the end. */
static bool take(int fd, struct buffer *said)
{
	uint8_t *room = buffer_room(said, 65536);
	ssize_t got;

	if (!room)
		return false;
	got = read(fd, room, 65536);
	if (got > 0)
		said->len += (size_t)got;
	return got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
}

/* The signal that tells of a child's end is no reason to stop waiting for it. */
static int wait_for(struct pollfd *wait)
{
	sigset_t children, before;
	int ready, system;

	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &children, &before);
	ready = poll(wait, 1, LOOK_EVERY_MS);
	system = errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ready < 0 && system == EINTR ? ERR_INTERRUPTED : 0;
}

/* Until the child closes its end: 0. TIMEOUT when nothing moves any more; INTERRUPTED. */
static int listen_to_child(const struct apart *apart, int fd, const struct progress *progress,
	struct buffer *said)
{
	uint64_t seen = 0;
	uint64_t moved = clock_elapsed_ms(clock_system());

	for (;;) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		uint64_t now;

		if (wait_for(&wait))
			return ERR_INTERRUPTED;
		if (wait.revents && !take(fd, said))
			return 0;
		now = clock_elapsed_ms(clock_system());
		if (wait.revents || atomic_load(&progress->done) != seen) {
			seen = atomic_load(&progress->done);
			moved = now;
		}
		if (now - moved > apart->patience_ms)
			return ERR_TIMEOUT;
	}
}

static void await(pid_t child, struct apart_end *end)
{
	int status = 0;
	pid_t got;

	do
		got = waitpid(child, &status, 0);
	while (got < 0 && errno == EINTR);
	if (got == child && WIFSIGNALED(status))
		end->signal = WTERMSIG(status);
	if (got == child && WIFEXITED(status))
		end->status = WEXITSTATUS(status);
}

static int run(const struct apart *apart, struct progress *progress, struct buffer *said,
	struct apart_end *end, struct failure *failure)
{
	pid_t child, parent = getpid();
	int ends[2];
	int err;

	if (pipe2(ends, O_CLOEXEC))
		return no_child(failure, "a pipe");
	child = fork();
	if (child == 0) {
		close(ends[0]);
		be_child(apart, parent, ends[1], progress);
	}
	close(ends[1]);
	if (child < 0) {
		close(ends[0]);
		return no_child(failure, "a child process");
	}
	err = listen_to_child(apart, ends[0], progress, said);
	close(ends[0]);
	end->hung = err == ERR_TIMEOUT;
	if (err)
		kill(child, SIGKILL);
	await(child, end);
	if (err == ERR_INTERRUPTED)
		return fail(failure, err);
	return buffer_error(said) ? fail(failure, buffer_error(said)) : 0;
}

int apart_run(const struct apart *apart, struct buffer *said, struct apart_end *end,
	struct failure *failure)
{
	struct progress *progress = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int err;

	*end = (struct apart_end){ 0 };
	if (progress == MAP_FAILED)
		return no_child(failure, "memory to share with a child process");
	err = run(apart, progress, said, end, failure);
	munmap(progress, sizeof *progress);
	return err;
}
