/* test_key.c - tests of codec/key.h: keys are ordered as items are, heads are prefix-free. */
#include "codec/key.h"

#include "base/error.h"
#include "check.h"

#define TABLE 7
#define ROUNDS 20000

static const uint8_t secret[HASH_SECRET_BYTES] = "a known secret";

/* --- schemas, values, items --- */

static void set_attribute(struct key_attribute *attribute, enum type type, const char *name)
{
	attribute->type = type;
	attribute->len = (uint8_t)strlen(name);
	strcpy(attribute->name, name);
}

static struct key_schema schema_of(enum type partition, enum type sort)
{
	struct key_schema schema = { 0 };

	set_attribute(&schema.partition, partition, "p");
	if (sort)
		set_attribute(&schema.sort, sort, "s");
	return schema;
}

static struct value value_of(enum type type, const void *bytes, size_t len)
{
	return (struct value){ .type = type, .bytes = slice_of(bytes, len) };
}

static struct value text_value(const char *text)
{
	return value_of(TYPE_S, text, strlen(text));
}

static void put_attribute(struct buffer *item, const char *name, struct value value)
{
	buffer_put_counted(item, slice_of_text(name));
	buffer_put_u8(item, (uint8_t)value.type);
	if (value.type == TYPE_N)
		buffer_put_slice(item, value.bytes);
	else
		buffer_put_counted(item, value.bytes);
}

/* Builds { a = "first", p = partition, s = sort, z = "last" }; omits p or s if its type is 0. */
static struct slice make_item(struct buffer *item, struct value p, struct value s)
{
	buffer_clear(item);
	buffer_put_varint(item, 2u + (p.type != 0) + (s.type != 0));
	put_attribute(item, "a", text_value("first"));
	if (p.type)
		put_attribute(item, "p", p);
	if (s.type)
		put_attribute(item, "s", s);
	put_attribute(item, "z", text_value("last"));
	CHECK_EQUAL_INT(buffer_error(item), 0);
	return buffer_slice(item);
}

static void make_key(struct key *key, struct value p, struct value s)
{
	struct key_schema schema = schema_of(p.type, s.type);

	memset(key, 0x5a, sizeof *key);
	CHECK_EQUAL_INT(key_set_partition(key, TABLE, &schema, &p, secret), 0);
	CHECK_EQUAL_UINT(key->sort_len, 0);
	if (s.type)
		CHECK_EQUAL_INT(key_set_sort(key, &schema, &s), 0);
	CHECK_EQUAL_UINT(key_whole(key).len, key_head(key).len + key->sort_len);
}

/* --- random values with few different letters, so that common prefixes are frequent --- */

struct buf {
	uint8_t bytes[PARTITION_KEY_MAX];
};

static size_t random_length(size_t longest)
{
	size_t len;

	switch (check_random_below(4)) {
	case 0: len = 1 + check_random_below(longest); break;
	case 1: len = KEY_HEAD_INLINE - 8 + check_random_below(12); break;
	default: len = 1 + check_random_below(6);
	}
	return len < longest ? len : longest;
}

static struct value random_value(enum type type, size_t longest, struct buf *buf)
{
	static const uint8_t alphabets[][3] = {
		{ 0, 0, 0 }, { 'a', 'a', 'a' }, { 0xff, 0xff, 0xff }, { 0, 1, 1 }, { 0, 0xff,
			0xff },
		{ 0, 1, 0xff }, { 'a', 'b', 'c' },
	};
	const uint8_t *alphabet = alphabets[check_random_below(7)];
	struct number number;
	size_t i, len;

	if (type == TYPE_N) {
		number_from_integer(&number, (int64_t)check_random() >> check_random_below(64));
		memcpy(buf->bytes, number.bytes, number.len);
		return value_of(type, buf->bytes, number.len);
	}
	len = random_length(longest);
	for (i = 0; i < len; i++)
		buf->bytes[i] = alphabet[check_random_below(3)];
	return value_of(type, buf->bytes, len);
}

/* Returns another value, or the same one with a different end. */
static struct value random_neighbour(struct value value, size_t longest, struct buf *buf)
{
	size_t len = value.bytes.len;

