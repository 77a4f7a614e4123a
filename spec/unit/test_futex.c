/* test_futex.c - futex.h: changed words, wakeups, signals, timeouts. */
#include "os/futex.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "base/error.h"
#include "unit/check.h"

static void a_word_that_has_changed_does_not_let_it_sleep(void)
{
	_Atomic uint32_t word = 1;

	CHECK_EQUAL_INT(futex_wait(&word, 0, 3600 * UINT64_C(1000000)), 0);
}

static void the_time_passes(void)
{
	_Atomic uint32_t word = 0;

	CHECK_EQUAL_INT(futex_wait(&word, 0, 0), 0);
	CHECK_EQUAL_INT(futex_wait(&word, 0, 1), 0);
	CHECK_EQUAL_INT(futex_wait(&word, 0, 1000), 0);
}

static void *sleep_on(void *word)
{
	while (atomic_load((_Atomic uint32_t *)word) == 0)
		CHECK_EQUAL_INT(futex_wait(word, 0, 3600 * UINT64_C(1000000)), 0);
	return NULL;
}

/* futex_wake counts only sleepers. */
static void a_sleeper_is_woken(void)
{
	_Atomic uint32_t word = 0;
	pthread_t thread;

	CHECK_EQUAL_INT(futex_wake(&word, 1), 0);
	CHECK(pthread_create(&thread, NULL, sleep_on, &word) == 0);
	while (futex_wake(&word, 1) == 0)
		usleep(100);
	atomic_store(&word, 1);
	futex_wake(&word, 1);
	pthread_join(thread, NULL);
	CHECK_EQUAL_INT(futex_wake(&word, 1), 0);
}

static void ignore(int signal)
{
	(void)signal;
}

/* The timer repeats, because the first signal may arrive before the sleep. */
static void a_signal_ends_it(void)
{
	struct sigaction action = { .sa_handler = ignore, .sa_flags = SA_RESTART };
	_Atomic uint32_t word = 0;

	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	CHECK(ualarm(1000, 1000) == 0);
	CHECK_EQUAL_INT(futex_wait(&word, 0, 3600 * UINT64_C(1000000)), ERR_INTERRUPTED);
	ualarm(0, 0);
}

int main(void)
{
	a_word_that_has_changed_does_not_let_it_sleep();
	the_time_passes();
	a_sleeper_is_woken();
	a_signal_ends_it();
	return 0;
}
