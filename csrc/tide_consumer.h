/* tide_consumer.h - the part of the C core's interface that concerns consumers.
 *
 * A consumer keeps its position in a stream in the file (doc/format.md). A worker handles its
 * records. It joins the consumer as its owner, starts a feed (tide_consumer_feed), and advances the
 * consumer in the transaction of the effects of each batch. The rules of tide.h hold.
 */
#ifndef TIDE_CONSUMER_H
#define TIDE_CONSUMER_H

#include "codec/consumer.h"
#include "codec/key.h"
#include "codec/parked.h"
#include "codec/record.h"
#include "tide.h"

struct tide_consumer_spec {
	struct slice name;
	struct slice streams;        /* ids (u32), ascending; empty: all streams */
	enum tide_from from;
	uint64_t at;                 /* as for tide_feed_start */
	uint16_t shards;             /* 1 to CONSUMER_SHARDS_MAX */
	struct slice settings;       /* a map (codec/value.h) */
	uint64_t hold_ms;            /* limit of its hold; 0: it holds no records */
};

struct tide_consumer {
	struct consumer_row row;     /* its slices, and that of progress, are lent until the next
	                              * call */
	struct progress_row progress;        /* with the lowest position and the statistics of all
	                              * ranges */
	struct slice ranges;         /* struct progress_row, without `end`: each range of shards */
	struct copy_row copy;        /* if progress.is_copying; without its key */
	uint64_t last_sequence;      /* last sequence number assigned in the file */
};

/* These functions create, change and delete consumers, each in a transaction of its own. They
 * return BUSY, NESTED (in a transaction), READ_ONLY, FULL, DISK_FULL, UNKNOWN_OUTCOME and the
 * errors of table/consume.h. tide_move_consumer sets the position and increases the epoch, so the
 * batch of the owner can't be committed. If *is_done is false, a step was committed, and the caller
 * calls it again. */
int tide_create_consumer(struct tide *tide, const struct tide_consumer_spec *spec,
	struct failure *failure);
int tide_delete_consumer(struct tide *tide, struct slice name, bool discards, bool *is_done,
	struct failure *failure);
int tide_pause_consumer(struct tide *tide, struct slice name, bool is_paused,
	struct failure *failure);
int tide_set_consumer(struct tide *tide, struct slice name, const struct consumer_change *change,
	struct failure *failure);
int tide_move_consumer(struct tide *tide, struct slice name, enum tide_from from, uint64_t at,
	bool discards, bool *is_done, struct failure *failure);

/* Makes a consumer read other streams (table/consume.h), in a transaction of its own. */
int tide_renew_consumer(struct tide *tide, struct slice name, struct shard_range range,
	struct slice streams, bool *is_done, struct failure *failure);

/* Reads a consumer. Returns NOT_FOUND. */
int tide_describe_consumer(struct tide *tide, struct slice name, struct tide_consumer *consumer,
	struct failure *failure);

/* Copies the bytes of a consumer's slices to a buffer, whose contents they replace, and makes the
 * slices borrow from it. Returns 0 or NO_MEMORY. */
int tide_keep_consumer(struct tide_consumer *consumer, struct buffer *kept);

/* Returns the state of the copy at which the feed of a consumer started, without the key; NULL if
 * the consumer was not copying. The feed of a copy returns items as records, and nothing after the
 * last item: tide_feed_is_behind is then false, and the copy can end at tide_feed_position. */
const struct copy_row *tide_feed_copy(const struct tide_feed *feed);

/* Returns the item key after which a copy can continue at tide_feed_position, if all returned
 * records have been processed; empty: none, or the feed returns no items. Valid until the next call
 * for the feed. */
struct slice tide_feed_place(const struct tide_feed *feed);

/* Returns the key of the last item that a copying feed had returned or left out when it returned
 * the last record, a change. The item of the change has a key up to this one, and a copy that
 * continues after the change must continue after this key. Valid until the next call for the
 * feed. */
struct slice tide_feed_passed(const struct tide_feed *feed);

/* Returns the number of records and items that the feed has read but not returned so far, because
 * of its filter or because their items are not copied yet. Those that were read twice count
 * twice. */
uint64_t tide_feed_left_out(const struct tide_feed *feed);

/* Sets *key to the item key of a record, given its table and key attributes. Returns the errors of
 * key_of_item. */
int tide_item_key(const struct tide *tide, uint32_t table, const struct key_schema *schema,
	struct slice keys, struct key *key);

/* Returns the bytes from which the ids of records are made (codec/state.h): the database id, the
 * incarnation, and the incarnations that have ended. Returns no bytes if these are damaged. They
 * are lent until tide_close. */
struct slice tide_identity(const struct tide *tide);

/* Appends the bytes of the stream's row (codec/schema.h) to out. Reads no record and caches
 * nothing. Returns NOT_FOUND. */
int tide_stream_bytes(struct tide *tide, uint32_t stream, struct buffer *out,
	struct failure *failure);

