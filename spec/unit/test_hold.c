/* test_hold.c - stream/hold.h, stream/lag.h and table/consumer_hold.h: records that are held for
 * consumers, and how far these are behind. */
#include "api/database.h"
#include "stream/hold.h"
#include "table/consume.h"
#include "unit/forge.h"
#include "unit/ranges.h"

#define HOUR UINT64_C(3600000)
#define NAME slice_of_text("c")

static struct failure failure;
static struct clock *manual;
static struct tide *tide;
static struct tide_table orders;

/* Opens a database with a stream that keeps records for an hour, and held ones for ten hours or
 * 1,000 bytes. A record of these tests has 80 to 90 bytes. */
static void open_database(const char *name)
{
	struct tide_table_spec spec = spec_of("orders");

	spec.retention = (struct retention){ .age_ms = HOUR, .hold_age_ms = 10 * HOUR,
		.hold_bytes = 1000 };
	tide = open_with_clock(tide_path(name), manual);
	MUST(tide_create_table(tide, &spec, &failure), failure);
	orders = table_named("orders");
}

static void close_database(void)
{
	check_clean(tide);
	tide_close(tide);
}

static uint64_t put_record(void)
{
	static unsigned n;
	char text[16];

	snprintf(text, sizeof text, "%u", ++n % 10000);
	return put_alone(tide, &orders, "a", text, NULL);
}

static void create(const char *name, enum tide_from from, uint64_t hold_ms)
{
	struct tide_consumer_spec spec = consumer_spec(name, from);

	spec.streams = slice_of("\0\0\0\2", 4);
	spec.hold_ms = hold_ms;
	MUST(tide_create_consumer(tide, &spec, &failure), failure);
}

/* Moves the position of a consumer by a batch. */
static void advance(const char *name, uint64_t to)
{
	struct tide_consumer consumer = described(tide, name);
	struct consume_batch batch = { .consumer = consumer.row.id,
		.epoch = consumer.progress.epoch, .from = consumer.progress.position, .to = to,
		.records = 1 };

	MUST(commit_batch_of(tide, &batch, &failure), failure);
}

/* Returns the sequence number of the newest expired record, as readers see it. */
static uint64_t trimmed(void)
{
	struct tide_stream_state state;

	MUST(tide_describe_stream(tide, STREAM_ONE, &state, &failure), failure);
	return state.trimmed_through;
}

static struct lag lag_of_consumer(const char *name)
{
	struct lag lag;

	MUST(tide_consumer_lag(tide, slice_of_text(name), &lag, &failure), failure);
	return lag;
}

static void sweep(void)
{
	struct tide_swept swept;
	bool more = true;

	while (more)
		MUST(tide_sweep(tide, &swept, &more, &failure), failure);
}

/* Records after the position of a consumer stay until a cap is exceeded; others expire. */
static void held_until_a_cap(void)
{
	uint64_t first, last = 0;

	open_database("cap.tide");
	first = put_record();
	create("c", TIDE_LATEST, 100 * HOUR);
	for (int i = 0; i < 5; i++)
		last = put_record();
	clock_advance(manual, HOUR);
	CHECK_EQUAL_UINT(trimmed(), first);
	sweep();
	CHECK_EQUAL_UINT(trimmed(), first);
	advance("c", first + 2);
	CHECK_EQUAL_UINT(trimmed(), first + 2);
	clock_advance(manual, 9 * HOUR - 1);
	CHECK_EQUAL_UINT(trimmed(), first + 2);
	clock_advance(manual, 1);
	CHECK_EQUAL_UINT(trimmed(), last);
	sweep();
	close_database();

	open_database("bytes.tide");
	create("c", TIDE_LATEST, 100 * HOUR);
	first = put_record();
	clock_advance(manual, HOUR);
	for (int i = 0; i < 10; i++)
		last = put_record();
	CHECK_EQUAL_UINT(trimmed(), 0);
	while (trimmed() == 0)
		put_record();
	CHECK_EQUAL_UINT(trimmed(), first);
	CHECK(lag_of_consumer("c").bytes <= 1000 && lag_of_consumer("c").bytes > 900);
	sweep();
	CHECK_EQUAL_UINT(trimmed(), first);
	close_database();
}

