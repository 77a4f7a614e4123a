/* test_expire.c - table/expire.h through tide.h: items that commits and tide_sweep remove.
 * test_expiry_steps.c tests how indexes are built and removed.
 */
#include "table/expiry_index.h"
#include "unit/expiring.h"
#include "unit/forge.h"

#define START UINT64_C(1700000000000)
#define FIVE_YEARS_MS (UINT64_C(1825) * 24 * HOUR_MS)
#define HUGE 200000

static struct failure failure;
static struct builder made;
static struct clock *manual;
static struct tide *tide;
static struct tide_table table, other;
static char huge[HUGE + 1];

/* Opens a new database with a table whose items expire, and one whose items do not. */
static void open_new(const char *name)
{
	manual = clock_manual(START);
	tide = open_with_clock(tide_path(name), manual);
	table = create_expiring(tide, "orders");
	other = create_table(tide, "others");
}

static void close_all(void)
{
	check_clean(tide);
	tide_close(tide);
	clock_drop(manual);
}

/* Returns the number of stored items, expired or not. */
static uint64_t items(void)
{
	struct report report = { 0 };

	MUST(tide_check(tide, &report, &failure), failure);
	CHECK_EQUAL_UINT(report.problems, 0);
	buffer_release(&report.text);
	return report.items;
}

/* Changes an item of the table without time to live. */
static uint64_t change(void)
{
	static char value[] = "a";

	value[0] = (char)('a' + ('z' - value[0]));
	return put_alone(tide, &other, "ann", "1", value);
}

static struct tide_swept sweep(void)
{
	struct tide_swept swept = { 0 };
	bool more = true;

	while (more)
		MUST(tide_sweep(tide, &swept, &more, &failure), failure);
	return swept;
}

/* --- records --- */

#define RECORDS 16

/* Reads the heads of the records after a position. Returns their number. */
static size_t records_after(uint64_t after, struct record records[RECORDS])
{
	struct tide_feed *feed;
	struct slice bytes;
	uint32_t stream;
	size_t count = 0;

	MUST(tide_feed_start(&feed, tide, 0, TIDE_AFTER, after, &failure), failure);
	MUST(tide_feed_fill(feed, tide, RECORDS, &failure), failure);
	while (tide_feed_next(feed, &stream, &bytes) == 0) {
		CHECK(count < RECORDS);
		CHECK_EQUAL_INT(record_get(&records[count++], bytes), 0);
	}
	tide_feed_finish(feed);
	return count;
}

/* Checks that the records are one transaction of its own. */
static void are_one_transaction(const struct record *records, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		CHECK_EQUAL_UINT(records[i].transaction, records[0].sequence);
		CHECK_EQUAL_UINT(records[i].position, i);
		CHECK_EQUAL_UINT(records[i].count, count);
		CHECK_EQUAL_UINT(records[i].sequence, records[0].sequence + i);
	}
}

static void are_removals(const struct record *records, size_t count)
{
	are_one_transaction(records, count);
	for (size_t i = 0; i < count; i++) {
		CHECK_EQUAL_INT(records[i].event, EVENT_REMOVE);
		CHECK_EQUAL_INT(records[i].origin, ORIGIN_TIME_TO_LIVE);
	}
}

/* Invariant 37: the commit's own changes are a transaction, its removals are the next one. */
static void removals_are_a_transaction_of_their_own(void)
{
	struct record records[RECORDS];
	uint64_t before;

	open_new("own.tide");
	put_many_expiring(tide, &table, 0, 3, START + 5000);
	clock_advance(manual, 5000);
	before = change();
	CHECK_EQUAL_UINT(records_after(before, records), 0);     /* not yet expired */
	CHECK_EQUAL_UINT(items(), 4);
	clock_advance(manual, 1);
	begin(tide);
	put(tide, &other, "ann", "2", "v");
	put(tide, &other, "ann", "3", "v");
	commit(tide);
	CHECK_EQUAL_UINT(tide_last_change(tide), before + 2);
	CHECK_EQUAL_UINT(records_after(before, records), 5);
	are_one_transaction(records, 2);
	CHECK_EQUAL_INT(records[1].origin, ORIGIN_USER);
	are_removals(records + 2, 3);
	CHECK_EQUAL_UINT(items(), 3);
	before = change();
	CHECK_EQUAL_UINT(records_after(before, records), 0);
	CHECK_EQUAL_UINT(before, tide_last_change(tide));
	close_all();
}

