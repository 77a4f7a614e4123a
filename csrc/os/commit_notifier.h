/* commit_notifier.h - notification of commits, for readers that wait.
 *
 * A reader sleeps on a futex word of the shared page (commit_wait), or an event loop polls a
 * descriptor (struct wakeup). Notifications are hints. A reader that wakes up always checks the
 * database, and it also checks once a second without a notification. So a lost notification delays
 * a reader, but the reader misses no record.
 *
 * A commit wakes two readers, and every reader that is woken wakes two others in commit_wait.
 */
#ifndef OS_COMMIT_NOTIFIER_H
#define OS_COMMIT_NOTIFIER_H

#include <stdint.h>

#include "os/wakeup_kind.h"

struct failure;
struct shared_page;

/* Longest time, in ms, that commit_wait and wakeup_wait sleep. */
#define WAIT_MAX_MS 1000

/* Number of stream groups. A group has one commit counter and contains the streams with the
 * same id modulo COMMIT_GROUPS. */
#define COMMIT_GROUPS 64
#define COMMIT_ALL_GROUPS UINT64_MAX

/* Returns the bit of a stream's group, for commit_notify. */
static inline uint64_t commit_group_bit(uint32_t stream)
{
	return UINT64_C(1) << stream % COMMIT_GROUPS;
}

/* Notifies the readers that wait for a commit. Must be called after a commit that changed
 * something. `streams` has the bits of the streams that the commit appended to. Takes a few ns if
 * no reader waits. Wakes at most two threads of each group, which wake the others, and makes all
 * wakeups readable that are not. */
void commit_notify(struct shared_page *shared, uint64_t streams);

/* Returns the number of commits that appended to the stream's group, or of all commits if stream
 * is 0, modulo 2^32. If the number is read before a snapshot is taken and is unchanged later, the
 * snapshot contains all records of the stream, except those of a writer that was killed between
 * its commit and commit_notify. */
uint32_t commit_count(const struct shared_page *shared, uint32_t stream);

/* Sleeps until commit_count(shared, stream) differs from seen, at most timeout_ms and at most
 * WAIT_MAX_MS, or until a signal. Returns 0 or ERR_INTERRUPTED. */
int commit_wait(struct shared_page *shared, uint32_t stream, uint32_t seen, uint32_t timeout_ms);

/* The same for the commits that change the state of consumers: progress_notify notifies those who
 * wait for one, and no reader of a stream. It takes a few ns if nobody waits. */
void progress_notify(struct shared_page *shared);
uint32_t progress_count(const struct shared_page *shared);
int progress_wait(struct shared_page *shared, uint32_t seen, uint32_t timeout_ms);

/* --- notification of event loops by a descriptor --- */

/* A descriptor that is readable if an event occurred since it was opened or cleared. Each wakeup
 * uses an inotify instance, so a wakeup should be opened only at the first wait. */
struct wakeup;
int wakeup_open(struct wakeup **wakeup, struct shared_page *shared, enum wakeup_kind kind,
	struct failure *failure);
void wakeup_close(struct wakeup *wakeup);      /* NULL is allowed */
int wakeup_descriptor(const struct wakeup *wakeup);
void wakeup_clear(struct wakeup *wakeup);      /* unreadable until the next event */
/* Sleeps until the wakeup's descriptor is readable, at most timeout_ms and at most WAIT_MAX_MS.
 * Returns 0 if the descriptor is readable, END after the timeout, ERR_INTERRUPTED after a
 * signal. */
int wakeup_wait(const struct wakeup *wakeup, uint32_t timeout_ms);
/* Frees the memory of a wakeup and closes its descriptor in a forked process. */
void wakeup_forget(struct wakeup *wakeup);

#endif
