/* fuzz_rows.c - any rows in items, tails and parts: a walk returns the keys in order, the same
 * in both directions, and each is found again; or it returns CORRUPT.
 *
 *     for each row: tree, how the payload is built (u8 each), its key, the payload
 *     key      node or part (u8, not for items), bytes (length and bytes), and the number
 *              of pairs of 'k' after them (u8)
 */
#include "fuzz/rows.h"
#include "table/items.h"
#include "table/read.h"

#define TABLE 7
#define ROWS_MAX 24
#define KEYS_MAX 256                /* a limit, because nodes can share nodes */
#define KEY_MAX (KEY_HEAD_MAX + SORT_KEY_MAX)

enum payload { PAYLOAD_NODE, PAYLOAD_ITEM, PAYLOAD_PARTS, PAYLOAD_RAW, PAYLOAD_KINDS };

struct found {
	size_t len;
	uint8_t bytes[KEY_MAX];
};

static struct found keys[KEYS_MAX];
static size_t key_count;

static struct slice found_key(size_t i)
{
	return slice_of(keys[i].bytes, keys[i].len);
}

/* --- reading the input --- */

static struct slice read_key(struct source *source, enum tree tree, uint8_t buf[STORE_KEY_MAX])
{
	size_t len = 0, fill;
	struct slice bytes;

	if (tree == TREE_ITEMS) {
		len = set_id(buf, TABLE);
	} else {
		set_u64(buf, source_u8(source));
		len = 8;
	}
	bytes = source_counted(source);
	if (bytes.len > STORE_KEY_MAX - len)
		bytes.len = STORE_KEY_MAX - len;
	memcpy(buf + len, bytes.data, bytes.len);
	len += bytes.len;
	fill = 2 * (size_t)source_u8(source);
	if (fill > STORE_KEY_MAX - len)
		fill = STORE_KEY_MAX - len;
	memset(buf + len, 'k', fill);
	len += fill;
	if (len == STORE_KEY_MAX && source_u8(source) < 0x80)
		buf[len - 1] = 0x01;
	return slice_of(buf, len);
}

static void read_payload(struct source *source, enum payload kind, struct buffer *payload)
{
	static const uint8_t kinds[] = { ROW_NODE, ROW_ITEM, ROW_PARTS };
	unsigned width;

	buffer_clear(payload);
	if (kind == PAYLOAD_NODE) {
		buffer_put_u8(payload, kinds[kind]);
		buffer_put_u64(payload, source_u8(source));
	} else if (kind < PAYLOAD_RAW) {
		width = source_u8(source) % 10;
		buffer_put_u8(payload, (uint8_t)(width << 4 | kinds[kind]));
		buffer_put_slice(payload, source_take(source, width));
	}
	if (kind == PAYLOAD_PARTS) {
		buffer_put_u64(payload, source_u8(source));
		buffer_put_u32(payload, source_u16(source));
	}
	if (kind == PAYLOAD_ITEM || kind == PAYLOAD_RAW)
		buffer_put_slice(payload, source_counted(source));
}

/* Returns true if all checksums are correct. */
static bool put_rows(struct txn *txn, struct source *source)
{
	static struct buffer payload;
	uint8_t buf[STORE_KEY_MAX];
	bool sound = true;

	for (int i = 0; i < ROWS_MAX && source_left(source); i++) {
		enum tree tree = (enum tree)(TREE_ITEMS + source_u8(source) % 3);
		uint8_t how = source_u8(source);
		bool damaged = how >= 0xf0;
		struct slice key;

		if (tree == TREE_PARTS) {
			set_u64(buf, source_u8(source));
			set_u16(buf + 8, source_u8(source));
			key = slice_of(buf, PART_KEY);
		} else {
			key = read_key(source, tree, buf);
		}
		read_payload(source, (enum payload)(how % PAYLOAD_KINDS), &payload);
		fuzz_row(txn, tree, key, buffer_slice(&payload), damaged);
		sound = sound && !damaged;
	}
	return sound;
}

/* --- checking the rows --- */

static int collect(struct txn *txn)
{
	struct row_walk walk = { 0 };
	int err = row_walk_from(&walk, txn, slice_of_text(""));

	for (key_count = 0; !err && key_count < KEYS_MAX; err = row_walk_next(&walk)) {
		struct slice key = row_walk_key(&walk);

		if (key_count)
			CHECK(slice_compare(found_key(key_count - 1), key) < 0);
		memcpy(keys[key_count].bytes, key.data, key.len);
		keys[key_count++].len = key.len;
	}
	CHECK(err >= 0 || err == ERR_CORRUPT);
	row_walk_stop(&walk);
	return err;
}

static void check_backward(struct txn *txn)
{
	struct row_walk walk = { 0 };
	uint8_t end[KEY_MAX];
	size_t i = key_count;
	int err;

	memset(end, 0xff, sizeof end);
	for (err = row_walk_before(&walk, txn, slice_of(end, sizeof end)); !err;
			err = row_walk_previous(&walk)) {
		struct slice key = row_walk_key(&walk);

		CHECK(i-- > 0);
		CHECK(slice_equal(key, found_key(i)));
	}
	CHECK_EQUAL_INT(err, END);
	CHECK_EQUAL_UINT(i, 0);
	row_walk_stop(&walk);
}

