/* fuzz_key.c - checks that two keys have the order of their values, and that a key is decoded as
 * key.h documents it. Also searches any bytes, as an item, for a key.
 *
 *     shape (u8)   type of the partition key, type of the sort key or none; 0x40: a long id
 *     for two keys, each of its values: a length (varint), bytes
 *     the rest     any item
 */
#include "codec/key.h"

#include "fuzz/fuzz.h"
#include "fuzz/key_item.h"

#define TABLE_SHORT 7
#define TABLE_LONG 248           /* the first id that takes more than one byte */

static const uint8_t secret[HASH_SECRET_BYTES] = "fuzz of the key";
static uint32_t table;

static struct key_schema schema_of(uint8_t shape)
{
	struct key_schema schema = { .partition = { TYPE_S, 1, "p" } };

	schema.partition.type = (enum type)(TYPE_S + shape % 3);
	if (shape / 3 % 4)
		schema.sort = (struct key_attribute){ (enum type)(shape / 3 % 4), 1, "s" };
	if (shape & 0x80)
		schema.sort.name[0] = 'a';
	return schema;
}

/* Returns a value of the type, built from the bytes as far as they are valid
 * for it. */
static struct value value_of(enum type type, struct slice bytes, struct number *buf)
{
	struct value value = { type, 0, bytes };
	int width = number_width(bytes);

	if (type == TYPE_N && width < 0) {
		number_from_integer(buf, (int64_t)bytes.len - (bytes.len ? bytes.data[0] : 7));
		value.bytes = number_slice(buf);
	} else if (type == TYPE_N) {
		value.bytes.len = (size_t)width;
	}
	return value;
}

static int expected(const struct key_schema *schema, const struct key_values *values)
{
	size_t partition = values->partition.bytes.len, sort = values->sort.bytes.len;

	if (partition == 0)
		return ERR_KEY_EMPTY;
	if (partition > PARTITION_KEY_MAX)
		return ERR_PARTITION_KEY_TOO_LONG;
	if (schema->sort.type && sort == 0)
		return ERR_KEY_EMPTY;
	return schema->sort.type && sort > SORT_KEY_MAX ? ERR_SORT_KEY_TOO_LONG : 0;
}

static size_t id_bytes(void)
{
	return table == TABLE_SHORT ? 1 : 5;
}

/* Checks the partition key in the head against the layout that key.h documents. */
static void check_partition(const struct key *key, const struct value *partition)
{
	struct slice head = key_head(key);
	uint8_t bytes[KEY_HEAD_MAX];
	size_t len = 0, at = id_bytes() + 1;

	if (table == TABLE_SHORT)
		CHECK_EQUAL_INT(head.data[0], TABLE_SHORT);
	else
		CHECK_BYTES(head.data, 5, "\xf8\0\0\0\xf8", 5);
	CHECK_EQUAL_INT(head.data[at - 1], 0x01);
	if (partition->type == TYPE_N) {
		CHECK_BYTES(head.data + at, head.len - at, partition->bytes.data,
			partition->bytes.len);
		return;
	}
	while (!(head.data[at] == 0 && head.data[at + 1] == 0x01)) {
		if (head.data[at] == 0)
			CHECK_EQUAL_INT(head.data[at + 1], 0xff);
		bytes[len++] = head.data[at];
		at += head.data[at] == 0 ? 2 : 1;
		CHECK(at + 1 < head.len);
	}
	CHECK_EQUAL_UINT(at + 2, head.len);
	CHECK_BYTES(bytes, len, partition->bytes.data, partition->bytes.len);
}

