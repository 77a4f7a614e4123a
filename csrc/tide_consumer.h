/* tide_consumer.h - the part of the C core's interface that concerns consumers.
 *
 * A consumer keeps its position in a stream in the file (doc/format.md). A worker handles its
 * records. It joins the consumer as its owner, starts a feed with TIDE_CONSUMER, and advances the
 * consumer in the transaction of the effects of each batch. The rules of tide.h hold.
 */
#ifndef TIDE_CONSUMER_H
#define TIDE_CONSUMER_H

#include "codec/consumer.h"
#include "tide.h"

struct tide_consumer_spec {
	struct slice name;
	struct slice streams;        /* ids (u32), ascending; empty: all streams */
	enum tide_from from;         /* not TIDE_CONSUMER */
	uint64_t at;                 /* as for tide_feed_start */
	uint16_t shards;             /* 1 to CONSUMER_SHARDS_MAX */
	struct slice settings;       /* a map (codec/value.h) */
	uint64_t hold_ms;            /* limit of its hold; 0: it holds no records */
};

struct tide_consumer {
	struct consumer_row row;     /* its slices, and that of progress, are lent until the next
	                              * call */
	struct progress_row progress;
	uint64_t last_sequence;      /* last sequence number assigned in the file */
};

/* These functions create, change and delete consumers, each in a transaction of its own. They
 * return BUSY, NESTED (in a transaction), READ_ONLY, FULL, DISK_FULL, UNKNOWN_OUTCOME and the
 * errors of table/consume.h. tide_move_consumer sets the position and takes the consumer from its
 * owner. */
int tide_create_consumer(struct tide *tide, const struct tide_consumer_spec *spec,
	struct failure *failure);
int tide_delete_consumer(struct tide *tide, struct slice name, struct failure *failure);
int tide_pause_consumer(struct tide *tide, struct slice name, bool is_paused,
	struct failure *failure);
int tide_set_consumer(struct tide *tide, struct slice name, struct slice settings,
	uint64_t hold_ms, struct failure *failure);
int tide_move_consumer(struct tide *tide, struct slice name, enum tide_from from, uint64_t at,
	struct failure *failure);

/* Reads a consumer. Returns NOT_FOUND. */
int tide_describe_consumer(struct tide *tide, struct slice name, struct tide_consumer *consumer,
	struct failure *failure);

/* Computes the lag of a consumer. Returns NOT_FOUND. */
int tide_consumer_lag(struct tide *tide, struct slice name, struct lag *lag,
	struct failure *failure);

/* Replaces the contents of lags with those of all consumers in one snapshot: for each a varint
 * length and its name, and the bytes of a struct lag. */
int tide_consumer_lags(struct tide *tide, struct buffer *lags, struct failure *failure);

/* Sets *passed to whether the consumer has passed a change: no record of its source up to this
 * sequence number waits or was lost. Returns NOT_FOUND (no consumer with this name and id),
 * AHEAD. */
int tide_consumer_passed(struct tide *tide, struct slice name, uint64_t id, uint64_t sequence,
	bool *passed, struct failure *failure);

/* Returns the number of commits that have changed the state of consumers, modulo 2^32. If it is
 * read before a snapshot, and tide_progress_wait is called with it, no later commit is missed. */
uint32_t tide_progress_count(const struct tide *tide);

/* Sleeps until tide_progress_count differs from seen, at most ms and at most a second, or until a
 * signal. Returns 0 or INTERRUPTED. A tide_wakeup for WAKEUP_PROGRESS does the same for event
 * loops. */
int tide_progress_wait(struct tide *tide, uint32_t seen, uint32_t ms);

/* Replaces the contents of names with the names of all consumers (each a varint length and the
 * bytes), in byte order. */
int tide_consumer_names(struct tide *tide, struct buffer *names, struct failure *failure);

/* Returns the random id of this opening of the file, WORKER_OPENING_BYTES long, which is the first
 * part of an owner. It is valid until tide_close. */
const uint8_t *tide_opening(const struct tide *tide);

/* A worker that is running, and is alive for others while it beats (os/worker_slots.h). number: its
 * number in this opening, from 1. *slot identifies the place, and is never 0. Returns LIMIT. The
 * other functions do nothing if slot is 0. Entering and leaving a handler are beats. */
int tide_worker_join(struct tide *tide, uint32_t number, uint64_t consumer, uint64_t *slot,
	struct failure *failure);
void tide_worker_leave(struct tide *tide, uint64_t slot);
void tide_worker_beat(struct tide *tide, uint64_t slot);
void tide_worker_enter_handler(struct tide *tide, uint64_t slot);
void tide_worker_leave_handler(struct tide *tide, uint64_t slot);

/* Returns false if the owner of a consumer has left, its process has ended, it has not beaten for
 * lease_ms, or it has been in a handler for handler_limit_ms. */
bool tide_worker_is_alive(const struct tide *tide, const struct shard_owner *owner,
	uint64_t consumer, uint64_t lease_ms, uint64_t handler_limit_ms);

/* Makes a worker the owner if the epoch is still `seen`, in a transaction of its own, and sets
 * *progress. tide_leave_consumer makes the consumer have no owner. Both return CONSUMER_GONE,
 * LEASE_LOST, and the errors of a transaction. */
int tide_join_consumer(struct tide *tide, uint64_t id, uint64_t seen,
	const struct shard_owner *owner, struct progress_row *progress, struct failure *failure);
int tide_leave_consumer(struct tide *tide, uint64_t id, uint64_t epoch,
	struct failure *failure);

/* Stores the error that ended a worker's run (table/consume.h), in a transaction of its own. */
int tide_end_consumer(struct tide *tide, uint64_t id, uint64_t epoch, struct slice end,
	struct failure *failure);

/* Moves the position in the open transaction, or counts a failed attempt in a transaction of its
 * own (table/consume.h). */
int tide_advance_consumer(struct tide *tide, const struct consume_batch *batch,
	struct failure *failure);
int tide_fail_consumer(struct tide *tide, const struct consume_batch *batch,
	uint32_t largest_batch, struct failure *failure);

#endif
