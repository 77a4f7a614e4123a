/* timer.h - a descriptor that becomes readable after a given time (timerfd).
 *
 * An event loop polls this descriptor between two attempts to open a database, because a database
 * that is not open sends no notifications.
 */
#ifndef OS_TIMER_H
#define OS_TIMER_H

#include <stdint.h>

#include "base/error.h"

/* Sets *descriptor to a timer that expires after ms milliseconds, at least 1. Returns ERR_STORE
 * if the system has no free descriptor. */
int timer_start(int *descriptor, uint32_t ms, struct failure *failure);

/* Sleeps until the timer has expired, or until a signal. Returns 0 if the timer has expired,
 * otherwise ERR_INTERRUPTED. */
int timer_wait(int descriptor);

void timer_end(int descriptor);

#endif
