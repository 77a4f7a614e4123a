/* consumer.h - rows of `consumers`: consumers and the progress of their shards.
 *
 * The functions encode and decode the payloads of these rows (codec/row.h). doc/format.md
 * describes the layouts.
 */
#ifndef CODEC_CONSUMER_H
#define CODEC_CONSUMER_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/key.h"

/* First byte of the key of a row in `consumers`. */
#define CONSUMER_ROW 0x30
#define CONSUMER_PROGRESS 0x31
#define CONSUMER_FLOOR 0x32
#define CONSUMER_PARKED 0x33
#define CONSUMER_REPLAY 0x34
#define CONSUMER_COPY 0x35
#define CONSUMER_HOLD 0x36
#define CONSUMER_MEMBER 0x37
#define CONSUMER_REPLAY_TRANSACTION 0x38

#define CONSUMER_SHARD_KEY (1 + 8 + 2)       /* kind, consumer id, shard: progress, copy */
#define CONSUMER_STREAM_KEY (1 + 8 + 4)      /* kind, consumer id and stream id: floor, hold */

#define CONSUMER_FLOOR_BYTES 16              /* of the payload of a floor */

#define CONSUMER_NAME_MAX 255
#define CONSUMER_SOURCES_MAX 100
#define CONSUMER_END_MAX 255
#define CONSUMER_SHARDS_MAX 4096
#define CONSUMER_ROUNDS_MAX 3
#define WORKER_OPENING_BYTES 16
#define HOLD_LIMIT_MS (UINT64_C(24) * 3600 * 1000)       /* unless another one is given */

struct consumer_row {
	uint64_t id;
	uint64_t created_ms;
	bool is_paused;
	uint16_t shards;
	struct slice streams;        /* ids (u32), ascending; empty: all streams */
	struct slice settings;       /* a map (codec/value.h) */
};

/* The worker that handles the records of a shard. All bytes are 0 if there is none. */
struct shard_owner {
	uint8_t opening[WORKER_OPENING_BYTES];       /* random id of one opening of the file */
	uint32_t worker;             /* its number in that opening, from 1 */
};

/* Progress of the shards `first` to `last` of a consumer. */
struct progress_row {
	uint16_t first;              /* from the row's key */
	uint16_t last;
	uint64_t epoch;
	struct shard_owner owner;
	uint64_t position;           /* sequence number of the last processed record */
	uint64_t moved_ms;           /* retention clock when the position or the hold was last
	                              * set */
	uint32_t attempts;           /* failed attempts of the batch after the position */
	uint32_t largest_batch;      /* maximum number of records of a batch; 0: no limit */
	uint64_t limit_until;        /* position at which largest_batch ends */
	uint64_t parked;             /* number of parked records */
	uint64_t parked_bytes;       /* size of these records */
	uint64_t parked_version;     /* increased whenever parked records change */
	uint64_t replays;            /* number of marked ones: to be delivered again */
	bool is_copying;             /* a snapshot is being delivered */
	uint64_t hold_ms;            /* the setting hold_limit; 0: the consumer holds no records */
	uint64_t records;            /* statistics: records handled */
	uint64_t batches;            /* batches committed */
	uint64_t failures;           /* failed attempts */
	uint64_t gaps;               /* number of times that records were lost */
	uint64_t dead_letters;       /* records put into the table of dead letters */
	uint64_t takeovers;          /* of ranges whose owner was no longer alive */
	struct slice end;            /* code and message of the error that ended its last run,
	                              * at most CONSUMER_END_MAX bytes; empty: none */
};

/* State of a copy: a consumer that is copying has processed all records up to its position whose
 * item keys are at most `key`, and no record of the keys after it. */
struct copy_row {
	bool has_begun;              /* its beginning was committed (MARK_BEGIN) */
	uint8_t rounds;              /* copies begun since the last one that ended, 1 to
	                              * CONSUMER_ROUNDS_MAX */
	uint64_t items;              /* number of items delivered */
	struct slice key;            /* item key (codec/key.h) of the last item that was delivered
	                              * or ignored; empty: none */
};

/* Beginning or end of a copy, each a commit without records. */
enum consume_mark { MARK_NONE, MARK_BEGIN, MARK_END };

/* Hold of a consumer on a stream, or on all streams. */
struct hold_row {
	uint64_t position;           /* position for which waiting_ms was set */
	uint64_t waiting_ms;         /* retention clock since which records wait at this position,
	                              * because the first of them may have been removed; 0: none */
};

