/* test_cursor.c - store.h's rows and cursors, against a sorted array. */
#include "lmdb/cursor.h"
#include "unit/stores.h"

#define MODEL_ROWS 4000
#define STEPS 30000
#define LAST_KEY 500             /* "c0500" */

static struct failure failure;

/* --- the model: the rows of one tree, sorted by key --- */

struct row {
	char key[40];
	char value[600];
};

static struct row model[MODEL_ROWS];
static size_t model_count;

static size_t model_from(const char *key)
{
	size_t low = 0, high = model_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(model[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool model_has(const char *key)
{
	size_t at = model_from(key);

	return at < model_count && strcmp(model[at].key, key) == 0;
}

static void model_put(const char *key, const char *value)
{
	size_t at = model_from(key);

	if (!model_has(key)) {
		CHECK(model_count < MODEL_ROWS);
		memmove(model + at + 1, model + at, (model_count - at) * sizeof *model);
		model_count++;
		snprintf(model[at].key, sizeof model[at].key, "%s", key);
	}
	snprintf(model[at].value, sizeof model[at].value, "%s", value);
}

static void model_delete(size_t at)
{
	model_count--;
	memmove(model + at, model + at + 1, (model_count - at) * sizeof *model);
}

static void random_key(char *key, size_t size)
{
	if (check_random_below(4))
		snprintf(key, size, "%.*s%04d", (int)check_random_below(3), "ab",
			(int)check_random_below(3000));
	else
		snprintf(key, size, "c%04d", (int)check_random_below(LAST_KEY + 10));
}

/* Returns in key a key greater than all others, false if there is none. */
static bool next_key(char *key, size_t size)
{
	const char *last = model_count ? model[model_count - 1].key : "";
	int number = last[0] == 'c' ? atoi(last + 1) + 1 : 0;

	snprintf(key, size, "c%04d", number);
	return number <= LAST_KEY;
}

static void random_value(char *value, size_t size)
{
	size_t len = check_random_below(size);

	memset(value, (int)('A' + check_random_below(26)), len);
	value[len] = '\0';
}

/* --- a cursor and its position in the model --- */

struct walker {
	struct cursor *cursor;
	size_t at;           /* index of the cursor's row; of the next row if on_gap */
	bool placed;
	bool on_gap;         /* true if the cursor's row was deleted */
};

static void expect_row(int err, struct slice key, struct slice value, size_t at)
{
	if (at >= model_count) {
		CHECK_EQUAL_INT(err, END);
		return;
	}
	CHECK_EQUAL_INT(err, 0);
	CHECK(slice_equal(key, slice_of_text(model[at].key)));
	CHECK(slice_equal(value, slice_of_text(model[at].value)));
}

/* Returns the index that a move leads to, model_count if there is none. */
static size_t target(const struct walker *walker, enum move move, const char *key)
{
	switch (move) {
	case MOVE_FIRST:
		return 0;
	case MOVE_LAST:
		return model_count ? model_count - 1 : 0;
	case MOVE_NEXT:
		return walker->at + !walker->on_gap;
	case MOVE_PREVIOUS:
		return walker->at ? walker->at - 1 : model_count;
	case MOVE_HERE:
		return walker->at;
	case MOVE_TO:
		return model_has(key) ? model_from(key) : model_count;
	case MOVE_FROM:
		return model_from(key);
	}
	abort();
}

static void walk(struct walker *walker)
{
	enum move move = (enum move)check_random_below(MOVE_FROM + 1);
	char sought[40];
	struct slice key, value;
	size_t at;
	int err;

	if (!walker->placed && move >= MOVE_NEXT && move <= MOVE_HERE)
		move = MOVE_FIRST;
	if (walker->on_gap && move == MOVE_HERE)
		move = MOVE_NEXT;
	random_key(sought, sizeof sought);
	at = target(walker, move, sought);
	key = slice_of_text(sought);
	err = cursor_move(walker->cursor, move, &key, &value);
	expect_row(err, key, value, at);
	walker->placed = !err;
	walker->on_gap = false;
	walker->at = at;
}

static void delete_under(struct walker *walker)
{
	struct slice key, found;
	int err;

	if (!walker->placed || walker->on_gap)
		return;
	CHECK_EQUAL_INT(cursor_delete(walker->cursor), 0);
	model_delete(walker->at);
	walker->on_gap = true;
	if (check_random_below(2)) {   /* most often MOVE_NEXT */
		key = slice_of_text("");
		err = cursor_move(walker->cursor, MOVE_NEXT, &key, &found);
		expect_row(err, key, found, walker->at);
		walker->on_gap = false;
		walker->placed = !err;
	}
}

static void put_somehow(struct txn *txn, const char *key, const char *value, bool there)
{
	struct slice k = slice_of_text(key), v = slice_of_text(value);
	uint8_t *buf;

	if (check_random_below(3) == 0) {
		CHECK_EQUAL_INT(txn_put(txn, TREE_ITEMS, k, v), 0);
	} else {
		CHECK_EQUAL_INT((there ? txn_put_reserve : txn_insert_reserve)(txn, TREE_ITEMS, k,
			v.len, &buf), 0);
		slice_write(buf, v);
	}
	model_put(key, value);
}

static void put_or_delete(struct txn *txn)
{
	char key[40], value[600];
	struct slice found;
	bool there;
	int err;

	random_key(key, sizeof key);
	there = model_has(key);
	err = txn_get(txn, TREE_ITEMS, slice_of_text(key), &found);
	CHECK_EQUAL_INT(err, there ? 0 : END);
	if (there)
		CHECK(slice_equal(found, slice_of_text(model[model_from(key)].value)));
	if (check_random_below(3) == 0) {
		err = txn_delete(txn, TREE_ITEMS, slice_of_text(key));
		CHECK_EQUAL_INT(err, there ? 0 : END);
		if (there)
			model_delete(model_from(key));
		return;
	}
	random_value(value, sizeof value);
	put_somehow(txn, key, value, there);
}

/* Appends ascending keys after all others. */
static void put_a_run(struct txn *txn)
{
	char key[40], value[600];

	for (uint64_t left = check_random_below(40); left > 0 && next_key(key, sizeof key);
			left--) {
		random_value(value, sizeof value);
		put_somehow(txn, key, value, false);
	}
}

/* Puts and gets move the transaction's own cursor, but not the other one, whose row may be
 * deleted. So both are positioned again after a put or delete. */
static void rows_are_as_in_a_sorted_array(void)
{
	struct store *store = open_small(store_path("rows.tide"));
	struct walker own = { 0 }, other = { 0 };
	struct txn *txn = begin_write(store);
	uint64_t rows;

	CHECK_EQUAL_INT(txn_cursor(txn, TREE_ITEMS, &own.cursor), 0);
	CHECK_EQUAL_INT(cursor_open(&other.cursor, txn, TREE_ITEMS), 0);
	for (int step = 0; step < STEPS; step++) {
		struct walker *walker = check_random_below(2) ? &own : &other;
		uint64_t kind = check_random_below(10);

		if (kind < 6) {
			walk(walker);
		} else {
			if (kind < 8)
				delete_under(walker);
			else if (check_random_below(5))
				put_or_delete(txn);
			else
				put_a_run(txn);
			(walker == &own ? &other : &own)->placed = false;
			walker->placed &= kind < 8;
		}
		if (check_random_below(500) == 0) {
			cursor_close(other.cursor);
			CHECK_EQUAL_INT(txn_count(txn, TREE_ITEMS, &rows), 0);
			CHECK_EQUAL_UINT(rows, model_count);
			commit(txn);
			txn = begin_write(store);
			own.placed = other.placed = false;
			CHECK_EQUAL_INT(txn_cursor(txn, TREE_ITEMS, &own.cursor), 0);
			CHECK_EQUAL_INT(cursor_open(&other.cursor, txn, TREE_ITEMS), 0);
		}
	}
	cursor_close(other.cursor);
	cursor_close(NULL);
	commit(txn);
	store_close(store);
}

/* --- single properties --- */

static void trees_are_separate(void)
{
	struct store *store = open_small(store_path("trees.tide"));
	struct txn *txn = begin_write(store);
	struct slice value;
	char name[16];

	for (int tree = 0; tree < TREE_COUNT; tree++) {
		snprintf(name, sizeof name, "%d", tree);
		CHECK_EQUAL_INT(txn_put(txn, (enum tree)tree, slice_of_text("key"),
			slice_of_text(name)), 0);
	}
	commit(txn);
	txn = open_reader(store);
	renew(txn);
	for (int tree = 0; tree < TREE_COUNT; tree++) {
		snprintf(name, sizeof name, "%d", tree);
		CHECK(has_row(txn, (enum tree)tree, "key", name));
	}
	CHECK_EQUAL_INT(txn_get(txn, TREE_META, slice_of_text("none"), &value), END);
	reader_close(txn);
	store_close(store);
}

static void put_reserved(struct txn *txn, const char *key, const char *value)
{
	uint8_t *buf;

	CHECK_EQUAL_INT(txn_put_reserve(txn, TREE_ITEMS, slice_of_text(key), strlen(value), &buf),
		0);
	memcpy(buf, value, strlen(value));
	CHECK(has_row(txn, TREE_ITEMS, key, value));
}

/* Replaces no value, a value of the same size, a smaller and a larger one. */
static void a_value_is_made_in_its_page(void)
{
	struct store *store = open_small(store_path("reserve.tide"));
	struct txn *txn = begin_write(store);

	put_reserved(txn, "key", "one value");
	put_reserved(txn, "key", "two value");
	put_reserved(txn, "key", "three values");
	put_reserved(txn, "key", "four");
	put_reserved(txn, "before", "it");
	CHECK_EQUAL_INT(append_row(txn, TREE_ITEMS, slice_of_text("last"), slice_of_text("row")),
		0);
	commit(txn);
	CHECK(store_has(store, TREE_ITEMS, "before", "it"));
	CHECK(store_has(store, TREE_ITEMS, "key", "four"));
	CHECK(store_has(store, TREE_ITEMS, "last", "row"));
	store_close(store);
}

static void appending_needs_the_last_key(void)
{
	struct store *store = open_small(store_path("append.tide"));
	struct txn *txn = begin_write(store);
	struct slice v = slice_of_text("v");

	CHECK_EQUAL_INT(append_row(txn, TREE_LOG, slice_of_text("b"), v), 0);
	CHECK_EQUAL_INT(append_row(txn, TREE_LOG, slice_of_text("c"), v), 0);
	CHECK_EQUAL_INT(append_row(txn, TREE_LOG, slice_of_text("c"), v), ERR_CORRUPT);
	cancel_write(txn);
	txn = begin_write(store);
	CHECK_EQUAL_INT(append_row(txn, TREE_LOG, slice_of_text("b"), v), 0);
	CHECK_EQUAL_INT(append_row(txn, TREE_LOG, slice_of_text("a"), v), ERR_CORRUPT);
	cancel_write(txn);
	store_close(store);
}

static void a_cancelled_transaction_never_was(void)
{
	struct store *store = open_small(store_path("cancel.tide"));
	uint64_t before = store_last_commit(store);
	struct txn *txn = begin_write(store);

	CHECK_EQUAL_UINT(txn_id(txn), before + 1);
	CHECK_EQUAL_INT(txn_put(txn, TREE_ITEMS, slice_of_text("a"), slice_of_text("b")), 0);
	CHECK(has_row(txn, TREE_ITEMS, "a", "b"));
	cancel_write(txn);
	CHECK(!store_has(store, TREE_ITEMS, "a", "b"));
	CHECK_EQUAL_UINT(store_last_commit(store), before);
	commit(begin_write(store));   /* writes nothing, so the number does not change */
	CHECK_EQUAL_UINT(store_last_commit(store), before);
	write_row(store, TREE_ITEMS, "a", "b");
	CHECK_EQUAL_UINT(store_last_commit(store), before + 1);
	store_close(store);
}

static void values_may_be_empty_or_big(void)
{
	struct store *store = open_small(store_path("sizes.tide"));
	static uint8_t big[300000];
	uint8_t key[STORE_KEY_MAX];
	struct txn *txn = begin_write(store);
	struct slice value;

	check_random_bytes(big, sizeof big);
	memset(key, 0xff, sizeof key);
	CHECK_EQUAL_INT(txn_put(txn, TREE_PARTS, slice_of(key, sizeof key), slice_of(NULL, 0)), 0);
	CHECK_EQUAL_INT(txn_put(txn, TREE_PARTS, slice_of(key, 1), slice_of(big, sizeof big)), 0);
	commit(txn);
	txn = open_reader(store);
	renew(txn);
	CHECK_EQUAL_INT(txn_get(txn, TREE_PARTS, slice_of(key, sizeof key), &value), 0);
	CHECK_EQUAL_UINT(value.len, 0);
	CHECK_EQUAL_INT(txn_get(txn, TREE_PARTS, slice_of(key, 1), &value), 0);
	CHECK_BYTES(value.data, value.len, big, sizeof big);
	reader_close(txn);
	store_close(store);
}

static void an_empty_tree_has_no_rows(void)
{
	struct store *store = open_small(store_path("empty.tide"));
	struct txn *txn = open_reader(store);
	struct cursor *cursor;
	struct slice key, value;
	uint64_t rows = 7;

	renew(txn);
	CHECK_EQUAL_INT(txn_cursor(txn, TREE_LOG, &cursor), 0);
	for (int move = MOVE_FIRST; move <= MOVE_FROM; move++) {
		key = slice_of_text(move == MOVE_FROM ? "" : "x");
		CHECK_EQUAL_INT(cursor_move(cursor, (enum move)move, &key, &value), END);
	}
	CHECK_EQUAL_INT(txn_count(txn, TREE_LOG, &rows), 0);
	CHECK_EQUAL_UINT(rows, 0);
	reader_close(txn);
	store_close(store);
}

static int insert_row(struct txn *txn, enum tree tree, struct slice key, struct slice value)
{
	uint8_t *buf;
	int err = txn_insert_reserve(txn, tree, key, value.len, &buf);

	if (!err)
		slice_write(buf, value);
	return err;
}

/* Returns the size of a file with a thousand rows written in ascending order of the keys. */
static uint64_t file_bytes_of(int put(struct txn *txn, enum tree tree, struct slice key,
	struct slice value), size_t row_bytes, const char *name)
{
	struct store *store = open_small(store_path(name));
	struct txn *txn = begin_write(store);
	struct store_usage usage;
	uint8_t key[8], value[STORE_ROW_SHARE + 3] = { 0 };

	for (uint64_t i = 0; i < 1000; i++) {
		set_u64(key, i);
		CHECK_EQUAL_INT(put(txn, TREE_LOG, slice_of(key, sizeof key),
			slice_of(value, row_bytes - sizeof key)), 0);
	}
	commit(txn);
	CHECK_EQUAL_INT(store_usage(store, &usage, &failure), 0);
	store_close(store);
	return usage.file_bytes;
}

/* A row of STORE_ROW_SHARE bytes is stored in a leaf page, a larger one in overflow pages. */
static void a_row_share_is_half_a_page(void)
{
	CHECK(file_bytes_of(append_row, STORE_ROW_SHARE, "share.tide") < 2200000);
	CHECK(file_bytes_of(append_row, STORE_ROW_SHARE + 3, "share_more.tide") > 4000000);
}

/* Rows inserted in order with txn_append_reserve and txn_insert_reserve fill their pages.
 * Otherwise each page would have one row less, and the file sixty pages more. */
static void rows_in_order_fill_their_pages(void)
{
	uint64_t appended = file_bytes_of(append_row, 240, "appended.tide");

	CHECK(file_bytes_of(insert_row, 240, "inserted.tide") <= appended + 2 * UINT64_C(4096));
	CHECK(file_bytes_of(txn_put, 240, "put.tide") > appended + 2 * UINT64_C(4096));
}

static void a_readers_cursor_outlives_its_snapshot(void)
{
	struct store *store = open_small(store_path("outlives.tide"));
	struct txn *txn = open_reader(store);
	struct cursor *cursor;
	struct slice key, value;

	for (int i = 0; i < 100; i++) {
		char name[16];

		snprintf(name, sizeof name, "%03d", i);
		write_row(store, TREE_LOG, name, name);
		renew(txn);
		if (i == 0)
			CHECK_EQUAL_INT(txn_cursor(txn, TREE_LOG, &cursor), 0);
		CHECK_EQUAL_INT(cursor_move(cursor, MOVE_HERE, &key, &value), END);
		/* if the cursor has no position, the next row is the first */
		CHECK_EQUAL_INT(cursor_move(cursor, MOVE_NEXT, &key, &value), 0);
		CHECK(slice_equal(key, slice_of_text("000")));
		CHECK_EQUAL_INT(cursor_move(cursor, MOVE_LAST, &key, &value), 0);
		CHECK(slice_equal(value, slice_of_text(name)));
		reader_reset(txn);
	}
	reader_close(txn);
	store_close(store);
}

int main(void)
{
	rows_are_as_in_a_sorted_array();
	trees_are_separate();
	a_value_is_made_in_its_page();
	appending_needs_the_last_key();
	a_cancelled_transaction_never_was();
	values_may_be_empty_or_big();
	an_empty_tree_has_no_rows();
	a_row_share_is_half_a_page();
	rows_in_order_fill_their_pages();
	a_readers_cursor_outlives_its_snapshot();
	return 0;
}