static void check_round_trip(const struct key *key, const struct key_schema *schema,
	const struct key_values *values)
{
	uint8_t buf[KEY_ATTRIBUTES_MAX];
	struct buffer item = { 0 };
	struct key_values found;
	struct slice keys;
	struct key again;

	fuzz_put_item(&item, schema, values);
	CHECK_EQUAL_INT(key_find(&found, schema, buffer_slice(&item)), 0);
	CHECK(slice_equal(found.partition.bytes, values->partition.bytes));
	CHECK_EQUAL_INT(key_put_attributes(&keys, &found, buf), 0);
	CHECK_BYTES(keys.data, keys.len, item.data, item.len);
	CHECK_EQUAL_INT(key_of_key(&again, table, schema, buffer_slice(&item), secret), 0);
	CHECK_BYTES(again.bytes, key_whole(&again).len, key->bytes, key_whole(key).len);
	CHECK_EQUAL_UINT(again.head_len, key->head_len);
	CHECK_EQUAL_UINT(again.partition_hash, key->partition_hash);
	if (key_is_hashed(key))
		CHECK_EQUAL_UINT(key->head_len, id_bytes() + 1 + HASH_BYTES);
	else
		check_partition(key, &values->partition);
	buffer_release(&item);
}

static void check_order(const struct key keys[2], const struct key_values values[2])
{
	int partitions = slice_compare(values[0].partition.bytes, values[1].partition.bytes);
	int sorts = slice_compare(values[0].sort.bytes, values[1].sort.bytes);
	int order = slice_compare(key_whole(&keys[0]), key_whole(&keys[1]));

	if (key_is_hashed(&keys[0]) || key_is_hashed(&keys[1]))
		CHECK(partitions == 0 || order != 0);
	else
		CHECK_EQUAL_INT(fuzz_sign(order), fuzz_sign(partitions ? partitions : sorts));
}

static void try_item(const struct key_schema *schema, struct slice item)
{
	struct key_values values;
	struct key key;

	key_of_item(&key, table, schema, item, secret);
	if (key_of_key(&key, table, schema, item, secret) == 0 && map_check(item) == 0) {
		CHECK_EQUAL_INT(key_find(&values, schema, item), 0);
		check_round_trip(&key, schema, &values);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source source = source_of(slice_of(data, size));
	uint8_t shape = source_u8(&source);
	struct key_schema schema = schema_of(shape);
	struct number rooms[2][2];
	struct key_values values[2];
	struct key keys[2];
	bool good = true;

	table = shape & 0x40 ? TABLE_LONG : TABLE_SHORT;
	for (int i = 0; i < 2; i++) {
		struct slice partition = source_counted(&source), sort = source_counted(&source);
		int err;

		values[i].partition = value_of(schema.partition.type, partition, &rooms[i][0]);
		values[i].sort = value_of(schema.sort.type, sort, &rooms[i][1]);
		if (!schema.sort.type)
			values[i].sort.bytes.len = 0;
		err = key_of_values(&keys[i], table, &schema, &values[i], secret);
		CHECK_EQUAL_INT(err, expected(&schema, &values[i]));
		good = good && !err;
		if (!err)
			check_round_trip(&keys[i], &schema, &values[i]);
	}
	if (good)
		check_order(keys, values);
	if (!source.err)
		try_item(&schema, slice_of(source.at, source_left(&source)));
	return 0;
}

bool fuzz_seed(unsigned n, struct buffer *out)
{
	static const size_t lengths[] = { 1, 5, 124, 125, 126, 200, 2047, 3 };
	struct key_schema schema = schema_of((uint8_t)(n * 37));
	struct key_values values;
	struct number buf;
	uint8_t bytes[2048];

	memset(bytes, 'k', sizeof bytes);
	bytes[0] = 0;
	buffer_put_u8(out, (uint8_t)(n * 37));
	for (int i = 0; i < 2; i++) {
		bytes[2] = (uint8_t)i;
		buffer_put_counted(out, slice_of(bytes, lengths[n % 8]));
		buffer_put_counted(out, slice_of(bytes, lengths[n / 8 % 2] + (size_t)i));
	}
	values.partition = value_of(schema.partition.type, slice_of(bytes, 9), &buf);
	values.sort = value_of(schema.sort.type, slice_of(bytes, 9), &buf);
	fuzz_put_item(out, &schema, &values);
	return n < 24;
}
