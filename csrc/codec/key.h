/* key.h - an item's place: its table, partition key and sort key as bytes
 * whose order is the order of the items.
 *
 *     head       table id (codec/id.h), then the partition key:
 *                S, B   0x01, the bytes with 0x00 as 0x00 0xff, then 0x00 0x01
 *                N      0x01, the number (codec/number.h), which ends by itself
 *                when that comes to more than KEY_HEAD_INLINE bytes:
 *                       0x02, keyed 128-bit hash of the partition key's bytes
 *     sort       S, B   the bytes; N the number; no sort key: nothing
 *
 * A short partition key stands as it is, so ascending ids append and a scan
 * comes in key order. A long one is hashed with the database's secret: the
 * full key is in the item and is compared on every hit.
 */
#ifndef CODEC_KEY_H
#define CODEC_KEY_H

#include "base/buffer.h"
#include "base/hash.h"
#include "codec/id.h"
#include "codec/value.h"

#define PARTITION_KEY_MAX 2048
#define SORT_KEY_MAX 1024
#define KEY_HEAD_INLINE 128
#define KEY_HEAD_MAX (ID_MAX + KEY_HEAD_INLINE)
#define KEY_HEAD_HASHED 0x02

/* Both key attributes as a map body: a count, then name (with its length), type and
 * value (with its length) of each. */
#define KEY_ATTRIBUTES_MAX (1 + 2 * (2 + 255 + 1 + 2) + PARTITION_KEY_MAX + SORT_KEY_MAX)

struct key {
	uint16_t head_len;
	uint16_t sort_len;
	uint32_t partition_hash;   /* keyed; which view of a stream a record is in */
	uint8_t bytes[KEY_HEAD_MAX + SORT_KEY_MAX];   /* head, then sort */
};

static inline struct slice key_head(const struct key *key)
{
	return (struct slice){ key->bytes, key->head_len };
}

static inline struct slice key_whole(const struct key *key)
{
	return (struct slice){ key->bytes, (size_t)key->head_len + key->sort_len };
}

/* The names and types of a table's key attributes. */
struct key_attribute {
	enum type type;      /* TYPE_S, TYPE_N, TYPE_B; 0: there is none */
	uint8_t len;
	char name[256];      /* UTF-8, at most 255 bytes, NUL behind */
};

struct key_schema {
	struct key_attribute partition;
	struct key_attribute sort;         /* type 0: no sort key */
};

static inline struct slice attribute_name(const struct key_attribute *attribute)
{
	return (struct slice){ (const uint8_t *)attribute->name, attribute->len };
}

/* Sets the head from a partition key's value: KEY_TYPE, KEY_EMPTY,
 * PARTITION_KEY_TOO_LONG. The sort part is left empty. */
int key_set_partition(struct key *key, uint32_t table, const struct key_schema *schema,
	const struct value *partition, const uint8_t secret[HASH_SECRET_BYTES]);

/* Sets the sort part: KEY_TYPE, KEY_EMPTY, SORT_KEY_TOO_LONG. */
int key_set_sort(struct key *key, const struct key_schema *schema, const struct value *sort);

/* An item's key attributes, borrowed from it: their values, and their bytes in
 * the item with name and type. */
struct key_values {
	struct value partition;
	struct value sort;                 /* type 0: the schema has none */
	struct slice partition_bytes;
	struct slice sort_bytes;
};

/* Finds them: KEY_MISSING, CORRUPT. */
int key_find(struct key_values *values, const struct key_schema *schema, struct slice item);

/* The key of these values: what the two above say. */
int key_of_values(struct key *key, uint32_t table, const struct key_schema *schema,
	const struct key_values *values, const uint8_t secret[HASH_SECRET_BYTES]);

/* What key_find has found, as a map body in room: CORRUPT where it is longer than keys are. */
int key_put_attributes(struct slice *body, const struct key_values *values,
	uint8_t buf[KEY_ATTRIBUTES_MAX]);

/* The key of an item: KEY_MISSING besides what key_of_values says. */
int key_of_item(struct key *key, uint32_t table, const struct key_schema *schema,
	struct slice item, const uint8_t secret[HASH_SECRET_BYTES]);

/* The same when the item must be the key and nothing else: KEY_SCHEMA. */
int key_of_key(struct key *key, uint32_t table, const struct key_schema *schema,
	struct slice item, const uint8_t secret[HASH_SECRET_BYTES]);

/* A key's bytes back as values: the partition key's (un-escaped into scratch if
 * need be; type 0 if only its hash is there, which is then its bytes) and the
 * sort key's, borrowed (type 0: the schema has none). CORRUPT. */
int key_read(struct key_values *values, struct slice key, const struct key_schema *schema,
	struct buffer *scratch);

/* True if a head, or a key that begins with one (neither is empty), holds a hash: then a
 * hit must be compared. */
static inline bool head_is_hashed(struct slice head)
{
	size_t start = id_width(head.data[0]);

	return head.len > start && head.data[start] == KEY_HEAD_HASHED;
}

static inline bool key_is_hashed(const struct key *key)
{
	return head_is_hashed(key_head(key));
}

/* How a query compares the sort key with its values. */
enum comparison {
	COMPARE_ALL, COMPARE_EQUAL, COMPARE_LESS, COMPARE_LESS_OR_EQUAL, COMPARE_GREATER,
	COMPARE_GREATER_OR_EQUAL, COMPARE_BETWEEN, COMPARE_BEGINS_WITH,
};

#endif
