/* test_value.c - tests of codec/value.h. */
#include "codec/value.h"

#include "base/error.h"
#include "unit/check.h"

#define BYTES(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof (uint8_t[]){ __VA_ARGS__ }

static struct slice bytes_of(const void *data, size_t len)
{
	return slice_of(data, len);
}

static bool utf8(const void *data, size_t len)
{
	return is_utf8(slice_of(data, len));
}

/* --- UTF-8 --- */

static size_t put_character(uint8_t *p, uint32_t c)
{
	if (c < 0x80) {
		p[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		p[0] = (uint8_t)(0xc0 | c >> 6);
		p[1] = (uint8_t)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		p[0] = (uint8_t)(0xe0 | c >> 12);
		p[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		p[2] = (uint8_t)(0x80 | (c & 0x3f));
		return 3;
	}
	p[0] = (uint8_t)(0xf0 | c >> 18);
	p[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
	p[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	p[3] = (uint8_t)(0x80 | (c & 0x3f));
	return 4;
}

static void test_every_character(void)
{
	uint8_t text[4];
	uint32_t c;
	size_t len, cut;

	for (c = 0; c < 0x120000; c++) {
		bool is_character = c < 0x110000 && !(c >= 0xd800 && c < 0xe000);

		len = put_character(text, c);
		CHECK(utf8(text, len) == is_character);
		for (cut = 1; cut < len; cut++)
			CHECK(!utf8(text, cut));
	}
}

/* Counts the valid texts of each length and compares with the calculated number. */
static void test_every_short_text(void)
{
	const long one = 0x80, two = 0x780, three = 0xf800;
	uint8_t text[3];
	long count2 = 0, count3 = 0;
	uint32_t n;

	for (n = 0; n < 0x1000000; n++) {
		text[0] = (uint8_t)(n >> 16);
		text[1] = (uint8_t)(n >> 8);
		text[2] = (uint8_t)n;
		count3 += utf8(text, 3);
		if (n < 0x10000)
			count2 += utf8(text + 1, 2);
	}
	CHECK_EQUAL_INT(count2, one * one + two);
	CHECK_EQUAL_INT(count3, one * one * one + 2 * one * two + three - 0x800);
}

/* Texts are checked in words of 8 bytes: tests an invalid byte and a valid character at each
 * position of texts of each length. */
static void test_utf8_at_any_place(void)
{
	uint8_t text[40];
	size_t len, at;

	for (len = 0; len <= 36; len++) {
		memset(text, 'a', sizeof text);
		CHECK(utf8(text, len));
		for (at = 0; at < len; at++) {
			text[at] = 0x80;
			CHECK(!utf8(text, len));
			text[at] = 0xff;
			CHECK(!utf8(text, len));
			memcpy(text + at, "\xc3\xa9", 2);
			CHECK(utf8(text, len) == (at + 2 <= len));
			memcpy(text + at, "\xf0\x9f\x8c\x8a", 4);
			CHECK(utf8(text, len) == (at + 4 <= len));
			memset(text, 'a', sizeof text);
		}
	}
	CHECK(utf8("\0\0", 2));
	CHECK(utf8(NULL, 0));
}

/* --- one value --- */

static int read_one(struct value *value, const void *data, size_t len)
{
	struct source source = source_of(slice_of(data, len));
	int err = value_read(&source, value);

	return err ? err : source_finish(&source);
}

static void check_refused(const void *data, size_t len)
{
	struct value value;

	CHECK_EQUAL_INT(read_one(&value, data, len), ERR_CORRUPT);
}

static void check_plain(const void *data, size_t len, enum type type, const char *text)
{
	struct value value;

	CHECK_EQUAL_INT(read_one(&value, data, len), 0);
	CHECK_EQUAL_INT(value.type, type);
	CHECK_EQUAL_UINT(value.count, 0);
	CHECK_BYTES(value.bytes.data, value.bytes.len, text, strlen(text));
	while (len-- > 0)
		check_refused(data, len);
}

static void test_plain_values(void)
{
	check_plain(BYTES(TYPE_S, 2, 'h', 'i'), TYPE_S, "hi");
	check_plain(BYTES(TYPE_S, 0), TYPE_S, "");
	check_plain(BYTES(TYPE_N, 0xc1, 0x02), TYPE_N, "\xc1\x02");
	check_plain(BYTES(TYPE_B, 1, 0xff), TYPE_B, "\xff");
	check_plain(BYTES(TYPE_TRUE), TYPE_TRUE, "");
	check_plain(BYTES(TYPE_FALSE), TYPE_FALSE, "");
	check_plain(BYTES(TYPE_NULL), TYPE_NULL, "");
}

static void test_containers(void)
{
	static const uint8_t list[] = { TYPE_L, 0, 0, 0, 3, 2, TYPE_TRUE, TYPE_NULL };
	static const uint8_t map[] = { TYPE_M, 0, 0, 0, 4, 1, 1, 'a', TYPE_NULL };
	static const uint8_t set[] = { TYPE_SS, 0, 0, 0, 5, 2, 1, 'a', 1, 'b' };
	struct value value, member;
	struct list_walk walk;

	CHECK_EQUAL_INT(read_one(&value, list, sizeof list), 0);
	CHECK_EQUAL_UINT(value.count, 2);
	CHECK_BYTES(value.bytes.data, value.bytes.len, list + 6, 2);

	CHECK_EQUAL_INT(read_one(&value, map, sizeof map), 0);
	CHECK_EQUAL_UINT(value.count, 1);
	CHECK_BYTES(value.bytes.data, value.bytes.len, map + 5, 4);

	CHECK_EQUAL_INT(read_one(&value, set, sizeof set), 0);
	CHECK_EQUAL_UINT(value.count, 2);
	CHECK_EQUAL_INT(list_start(&walk, &value), 0);
	CHECK_EQUAL_INT(list_next(&walk, &member), 0);
	CHECK_EQUAL_INT(member.type, TYPE_S);
	CHECK_BYTES(member.bytes.data, member.bytes.len, "a", 1);
	CHECK_EQUAL_INT(list_next(&walk, &member), 0);
	CHECK_EQUAL_INT(list_next(&walk, &member), END);
	CHECK_EQUAL_INT(list_next(&walk, &member), END);
}

static void test_refused_values(void)
{
	check_refused(BYTES(0));
	check_refused(BYTES(12));
	check_refused(BYTES(0xff));
	check_refused(BYTES(TYPE_S, 0x80, 0));                   /* a long length */
	check_refused(BYTES(TYPE_N, 0xc1, 0x00));                /* no such number */
	check_refused(BYTES(TYPE_L, 0, 0, 0, 2, 3, TYPE_NULL));  /* more than there are */
	check_refused(BYTES(TYPE_L, 0xff, 0xff, 0xff, 0xff, 1, TYPE_NULL));
	check_refused(BYTES(TYPE_L, 0, 0, 0, 2, 0, TYPE_NULL));  /* none, and one */
	check_refused(BYTES(TYPE_M, 0, 0, 0, 3, 1, 1, 'a'));     /* no room for a value */
	check_refused(BYTES(TYPE_SS, 0, 0, 0, 1, 0));            /* an empty set */
	check_refused(BYTES(TYPE_L, 0, 0, 0, 0));                /* no count */
}

/* --- map bodies --- */

static const uint8_t sample[] = {
	4,
	1, 'a', TYPE_N, 0xc1, 0x02,
	2, 'a', 'b', TYPE_L, 0, 0, 0, 3, 2, TYPE_TRUE, TYPE_FALSE,
	1, 'b', TYPE_NS, 0, 0, 0, 4, 2, 0x80, 0xc1, 0x02,
	1, 'c', TYPE_M, 0, 0, 0, 6, 1, 1, 'x', TYPE_S, 1, 'y',
};

static void test_walk(void)
{
	static const char *const names[] = { "a", "ab", "b", "c" };
	struct map_walk walk;
	struct slice name;
	struct value value;
	unsigned i;

	CHECK_EQUAL_INT(map_start(&walk, bytes_of(sample, sizeof sample)), 0);
	for (i = 0; i < 4; i++) {
		CHECK_EQUAL_INT(map_next(&walk, &name, &value), 0);
		CHECK_BYTES(name.data, name.len, names[i], strlen(names[i]));
	}
	CHECK_EQUAL_INT(map_next(&walk, &name, &value), END);
	CHECK_EQUAL_INT(map_next(&walk, &name, &value), END);
}

/* One attribute of each type; a name and a text have more bytes than fit in one of a varint. */
static size_t put_every_type(uint8_t bytes[600])
{
	static const uint8_t plain[] = {
		1, 'a', TYPE_S, 2, 'h', 'i', 1, 'b', TYPE_N, 0xc1, 0x02, 1, 'c', TYPE_B, 0,
		1, 'd', TYPE_TRUE, 1, 'e', TYPE_FALSE, 1, 'f', TYPE_NULL,
		2, 'f', 'g', TYPE_M, 0, 0, 0, 1, 0, 1, 'g', TYPE_L, 0, 0, 0, 2, 1, TYPE_NULL,
		1, 'h', TYPE_SS, 0, 0, 0, 3, 1, 1, 'a', 1, 'i', TYPE_NS, 0, 0, 0, 2, 1, 0x80,
		1, 'j', TYPE_BS, 0, 0, 0, 3, 1, 1, 'a',
	};
	size_t at = 1 + sizeof plain;

	bytes[0] = 12;
	memcpy(bytes + 1, plain, sizeof plain);
	at += set_varint(bytes + at, 200);
	memset(bytes + at, 'k', 200);
	bytes[at + 200] = TYPE_S;
	at += 201;
	at += set_varint(bytes + at, 200);
	memset(bytes + at, 'x', 200);
	return at + 200;
}

/* The definition of map_seek by map_next. */
static int seek_slowly(struct map_walk *walk, struct slice wanted, struct slice *name,
	struct value *value)
{
	int err;

	do {
		err = map_next(walk, name, value);
	} while (!err && slice_compare(*name, wanted) < 0);
	return err;
}

/* Seeks a name, then another one, from the start of a map, and compares with the definition. */
static void check_seek(struct slice body, struct slice first, struct slice second)
{
	struct slice sought[2] = { first, second }, name = { 0 }, expected = { 0 };
	struct value value = { 0 }, other = { 0 };
	struct map_walk walk, slow;

	if (map_start(&walk, body))
		return;
	slow = walk;
	for (unsigned i = 0; i < 2; i++) {
		int err = map_seek(&walk, sought[i], &name, &value);

		CHECK_EQUAL_INT(err, seek_slowly(&slow, sought[i], &expected, &other));
		if (err)
			continue;
		CHECK_BYTES(name.data, name.len, expected.data, expected.len);
		CHECK_EQUAL_INT(value.type, other.type);
		CHECK_EQUAL_UINT(value.count, other.count);
		CHECK_BYTES(value.bytes.data, value.bytes.len, other.bytes.data, other.bytes.len);
		CHECK_EQUAL_UINT(walk.left, slow.left);
		/* one byte of length, two of a long one, precede the name */
		CHECK(walk.found == name.data - (name.len < 0x80 ? 1 : 2));
	}
}

static void test_seek(void)
{
	static const char *const names[] = { "", "a", "aa", "b", "d", "f", "fa", "fg", "fgh", "h",
		"j", "k", "kkkkkkkkkkkk", "l" };
	const unsigned count = sizeof names / sizeof *names;
	uint8_t bytes[600];
	size_t len = put_every_type(bytes), cut;

	CHECK_EQUAL_INT(map_check(slice_of(bytes, len)), 0);
	for (cut = 0; cut <= len; cut++)
		for (unsigned i = 0; i < count * count; i++)
			check_seek(slice_of(bytes, cut), slice_of_text(names[i / count]),
				slice_of_text(names[i % count]));
}

/* A skipped value is verified only as far as is needed to skip it. */
static void test_seek_skips(void)
{
	static const uint8_t bad_type[] = { 2, 1, 'a', 99, 1, 'b', TYPE_NULL };
	static const uint8_t bad_number[] = { 2, 1, 'a', TYPE_N, 0xc1, 0, 1, 'b', TYPE_NULL };
	static const uint8_t bad_list[] =
		{ 2, 1, 'a', TYPE_L, 0, 0, 0, 2, 7, TYPE_NULL, 1, 'b', TYPE_NULL };
	static const uint8_t more[] = { 1, 1, 'a', TYPE_NULL, 0 };
	static const uint8_t no_name[] = { 1, 0, TYPE_S, 0 };
	struct value value;

	CHECK_EQUAL_INT(map_find(slice_of(bad_type, sizeof bad_type), slice_of_text("b"), &value),
		ERR_CORRUPT);
	CHECK_EQUAL_INT(map_find(slice_of(bad_number, sizeof bad_number), slice_of_text("b"),
		&value), ERR_CORRUPT);
	CHECK_EQUAL_INT(map_find(slice_of(bad_list, sizeof bad_list), slice_of_text("a"), &value),
		ERR_CORRUPT);
	CHECK_EQUAL_INT(map_find(slice_of(bad_list, sizeof bad_list), slice_of_text("b"), &value),
		0);
	CHECK_EQUAL_INT(map_find(slice_of(more, sizeof more), slice_of_text("b"), &value),
		ERR_CORRUPT);
	CHECK_EQUAL_INT(map_find(slice_of(no_name, sizeof no_name), slice_of_text("b"), &value),
		END);
}

static void test_find(void)
{
	struct slice body = bytes_of(sample, sizeof sample);
	static const char *const absent[] = { "", "0", "aa", "abc", "bb", "d" };
	uint8_t spoilt[sizeof sample];
	struct value value;
	unsigned i;

	CHECK_EQUAL_INT(map_find(body, slice_of_text("a"), &value), 0);
	CHECK_EQUAL_INT(value.type, TYPE_N);
	CHECK_EQUAL_INT(map_find(body, slice_of_text("c"), &value), 0);
	CHECK_EQUAL_INT(value.type, TYPE_M);
	for (i = 0; i < sizeof absent / sizeof *absent; i++)
		CHECK_EQUAL_INT(map_find(body, slice_of_text(absent[i]), &value), END);

	/* bytes after the position of a name are not read */
	memcpy(spoilt, sample, sizeof sample);
	memset(spoilt + 20, 0xff, sizeof sample - 20);
	CHECK_EQUAL_INT(map_find(bytes_of(spoilt, sizeof spoilt), slice_of_text("aa"), &value),
		END);
	CHECK_EQUAL_INT(map_find(bytes_of(spoilt, sizeof spoilt), slice_of_text("b"), &value),
		ERR_CORRUPT);
	CHECK_EQUAL_INT(map_find(bytes_of(NULL, 0), slice_of_text("b"), &value), ERR_CORRUPT);
}

static void test_sizes(void)
{
	/* a 1+2, ab 2+3+2*(1+1), b 1+1+2, c 1+3+(1+1+1) */
	CHECK_EQUAL_UINT(item_size(bytes_of(sample, sizeof sample)), 3 + 9 + 4 + 7);
	CHECK_EQUAL_UINT(item_size(bytes_of("\0", 1)), 0);
}

static int check(const void *data, size_t len)
{
	return map_check(slice_of(data, len));
}

static void test_check(void)
{
	size_t len;

	CHECK_EQUAL_INT(check(sample, sizeof sample), 0);
	CHECK_EQUAL_INT(check("\0", 1), 0);
	for (len = 0; len < sizeof sample; len++)
		CHECK_EQUAL_INT(check(sample, len), ERR_CORRUPT);
}

static void check_bad_map(const void *data, size_t len)
{
	CHECK_EQUAL_INT(check(data, len), ERR_CORRUPT);
}

static void test_check_refuses(void)
{
	check_bad_map(BYTES(0, 0));                                          /* more follows */
	check_bad_map(BYTES(1, 0, TYPE_NULL));                               /* empty name */
	check_bad_map(BYTES(1, 1, 0xff, TYPE_NULL));                         /* not UTF-8 */
	check_bad_map(BYTES(1, 1, 'a', TYPE_S, 1, 0xff));
	check_bad_map(BYTES(2, 1, 'b', TYPE_NULL, 1, 'a', TYPE_NULL));       /* order */
	check_bad_map(BYTES(2, 1, 'a', TYPE_NULL, 1, 'a', TYPE_NULL));
	check_bad_map(BYTES(0x81, 0, 1, 'a', TYPE_NULL));                    /* long count */
	check_bad_map(BYTES(1, 1, 'a', TYPE_SS, 0, 0, 0, 5, 2, 1, 'b', 1, 'a'));
	check_bad_map(BYTES(1, 1, 'a', TYPE_SS, 0, 0, 0, 5, 2, 1, 'a', 1, 'a'));
	check_bad_map(BYTES(1, 1, 'a', TYPE_SS, 0, 0, 0, 3, 1, 1, 0xff));
	check_bad_map(BYTES(1, 1, 'a', TYPE_NS, 0, 0, 0, 4, 2, 0xc1, 2, 0x80));
	check_bad_map(BYTES(1, 1, 'a', TYPE_BS, 0, 0, 0, 5, 2, 1, 'b', 1, 'a'));
	check_bad_map(BYTES(1, 1, 'a', TYPE_L, 0, 0, 0, 3, 1, TYPE_NULL, TYPE_NULL));
	check_bad_map(BYTES(1, 1, 'a', TYPE_L, 0, 0, 0, 4, 1, TYPE_S, 1, 0xff));
}

/* Writes nested lists in one attribute. */
static size_t put_levels(uint8_t *bytes, unsigned levels)
{
	size_t len = 3;
	unsigned inside;

	memcpy(bytes, "\1\1a", 3);
	while (levels-- > 0) {
		inside = 1 + levels * 6;
		bytes[len++] = TYPE_L;
		set_u32(bytes + len, inside);
		bytes[len + 4] = levels > 0;
		len += 5;
	}
	return len;
}

/* Writes nested maps in one attribute. */
static size_t put_maps(uint8_t *bytes, unsigned levels)
{
	size_t len = 3;

	memcpy(bytes, "\1\1a", 3);
	while (levels-- > 0) {
		bytes[len++] = TYPE_M;
		set_u32(bytes + len, 1 + levels * 8);
		len += 4;
		memcpy(bytes + len, "\1\1a", 3);
		len += levels > 0 ? 3 : 1;
	}
	bytes[len - 1] = 0;
	return len;
}

static void test_depth(void)
{
	uint8_t bytes[512];

	CHECK_EQUAL_INT(check(bytes, put_maps(bytes, 1)), 0);
	CHECK_EQUAL_INT(check(bytes, put_maps(bytes, VALUE_MAX_DEPTH)), 0);
	CHECK_EQUAL_INT(check(bytes, put_maps(bytes, VALUE_MAX_DEPTH + 1)), ERR_CORRUPT);
	CHECK_EQUAL_INT(check(bytes, put_levels(bytes, 1)), 0);
	CHECK_EQUAL_INT(check(bytes, put_levels(bytes, VALUE_MAX_DEPTH)), 0);
	CHECK_EQUAL_INT(check(bytes, put_levels(bytes, VALUE_MAX_DEPTH + 1)), ERR_CORRUPT);
}

static unsigned levels_of(const uint8_t *bytes, size_t len)
{
	struct value value;

	CHECK_EQUAL_INT(map_find(slice_of(bytes, len), slice_of_text("a"), &value), 0);
	return value_levels(&value);
}

static void test_levels(void)
{
	uint8_t bytes[512];
	unsigned levels;

	for (levels = 1; levels <= VALUE_MAX_DEPTH + 3; levels++) {
		unsigned counted = levels <= VALUE_MAX_DEPTH ? levels : VALUE_MAX_DEPTH + 1;

		CHECK_EQUAL_UINT(levels_of(bytes, put_maps(bytes, levels)), counted);
		CHECK_EQUAL_UINT(levels_of(bytes, put_levels(bytes, levels)), counted);
	}
	CHECK_EQUAL_UINT(levels_of(BYTES(1, 1, 'a', TYPE_NULL)), 0);
	CHECK_EQUAL_UINT(levels_of(BYTES(1, 1, 'a', TYPE_SS, 0, 0, 0, 3, 1, 1, 'a')), 0);
}

static void test_name_length(void)
{
	static uint8_t bytes[NAME_MAX_BYTES + 16];
	size_t len;

	for (len = NAME_MAX_BYTES; len <= NAME_MAX_BYTES + 1; len++) {
		size_t at = 1;

		bytes[0] = 1;
		at += set_varint(bytes + at, len);
		memset(bytes + at, 'n', len);
		bytes[at + len] = TYPE_NULL;
		CHECK_EQUAL_INT(check(bytes, at + len + 1), len > NAME_MAX_BYTES ? ERR_CORRUPT : 0);
	}
}

static void test_type_names(void)
{
	CHECK_EQUAL_STRING(type_name(TYPE_S), "S");
	CHECK_EQUAL_STRING(type_name(TYPE_TRUE), "BOOL");
	CHECK_EQUAL_STRING(type_name(TYPE_FALSE), "BOOL");
	CHECK_EQUAL_STRING(type_name(TYPE_BS), "BS");
	CHECK_EQUAL_STRING(type_name((enum type)0), "?");
	CHECK_EQUAL_STRING(type_name((enum type)99), "?");
}

int main(void)
{
	test_every_character();
	test_every_short_text();
	test_utf8_at_any_place();
	test_plain_values();
	test_containers();
	test_refused_values();
	test_walk();
	test_seek();
	test_seek_skips();
	test_find();
	test_sizes();
	test_check();
	test_check_refuses();
	test_depth();
	test_levels();
	test_name_length();
	test_type_names();
	return 0;
}
