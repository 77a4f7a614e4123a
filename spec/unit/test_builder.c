/* test_builder.c - tests of codec/builder.h. */
#include "codec/builder.h"

#include "base/error.h"
#include "base/memory.h"
#include "unit/check.h"
#include "unit/document.h"
#include "unit/rebuild.h"

#define ROUNDS 3000

static void put_text(struct builder *builder, const char *name, const char *text)
{
	builder_name(builder, slice_of_text(name));
	builder_string(builder, slice_of_text(text));
}

static void put_integer(struct builder *builder, int64_t n)
{
	struct number number;

	number_from_integer(&number, n);
	builder_number(builder, number_slice(&number));
}

/* --- known bytes --- */

static void test_layout(void)
{
	static const uint8_t expected[] = {
		7,
		1, 'a', TYPE_N, 0xc1, 0x02,
		1, 'b', TYPE_B, 1, 0xff,
		1, 'l', TYPE_L, 0, 0, 0, 3, 2, TYPE_TRUE, TYPE_FALSE,
		1, 'm', TYPE_M, 0, 0, 0, 8, 2, 1, 'x', TYPE_S, 0, 1, 'y', TYPE_NULL,
		1, 'n', TYPE_NS, 0, 0, 0, 4, 2, 0x80, 0xc1, 0x02,
		2, 'n', 'n', TYPE_L, 0, 0, 0, 1, 0,
		1, 's', TYPE_SS, 0, 0, 0, 5, 2, 1, 'a', 1, 'b',
	};
	struct builder builder = { 0 };
	struct slice item;

	builder_start(&builder);
	builder_name(&builder, slice_of_text("s"));
	builder_open(&builder, TYPE_SS);
	builder_string(&builder, slice_of_text("b"));
	builder_string(&builder, slice_of_text("a"));
	builder_close(&builder);
	builder_name(&builder, slice_of_text("nn"));
	builder_open(&builder, TYPE_L);
	builder_close(&builder);
	builder_name(&builder, slice_of_text("n"));
	builder_open(&builder, TYPE_NS);
	put_integer(&builder, 1);
	put_integer(&builder, 0);
	builder_close(&builder);
	builder_name(&builder, slice_of_text("m"));
	builder_open(&builder, TYPE_M);
	builder_name(&builder, slice_of_text("y"));
	builder_null(&builder);
	put_text(&builder, "x", "");
	builder_close(&builder);
	builder_name(&builder, slice_of_text("l"));
	builder_open(&builder, TYPE_L);
	builder_bool(&builder, true);
	builder_bool(&builder, false);
	builder_close(&builder);
	builder_name(&builder, slice_of_text("b"));
	builder_binary(&builder, slice_of_text("\xff"));
	builder_name(&builder, slice_of_text("a"));
	put_integer(&builder, 1);
	CHECK_EQUAL_INT(builder_finish(&builder, &item), 0);
	CHECK_BYTES(item.data, item.len, expected, sizeof expected);

	builder_start(&builder);
	CHECK_EQUAL_INT(builder_finish(&builder, &item), 0);
	CHECK_BYTES(item.data, item.len, "\0", 1);
	builder_release(&builder);
	builder_release(&builder);
}

/* --- properties of random documents --- */

/* Computes the size from the document, by the rule of DynamoDB's developer guide. */
static size_t tree_size(const struct node *node)
{
	size_t size = 3;
	unsigned i;

	switch (node->type) {
	case TYPE_S:
	case TYPE_B:
		return node->text.len;
	case TYPE_N:
		return number_size(node->text);
	case TYPE_M:
	case TYPE_L:
		for (i = 0; i < node->count; i++)
			size += 1 + node->children[i]->name.len + tree_size(node->children[i]);
		return size;
	case TYPE_SS:
	case TYPE_NS:
	case TYPE_BS:
		for (i = 0, size = 0; i < node->count; i++)
			size += tree_size(node->children[i]);
		return size;
	default:
		return 1;
	}
}

static void check_rebuilds(struct slice item)
{
	struct builder builder = { 0 };
	struct slice again;

	CHECK_EQUAL_INT(rebuild_item(&builder, item, &again), 0);
	CHECK_BYTES(again.data, again.len, item.data, item.len);
	builder_release(&builder);
}