/* A put and a delete of expired items remove them in their own transaction (invariant 36), before
 * what the commit removes. */
static void a_write_removes_its_item_first(void)
{
	struct record records[RECORDS];
	struct tide_change changed;
	uint64_t last;

	open_new("first.tide");
	put_many_expiring(tide, &table, 0, 3, START + 5000);
	last = change();
	clock_advance(manual, 5001);
	begin(tide);
	put_expiring(tide, &table, "many", "000001", "new", START + HOUR_MS);
	MUST(tide_delete(tide, &table, item_of(&made, "many", "000002", NULL), &changed,
		&failure), failure);
	CHECK_EQUAL_UINT(changed.sequence, 0);
	CHECK_EQUAL_UINT(changed.old_item.len, 0);
	commit(tide);
	CHECK_EQUAL_UINT(records_after(last, records), 4);
	are_one_transaction(records, 3);
	CHECK_EQUAL_INT(records[0].origin, ORIGIN_TIME_TO_LIVE);
	CHECK_EQUAL_INT(records[1].event, EVENT_INSERT);
	CHECK_EQUAL_INT(records[2].origin, ORIGIN_TIME_TO_LIVE);
	are_removals(records + 3, 1);
	close_all();
}

/* --- when items are removed --- */

/* Invariant 35: a jump of the wall clock hides items, but removes none before it is confirmed:
 * by one hour of elapsed time after the jump was stored. */
static void a_jump_removes_nothing(void)
{
	open_new("jump.tide");
	put_many_expiring(tide, &table, 0, 5, START + DAY_MS);
	clock_set(manual, START + 2 * DAY_MS);
	clock_advance(manual, HOUR_MS);          /* no commit has stored the jump */
	change();
	CHECK_EQUAL_UINT(sweep().items, 0);
	clock_advance(manual, HOUR_MS - 1);
	change();
	CHECK_EQUAL_UINT(sweep().items, 0);
	CHECK_EQUAL_UINT(items(), 6);
	clock_advance(manual, 1);
	change();
	CHECK_EQUAL_UINT(items(), 1);
	close_all();
}

/* A sweep that finds nothing to remove stores the jump. */
static void a_sweep_stores_the_jump(void)
{
	open_new("sweep.tide");
	put_many_expiring(tide, &table, 0, 5, START + DAY_MS);
	clock_set(manual, START + 2 * DAY_MS);
	CHECK_EQUAL_UINT(sweep().items, 0);
	clock_advance(manual, HOUR_MS);
	CHECK_EQUAL_UINT(sweep().items, 5);
	close_all();
}

static void a_jump_that_is_undone_removes_nothing(void)
{
	open_new("undone.tide");
	put_many_expiring(tide, &table, 0, 5, START + DAY_MS);
	clock_set(manual, START + 2 * DAY_MS);
	change();
	clock_advance(manual, HOUR_MS / 2);
	clock_set(manual, START + HOUR_MS / 2);
	change();
	clock_advance(manual, HOUR_MS);
	change();
	CHECK_EQUAL_UINT(sweep().items, 0);
	CHECK_EQUAL_UINT(items(), 6);
	clock_advance(manual, DAY_MS);
	change();
	CHECK_EQUAL_UINT(items(), 1);
	close_all();
}

/* An item that was not removed for five years is visible again. */
static void after_five_years_items_stay(void)
{
	struct builder builder = { 0 };
	struct buffer out = { 0 };
	uint64_t sequence;

	open_new("years.tide");
	put_many_expiring(tide, &table, 0, 2, START - FIVE_YEARS_MS);
	CHECK_EQUAL_UINT(sweep().items, 0);
	MUST(tide_get(tide, &table, item_of(&builder, "many", "000001", NULL), &out, &sequence,
		&failure), failure);
	put_many_expiring(tide, &table, 2, 2, START - FIVE_YEARS_MS + 1);
	change();
	CHECK_EQUAL_UINT(items(), 3);
	put_many_expiring(tide, &table, 4, 2, START + 1000);
	clock_advance(manual, FIVE_YEARS_MS + 1000);
	MUST(tide_get(tide, &table, item_of(&builder, "many", "000004", NULL), &out, &sequence,
		&failure), failure);
	CHECK_EQUAL_UINT(sweep().items, 0);
	CHECK_EQUAL_UINT(items(), 5);
	/* they are expired again if the clock is set back, and removed */
	clock_set(manual, START + FIVE_YEARS_MS);
	CHECK_EQUAL_UINT(sweep().items, 2);
	builder_release(&builder);
	buffer_release(&out);
	close_all();
}