/* Returns true if no table had time to live at the last read, so that a waiting reader does not
 * have to remove items (tide_next_expiry). */
bool tide_feed_only_waits(const struct tide *tide);

/* Computes the lag of a consumer. Returns NOT_FOUND. */
int tide_consumer_lag(struct tide *tide, struct slice name, struct lag *lag,
	struct failure *failure);

/* Replaces the contents of lags with those of all consumers in one snapshot: for each a varint
 * length and its name, and the bytes of a struct lag. */
int tide_consumer_lags(struct tide *tide, struct buffer *lags, struct failure *failure);

/* Sets *processed to whether the consumer has processed a change: no record of its source up to
 * this sequence number waits or was lost. Returns NOT_FOUND (no consumer with this name and id),
 * AHEAD. */
int tide_consumer_has_processed(struct tide *tide, struct slice name, uint64_t id,
	uint64_t sequence, bool *processed, struct failure *failure);

/* Makes the workers of a consumer that ignores records store their positions at once, until these
 * have reached this sequence number, for which the caller waits. Wakes the workers, and with them
 * the readers of the consumer's streams, unless each worker was already asked for this number or a
 * later one since it joined. Returns NOT_FOUND. */
int tide_ask_consumer(struct tide *tide, struct slice name, uint64_t id, uint64_t sequence,
	struct failure *failure);

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

/* Starts a feed of the consumer's streams (ids, u32, ascending; empty: all streams) after the
 * position of a range of its shards, of which there are `shards`. It returns only the records of
 * this range. Returns CONSUMER_GONE, LEASE_LOST. */
int tide_consumer_feed(struct tide_feed **feed, struct tide *tide, struct shard_range range,
	uint16_t shards, struct slice streams, struct failure *failure);

/* Sets *row as tide_stream_row does, and *has_table to true if the stream's table still exists. */
int tide_stream_table(struct tide *tide, uint32_t stream, const struct stream_row **row,
	bool *has_table, struct failure *failure);

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
void tide_worker_enter_handler(struct tide *tide, uint64_t slot,
	const struct handler_batch *batch);
void tide_worker_leave_handler(struct tide *tide, uint64_t slot);

/* Notes the error for which a worker waits outside its handler, 0: none. */
void tide_worker_wait_out(struct tide *tide, uint64_t slot, int err);

/* Notes that the workers of a process are being stopped. If it ends in a handler, that is no
 * failed attempt. */
void tide_note_stop(struct tide *tide, int64_t pid);

/* Returns the greatest sequence number for which tide_ask_consumer was called since the worker has
 * joined; 0: none. */
uint64_t tide_worker_asked(const struct tide *tide, uint64_t slot);

/* Returns false if the owner of a consumer has left, its process has ended, it has not beaten for
 * lease_ms, or it has been in a handler for handler_limit_ms. Then sets *batch to the batch in
 * whose handler it ended, if it did and no stop of it was noted. */
bool tide_worker_is_alive(const struct tide *tide, const struct shard_owner *owner,
	uint64_t consumer, uint64_t lease_ms, uint64_t handler_limit_ms,
	struct handler_batch *batch);

/* Returns the number of workers of a consumer that are alive in the sense of tide_worker_is_alive,
 * with or without a range. */
uint32_t tide_live_workers(const struct tide *tide, uint64_t consumer, uint64_t lease_ms,
	uint64_t handler_limit_ms);

/* A worker whose process has the database open. */
struct tide_worker {
	struct shard_owner owner;
	int64_t pid;
	uint64_t beat_age_ms;        /* time since its last heartbeat; in a handler, since it
	                              * entered the handler */
	bool in_handler;
	int waits_for;               /* error for which it waits; 0: none */
	bool is_alive;               /* in the sense of tide_worker_is_alive */
};

#define TIDE_WORKERS_MAX 256

/* Stores the workers of a consumer, and returns their number. */
uint32_t tide_list_workers(const struct tide *tide, uint64_t consumer, uint64_t lease_ms,
	uint64_t handler_limit_ms, struct tide_worker workers[TIDE_WORKERS_MAX]);

/* Makes a worker the owner of a range if its epoch is still the one seen, in a transaction of its
 * own, and sets *progress. death: the batch in whose handler the former owner ended.
 * tide_leave_consumer removes the owner of a range. Both return CONSUMER_GONE, LEASE_LOST, and the
 * errors of a transaction. */
int tide_join_consumer(struct tide *tide, struct shard_range range,
	const struct shard_owner *owner, const struct handler_batch *death,
	struct progress_row *progress, struct failure *failure);
int tide_leave_consumer(struct tide *tide, struct shard_range range, struct failure *failure);

/* Divide and unite ranges (table/consume_range.h), each in a separate transaction. */
int tide_split_range(struct tide *tide, struct shard_range range, uint16_t at, bool keeps_right,
	struct progress_row *progress, struct failure *failure);