	if (value.type == TYPE_N || check_random_below(3) == 0)
		return random_value(value.type, longest, buf);
	memcpy(buf->bytes, value.bytes.data, len);
	switch (check_random_below(3)) {
	case 0:
		buf->bytes[len - 1] = (uint8_t)check_random_below(3);
		break;
	case 1:
		if (len < longest)
			buf->bytes[len++] = (uint8_t)check_random_below(3);
		break;
	default:
		len -= len > 1;
	}
	return value_of(value.type, buf->bytes, len);
}

static enum type random_type(void)
{
	static const enum type types[] = { TYPE_S, TYPE_N, TYPE_B };

	return types[check_random_below(3)];
}

static int sign(int n)
{
	return (n > 0) - (n < 0);
}

/* --- order --- */

static void check_pair(struct value p1, struct value s1, struct value p2, struct value s2)
{
	int by_partition = sign(slice_compare(p1.bytes, p2.bytes));
	int by_sort = sign(slice_compare(s1.bytes, s2.bytes));
	struct key a, b;
	int by_key;

	make_key(&a, p1, s1);
	make_key(&b, p2, s2);
	by_key = sign(slice_compare(key_whole(&a), key_whole(&b)));
	if (by_partition == 0) {
		CHECK(slice_equal(key_head(&a), key_head(&b)));
		CHECK_EQUAL_INT(by_key, by_sort);
		CHECK_EQUAL_UINT(a.partition_hash, b.partition_hash);
		return;
	}
	CHECK(!slice_begins(key_head(&a), key_head(&b)));
	CHECK(!slice_begins(key_head(&b), key_head(&a)));
	if (!key_is_hashed(&a) && !key_is_hashed(&b))
		CHECK_EQUAL_INT(by_key, by_partition);
	CHECK(a.partition_hash != b.partition_hash);
}

static void keys_compare_as_their_values(void)
{
	static struct buf p1_room, p2_room, s1_room, s2_room;
	struct value p1, p2, s1, s2;
	enum type sort;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		p1 = random_value(random_type(), PARTITION_KEY_MAX, &p1_room);
		p2 = check_random_below(4) ? random_neighbour(p1, PARTITION_KEY_MAX, &p2_room) : p1;
		sort = random_type();
		s1 = random_value(sort, SORT_KEY_MAX, &s1_room);
		s2 = random_neighbour(s1, SORT_KEY_MAX, &s2_room);
		check_pair(p1, s1, p2, s2);
		s1.type = s2.type = 0;
		s1.bytes.len = s2.bytes.len = 0;
		check_pair(p1, s1, p2, s2);
	}
}

/* All strings of up to four letters, from an alphabet of three, in order. */
static void short_heads_in_order(void)
{
	static const char letters[] = { '\0', '\1', '\xff' };
	struct key keys[2] = { 0 };
	char text[4];
	int len, i, digit, n, at = 0;

	for (i = 0; i < 3 * 3 * 3 * 3; i++)
		for (len = 1; len <= 4; len++) {
			for (n = i, digit = 3; digit >= 0; n /= 3)
				text[digit--] = letters[n % 3];
			for (digit = len; digit < 4 && text[digit] == 0; digit++)
				;
			if (digit < 4)
				continue;       /* only one of the encodings with trailing zeros */
			make_key(&keys[at], value_of(TYPE_B, text, (size_t)len),
				(struct value){ 0 });
			CHECK(slice_compare(key_whole(&keys[!at]), key_whole(&keys[at])) < 0);
			at = !at;
		}
}

static void tables_lie_one_after_the_other(void)
{
	struct key_schema schema = schema_of(TYPE_S, 0);
	struct value low = text_value("a"), high = text_value("z");
	static const uint32_t ids[] = { 1, 2, 246, 247, 248, 249, 255, 256, 65536, UINT32_MAX };
	struct key a, b;

	for (size_t i = 1; i < sizeof ids / sizeof *ids; i++) {
		CHECK_EQUAL_INT(key_set_partition(&a, ids[i - 1], &schema, &high, secret), 0);
		CHECK_EQUAL_INT(key_set_partition(&b, ids[i], &schema, &low, secret), 0);
		CHECK(slice_compare(key_whole(&a), key_whole(&b)) < 0);
		CHECK_EQUAL_UINT(get_id(key_whole(&b)), ids[i]);
	}
}

