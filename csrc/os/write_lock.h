/* write_lock.h - the write lock of a database, and the queue of its waiters.
 *
 * The lock is a word of the shared page that contains the owner's pid. It is acquired by
 * compare-and-swap, without a system call. A process that finds it taken checks whether the
 * owner's GUARD lock still exists (shared_page.h), and takes the lock over if the owner has
 * exited.
 */
#ifndef OS_WRITE_LOCK_H
#define OS_WRITE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

struct shared_page;

/* One thread of one process holds it. */

/* Returns 0, or ERR_BUSY if the lock is held or reserved for a waiter that is due before the
 * caller. Never blocks. */
int write_lock_try(struct shared_page *shared);
void write_lock_release(struct shared_page *shared);
int64_t write_lock_owner(const struct shared_page *shared);   /* its pid; 0 if the lock is free */

/* A waiter for the write lock: one thread or one coroutine. It queues in the order of
 * arrival. One that has waited for 2 ms and ten holds of the lock, or for 10 ms, is due; until
 * then any process that finds the lock free may take it. The oldest waiter that is due gets
 * priority when it tries: the lock is then reserved for it. If it does not take the free lock
 * within 5 ms, it loses the priority until it tries again. Only one waiter gets
 * priority every 2 ms.
 *
 * Zero-initialize it with wake set. It enters the queue when it first sleeps, and leaves it
 * with the lock or by lock_waiter_leave. If the queue is full (128 waiters), it has no
 * place: it then tries every 5 ms, without priority. */
struct lock_waiter {
	struct shared_page *shared;
	bool at_descriptor;          /* waits at a WAKEUP_UNLOCKS descriptor, not on the futex */
	uint64_t place;              /* 0: not in the queue */
	uint64_t arrived_us;         /* CLOCK_MONOTONIC; 0: has not waited yet */
	uint32_t taken;              /* how often the lock had been taken on arrival */
	bool had_priority;           /* it has been given once */
};

/* As write_lock_try, with the waiter's priority. On success it has left the queue. A waiter
 * with priority spins for up to 50 us if the lock is taken. */
int lock_waiter_try(struct lock_waiter *waiter);

/* Enters the queue and asks for the next notification. Returns the time to wait for it at
 * most, in us; 0: try again now. A waiter at a descriptor clears that one before. */
uint64_t lock_waiter_arm(struct lock_waiter *waiter);

/* Arms, and sleeps until notified, for timeout_ms at most, or until a signal. Returns 0 or
 * ERR_INTERRUPTED; the caller then tries again. */
int lock_waiter_sleep(struct lock_waiter *waiter, uint32_t timeout_ms);

/* Leaves the queue without the lock; harmless if it is not in it. */
void lock_waiter_leave(struct lock_waiter *waiter);

#endif
