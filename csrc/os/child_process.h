/* child_process.h - a function that runs in a forked child process and returns bytes.
 *
 * Isolates work that may crash or loop forever. The child runs the function, writes the result to
 * a pipe and exits. No finalizer and no signal handler of the host program runs in the child. The
 * parent sleeps (child_process_wait) or polls a descriptor, then calls child_process_result. A
 * child whose progress counter stops is killed after a timeout.
 */
#ifndef OS_CHILD_PROCESS_H
#define OS_CHILD_PROCESS_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "os/thread.h"

struct child_process_work {
	/* Runs in the child; the bytes it appends to `said` are sent to the parent. */
	void (*run)(void *context, struct progress *progress, struct buffer *said);
	void *context;
	uint32_t stall_timeout_ms;    /* time without progress after which the child is killed */
};

struct child_process_end {
	int signal;              /* signal that terminated the child; 0 if none */
	int status;              /* exit status; 0 on success */
	bool hung;               /* true if the child was killed by the stall timeout */
};

struct child_process;

/* Starts the child process. Returns 0, ERR_STORE or ERR_NO_MEMORY. */
int child_process_start(struct child_process **child, const struct child_process_work *work,
	struct failure *failure);

/* Returns a descriptor that is readable when child_process_result must be called, because the
 * child has written bytes or has ended. */
int child_process_descriptor(const struct child_process *child);

/* Sleeps until the child's descriptor is readable, for ms milliseconds (at most 1,000,000), or
 * until a signal. */
void child_process_wait(const struct child_process *child, uint32_t ms);

/* Returns END (there is no result yet) while the child runs. After the child has ended, however it
 * ended, returns 0, sets *end, and sets *said to the child's result, which is valid until
 * child_process_finish. Returns ERR_NO_MEMORY if the result does not fit in memory.
 *
 * This function also applies the stall timeout, so call it about ten times a second. However long
 * the time between two calls is, at most 100 ms of it count as time without progress. So the
 * timeout does not expire because parent and child were stopped together or the machine was
 * suspended. */
int child_process_result(struct child_process *child, struct slice *said,
	struct child_process_end *end,
	struct failure *failure);

/* Kills the child if it still runs, and frees the struct. In another forked process, only frees
 * the struct. NULL is allowed. */
void child_process_finish(struct child_process *child);

#endif