/* Checks that an item copied with builder_value has the same bytes. */
static void check_copies(struct slice item)
{
	struct builder builder = { 0 };
	struct map_walk walk;
	struct slice name, again;
	struct value value;

	builder_start(&builder);
	map_start(&walk, item);
	while (map_next(&walk, &name, &value) == 0) {
		builder_name(&builder, name);
		builder_value(&builder, &value);
	}
	CHECK_EQUAL_INT(builder_finish(&builder, &again), 0);
	CHECK_BYTES(again.data, again.len, item.data, item.len);
	CHECK_EQUAL_UINT(builder.size, item_size(item));
	builder_release(&builder);
}

/* Every truncated item is CORRUPT; an item with a changed byte is CORRUPT or is another
 * canonical item. A heap copy of the exact length lets sanitizers detect overruns. */
static void check_damage(struct slice item)
{
	struct builder builder = { 0 };
	struct slice again;
	uint8_t *copy;
	size_t at, len;
	int round;

	for (len = 0; len < item.len; len++) {
		copy = malloc(len + 1);
		memcpy(copy + 1, item.data, len);
		CHECK_EQUAL_INT(map_check(slice_of(copy + 1, len)), ERR_CORRUPT);
		free(copy);
	}
	copy = malloc(item.len);
	for (round = 0; round < 100; round++) {
		memcpy(copy, item.data, item.len);
		for (at = 0; at <= check_random_below(2); at++)
			copy[check_random_below(item.len)] = (uint8_t)check_random();
		if (map_check(slice_of(copy, item.len)) == 0)
			check_rebuilds(slice_of(copy, item.len));
		else
			rebuild_item(&builder, slice_of(copy, item.len), &again);
	}
	builder_release(&builder);
	free(copy);
}

static void test_documents(void)
{
	static struct document document;
	struct builder builder = { 0 }, other = { 0 };
	struct slice item, again;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		document_random(&document);
		CHECK_EQUAL_INT(document_build(&builder, &document, &item), 0);
		CHECK_EQUAL_INT(map_check(item), 0);
		CHECK_EQUAL_UINT(item_size(item), builder.size);
		/* unlike a map, an item does not count 3 bytes and 1 for each attribute */
		CHECK_EQUAL_UINT(item_size(item) + 3 + document.item->count,
			tree_size(document.item));
		document_shuffle(&document);
		CHECK_EQUAL_INT(document_build(&other, &document, &again), 0);
		CHECK_BYTES(again.data, again.len, item.data, item.len);
		check_rebuilds(item);
		check_copies(item);
		if (item.len < 1500)
			check_damage(item);
	}
	builder_release(&builder);
	builder_release(&other);
}

/* --- many entries: sorting, and counts wider than a byte --- */

static void check_many(size_t count, int64_t step)
{
	struct builder builder = { 0 };
	struct slice item, name;
	struct value value;
	struct map_walk walk;
	char text[32];
	size_t i, at;

	builder_start(&builder);
	builder_name(&builder, slice_of_text("m"));
	builder_open(&builder, TYPE_M);
	for (i = 0; i < count; i++) {
		at = (i * (size_t)step + 7) % count;
		snprintf(text, sizeof text, "name%07zu", at);
		put_text(&builder, text, "");
	}
	builder_close(&builder);
	CHECK_EQUAL_INT(builder_finish(&builder, &item), 0);
	CHECK_EQUAL_INT(map_check(item), 0);
	CHECK_EQUAL_INT(map_find(item, slice_of_text("m"), &value), 0);
	CHECK_EQUAL_UINT(value.count, count);
	map_start(&walk, value.bytes);
	for (i = 0; map_next(&walk, &name, &value) == 0; i++) {
		snprintf(text, sizeof text, "name%07zu", i);
		CHECK_BYTES(name.data, name.len, text, strlen(text));
	}
	CHECK_EQUAL_UINT(i, count);
	builder_release(&builder);
}

static void test_many(void)
{
	size_t count;

	for (count = 1; count < 300; count++)
		check_many(count, 1);
	check_many(127, 5);
	check_many(128, 5);
	check_many(129, 5);
	check_many(16384, 4099);
	check_many(20011, 7919);
}

/* --- reusing a builder: each item is independent of the previous one --- */

#define NAMES_MAX 20

