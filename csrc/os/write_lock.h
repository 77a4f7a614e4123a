/* write_lock.h - the write lock of a database, and the queue of its waiters.
 *
 * The lock is a word of the shared page that contains the owner's pid. It is acquired by
 * compare-and-swap, without a system call. A process that finds the lock taken tests the owner's
 * GUARD (shared_page.h) and steals the lock if the owner has exited.
 */
#ifndef OS_WRITE_LOCK_H
#define OS_WRITE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

struct shared_page;

/* Acquires the write lock for the calling thread. Returns 0, or ERR_BUSY if the lock is held, or
 * reserved for a waiter with priority. Never blocks. */
int write_lock_try(struct shared_page *shared);
void write_lock_release(struct shared_page *shared);

/* Returns the pid of the write lock's owner, 0 if the lock is free. */
int64_t write_lock_owner(const struct shared_page *shared);

/* A waiter for the write lock: one thread or one coroutine. Waiters queue in the order of arrival.
 * A waiter is due after it has waited for 2 ms and ten holds of the lock, or for 10 ms; until then
 * any process that finds the lock free may take it. The oldest waiter that is due gets priority
 * when it tries to acquire the lock, which is then reserved for it. If the waiter does not acquire
 * the free lock within 5 ms, it loses the priority until it tries again. At most one waiter gets
 * priority every 2 ms.
 *
 * Zero-initialize the struct and set shared. The waiter enters the queue when it first sleeps,
 * and leaves it when it acquires the lock or calls lock_waiter_leave. If the queue is full
 * (128 waiters), the waiter has no place and tries every 5 ms without priority. */
struct lock_waiter {
	struct shared_page *shared;
	bool at_descriptor;          /* waits at a WAKEUP_UNLOCKS descriptor, not on the futex */
	uint64_t place;              /* 0 if not in the queue */
	uint64_t arrived_us;         /* CLOCK_MONOTONIC; 0 if it has not waited yet */
	uint32_t taken;              /* number of acquisitions of the lock before its arrival */
	bool had_priority;           /* true if it has had priority at its present place */
};

/* Like write_lock_try, with the waiter's priority. On success the waiter has left the queue.
 * A waiter with priority spins for up to 50 us if the lock is taken. */
int lock_waiter_try(struct lock_waiter *waiter);

/* Enters the queue and requests the next notification. Returns the maximum time, in us, to wait
 * for the notification, 0 if the caller should try now. A waiter at a descriptor must clear the
 * descriptor first. */
uint64_t lock_waiter_arm(struct lock_waiter *waiter);

/* Calls lock_waiter_arm and sleeps until notified, at most timeout_ms, or until a signal.
 * Returns 0 or ERR_INTERRUPTED; the caller then tries again. */
int lock_waiter_sleep(struct lock_waiter *waiter, uint32_t timeout_ms);

/* Leaves the queue without the write lock. Does nothing if the waiter is not in the queue. */
void lock_waiter_leave(struct lock_waiter *waiter);

#endif
