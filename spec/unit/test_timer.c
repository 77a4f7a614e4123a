/* test_timer.c - timer.h: a descriptor that becomes readable after a given time. */
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "os/timer.h"
#include "unit/check.h"

static struct failure failure;

static bool is_readable(int descriptor)
{
	struct pollfd one = { descriptor, POLLIN, 0 };

	return poll(&one, 1, 0) == 1;
}

static void it_is_readable_when_it_has_passed(void)
{
	int descriptor;

	CHECK_EQUAL_INT(timer_start(&descriptor, 0, &failure), 0);
	CHECK_EQUAL_INT(timer_wait(descriptor), 0);
	CHECK(is_readable(descriptor));
	timer_end(descriptor);
	CHECK_EQUAL_INT(timer_start(&descriptor, 1000000, &failure), 0);
	CHECK(!is_readable(descriptor));
	timer_end(descriptor);
	timer_end(-1);
}

static void on_signal(int number)
{
	(void)number;
}

static void a_signal_ends_the_sleep(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct itimerval soon = { .it_value = { 0, 10000 }, .it_interval = { 0, 10000 } };
	struct itimerval never = { 0 };
	int descriptor;

	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	CHECK_EQUAL_INT(timer_start(&descriptor, 1000000000, &failure), 0);
	CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
	CHECK_EQUAL_INT(timer_wait(descriptor), ERR_INTERRUPTED);
	CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
	timer_end(descriptor);
}

static void without_descriptors_there_is_none(void)
{
	struct rlimit before, none;
	int descriptor;

	CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
	none = before;
	none.rlim_cur = 3;
	CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
	CHECK_EQUAL_INT(timer_start(&descriptor, 1, &failure), ERR_STORE);
	CHECK_EQUAL_INT(descriptor, -1);
	CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
}

int main(void)
{
	it_is_readable_when_it_has_passed();
	a_signal_ends_the_sleep();
	without_descriptors_there_is_none();
	return 0;
}
