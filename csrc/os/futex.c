/* futex.c - the futex system call. */
#include "os/futex.h"

#include <assert.h>
#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"

/* Operation numbers of Linux; musl has no header for them. */
enum { FUTEX_WAIT_FOR_CHANGE = 0, FUTEX_WAKE_SOME = 1 };

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
