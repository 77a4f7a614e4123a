/* wakeup_kind.h - the events that make the descriptor of a wakeup readable. */
#ifndef OS_WAKEUP_KIND_H
#define OS_WAKEUP_KIND_H

enum wakeup_kind {
	WAKEUP_COMMITS,                /* after every commit that changed something */
	WAKEUP_UNLOCKS,                /* also when a waiter for the write lock should try */
	WAKEUP_PROGRESS,               /* only after commits that changed consumers' state */
};

#endif
