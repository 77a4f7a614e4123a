/* test_long_key.c - table/long_key.h: keys of all lengths, compared with a sorted array. */
#include "codec/row.h"
#include "table/long_key.h"
#include "unit/stores.h"

#define KEY_MAX (KEY_HEAD_MAX + SORT_KEY_MAX)
#define MODEL_MAX 3000
#define ITEMS_SHARE 510          /* bytes of a key in its row of `items` */
#define TAILS_SHARE 502          /* bytes of a key in each row of `tails` */

/* --- the model: a sorted array of keys --- */

struct model_key {
	size_t len;
	uint32_t mark;           /* contents of its row */
	uint8_t bytes[KEY_MAX];
};

static struct model_key *model;
static size_t model_count;
static struct buffer scratch;

static struct slice bytes_of(const struct model_key *key)
{
	return slice_of(key->bytes, key->len);
}

/* Returns the index of the first key that is not less. */
static size_t model_from(struct slice key)
{
	size_t low = 0, high = model_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (slice_compare(bytes_of(&model[middle]), key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool model_has(struct slice key)
{
	size_t at = model_from(key);

	return at < model_count && slice_equal(bytes_of(&model[at]), key);
}

static void model_put(const struct model_key *key)
{
	size_t at = model_from(bytes_of(key));

	if (!model_has(bytes_of(key))) {
		CHECK(model_count < MODEL_MAX);
		memmove(model + at + 1, model + at, (model_count - at) * sizeof *model);
		model_count++;
	}
	model[at] = *key;
}

static void model_delete(size_t at)
{
	model_count--;
	memmove(model + at, model + at + 1, (model_count - at) * sizeof *model);
}

/* Returns the number of different prefixes of `len` bytes of the longer keys. */
static uint64_t model_prefixes(size_t len)
{
	const struct model_key *last = NULL;
	uint64_t count = 0;

	for (size_t i = 0; i < model_count; i++) {
		if (model[i].len <= len)
			continue;
		if (!last || memcmp(last->bytes, model[i].bytes, len) != 0)
			count++;
		last = &model[i];
	}
	return count;
}

static uint64_t model_longer(size_t len)
{
	uint64_t count = 0;

	for (size_t i = 0; i < model_count; i++)
		count += model[i].len > len;
	return count;
}

/* --- keys --- */

/* Lengths around the limits of rows, and random ones. */
static size_t random_length(void)
{
	static const size_t edges[] = {
		1, 8, ITEMS_SHARE - 1, ITEMS_SHARE, ITEMS_SHARE + 1, ITEMS_SHARE + 8,
		ITEMS_SHARE + TAILS_SHARE - 1, ITEMS_SHARE + TAILS_SHARE,
		ITEMS_SHARE + TAILS_SHARE + 1, KEY_MAX - 1, KEY_MAX,
	};

	if (check_random_below(3))
		return edges[check_random_below(sizeof edges / sizeof *edges)];
	return 1 + check_random_below(KEY_MAX);
}

/* Few different bytes, so that keys have long common prefixes. 0x01 is
 * also the mark of a node. */
static void random_key(struct model_key *key, unsigned letters)
{
	static const uint8_t alphabet[] = { 0x01, 0x00, 0xff };
	uint8_t most = alphabet[check_random_below(letters)];

	key->len = random_length();
	key->mark = (uint32_t)check_random();
	memset(key->bytes, most, key->len);
	for (uint64_t i = check_random_below(3); i > 0; i--)
		key->bytes[check_random_below(key->len)] = alphabet[check_random_below(letters)];
	if (check_random_below(2))
		key->bytes[key->len - 1] = alphabet[check_random_below(letters)];
}

/* Often an existing one. */
static void some_key(struct model_key *key, unsigned letters)
{
	if (model_count && check_random_below(2))
		*key = model[check_random_below(model_count)];
	else
		random_key(key, letters);
}

/* --- the rows --- */

static uint64_t last_node;

static void put(struct txn *txn, const struct model_key *key)
{
	struct buffer value = { 0 };
	struct place place;

	CHECK_EQUAL_INT(place_make(&place, txn, bytes_of(key), &last_node), 0);
	row_start(&value);
	buffer_put_u8(&value, 0x10 | ROW_ITEM);
	buffer_put_u8(&value, 1);
	buffer_put_u32(&value, key->mark);
	CHECK_EQUAL_INT(row_seal(&value, place_key(&place)), 0);
	CHECK_EQUAL_INT(txn_put(txn, place.tree, place_key(&place), buffer_slice(&value)), 0);
	buffer_release(&value);
	model_put(key);
}

static void delete(struct txn *txn, size_t at)
{
	struct model_key key = model[at];
	struct place place;

	CHECK_EQUAL_INT(place_find(&place, txn, bytes_of(&key)), 0);
	CHECK_EQUAL_INT(txn_delete(txn, place.tree, place_key(&place)), 0);
	CHECK_EQUAL_INT(place_prune(txn, bytes_of(&key)), 0);
	model_delete(at);
}

/* Checks that a row is found if and only if its key exists. */
static void find(struct txn *txn, const struct model_key *key)
{
	struct slice value, payload;
	struct place place;
	int err = place_find(&place, txn, bytes_of(key));

	if (!err)
		err = txn_get(txn, place.tree, place_key(&place), &value);
	CHECK_EQUAL_INT(err, model_has(bytes_of(key)) ? 0 : END);
	if (err)
		return;
	CHECK_EQUAL_INT(row_open(place_key(&place), value, &payload), 0);
	CHECK_EQUAL_UINT(get_u32(payload.data + 2), model[model_from(bytes_of(key))].mark);
}

static void count(struct txn *txn)
{
	uint64_t items, tails, nodes = model_prefixes(ITEMS_SHARE);
	uint64_t deep = model_prefixes(ITEMS_SHARE + TAILS_SHARE);

	CHECK_EQUAL_INT(txn_count(txn, TREE_ITEMS, &items), 0);
	CHECK_EQUAL_INT(txn_count(txn, TREE_TAILS, &tails), 0);
	CHECK_EQUAL_UINT(items, model_count - model_longer(ITEMS_SHARE) + nodes);
	CHECK_EQUAL_UINT(tails, model_longer(ITEMS_SHARE) + deep);
}

/* --- walks --- */

static void is_on(const struct row_walk *walk, size_t at)
{
	CHECK(at < model_count);
	CHECK_BYTES(row_walk_key(walk).data, row_walk_key(walk).len, model[at].bytes,
		model[at].len);
	CHECK(walk->payload.len == 6 && walk->payload.data[0] == (0x10 | ROW_ITEM));
	CHECK_EQUAL_UINT(get_u32(walk->payload.data + 2), model[at].mark);
}

static void everything(struct txn *txn)
{
	struct slice nothing = slice_of((const uint8_t *)"", 0);
	struct row_walk walk = { 0 };
	uint8_t high[KEY_MAX];
	size_t at = 0;
	int err;

	for (err = row_walk_from(&walk, txn, nothing); !err; err = row_walk_next(&walk))
		is_on(&walk, at++);
	CHECK_EQUAL_INT(err, END);
	CHECK_EQUAL_UINT(at, model_count);
	CHECK_EQUAL_INT(row_walk_next(&walk), END);
	row_walk_stop(&walk);
	memset(high, 0xff, sizeof high);
	CHECK(!model_has(slice_of(high, sizeof high)));
	for (err = row_walk_before(&walk, txn, slice_of(high, sizeof high)); !err;
			err = row_walk_previous(&walk))
		is_on(&walk, --at);
	CHECK_EQUAL_INT(err, END);
	CHECK_EQUAL_UINT(at, 0);
	CHECK_EQUAL_INT(row_walk_previous(&walk), END);
	row_walk_stop(&walk);
	row_walk_stop(&walk);
}

/* From a random key some steps in one direction, then back. */
static void stroll(struct txn *txn, unsigned letters)
{
	struct row_walk walk = { 0 };
	struct model_key key;
	size_t at;
	int err;

	some_key(&key, letters);
	at = model_from(bytes_of(&key));
	if (check_random_below(2)) {
		err = row_walk_from(&walk, txn, bytes_of(&key));
		CHECK_EQUAL_INT(err, at < model_count ? 0 : END);
	} else {
		err = row_walk_before(&walk, txn, bytes_of(&key));
		CHECK_EQUAL_INT(err, at > 0 ? 0 : END);
		at--;
	}
	for (int steps = (int)check_random_below(12); !err; steps--) {
		bool back = check_random_below(3) == 0;

		is_on(&walk, at);
		if (steps <= 0)
			break;
		err = back ? row_walk_previous(&walk) : row_walk_next(&walk);
		if (back)
			CHECK_EQUAL_INT(err, at-- > 0 ? 0 : END);
		else
			CHECK_EQUAL_INT(err, ++at < model_count ? 0 : END);
	}
	row_walk_stop(&walk);
}

/* --- random steps --- */

static void step(struct txn *txn, unsigned letters)
{
	struct model_key key;

	switch (check_random_below(6)) {
	case 0: case 1:
		if (model_count < MODEL_MAX) {
			some_key(&key, letters);
			key.mark = (uint32_t)check_random();
			/* Returns a random key that does not consist of 0xff only, because such a
			 * key bounds the walk backward. */
			if (key.len == KEY_MAX)
				key.bytes[0] = 0x01;
			put(txn, &key);
		}
		break;
	case 2:
		if (model_count)
			delete(txn, check_random_below(model_count));
		break;
	case 3:
		some_key(&key, letters);
		find(txn, &key);
		break;
	default:
		stroll(txn, letters);
	}
}

static void random_steps(unsigned letters)
{
	char name[32];
	struct store *store;
	struct txn *txn;

	snprintf(name, sizeof name, "rows%u.tide", letters);
	store = open_small(store_path(name));
	last_node = 0;
	for (int round = 0; round < 20; round++) {
		txn = begin_write(store);
		for (int i = 0; i < 150; i++)
			step(txn, letters);
		count(txn);
		everything(txn);
		commit(txn);
		txn = open_reader(store);
		renew(txn);
		everything(txn);
		reader_close(txn);
	}
	txn = begin_write(store);
	while (model_count)
		delete(txn, check_random_below(model_count));
	count(txn);
	everything(txn);
	commit(txn);
	store_close(store);
}

/* A key of exactly 510 bytes sorts before its continuations. */
static void exact_keys_come_first(void)
{
	struct store *store = open_small(store_path("exact.tide"));
	struct txn *txn = begin_write(store);
	static const size_t lengths[] = { 510, 511, 512, 1012, 1013, 1014, KEY_MAX };
	struct model_key key = { 0 };

	last_node = 0;
	for (int i = 6; i >= 0; i--) {
		key.len = lengths[i];
		put(txn, &key);
	}
	everything(txn);
	count(txn);
	CHECK_EQUAL_UINT(last_node, 2);
	while (model_count)
		delete(txn, 0);
	count(txn);
	commit(txn);
	store_close(store);
}

/* An empty node, or a row that should be a node's and is not, is CORRUPT. */
static void damage_is_said(void)
{
	struct store *store = open_small(store_path("damage.tide"));
	struct txn *txn = begin_write(store);
	struct row_walk walk = { 0 };
	struct model_key key = { .len = 600 };
	struct place place;
	uint8_t bad = 0;

	memset(key.bytes, 'k', sizeof key.bytes);
	last_node = 0;
	put(txn, &key);
	CHECK_EQUAL_INT(place_find(&place, txn, bytes_of(&key)), 0);
	CHECK(place.tree == TREE_TAILS);
	CHECK_EQUAL_INT(txn_delete(txn, TREE_TAILS, place_key(&place)), 0);
	CHECK_EQUAL_INT(row_walk_from(&walk, txn, slice_of(key.bytes, 1)), ERR_CORRUPT);
	row_walk_stop(&walk);
	CHECK_EQUAL_INT(row_walk_before(&walk, txn, slice_of((const uint8_t *)"l", 1)),
		ERR_CORRUPT);
	row_walk_stop(&walk);
	key.bytes[510] = 0x01;
	CHECK_EQUAL_INT(txn_put(txn, TREE_ITEMS, slice_of(key.bytes, 511),
		slice_of(&bad, 1)), 0);
	key.bytes[510] = 'k';
	CHECK_EQUAL_INT(place_find(&place, txn, bytes_of(&key)), ERR_CORRUPT);
	CHECK_EQUAL_INT(row_walk_from(&walk, txn, bytes_of(&key)), ERR_CORRUPT);
	row_walk_stop(&walk);
	model_count = 0;
	cancel_write(txn);
	store_close(store);
}

/* Rows that would give two items the same key, or an order that is not that of the keys. */
static void rows_that_cannot_be(void)
{
	struct store *store = open_small(store_path("cannot_be.tide"));
	struct txn *txn = begin_write(store);
	struct row_walk walk = { 0 };
	struct model_key key = { .len = 600 };
	uint8_t node[8] = { 0 }, row[STORE_KEY_MAX];

	memset(key.bytes, 'k', sizeof key.bytes);
	last_node = 0;
	put(txn, &key);
	memset(row, 'k', sizeof row);
	row[510] = 0x02;
	row_start(&scratch);
	buffer_put_u8(&scratch, ROW_NODE);
	buffer_put_u64(&scratch, 1);
	CHECK_EQUAL_INT(row_seal(&scratch, slice_of(row, sizeof row)), 0);
	CHECK_EQUAL_INT(txn_put(txn, TREE_ITEMS, slice_of(row, sizeof row),
		buffer_slice(&scratch)), 0);
	CHECK_EQUAL_INT(row_walk_from(&walk, txn, bytes_of(&key)), 0);
	CHECK_EQUAL_INT(row_walk_next(&walk), ERR_CORRUPT);
	row_walk_stop(&walk);
	CHECK_EQUAL_INT(txn_delete(txn, TREE_ITEMS, slice_of(row, sizeof row)), 0);
	node[7] = 1;
	row_start(&scratch);
	buffer_put_u8(&scratch, ROW_ITEM);
	CHECK_EQUAL_INT(row_seal(&scratch, slice_of(node, sizeof node)), 0);
	CHECK_EQUAL_INT(txn_put(txn, TREE_TAILS, slice_of(node, sizeof node),
		buffer_slice(&scratch)), 0);
	CHECK_EQUAL_INT(row_walk_from(&walk, txn, slice_of(key.bytes, 1)), ERR_CORRUPT);
	row_walk_stop(&walk);
	model_count = 0;
	cancel_write(txn);
	store_close(store);
}

int main(void)
{
	model = calloc(MODEL_MAX, sizeof *model);
	CHECK(model != NULL);
	for (unsigned letters = 1; letters <= 3; letters++)
		random_steps(letters);
	exact_keys_come_first();
	damage_is_said();
	rows_that_cannot_be();
	buffer_release(&scratch);
	free(model);
	return 0;
}