static struct slice build_names(struct builder *builder, const uint8_t *names, size_t count)
{
	static const char *const all[] = {
		"a", "ab", "abcdefg", "abcdefgh", "abcdefghi", "b", "ba", "c", "d\0", "d", "e",
		"longer than any prefix", "longer than another", "z", "\xc3\xa9", "zz",
		"longer than any prefer", "a name of thirty-one bytes, whole",
		"a name of thirty-one bytes, whol", "a name of thirty-one bytes, who",
	};
	struct slice item;

	builder_start(builder);
	for (size_t i = 0; i < count; i++)
		put_text(builder, all[names[i]], all[names[i]]);
	builder_finish(builder, &item);
	return item;
}

static void test_one_after_another(void)
{
	struct builder builder = { 0 };
	uint8_t names[NAMES_MAX];
	size_t count = 0;

	for (int i = 0; i < ROUNDS; i++) {
		struct builder fresh = { 0 };
		struct slice again, item;

		/* the names are the same, or two are swapped, one is changed, removed or added, or
		 * all are changed */
		switch (check_random_below(i ? 8 : 1)) {
		case 0:
			count = 1 + check_random_below(NAMES_MAX);
			for (size_t j = 0; j < count; j++)
				names[j] = (uint8_t)check_random_below(NAMES_MAX);
			break;
		case 1:
			names[check_random_below(count)] = (uint8_t)check_random_below(NAMES_MAX);
			break;
		case 2: {
			size_t a = check_random_below(count), b = check_random_below(count);
			uint8_t name = names[a];

			names[a] = names[b];
			names[b] = name;
			break;
		}
		case 3:
			count -= count > 1;
			break;
		case 4:
			if (count < NAMES_MAX)
				names[count++] = (uint8_t)check_random_below(NAMES_MAX);
			break;
		default:
			break;
		}
		again = build_names(&builder, names, count);
		item = build_names(&fresh, names, count);
		CHECK_EQUAL_INT(builder_error(&builder), builder_error(&fresh));
		CHECK(slice_equal(again, item));
		builder_release(&fresh);
	}
	builder_release(&builder);
}

/* A name inside a map is not mistaken for the item's next expected name. */
static void test_names_of_maps_are_not_known(void)
{
	struct builder builder = { 0 };
	struct slice item;

	for (int i = 0; i < 3; i++) {
		builder_start(&builder);
		builder_name(&builder, slice_of_text("a"));
		builder_open(&builder, TYPE_M);
		builder_name(&builder, slice_of_text("b"));
		builder_null(&builder);
		builder_close(&builder);
		builder_name(&builder, slice_of_text("b"));
		builder_null(&builder);
		CHECK_EQUAL_INT(builder_finish(&builder, &item), 0);
		CHECK_EQUAL_INT(map_check(item), 0);
		CHECK_EQUAL_UINT(item_size(item), builder.size);
	}
	builder_release(&builder);
}

/* A cached name can exceed the size limit or available memory. The next item is not
 * affected. */
static void test_known_names_that_do_not_fit(void)
{
	struct builder builder = { 0 };
	struct slice item;
	unsigned refused = 0;

	for (size_t len = 0; len < 3000; len++) {
		static uint8_t text[3000];

		builder_start(&builder);
		builder.size_max = len + 1;
		builder_name(&builder, slice_of_text("a"));
		builder_string(&builder, slice_of(text, len));
		CHECK_EQUAL_INT(builder_error(&builder), 0);
		builder_name(&builder, slice_of_text("b"));
		CHECK_EQUAL_INT(builder_error(&builder), ERR_ITEM_TOO_BIG);

		builder_start(&builder);
		builder_name(&builder, slice_of_text("a"));
		builder_string(&builder, slice_of(text, len));
		memory_fail_once_after(0);
		builder_name(&builder, slice_of_text("b"));
		memory_fail_after(-1);
		refused += builder_error(&builder) == ERR_NO_MEMORY;
		builder_null(&builder);
		CHECK_EQUAL_INT(builder_finish(&builder, &item), builder_error(&builder));

		builder_start(&builder);
		put_text(&builder, "a", "");
		put_text(&builder, "b", "");
		CHECK_EQUAL_INT(builder_finish(&builder, &item), 0);
		CHECK_BYTES(item.data, item.len, "\2\1a\1\0\1b\1\0", 9);
	}
	CHECK(refused > 0);
	builder_release(&builder);
}

