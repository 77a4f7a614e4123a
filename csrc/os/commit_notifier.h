/* commit_notifier.h - notification of commits, for readers that wait.
 *
 * A reader sleeps on a futex word of the shared page (commit_wait), or an event loop polls
 * a descriptor (struct wakeup). Notifications are hints: a reader that wakes up always checks
 * the database, and also checks once a second without being notified, so a lost notification
 * delays it but never loses a record.
 */
#ifndef OS_COMMIT_NOTIFIER_H
#define OS_COMMIT_NOTIFIER_H

#include <stdint.h>

#include "os/wakeup_kind.h"

struct failure;
struct shared_page;

/* No wait is longer. */
#define WAIT_MAX_MS 1000

/* Counters of commits are kept for groups of streams: the ids modulo COMMIT_GROUPS. */
#define COMMIT_GROUPS 64
#define COMMIT_ALL_GROUPS UINT64_MAX

/* The group of a stream, as a bit. */
static inline uint64_t commit_group_bit(uint32_t stream)
{
	return UINT64_C(1) << stream % COMMIT_GROUPS;
}

/* After a commit that changed something. streams: the bits of the streams it appended to.
 * Takes a few ns if nothing waits. */
void commit_notify(struct shared_page *shared, uint64_t streams);

/* Number of commits that touched the stream's group, modulo 2^32; of all commits if stream
 * is 0. Read before a snapshot is taken, and equal later: the stream has no records that
 * the snapshot does not show (up to a writer killed between commit and signal). */
uint32_t commit_count(const struct shared_page *shared, uint32_t stream);

/* Sleeps until commit_count(wake, stream) differs from seen, for timeout_ms and one second at
 * most, or until a signal. Returns 0 or ERR_INTERRUPTED. */
int commit_wait(struct shared_page *shared, uint32_t stream, uint32_t seen, uint32_t timeout_ms);

/* --- the same for event loops: a descriptor that becomes readable --- */

/* Readable after what happened since the wakeup was opened or cleared. Each takes an
 * inotify instance, so open it when it is first waited on. */
struct wakeup;
int wakeup_open(struct wakeup **wakeup, struct shared_page *shared, enum wakeup_kind kind,
	struct failure *failure);
void wakeup_close(struct wakeup *wakeup);      /* NULL is fine */
int wakeup_descriptor(const struct wakeup *wakeup);
void wakeup_clear(struct wakeup *wakeup);      /* not readable until the next signal */
/* Sleeps until it is readable: 0, at once if it is; END after timeout_ms, a
 * second at most; INTERRUPTED. */
int wakeup_wait(const struct wakeup *wakeup, uint32_t timeout_ms);
void wakeup_forget(struct wakeup *wakeup);     /* after fork: frees the memory, closes the fd */

#endif
