/* test_write.c - table/write.h: hashed keys, large transactions, a full database. */
#include "table/transaction.h"
#include "unit/tides.h"

static struct failure failure;
static struct builder made;

static struct tide *open_in_memory(void)
{
	struct tide_options options = { .in_memory = true, .max_bytes = UINT64_C(1) << 30 };
	struct tide *tide;

	MUST(tide_open(&tide, &options, &failure), failure);
	return tide;
}

/* Puts { p, s = "1", v }, or deletes it if v is NULL, and checks that the old item had the value
 * `old`, or did not exist if old is NULL. */
static void changes(struct tide *tide, struct tide_table *table, const char *p, const char *v,
	const char *old)
{
	struct tide_change change;
	struct buffer before = { 0 };

	begin(tide);
	if (v)
		MUST(tide_put(tide, table, item_of(&made, p, "1", v), &change, &failure), failure);
	else
		MUST(tide_delete(tide, table, item_of(&made, p, "1", NULL), &change, &failure),
			failure);
	buffer_put_slice(&before, change.old_item);
	if (old)
		CHECK(slice_equal(buffer_slice(&before), item_of(&made, p, "1", old)));
	else
		CHECK_EQUAL_UINT(before.len, 0);
	CHECK((change.sequence > 0) == !(v && old && strcmp(v, old) == 0));
	commit(tide);
	buffer_release(&before);
}

static void long_keys_are_hashed(void)
{
	struct tide *tide = open_in_memory();
	struct tide_table table = create_table(tide, "orders");
	char one[601], other[601];

	memset(one, 'x', sizeof one);
	one[600] = '\0';
	memcpy(other, one, sizeof one);
	other[599] = 'y';
	changes(tide, &table, one, "a", NULL);
	changes(tide, &table, other, "b", NULL);
	changes(tide, &table, one, "a", "a");
	changes(tide, &table, one, "c", "a");
	CHECK(has(tide, &table, one, "1", "c") && has(tide, &table, other, "1", "b"));
	changes(tide, &table, one, NULL, "c");
	CHECK(!has(tide, &table, one, "1", "c") && has(tide, &table, other, "1", "b"));
	check_clean(tide);
	tide_close(tide);
}

/* After a change is refused with TOO_BIG, a smaller one can be made, and the earlier ones can be
 * committed. */
static void a_transaction_has_a_size(void)
{
	enum { SIZE = 300000 };
	struct tide *tide = open_in_memory();
	struct tide_table table = create_table(tide, "orders");
	char *big = calloc(1, SIZE + 1), sort[16];
	struct tide_change change;
	int puts, err = 0;

	CHECK(big != NULL);
	memset(big, 'b', SIZE);
	begin(tide);
	for (puts = 0; !err; puts++) {
		snprintf(sort, sizeof sort, "%d", puts);
		err = tide_put(tide, &table, item_of(&made, "a", sort, big), &change, &failure);
	}
	CHECK_EQUAL_INT(err, ERR_TOO_BIG);
	CHECK_EQUAL_INT(puts - 1, TRANSACTION_MAX_BYTES / (2 * SIZE));
	put(tide, &table, "a", "small", "s");
	commit(tide);
	CHECK(has(tide, &table, "a", "small", "s"));
	CHECK(has(tide, &table, "a", "0", big));
	CHECK(!has(tide, &table, "a", sort, big));
	begin(tide);
	put(tide, &table, "a", sort, big);
	commit(tide);
	check_clean(tide);
	free(big);
	tide_close(tide);
}

/* Puts are refused while there is still space for deletes, so that all items can be deleted. */
static void a_full_database_can_be_emptied(void)
{
	enum { SIZE = 300000, MAX_BYTES = 32 << 20 };
	struct tide_options options = { .in_memory = true, .max_bytes = MAX_BYTES };
	char *big = calloc(1, SIZE + 1), sort[16];
	struct tide_table table;
	struct tide_change change;
	struct tide *tide;
	int puts = 0, err;

	CHECK(big != NULL);
	memset(big, 'b', SIZE);
	MUST(tide_open(&tide, &options, &failure), failure);
	table = create_table(tide, "orders");
	do {
		snprintf(sort, sizeof sort, "%d", puts++);
		begin(tide);
		err = tide_put(tide, &table, item_of(&made, "a", sort, big), &change, &failure);
		commit(tide);
	} while (!err);
	CHECK_EQUAL_INT(err, ERR_FULL);
	while (--puts > 0) {
		snprintf(sort, sizeof sort, "%d", puts - 1);
		begin(tide);
		MUST(tide_delete(tide, &table, item_of(&made, "a", sort, NULL), &change,
			&failure), failure);
		commit(tide);
	}
	check_clean(tide);
	free(big);
	tide_close(tide);
}

int main(void)
{
	long_keys_are_hashed();
	a_full_database_can_be_emptied();
	a_transaction_has_a_size();
	builder_release(&made);
	return 0;
}
