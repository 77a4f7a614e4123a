/* timer.h - a descriptor that becomes readable when a time has passed (timerfd).
 *
 * An event loop waits on it between two attempts to open a database: at that
 * time it has no handle whose notifications it could wait for.
 */
#ifndef OS_TIMER_H
#define OS_TIMER_H

#include <stdint.h>

#include "base/error.h"

/* Returns in *descriptor a timer that expires after ms milliseconds, at least 1.
 * STORE: no descriptor is left. */
int timer_start(int *descriptor, uint32_t ms, struct failure *failure);

/* Sleeps until the timer has expired, or until a signal. Returns 0 if it has
 * expired, INTERRUPTED otherwise. */
int timer_wait(int descriptor);

void timer_end(int descriptor);

#endif
