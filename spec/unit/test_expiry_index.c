/* test_expiry_index.c - tests of table/expiry_index.h against a sorted array. */
#include "table/expiry_index.h"
#include "unit/stores.h"

#define ROWS 400

static const uint32_t ids[] = { 1, 2, 247, 248, 249, 300, 70000, UINT32_MAX - 1 };

#define IDS (sizeof ids / sizeof *ids)

struct plain_row {
	uint32_t index;
	struct expiry_row row;
};

static struct plain_row rows[ROWS];
static size_t row_count;

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_rows(const void *one, const void *other)
{
	const struct plain_row *a = one, *b = other;
	int order = compare_numbers(a->index, b->index);

	if (!order)
		order = compare_numbers(a->row.expiry_ms, b->row.expiry_ms);
	return order ? order : compare_numbers(a->row.sequence, b->row.sequence);
}

static uint64_t random_time(void)
{
	static const uint64_t limits[] = { 3, 300, 70000, UINT64_C(1700000000000), EXPIRY_MAX };

	return 1 + check_random_below(limits[check_random_below(5)]);
}

static struct plain_row random_row(void)
{
	static const char *const keys[] = { "a", "the key of an item", "" };

	return (struct plain_row){ ids[check_random_below(IDS)], { random_time(),
		check_random_below(2) ? check_random_below(4) : check_random() >> 2,
		slice_of_text(keys[check_random_below(3)]) } };
}

static struct slice key_of(uint8_t bytes[EXPIRY_KEY_MAX], const struct plain_row *row)
{
	return slice_of(bytes, expiry_row_key(bytes, row->index, row->row.expiry_ms,
		row->row.sequence));
}

static void key_order_is_the_order_of_expiry(void)
{
	for (uint64_t i = check_runs(100000); i > 0; i--) {
		struct plain_row a = random_row(), b = random_row(), again;
		uint8_t key_a[EXPIRY_KEY_MAX], key_b[EXPIRY_KEY_MAX];
		int order = slice_compare(key_of(key_a, &a), key_of(key_b, &b));

		CHECK_EQUAL_INT((order > 0) - (order < 0), compare_rows(&a, &b));
		CHECK(expiry_row_read_key(&again.index, &again.row, key_of(key_a, &a)));
		CHECK_EQUAL_INT(compare_rows(&a, &again), 0);
	}
}

static void malformed_keys_are_refused(void)
{
	for (size_t i = 0; i < IDS; i++) {
		struct plain_row row = { ids[i], { 5, 6, { 0 } } };
		uint8_t bytes[EXPIRY_KEY_MAX + 1] = { 0 };
		size_t len = key_of(bytes, &row).len;

		CHECK_EQUAL_UINT(len, (ids[i] <= ID_SHORT_MAX ? 1 : ID_MAX) + 6 + 8);
		for (size_t cut = 0; cut <= len + 1; cut++)
			CHECK_EQUAL_INT(expiry_row_read_key(&row.index, &row.row,
				slice_of(bytes, cut)), cut == len);
		bytes[0] = 0;            /* no id */
		CHECK(!expiry_row_read_key(&row.index, &row.row, slice_of(bytes, len)));
		bytes[0] = ID_LONG + 1;
		CHECK(!expiry_row_read_key(&row.index, &row.row, slice_of(bytes, len)));
	}
}

/* --- rows --- */

/* Returns the position of the row, or that of the first one after it. */
static size_t plain_find(const struct plain_row *row)
{
	size_t at = 0;

	while (at < row_count && compare_rows(&rows[at], row) < 0)
		at++;
	return at;
}

static bool plain_has(size_t at, const struct plain_row *row)
{
	return at < row_count && compare_rows(&rows[at], row) == 0;
}

static void put_row(struct txn *txn, const struct plain_row *row)
{
	size_t at = plain_find(row);

	CHECK_EQUAL_INT(expiry_row_put(txn, row->index, &row->row), 0);
	if (!plain_has(at, row)) {
		memmove(&rows[at + 1], &rows[at], (row_count - at) * sizeof *rows);
		row_count++;
	}
	rows[at] = *row;
}

