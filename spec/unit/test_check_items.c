/* test_check_items.c - problems that tide_check reports of items, their nodes and parts. */
#include "unit/wrong.h"

static struct key key_named(const char *p, const char *s)
{
	return forge_key(tide, "orders", item_of(&made, p, s, NULL));
}

/* --- items and their records --- */

static void forge_no_item(void)
{
	struct key key = key_named("bob", "1");

	forge_delete(txn, TREE_ITEMS, key_whole(&key));
}

static void forge_return(void)
{
	struct key key = key_named("ann", "2");

	forge_item(txn, &key, second, item_of(&made, "ann", "2", "v"));
}

static void forge_no_version(void)
{
	struct key key = key_named("bob", "1");

	forge_item(txn, &key, 0, item_of(&made, "bob", "1", "v"));
}

static void forge_version(void)
{
	struct key key = key_named("bob", "1");

	forge_item(txn, &key, last + LONGS + 1, item_of(&made, "bob", "1", "v"));
}

static void forge_value(void)
{
	struct key key = key_named("bob", "1");

	forge_item(txn, &key, both, item_of(&made, "bob", "1", "w"));
}

static void forge_other_item(void)
{
	struct key key = key_named("bob", "1");

	forge_item(txn, &key, both, item_of(&made, "bob", "9", "v"));
}

static void forge_no_map(void)
{
	struct key key = key_named("bob", "1");

	forge_item(txn, &key, both, slice_of_text("no item"));
}

static void put_attribute(struct buffer *item, const char *name, struct slice text)
{
	buffer_put_counted(item, slice_of_text(name));
	buffer_put_u8(item, TYPE_S);
	buffer_put_counted(item, text);
}

static void forge_no_keys(void)
{
	struct key key = key_named("bob", "1");
	struct buffer item = { 0 };

	buffer_put_varint(&item, 1);
	put_attribute(&item, "v", slice_of_text("v"));
	forge_item(txn, &key, both, buffer_slice(&item));
	buffer_release(&item);
}

/* Larger than a builder allows. */
static void forge_huge_item(void)
{
	static const char huge[ITEM_MAX_BYTES + 1] = "huge";
	struct key key = key_named("bob", "1");
	struct buffer item = { 0 };

	buffer_put_varint(&item, 3);
	put_attribute(&item, "p", slice_of_text("bob"));
	put_attribute(&item, "s", slice_of_text("1"));
	put_attribute(&item, "v", slice_of(huge, sizeof huge));
	forge_item(txn, &key, both, buffer_slice(&item));
	buffer_release(&item);
}

/* --- parts and nodes --- */

static struct slice piece(uint64_t part, uint16_t n)
{
	static uint8_t key[PART_KEY];

	set_u64(key, part);
	set_u16(key + 8, n);
	return slice_of(key, sizeof key);
}

static uint64_t part_of_big(void)
{
	struct key key = key_named("ann", "big");
	struct stored stored;
	struct buffer scratch = { 0 };

	CHECK_EQUAL_INT(item_get(&stored, txn, &key, &stream_row()->schema, slice_of(NULL, 0),
		&scratch), 0);
	buffer_release(&scratch);
	CHECK(stored.part > 0);
	return stored.part;
}

static void forge_no_piece(void)
{
	forge_delete(txn, TREE_PARTS, piece(part_of_big(), 1));
}

static void forge_more_pieces(void)
{
	forge_row(txn, TREE_PARTS, piece(part_of_big(), 3), slice_of_text("more"));
}

static void forge_orphan_part(void)
{
	forge_row(txn, TREE_PARTS, piece(1000, 0), slice_of_text("orphan"));
}

static void forge_short_keys(void)
{
	forge_row(txn, TREE_PARTS, slice_of_text("a\"b\\"), slice_of_text("?"));
	forge_row(txn, TREE_TAILS, slice_of_text("tail"), slice_of_text("?"));
	forge_row(txn, TREE_LOG, slice_of_text("log"), slice_of_text("?"));
	forge_row(txn, TREE_CATALOG, slice_of_text("\x13"), slice_of_text("?"));
	forge_row(txn, TREE_CATALOG, slice_of_text("\x10!"), slice_of_text("?"));
	forge_row(txn, TREE_ITEMS, slice_of("\1", 1), slice_of_text("?"));
	forge_row(txn, TREE_ITEMS, slice_of("\xf8\0\0\0\1k", 6), slice_of_text("?"));
}

/* The row of another item has the same part id. */
static void forge_shared_parts(void)
{
	struct key from = key_named("ann", "big"), to = key_named("bob", "1");
	struct slice value;
	struct buffer payload = { 0 };

	CHECK_EQUAL_INT(txn_get(txn, TREE_ITEMS, key_whole(&from), &value), 0);
	buffer_put(&payload, value.data + ROW_CHECKSUM, value.len - ROW_CHECKSUM);
	forge_row(txn, TREE_ITEMS, key_whole(&to), buffer_slice(&payload));
	buffer_release(&payload);
}

/* A key of 511 bytes that differs from the deep key after the table's id. */
static void put_node_row(uint32_t table, uint64_t node)
{
	struct key key = key_named("ann", deep);
	uint8_t row[STORE_KEY_MAX], payload[9] = { ROW_NODE };

	memcpy(row, key.bytes, sizeof row - 1);
	row[sizeof row - 1] = 1;
	row[sizeof row - 2] ^= table == 0;
	set_u64(payload + 1, node);
	forge_row(txn, TREE_ITEMS, slice_of(row, sizeof row), slice_of(payload, sizeof payload));
}

