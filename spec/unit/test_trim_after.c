/* test_trim_after.c - tests of stream/trim_after.h: when the changes of tables are removed, and how
 * many streams a step scans.
 */
#include "stream/trim_after.h"

#include "api/database.h"
#include "unit/consumers.h"

#define HOUR (UINT64_C(3600) * 1000)

static struct failure failure;
static struct clock *manual;
static struct tide *tide;
static struct tide_table orders;

static void open_database(const char *name)
{
	manual = clock_manual(UINT64_C(1700000000000));
	tide = open_with_clock(tide_path(name), manual);
}

static void close_database(void)
{
	check_clean(tide);
	tide_close(tide);
	clock_drop(manual);
}

static void create(const char *name, uint64_t age_ms)
{
	struct tide_table_spec spec = spec_of(name);

	spec.retention.age_ms = age_ms;
	MUST(tide_create_table(tide, &spec, &failure), failure);
}

static void create_orders(uint64_t age_ms)
{
	create("orders", age_ms);
	orders = table_named("orders");
}

static uint64_t put_order(const char *sort)
{
	static unsigned n;
	char value[16];

	snprintf(value, sizeof value, "%u", ++n);
	return put_alone(tide, &orders, "ann", sort, value);
}

static void sweep(void)
{
	struct tide_swept swept;
	bool more = true;

	while (more)
		MUST(tide_sweep(tide, &swept, &more, &failure), failure);
}

/* Returns the number of the changes of tables that readers see, of which *first is set to the
 * sequence number of the oldest. */
static unsigned count_changes(uint64_t *first)
{
	struct tide_feed *feed;
	struct slice record;
	uint32_t stream;
	unsigned count = 0;

	MUST(tide_feed_start(&feed, tide, TIDE_STREAMS_AND_TABLES, TIDE_TRIM_HORIZON, 0, &failure),
		failure);
	*first = 0;
	do {
		MUST(tide_feed_fill(feed, tide, 1000, &failure), failure);
		while (tide_feed_next(feed, &stream, &record) == 0) {
			if (stream != STREAM_OF_TABLES)
				continue;
			count++;
			if (!*first)
				*first = record_sequence(record.data);
		}
	} while (tide_feed_is_behind(feed));
	tide_feed_finish(feed);
	return count;
}

static unsigned changes_left(void)
{
	uint64_t first;

	sweep();
	return count_changes(&first);
}

/* A change is kept for 24 h by the retention clock, whatever the retention of the streams is. */
static void a_day_at_least(void)
{
	open_database("day.tide");
	create_orders(1);
	put_order("1");
	CHECK_EQUAL_UINT(changes_left(), 1);
	clock_advance(manual, 24 * HOUR - 1);
	CHECK_EQUAL_UINT(changes_left(), 1);
	clock_advance(manual, 1);
	CHECK_EQUAL_UINT(changes_left(), 0);
	close_database();
}

/* A change stays while a stream has an older record, and longer than 24 h. */
static void while_a_stream_has_an_older_record(void)
{
	uint64_t first;

	open_database("older.tide");
	create_orders(48 * HOUR);
	put_order("1");
	create("others", HOUR);
	create("third", HOUR);
	clock_advance(manual, 48 * HOUR - 1);
	CHECK_EQUAL_UINT(changes_left(), 2);     /* the first has no older record */
	CHECK_EQUAL_UINT(count_changes(&first), 2);
	CHECK_EQUAL_UINT(first, 3);
	clock_advance(manual, 1);
	CHECK_EQUAL_UINT(changes_left(), 0);
	close_database();
}

/* The record that keeps a change can be that of a disabled stream, or a held one. */
static void while_a_record_is_held(void)
{
	struct tide_consumer_spec spec = consumer_spec("holds", TIDE_LATEST);
	struct tide_consumer consumer;
	struct consume_batch batch = { .records = 1 };

	open_database("held.tide");
	create_orders(HOUR);
	spec.streams = slice_of("\0\0\0\2", 4);
	spec.hold_ms = 1000 * HOUR;
	MUST(tide_create_consumer(tide, &spec, &failure), failure);
	put_order("1");
	MUST(tide_delete_table(tide, slice_of_text("orders"), &failure), failure);
	clock_advance(manual, 100 * HOUR);
	CHECK_EQUAL_UINT(changes_left(), 1);
	consumer = described(tide, "holds");
	batch.consumer = consumer.row.id;
	batch.epoch = consumer.progress.epoch;
	batch.from = consumer.progress.position;
	batch.to = batch.from + 1;
	MUST(commit_batch_of(tide, &batch, &failure), failure);
	CHECK_EQUAL_UINT(changes_left(), 0);
	close_database();
}

