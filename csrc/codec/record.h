/* record.h - a stream's record: one change of one item.
 *
 *     key of a row   stream id (codec/id.h), sequence number (u64); in further rows
 *                    of the same record their number as well (u16), from 1
 *     value          checksum (u32) of the row's key and of what follows, then
 *                    the row's share of the record
 *
 *     record, byte by byte
 *      0   1   format (RECORD_FORMAT)
 *      1   1   event: 1 INSERT, 2 MODIFY, 3 REMOVE; 4 more: time to live did it
 *      2   4   hash of the partition key
 *      6   5   widths of the numbers, half a byte for each
 *     11       numbers, each in so many bytes and as few as it takes, 0 in none,
 *              the lowest first, so that one load and a mask read it:
 *              position in its transaction, from 0
 *              how many of the transaction's records follow it
 *              how many sequence numbers of the transaction before it have no record
 *              created at, ms since 1970 as the clock said
 *              retention clock at that moment less created at (doc/format.md,
 *                "Time"), zigzag
 *              ordinal in its stream, from 1
 *              bytes of its stream up to and with this record
 *              length of the keys (a map body), of the old, of the new image; 0: none
 *              (an item is never empty)
 *              keys, old image, new image
 *
 * The key attributes are in the new image, so keys are kept only where there is none.
 * Ids of transactions are the sequence numbers of their first changes.
 *
 * A record lies in one row while it fits in a page's share; a longer one is
 * cut before its new image and wherever a row is full. Bytes of a stream are
 * those of its records: images, keys that are kept, and RECORD_OVERHEAD for each.
 *
 * In memory its sequence number (u64) goes before it, which rows have in their keys.
 */
#ifndef CODEC_RECORD_H
#define CODEC_RECORD_H

#include "base/buffer.h"
#include "codec/key.h"

#define RECORD_FORMAT 2
#define RECORD_KEY_MAX (ID_MAX + 8 + 2)
#define RECORD_PREFIX 8              /* the sequence number, in memory */
#define RECORD_NUMBERS 10
#define RECORD_WIDTHS_AT 6
#define RECORD_NUMBERS_AT (RECORD_WIDTHS_AT + RECORD_NUMBERS / 2)
#define RECORD_HEAD_MAX (RECORD_NUMBERS_AT + RECORD_NUMBERS * 8)
#define RECORD_OVERHEAD 64           /* head, row and node, about */

enum event { EVENT_INSERT = 1, EVENT_MODIFY, EVENT_REMOVE };
enum origin { ORIGIN_USER = 0, ORIGIN_TIME_TO_LIVE };

struct record {
	uint8_t event;
	uint8_t origin;
	uint8_t head_len;          /* of what was read */
	uint32_t position;
	uint32_t count;
	uint64_t sequence;
	uint64_t transaction;
	uint64_t created_ms;
	uint64_t retention_ms;
	uint32_t partition_hash;
	uint64_t ordinal;
	uint64_t stream_bytes;
	struct slice keys;         /* len 0: they are in the new image */
	struct slice old_image;    /* len 0: none */
	struct slice new_image;
};

static inline size_t record_body(const struct record *record)
{
	return record->keys.len + record->old_image.len + record->new_image.len;
}

/* What it adds to its stream's bytes. */
static inline size_t record_bytes(const struct record *record)
{
	return RECORD_OVERHEAD + record_body(record);
}

/* Its length in rows, of a record that was read. */
static inline size_t record_len(const struct record *record)
{
	return record->head_len + record_body(record);
}

/* The key attributes as a map body, as they are kept or out of the new image; then
 * they are put together in `room`. KEY_MISSING, CORRUPT. */
int record_keys(struct slice *keys, const struct record *record,
	const struct key_schema *schema, uint8_t buf[KEY_ATTRIBUTES_MAX]);

/* Its size by DynamoDB's rule, keys and images; counted when it is asked for, and
 * not by every writer. Trusts checked bytes. */
size_t record_size(const struct record *record, struct slice keys);

/* The sequence number of a record in memory. */
static inline uint64_t record_sequence(const uint8_t bytes[RECORD_PREFIX])
{
	return get_u64(bytes);
}

/* The name DynamoDB gives the event: INSERT, MODIFY, REMOVE. */
const char *event_name(uint8_t event);

/* The head's length. */
size_t record_put_head(const struct record *record, uint8_t head[RECORD_HEAD_MAX]);

/* Reads a head alone; the slices get their lengths and no address. CORRUPT,
 * also for what can't be: an old image of an INSERT, a new one of a REMOVE, neither
 * keys nor a new image, a transaction from before the first change, a sequence
 * number past SEQUENCE_MAX, an ordinal of 0, fewer stream bytes than the record has. */
int record_get_head(struct record *record, uint64_t sequence, struct slice bytes);

/* Reads a whole record in memory; the slices point into bytes. CORRUPT. */
int record_get(struct record *record, struct slice bytes);

/* Verifies the images as well as the frame. */
int record_check(struct slice bytes);

/* --- rows --- */

/* What the key of a row says. */
struct record_place {
	uint32_t stream;
	uint16_t part;
	uint64_t sequence;
};

/* Writes the key; returns its length. */
size_t record_set_key(uint8_t key[RECORD_KEY_MAX], uint32_t stream, uint64_t sequence,
	uint16_t part);

/* False for what is no key of a row. */
static inline bool record_get_key(struct record_place *place, struct slice key)
{
	const uint8_t *at;
	size_t rest;

	place->stream = get_id(key);
	if (!place->stream)
		return false;
	at = key.data + id_width(key.data[0]);
	rest = (size_t)(key.data + key.len - at);
	if (rest != 8 && rest != 10)
		return false;
	place->sequence = get_u64(at);
	place->part = rest == 10 ? get_u16(at + 8) : 0;
	return rest == 8 || place->part > 0;
}

#endif
