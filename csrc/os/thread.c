/* thread.c - a worker thread that runs one function, with progress counters and cancellation. */
#include "os/thread.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/memory.h"

struct thread {
	struct progress progress;
	pthread_t thread;
	pid_t pid;
	int ended;                   /* eventfd, written after `run` has returned */
	struct memory_limit memory;  /* allocation limit inherited from the starting thread */
	int (*run)(struct progress *progress, void *context, struct failure *failure);
	void *context;
	int result;
	struct failure failure;
	atomic_bool has_ended;       /* written after `result` and `failure` */
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

static void *run_thread(void *context)
{
	struct thread *thread = context;
	uint64_t one = 1;
	ssize_t written;

	memory_limit_as(thread->memory);
	thread->result = thread->run(&thread->progress, thread->context, &thread->failure);
	atomic_store(&thread->has_ended, true);
	do
		written = write(thread->ended, &one, sizeof one);
	while (written < 0 && errno == EINTR);
	return NULL;
}

int thread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *context),
	void *context)
{
	sigset_t all, before;
	int system;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	system = pthread_create(thread, attributes, run, context);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return system;
}

static int not_started(struct thread *thread, int system, struct failure *failure)
{
	if (thread->ended >= 0)
		close(thread->ended);
	memory_free(thread);
	fail_as(failure, ERR_STORE, "can't start a thread: %s", strerror(system));
	if (failure)
		failure->system = system;
	return ERR_STORE;
}

int thread_start(struct thread **out,
	int (*run)(struct progress *progress, void *context, struct failure *failure),
	void *context, struct failure *failure)
{
	struct thread *thread = memory_alloc_zeroed(sizeof *thread);
	int system;

	*out = NULL;
	if (!thread)
		return fail(failure, ERR_NO_MEMORY);
	thread->pid = getpid();
	thread->run = run;
	thread->context = context;
	thread->memory = memory_limit();
	thread->ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	system = thread->ended < 0 ? errno :
		thread_create(&thread->thread, NULL, run_thread, thread);
	if (system)
		return not_started(thread, system, failure);
	*out = thread;
	return 0;
}

const struct progress *thread_progress(const struct thread *thread)
{
	return &thread->progress;
}

int thread_descriptor(const struct thread *thread)
{
	return thread->ended;
}

void thread_wait(const struct thread *thread, uint32_t ms)
{
	struct pollfd ended = { .fd = thread->ended, .events = POLLIN };

	if (!atomic_load(&thread->has_ended))
		poll(&ended, 1, ms < 1000000 ? (int)ms : 1000000);
}

int thread_result(const struct thread *thread, struct failure *failure)
{
	if (!atomic_load(&thread->has_ended))
		return END;
	if (thread->result < 0 && failure)
		*failure = thread->failure;
	return thread->result;
}

void thread_finish(struct thread *thread)
{
	if (!thread)
		return;
	if (thread->pid == getpid()) {
		atomic_store(&thread->progress.stop, true);
		pthread_join(thread->thread, NULL);
	}
	close(thread->ended);
	memory_free(thread);
}