/* A consumer of all tables holds the changes after its position, until its hold is released. */
static void while_a_consumer_holds_it(void)
{
	struct tide_consumer_spec spec = consumer_spec("replica", TIDE_LATEST);
	uint64_t first;

	open_database("hold.tide");
	create("aaa", HOUR);
	spec.hold_ms = 1000 * HOUR;
	MUST(tide_create_consumer(tide, &spec, &failure), failure);
	create("bbb", HOUR);
	create("ccc", HOUR);
	clock_advance(manual, 1000 * HOUR);
	CHECK_EQUAL_UINT(changes_left(), 2);     /* longer than the cap of 7 days */
	CHECK_EQUAL_UINT(count_changes(&first), 2);
	CHECK_EQUAL_UINT(first, 2);
	move_consumer(tide, "replica", TIDE_AFTER, 2);
	CHECK_EQUAL_UINT(changes_left(), 1);
	clock_advance(manual, 1000 * HOUR);
	CHECK_EQUAL_UINT(changes_left(), 1);
	clock_advance(manual, 1);
	CHECK_EQUAL_UINT(changes_left(), 0);
	close_database();
}

/* After the first of the waiting changes was removed, the hold stays released. */
static void a_released_hold_stays_released(void)
{
	struct tide_consumer_spec spec = consumer_spec("late", TIDE_LATEST);

	open_database("released.tide");
	spec.hold_ms = 30 * HOUR;
	MUST(tide_create_consumer(tide, &spec, &failure), failure);
	create("aaa", HOUR);
	clock_advance(manual, 20 * HOUR);
	create("bbb", HOUR);
	clock_advance(manual, 20 * HOUR);
	CHECK_EQUAL_UINT(changes_left(), 1);
	clock_advance(manual, 4 * HOUR);         /* the second one is 24 h old, and waits as long */
	CHECK_EQUAL_UINT(changes_left(), 0);
	close_database();
}

/* A reader of the removed changes gets TRIMMED, others do not. */
static void readers_of_removed_changes(void)
{
	struct tide_feed *feed, *late;

	open_database("readers.tide");
	create_orders(100 * HOUR);
	create("others", HOUR);
	MUST(tide_feed_start(&feed, tide, TIDE_STREAMS_AND_TABLES, TIDE_AFTER, 1, &failure),
		failure);
	MUST(tide_feed_start(&late, tide, TIDE_STREAMS_AND_TABLES, TIDE_AFTER, 2, &failure),
		failure);
	clock_advance(manual, 24 * HOUR);
	CHECK_EQUAL_UINT(changes_left(), 0);
	CHECK_EQUAL_INT(tide_feed_fill(feed, tide, 10, &failure), ERR_TRIMMED);
	CHECK(failure.first == 2 && failure.last == 2);
	MUST(tide_feed_fill(late, tide, 10, &failure), failure);
	tide_feed_finish(feed);
	MUST(tide_feed_start(&feed, tide, 0, TIDE_AFTER, 0, &failure), failure);
	MUST(tide_feed_fill(feed, tide, 10, &failure), failure);
	tide_feed_finish(feed);
	tide_feed_finish(late);
	close_database();
}

/* --- steps --- */

/* Does a step in the open transaction. Returns the number of changes removed. */
static uint64_t step(struct trim_scan *scan, bool is_whole)
{
	struct transaction *transaction = &tide->transaction;
	struct streams *streams = &transaction->catalog->streams;
	const struct trim_moment moment = { transaction->clock_ms, transaction->state.sequence,
		is_whole };
	struct stream *stream;
	uint64_t removed;

	MUST(streams_find(streams, transaction->txn, STREAM_OF_TABLES, &stream), failure);
	MUST(stream_load_bounds(streams, stream, transaction->txn), failure);
	MUST(trim_after_others(transaction->txn, stream, scan, &moment, &removed), failure);
	transaction->changed |= removed > 0;
	return removed;
}

#define MANY (2 * TRIM_AFTER_STREAMS + 5)

static void create_many(void)
{
	for (int i = 0; i < MANY; i++) {
		char name[24];

		snprintf(name, sizeof name, "table%04d", i);
		create(name, HOUR);
	}
	clock_advance(manual, 24 * HOUR);
}

