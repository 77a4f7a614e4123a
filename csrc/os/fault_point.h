/* fault_point.h - points of a commit at which a test makes the process die or the commit fail.
 *
 * One fault can be set in a process. It happens at the n-th commit, of any database, that reaches
 * its point after it was set, and only once.
 */
#ifndef OS_FAULT_POINT_H
#define OS_FAULT_POINT_H

#include <stdatomic.h>
#include <stdint.h>

enum fault_point {
	FAULT_NONE,
	/* LMDB's commit has not begun. A transaction of many pages has written some of them. */
	FAULT_BEFORE_COMMIT,
	/* The data pages are written, and flushed at the durable levels; the meta page is not. */
	FAULT_AFTER_WRITE,
	/* The commit is visible to all processes. No reader was notified. */
	FAULT_AFTER_COMMIT,
};

struct failure;

/* Sets the fault that happens at the n-th commit from now on; n is at least 1. If err is 0 the
 * process gets SIGKILL, otherwise the commit fails with err, which FAULT_AFTER_WRITE does not
 * support. Returns ERR_STORE if the kernel can't stop the process at FAULT_AFTER_WRITE. */
int fault_set(enum fault_point point, uint32_t n, int err, struct failure *failure);

void fault_clear(void);

extern _Atomic int fault_point_set;      /* enum fault_point */

int fault_count(enum fault_point point);

/* Must be called by each commit at each point. Returns the error that the commit must return, 0
 * for none. The call at FAULT_AFTER_WRITE comes directly before LMDB's commit. */
static inline int fault_reached(enum fault_point point)
{
	if (atomic_load_explicit(&fault_point_set, memory_order_relaxed) != (int)point)
		return 0;
	return fault_count(point);
}

#endif
