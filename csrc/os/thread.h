/* thread.h - the door to threads: work that goes on beside whoever asked for it.
 *
 * A task is one function on a thread of its own, where no signal arrives. It
 * says how far it is and looks whether it is to stop; it may take its time.
 * Who started it sleeps, or polls a descriptor, and asks.
 */
#ifndef OS_THREAD_H
#define OS_THREAD_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/error.h"

/* How far it is, read from anywhere; what the numbers count is the task's. */
struct progress {
	atomic_bool stop;
	_Atomic uint32_t phase;
	_Atomic uint64_t done;
	_Atomic uint64_t total;
};

/* A phase begins: so much is to be done in it. NULL is fine, here and below. */
void progress_begin(struct progress *progress, uint32_t phase, uint64_t total);

/* So much is done. INTERRUPTED if the task is to stop. */
int progress_step(struct progress *progress, uint64_t done);

struct thread;

/* Runs run(progress, context, failure) aside. NO_MEMORY, STORE (no thread). */
int thread_start(struct thread **thread,
	int (*run)(struct progress *progress, void *context, struct failure *failure),
	void *context, struct failure *failure);

const struct progress *thread_progress(const struct thread *thread);

/* Readable as soon as the task has ended. */
int thread_descriptor(const struct thread *thread);

/* Sleeps until it has ended, or so many ms (1,000,000 at most), or until a signal. */
void thread_wait(const struct thread *thread, uint32_t ms);

/* END while it runs; then what the function returned, and its failure. */
int thread_result(const struct thread *thread, struct failure *failure);

/* Tells it to stop, waits until it has ended, and frees it. In a child of fork,
 * where there is no such thread, it only frees. NULL is fine. */
void thread_finish(struct thread *thread);

#endif