/* --- bytes --- */

static void the_layout(void)
{
	struct number number;
	struct key key;

	make_key(&key, value_of(TYPE_B, "a\0b", 3), value_of(TYPE_B, "s\0", 2));
	CHECK_BYTES(key_head(&key).data, key_head(&key).len, "\7\1a\0\xff" "b\0\1", 8);
	CHECK_BYTES(key.bytes + key.head_len, key.sort_len, "s\0", 2);
	number_from_integer(&number, 12);
	make_key(&key, value_of(TYPE_N, number.bytes, number.len),
		value_of(TYPE_N, number.bytes, number.len));
	CHECK_BYTES(key_whole(&key).data, key_whole(&key).len, "\7\1\xc1\x18\xc1\x18", 6);
}

/* A head of KEY_HEAD_INLINE bytes contains 0x01, the escaped bytes and a terminator of two. */
static void check_inline(size_t len, size_t zeros)
{
	uint8_t bytes[PARTITION_KEY_MAX], hash[HASH_BYTES];
	struct value value = value_of(TYPE_B, bytes, len);
	bool fits = 1 + len + zeros + 2 <= KEY_HEAD_INLINE;
	struct key key;
	size_t i;

	memset(bytes, 'x', sizeof bytes);
	for (i = 0; i < zeros; i++)
		bytes[i * len / zeros] = 0;
	make_key(&key, value, (struct value){ 0 });
	CHECK_EQUAL_INT(key_is_hashed(&key), !fits);
	CHECK_EQUAL_UINT(key.head_len, fits ? 1 + 1 + len + zeros + 2 : 1 + 1 + HASH_BYTES);
	CHECK_EQUAL_UINT(key.partition_hash, hash64(secret, value.bytes) & UINT32_MAX);
	if (fits)
		return;
	hash128(secret, value.bytes, hash);
	CHECK_EQUAL_INT(key.bytes[1], 0x02);
	CHECK_BYTES(key.bytes + 2, HASH_BYTES, hash, HASH_BYTES);
}

static void a_long_partition_key_is_hashed(void)
{
	size_t len, zeros;

	for (len = 1; len <= 2 * KEY_HEAD_INLINE; len++)
		for (zeros = 0; zeros <= len; zeros++)
			check_inline(len, zeros);
	check_inline(PARTITION_KEY_MAX, 0);
	check_inline(PARTITION_KEY_MAX, PARTITION_KEY_MAX);
}

/* --- limits --- */

static void lengths_that_are_refused(void)
{
	static const uint8_t bytes[PARTITION_KEY_MAX + 1];
	struct key_schema schema = schema_of(TYPE_B, TYPE_B);
	struct value value = value_of(TYPE_B, bytes, PARTITION_KEY_MAX);
	struct key key;

	CHECK_EQUAL_INT(key_set_partition(&key, TABLE, &schema, &value, secret), 0);
	value.bytes.len = PARTITION_KEY_MAX + 1;
	CHECK_EQUAL_INT(key_set_partition(&key, TABLE, &schema, &value, secret),
		ERR_PARTITION_KEY_TOO_LONG);
	value.bytes.len = 0;
	CHECK_EQUAL_INT(key_set_partition(&key, TABLE, &schema, &value, secret), ERR_KEY_EMPTY);
	CHECK_EQUAL_INT(key_set_sort(&key, &schema, &value), ERR_KEY_EMPTY);
	value.bytes.len = SORT_KEY_MAX;
	CHECK_EQUAL_INT(key_set_sort(&key, &schema, &value), 0);
	CHECK_EQUAL_UINT(key.sort_len, SORT_KEY_MAX);
	value.bytes.len = SORT_KEY_MAX + 1;
	CHECK_EQUAL_INT(key_set_sort(&key, &schema, &value), ERR_SORT_KEY_TOO_LONG);
}

