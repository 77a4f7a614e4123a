/* thread.h - a worker thread that runs one function, with progress counters and cancellation.
 *
 * All signals are blocked in the thread. The function reports its progress with progress_step,
 * whose result tells it to stop. The caller sleeps (thread_wait) or polls a descriptor, then calls
 * thread_result.
 */
#ifndef OS_THREAD_H
#define OS_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/error.h"

/* Progress of a function, readable by any thread. The function defines the units. */
struct progress {
	atomic_bool stop;
	_Atomic uint32_t phase;
	_Atomic uint64_t done;
	_Atomic uint64_t total;
};

/* Begins a phase of `total` units. progress may be NULL, here and in progress_step. */
void progress_begin(struct progress *progress, uint32_t phase, uint64_t total);

/* Adds `done` units. Returns 0, or ERR_INTERRUPTED if the function should stop. */
int progress_step(struct progress *progress, uint64_t done);

/* Starts a thread with all signals blocked, so that the program's own threads receive them.
 * attributes: as for pthread_create, or NULL. Returns 0 or an errno value. */
int thread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *context),
	void *context);

struct thread;

/* Starts a thread that runs run(progress, context, failure). Returns 0, ERR_NO_MEMORY or
 * ERR_STORE. */
int thread_start(struct thread **thread,
	int (*run)(struct progress *progress, void *context, struct failure *failure),
	void *context, struct failure *failure);

const struct progress *thread_progress(const struct thread *thread);

/* Returns a descriptor that is readable after the function has returned. */
int thread_descriptor(const struct thread *thread);

/* Sleeps until the thread's function has returned, for ms milliseconds (at most 1,000,000), or
 * until a signal. */
void thread_wait(const struct thread *thread, uint32_t ms);

/* Returns END while the function runs. After that, returns the function's result and copies its
 * failure. */
int thread_result(const struct thread *thread, struct failure *failure);

/* Asks the function to stop, waits until it has returned, and frees the struct. In a forked
 * process, which does not have the thread, only frees the struct. NULL is allowed. */
void thread_finish(struct thread *thread);

#endif
