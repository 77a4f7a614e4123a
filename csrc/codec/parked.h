/* parked.h - parked records: rows of `consumers`.
 *
 *     key     kind (CONSUMER_PARKED), consumer id (u64), table id (u32), hash of the partition key
 *             (16 bytes), sequence number (u64), part (u16), from 0
 *     value   the parts of all rows together:
 *               failed attempts (u32), wall clock when it was parked (u64), error (counted)
 *               stream id (u32), the stream's row (codec/schema.h, counted)
 *               the record as a feed delivers it (codec/record.h, "in memory")
 *
 * The mark of a record that is to be delivered again is a row with the kind CONSUMER_REPLAY, the
 * same key without part, and no payload. The hash is SipHash-2-4-128 of the value of the partition
 * key, under the file's secret. So the records of one key are adjacent, in the order of their
 * changes.
 *
 * A record that is parked with its transaction has a row in addition, its member row:
 *
 *     key     kind (CONSUMER_MEMBER), consumer id (u64), transaction id (u64),
 *             sequence number (u64)
 *     value   table id (u32), hash of the partition key (16 bytes)
 *
 * The mark of a parked transaction is a row with the kind CONSUMER_REPLAY_TRANSACTION, the same key
 * without sequence number, and no payload.
 */
#ifndef CODEC_PARKED_H
#define CODEC_PARKED_H

#include "base/buffer.h"
#include "base/hash.h"

#define PARKED_ERROR_MAX 1024
#define PARKED_PLACE_BYTES 28        /* table id, hash, sequence number */
#define PARKED_ITEM_BYTES 20         /* table id, hash */
#define PARKED_MARK_KEY (1 + 8 + PARKED_PLACE_BYTES)
#define PARKED_KEY (PARKED_MARK_KEY + 2)
#define PARKED_LAST_PART UINT16_MAX  /* follows every part */
#define PARKED_TRANSACTION_KEY (1 + 8 + 8)   /* of the mark of a parked transaction */
#define PARKED_MEMBER_KEY (PARKED_TRANSACTION_KEY + 8)

/* Place of a parked record among those of its consumer. */
struct parked_place {
	uint64_t consumer;
	uint32_t table;
	uint8_t hash[HASH_BYTES];
	uint64_t sequence;
};

/* A record that is parked with its transaction. */
struct parked_member {
	uint64_t transaction;        /* id */
	struct parked_place place;
};

struct parked_copy {
	uint32_t attempts;           /* failed attempts */
	uint64_t parked_ms;
	struct slice error;          /* text of the last one */
	uint32_t stream;             /* id */
	struct slice stream_row;
	struct slice record;
};

/* Writes the key of a row and returns its length. part is ignored for CONSUMER_REPLAY. */
size_t parked_set_key(uint8_t key[PARKED_KEY], uint8_t kind, const struct parked_place *place,
	uint16_t part);

/* Decodes the key of a row of either kind. Returns false for another key. */
bool parked_get_key(struct parked_place *place, uint16_t *part, struct slice key);

/* Writes the key of the row of a record of a parked transaction (CONSUMER_MEMBER), or of the mark
 * of the transaction, and returns its length. */
size_t parked_member_set_key(uint8_t key[PARKED_MEMBER_KEY], uint8_t kind,
	const struct parked_member *member);

/* Decodes the key of a row of either kind; the sequence number of a mark is 0. Returns false for
 * another key. The table and the hash of the place are left unchanged. */
bool parked_member_get_key(struct parked_member *member, struct slice key);

/* Writes and decodes the payload of a member row: table and hash of the place. Decoding returns 0
 * or CORRUPT. */
void parked_member_set(uint8_t bytes[PARKED_ITEM_BYTES], const struct parked_member *member);
int parked_member_get(struct parked_member *member, struct slice bytes);

/* Writes the place without the consumer. */
void parked_set_place(uint8_t bytes[PARKED_PLACE_BYTES], const struct parked_place *place);
void parked_get_place(struct parked_place *place, const uint8_t bytes[PARKED_PLACE_BYTES]);

/* Encodes a copy. An error text longer than PARKED_ERROR_MAX is cut at a character. */
void parked_put(struct buffer *out, const struct parked_copy *copy);

/* Decodes a copy, whose slices borrow from bytes. Returns 0 or CORRUPT. The record itself is not
 * verified. */
int parked_get(struct parked_copy *copy, struct slice bytes);

#endif
