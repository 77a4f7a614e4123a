/* task.c - work that goes on beside whoever asked for it. */
#include "sys/task.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/memory.h"

struct task {
	struct progress progress;
	pthread_t thread;
	pid_t pid;
	int ended;                   /* an eventfd, written when it has ended */
	struct memory_limit memory;  /* the thread's: a test's limit goes along */
	int (*run)(struct progress *progress, void *context, struct failure *failure);
	void *context;
	int result;
	struct failure failure;
	atomic_bool has_ended;       /* written after the two above */
};

void progress_begin(struct progress *progress, uint32_t phase, uint64_t total)
{
	if (!progress)
		return;
	atomic_store(&progress->done, 0);
	atomic_store(&progress->total, total);
	atomic_store(&progress->phase, phase);
}

int progress_step(struct progress *progress, uint64_t done)
{
	if (!progress)
		return 0;
	atomic_fetch_add_explicit(&progress->done, done, memory_order_relaxed);
	return atomic_load_explicit(&progress->stop, memory_order_relaxed) ? ERR_INTERRUPTED : 0;
}

static void *run_task(void *context)
{
	struct task *task = context;
	uint64_t one = 1;
	ssize_t written;

	memory_limit_as(task->memory);
	task->result = task->run(&task->progress, task->context, &task->failure);
	atomic_store(&task->has_ended, true);
	do
		written = write(task->ended, &one, sizeof one);
	while (written < 0 && errno == EINTR);
	return NULL;
}

/* Signals go to the threads that there were: they know what to do about them. */
static int start_without_signals(struct task *task)
{
	sigset_t all, before;
	int system;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	system = pthread_create(&task->thread, NULL, run_task, task);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return system;
}

static int not_started(struct task *task, int system, struct failure *failure)
{
	if (task->ended >= 0)
		close(task->ended);
	memory_free(task);
	fail_as(failure, ERR_STORE, "no thread can be started: %s", strerror(system));
	if (failure)
		failure->system = system;
	return ERR_STORE;
}

int task_start(struct task **out,
	int (*run)(struct progress *progress, void *context, struct failure *failure),
	void *context, struct failure *failure)
{
	struct task *task = memory_alloc_zeroed(sizeof *task);
	int system;

	*out = NULL;
	if (!task)
		return fail(failure, ERR_NO_MEMORY);
	task->pid = getpid();
	task->run = run;
	task->context = context;
	task->memory = memory_limit();
	task->ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	system = task->ended < 0 ? errno : start_without_signals(task);
	if (system)
		return not_started(task, system, failure);
	*out = task;
	return 0;
}

const struct progress *task_progress(const struct task *task)
{
	return &task->progress;
}

int task_descriptor(const struct task *task)
{
	return task->ended;
}

void task_wait(const struct task *task, uint32_t ms)
{
	struct pollfd ended = { .fd = task->ended, .events = POLLIN };

	if (!atomic_load(&task->has_ended))
		poll(&ended, 1, ms < 1000000 ? (int)ms : 1000000);
}

int task_result(const struct task *task, struct failure *failure)
{
	if (!atomic_load(&task->has_ended))
		return END;
	if (task->result < 0 && failure)
		*failure = task->failure;
	return task->result;
}

void task_finish(struct task *task)
{
	if (!task)
		return;
	if (task->pid == getpid()) {
		atomic_store(&task->progress.stop, true);
		pthread_join(task->thread, NULL);
	}
	close(task->ended);
	memory_free(task);
}
