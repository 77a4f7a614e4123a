/* process.c - child processes of an event loop: programs that are executed with chosen descriptors,
 * polled for their end, and killed with their process group. */
#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"

/* Lowest descriptor to which the child moves the given ones before it assigns their numbers. */
#define MOVED 64

extern char **environ;

/* What the child needs; everything is allocated before the fork. */
struct execution {
	const struct process_plan *plan;
	char **environment;
	pid_t parent;
	int report;                  /* pipe on which a failure is reported; closed by exec */
};

/* --- the environment --- */

static size_t name_len(const char *assignment)
{
	return strcspn(assignment, "=");
}

static bool is_changed(const char *variable, const char *const *changes)
{
	size_t len = name_len(variable);

	for (; changes && *changes; changes++)
		if (name_len(*changes) == len && memcmp(*changes, variable, len) == 0)
			return true;
	return false;
}

/* Returns the changed environment, an array that borrows its strings; NULL without memory. */
static char **environment_of(const char *const *changes)
{
	size_t most = 1, count = 0;
	char **environment;

	for (char **each = environ; each && *each; each++)
		most++;
	for (const char *const *each = changes; each && *each; each++)
		most++;
	environment = memory_alloc(most * sizeof *environment);
	if (!environment)
		return NULL;
	for (char **each = environ; each && *each; each++)
		if (!is_changed(*each, changes))
			environment[count++] = *each;
	for (const char *const *each = changes; each && *each; each++)
		if (strchr(*each, '='))
			environment[count++] = (char *)(uintptr_t)*each;
	environment[count] = NULL;
	return environment;
}

/* --- the child: only functions that are safe after the fork of a threaded process --- */

static void reset_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Closes all descriptors from `first` on, except `kept`. */
static void close_others(int first, int kept)
{
#ifdef SYS_close_range
	if (first < kept)
		syscall(SYS_close_range, first, kept - 1, 0);
	if (syscall(SYS_close_range, kept + 1, ~0U, 0) == 0)
		return;
#endif
	for (int fd = first, last = (int)sysconf(_SC_OPEN_MAX); fd < last; fd++)
		if (fd != kept)
			close(fd);
}

/* Assigns the descriptors. Returns false and sets errno on failure. */
static bool assign(const struct process_plan *plan, int *report)
{
	int moved[PROCESS_DESCRIPTORS_MAX];
	int kept = fcntl(*report, F_DUPFD_CLOEXEC, MOVED);

	for (uint32_t i = 0; i < plan->count; i++) {
		int from = plan->descriptors[i];

		if (from < 0)
			from = open("/dev/null", O_RDWR | O_CLOEXEC);
		moved[i] = fcntl(from, F_DUPFD_CLOEXEC, MOVED);
		if (moved[i] < 0)
			return false;
	}
	for (uint32_t i = 0; i < plan->count; i++)
		if (dup2(moved[i], (int)i) < 0)
			return false;
	if (kept < 0)
		return false;
	*report = kept;
	close_others((int)plan->count, kept);
	return true;
}

_Noreturn static void execute(const struct execution *execution)
{
	const struct process_plan *plan = execution->plan;
	int report = execution->report, system;

	reset_signals();
	setpgid(0, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != execution->parent)
		_exit(127);
	if (assign(plan, &report))
		execvpe(plan->program ? plan->program : plan->words[0],
			(char *const *)(uintptr_t)plan->words, execution->environment);
	system = errno;
	if (write(report, &system, sizeof system) < 0)
		_exit(126);
	_exit(127);
}

/* --- the parent --- */

static int fail_to_start(struct failure *failure, const struct process_plan *plan, int system)
{
	fail_as(failure, ERR_STORE, "can't start %s: %s",
		plan->program ? plan->program : plan->words[0], strerror(system));
	if (failure)
		failure->system = system;
	return ERR_STORE;
}

/* Forks with all signals blocked, because the handlers of this process must not run in the child
 * before it resets them. Returns -1 and sets errno on failure. */
static pid_t fork_blocked(const struct execution *execution)
{
	sigset_t all, before;
	pid_t pid;
	int system;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	system = errno;
	if (pid == 0)
		execute(execution);
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = system;
	return pid;
}

/* Returns 0 when the child has executed its program, otherwise the system's error; the child is
 * reaped then. A child that ended before both was killed, which process_poll reports. */
static int await_execution(pid_t pid, int report)
{
	int system = 0;
	ssize_t got;

	do
		got = read(report, &system, sizeof system);
	while (got < 0 && errno == EINTR);
	if (got != (ssize_t)sizeof system)
		return 0;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return system;
}

static int start(struct process *process, struct execution *execution, struct failure *failure)
{
	int ends[2], system;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return fail_to_start(failure, execution->plan, errno);
	execution->report = ends[1];
	pid = fork_blocked(execution);
	system = pid < 0 ? errno : 0;
	close(ends[1]);
	if (!system)
		system = await_execution(pid, ends[0]);
	close(ends[0]);
	if (system)
		return fail_to_start(failure, execution->plan, system);
	process->pid = pid;
	return 0;
}

int process_start(struct process *process, const struct process_plan *plan,
	struct failure *failure)
{
	struct execution execution = { .plan = plan, .parent = getpid() };
	int err;

	*process = (struct process){ .parent = getpid() };
	execution.environment = environment_of(plan->changes);
	if (!execution.environment)
		return fail(failure, ERR_NO_MEMORY);
	err = start(process, &execution, failure);
	memory_free(execution.environment);
	return err;
}

int process_poll(struct process *process, struct process_end *end)
{
	pid_t pid = (pid_t)process->pid;
	siginfo_t info = { 0 };
	int status = 0;
	pid_t reaped;

	*end = (struct process_end){ .status = PROCESS_END_LOST };
	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT)) {
		process->pid = 0;        /* no child: the number may be another process's */
		return 0;
	}
	if (info.si_pid == 0)
		return END;
	kill(-pid, SIGKILL);
	do
		reaped = waitpid(pid, &status, 0);
	while (reaped < 0 && errno == EINTR);
	if (reaped == pid)
		*end = WIFSIGNALED(status) ? (struct process_end){ .signal = WTERMSIG(status) } :
			(struct process_end){ .status = WEXITSTATUS(status) };
	process->pid = 0;
	return 0;
}

void process_signal(const struct process *process, int number, bool whole_group)
{
	pid_t pid = (pid_t)process->pid;

	if (pid > 0 && process->parent == getpid())
		kill(whole_group ? -pid : pid, number);
}