/* A hold ends after records have waited for its limit, and not while none waits. */
static void a_hold_is_released(void)
{
	uint64_t one, two, three;

	open_database("released.tide");
	create("c", TIDE_LATEST, 2 * HOUR);
	clock_advance(manual, HOUR);
	for (int i = 0; i < 60; i++)             /* it is idle for a long time */
		clock_advance(manual, HOUR);
	one = put_record();
	clock_advance(manual, HOUR);
	two = put_record();
	clock_advance(manual, HOUR);
	CHECK_EQUAL_UINT(trimmed(), 0);
	CHECK(!lag_of_consumer("c").is_released);
	CHECK_EQUAL_UINT(lag_of_consumer("c").held_bytes, lag_of_consumer("c").bytes);
	clock_advance(manual, 1);
	CHECK(lag_of_consumer("c").is_released);
	CHECK_EQUAL_UINT(lag_of_consumer("c").used, 1000);
	CHECK_EQUAL_INT((int)lag_of_consumer("c").limit, LAG_WAIT);
	CHECK_EQUAL_UINT(trimmed(), two);
	sweep();                                 /* the first waiting record is removed */
	three = put_record();
	clock_advance(manual, HOUR);
	CHECK_EQUAL_UINT(trimmed(), three);
	CHECK(lag_of_consumer("c").records == 0);
	/* Progress renews the hold; what has expired stays invisible. */
	move_consumer(tide, "c", TIDE_AFTER, one);
	CHECK_EQUAL_UINT(trimmed(), three);
	one = put_record();
	clock_advance(manual, HOUR + 1);
	CHECK_EQUAL_UINT(trimmed(), three);
	CHECK(!lag_of_consumer("c").is_released);
	advance("c", one);
	CHECK_EQUAL_UINT(trimmed(), one);
	close_database();
}

/* A batch renews a hold that was released. */
static void progress_revives(void)
{
	uint64_t first, last;

	open_database("revived.tide");
	create("c", TIDE_LATEST, 2 * HOUR);
	first = put_record();
	put_record();
	clock_advance(manual, HOUR / 2);
	last = put_record();
	clock_advance(manual, 3 * HOUR / 2 + 1);
	CHECK_EQUAL_UINT(trimmed(), last);
	advance("c", first);
	CHECK_EQUAL_UINT(trimmed(), last);
	CHECK(!lag_of_consumer("c").is_released);
	last = put_record();
	clock_advance(manual, HOUR);
	CHECK_EQUAL_UINT(trimmed(), last - 1);
	close_database();
}

/* What expired before a consumer was created, moved back or set to hold stays invisible. */
static void nothing_becomes_visible(void)
{
	uint64_t old, new;

	open_database("hidden.tide");
	put_record();
	old = put_record();
	clock_advance(manual, HOUR);
	create("c", TIDE_TRIM_HORIZON, 100 * HOUR);
	CHECK_EQUAL_UINT(described(tide, "c").progress.position, old);
	CHECK_EQUAL_UINT(trimmed(), old);
	new = put_record();
	move_consumer(tide, "c", TIDE_AFTER, 0);
	CHECK_EQUAL_UINT(trimmed(), old);
	move_consumer(tide, "c", TIDE_LATEST, 0);
	clock_advance(manual, HOUR);
	CHECK_EQUAL_UINT(trimmed(), new);
	move_consumer(tide, "c", TIDE_AFTER, old);
	CHECK_EQUAL_UINT(trimmed(), new);
	MUST(set_hold_of(tide, NAME, 0, &failure), failure);
	old = put_record();
	clock_advance(manual, HOUR);
	CHECK_EQUAL_UINT(trimmed(), old);
	MUST(set_hold_of(tide, NAME, HOUR, &failure), failure);
	CHECK_EQUAL_UINT(trimmed(), old);
	new = put_record();
	clock_advance(manual, HOUR);
	CHECK_EQUAL_UINT(trimmed(), old);
	MUST(set_hold_of(tide, NAME, 100 * HOUR, &failure), failure);
	CHECK_EQUAL_UINT(trimmed(), old);
	delete_consumer(tide, "c");
	CHECK_EQUAL_UINT(trimmed(), new);
	close_database();
}

