/* record.h - a stream's record: one change of one item.
 *
 *     key of a row   stream id (u32), sequence number (u64), part (u16)
 *     value          checksum (u32) of the row's key and of what follows, then
 *                    the row's share of the record
 *
 *     record, byte by byte
 *      0   1   format (RECORD_FORMAT)
 *      1   1   event: 1 INSERT, 2 MODIFY, 3 REMOVE
 *      2   1   origin: 0 a user's write, 1 time to live
 *      3   1   0
 *      4   4   position in its transaction, from 0
 *      8   4   count of records in its transaction
 *     12   8   sequence number
 *     20   8   transaction id: the sequence number of the transaction's first
 *     28   8   created at, ms since 1970 as the clock said
 *     36   8   retention clock at that moment, ms (doc/format.md, "Time")
 *     44   8   hash of the partition key
 *     52   8   ordinal in its stream, from 1
 *     60   8   bytes of its stream up to and with this record
 *     68   4   length of the keys (a map body)
 *     72   4   length of the old image; 0: none (an item is never empty)
 *     76   4   length of the new image; 0: none
 *     80       keys, old image, new image
 *
 * A record lies in one row while it fits in a page's share; a longer one is
 * cut before its new image and wherever a row is full. Bytes of a stream are
 * those of its records: head, keys and images.
 */
#ifndef CODEC_RECORD_H
#define CODEC_RECORD_H

#include "base/buffer.h"

#define RECORD_FORMAT 1
#define RECORD_HEAD 80
#define RECORD_KEY 14

enum event { EVENT_INSERT = 1, EVENT_MODIFY, EVENT_REMOVE };
enum origin { ORIGIN_USER = 0, ORIGIN_TIME_TO_LIVE };

struct record {
	uint8_t event;
	uint8_t origin;
	uint32_t position;
	uint32_t count;
	uint64_t sequence;
	uint64_t transaction;
	uint64_t created_ms;
	uint64_t retention_ms;
	uint64_t partition_hash;
	uint64_t ordinal;
	uint64_t stream_bytes;
	struct slice keys;
	struct slice old_image;    /* len 0: none */
	struct slice new_image;
};

static inline size_t record_bytes(const struct record *record)
{
	return RECORD_HEAD + record->keys.len + record->old_image.len + record->new_image.len;
}

/* Its size by DynamoDB's rule, keys and images; counted when it is asked for, and
 * not by every writer. Trusts checked bytes. */
size_t record_size(const struct record *record);

/* The sequence number in a record's bytes. */
static inline uint64_t record_sequence(const uint8_t head[RECORD_HEAD])
{
	return get_u64(head + 12);
}

/* The name DynamoDB gives the event: INSERT, MODIFY, REMOVE. */
const char *event_name(uint8_t event);

void record_put_head(const struct record *record, uint8_t head[RECORD_HEAD]);

/* Reads a head alone; the slices get their lengths and no address. CORRUPT,
 * also for what can't be: an old image of an INSERT, a new one of a REMOVE, no
 * keys, a position past the count, a transaction past the sequence number, a
 * sequence number past SEQUENCE_MAX, a transaction or ordinal of 0, fewer stream
 * bytes than the record has. */
int record_get_head(struct record *record, struct slice bytes);

/* Reads a whole record; the slices point into bytes. CORRUPT. */
int record_get(struct record *record, struct slice bytes);

/* Verifies the images as well as the frame. */
int record_check(struct slice bytes);

void record_set_key(uint8_t key[RECORD_KEY], uint32_t stream, uint64_t sequence, uint16_t part);

#endif
