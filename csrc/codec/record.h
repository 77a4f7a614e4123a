/* record.h - a stream record: one change of one item, or of a table.
 *
 *     row key        stream id (codec/id.h), sequence number (u64); the second and
 *                    later rows of a record also their part number (u16), from 1
 *     row value      checksum (u32) of the row's key and of the bytes after the
 *                    checksum, then the row's part of the record
 *
 *     record: offset, width
 *      0   1   format (RECORD_FORMAT)
 *      1   1   event: 0 change of a table, 1 INSERT, 2 MODIFY, 3 REMOVE; plus 4 if caused
 *              by time to live; plus 8 if its transaction is annotated
 *      2   4   hash of the partition key; 0 for the change of a table
 *      6   5   widths of the numbers in bytes, 4 bits each
 *     11       numbers, little-endian, minimal length (zero takes no bytes), so
 *              that each is read with one load and a mask:
 *              position in its transaction, from 0
 *              number of the transaction's records after this one
 *              number of the transaction's sequence numbers before this one that
 *                have no record
 *              creation time, ms since 1970, wall clock
 *              retention clock at that time minus creation time (doc/format.md,
 *                "Time"), zigzag
 *              ordinal in its stream, from 1
 *              bytes of its stream up to and including this record
 *              lengths of the keys (a map body), old image and new image; 0 if none
 *              (an item is never empty)
 *              only plus 8: length of the annotation (u16)
 *              keys, old image, new image, annotation (codec/annotation.h)
 *
 * The change of a table (codec/table_change.h) is stored as the new image. Such a record has
 * neither keys nor an old image, and only one stream contains such records (STREAM_OF_TABLES).
 *
 * Keys are stored only in a record without a new image, because a new image contains the key
 * attributes. The id of a transaction is the sequence number of its first change.
 *
 * The annotation of a transaction is stored in the first record of the transaction in each stream
 * that time to live has not caused. The others that it has not caused are marked, and their
 * annotation has length 0. A reader appends the annotation to each of them that it copies.
 *
 * A record is one row if it fits into a page's share. A longer one is split
 * before its new image and wherever a row is full. The bytes of a stream are
 * the images, stored keys and stored annotations of its records plus RECORD_OVERHEAD for each.
 *
 * In memory a record is preceded by its sequence number (u64), which the rows
 * have in their keys.
 */
#ifndef CODEC_RECORD_H
#define CODEC_RECORD_H

#include "base/buffer.h"
#include "codec/annotation.h"
#include "codec/key.h"

#define RECORD_FORMAT 3
#define RECORD_KEY_MAX (ID_MAX + 8 + 2)
#define RECORD_PREFIX 8              /* the sequence number, in memory */
#define RECORD_NUMBERS 10
#define RECORD_WIDTHS_AT 6
#define RECORD_NUMBERS_AT (RECORD_WIDTHS_AT + RECORD_NUMBERS / 2)
#define RECORD_ANNOTATION_WIDTH 2    /* of the annotation's length */
#define RECORD_HEADER_MAX \
	(RECORD_NUMBERS_AT + RECORD_NUMBERS * 8 + RECORD_ANNOTATION_WIDTH)
#define RECORD_OVERHEAD 64           /* approximate size of record header, row header and node */

enum event { EVENT_TABLE = 0, EVENT_INSERT, EVENT_MODIFY, EVENT_REMOVE };
/* A record with ORIGIN_SNAPSHOT is in memory only: an item that was read from a table. Its ordinal
 * is the last sequence number of the snapshot, and it is a transaction of its own. */
enum origin { ORIGIN_USER = 0, ORIGIN_TIME_TO_LIVE, ORIGIN_SNAPSHOT };

struct record {
	uint8_t event;
	uint8_t origin;
	bool is_annotated;           /* its transaction is */
	uint8_t header_len;          /* set by record_get_header and record_get */
	uint32_t position;
	uint32_t count;
	uint64_t sequence;
	uint64_t transaction;
	uint64_t created_ms;
	uint64_t retention_ms;
	uint32_t partition_hash;
	uint64_t ordinal;
	uint64_t stream_bytes;
	struct slice keys;         /* empty if the keys are in the new image */
	struct slice old_image;    /* empty if none */
	struct slice new_image;
	struct slice annotation;   /* empty if none, or if another record has it */
};

