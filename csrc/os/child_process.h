/* child_process.h - work done in a child process, so that its end is not ours.
 *
 * For what may crash or never end. The child is a fork: it does its work, writes
 * what it found and is gone, without a finalizer of the host's ever running in
 * it, nor a handler of the host's signals. As long as it counts its progress up
 * it is waited for: by whoever started it, who sleeps, or polls a descriptor,
 * and asks.
 */
#ifndef OS_CHILD_PROCESS_H
#define OS_CHILD_PROCESS_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "os/thread.h"

struct child_process_work {
	/* Runs in the child; what it puts into `said` is brought back. */
	void (*run)(void *context, struct progress *progress, struct buffer *said);
	void *context;
	uint32_t stall_timeout_ms;    /* without progress; then the child is killed */
};

struct child_process_end {
	int signal;              /* that ended it; 0: none */
	int status;              /* that it exited with; 0: all is well */
	bool hung;               /* it was killed for want of progress */
};

struct child_process;

/* STORE, NO_MEMORY when it can't be started. */
int child_process_start(struct child_process **child, const struct child_process_work *work,
	struct failure *failure);

/* Readable when there is something to ask about; it may have ended, or not. */
int child_process_descriptor(const struct child_process *child);

/* Sleeps until then, or so many ms (1,000,000 at most), or until a signal. */
void child_process_wait(const struct child_process *child, uint32_t ms);

/* END while it goes on. Then 0, whatever became of it, with what it said, which is
 * lent; NO_MEMORY when there is no room for that.
 *
 * This is where patience is had: ask about ten times a second. Time counts as
 * without progress only as far as it was asked so often: who was stopped, child
 * and all, or slept with the machine, finds it as patient as before. */
int child_process_result(struct child_process *child, struct slice *said,
	struct child_process_end *end,
	struct failure *failure);

/* Ends it, if need be, and frees it. In a child of fork, whose it is not, it only
 * frees. NULL is fine. */
void child_process_finish(struct child_process *child);

#endif