static void types_that_are_refused(void)
{
	struct key_schema schema = schema_of(TYPE_S, TYPE_N);
	struct value text = text_value("x"), other = { 0 };
	struct key key;
	int type;

	CHECK_EQUAL_INT(key_set_partition(&key, TABLE, &schema, &text, secret), 0);
	for (type = TYPE_N; type <= TYPE_BS; type++) {
		other.type = (enum type)type;
		CHECK_EQUAL_INT(key_set_partition(&key, TABLE, &schema, &other, secret),
			ERR_KEY_TYPE);
	}
	CHECK_EQUAL_INT(key_set_sort(&key, &schema, &text), ERR_KEY_TYPE);
	schema = schema_of(TYPE_S, 0);
	CHECK_EQUAL_INT(key_set_sort(&key, &schema, &text), ERR_KEY_TYPE);
}

/* --- items --- */

static void the_key_of_an_item(void)
{
	static struct buf p_room, s_room;
	struct buffer item = { 0 };
	struct key_schema schema;
	struct key right, key;
	struct value p, s;
	int i;

	for (i = 0; i < ROUNDS / 10; i++) {
		p = random_value(random_type(), PARTITION_KEY_MAX, &p_room);
		s = random_value(random_type(), SORT_KEY_MAX, &s_room);
		if (i % 3 == 0)
			s = (struct value){ 0 };
		schema = schema_of(p.type, s.type);
		make_key(&right, p, s);
		make_item(&item, p, s);
		CHECK_EQUAL_INT(key_of_item(&key, TABLE, &schema, buffer_slice(&item), secret), 0);
		CHECK(slice_equal(key_whole(&key), key_whole(&right)));
		CHECK_EQUAL_UINT(key.head_len, right.head_len);
		CHECK_EQUAL_UINT(key.partition_hash, right.partition_hash);
	}
	buffer_release(&item);
}

static void items_without_a_key(void)
{
	struct key_schema schema = schema_of(TYPE_S, TYPE_S);
	struct value text = text_value("x"), bytes = value_of(TYPE_B, "x", 1), none = { 0 };
	struct buffer item = { 0 };
	struct key key;

	CHECK_EQUAL_INT(key_of_item(&key, TABLE, &schema, make_item(&item, none, text), secret),
		ERR_KEY_MISSING);
	CHECK_EQUAL_INT(key_of_item(&key, TABLE, &schema, make_item(&item, text, none), secret),
		ERR_KEY_MISSING);
	CHECK_EQUAL_INT(key_of_item(&key, TABLE, &schema, make_item(&item, bytes, text), secret),
		ERR_KEY_TYPE);
	CHECK_EQUAL_INT(key_of_item(&key, TABLE, &schema, make_item(&item, text, bytes), secret),
		ERR_KEY_TYPE);
	CHECK_EQUAL_INT(key_of_item(&key, TABLE, &schema,
		make_item(&item, text_value(""), text), secret), ERR_KEY_EMPTY);
	CHECK_EQUAL_INT(key_of_item(&key, TABLE, &schema, slice_of("", 1), secret),
		ERR_KEY_MISSING);
	CHECK_EQUAL_INT(key_of_item(&key, TABLE, &schema, slice_of(NULL, 0), secret),
		ERR_CORRUPT);
	buffer_release(&item);
}

/* A duplicate name must not be counted as both key attributes. */
static void an_item_with_the_same_name_twice(void)
{
	struct key_schema schema = schema_of(TYPE_S, TYPE_S);
	struct buffer item = { 0 };
	struct key key;

	buffer_put_varint(&item, 2);
	put_attribute(&item, "p", text_value("x"));
	put_attribute(&item, "p", text_value("y"));
	CHECK_EQUAL_INT(key_of_item(&key, TABLE, &schema, buffer_slice(&item), secret),
		ERR_KEY_MISSING);
	buffer_release(&item);
}

static struct slice make_pair(struct buffer *item, const char *one, struct value a,
	const char *two, struct value b)
{
	buffer_clear(item);
	buffer_put_varint(item, two ? 2 : 1);
	put_attribute(item, one, a);
	if (two)
		put_attribute(item, two, b);
	return buffer_slice(item);
}

