/* key.c - encoding and decoding of keys; the layout is in key.h. */
#include "codec/key.h"

#include <assert.h>

#include "base/error.h"

#define INLINE 0x01
#define ESCAPE 0xff         /* after 0x00 if the zero byte is part of the key */
#define LAST 0x01           /* after 0x00 at the end of the key */

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

/* Writes the bytes of a partition key at p, escaped and terminated, in at most `space` bytes.
 * Returns the length written, 0 if the space is too small. */
static size_t put_terminated(uint8_t *p, size_t space, struct slice bytes)
{
	uint8_t *end = p + bytes.len;

	if (bytes.len + 2 > space)
		return 0;
	if (!memchr(bytes.data, 0, bytes.len))
		memcpy(p, bytes.data, bytes.len);
	else if (bytes.len + count_zeros(bytes) + 2 <= space)
		end = put_escaped(p, bytes);
	else
		return 0;
	*end++ = 0;
	*end++ = LAST;
	return (size_t)(end - p);
}

/* Writes a partition key at p; returns its encoded length. */
static size_t put_partition(uint8_t *p, const struct value *partition,
	const uint8_t secret[HASH_SECRET_BYTES])
{
	size_t len;

	p[0] = INLINE;
	if (partition->type == TYPE_N) {
		memcpy(p + 1, partition->bytes.data, partition->bytes.len);
		return 1 + partition->bytes.len;
	}
	len = put_terminated(p + 1, KEY_HEAD_INLINE - 1, partition->bytes);
	if (len)
		return 1 + len;
	p[0] = KEY_HEAD_HASHED;
	hash128(secret, partition->bytes, p + 1);
	return 1 + HASH_BYTES;
}

int key_set_partition(struct key *key, uint32_t table, const struct key_schema *schema,
	const struct value *partition, const uint8_t secret[HASH_SECRET_BYTES])
{
	size_t start;

	if (partition->type != schema->partition.type)
		return ERR_KEY_TYPE;
	if (partition->bytes.len == 0)
		return ERR_KEY_EMPTY;
	if (partition->bytes.len > PARTITION_KEY_MAX)
		return ERR_PARTITION_KEY_TOO_LONG;
	start = set_id(key->bytes, table);
	key->head_len = (uint16_t)(start + put_partition(key->bytes + start, partition, secret));
	key->sort_len = 0;
	key->partition_hash = hash_partition(partition->bytes, secret);
	return 0;
}

int key_set_sort(struct key *key, const struct key_schema *schema, const struct value *sort)
{
	assert(key->head_len > 1);

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

static inline bool is_named(struct slice name, const struct key_attribute *attribute)
{
	return name.len == attribute->len && memcmp(name.data, attribute->name, name.len) == 0;
}

/* Finds both key attributes in one pass over the item. */
int key_find(struct key_values *values, const struct key_schema *schema, struct slice item)
{
	bool no_sort = !schema->sort.type;
	struct map_walk walk;
	int err;

	values->partition.type = values->sort.type = 0;
	values->sort_bytes = slice_of(NULL, 0);
	err = map_start(&walk, item);
	while (!err && !(values->partition.type && (values->sort.type || no_sort))) {
		const uint8_t *start = walk.source.at;
		struct slice name;
		struct value value;

		err = map_next(&walk, &name, &value);
		if (err)
			break;
		if (is_named(name, &schema->partition)) {
			values->partition = value;
			values->partition_bytes = slice_of(start, (size_t)(walk.source.at - start));
		} else if (!no_sort && is_named(name, &schema->sort)) {
			values->sort = value;
			values->sort_bytes = slice_of(start, (size_t)(walk.source.at - start));
		}
	}
	return err == END ? ERR_KEY_MISSING : err;
}

int key_of_values(struct key *key, uint32_t table, const struct key_schema *schema,
	const struct key_values *values, const uint8_t secret[HASH_SECRET_BYTES])
{
	int err = key_set_partition(key, table, schema, &values->partition, secret);

	if (err || !schema->sort.type)
		return err;
	return key_set_sort(key, schema, &values->sort);
}

int key_of_item(struct key *key, uint32_t table, const struct key_schema *schema,
	struct slice item, const uint8_t secret[HASH_SECRET_BYTES])
{
	struct key_values values;
	int err = key_find(&values, schema, item);

	return err ? err : key_of_values(key, table, schema, &values, secret);
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

/* The attributes of the item are canonical and sorted by name, so both key attributes can be
 * copied as they are stored. */
int key_put_attributes(struct slice *body, const struct key_values *values,
	uint8_t buf[KEY_ATTRIBUTES_MAX])
{
	struct slice first = values->partition_bytes, second = values->sort_bytes;

	if (first.len > KEY_ATTRIBUTES_MAX - 1 || second.len > KEY_ATTRIBUTES_MAX - 1 - first.len)
		return ERR_CORRUPT;
	if (second.len > 0 && second.data < first.data) {
		first = values->sort_bytes;
		second = values->partition_bytes;
	}
	buf[0] = second.len > 0 ? 2 : 1;
	slice_write(slice_write(buf + 1, first), second);
	*body = slice_of(buf, 1 + first.len + second.len);
	return 0;
}

/* --- decoding --- */

/* Reads escaped bytes up to their terminator and unescapes them. */
static int read_escaped(struct source *source, struct buffer *out)
{
	buffer_clear(out);
	while (!source->err) {
		uint8_t byte = source_u8(source);

		if (byte != 0) {
			buffer_put_u8(out, byte);
			continue;
		}
		byte = source_u8(source);
		if (!source->err && byte == LAST)
			return buffer_error(out);
		if (byte != ESCAPE)
			return ERR_CORRUPT;
		buffer_put_u8(out, 0);
	}
	return ERR_CORRUPT;
}

static int read_inline(struct source *source, struct value *partition, struct buffer *scratch)
{
	int err = 0;

	if (partition->type == TYPE_N) {
		int width = number_width(slice_of(source->at, source_left(source)));

		if (width < 0)
			return ERR_CORRUPT;
		partition->bytes = source_take(source, (uint64_t)width);
	} else {
		err = read_escaped(source, scratch);
		partition->bytes = buffer_slice(scratch);
	}
	return err;
}

int key_read(struct key_values *values, struct slice key, const struct key_schema *schema,
	struct buffer *scratch)
{
	struct source source = source_of(key);
	uint8_t form;
	int err = 0;

	memset(values, 0, sizeof *values);
	values->partition.type = schema->partition.type;
	values->sort.type = schema->sort.type;
	if (!get_id(key))
		return ERR_CORRUPT;
	source_take(&source, id_width(key.data[0]));
	form = source_u8(&source);
	if (form == INLINE) {
		err = read_inline(&source, &values->partition, scratch);
	} else if (form == KEY_HEAD_HASHED) {
		values->partition = (struct value){ .bytes = source_take(&source, HASH_BYTES) };
	} else {
		err = ERR_CORRUPT;
	}
	if (err || source.err)
		return err ? err : source.err;
	values->sort.bytes = source_take(&source, source_left(&source));
	return (values->sort.type == 0) == (values->sort.bytes.len == 0) ? 0 : ERR_CORRUPT;
}