/* What ends the hold of a consumer on a stream. */
enum lag_limit { LAG_AGE = 1, LAG_BYTES, LAG_WAIT };

/* Sums over the streams of a consumer's source. */
struct lag {
	uint64_t records, bytes;     /* that wait for the consumer */
	uint64_t age_ms;             /* of the oldest of them, on the retention clock */
	uint64_t held_bytes;         /* of those that have exceeded their retention */
	bool is_held;                /* the consumer holds records */
	bool is_released;            /* its hold on a stream is released */
	uint32_t used;               /* thousandths used of the nearest limit of its hold */
	enum lag_limit limit;        /* that limit; 0: none, as no records wait or are held */
	uint32_t stream;             /* stream of that limit */
};

/* The batch in the handler of a worker. */
struct handler_batch {
	uint32_t records;            /* 0: none, the worker is not in its handler */
	uint64_t last;               /* sequence number of its last record; of a consumer that is
	                              * copying: number of items delivered by then */
};

/* A batch of records that a worker has handled. */
struct consume_batch {
	uint64_t consumer;           /* id */
	uint64_t epoch;              /* of the worker */
	uint16_t first;              /* first of its shards */
	uint64_t from;               /* position before its first record */
	uint64_t to;                 /* position after its last record */
	uint64_t records;
	uint64_t parked_version;     /* with which the worker read the parked keys */
	bool is_ignored;             /* its records were ignored, and no handler gets it */
	enum consume_mark mark;      /* the other fields are for a consumer that is copying */
	uint64_t copied;             /* number of items delivered before the batch */
	uint64_t items;              /* number of its records that are items of the snapshot */
	struct slice key;            /* item key of the last item that was delivered or ignored;
	                              * empty: none */
};

/* How the records of a consumer are divided into batches. */
enum consumer_by { BY_UNCHANGED, BY_KEY, BY_TRANSACTION };

/* A change of a consumer's definition. */
struct consumer_change {
	struct slice settings;
	uint64_t hold_ms;            /* limit of its hold; 0: none */
	uint16_t shards;             /* 0: unchanged */
	enum consumer_by by;
};

/* A range of shards, which a worker owns in an epoch. */
struct shard_range {
	uint64_t consumer;           /* id */
	uint16_t first;              /* first shard; the last one is in the file */
	uint64_t epoch;
};

/* The partition hashes of a range of shards. */
struct shard_hashes {
	uint32_t first, last;
};

/* Returns the lowest partition hash of a shard if there are `shards` shards. For shard = shards,
 * returns the highest hash plus 1. */
static inline uint64_t shard_hash(uint32_t shard, uint32_t shards)
{
	return (((uint64_t)shard << 32) + shards - 1) / shards;
}

/* Returns the shard of a partition hash if there are `shards` shards. */
static inline uint16_t hash_shard(uint32_t hash, uint32_t shards)
{
	return (uint16_t)((uint64_t)hash * shards >> 32);
}

static inline struct shard_hashes hashes_of_shards(uint16_t first, uint16_t last, uint16_t shards)
{
	return (struct shard_hashes){ (uint32_t)shard_hash(first, shards),
		(uint32_t)(shard_hash(last + 1u, shards) - 1) };
}

/* Returns true if a row of `consumers` can have this key. */
bool is_consumers_key(struct slice key);

/* Returns true for 1 to 255 of a-z A-Z 0-9 _ . - */
bool is_consumer_name(struct slice name);

/* Returns true for at most CONSUMER_SOURCES_MAX ids (u32) of streams of tables, ascending. */
bool is_consumer_source(struct slice streams);

void consumer_put(struct buffer *out, const struct consumer_row *row);
void progress_put(struct buffer *out, const struct progress_row *row);
void copy_put(struct buffer *out, const struct copy_row *row);
void hold_put(struct buffer *out, const struct hold_row *row);

/* These functions decode a payload and return 0 or CORRUPT. Slices borrow from it. */
int consumer_get(struct consumer_row *row, struct slice bytes);
int progress_get(struct progress_row *row, struct slice bytes);
int copy_get(struct copy_row *row, struct slice bytes);
int hold_get(struct hold_row *row, struct slice bytes);

/* Returns the time, in ms, for which records may wait before the consumer's hold is released; 0 if
 * the consumer has no hold. A consumer that is copying always has one. */
static inline uint64_t progress_hold_ms(const struct progress_row *row)
{
	return row->hold_ms || !row->is_copying ? row->hold_ms : HOLD_LIMIT_MS;
}

#endif