/* Get, Delete and Update require exactly the key attributes. */
static void a_key_that_is_nothing_but_the_key(void)
{
	struct value text = text_value("x"), bytes = value_of(TYPE_B, "x", 1);
	struct key_schema both = schema_of(TYPE_S, TYPE_S), one = schema_of(TYPE_S, 0);
	struct buffer item = { 0 };
	struct key key, right;
	struct slice map;

	map = make_pair(&item, "p", text, "s", text);
	make_key(&right, text, text);
	CHECK_EQUAL_INT(key_of_key(&key, TABLE, &both, map, secret), 0);
	CHECK(slice_equal(key_whole(&key), key_whole(&right)));
	CHECK_EQUAL_INT(key_of_key(&key, TABLE, &one, map, secret), ERR_KEY_SCHEMA);
	map = make_pair(&item, "p", text, "q", text);
	CHECK_EQUAL_INT(key_of_key(&key, TABLE, &both, map, secret), ERR_KEY_SCHEMA);
	map = make_pair(&item, "p", bytes, "s", text);
	CHECK_EQUAL_INT(key_of_key(&key, TABLE, &both, map, secret), ERR_KEY_SCHEMA);
	map = make_pair(&item, "p", text, "s", text_value(""));
	CHECK_EQUAL_INT(key_of_key(&key, TABLE, &both, map, secret), ERR_KEY_EMPTY);
	map = make_pair(&item, "p", text, NULL, text);
	CHECK_EQUAL_INT(key_of_key(&key, TABLE, &one, map, secret), 0);
	CHECK_EQUAL_INT(key_of_key(&key, TABLE, &both, map, secret), ERR_KEY_SCHEMA);
	map = make_item(&item, text, text);
	CHECK_EQUAL_INT(key_of_key(&key, TABLE, &both, map, secret), ERR_KEY_SCHEMA);
	CHECK_EQUAL_INT(key_of_key(&key, TABLE, &one, slice_of(NULL, 0), secret), ERR_CORRUPT);
	buffer_release(&item);
}

/* Sets *keys to a map body with only the key attributes of an item. */
static int attributes_of(struct slice *keys, const struct key_schema *schema, struct slice item)
{
	static uint8_t buf[KEY_ATTRIBUTES_MAX];
	struct key_values values;
	int err = key_find(&values, schema, item);

	return err ? err : key_put_attributes(keys, &values, buf);
}

static void the_key_attributes_alone(void)
{
	static struct buf p_room, s_room;
	struct buffer item = { 0 };
	struct slice keys;
	struct key_schema schema;
	struct value p, s;
	struct key a, b;
	int i;

	for (i = 0; i < ROUNDS / 10; i++) {
		p = random_value(i % 2 ? TYPE_N : TYPE_B, PARTITION_KEY_MAX, &p_room);
		s = random_value(i % 4 < 2 ? TYPE_N : TYPE_B, SORT_KEY_MAX, &s_room);
		if (i % 3 == 0)
			s = (struct value){ 0 };
		schema = schema_of(p.type, s.type);
		make_item(&item, p, s);
		CHECK_EQUAL_INT(attributes_of(&keys, &schema, buffer_slice(&item)), 0);
		CHECK_EQUAL_INT(map_check(keys), 0);
		make_key(&a, p, s);
		CHECK_EQUAL_INT(key_of_key(&b, TABLE, &schema, keys, secret), 0);
		CHECK(slice_equal(key_whole(&a), key_whole(&b)));
	}
	buffer_release(&item);
}

/* The attributes are sorted by name, whichever of them is the partition key. */
static void key_attributes_in_the_order_of_their_names(void)
{
	struct buffer item = { 0 };
	struct slice keys;
	struct key_schema schema = { 0 };

	set_attribute(&schema.partition, TYPE_S, "s");
	set_attribute(&schema.sort, TYPE_S, "p");
	make_item(&item, text_value("1"), text_value("2"));
	CHECK_EQUAL_INT(attributes_of(&keys, &schema, buffer_slice(&item)), 0);
	CHECK_BYTES(keys.data, keys.len, "\2\1p\1\1" "1\1s\1\1" "2", 11);
	set_attribute(&schema.sort, TYPE_S, "q");
	CHECK_EQUAL_INT(attributes_of(&keys, &schema, buffer_slice(&item)), ERR_KEY_MISSING);
	buffer_release(&item);
}

