/* futex.h - the futex system call: sleep until another process changes a shared word. */
#ifndef OS_FUTEX_H
#define OS_FUTEX_H

#include <stdatomic.h>
#include <stdint.h>

/* Sleeps while *word == value, until futex_wake is called, a signal arrives or the timeout
 * expires. Returns 0, or ERR_INTERRUPTED after a signal. Spurious wakeups are possible. */
int futex_wait(_Atomic uint32_t *word, uint32_t value, uint64_t timeout_us);

/* Wakes up to how_many sleepers, in any process, in the order in which they began to sleep. Returns
 * the number of sleepers woken. */
int futex_wake(_Atomic uint32_t *word, int how_many);

/* Like futex_wait and futex_wake. futex_wake_bits wakes only those sleepers whose bits have at
 * least one bit in common with its own; futex_wake wakes sleepers with any bits. bits must not be
 * 0. */
int futex_wait_bits(_Atomic uint32_t *word, uint32_t value, uint32_t bits, uint64_t timeout_us);
int futex_wake_bits(_Atomic uint32_t *word, int how_many, uint32_t bits);

#endif
