/* test_items.c - table/items.h: payloads are accepted in their canonical form only.
 *
 * Each payload is copied to a heap block of its exact length, so that a sanitizer detects reads
 * past its end.
 */
#include "unit/forge.h"

static int open_bytes(struct stored *stored, const void *bytes, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	int err;

	CHECK(copy != NULL);
	slice_write(copy, slice_of(bytes, len));
	err = stored_open(stored, slice_of(copy, len));
	if (!err && !stored->part)
		stored->item.data = NULL;        /* the item pointed into copy */
	free(copy);
	return err;
}

static void the_layout(void)
{
	struct stored stored;

	CHECK_EQUAL_INT(open_bytes(&stored, "\x31\1\2\3item", 8), 0);
	CHECK_EQUAL_UINT(stored.sequence, 0x030201);
	CHECK(stored.part == 0 && stored.item.len == 4);
	CHECK_EQUAL_INT(open_bytes(&stored, "\x12\7\1\2\3\4\5\6\7\10\0\1\2\3", 14), 0);
	CHECK_EQUAL_UINT(stored.sequence, 7);
	CHECK_EQUAL_UINT(stored.part, 0x0102030405060708);
	CHECK(!stored.item.data && stored.item.len == 0x010203);
	CHECK_EQUAL_INT(open_bytes(&stored, "\x81\1\2\3\4\5\6\7\10", 9), 0);
	CHECK_EQUAL_UINT(stored.sequence, 0x0807060504030201);
	CHECK_EQUAL_INT(open_bytes(&stored, "\1item", 5), 0);
	CHECK_EQUAL_UINT(stored.sequence, 0);
}

#define PARTS "\0\0\0\0\0\0\0\1\0\0\0\2"

/* Empty payloads, invalid kinds, sequence numbers that are truncated, not minimal or too long;
 * for parts one byte too few, one too many, id 0. */
static void invalid_items_are_refused(void)
{
	static const struct { const char *bytes; size_t len; } payloads[] = {
		{ "", 0 }, { "\0item", 5 }, { "\x10\1item", 6 }, { "\x14\1item", 6 },
		{ "\x15\1item", 6 }, { "\x19\1item", 6 }, { "\x11", 1 }, { "\x21\1", 2 },
		{ "\x21\1\0item", 7 }, { "\x11\0item", 6 }, { "\x91\1\2\3\4\5\6\7\10\11i", 11 },
		{ "\xf1\1\2\3\4\5\6\7\10\1\2\3\4\5\6\7\10i", 18 }, { "\3\0\0\0\0\0\0\0\1", 9 },
		{ "\x13\1\0\0\0\0\0\0\0\1", 10 }, { "\x12\1" PARTS, 13 }, { "\x12\1" PARTS "?",
		15 },
		{ "\x12\1\0\0\0\0\0\0\0\0\0\0\0\2", 14 }, { "\x1a\1" PARTS, 14 },
	};
	struct stored stored;

	for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++)
		CHECK_EQUAL_INT(open_bytes(&stored, payloads[i].bytes, payloads[i].len),
			ERR_CORRUPT);
}

static void invalid_nodes_are_refused(void)
{
	static const struct { const char *bytes; size_t len; } payloads[] = {
		{ "", 0 }, { "\3\0\0\0\0\0\0\0", 8 }, { "\3\0\0\0\0\0\0\0\1?", 10 },
		{ "\x13\0\0\0\0\0\0\0\1", 9 }, { "\2\0\0\0\0\0\0\0\1", 9 },
	};
	uint64_t node;

	CHECK_EQUAL_INT(row_node(slice_of("\3\0\0\0\0\0\0\1\2", 9), &node), 0);
	CHECK_EQUAL_UINT(node, 258);
	for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++)
		CHECK_EQUAL_INT(row_node(slice_of(payloads[i].bytes, payloads[i].len), &node),
			ERR_CORRUPT);
}

/* Encoding the head of an accepted payload again gives the same bytes. */
static void one_form_of_each(void)
{
	uint8_t bytes[24];
	unsigned taken = 0;

	for (int i = 0; i < 200000; i++) {
		size_t len = check_random_below(sizeof bytes + 1);
		struct buffer again = { 0 };
		struct stored stored;

		check_random_bytes(bytes, sizeof bytes);
		bytes[0] = (uint8_t)(check_random_below(10) << 4 | check_random_below(4));
		if (open_bytes(&stored, bytes, len))
			continue;
		taken++;
		forge_item_head(&again, stored.part ? ROW_PARTS : ROW_ITEM, stored.sequence);
		if (stored.part) {
			buffer_put_u64(&again, stored.part);
			buffer_put_u32(&again, (uint32_t)stored.item.len);
			CHECK_EQUAL_UINT(again.len, len);
		} else {
			CHECK_EQUAL_UINT(again.len + stored.item.len, len);
		}
		CHECK_BYTES(again.data, again.len, bytes, again.len);
		buffer_release(&again);
	}
	CHECK(taken > 10000);
}

int main(void)
{
	the_layout();
	invalid_items_are_refused();
	invalid_nodes_are_refused();
	one_form_of_each();
	return 0;
}
