/* worker_slots.h - table of the running workers of consumers, in the shared page.
 *
 * A worker is one running loop of a consumer, in a coroutine or a process. The file contains which
 * worker owns which shards. The shared page contains whether a worker is alive, because a heartbeat
 * in the file would need a commit. Each worker has one slot of the table.
 *
 * The slots of a process are released when it closes the database. Those of a process that was
 * killed are released when a process with the same pid opens the database, or when a worker finds
 * no other free slot. Until then the GUARD of the process (shared_page.h) shows that it has ended.
 *
 * Times are those of CLOCK_MONOTONIC, which does not advance while the machine is suspended.
 * Otherwise all leases would have expired after a suspend.
 */
#ifndef OS_WORKER_SLOTS_H
#define OS_WORKER_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct shared_page;

#define WORKERS_MAX 256
#define WORKER_OPENING_BYTES 16

/* Identity of a worker, which is never used again. It contains no pid, because a process of a
 * restarted container often has the pid of its predecessor. */
struct worker_id {
	uint8_t opening[WORKER_OPENING_BYTES];   /* random id of one opening of the file */
	uint32_t number;                         /* number of the worker in the opening, from 1;
	                                          * less than 2^31 */
};

/* A batch of records in a handler. */
struct worker_batch {
	uint32_t records;                        /* at least 1 */
	uint64_t last;                           /* sequence number of the last one, at least 1 */
};

enum worker_state {
	WORKER_GONE,       /* it has left, or its process no longer has the database open */
	WORKER_LIVE,
	WORKER_STOPPED,    /* no beat within the lease: neither the worker nor its handler runs */
	WORKER_OVERRUN,    /* it has been in a handler for longer than the limit */
};

/* Facts about a living worker. */
struct worker_facts {
	struct worker_id id;
	uint64_t slot;
	int64_t pid;
	uint64_t beat_age_ms;      /* time since the last beat */
	uint64_t handler_age_ms;   /* time since it entered the handler; 0 if in_handler is false */
	bool in_handler;
};

/* Takes a slot for a worker of a consumer and stores its first heartbeat. Sets *slot to a value
 * that identifies the slot and this use of it; it is never 0. Returns 0; ERR_LIMIT if all slots are
 * in use by living processes; ERR_FORKED in a forked process. */
int worker_join(struct shared_page *shared, const struct worker_id *id, uint64_t consumer,
	uint64_t *slot, struct failure *failure);

/* These functions do nothing if the worker no longer has the slot, if slot is 0, or in a forked
 * process. worker_leave releases the slot. A worker beats at least three times in a lease while
 * it is not in a handler. Entering and leaving a handler are beats; between them worker_beat does
 * nothing. A worker may enter a handler again without leaving it, which restarts its time limit. */
void worker_leave(struct shared_page *shared, uint64_t slot);
void worker_beat(struct shared_page *shared, uint64_t slot);
void worker_enter_handler(struct shared_page *shared, uint64_t slot,
	const struct worker_batch *batch);
void worker_leave_handler(struct shared_page *shared, uint64_t slot);

/* Stores in the slots of a consumer's workers that a caller waits until this sequence number is
 * processed. Returns true if a slot had a lower number; the caller then wakes the workers
 * (commit_notify). No request is lost if a worker reads the count of commits (commit_count) before
 * it calls worker_asked, and sleeps only while the count is unchanged. */
bool worker_ask(struct shared_page *shared, uint64_t consumer, uint64_t sequence);

/* Returns the greatest sequence number that worker_ask has stored for the worker since it joined; 0
 * if there is none, or if the worker no longer has the slot. */
uint64_t worker_asked(const struct shared_page *shared, uint64_t slot);

/* Releases the slots of all workers of an opening that is being closed. Other openings in this
 * process may still use the shared page. */
void worker_leave_opening(struct shared_page *shared, const uint8_t opening[WORKER_OPENING_BYTES]);

/* Returns the state of a worker. Both limits are inclusive. A worker that is not in a handler is
 * STOPPED if its last beat is lease_ms old. A worker in a handler does not beat after it has
 * entered it. It is STOPPED lease_ms after that if its process is stopped by a signal (state T in
 * /proc; unknown without /proc); otherwise it is OVERRUN handler_limit_ms after that. */
enum worker_state worker_state(const struct shared_page *shared, const struct worker_id *id,
	uint64_t consumer, uint64_t lease_ms, uint64_t handler_limit_ms);

/* Returns the number of a consumer's workers that are LIVE. */
uint32_t worker_count_live(const struct shared_page *shared, uint64_t consumer, uint64_t lease_ms,
	uint64_t handler_limit_ms);

/* Notes that the workers of a process are being stopped: if it ends in a handler, by a signal for
 * example, the batch does not count as one in whose handler a worker died. */
void worker_note_stop(struct shared_page *shared, int64_t pid);

/* Returns true if a worker died in its handler, and sets *batch to the batch of that handler. A
 * worker has died in its handler if its process ended there, or if it is OVERRUN, and no stop of it
 * was noted. A process that closes the database leaves its handlers. The batch stays in the slot,
 * also while no process has the database open, until another worker takes the slot, which happens
 * only if no other slot is free. */
bool worker_died_in_handler(const struct shared_page *shared, const struct worker_id *id,
	uint64_t consumer, uint64_t handler_limit_ms, struct worker_batch *batch);

/* Returns the number of a consumer's workers whose processes have the database open. worker_list
 * also stores the facts of the first max of them. */
uint32_t worker_count(const struct shared_page *shared, uint64_t consumer);
uint32_t worker_list(const struct shared_page *shared, uint64_t consumer,
	struct worker_facts *facts, uint32_t max);

#endif