/* --- how many items are removed --- */

/* A commit removes EXPIRE_ITEMS of a table, or twice as many as it has changed. */
static void a_commit_removes_few_items(void)
{
	open_new("few.tide");
	put_many_expiring(tide, &table, 0, 500, START + 1000);
	clock_advance(manual, 1001);
	change();
	CHECK_EQUAL_UINT(items(), 500 + 1 - EXPIRE_ITEMS);
	put_many_expiring(tide, &table, 1000, 1, START + DAY_MS);
	CHECK_EQUAL_UINT(items(), 500 + 2 - 2 * EXPIRE_ITEMS);
	put_many_expiring(tide, &table, 2000, 50, START + DAY_MS);
	CHECK_EQUAL_UINT(items(), 500 + 52 - 2 * EXPIRE_ITEMS - 100);
	/* a step of tide_sweep is larger */
	CHECK_EQUAL_UINT(sweep().items, 400 - 2 * EXPIRE_ITEMS);
	CHECK_EQUAL_UINT(items(), 52);
	close_all();
}

/* A transaction that writes to one table removes items of it and of one other. */
static void tables_take_turns(void)
{
	struct tide_table third;

	open_new("turns.tide");
	third = create_expiring(tide, "third");
	put_many_expiring(tide, &table, 0, 100, START + 1000);
	put_many_expiring(tide, &third, 0, 100, START + 1000);
	clock_advance(manual, 1001);
	change();
	change();
	CHECK_EQUAL_UINT(items(), 200 + 1 - 2 * EXPIRE_ITEMS);
	for (int i = 0; i < 6; i++)
		change();
	CHECK_EQUAL_UINT(items(), 1);
	close_all();
}

/* A step of tide_sweep ends after EXPIRE_BYTES of items too. */
static void big_items_are_removed_in_small_steps(void)
{
	char sort[2] = "0";
	struct tide_swept swept = { 0 };
	bool more = true;

	open_new("big.tide");
	for (; *sort < '8'; ++*sort) {
		begin(tide);
		put_expiring(tide, &table, "ann", sort, huge, START + 1000);
		commit(tide);
	}
	clock_advance(manual, 1001);
	change();
	CHECK_EQUAL_UINT(items(), 8 + 1 - EXPIRE_BYTES / HUGE - 1);
	MUST(tide_sweep(tide, &swept, &more, &failure), failure);
	CHECK_EQUAL_UINT(swept.items, EXPIRE_BYTES / HUGE + 1);
	CHECK(more);
	sweep();
	CHECK_EQUAL_UINT(items(), 1);
	close_all();
}

/* --- all kinds of keys --- */

#define LONG_SORT 1000
#define LONG_PARTITION 2000


static struct value random_key(enum type type, size_t max)
{
	static struct number number;
	static char text[LONG_PARTITION];
	size_t len = check_random_below(3) ? 1 + check_random_below(8) : max;

	if (type == TYPE_N) {
		number_from_integer(&number, (int64_t)check_random_below(2000) - 1000);
		return (struct value){ TYPE_N, 0, number_slice(&number) };
	}
	memset(text, 'k', sizeof text);
	text[len - 1] = (char)('a' + check_random_below(26));
	if (type == TYPE_B)
		text[0] = (char)check_random_below(2);
	return (struct value){ type, 0, slice_of(text, len) };
}

