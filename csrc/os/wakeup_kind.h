/* wakeup_kind.h - what makes the descriptor of a wakeup readable. */
#ifndef OS_WAKEUP_KIND_H
#define OS_WAKEUP_KIND_H

enum wakeup_kind {
	WAKEUP_COMMITS,                /* after every commit that changed something */
	WAKEUP_UNLOCKS,                /* also when a waiter at a descriptor should try the lock */
};

#endif