static inline size_t record_body(const struct record *record)
{
	return record->keys.len + record->old_image.len + record->new_image.len +
		record->annotation.len;
}

/* Returns the number of bytes that the record adds to its stream. */
static inline size_t record_bytes(const struct record *record)
{
	return RECORD_OVERHEAD + record_body(record);
}

/* Returns true if the annotation of the record's transaction is in another record. */
static inline bool record_lacks_annotation(const struct record *record)
{
	return record->is_annotated && record->annotation.len == 0;
}

/* Returns the encoded length of a decoded record. */
static inline size_t record_len(const struct record *record)
{
	return record->header_len + record_body(record);
}

/* Sets *keys to the key attributes of the record as a map body. These are the stored keys, or a
 * copy in buf of the key attributes of the new image. The change of a table has none: *keys is then
 * empty. Errors: KEY_MISSING, CORRUPT. */
int record_keys(struct slice *keys, const struct record *record,
	const struct key_schema *schema, uint8_t buf[KEY_ATTRIBUTES_MAX]);

/* Returns the size of the record's keys and images as DynamoDB counts it; the length of the change
 * of a table. The bytes must be valid. The size is not stored, so that writers need not compute
 * it. */
size_t record_size(const struct record *record, struct slice keys);

/* Returns the sequence number of a record in memory. */
static inline uint64_t record_sequence(const uint8_t bytes[RECORD_PREFIX])
{
	return get_u64(bytes);
}

/* Returns DynamoDB's name of the event: INSERT, MODIFY, REMOVE. That of the change of a table is in
 * its content. */
const char *event_name(uint8_t event);

/* Encodes the header of a record and returns its length. */
size_t record_put_header(const struct record *record, uint8_t header[RECORD_HEADER_MAX]);

/* Decodes only the header of a record. The slices of the record get their lengths but no
 * addresses. Returns CORRUPT if the bytes do not decode or the record is impossible: an INSERT
 * with an old image, a REMOVE with a new image, the item of a snapshot, neither keys nor a new
 * image, the change of a table with keys, an old image or a partition hash, a transaction id below
 * 1, a sequence number above SEQUENCE_MAX, ordinal 0, fewer stream bytes than the record has, or a
 * mark although time to live has caused it. */
int record_get_header(struct record *record, uint64_t sequence, struct slice bytes);

/* Sets the addresses of the record's slices. bytes: those from which its header was decoded. */
static inline void record_set_addresses(struct record *record, const uint8_t *bytes)
{
	record->keys.data = bytes + record->header_len;
	record->old_image.data = record->keys.data + record->keys.len;
	record->new_image.data = record->old_image.data + record->old_image.len;
	record->annotation.data = record->new_image.data + record->new_image.len;
}

/* Decodes a record in memory, which may be the item of a snapshot. Its slices point into bytes.
 * Returns CORRUPT if the bytes are not a record. */
int record_get(struct record *record, struct slice bytes);

/* Decodes the annotation of the record, an empty one if it has none. Returns 0 or CORRUPT. */
int record_annotation(const struct record *record, struct annotation *annotation);

/* Appends the annotation to the record in memory that starts at `start` of out and extends to its
 * end. The record must be marked and have no annotation. */
void record_append_annotation(struct buffer *out, size_t start, const struct record *record,
	struct slice annotation);

/* Verifies a record in memory, including its keys, images and annotation. Returns 0 or CORRUPT. */
int record_check(struct slice bytes);

/* --- rows --- */

/* The decoded key of a row of a record. */
struct record_place {
	uint32_t stream;
	uint16_t part;
	uint64_t sequence;
};

/* Writes the key of a row of a record. Returns the length of the key. */
size_t record_set_key(uint8_t key[RECORD_KEY_MAX], uint32_t stream, uint64_t sequence,
	uint16_t part);

/* Decodes the key of a row of a record. Returns false if the key is malformed. */
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
