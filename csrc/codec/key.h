/* key.h - an item's key as bytes: table, partition key and sort key, order-preserving.
 *
 *     head       table id (codec/id.h), then the partition key:
 *                S, B   0x01, the bytes with 0x00 as 0x00 0xff, then 0x00 0x01
 *                N      0x01, the number (codec/number.h), self-terminating
 *                if that is longer than KEY_HEAD_INLINE bytes:
 *                       0x02, keyed 128-bit hash of the partition key's bytes
 *     sort       S, B   the bytes; N the number; no sort key: nothing
 *
 * A short partition key is stored in full, so inserts with ascending ids append and a scan is in
 * key order. A long partition key is replaced by a hash that is keyed with the database's secret.
 * The full key is stored in the item and is compared each time the hash matches.
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

/* Maximum length of both key attributes as a map body, which consists of a count and, for each
 * attribute, the name with its length, the type, and the value with its length. */
#define KEY_ATTRIBUTES_MAX (1 + 2 * (2 + 255 + 1 + 2) + PARTITION_KEY_MAX + SORT_KEY_MAX)

struct key {
	uint16_t head_len;
	uint16_t sort_len;
	uint32_t partition_hash;   /* keyed hash of the partition key; stored in records */
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
	enum type type;      /* TYPE_S, TYPE_N, TYPE_B; 0 if none */
	uint8_t len;
	char name[256];      /* UTF-8, at most 255 bytes, then NUL */
};

struct key_schema {
	struct key_attribute partition;
	struct key_attribute sort;         /* type 0 if there is no sort key */
};

static inline struct slice attribute_name(const struct key_attribute *attribute)
{
	return (struct slice){ (const uint8_t *)attribute->name, attribute->len };
}

/* Returns the keyed hash of a partition key, given as the bytes of its value. */
static inline uint32_t hash_partition(struct slice partition,
	const uint8_t secret[HASH_SECRET_BYTES])
{
	return (uint32_t)hash64(secret, partition);
}

/* Sets the head of a key from the value of the partition key and leaves the sort part empty.
 * Errors: KEY_TYPE, KEY_EMPTY, PARTITION_KEY_TOO_LONG. */
int key_set_partition(struct key *key, uint32_t table, const struct key_schema *schema,
	const struct value *partition, const uint8_t secret[HASH_SECRET_BYTES]);

/* Sets the sort part of a key. Errors: KEY_TYPE, KEY_EMPTY, SORT_KEY_TOO_LONG. */
int key_set_sort(struct key *key, const struct key_schema *schema, const struct value *sort);

/* The key attributes of an item, borrowed from it. */
struct key_values {
	struct value partition;
	struct value sort;                 /* type 0 if the schema has no sort key */
	struct slice partition_bytes;      /* the attribute: name, type and value */
	struct slice sort_bytes;
};

/* Finds the key attributes of an item. Errors: KEY_MISSING, CORRUPT. */
int key_find(struct key_values *values, const struct key_schema *schema, struct slice item);

/* Sets the key from the key attributes of an item. Errors: those of key_set_partition and
 * key_set_sort. */
int key_of_values(struct key *key, uint32_t table, const struct key_schema *schema,
	const struct key_values *values, const uint8_t secret[HASH_SECRET_BYTES]);

/* Writes the key attributes as a map body into buf and sets *body. Returns CORRUPT if they are
 * longer than those of a valid key. */
int key_put_attributes(struct slice *body, const struct key_values *values,
	uint8_t buf[KEY_ATTRIBUTES_MAX]);

/* Sets the key from an item. Errors: KEY_MISSING and those of key_of_values. */
int key_of_item(struct key *key, uint32_t table, const struct key_schema *schema,
	struct slice item, const uint8_t secret[HASH_SECRET_BYTES]);

/* Like key_of_item, but returns KEY_SCHEMA if the item has other attributes than the key. */
int key_of_key(struct key *key, uint32_t table, const struct key_schema *schema,
	struct slice item, const uint8_t secret[HASH_SECRET_BYTES]);

/* Decodes the bytes of a key. The partition key is unescaped into scratch if necessary; a hashed
 * partition key has type 0 and the hash as its bytes. The sort key is borrowed from key; its type
 * is 0 if the schema has none. Returns CORRUPT if the bytes are not a key of this schema. */
int key_read(struct key_values *values, struct slice key, const struct key_schema *schema,
	struct buffer *scratch);

/* Returns true if the partition key is hashed. The caller must then compare the full key of the
 * item. head is the head of a key or a whole key and must not be empty. */
static inline bool head_is_hashed(struct slice head)
{
	size_t start = id_width(head.data[0]);

	return head.len > start && head.data[start] == KEY_HEAD_HASHED;
}

static inline bool key_is_hashed(const struct key *key)
{
	return head_is_hashed(key_head(key));
}

/* Sort key conditions of a query. */
enum comparison {
	COMPARE_ALL, COMPARE_EQUAL, COMPARE_LESS, COMPARE_LESS_OR_EQUAL, COMPARE_GREATER,
	COMPARE_GREATER_OR_EQUAL, COMPARE_BETWEEN, COMPARE_BEGINS_WITH,
};

#endif
