/* program.c - a program that runs as a child process, whose input and output are connected. */
#include "os/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

/* Signals that Lua or a host program may ignore, and an ignored signal stays ignored in a program
 * that is executed. */
static const int defaults[] = { SIGPIPE, SIGALRM, SIGINT, SIGTERM };

/* Runs in the child; calls only functions that are safe after the fork of a threaded process. */
_Noreturn static void execute(const struct program *program, const char *const words[],
	uint32_t seconds)
{
	sigset_t none;

	sigemptyset(&none);
	for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
		signal(defaults[i], SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != (pid_t)program->parent)
		_exit(127);
	if (dup2(program->in, 0) == 0 && dup2(program->out, 1) == 1 && dup2(1, 2) == 2) {
		alarm(seconds);
		execvp(words[0], (char *const *)(uintptr_t)words);
	}
	_exit(127);
}

static int fail_to_start(struct failure *failure, int system)
{
	return fail_as(failure, ERR_STORE, "can't start a child process: %s", strerror(system));
}

static void close_both(const int ends[2])
{
	close(ends[0]);
	close(ends[1]);
}

int program_start(struct program *program, const char *const words[], uint32_t seconds,
	struct failure *failure)
{
	int in[2], out[2], system;
	struct program child;
	pid_t pid;

	*program = (struct program){ .parent = getpid(), .in = -1, .out = -1 };
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in))
		return fail_to_start(failure, errno);
	if (pipe2(out, O_CLOEXEC)) {
		system = errno;
		close_both(in);
		return fail_to_start(failure, system);
	}
	child = (struct program){ .parent = program->parent, .in = in[0], .out = out[1] };
	pid = fork();
	system = errno;
	if (pid == 0)
		execute(&child, words, seconds);
	if (pid < 0) {
		close_both(in);
		close_both(out);
		return fail_to_start(failure, system);
	}
	close(in[0]);
	close(out[1]);
	program->pid = pid;
	program->in = in[1];
	program->out = out[0];
	return 0;
}

bool program_send(const struct program *program, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t sent = send(program->in, at, len, MSG_NOSIGNAL);

		if (sent < 0 && errno != EINTR)
			return false;
		at += sent > 0 ? sent : 0;
		len -= sent > 0 ? (size_t)sent : 0;
	}
	return true;
}

void program_close_input(struct program *program)
{
	if (program->in >= 0)
		close(program->in);
	program->in = -1;
}

void program_wait(struct program *program, struct program_end *end)
{
	int status = 0;
	pid_t got;

	do
		got = waitpid((pid_t)program->pid, &status, 0);
	while (got < 0 && errno == EINTR);
	*end = (struct program_end){ 0 };
	if (got > 0 && WIFSIGNALED(status))
		end->signal = WTERMSIG(status);
	else if (got > 0)
		end->status = WEXITSTATUS(status);
	program->pid = 0;
}

void program_kill(const struct program *program)
{
	if (program->pid > 0 && program->parent == getpid())
		kill((pid_t)program->pid, SIGKILL);
}

bool program_path(char *path, uint32_t size)
{
	ssize_t len = readlink("/proc/self/exe", path, size);

	if (len <= 0 || (uint32_t)len >= size)
		return false;
	path[len] = '\0';
	return true;
}
