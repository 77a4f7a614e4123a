/* key.c - from key attributes to bytes; key.h draws them. */
#include "codec/key.h"

#include <assert.h>

#include "base/error.h"

#define HEAD_START 4        /* behind the table id */
#define INLINE 0x01
#define HASHED 0x02
#define ESCAPE 0xff         /* behind 0x00: this byte belongs to the key */
#define LAST 0x01           /* behind 0x00: the key has ended */

static size_t count_zeros(struct slice bytes)
{
	size_t i, zeros = 0;

	for (i = 0; i < bytes.len; i++)
		zeros += bytes.data[i] == 0;
	return zeros;
}

static uint8_t *put_escaped(uint8_t *p, struct slice bytes)
{
	size_t i;

	for (i = 0; i < bytes.len; i++) {
		*p++ = bytes.data[i];
		if (bytes.data[i] == 0)
			*p++ = ESCAPE;
	}
	return p;
}

/* Writes bytes so that their end shows, at p, in at most `room` bytes. Returns
 * how many it took; 0 if the room is too small. */
static size_t put_ended(uint8_t *p, size_t room, struct slice bytes)
{
	uint8_t *end = p + bytes.len;

	if (bytes.len + 2 > room)
		return 0;
	if (!memchr(bytes.data, 0, bytes.len))
		memcpy(p, bytes.data, bytes.len);
	else if (bytes.len + count_zeros(bytes) + 2 <= room)
		end = put_escaped(p, bytes);
	else
		return 0;
	*end++ = 0;
	*end++ = LAST;
	return (size_t)(end - p);
}

/* Writes a partition key behind the table id; returns the head's length. */
static size_t put_partition(uint8_t *head, const struct value *partition,
	const uint8_t secret[HASH_SECRET_BYTES])
{
	uint8_t *p = head + HEAD_START + 1;
	size_t len;

	head[HEAD_START] = INLINE;
	if (partition->type == TYPE_N) {
		memcpy(p, partition->bytes.data, partition->bytes.len);
		return HEAD_START + 1 + partition->bytes.len;
	}
	len = put_ended(p, KEY_HEAD_INLINE - 1, partition->bytes);
	if (len)
		return HEAD_START + 1 + len;
	head[HEAD_START] = HASHED;
	hash128(secret, partition->bytes, p);
	return HEAD_START + 1 + HASH_BYTES;
}

int key_set_partition(struct key *key, uint32_t table, const struct key_schema *schema,
	const struct value *partition, const uint8_t secret[HASH_SECRET_BYTES])
{
	if (partition->type != schema->partition.type)
		return ERR_KEY_TYPE;
	if (partition->bytes.len == 0)
		return ERR_KEY_EMPTY;
	if (partition->bytes.len > PARTITION_KEY_MAX)
		return ERR_PARTITION_KEY_TOO_LONG;
	set_u32(key->bytes, table);
	key->head_len = (uint16_t)put_partition(key->bytes, partition, secret);
	key->sort_len = 0;
	key->partition_hash = hash64(secret, partition->bytes);
	return 0;
}

int key_set_sort(struct key *key, const struct key_schema *schema, const struct value *sort)
{
	assert(key->head_len > HEAD_START);

	if (sort->type != schema->sort.type)
		return ERR_KEY_TYPE;
	if (sort->bytes.len == 0)
		return ERR_KEY_EMPTY;
	if (sort->bytes.len > SORT_KEY_MAX)
		return ERR_SORT_KEY_TOO_LONG;
	memcpy(key->bytes + key->head_len, sort->bytes.data, sort->bytes.len);
	key->sort_len = (uint16_t)sort->bytes.len;
	return 0;
}

static int find(struct slice item, const struct key_attribute *attribute, struct value *value)
{
	int err = map_find(item, attribute_name(attribute), value);

	return err == END ? ERR_KEY_MISSING : err;
}

int key_of_item(struct key *key, uint32_t table, const struct key_schema *schema,
	struct slice item, const uint8_t secret[HASH_SECRET_BYTES])
{
	struct value value;
	int err;

	err = find(item, &schema->partition, &value);
	if (!err)
		err = key_set_partition(key, table, schema, &value, secret);
	if (err || !schema->sort.type)
		return err;
	err = find(item, &schema->sort, &value);
	return err ? err : key_set_sort(key, schema, &value);
}

int key_of_key(struct key *key, uint32_t table, const struct key_schema *schema,
	struct slice item, const uint8_t secret[HASH_SECRET_BYTES])
{
	struct map_walk walk;
	int err;

	err = map_start(&walk, item);
	if (err)
		return err;
	if (walk.left != (schema->sort.type ? 2u : 1u))
		return ERR_KEY_SCHEMA;
	err = key_of_item(key, table, schema, item, secret);
	return err == ERR_KEY_MISSING || err == ERR_KEY_TYPE ? ERR_KEY_SCHEMA : err;
}

static int put_attribute(struct buffer *out, const struct key_attribute *attribute,
	struct slice item)
{
	struct value value;
	int err;

	err = find(item, attribute, &value);
	if (err)
		return err;
	if (value.type != attribute->type)
		return ERR_KEY_TYPE;
	buffer_put_counted(out, attribute_name(attribute));
	buffer_put_u8(out, (uint8_t)value.type);
	if (value.type == TYPE_N)
		buffer_put_slice(out, value.bytes);
	else
		buffer_put_counted(out, value.bytes);
	return 0;
}

int key_attributes(struct buffer *out, const struct key_schema *schema, struct slice item)
{
	const struct key_attribute *first = &schema->partition, *second = &schema->sort;
	int err;

	if (!second->type) {
		buffer_put_varint(out, 1);
		err = put_attribute(out, first, item);
		return err ? err : buffer_error(out);
	}
	if (slice_compare(attribute_name(first), attribute_name(second)) > 0) {
		first = &schema->sort;
		second = &schema->partition;
	}
	buffer_put_varint(out, 2);
	err = put_attribute(out, first, item);
	if (!err)
		err = put_attribute(out, second, item);
	return err ? err : buffer_error(out);
}