static void check_each_key(struct txn *txn)
{
	for (size_t i = 0; i < key_count; i++) {
		struct row_walk walk = { 0 };
		struct slice value, payload;
		struct place place;

		CHECK_EQUAL_INT(row_walk_from(&walk, txn, found_key(i)), 0);
		CHECK(slice_equal(row_walk_key(&walk), found_key(i)));
		CHECK_EQUAL_INT(place_find(&place, txn, found_key(i)), 0);
		CHECK_EQUAL_INT(txn_get(txn, place.tree, place_key(&place), &value), 0);
		CHECK_EQUAL_INT(row_open(place_key(&place), value, &payload), 0);
		CHECK(slice_equal(payload, walk.payload));
		row_walk_stop(&walk);
		CHECK_EQUAL_INT(row_walk_before(&walk, txn, found_key(i)), i ? 0 : END);
		CHECK(i == 0 || slice_equal(row_walk_key(&walk), found_key(i - 1)));
		row_walk_stop(&walk);
	}
}

static uint32_t count_items(struct txn *txn, bool backward)
{
	static const struct table table = { .row = { .id = TABLE, .name = "fuzzed",
		.schema = { .partition = { TYPE_S, 1, "p" } } } };
	struct keyspace keyspace = keyspace_of_table(&table, 0);
	struct page_request request = { .keyspace = &keyspace, .max = 5 };
	static struct page page;
	struct failure failure;
	struct range range;
	struct slice item;
	uint64_t sequence;
	uint32_t count = 0;
	int err;

	range_of_keyspace(&range, &keyspace);
	range.backward = backward;
	do {
		err = page_fill(&page, &range, &request, txn, &failure);
		CHECK(!err || (err == ERR_CORRUPT && !page.more));
		while (!err && page_next(&page, &sequence, &item) == 0)
			count++;
	} while (!err && page.more);
	return err ? UINT32_MAX : count;
}

static void check_pages(struct txn *txn)
{
	uint32_t forward = count_items(txn, false), backward = count_items(txn, true);

	CHECK((forward == UINT32_MAX) == (backward == UINT32_MAX));
	CHECK(forward == UINT32_MAX || forward == backward);
}

static bool may_be(int err)
{
	return err == 0 || err == END || err == ERR_CORRUPT;
}

/* Puts and deletes an item, which must be found after the put and not after the delete. */
static void write_one(struct txn *txn, struct slice sort)
{
	static struct buffer scratch;
	static struct key key;
	struct key_schema schema = { .partition = { TYPE_S, 1, "p" } };
	struct slice item = slice_of_text("an item");
	struct stored stored, *old;
	uint64_t node = 300;
	int err;

	key.head_len = (uint16_t)set_id(key.bytes, TABLE);
	key.sort_len = (uint16_t)sort.len;
	memcpy(key.bytes + key.head_len, sort.data, sort.len);
	err = item_get(&stored, txn, &key, &schema, item, &scratch);
	CHECK(may_be(err));
	if (err < 0)
		return;
	old = err ? NULL : &stored;
	err = item_put(txn, &key, item, 9, old, &node);
	CHECK(may_be(err));
	if (err)
		return;
	CHECK_EQUAL_INT(item_get(&stored, txn, &key, &schema, item, &scratch), 0);
	CHECK(slice_equal(stored.item, item) && stored.sequence == 9);
	err = item_delete(txn, &key, &stored);
	CHECK(may_be(err));
	if (!err)
		CHECK_EQUAL_INT(item_get(&stored, txn, &key, &schema, item, &scratch), END);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source source = source_of(slice_of(data, size));
	struct txn *txn = fuzz_begin();
	uint8_t sort[SORT_KEY_MAX];

	memset(sort, 'k', sizeof sort);
	put_rows(txn, &source);
	if (collect(txn) == END) {
		check_backward(txn);
		check_each_key(txn);
		check_pages(txn);
	}
	write_one(txn, slice_of(sort, size % (SORT_KEY_MAX + 1)));
	cancel_write(txn);
	return 0;
}

/* Puts the rows of a key of `deep` nodes, as place_make would. */
static void put_deep(struct buffer *out, unsigned deep, uint8_t name)
{
	for (unsigned level = 0; level < deep; level++) {
		buffer_put_u8(out, level > 0);
		buffer_put_u8(out, PAYLOAD_NODE);
		if (level)
			buffer_put_u8(out, (uint8_t)(name + level));
		buffer_put_counted(out, slice_of(&name, 1));
		buffer_put_u8(out, 255);
		buffer_put_u8(out, 0);
		buffer_put_u8(out, (uint8_t)(name + level + 1));
	}
	buffer_put_u8(out, deep > 0);
	buffer_put_u8(out, name % 2 ? PAYLOAD_ITEM : PAYLOAD_PARTS);
	if (deep)
		buffer_put_u8(out, (uint8_t)(name + deep));
	buffer_put_counted(out, slice_of(&name, 1));
	buffer_put_u8(out, 3);
	buffer_put_u8(out, 1);          /* a sequence number of one byte */
	buffer_put_u8(out, 9);
	if (name % 2) {
		buffer_put_counted(out, slice_of_text("item"));
		return;
	}
	buffer_put_u8(out, name);
	buffer_put_u16(out, 4);
	for (uint8_t n = 0; n < 2; n++) {
		buffer_put_u8(out, 2);
		buffer_put_u8(out, PAYLOAD_RAW);
		buffer_put_u8(out, name);
		buffer_put_u8(out, n);
		buffer_put_counted(out, slice_of_text("it"));
	}
}

bool fuzz_seed(unsigned n, struct buffer *out)
{
	for (unsigned i = 0; i <= n % 5; i++)
		put_deep(out, (n + i) % 4, (uint8_t)('a' + 8 * i + n % 3));
	return n < 20;
}