static void test_long_list(void)
{
	struct builder builder = { 0 };
	struct slice item;
	struct value value;
	unsigned i;

	builder_start(&builder);
	builder_name(&builder, slice_of_text("l"));
	builder_open(&builder, TYPE_L);
	for (i = 0; i < 200000; i++)
		builder_null(&builder);
	builder_close(&builder);
	put_text(&builder, "a", "after");
	CHECK_EQUAL_INT(builder_finish(&builder, &item), 0);
	CHECK_EQUAL_INT(map_check(item), 0);
	CHECK_EQUAL_INT(map_find(item, slice_of_text("l"), &value), 0);
	CHECK_EQUAL_UINT(value.count, 200000);
	builder_release(&builder);
}

/* --- errors --- */

static void check_error(struct builder *builder, int expected)
{
	struct slice item;

	CHECK_EQUAL_INT(builder_error(builder), expected);
	builder_close(builder);
	builder_null(builder);
	CHECK_EQUAL_INT(builder_finish(builder, &item), expected);
	CHECK_EQUAL_UINT(item.len, 0);
	builder_start(builder);
	CHECK_EQUAL_INT(builder_finish(builder, &item), 0);
	builder_start(builder);
}

static void test_names(void)
{
	static char longest[NAME_MAX_BYTES + 1];
	struct builder builder = { 0 };
	struct slice item;

	builder_start(&builder);
	builder_name(&builder, slice_of_text(""));
	check_error(&builder, ERR_EMPTY_NAME);
	builder_name(&builder, slice_of_text("\xff"));
	check_error(&builder, ERR_NOT_UTF8);
	builder_name(&builder, slice_of_text("123456789\xff"));
	check_error(&builder, ERR_NOT_UTF8);
	memset(longest, 'n', sizeof longest);
	builder_name(&builder, slice_of(longest, NAME_MAX_BYTES + 1));
	check_error(&builder, ERR_NAME_TOO_LONG);
	builder_name(&builder, slice_of(longest, NAME_MAX_BYTES));
	builder_null(&builder);
	CHECK_EQUAL_INT(builder_finish(&builder, &item), 0);
	builder_start(&builder);
	put_text(&builder, "a", "1");
	put_text(&builder, "b", "2");
	put_text(&builder, "a", "1");
	CHECK_EQUAL_INT(builder_finish(&builder, &item), ERR_DUPLICATE_MEMBER);
	check_error(&builder, ERR_DUPLICATE_MEMBER);
	builder_release(&builder);
}

static void test_sets(void)
{
	struct builder builder = { 0 };
	struct slice item;

	builder_start(&builder);
	builder_name(&builder, slice_of_text("s"));
	builder_open(&builder, TYPE_NS);
	builder_close(&builder);
	check_error(&builder, ERR_EMPTY_SET);

	/* names that differ only in trailing zeros, and equal names */
	builder_name(&builder, slice_of_text("s"));
	builder_open(&builder, TYPE_BS);
	builder_binary(&builder, slice_of("a\0\0", 3));
	builder_binary(&builder, slice_of("a", 1));
	builder_binary(&builder, slice_of("a\0", 2));
	builder_binary(&builder, slice_of("", 0));
	builder_close(&builder);
	CHECK_EQUAL_INT(builder_finish(&builder, &item), 0);
	CHECK_EQUAL_INT(map_check(item), 0);
	builder_start(&builder);
	builder_name(&builder, slice_of_text("s"));
	builder_open(&builder, TYPE_SS);
	builder_string(&builder, slice_of_text("longer than eight"));
	builder_string(&builder, slice_of_text("b"));
	builder_string(&builder, slice_of_text("longer than eight"));
	builder_close(&builder);
	check_error(&builder, ERR_DUPLICATE_MEMBER);
	builder_release(&builder);
}

static void test_text(void)
{
	struct builder builder = { 0 };

	builder_start(&builder);
	builder_name(&builder, slice_of_text("s"));
	builder_string(&builder, slice_of_text("\xed\xa0\x80"));
	check_error(&builder, ERR_NOT_UTF8);
	builder_name(&builder, slice_of_text("s"));
	builder_binary(&builder, slice_of_text("\xed\xa0\x80"));
	CHECK_EQUAL_INT(builder_error(&builder), 0);
	builder_release(&builder);
}

