/* timer.c - a descriptor that becomes readable after a given time (timerfd). */
#include "os/timer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

int timer_start(int *descriptor, uint32_t ms, struct failure *failure)
{
	struct itimerspec once = { 0 };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	*descriptor = -1;
	if (!ms)
		ms = 1;          /* 0 would disarm the timer */
	once.it_value.tv_sec = ms / 1000;
	once.it_value.tv_nsec = ms % 1000 * 1000000L;
	if (fd < 0 || timerfd_settime(fd, 0, &once, NULL)) {
		int system = errno;

		timer_end(fd);
		return fail_as(failure, ERR_STORE, "can't start a timer: %s", strerror(system));
	}
	*descriptor = fd;
	return 0;
}

int timer_wait(int descriptor)
{
	struct pollfd one = { descriptor, POLLIN, 0 };

	return poll(&one, 1, -1) == 1 ? 0 : ERR_INTERRUPTED;
}

void timer_end(int descriptor)
{
	if (descriptor >= 0)
		close(descriptor);
}