static void put_random_item(struct tide_table *keys, enum type partition, enum type sort)
{
	struct tide_change changed;
	struct slice item;
	struct value value;

	start_expiring(&made, check_random_below(8) ? START + check_random_below(1000) : 0);
	value = random_key(partition, LONG_PARTITION);
	builder_name(&made, slice_of_text("p"));
	builder_value(&made, &value);
	if (sort) {
		value = random_key(sort, LONG_SORT);
		builder_name(&made, slice_of_text("s"));
		builder_value(&made, &value);
	}
	builder_name(&made, slice_of_text("v"));
	builder_string(&made, slice_of(huge, check_random_below(4) ? 10 : 6000));
	CHECK_EQUAL_INT(builder_finish(&made, &item), 0);
	MUST(tide_put(tide, keys, item, &changed, &failure), failure);
}

/* Items with keys of all types and lengths, in one row or in parts: all that expire are removed,
 * with their nodes and parts. */
static void all_kinds_of_keys_expire(void)
{
	static const enum type types[] = { 0, TYPE_S, TYPE_N, TYPE_B };
	struct tide_swept swept;
	uint64_t all;

	open_new("keys.tide");
	for (unsigned i = 0; i < 12; i++) {
		struct tide_table_spec spec = spec_of("keys-00");
		char name[] = "keys-00";

		name[5] = (char)('0' + i / 10);
		name[6] = (char)('0' + i % 10);
		spec.name = slice_of_text(name);
		spec.ttl = slice_of_text("e");
		spec.schema.partition.type = types[1 + i % 3];
		spec.schema.sort.type = types[i / 3];
		spec.schema.sort.len = i / 3 > 0;
		MUST(tide_create_table(tide, &spec, &failure), failure);
		table = table_named(name);
		for (int n = 0; n < 60; n++) {
			begin(tide);
			put_random_item(&table, types[1 + i % 3], types[i / 3]);
			commit(tide);
		}
	}
	all = items();
	clock_advance(manual, 1001);
	swept = sweep();
	CHECK(swept.items > all / 2);
	CHECK_EQUAL_UINT(items(), all - swept.items);
	for (int i = 0; i < 2; i++) {            /* what is left expires too */
		clock_advance(manual, DAY_MS);
		sweep();
	}
	CHECK_EQUAL_UINT(items(), all - swept.items);
	close_all();
}

/* --- a file that is nearly full --- */

/* Puts items until the file is full. Returns their number. */
static int fill_file(uint64_t expiry_ms)
{
	struct tide_change changed;
	int count = 0, err;

	do {
		char sort[16];

		snprintf(sort, sizeof sort, "%06d", count);
		begin(tide);
		err = tide_put(tide, &table, expiring_item(&made, "ann", sort, huge, expiry_ms),
			&changed, &failure);
		if (err)
			tide_abort(tide);
		else
			commit(tide);
		count += !err;
	} while (!err);
	CHECK_EQUAL_INT(err, ERR_FULL);
	return count;
}

/* A commit leaves the removal to tide_sweep, which may use the reserve; then items fit again. */
static void a_full_file_is_swept(void)
{
	struct tide_options options = { .in_memory = true, .max_bytes = 8 << 20 };
	struct tide_table_spec spec = spec_of("orders");
	struct tide_change changed;
	uint64_t count;

	manual = clock_manual(START);
	options.clock = manual;
	tide = open_tide_with(&options);
	spec.view = VIEW_KEYS_ONLY;
	spec.ttl = slice_of_text("e");
	MUST(tide_create_table(tide, &spec, &failure), failure);
	table = table_named("orders");
	count = (uint64_t)fill_file(START + 1000);
	CHECK(count > 10);
	begin(tide);
	MUST(tide_delete(tide, &table, item_of(&made, "ann", "000000", NULL), &changed, &failure),
		failure);
	tide_abort(tide);
	clock_advance(manual, 1001);
	begin(tide);
	MUST(tide_delete(tide, &table, item_of(&made, "ann", "000000", NULL), &changed, &failure),
		failure);
	commit(tide);
	CHECK_EQUAL_UINT(items(), count - 1);    /* only the one that the delete has found */
	CHECK_EQUAL_UINT(sweep().items, count - 1);
	CHECK_EQUAL_UINT(items(), 0);
	CHECK(fill_file(START + DAY_MS) > 10);
	close_all();
}

/* --- damage --- */

static struct slice index_key(uint8_t bytes[EXPIRY_KEY_MAX], uint64_t sequence)
{
	return slice_of(bytes, expiry_row_key(bytes, 1, START + 1000, sequence));
}

