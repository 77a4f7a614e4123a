/* input.c - reads available bytes from a pipe or terminal, for command-line programs. */
#include "os/input.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static int input_failed(struct failure *failure)
{
	int system = errno;

	if (system == EINTR)
		return fail(failure, ERR_INTERRUPTED);
	if (system == EAGAIN)   /* another process has read the bytes */
		return fail(failure, ERR_TIMEOUT);
	fail_as(failure, ERR_STORE, "%s", strerror(system));
	if (failure)
		failure->system = system;
	return ERR_STORE;
}

int input_read(int descriptor, void *bytes, size_t size, int wait_ms, size_t *len,
	struct failure *failure)
{
	struct pollfd input = { .fd = descriptor, .events = POLLIN };
	int ready = poll(&input, 1, wait_ms);
	ssize_t got;

	*len = 0;
	if (ready == 0)
		return fail(failure, ERR_TIMEOUT);
	got = ready < 0 ? -1 : read(descriptor, bytes, size);
	if (got < 0)
		return input_failed(failure);
	*len = (size_t)got;
	return 0;
}
