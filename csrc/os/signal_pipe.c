/* signal_pipe.c - signals as bytes of a pipe, for event loops (self-pipe). */
#include "os/signal_pipe.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "os/descriptor.h"

static int ends[2] = { -1, -1 };
static pid_t owner;              /* process that opened the pipe */

static void on_signal(int number)
{
	int system = errno;
	uint8_t byte = (uint8_t)number;

	if (getpid() == owner && write(ends[1], &byte, 1) < 0)
		errno = 0;       /* full: the reader has unread signals */
	errno = system;
}

static int handle(int number, struct failure *failure)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct sigaction before;

	if (number == SIGHUP && sigaction(number, NULL, &before) == 0 &&
			before.sa_handler == SIG_IGN)
		return 0;
	if (sigaction(number, &action, NULL))
		return fail_as(failure, ERR_STORE, "can't handle signal %d: %s", number,
			strerror(errno));
	return 0;
}

int signal_pipe_open(const int *numbers, uint32_t count, int *descriptor,
	struct failure *failure)
{
	int err = 0;

	*descriptor = -1;
	if (owner != getpid()) {
		err = descriptor_pipe(ends, failure);
		if (err)
			return err;
		descriptor_unblock(ends[0]);
		descriptor_unblock(ends[1]);
		owner = getpid();
	}
	for (uint32_t i = 0; i < count && !err; i++)
		err = handle(numbers[i], failure);
	*descriptor = ends[0];
	return err;
}