int tide_merge_ranges(struct tide *tide, struct shard_range left, struct shard_range right,
	struct progress_row *progress, struct failure *failure);

/* Continues after records that expired before they were read (consume_skip_gap), in a separate
 * transaction, and sets *progress. */
int tide_skip_gap(struct tide *tide, struct slice name, struct shard_range range, bool copies,
	struct progress_row *progress, struct failure *failure);

/* Stores the error that ended a worker's run (table/consume.h), in a transaction of its own. */
int tide_end_consumer(struct tide *tide, struct shard_range range, struct slice end,
	struct failure *failure);

/* Moves the position in the open transaction. tide_skip_ignored does the same in a transaction of
 * its own, for ignored records, and tide_fail_consumer counts a failed attempt in one
 * (table/consume.h). */
int tide_advance_consumer(struct tide *tide, const struct consume_batch *batch,
	struct failure *failure);
int tide_skip_ignored(struct tide *tide, const struct consume_batch *batch,
	struct failure *failure);
int tide_fail_consumer(struct tide *tide, const struct consume_batch *batch,
	uint32_t largest_batch, struct failure *failure);

/* --- parked records (table/park.h) --- */

/* Sets item to the table id and the hash of the partition key of a record in memory. Returns
 * CORRUPT. */
int tide_parked_item(const struct tide *tide, uint32_t table, const struct key_schema *schema,
	const struct record *record, uint8_t item[PARKED_ITEM_BYTES]);

/* Functions of a batch, in the open transaction. tide_park parks a record with a transaction, of
 * which `more` records follow, or because of its key if the id is 0. The other functions for a
 * record apply to its transaction, except tide_parked_handled. */
int tide_park(struct tide *tide, const struct parked_place *place, struct parked_copy *copy,
	uint64_t transaction, uint64_t more, uint64_t max_records, uint64_t max_bytes,
	struct failure *failure);
int tide_verify_parked(struct tide *tide, struct shard_range range, uint64_t version,
	struct failure *failure);
int tide_parked_handled(struct tide *tide, const struct parked_place *place,
	struct failure *failure);
int tide_parked_failed(struct tide *tide, const struct parked_place *place, struct slice error,
	struct failure *failure);
int tide_count_dead_letter(struct tide *tide, uint64_t consumer, struct failure *failure);

/* Sets the number of bytes that the open transaction has written, which is limited, and returns the
 * former one. Dead letters do not count. */
uint64_t tide_set_written_bytes(struct tide *tide, uint64_t bytes);

/* Parked records of a consumer: all, or those of a table or of a key. A key with other than one
 * attribute is VALIDATION. */
struct tide_parked_scope {
	struct slice table_name;     /* empty: of all tables */
	struct slice key;            /* a map with the partition key only; empty: of all keys */
};

enum tide_parked_command { TIDE_REPLAY, TIDE_DISCARD };

/* State of a command that runs in steps. Only limit is set before the first step. */
struct tide_parked_steps {
	uint64_t limit;              /* maximum number of records; of transactions, if the consumer
	                              * has parked these */
	struct parked_place place;   /* place of the last record of the steps so far */
	uint64_t count;              /* records or transactions marked or removed so far */
	bool is_done;                /* no step follows */
};

/* Runs the next step of a command in a separate transaction: marks or removes records, or the
 * transactions that contain such records. */
int tide_change_parked(struct tide *tide, struct slice name, enum tide_parked_command command,
	const struct tide_parked_scope *scope, struct tide_parked_steps *steps,
	struct failure *failure);

/* Appends up to `limit` records, or all records of up to `limit` parked transactions, to page, and
 * stops after a megabyte and the end of a transaction: for each its place, u8 1 if it is to be
 * delivered again, u64 the transaction with which it is parked (0: none), the copy (counted).
 * Continues after *place and moves it; END after the last record. tide_parked_replays appends only
 * those that are to be delivered again; it ignores `hashes` for transactions. */
int tide_parked_page(struct tide *tide, struct slice name, const struct tide_parked_scope *scope,
	uint32_t limit, struct parked_place *place, struct buffer *page, struct failure *failure);
int tide_parked_replays(struct tide *tide, const struct shard_hashes *hashes, uint64_t consumer,
	uint32_t limit, struct buffer *page, struct failure *failure);

/* Appends table id and hash of each key that has parked records, and sets *version. */
int tide_parked_items(struct tide *tide, uint64_t consumer, struct buffer *items,
	uint64_t *version, struct failure *failure);

/* --- for views (lua/tidetable/view) --- */

/* Sets *clock_ms to the expiry clock (doc/format.md, "Time"), in ms since 1970: the wall clock
 * without a jump forward that is not confirmed. */
int tide_expiry_clock(struct tide *tide, uint64_t *clock_ms, struct failure *failure);

/* Shows the items of the snapshot that have expired and are not removed yet. */
void tide_snapshot_show_expired(struct tide_snapshot *snapshot);

#endif