static void delete_row(struct txn *txn, const struct plain_row *row)
{
	size_t at = plain_find(row);

	CHECK_EQUAL_INT(expiry_row_delete(txn, row->index, row->row.expiry_ms,
		row->row.sequence), plain_has(at, row) ? 0 : END);
	if (!plain_has(at, row))
		return;
	row_count--;
	memmove(&rows[at], &rows[at + 1], (row_count - at) * sizeof *rows);
}

/* The row after the given one, which need not exist. */
static void check_after(struct txn *txn, const struct plain_row *row)
{
	struct plain_row after = *row;
	size_t at = plain_find(row);
	int err = expiry_row_after(txn, row->index, &after.row);

	at += plain_has(at, row);
	if (at == row_count || rows[at].index != row->index) {
		CHECK_EQUAL_INT(err, END);
		return;
	}
	CHECK_EQUAL_INT(err, 0);
	CHECK_EQUAL_INT(compare_rows(&rows[at], &after), 0);
	CHECK(slice_equal(rows[at].row.item_key, after.row.item_key));
}

static void check_walk(struct txn *txn, uint32_t index)
{
	struct plain_row start = { index, { 0 } };
	size_t at = plain_find(&start);
	uint64_t count;

	while (expiry_row_after(txn, index, &start.row) == 0)
		CHECK_EQUAL_INT(compare_rows(&rows[at++], &start), 0);
	CHECK(at == row_count || rows[at].index != index);
	CHECK_EQUAL_INT(txn_count(txn, TREE_INDEXES, &count), 0);
	CHECK_EQUAL_UINT(count, row_count);
}

static void rows_are_those_of_the_model(struct store *store)
{
	struct txn *txn = begin_write(store);

	for (uint64_t i = check_runs(20000); i > 0; i--) {
		struct plain_row row = random_row();

		if (row_count && check_random_below(2))
			row = rows[check_random_below(row_count)];
		if (row_count < ROWS && check_random_below(2))
			put_row(txn, &row);
		else if (check_random_below(3))
			delete_row(txn, &row);
		check_after(txn, &row);
		if (i % 500 == 0)
			for (size_t n = 0; n < IDS; n++)
				check_walk(txn, ids[n]);
	}
	CHECK(row_count > 0);
	cancel_write(txn);
}

/* --- damage --- */

static void damaged_rows_are_reported(struct store *store)
{
	struct txn *txn = begin_write(store);
	struct expiry_row row = { 5, 6, slice_of_text("key") };
	uint8_t bytes[EXPIRY_KEY_MAX];
	size_t len = expiry_row_key(bytes, 3, 5, 6);

	CHECK_EQUAL_INT(expiry_row_put(txn, 3, &row), 0);
	CHECK_EQUAL_INT(txn_put(txn, TREE_INDEXES, slice_of(bytes, len),
		slice_of_text("damaged")), 0);
	row = (struct expiry_row){ 0 };
	CHECK_EQUAL_INT(expiry_row_after(txn, 3, &row), ERR_CORRUPT);
	CHECK_EQUAL_UINT(row.expiry_ms, 5);      /* the walk can continue after it */
	CHECK_EQUAL_UINT(row.sequence, 6);
	CHECK_EQUAL_INT(expiry_row_after(txn, 3, &row), END);
	CHECK_EQUAL_INT(txn_put(txn, TREE_INDEXES, slice_of(bytes, len - 1),
		slice_of_text("malformed")), 0);
	row = (struct expiry_row){ 0 };
	CHECK_EQUAL_INT(expiry_row_after(txn, 3, &row), ERR_CORRUPT);
	CHECK_EQUAL_UINT(row.expiry_ms, 0);
	CHECK_EQUAL_UINT(row.sequence, 0);
	cancel_write(txn);
}

int main(void)
{
	struct store *store = open_small(store_path("rows.tide"));

	key_order_is_the_order_of_expiry();
	malformed_keys_are_refused();
	rows_are_those_of_the_model(store);
	damaged_rows_are_reported(store);
	store_close(store);
	return 0;
}
