/* tide_consumer.h - the part of the C core's interface that concerns consumers.
 *
 * A consumer keeps its position in a stream in the file (doc/format.md). A worker handles its
 * records. It joins the consumer as its owner, starts a feed (tide_consumer_feed), and advances the
 * consumer in the transaction of the effects of each batch. The rules of tide.h hold.
 */
#ifndef TIDE_CONSUMER_H
#define TIDE_CONSUMER_H

#include "codec/consumer.h"
#include "tide.h"

struct tide_consumer_spec {
	struct slice name;
	struct slice streams;        /* ids (u32), ascending; empty: all streams */
	enum tide_from from;
	uint64_t at;                 /* as for tide_feed_start */
	uint16_t shards;             /* 1 to CONSUMER_SHARDS_MAX */
	struct slice settings;       /* a map (codec/value.h) */
};

struct tide_consumer {
	struct consumer_row row;     /* its slices, and that of progress, are lent until the next
	                              * call */
	struct progress_row progress;
	struct copy_row copy;        /* if progress.is_copying; without its key */
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
	struct failure *failure);
int tide_move_consumer(struct tide *tide, struct slice name, enum tide_from from, uint64_t at,
	struct failure *failure);

/* Makes a consumer read other streams (table/consume.h), in a transaction of its own. */
int tide_renew_consumer(struct tide *tide, struct slice name, uint64_t id, uint64_t epoch,
	struct slice streams, struct failure *failure);

/* Reads a consumer. Returns NOT_FOUND. */
int tide_describe_consumer(struct tide *tide, struct slice name, struct tide_consumer *consumer,
	struct failure *failure);

/* Returns the state at which a feed of a consumer that was copying started, without the key; NULL:
 * it was not copying. Such a feed returns items as records, and after the last one no records:
 * tide_feed_is_behind is then false, and the copy can end at tide_feed_position. */
const struct copy_row *tide_feed_copy(const struct tide_feed *feed);

/* Sets *key to the item key of a record, given its table and key attributes. Returns the errors of
 * key_of_item. */
int tide_item_key(const struct tide *tide, uint32_t table, const struct key_schema *schema,
	struct slice keys, struct key *key);

/* Returns the bytes from which the ids of records are made (codec/state.h): the database id, the
 * incarnation, and the incarnations that have ended. Returns no bytes if these are damaged. They
 * are lent until tide_close. */
struct slice tide_identity(const struct tide *tide);

/* Replaces the contents of names with the names of all consumers (each a varint length and the
 * bytes), in byte order. */
int tide_consumer_names(struct tide *tide, struct buffer *names, struct failure *failure);

/* Starts a feed of the consumer's streams (ids, u32, ascending; empty: all streams) after its
 * position. Returns CONSUMER_GONE. */
int tide_consumer_feed(struct tide_feed **feed, struct tide *tide, uint64_t consumer,
	struct slice streams, struct failure *failure);

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

/* Continues after records that expired before they were read (consume_skip_gap), in a transaction
 * of its own, and sets *progress. */
int tide_skip_gap(struct tide *tide, struct slice name, uint64_t epoch, bool copies,
	struct progress_row *progress, struct failure *failure);

/* Moves the position in the open transaction. tide_pass_consumer does the same in a transaction of
 * its own, for records that were left out (batch->records is 0), and tide_fail_consumer counts a
 * failed attempt in one (table/consume.h). */
int tide_advance_consumer(struct tide *tide, const struct consume_batch *batch,
	struct failure *failure);
int tide_pass_consumer(struct tide *tide, const struct consume_batch *batch,
	struct failure *failure);
int tide_fail_consumer(struct tide *tide, const struct consume_batch *batch,
	uint32_t largest_batch, struct failure *failure);

#endif