/* A writer that finds held records looks again after a second or 64 records. */
static void trimming_pauses(void)
{
	enum { BEFORE = 2 };         /* changes of the table before the first record */
	const struct transaction *transaction;
	struct stream *stream;

	open_database("pause.tide");
	MUST(tide_set_retention(tide, STREAM_ONE, &(struct retention){ .age_ms = HOUR,
		.hold_age_ms = 20 * HOUR, .hold_bytes = 1000000 }, &failure), failure);
	transaction = &tide->transaction;
	create("c", TIDE_LATEST, 100 * HOUR);
	for (int i = 0; i < TRIM_WORTH; i++)
		put_record();
	clock_advance(manual, HOUR);
	put_record();
	stream = streams_cached(&transaction->catalog->streams, STREAM_ONE);
	CHECK_EQUAL_UINT(stream->hint.at_ms, transaction->clock_ms + TRIM_HELD_MS);
	CHECK_EQUAL_UINT(stream->hint.at_ordinal, 1 + 2 * TRIM_WORTH + TRIM_HELD_RECORDS);
	CHECK_EQUAL_UINT(stream->free_through, BEFORE);
	CHECK(!retention_due(stream, transaction->clock_ms));
	advance("c", BEFORE + 3);
	put_record();
	CHECK_EQUAL_UINT(stream->bounds.horizon.removed, 0);
	clock_advance(manual, TRIM_HELD_MS);
	put_record();
	CHECK_EQUAL_UINT(stream->free_through, BEFORE + 3);
	CHECK_EQUAL_UINT(stream->bounds.horizon.removed, BEFORE + 3);
	delete_consumer(tide, "c");
	clock_advance(manual, TRIM_HELD_MS);
	put_record();
	stream = streams_cached(&transaction->catalog->streams, STREAM_ONE);
	CHECK_EQUAL_UINT(stream->free_through, UINT64_MAX);
	CHECK_EQUAL_UINT(stream->bounds.horizon.removed, BEFORE + TRIM_WORTH);
	close_database();
}

/* A consumer of all streams holds the records of each; a stream that ends loses its holds. */
static void holds_on_all_streams(void)
{
	struct tide_consumer_spec all = consumer_spec("all", TIDE_LATEST);
	uint64_t only;

	open_database("all.tide");
	all.hold_ms = 100 * HOUR;
	MUST(tide_create_consumer(tide, &all, &failure), failure);
	create("c", TIDE_LATEST, 100 * HOUR);
	only = put_record();
	MUST(tide_disable_stream(tide, slice_of_text("orders"), &failure), failure);
	clock_advance(manual, HOUR);
	advance("c", only);
	sweep();
	CHECK_EQUAL_UINT(trimmed(), 0);
	CHECK_EQUAL_UINT(lag_of_consumer("all").records, 1);
	CHECK_EQUAL_UINT(lag_of_consumer("c").records, 0);
	check_clean(tide);
	advance("all", only);
	CHECK_EQUAL_UINT(lag_of_consumer("all").records, 0);
	sweep();
	check_clean(tide);
	begin(tide);
	CHECK_EQUAL_INT(hold_find_row(tide->transaction.txn, 0, described(tide, "all").row.id), 0);
	CHECK_EQUAL_INT(hold_find_row(tide->transaction.txn, 1, described(tide, "c").row.id), END);
	tide_abort(tide);
	MUST(set_hold_of(tide, NAME, 0, &failure), failure);
	MUST(set_hold_of(tide, NAME, HOUR, &failure), failure);
	close_database();
}