/* Decoding any bytes returns a result and reads no byte after them. */
static void damaged_items(void)
{
	struct key_schema schema = schema_of(TYPE_S, TYPE_S);
	struct buffer item = { 0 };
	struct slice keys;
	uint8_t *exact;
	struct key key;
	size_t len;
	int i;

	make_item(&item, text_value("partition"), text_value("sort"));
	for (i = 0; i < ROUNDS; i++) {
		len = check_random_below(item.len + 1);
		exact = malloc(len ? len : 1);
		memcpy(exact, item.data, len);
		if (len && check_random_below(2))
			exact[check_random_below(len)] = (uint8_t)check_random();
		CHECK(key_of_item(&key, TABLE, &schema, slice_of(exact, len), secret) <= 0);
		CHECK(key_of_key(&key, TABLE, &schema, slice_of(exact, len), secret) <= 0);
		CHECK(attributes_of(&keys, &schema, slice_of(exact, len)) <= 0);
		free(exact);
	}
	buffer_release(&item);
}

/* --- decoding --- */

static bool is_value(const struct value *a, const struct value *b)
{
	return a->type == b->type && slice_equal(a->bytes, b->bytes);
}

static void a_key_reads_back_as_its_values(void)
{
	struct buffer scratch = { 0 };
	int hashed = 0;

	for (int i = 0; i < ROUNDS; i++) {
		struct buf p_room, s_room;
		enum type p_type = random_type(),
			s_type = check_random_below(2) ? random_type() : 0;
		struct key_schema schema = schema_of(p_type, s_type);
		struct value p = random_value(p_type, 300, &p_room), s;
		struct key_values values;
		struct key key;

		CHECK_EQUAL_INT(key_set_partition(&key, TABLE, &schema, &p, secret), 0);
		if (s_type) {
			s = random_value(s_type, SORT_KEY_MAX, &s_room);
			CHECK_EQUAL_INT(key_set_sort(&key, &schema, &s), 0);
		}
		CHECK_EQUAL_INT(key_read(&values, key_whole(&key), &schema, &scratch), 0);
		if (key_is_hashed(&key)) {
			CHECK(values.partition.type == 0 &&
				values.partition.bytes.len == HASH_BYTES);
			hashed++;
		} else {
			CHECK(is_value(&values.partition, &p));
		}
		CHECK(s_type ? is_value(&values.sort, &s) : values.sort.type == 0);
	}
	CHECK(hashed > 100);
	buffer_release(&scratch);
}

static void any_bytes_read_as_a_key_or_not(void)
{
	struct buffer scratch = { 0 };

	for (int i = 0; i < ROUNDS; i++) {
		struct key_schema schema = schema_of(random_type(),
			check_random_below(2) ? random_type() : 0);
		struct key_values values;
		uint8_t bytes[64];
		int err;

		check_random_bytes(bytes, sizeof bytes);
		bytes[i % 2 ? 1 : 5] = (uint8_t)(1 + check_random_below(2));
		bytes[0] = i % 2 ? 7 : ID_LONG;
		err = key_read(&values, slice_of(bytes, check_random_below(sizeof bytes)), &schema,
			&scratch);
		CHECK(err == 0 || err == ERR_CORRUPT);
		bytes[0] = i % 2 ? 0 : 0xf9;             /* invalid first byte of an id */
		CHECK_EQUAL_INT(key_read(&values, slice_of(bytes, sizeof bytes), &schema, &scratch),
			ERR_CORRUPT);
	}
	buffer_release(&scratch);
}

int main(void)
{
	a_key_reads_back_as_its_values();
	any_bytes_read_as_a_key_or_not();
	keys_compare_as_their_values();
	short_heads_in_order();
	tables_lie_one_after_the_other();
	the_layout();
	a_long_partition_key_is_hashed();
	lengths_that_are_refused();
	types_that_are_refused();
	the_key_of_an_item();
	items_without_a_key();
	an_item_with_the_same_name_twice();
	a_key_that_is_nothing_but_the_key();
	the_key_attributes_alone();
	key_attributes_in_the_order_of_their_names();
	damaged_items();
	return 0;
}
