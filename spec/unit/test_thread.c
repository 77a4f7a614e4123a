/* test_thread.c - thread.h: running, watching and stopping a function on a thread. */
#include <poll.h>
#include <sys/resource.h>

#include "base/memory.h"
#include "os/thread.h"
#include "unit/child.h"

static struct failure failure;

/* Input and output of the thread's function. */
struct work {
	atomic_bool go;              /* the function may return */
	atomic_bool running;
	int result;
	struct memory_limit memory;  /* limit of its thread */
	bool blocked;                /* SIGUSR1 is blocked in its thread */
};

static int run(struct progress *progress, void *context, struct failure *why)
{
	struct work *work = context;
	struct timespec pause = { 0, 100000 };
	sigset_t mask;

	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	work->blocked = sigismember(&mask, SIGUSR1);
	work->memory = memory_limit();
	progress_begin(progress, 7, 100);
	atomic_store(&work->running, true);
	while (!atomic_load(&work->go)) {
		int err = progress_step(progress, 1);

		if (err)
			return fail(why, err);
		nanosleep(&pause, NULL);
	}
	return work->result ? fail_as(why, work->result, "as requested") : 0;
}

static struct thread *start(struct work *work)
{
	struct thread *thread;

	CHECK_EQUAL_INT(thread_start(&thread, run, work, &failure), 0);
	while (!atomic_load(&work->running))
		thread_wait(thread, 1);
	return thread;
}

static bool has_ended(const struct thread *thread)
{
	struct pollfd ended = { .fd = thread_descriptor(thread), .events = POLLIN };

	return poll(&ended, 1, 0) == 1;
}

static void its_result_is_known_when_it_has_ended(void)
{
	static const int results[] = { 0, ERR_DISK_FULL };

	for (int i = 0; i < 2; i++) {
		struct work work = { .result = results[i] };
		struct thread *thread = start(&work);

		CHECK_EQUAL_INT(thread_result(thread, &failure), END);
		CHECK(!has_ended(thread));
		atomic_store(&work.go, true);
		while (thread_result(thread, &failure) == END)
			thread_wait(thread, 60000);       /* ends with the function */
		CHECK(has_ended(thread));
		CHECK_EQUAL_INT(thread_result(thread, &failure), results[i]);
		if (results[i])
			CHECK_EQUAL_STRING(failure.message, "as requested");
		CHECK_EQUAL_INT(thread_result(thread, NULL), results[i]);
		thread_finish(thread);
	}
	thread_finish(NULL);
}

static void it_says_how_far_it_is(void)
{
	struct work work = { 0 };
	struct thread *thread = start(&work);
	const struct progress *progress = thread_progress(thread);

	CHECK_EQUAL_UINT(atomic_load(&progress->phase), 7);
	CHECK_EQUAL_UINT(atomic_load(&progress->total), 100);
	while (atomic_load(&progress->done) < 10)
		thread_wait(thread, 1);
	thread_finish(thread);               /* stops the function */
}

static void progress_may_be_null(void)
{
	progress_begin(NULL, 1, 2);
	CHECK_EQUAL_INT(progress_step(NULL, 1), 0);
}

static int signals;

static void count_signal(int number)
{
	(void)number;
	signals++;
}

static void signals_go_to_who_was_there(void)
{
	struct sigaction action = { .sa_handler = count_signal };
	struct work work = { 0 };
	struct thread *thread = start(&work);

	CHECK(work.blocked);
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
	CHECK(kill(getpid(), SIGUSR1) == 0);
	CHECK_EQUAL_INT(signals, 1);
	thread_finish(thread);
}

static void a_test_s_limit_of_memory_goes_along(void)
{
	struct work work = { 0 };
	struct thread *thread;

	memory_fail_after(0);
	CHECK_EQUAL_INT(thread_start(&thread, run, &work, &failure), ERR_NO_MEMORY);
	CHECK(thread == NULL);
	for (int once = 0; once < 2; once++) {
		memory_limit_as((struct memory_limit){ 5, once });
		thread = start(&work);
		memory_fail_after(-1);
		CHECK_EQUAL_INT(work.memory.requests, 4);
		CHECK_EQUAL_INT(work.memory.once, once);
		thread_finish(thread);
		atomic_store(&work.running, false);
	}
}

static void without_a_descriptor_there_is_none(void)
{
	struct rlimit before, none;
	struct work work = { 0 };
	struct thread *thread;

	CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
	none = (struct rlimit){ 0, before.rlim_max };
	CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
	CHECK_EQUAL_INT(thread_start(&thread, run, &work, &failure), ERR_STORE);
	CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
	CHECK(thread == NULL);
	CHECK(strstr(failure.message, "can't start a thread") != NULL);
}

/* The thread does not exist in the child; thread_finish does not wait. */
static void finish_inherited(struct child *parent, void *context)
{
	(void)parent;
	thread_finish(context);
}

static void a_child_only_forgets_it(void)
{
	struct work work = { 0 };
	struct thread *thread = start(&work);
	struct child child = child_start(finish_inherited, thread);

	child_end(&child);
	CHECK_EQUAL_INT(thread_result(thread, &failure), END);
	thread_finish(thread);
}

int main(void)
{
	its_result_is_known_when_it_has_ended();
	it_says_how_far_it_is();
	progress_may_be_null();
	signals_go_to_who_was_there();
	a_test_s_limit_of_memory_goes_along();
	without_a_descriptor_there_is_none();
	a_child_only_forgets_it();
	return 0;
}