static bool has_processed(const char *name, uint64_t sequence)
{
	bool processed;

	MUST(tide_consumer_has_processed(tide, slice_of_text(name), described(tide, name).row.id,
		sequence, &processed, &failure), failure);
	return processed;
}

/* Lag comes from the totals in the headers; a change in no source counts as processed. */
static void lags(void)
{
	struct tide_table other;
	struct buffer all = { 0 };
	struct source source;
	uint64_t first, last;
	bool processed;

	open_database("lag.tide");
	other = create_table(tide, "other");
	first = put_record();
	create("c", TIDE_LATEST, 0);
	create("d", TIDE_TRIM_HORIZON, 0);
	CHECK_EQUAL_UINT(lag_of_consumer("c").records, 0);
	CHECK_EQUAL_UINT(lag_of_consumer("c").age_ms, 0);
	CHECK_EQUAL_UINT(lag_of_consumer("d").records, 1);
	clock_advance(manual, 5000);
	last = put_record();
	clock_advance(manual, 1000);
	CHECK_EQUAL_UINT(lag_of_consumer("c").records, 1);
	CHECK_EQUAL_UINT(lag_of_consumer("c").age_ms, 1000);
	CHECK_EQUAL_UINT(lag_of_consumer("d").records, 2);
	CHECK_EQUAL_UINT(lag_of_consumer("d").age_ms, 6000);
	CHECK(lag_of_consumer("d").bytes > lag_of_consumer("c").bytes);
	CHECK(!lag_of_consumer("d").is_held && lag_of_consumer("d").limit == 0);
	CHECK(has_processed("c", first) && !has_processed("c", last) && !has_processed("d", first));
	CHECK_EQUAL_UINT(put_alone(tide, &other, "a", "b", NULL), last + 1);
	CHECK(!has_processed("c", last + 1));
	advance("c", last);
	CHECK(has_processed("c", last) && has_processed("c", last + 1));
	CHECK_EQUAL_INT(tide_consumer_has_processed(tide, NAME, described(tide, "c").row.id,
		last + 2, &processed, &failure), ERR_AHEAD);
	CHECK_EQUAL_INT(tide_consumer_has_processed(tide, NAME, 0, last, &processed, &failure),
		ERR_NOT_FOUND);
	CHECK_EQUAL_INT(tide_consumer_lag(tide, slice_of_text("none"), &(struct lag){ 0 },
		&failure), ERR_NOT_FOUND);
	MUST(tide_consumer_lags(tide, &all, &failure), failure);
	source = source_of(buffer_slice(&all));
	CHECK(slice_equal(source_counted(&source), NAME));
	source_take(&source, sizeof(struct lag));
	CHECK(slice_equal(source_counted(&source), slice_of_text("d")));
	source_take(&source, sizeof(struct lag));
	CHECK_EQUAL_INT(source_finish(&source), 0);
	buffer_release(&all);
	clock_advance(manual, HOUR - 6000);      /* a lost record is no lag, and not processed */
	CHECK_EQUAL_UINT(lag_of_consumer("d").records, 1);
	sweep();
	CHECK(!has_processed("d", first));
	close_database();
}

/* A damaged row of progress holds all records; the check finds the damage. */
static void damage_holds(void)
{
	uint8_t key[11] = { CONSUMER_PROGRESS };
	struct txn *txn;
	uint64_t id, only;

	open_database("damage.tide");
	create("c", TIDE_LATEST, HOUR);
	only = put_record();
	id = described(tide, "c").row.id;
	txn = forge_begin(tide);
	set_u64(key + 1, id);
	set_u16(key + 9, 0);
	CHECK_EQUAL_INT(txn_put(txn, TREE_CONSUMERS, slice_of(key, 11), slice_of_text("damaged")),
		0);
	forge_commit(tide, txn);
	clock_advance(manual, 5 * HOUR);
	CHECK_EQUAL_UINT(trimmed(), 0);
	clock_advance(manual, 5 * HOUR);
	CHECK_EQUAL_UINT(trimmed(), only);
	CHECK_EQUAL_UINT(problems_of(tide), 1);
	tide_close(tide);
}

