/* futex.h - the futex system call: sleep until another process changes a shared word. */
#ifndef OS_FUTEX_H
#define OS_FUTEX_H

#include <stdatomic.h>
#include <stdint.h>

/* Sleeps while *word == value, until futex_wake is called, a signal arrives or the timeout
 * expires. Returns 0, or ERR_INTERRUPTED after a signal. Spurious wakeups are possible. */
int futex_wait(_Atomic uint32_t *word, uint32_t value, uint64_t timeout_us);

/* Wakes up to how_many sleepers, in any process. Returns the number of sleepers woken. */
int futex_wake(_Atomic uint32_t *word, int how_many);

#endif