static void a_step_looks_at_some_streams(void)
{
	struct trim_scan scan = { 0 };

	open_database("steps.tide");
	create_many();
	begin(tide);
	CHECK_EQUAL_UINT(step(&scan, false), 0);
	CHECK_EQUAL_UINT(scan.passed, STREAM_OF_TABLES + TRIM_AFTER_STREAMS);
	CHECK_EQUAL_UINT(step(&scan, false), 0);
	CHECK_EQUAL_UINT(step(&scan, false), MANY);
	CHECK(scan.passed == 0 && scan.end == MANY + 1);
	CHECK_EQUAL_UINT(step(&scan, false), 0);         /* nothing is left */
	tide_abort(tide);
	scan = (struct trim_scan){ 0 };
	begin(tide);
	CHECK_EQUAL_UINT(step(&scan, true), MANY);
	tide_abort(tide);
	close_database();
}

/* A scan continues at the stream with an older record. What precedes that record is removed. */
static void a_scan_continues_where_it_stopped(void)
{
	struct trim_scan scan = { 0 };
	uint64_t first;
	unsigned left;

	open_database("stops.tide");
	create_orders(100 * HOUR);
	put_order("1");
	create_many();
	begin(tide);
	CHECK_EQUAL_UINT(step(&scan, true), 1);          /* the creation of "orders" */
	CHECK_EQUAL_UINT(step(&scan, true), 0);
	CHECK_EQUAL_UINT(scan.passed, STREAM_OF_TABLES);
	CHECK_EQUAL_UINT(step(&scan, false), 0);
	CHECK_EQUAL_UINT(scan.passed, STREAM_OF_TABLES);
	commit(tide);
	left = count_changes(&first);
	CHECK(left == MANY && first == 3);
	close_database();
}

/* Records of the own transaction, and streams that are created during a scan, follow all changes
 * that it lets go. */
static void a_scan_ends_before_later_records(void)
{
	struct trim_scan scan = { 0 };
	uint64_t first;

	open_database("later.tide");
	create_many();
	begin(tide);
	CHECK_EQUAL_UINT(step(&scan, false), 0);
	commit(tide);
	create_orders(100 * HOUR);
	put_order("1");
	create("last", HOUR);
	clock_advance(manual, 24 * HOUR);
	begin(tide);
	CHECK_EQUAL_UINT(step(&scan, false), 0);
	CHECK_EQUAL_UINT(step(&scan, false), MANY);
	CHECK_EQUAL_UINT(scan.end, MANY + 1);
	commit(tide);
	CHECK_EQUAL_UINT(count_changes(&first), 2);
	CHECK_EQUAL_UINT(changes_left(), 1);     /* the last one follows an order */
	close_database();
}

/* A step removes at most TRIM_ROWS_MAX rows. */
static void a_step_removes_some_records(void)
{
	struct trim_scan scan = { 0 };

	open_database("some.tide");
	create_orders(HOUR);
	for (int i = 0; i < TRIM_ROWS_MAX; i++)
		MUST(tide_set_ttl(tide, slice_of_text("orders"),
			slice_of_text(i % 2 ? "" : "e"), &failure), failure);
	clock_advance(manual, 24 * HOUR);
	begin(tide);
	CHECK_EQUAL_UINT(step(&scan, false), TRIM_ROWS_MAX);
	CHECK_EQUAL_UINT(step(&scan, false), 1);
	tide_abort(tide);
	close_database();
}

/* Commits of a handle that writes only items remove the changes, too. */
static void writers_trim(void)
{
	uint64_t first;
	char sort[16];

	open_database("writers.tide");
	create_orders(HOUR);
	create("others", HOUR);
	tide_close(tide);
	clock_advance(manual, 24 * HOUR);
	tide = open_with_clock(tide_path("writers.tide"), manual);
	for (int i = 0; i < 4 * SWEEP_TURN; i++) {
		snprintf(sort, sizeof sort, "%d", i);
		put_order(sort);
	}
	CHECK_EQUAL_UINT(count_changes(&first), 0);
	close_database();
}

int main(void)
{
	a_day_at_least();
	while_a_stream_has_an_older_record();
	while_a_record_is_held();
	while_a_consumer_holds_it();
	a_released_hold_stays_released();
	readers_of_removed_changes();
	a_step_looks_at_some_streams();
	a_scan_continues_where_it_stopped();
	a_scan_ends_before_later_records();
	a_step_removes_some_records();
	writers_trim();
	return 0;
}