/* The check finds holds that are missing, and those that should not exist. */
static void check_finds_holds(void)
{
	static const char *const names[] = { "none.tide", "two.tide", "stream.tide", "stray.tide" };
	struct report report = { 0 };

	for (int i = 0; i < 4; i++) {
		uint8_t key[13] = { CONSUMER_HOLD };
		struct txn *txn;

		open_database(names[i]);
		create("c", TIDE_LATEST, i == 3 ? 0 : HOUR);
		set_u64(key + 5, described(tide, "c").row.id);
		set_u32(key + 1, i == 1 ? 0 : i == 2 ? 9 : STREAM_ONE);
		txn = forge_begin(tide);
		if (i == 0)
			forge_delete(txn, TREE_CONSUMERS, slice_of(key, 13));
		else
			forge_row(txn, TREE_CONSUMERS, slice_of(key, 13),
				slice_of("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16));
		forge_commit(tide, txn);
		buffer_clear(&report.text);
		MUST(tide_check(tide, &report, &failure), failure);
		CHECK_EQUAL_UINT(report.problems, i == 2 ? 2 : 1);
		buffer_put_u8(&report.text, 0);
		CHECK(strstr((const char *)report.text.data, "48"));
		tide_close(tide);
	}
	buffer_release(&report.text);
}

static void rows_decode(void)
{
	struct buffer bytes = { 0 };
	struct hold_row row = { 7, 9 }, decoded;

	hold_put(&bytes, &row);
	CHECK_EQUAL_INT(hold_get(&decoded, buffer_slice(&bytes)), 0);
	CHECK(decoded.position == 7 && decoded.waiting_ms == 9);
	for (size_t len = 0; len < bytes.len; len++)
		CHECK_EQUAL_INT(hold_get(&decoded, slice_of(bytes.data, len)), ERR_CORRUPT);
	buffer_clear(&bytes);
	row.position = SEQUENCE_MAX + 1;
	hold_put(&bytes, &row);
	CHECK_EQUAL_INT(hold_get(&decoded, buffer_slice(&bytes)), ERR_CORRUPT);
	buffer_release(&bytes);
	CHECK_EQUAL_UINT(progress_hold_ms(&(struct progress_row){ 0 }), 0);
	CHECK_EQUAL_UINT(progress_hold_ms(&(struct progress_row){ .hold_ms = 5 }), 5);
	CHECK_EQUAL_UINT(progress_hold_ms(&(struct progress_row){ .is_copying = true }),
		HOLD_LIMIT_MS);
}

/* The error that ended a run is kept, until another worker joins. */
static void an_end_is_kept(void)
{
	struct shard_owner owner = { .worker = 1 };
	struct progress_row row;
	char text[CONSUMER_END_MAX + 9];
	uint64_t id;

	open_database("end.tide");
	create("c", TIDE_LATEST, 0);
	id = described(tide, "c").row.id;
	memset(text, 'x', sizeof text);
	CHECK_EQUAL_INT(tide_end_consumer(tide, whole(id, 9), slice_of_text("TRIMMED lost"),
		&failure), ERR_LEASE_LOST);
	CHECK_EQUAL_INT(tide_end_consumer(tide, whole(id + 99, 0), slice_of_text("TRIMMED"),
		&failure), ERR_CONSUMER_GONE);
	MUST(tide_end_consumer(tide, whole(id, 0), slice_of(text, sizeof text), &failure), failure);
	CHECK_EQUAL_UINT(described(tide, "c").progress.end.len, CONSUMER_END_MAX);
	MUST(tide_end_consumer(tide, whole(id, 0), slice_of_text("TRIMMED lost"), &failure),
		failure);
	CHECK(slice_equal(described(tide, "c").progress.end, slice_of_text("TRIMMED lost")));
	MUST(set_hold_of(tide, NAME, HOUR, &failure), failure);
	CHECK(slice_equal(described(tide, "c").progress.end, slice_of_text("TRIMMED lost")));
	MUST(tide_join_consumer(tide, whole(id, 0), &owner, NO_DEATH, &row, &failure), failure);
	CHECK_EQUAL_UINT(described(tide, "c").progress.end.len, 0);
	close_database();
}

/* A commit of a position is counted for those who wait for it. */
static void progress_is_counted(void)
{
	uint32_t seen, streams;

	open_database("count.tide");
	create("c", TIDE_LATEST, 0);
	put_record();
	seen = tide_progress_count(tide);
	put_record();
	CHECK_EQUAL_UINT(tide_progress_count(tide), seen);
	CHECK_EQUAL_INT(tide_progress_wait(tide, seen, 1), 0);
	streams = commit_count(store_shared_page(tide->store), 0);
	advance("c", 1);
	CHECK(tide_progress_count(tide) != seen);
	CHECK_EQUAL_UINT(commit_count(store_shared_page(tide->store), 0), streams);
	CHECK_EQUAL_INT(tide_progress_wait(tide, seen, 100000), 0);
	close_database();
}

/* A wakeup of progress is notified by the commit of a position, one of commits is not. */
static void wakeups_of_progress(void)
{
	struct tide_wakeup *progress, *commits;

	open_database("wakeup.tide");
	create("c", TIDE_LATEST, 0);
	put_record();
	MUST(tide_wakeup_open(&progress, tide, WAKEUP_PROGRESS, &failure), failure);
	MUST(tide_wakeup_open(&commits, tide, WAKEUP_COMMITS, &failure), failure);
	put_record();
	CHECK_EQUAL_INT(tide_wakeup_wait(progress, 0), END);
	CHECK_EQUAL_INT(tide_wakeup_wait(commits, 0), 0);
	tide_wakeup_clear(commits);
	advance("c", 1);
	CHECK_EQUAL_INT(tide_wakeup_wait(progress, 0), 0);
	CHECK_EQUAL_INT(tide_wakeup_wait(commits, 0), END);
	tide_wakeup_clear(progress);
	CHECK_EQUAL_INT(tide_wakeup_wait(progress, 0), END);
	tide_wakeup_close(progress);
	tide_wakeup_close(commits);
	close_database();
}

/* --- ranges of shards --- */

/* Creates a consumer whose shards 20 to 63 are a range of their own, without owners, and puts
 * records. Returns the first one. */
static uint64_t start_ranges(const char *name, uint64_t hold_ms, int records)
{
	uint64_t first;

	open_database(name);
	create("c", TIDE_LATEST, hold_ms);
	split_range(tide, "c", 0, 20, false);
	first = put_record();
	while (--records > 0)
		put_record();
	return first;
}

/* The records after the lowest position of a range are held. */
static void the_last_range_holds(void)
{
	uint64_t first = start_ranges("lowest.tide", 100 * HOUR, 5);

	advance_range(tide, "c", 0, first + 3);
	clock_advance(manual, HOUR);
	CHECK_EQUAL_UINT(trimmed(), 0);
	advance_range(tide, "c", 20, first + 1);
	CHECK_EQUAL_UINT(trimmed(), first + 1);
	CHECK_EQUAL_UINT(lag_of_consumer("c").records, 3);
	advance_range(tide, "c", 20, first + 4);
	CHECK_EQUAL_UINT(trimmed(), first + 3);
	close_database();
}

/* A command hides nothing that was held for a range behind the first one. */
static void a_move_keeps_held_records(void)
{
	uint64_t first = start_ranges("unite.tide", 100 * HOUR, 5);

	advance_range(tide, "c", 0, first + 4);
	clock_advance(manual, HOUR);
	CHECK_EQUAL_UINT(trimmed(), 0);
	move_consumer(tide, "c", TIDE_AFTER, first);
	CHECK_EQUAL_UINT(trimmed(), first);
	CHECK_EQUAL_UINT(described(tide, "c").progress.gaps, 0);
	CHECK_EQUAL_UINT(lag_of_consumer("c").records, 4);
	close_database();
}

/* A gap that is skipped in all ranges does not end the hold. */
static void a_hold_survives_a_gap(void)
{
	uint64_t first = start_ranges("gap.tide", 100 * HOUR, 3), last;
	struct progress_row row;

	advance_range(tide, "c", 20, first + 1);
	clock_advance(manual, 10 * HOUR);
	last = put_record();
	CHECK_EQUAL_UINT(trimmed(), last - 1);
	MUST(tide_skip_gap(tide, NAME, range_at(tide, "c", 0), false, &row, &failure), failure);
	CHECK(row.position == last - 1 && row.gaps == 1);
	CHECK_EQUAL_UINT(row_at(tide, "c", 20).position, last - 1);
	clock_advance(manual, HOUR);
	CHECK_EQUAL_UINT(trimmed(), last - 1);
	CHECK(lag_of_consumer("c").is_held);
	close_database();
}

/* A batch of any range renews a hold that was released; what has expired stays invisible. */
static void a_range_revives(void)
{
	uint64_t first = start_ranges("range.tide", 2 * HOUR, 2), last;

	advance_range(tide, "c", 0, first + 1);
	clock_advance(manual, 2 * HOUR + 1);
	CHECK_EQUAL_UINT(trimmed(), first + 1);
	advance_range(tide, "c", 20, first);
	CHECK_EQUAL_UINT(trimmed(), first + 1);
	CHECK(!lag_of_consumer("c").is_released);
	last = put_record();
	clock_advance(manual, HOUR);
	CHECK_EQUAL_UINT(trimmed(), last - 1);
	close_database();
}

/* Of two ranges at one position, the one that has waited longer decides, also when they are
 * united. */
static void a_merge_revives_nothing(void)
{
	for (int right = 0; right < 2; right++) {
		uint64_t first = start_ranges(right ? "right.tide" : "left.tide", 2 * HOUR, 2);
		struct progress_row row;

		advance_range(tide, "c", right ? 20 : 0, first);
		clock_advance(manual, 3 * HOUR / 2);
		advance_range(tide, "c", right ? 0 : 20, first);
		clock_advance(manual, HOUR / 2 + 1);
		CHECK_EQUAL_UINT(trimmed(), first + 1);
		MUST(tide_merge_ranges(tide, range_at(tide, "c", 0), range_at(tide, "c", 20),
			&row, &failure), failure);
		CHECK_EQUAL_UINT(trimmed(), first + 1);
		CHECK(lag_of_consumer("c").is_released);
		close_database();
	}
}

/* The time for which records have waited is measured again for all ranges. */
static void another_limit_counts_from_now(void)
{
	uint64_t first = start_ranges("limit.tide", 2 * HOUR, 2);

	advance_range(tide, "c", 0, first);
	clock_advance(manual, 3 * HOUR / 2);
	MUST(set_hold_of(tide, NAME, 3 * HOUR, &failure), failure);
	clock_advance(manual, 3 * HOUR);
	CHECK_EQUAL_UINT(trimmed(), 0);
	CHECK_EQUAL_UINT(row_at(tide, "c", 20).hold_ms, 0);
	clock_advance(manual, 1);
	CHECK_EQUAL_UINT(trimmed(), first + 1);
	MUST(set_hold_of(tide, NAME, 0, &failure), failure);
	CHECK(!lag_of_consumer("c").is_held);
	close_database();
}

int main(void)
{
	manual = clock_manual(UINT64_C(1000000) * HOUR);
	rows_decode();
	held_until_a_cap();
	a_hold_is_released();
	progress_revives();
	nothing_becomes_visible();
	trimming_pauses();
	holds_on_all_streams();
	lags();
	damage_holds();
	check_finds_holds();
	an_end_is_kept();
	progress_is_counted();
	wakeups_of_progress();
	the_last_range_holds();
	a_move_keeps_held_records();
	a_hold_survives_a_gap();
	a_range_revives();
	a_merge_revives_nothing();
	another_limit_counts_from_now();
	clock_drop(manual);
	return 0;
}