static int build_levels(struct builder *builder, unsigned levels, bool with_set, struct slice *item)
{
	unsigned i;

	builder_start(builder);
	builder_name(builder, slice_of_text("a"));
	for (i = 0; i < levels; i++) {
		builder_open(builder, i % 2 ? TYPE_M : TYPE_L);
		if (i % 2)
			builder_name(builder, slice_of_text("a"));
	}
	if (with_set) {
		builder_open(builder, TYPE_SS);
		builder_string(builder, slice_of_text("x"));
		builder_close(builder);
	} else {
		builder_null(builder);
	}
	for (i = 0; i < levels; i++)
		builder_close(builder);
	return builder_finish(builder, item);
}

static void test_depth(void)
{
	struct builder builder = { 0 }, outer = { 0 };
	struct slice item, whole;
	struct value value;

	CHECK_EQUAL_INT(build_levels(&builder, VALUE_MAX_DEPTH, true, &item), 0);
	CHECK_EQUAL_INT(map_check(item), 0);
	CHECK_EQUAL_INT(build_levels(&builder, VALUE_MAX_DEPTH + 1, false, &item), ERR_TOO_DEEP);
	CHECK_EQUAL_INT(build_levels(&builder, 1000, false, &item), ERR_TOO_DEEP);

	/* all levels of an encoded value count */
	CHECK_EQUAL_INT(build_levels(&builder, VALUE_MAX_DEPTH - 1, true, &item), 0);
	map_find(item, slice_of_text("a"), &value);
	builder_start(&outer);
	builder_name(&outer, slice_of_text("o"));
	builder_open(&outer, TYPE_L);
	builder_value(&outer, &value);
	CHECK_EQUAL_INT(builder_error(&outer), 0);
	builder_close(&outer);
	CHECK_EQUAL_INT(builder_finish(&outer, &whole), 0);
	CHECK_EQUAL_INT(map_check(whole), 0);
	CHECK_EQUAL_INT(build_levels(&builder, VALUE_MAX_DEPTH, false, &item), 0);
	map_find(item, slice_of_text("a"), &value);
	builder_start(&outer);
	builder_name(&outer, slice_of_text("o"));
	builder_open(&outer, TYPE_L);
	builder_value(&outer, &value);
	CHECK_EQUAL_INT(builder_error(&outer), ERR_TOO_DEEP);
	builder_release(&builder);
	builder_release(&outer);
}

/* --- 400 KB, to the byte --- */

static void test_size_limit(void)
{
	static char text[ITEM_MAX_BYTES];
	struct builder builder = { 0 };
	struct slice item;
	struct value value;

	memset(text, 't', sizeof text);
	builder_start(&builder);
	builder_name(&builder, slice_of_text("a"));
	builder_string(&builder, slice_of(text, ITEM_MAX_BYTES - 1));
	CHECK_EQUAL_INT(builder_finish(&builder, &item), 0);
	CHECK_EQUAL_UINT(item_size(item), ITEM_MAX_BYTES);
	map_find(item, slice_of_text("a"), &value);

	builder_start(&builder);
	builder_name(&builder, slice_of_text("a"));
	builder_string(&builder, slice_of(text, ITEM_MAX_BYTES));
	check_error(&builder, ERR_ITEM_TOO_BIG);

	/* 1 + 3 for the list, 1 for its member */
	builder_name(&builder, slice_of_text("a"));
	builder_open(&builder, TYPE_L);
	builder_string(&builder, slice_of(text, ITEM_MAX_BYTES - 5));
	CHECK_EQUAL_INT(builder_error(&builder), 0);
	builder_string(&builder, slice_of_text(""));
	check_error(&builder, ERR_ITEM_TOO_BIG);

	builder_name(&builder, slice_of_text("n"));
	builder.size_max = 2;
	builder_null(&builder);
	CHECK_EQUAL_INT(builder_error(&builder), 0);
	builder_name(&builder, slice_of_text("o"));
	check_error(&builder, ERR_ITEM_TOO_BIG);
	builder_release(&builder);
}

int main(void)
{
	test_layout();
	test_documents();
	test_many();
	test_one_after_another();
	test_names_of_maps_are_not_known();
	test_known_names_that_do_not_fit();
	test_long_list();
	test_names();
	test_sets();
	test_text();
	test_depth();
	test_size_limit();
	return 0;
}