static uint64_t node_of_deep(void)
{
	struct key key = key_named("ann", deep);
	struct place place = forge_place(txn, &key);

	CHECK(place.tree == TREE_TAILS);
	return get_u64(place.bytes);
}

static void forge_second_way(void)
{
	put_node_row(0, node_of_deep());
}

static void forge_empty_node(void)
{
	put_node_row(0, 1000);
}

static void forge_lost_way(void)
{
	struct key key = key_named("ann", deep);
	uint8_t row[STORE_KEY_MAX];

	memcpy(row, key.bytes, sizeof row - 1);
	row[sizeof row - 1] = 1;
	forge_delete(txn, TREE_ITEMS, slice_of(row, sizeof row));
}

static const struct wrong wrongs[] = {
	{ "no item", forge_no_item, {
		"12\titems\torders\tp = \"bob\", s = \"1\"\t*is missing, or"
			" older than its last record 7",
	} },
	{ "an item that was deleted", forge_return, {
		"12\titems\t*exists, but record 10 says that it was removed",
	} },
	{ "an item never written", forge_no_version, {
		"5\titems\t*has sequence number 0, but the last assigned is 82",
		"12\titems\t*is missing, or older than its last record 7",
	} },
	{ "an item of tomorrow", forge_version, {
		"5\titems\t*has sequence number 83, but the last assigned is 82",
		"12\titems\t*has sequence number 83, but its stream has no such record",
	} },
	{ "an item's value", forge_value, {
		"12\titems\t*differs from the new image of its last record 7",
	} },
	{ "another item", forge_other_item, {
		"4\titems\t*has key attributes that differ from its key",
	} },
	{ "no map", forge_no_map, {
		"4\titems\t*does not decode",
	} },
	{ "an item without its keys", forge_no_keys, {
		"4\titems\t*has key attributes that differ from its key",
	} },
	{ "a huge item", forge_huge_item, {
		"6\titems\t*exceeds the maximum item size",
		"12\titems\t*differs from the new image of its last record 7",
	} },
	{ "no piece", forge_no_piece, {
		"3\titems\torders\tp = \"ann\", s = \"big\"\t*has too few or too many parts",
	} },
	{ "more pieces", forge_more_pieces, {
		"3\tparts\t\tpart id 1, piece 3\t*belongs to no item",
	} },
	{ "an orphan part", forge_orphan_part, {
		"3\tparts\t\tpart id 1000, piece 0\t*belongs to no item",
	} },
	{ "short keys", forge_short_keys, {
		"1\tcatalog\t\ttable !\t*has an invalid key",
		"1\tcatalog\t\tthe table of index 0\t*has an invalid key",
		"3\titems\torders\tthe bytes \"\\x01\"\t*has an invalid key",
		"3\titems\t\tthe bytes \"\\xf8\\x00\\x00\\x00\\x01k\"\t*has an invalid key",
		"3\ttails\t\tthe bytes \"tail\"\t*has an invalid key",
		"3\tparts\t\ta\\x22b\\x5c\t*has an invalid key",
		"3\tlog\t\tthe bytes \"log\"\t*has an invalid key",
		"4\titems\torders\tthe bytes \"\\x01\"\t*does not decode",
		"4\titems\t\tthe bytes \"\\xf8\\x00\\x00\\x00\\x01k\"\t*does not decode",
		"9\tlog\t*record 12 is followed by unreadable rows",
	} },
	{ "shared parts", forge_shared_parts, {
		"3\titems\t*has the part id of another item",
		"4\titems\t*has key attributes that differ from its key",
	} },
	{ "a second way", forge_second_way, {
		"4\titems\t*has key attributes that differ from its key",
		"3\ttails\t*has nodes with more than one reference",
	} },
	{ "an empty node", forge_empty_node, {
		"3\titems\t*refers to a node that is empty or missing",
	} },
	{ "a lost way", forge_lost_way, {
		"3\ttails\t\tthe bytes \"ddd*is in a node that no key refers to",
		"12\titems\t*is missing, or older than its last record 12",
	} },
};

/* The key of a row of tails has two nodes, and the tree has many others. */
static void a_long_key_is_named_whole(void)
{
	static char like[LONGER + 100];
	struct wrong wrong = { "a long key", NULL, { like } };
	struct report report = { 0 };
	struct key key;
	struct place place;

	fill();
	key = forge_key(tide, "longs", item_of(&made, "ann", long_name(42), NULL));
	txn = forge_begin(tide);
	place = forge_place(txn, &key);
	CHECK_EQUAL_INT(txn_put(txn, TREE_TAILS, place_key(&place), slice_of_text("ruin")), 0);
	forge_commit(tide, txn);
	snprintf(like, sizeof like, "1\ttails\tlongs\tp = \"ann\", s = \"%s\"\t*)",
		long_name(42));
	MUST(tide_check(tide, &report, &failure), failure);
	wrong_is_named(&wrong, &report);
	memory_may_fail(&report, memory_fail_after);
	memory_may_fail(&report, memory_fail_once_after);
	buffer_release(&report.text);
	tide_close(tide);
}

int main(void)
{
	wrong_start();
	for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++)
		is_named(&wrongs[i]);
	a_long_key_is_named_whole();
	builder_release(&made);
	return 0;
}
