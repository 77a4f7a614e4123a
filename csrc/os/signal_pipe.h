/* signal_pipe.h - signals as bytes of a pipe, for event loops (self-pipe).
 *
 * The handler of a signal writes its number as a byte. No signal is blocked, so programs that this
 * process executes get an empty mask and the default actions. A process has one signal pipe.
 */
#ifndef OS_SIGNAL_PIPE_H
#define OS_SIGNAL_PIPE_H

#include <stdint.h>

#include "base/error.h"

/* Handles these signals, and sets *descriptor to the end of the pipe to read from; it is
 * non-blocking and belongs to this file. SIGHUP stays ignored if it is ignored (nohup). A pipe that
 * is full loses signals, but has then unread ones. Further calls add signals and return the same
 * descriptor. Returns 0 or ERR_STORE. */
int signal_pipe_open(const int *numbers, uint32_t count, int *descriptor,
	struct failure *failure);

#endif
