/* apart.h - work done in a child process, so that its end is not ours.
 *
 * For what may crash or never end. The child is a fork: it does its work, writes
 * what it found and is gone, without a finalizer of the host's ever running in
 * it. As long as it counts its progress up it is waited for.
 */
#ifndef SYS_APART_H
#define SYS_APART_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "sys/task.h"

struct apart {
	/* Runs in the child; what it puts into `said` is brought back. */
	void (*work)(void *context, struct progress *progress, struct buffer *said);
	void *context;
	uint32_t patience_ms;    /* without progress; then the child is killed */
};

struct apart_end {
	int signal;              /* that ended it; 0: none */
	int status;              /* that it exited with; 0: all is well */
	bool hung;               /* it was killed for want of progress */
};

/* 0 with *end filled, whatever became of the child; STORE, NO_MEMORY when it
 * can't be started. INTERRUPTED when a signal came (other than of a child): then it
 * is ended, as it is when we are. */
int apart_run(const struct apart *apart, struct buffer *said, struct apart_end *end,
	struct failure *failure);

#endif
