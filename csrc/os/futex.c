/* futex.c - the futex system call. */
#include "os/futex.h"

#include <assert.h>
#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"

/* Operation numbers of Linux; musl has no header for them. */
enum {
	FUTEX_WAIT_FOR_CHANGE = 0,
	FUTEX_WAKE_SOME = 1,
	FUTEX_WAIT_WITH_BITS = 9,
	FUTEX_WAKE_WITH_BITS = 10,
};

static_assert(sizeof(_Atomic uint32_t) == 4, "a futex word has 32 bits");

int futex_wait(_Atomic uint32_t *word, uint32_t value, uint64_t timeout_us)
{
	struct timespec time = { (time_t)(timeout_us / 1000000),
		(long)(timeout_us % 1000000) * 1000 };
	long status = syscall(SYS_futex, word, FUTEX_WAIT_FOR_CHANGE, value, &time, NULL, 0);

	return status && errno == EINTR ? ERR_INTERRUPTED : 0;
}

int futex_wake(_Atomic uint32_t *word, int how_many)
{
	long woken = syscall(SYS_futex, word, FUTEX_WAKE_SOME, how_many, NULL, NULL, 0);

	return woken > 0 ? (int)woken : 0;
}

/* The timeout of this operation is a moment on the monotonic clock, not a duration. */
int futex_wait_bits(_Atomic uint32_t *word, uint32_t value, uint32_t bits, uint64_t timeout_us)
{
	struct timespec time;
	uint64_t us;
	long status;

	clock_gettime(CLOCK_MONOTONIC, &time);
	us = (uint64_t)time.tv_nsec / 1000 + timeout_us;
	time.tv_sec += (time_t)(us / 1000000);
	time.tv_nsec = (long)(us % 1000000) * 1000;
	status = syscall(SYS_futex, word, FUTEX_WAIT_WITH_BITS, value, &time, NULL, bits);
	return status && errno == EINTR ? ERR_INTERRUPTED : 0;
}

int futex_wake_bits(_Atomic uint32_t *word, int how_many, uint32_t bits)
{
	long woken = syscall(SYS_futex, word, FUTEX_WAKE_WITH_BITS, how_many, NULL, NULL, bits);

	return woken > 0 ? (int)woken : 0;
}