/* A damaged row of the index, or a damaged item, is skipped. */
static void damage_is_skipped(void)
{
	uint8_t bytes[EXPIRY_KEY_MAX];
	struct tide_swept swept = { 0 };
	struct txn *txn;
	struct key key;
	bool more = true;
	int err = 0;

	open_new("damage.tide");
	put_many_expiring(tide, &table, 0, 6, START + 1000);
	txn = forge_begin(tide);
	CHECK_EQUAL_INT(txn_put(txn, TREE_INDEXES, index_key(bytes, 2), slice_of_text("?")), 0);
	key = forge_key(tide, "orders", item_of(&made, "many", "000003", NULL));
	CHECK_EQUAL_INT(txn_put(txn, TREE_ITEMS, key_whole(&key), slice_of_text("?")), 0);
	forge_commit(tide, txn);
	clock_advance(manual, 1001);
	change();                                /* the commit succeeds */
	while (!err && more)
		err = tide_sweep(tide, &swept, &more, &failure);
	CHECK_EQUAL_INT(err, ERR_CORRUPT);
	CHECK_EQUAL_UINT(swept.items, 0);        /* the commit has removed the others */
	tide_close(tide);
	clock_drop(manual);
}

/* Records of one table are damaged: writes to the others succeed, also if items have expired. */
static void a_damaged_stream_fails_no_other_commit(void)
{
	struct txn *txn;
	uint8_t bytes[RECORD_KEY_MAX];
	size_t len;

	open_new("stream.tide");
	put_many_expiring(tide, &table, 0, 3, START + 1000);
	change();
	len = record_set_key(bytes, 1, 3, 0);
	txn = forge_begin(tide);
	CHECK_EQUAL_INT(txn_put(txn, TREE_LOG, slice_of(bytes, len), slice_of_text("?")), 0);
	forge_commit(tide, txn);
	clock_advance(manual, 1001);
	change();
	CHECK(has(tide, &other, "ann", "1", "a") || has(tide, &other, "ann", "1", "z"));
	tide_close(tide);
	clock_drop(manual);
}

/* --- tide_next_expiry --- */

static void next_is(int64_t due_ms)
{
	int64_t found_ms;
	bool expires;

	MUST(tide_next_expiry(tide, &expires, &found_ms, &failure), failure);
	CHECK(expires);
	CHECK_EQUAL_INT(found_ms, due_ms);
}

static void nothing_can_expire(void)
{
	int64_t due_ms;
	bool expires;

	MUST(tide_next_expiry(tide, &expires, &due_ms, &failure), failure);
	CHECK(!expires);
}

static void the_next_expiry_is_known(void)
{
	open_new("next.tide");
	next_is(INT64_MAX);
	put_many_expiring(tide, &table, 0, 1, START + 5000);
	put_many_expiring(tide, &table, 1, 1, START + 1000);
	put_many_expiring(tide, &table, 2, 1, START - FIVE_YEARS_MS);
	next_is(1001);
	clock_advance(manual, 1000);
	next_is(1);
	CHECK_EQUAL_UINT(sweep().items, 0);
	clock_advance(manual, 2);
	next_is(-1);
	CHECK_EQUAL_UINT(sweep().items, 1);
	next_is(3999);
	set_ttl(tide, "orders", "");
	nothing_can_expire();
	put_many_expiring(tide, &table, 100, 2 * SWEEP_ROWS, START + 7000);
	set_ttl(tide, "orders", "e");
	next_is(0);                              /* the index is being built */
	sweep();
	next_is(3999);
	close_all();
}

int main(void)
{
	memset(huge, 'x', HUGE);
	removals_are_a_transaction_of_their_own();
	a_write_removes_its_item_first();
	a_jump_removes_nothing();
	a_sweep_stores_the_jump();
	a_jump_that_is_undone_removes_nothing();
	after_five_years_items_stay();
	a_commit_removes_few_items();
	tables_take_turns();
	big_items_are_removed_in_small_steps();
	all_kinds_of_keys_expire();
	a_full_file_is_swept();
	damage_is_skipped();
	a_damaged_stream_fails_no_other_commit();
	the_next_expiry_is_known();
	builder_release(&made);
	return 0;
}
