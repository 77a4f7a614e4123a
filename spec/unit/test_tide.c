/* test_tide.c - tide.h: its functions, with handles of several threads and forked processes. */
#include <pthread.h>
#include <stdatomic.h>

#include "api/database.h"
#include "base/memory.h"
#include "os/clock.h"
#include "os/shared_page_layout.h"
#include "unit/files.h"
#include "unit/tides.h"

#define THREADS 4
#define CHANGES 300

static _Thread_local struct failure failure;

/* --- opening --- */

static int try_open(struct tide_options options)
{
	struct tide *tide = (struct tide *)&failure;
	int err = tide_open(&tide, &options, &failure);

	CHECK((err == 0) == (tide != NULL));
	CHECK(err == 0 || (failure.err == err && failure.message[0]));
	tide_close(tide);
	return err;
}

static void opening_may_fail(void)
{
	struct tide_options options = weak_options(tide_path("none.tide"));
	struct clock *clock = clock_manual(1000);
	struct tide *tide;

	options.create = false;
	CHECK_EQUAL_INT(try_open(options), ERR_NO_FILE);
	options.create = true;
	options.read_only = true;
	CHECK_EQUAL_INT(try_open(options), ERR_NO_FILE);
	CHECK(access(options.path, F_OK) != 0);
	CHECK_EQUAL_INT(try_open(weak_options(tide_path("no/where.tide"))), ERR_NO_FILE);
	write_file(tide_path("text.tide"), "no database\n");
	CHECK_EQUAL_INT(try_open(weak_options(tide_path("text.tide"))), ERR_NOT_DATABASE);
	CHECK_EQUAL_INT(try_open(weak_options(check_directory())), ERR_NOT_DATABASE);
	tide = open_tide(tide_path("options.tide"));
	options = weak_options(tide_path("options.tide"));
	CHECK_EQUAL_INT(try_open(options), 0);
	options.durability = DURABILITY_FULL;
	CHECK_EQUAL_INT(try_open(options), ERR_OPTIONS);
	options = weak_options(options.path);
	options.max_bytes = UINT64_C(1) << 29;
	CHECK_EQUAL_INT(try_open(options), ERR_OPTIONS);
	options = weak_options(options.path);
	options.clock = clock;
	CHECK_EQUAL_INT(try_open(options), ERR_OPTIONS);
	tide_close(tide);
	CHECK_EQUAL_INT(try_open(options), 0);
	tide_close(NULL);
	clock_drop(clock);
}

static void read_only_writes_nothing(void)
{
	const char *path = tide_path("read_only.tide");
	struct tide *tide = open_tide(path), *reader;
	struct tide_table table = create_table(tide, "orders"), theirs = table_named("orders");
	struct tide_options options = weak_options(path);
	struct tide_table_spec spec = spec_of("other");
	struct tide_swept swept = { 0 };
	bool more;

	put_alone(tide, &table, "a", "1", "x");
	options.read_only = true;
	MUST(tide_open(&reader, &options, &failure), failure);
	CHECK(has(reader, &theirs, "a", "1", "x"));
	CHECK_EQUAL_INT(tide_begin(reader, &failure), ERR_READ_ONLY);
	CHECK_EQUAL_INT(tide_create_table(reader, &spec, &failure), ERR_READ_ONLY);
	CHECK_EQUAL_INT(tide_delete_table(reader, slice_of_text("orders"), &failure),
		ERR_READ_ONLY);
	CHECK_EQUAL_INT(tide_sweep(reader, &swept, &more, &failure), ERR_READ_ONLY);
	put_alone(tide, &table, "a", "1", "y");
	CHECK(has(reader, &theirs, "a", "1", "y"));
	tide_close(reader);
	tide_close(tide);
}

/* --- tables --- */

static void tables_are_described(void)
{
	struct tide_options options = { .in_memory = true, .max_bytes = 1 << 28,
		.clock = clock_manual(123456) };
	struct tide_table table, nothing = table_named("nothing");
	struct tide_stream_state stream;
	struct buffer list = { 0 };
	const struct table_row *row;
	struct tide_info info;
	struct tide *tide;

	CHECK_EQUAL_INT(tide_table_named(&table, slice_of_text("ab"), &failure), ERR_VALIDATION);
	CHECK_EQUAL_INT(tide_table_named(&table, slice_of_text("a b"), &failure), ERR_VALIDATION);
	MUST(tide_open(&tide, &options, &failure), failure);
	clock_drop(options.clock);
	table = create_table(tide, "bbb");
	create_table(tide, "aaa");
	CHECK_EQUAL_INT(tide_describe_table(tide, &nothing, &row, &failure), ERR_NOT_FOUND);
	MUST(tide_describe_table(tide, &table, &row, &failure), failure);
	CHECK_EQUAL_STRING(row->name, "bbb");
	CHECK_EQUAL_UINT(row->created_ms, 123456);
	CHECK(row->id == 1 && row->stream == STREAM_ONE && row->newest_stream == STREAM_ONE);
	MUST(tide_table_names(tide, &list, &failure), failure);
	CHECK_BYTES(list.data, list.len, "\3aaa\3bbb", 8);
	MUST(tide_stream_ids(tide, &list, &failure), failure);
	CHECK_BYTES(list.data, list.len, "\0\0\0\2\0\0\0\3", 8);
	MUST(tide_describe_stream(tide, STREAM_TWO, &stream, &failure), failure);
	CHECK_EQUAL_STRING(stream.row->table_name, "aaa");
	MUST(tide_delete_table(tide, slice_of_text("aaa"), &failure), failure);
	CHECK_EQUAL_INT(tide_delete_table(tide, slice_of_text("aaa"), &failure), ERR_NOT_FOUND);
	MUST(tide_table_names(tide, &list, &failure), failure);
	CHECK_BYTES(list.data, list.len, "\3bbb", 4);
	buffer_release(&list);
	MUST(tide_describe_stream(tide, STREAM_TWO, &stream, &failure), failure);
	CHECK(stream.row->status == STREAM_DISABLED);
	MUST(tide_info(tide, &info, &failure), failure);
	CHECK_EQUAL_STRING(info.path, "");
	CHECK_EQUAL_STRING(info.engine, tide_engine());
	check_clean(tide);
	tide_close(tide);
}

static void refusals_of_definitions(void)
{
	struct tide *tide = open_tide(tide_path("define.tide"));
	struct tide_table_spec spec = spec_of("orders");
	struct retention day = { .age_ms = DAY_MS };
	struct slice name = slice_of_text("orders");

	MUST(tide_create_table(tide, &spec, &failure), failure);
	CHECK_EQUAL_INT(tide_create_table(tide, &spec, &failure), ERR_IN_USE);
	CHECK_EQUAL_INT(tide_enable_stream(tide, name, VIEW_KEYS_ONLY, &day, &failure),
		ERR_VALIDATION);
	MUST(tide_disable_stream(tide, name, &failure), failure);
	CHECK_EQUAL_INT(tide_disable_stream(tide, name, &failure), ERR_VALIDATION);
	CHECK_EQUAL_INT(tide_set_retention(tide, 99, &day, &failure), ERR_NOT_FOUND);
	CHECK_EQUAL_INT(tide_disable_stream(tide, slice_of_text("other"), &failure),
		ERR_NOT_FOUND);
	spec = spec_of("other");
	spec.schema.sort = spec.schema.partition;
	CHECK_EQUAL_INT(tide_create_table(tide, &spec, &failure), ERR_VALIDATION);
	/* These definitions would write a row that does not decode, and make the file
	 * unreadable. */
	CHECK_EQUAL_INT(tide_enable_stream(tide, name, 0, &day, &failure), ERR_VALIDATION);
	CHECK_EQUAL_INT(tide_enable_stream(tide, name, 5, &day, &failure), ERR_VALIDATION);
	day.age_ms = 0;
	CHECK_EQUAL_INT(tide_enable_stream(tide, name, VIEW_KEYS_ONLY, &day, &failure),
		ERR_VALIDATION);
	CHECK_EQUAL_INT(tide_set_retention(tide, 1, &day, &failure), ERR_VALIDATION);
	spec = spec_of("third");
	spec.retention = day;
	CHECK_EQUAL_INT(tide_create_table(tide, &spec, &failure), ERR_VALIDATION);
	CHECK(!tide_in_transaction(tide));
	check_clean(tide);
	tide_close(tide);
}

/* --- transactions --- */

static void a_transaction_is_one(void)
{
	const char *path = tide_path("transaction.tide");
	struct tide *tide = open_tide(path), *other = open_tide(path);
	struct tide_table table = create_table(tide, "orders"), theirs = table_named("orders");
	struct builder builder = { 0 };
	struct tide_change change;

	begin(tide);
	CHECK(tide_in_transaction(tide));
	CHECK_EQUAL_INT(tide_begin(tide, &failure), ERR_NESTED);
	CHECK_EQUAL_INT(tide_begin(other, &failure), ERR_BUSY);
	CHECK_EQUAL_INT(failure.pid, getpid());
	CHECK_EQUAL_UINT(put(tide, &table, "a", "1", "x"), 2);
	CHECK_EQUAL_UINT(put(tide, &table, "a", "1", "x"), 0);
	CHECK_EQUAL_UINT(put(tide, &table, "a", "1", "y"), 3);
	CHECK(has(tide, &table, "a", "1", "y"));
	CHECK(!has(other, &theirs, "a", "1", "y"));
	MUST(tide_delete(tide, &table, item_of(&builder, "a", "1", NULL), &change, &failure),
		failure);
	CHECK(change.sequence == 4 && change.old_item.len > 0);
	MUST(tide_delete(tide, &table, item_of(&builder, "a", "1", NULL), &change, &failure),
		failure);
	CHECK(change.sequence == 0 && change.old_item.len == 0);
	CHECK_EQUAL_INT(tide_put(tide, &table, item_of(&builder, "", "1", "x"), &change,
		&failure), ERR_KEY_EMPTY);
	put(tide, &table, "b", "1", "x");
	commit(tide);
	CHECK(!tide_in_transaction(tide));
	CHECK(has(other, &theirs, "b", "1", "x"));
	begin(other);
	put(other, &theirs, "c", "1", "x");
	tide_abort(other);
	tide_abort(other);
	CHECK(!has(tide, &table, "c", "1", "x"));
	CHECK_EQUAL_UINT(put_alone(other, &theirs, "c", "1", "x"), 6);
	begin(tide);
	put(tide, &table, "d", "1", "x");
	tide_close(tide);                    /* aborts the transaction */
	CHECK(!has(other, &theirs, "d", "1", "x"));
	CHECK_EQUAL_UINT(put_alone(other, &theirs, "d", "1", "x"), 7);
	check_clean(other);
	builder_release(&builder);
	tide_close(other);
}

/* --- queries --- */

static size_t count_items(struct tide_query *query, struct tide *tide, uint32_t max)
{
	struct slice item;
	uint64_t sequence;
	size_t count = 0, page;

	do {
		MUST(tide_query_fill(query, tide, max, &failure), failure);
		for (page = 0; tide_query_next(query, &sequence, &item) == 0; page++)
			;
		count += page;
		CHECK(page > 0 || !tide_query_more(query));
	} while (page);
	return count;
}

static void queries_page_and_pin(void)
{
	struct tide *tide = open_tide(tide_path("query.tide"));
	struct tide_table table = create_table(tide, "orders");
	struct tide_query_spec spec = { 0 };
	struct value ann = { TYPE_S, 0, slice_of_text("ann") };
	struct tide_query *query, *pinned;
	struct buffer bytes = { 0 };
	struct slice item, again;
	uint64_t sequence;
	char s[16];

	begin(tide);
	for (int i = 0; i < 100; i++) {
		snprintf(s, sizeof s, "%03d", i);
		put(tide, &table, i % 2 ? "ann" : "bob", s, "x");
	}
	commit(tide);
	for (uint32_t max = 1; max < 120; max += 13) {
		MUST(tide_query_start(&query, tide, &table, &spec, &failure), failure);
		CHECK_EQUAL_UINT(count_items(query, tide, max), 100);
		tide_query_finish(query);
	}
	spec.partition = &ann;
	spec.backward = true;
	MUST(tide_query_start(&query, tide, &table, &spec, &failure), failure);
	MUST(tide_query_start(&pinned, tide, &table, &spec, &failure), failure);
	MUST(tide_query_pin(pinned, tide, 0, &failure), failure);
	MUST(tide_query_fill(pinned, tide, 10, &failure), failure);
	put_alone(tide, &table, "ann", "000", "new");
	CHECK_EQUAL_UINT(count_items(pinned, tide, 7), 40);
	CHECK_EQUAL_UINT(count_items(query, tide, 7), 51);
	MUST(tide_query_fill(query, tide, 7, &failure), failure);
	CHECK_EQUAL_INT(tide_query_peek(query, &sequence, &item), END);
	tide_query_finish(pinned);
	tide_query_finish(query);
	MUST(tide_query_start(&query, tide, &table, &spec, &failure), failure);
	MUST(tide_query_fill(query, tide, 2, &failure), failure);
	CHECK(tide_query_more(query));
	CHECK_EQUAL_INT(tide_query_peek(query, &sequence, &item), 0);
	CHECK_EQUAL_INT(tide_query_next(query, &sequence, &again), 0);
	CHECK(slice_equal(item, again));
	tide_query_limit_pages(query, 1);
	MUST(tide_query_fill(query, tide, 2, &failure), failure);
	CHECK_EQUAL_UINT(tide_query_count(query), 1);
	tide_query_limit_pages(query, 0);
	MUST(tide_query_fill(query, tide, 2, &failure), failure);
	CHECK_EQUAL_UINT(tide_query_count(query), 2);
	CHECK_EQUAL_INT(tide_query_take_last(query, &sequence, &item, &bytes), END);
	CHECK_EQUAL_INT(tide_query_next(query, &sequence, &again), 0);
	CHECK_EQUAL_INT(tide_query_take_last(query, &sequence, &item, &bytes), 0);
	CHECK(item.data > bytes.data && item.data + item.len == bytes.data + bytes.len);
	CHECK_EQUAL_INT(tide_query_take_last(query, &sequence, &item, &bytes), END);
	buffer_release(&bytes);
	CHECK_EQUAL_UINT(count_items(query, tide, 2), 46);
	tide_query_finish(query);
	tide_query_finish(NULL);
	tide_close(tide);
}

static uint32_t count_readers(struct tide *tide)
{
	struct tide_info info;

	MUST(tide_info(tide, &info, &failure), failure);
	return info.readers;
}

static struct tide_query *pin_all(struct tide *tide, struct tide_table *table,
	uint64_t deadline_ms)
{
	struct tide_query_spec spec = { 0 };
	struct tide_query *query;

	MUST(tide_query_start(&query, tide, table, &spec, &failure), failure);
	MUST(tide_query_pin(query, tide, deadline_ms, &failure), failure);
	return query;
}

/* A feed's snapshot is released by the fill after the end, by a fill that fails, and at its time
 * limit. */
static void a_pinned_query_releases_its_snapshot(void)
{
	struct tide *tide = open_tide(tide_path("pinned.tide"));
	struct tide_table table = create_table(tide, "orders");
	struct tide_query *query;
	uint32_t readers;

	for (char s[] = "1"; *s < '4'; ++*s)
		put_alone(tide, &table, "ann", s, "v");
	readers = count_readers(tide);
	query = pin_all(tide, &table, 0);
	MUST(tide_query_fill(query, tide, 2, &failure), failure);
	CHECK(count_readers(tide) == readers + 1 && !tide_query_ended(query));
	MUST(tide_query_fill(query, tide, 1, &failure), failure);
	CHECK(count_readers(tide) == readers + 1 && tide_query_ended(query));
	put_alone(tide, &table, "ann", "9", "v");
	CHECK_EQUAL_UINT(count_items(query, tide, 2), 0);
	CHECK_EQUAL_UINT(count_readers(tide), readers);
	CHECK_EQUAL_UINT(count_items(query, tide, 2), 0);
	tide_query_finish(query);

	query = pin_all(tide, &table, 0);
	memory_fail_after(0);
	CHECK_EQUAL_INT(tide_query_fill(query, tide, 2, &failure), ERR_NO_MEMORY);
	memory_fail_after(-1);
	CHECK(count_readers(tide) == readers && !tide_query_ended(query));
	CHECK_EQUAL_INT(tide_query_fill(query, tide, 2, &failure), ERR_NO_MEMORY);
	tide_query_finish(query);

	query = pin_all(tide, &table, 1);
	MUST(tide_ready(tide, &failure), failure);
	CHECK_EQUAL_UINT(count_readers(tide), readers);
	CHECK_EQUAL_INT(tide_query_fill(query, tide, 2, &failure), ERR_TIMEOUT);
	CHECK_EQUAL_INT(tide_query_fill(query, tide, 2, &failure), ERR_TIMEOUT);
	tide_query_finish(query);
	tide_close(tide);
}

/* --- feeds --- */

static void feeds_follow(void)
{
	struct tide_options options = { .in_memory = true, .max_bytes = 1 << 28,
		.clock = clock_manual(1000) };
	struct tide_stream_state state;
	struct tide_feed *all, *latest;
	struct tide_table table;
	struct slice bytes;
	struct record record;
	struct tide *tide;
	struct tide_swept swept = { 0 };
	uint32_t stream, id;
	bool more;

	MUST(tide_open(&tide, &options, &failure), failure);
	table = create_table(tide, "orders");
	MUST(tide_stream_of(tide, slice_of_text("orders"), slice_of(NULL, 0), &id, &failure),
		failure);
	CHECK_EQUAL_INT(tide_stream_of(tide, slice_of_text("other"), slice_of(NULL, 0), &stream,
		&failure), ERR_NOT_FOUND);
	CHECK_EQUAL_INT(tide_feed_start(&latest, tide, 99, TIDE_LATEST, 0, &failure),
		ERR_NOT_FOUND);
	CHECK_EQUAL_INT(tide_feed_start(&latest, tide, id, TIDE_AFTER, 2, &failure), ERR_AHEAD);
	MUST(tide_feed_start(&all, tide, 0, TIDE_TRIM_HORIZON, 0, &failure), failure);
	MUST(tide_feed_fill(all, tide, 10, &failure), failure);
	CHECK_EQUAL_INT(tide_feed_next(all, &stream, &bytes), END);
	CHECK(!tide_feed_has_news(all, tide));
	put_alone(tide, &table, "a", "1", "x");
	CHECK(tide_feed_has_news(all, tide));
	MUST(tide_feed_start(&latest, tide, id, TIDE_LATEST, 0, &failure), failure);
	put_alone(tide, &table, "a", "1", "y");
	CHECK(tide_feed_bytes(all) > 0);
	MUST(tide_feed_fill(all, tide, 1, &failure), failure);
	CHECK_EQUAL_INT(tide_feed_peek(all, &stream, &bytes), 0);
	CHECK_EQUAL_UINT(tide_feed_position(all), 0);
	CHECK_EQUAL_INT(tide_feed_next(all, &stream, &bytes), 0);
	CHECK_EQUAL_UINT(stream, id);
	CHECK_EQUAL_INT(record_get(&record, bytes), 0);
	CHECK(record.sequence == 2 && record.event == EVENT_INSERT && record.created_ms == 1000);
	CHECK_EQUAL_UINT(tide_feed_position(all), 2);
	CHECK_EQUAL_INT(tide_feed_next(all, &stream, &bytes), END);
	CHECK(tide_feed_has_news(all, tide));
	MUST(tide_feed_fill(latest, tide, 10, &failure), failure);
	CHECK_EQUAL_INT(tide_feed_next(latest, &stream, &bytes), 0);
	CHECK_EQUAL_UINT(record_sequence(bytes.data), 3);
	MUST(tide_describe_stream(tide, id, &state, &failure), failure);
	CHECK(state.count == 2 && state.first_sequence == 2 && state.last_sequence == 3);
	clock_advance(options.clock, DAY_MS);
	CHECK_EQUAL_INT(tide_feed_fill(all, tide, 10, &failure), ERR_TRIMMED);
	CHECK(failure.first == 3 && failure.last == 3);
	do
		MUST(tide_sweep(tide, &swept, &more, &failure), failure);
	while (more);
	CHECK_EQUAL_UINT(swept.records, 2);
	MUST(tide_describe_stream(tide, id, &state, &failure), failure);
	CHECK(state.count == 0 && state.trimmed_through == 3);
	check_clean(tide);
	tide_feed_finish(all);
	tide_feed_finish(latest);
	tide_feed_finish(NULL);
	tide_close(tide);
	clock_drop(options.clock);
}

/* --- threads, each with its own handle on the same file --- */

static const char *shared_path;
static atomic_int writing;

static void write_changes(struct tide *tide, int who)
{
	struct tide_table table = table_named("orders");
	char p[16], s[16];

	snprintf(p, sizeof p, "writer %d", who);
	for (int i = 0; i < CHANGES; i += 3) {
		begin(tide);
		for (int j = i; j < i + 3; j++) {
			snprintf(s, sizeof s, "%04d", j);
			CHECK(put(tide, &table, p, s, "x") > 0);
		}
		commit(tide);
	}
}

static void *writer(void *argument)
{
	struct tide *tide = open_tide(shared_path);

	write_changes(tide, (int)(intptr_t)argument);
	tide_close(tide);
	atomic_fetch_sub(&writing, 1);
	return NULL;
}

/* Reads the stream. Every change must appear exactly once, in order, also in the order of each
 * writer. */
static void follow(struct tide *tide, int writers)
{
	int next[THREADS + 1] = { 0 };
	uint64_t last = 0;
	struct tide_feed *feed;
	struct record record;
	struct slice bytes;
	struct value value;
	uint32_t stream;

	MUST(tide_feed_start(&feed, tide, 0, TIDE_TRIM_HORIZON, 0, &failure), failure);
	for (int left = writers * CHANGES; left > 0;) {
		if (!tide_feed_has_news(feed, tide))
			tide_feed_wait(feed, tide, 1000);
		MUST(tide_feed_fill(feed, tide, 100, &failure), failure);
		for (; tide_feed_next(feed, &stream, &bytes) == 0; left--) {
			int who, at;

			CHECK_EQUAL_INT(record_get(&record, bytes), 0);
			CHECK(record.sequence > last);
			last = record.sequence;
			CHECK_EQUAL_INT(map_find(record.new_image, slice_of_text("p"), &value), 0);
			who = value.bytes.data[value.bytes.len - 1] - '0';
			CHECK_EQUAL_INT(map_find(record.new_image, slice_of_text("s"), &value), 0);
			CHECK(value.bytes.len == 4);
			at = (value.bytes.data[0] - '0') * 1000 + (
				value.bytes.data[1] - '0') * 100 +
				(value.bytes.data[2] - '0') * 10 + (value.bytes.data[3] - '0');
			CHECK(who >= 0 && who <= THREADS);
			CHECK_EQUAL_INT(at, next[who]);
			next[who]++;
			CHECK(record.count == 3 && (int)record.position == at % 3);
		}
	}
	tide_feed_finish(feed);
}

static void *follower(void *argument)
{
	struct tide *tide = open_tide(shared_path);

	follow(tide, (int)(intptr_t)argument);
	tide_close(tide);
	return NULL;
}

/* Reads pages while other threads write: always complete transactions. */
static void *reader(void *argument)
{
	struct tide *tide = open_tide(shared_path);
	struct tide_table table = table_named("orders");
	struct tide_query_spec spec = { 0 };

	(void)argument;
	while (atomic_load(&writing) > 0) {
		struct tide_query *query;
		struct failure own;

		MUST(tide_query_start(&query, tide, &table, &spec, &own), own);
		MUST(tide_query_pin(query, tide, 0, &own), own);
		CHECK_EQUAL_UINT(count_items(query, tide, 100) % 3, 0);
		tide_query_finish(query);
	}
	tide_close(tide);
	return NULL;
}

static void threads_share_a_file(void)
{
	pthread_t threads[2 * THREADS];
	struct tide *tide;
	int count = 0;

	shared_path = tide_path("threads.tide");
	tide = open_tide(shared_path);
	create_table(tide, "orders");
	atomic_store(&writing, THREADS);
	for (intptr_t i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&threads[count++], NULL, writer, (void *)i));
	for (int i = 0; i < 2; i++)
		CHECK(!pthread_create(&threads[count++], NULL, follower,
			(void *)(intptr_t)THREADS));
	for (int i = 0; i < 2; i++)
		CHECK(!pthread_create(&threads[count++], NULL, reader, NULL));
	while (count > 0)
		CHECK(!pthread_join(threads[--count], NULL));
	follow(tide, THREADS);
	check_clean(tide);
	tide_close(tide);
}

/* --- processes --- */

/* A child that inherits a handle can only close it, and then opens the file itself. */
static void inherit(struct child *parent, void *context)
{
	struct tide *inherited = context, *own;
	struct tide_table table = table_named("orders");

	CHECK_EQUAL_INT(tide_ready(inherited, &failure), ERR_FORKED);
	tide_close(inherited);
	own = open_tide(shared_path);
	CHECK_EQUAL_INT(tide_ready(own, &failure), 0);
	CHECK(has(own, &table, "parent", "1", "x"));
	put_alone(own, &table, "child", "1", "x");
	child_tell(parent);
	CHECK(child_hear(parent));
	CHECK(has(own, &table, "parent", "2", "x"));
	tide_close(own);
}

/* A child that does not use the handle and calls exit must not affect the parent. */
static void leave(struct child *parent, void *context)
{
	(void)parent;
	CHECK_EQUAL_INT(tide_ready(context, &failure), ERR_FORKED);
}

/* A child that inherits a transaction, which belongs to the parent. */
static void inherit_transaction(struct child *parent, void *context)
{
	struct tide *own;

	(void)parent;
	tide_close(context);
	own = open_tide(shared_path);
	CHECK_EQUAL_INT(tide_begin(own, &failure), ERR_BUSY);
	CHECK_EQUAL_INT(failure.pid, getppid());
	tide_close(own);
}

static struct tide_wakeup *inherited_wakeup;
static struct tide_waiter *inherited_waiter;

/* The child can't commit it. It closes an inherited wakeup, which still works in the parent. */
static void commit_inherited(struct child *parent, void *context)
{
	(void)parent;
	tide_wakeup_close(inherited_wakeup);
	tide_waiter_close(inherited_waiter);
	CHECK_EQUAL_INT(tide_commit(context, &failure), ERR_FORKED);
	CHECK(!tide_in_transaction(context));
}

static void abort_inherited(struct child *parent, void *context)
{
	(void)parent;
	tide_abort(context);
	CHECK(!tide_in_transaction(context));
}

static void handles_after_fork(void)
{
	struct tide *tide;
	struct tide_table table;
	struct tide_feed *feed;
	struct child child;
	struct slice bytes;
	uint32_t stream;

	shared_path = tide_path("fork.tide");
	tide = open_tide(shared_path);
	table = create_table(tide, "orders");
	put_alone(tide, &table, "parent", "1", "x");
	MUST(tide_feed_start(&feed, tide, 0, TIDE_LATEST, 0, &failure), failure);
	MUST(tide_feed_fill(feed, tide, 10, &failure), failure);
	child = child_start(inherit, tide);
	CHECK(child_hear(&child));
	CHECK(has(tide, &table, "child", "1", "x"));
	CHECK(tide_feed_has_news(feed, tide));
	MUST(tide_feed_fill(feed, tide, 10, &failure), failure);
	CHECK_EQUAL_INT(tide_feed_next(feed, &stream, &bytes), 0);
	put_alone(tide, &table, "parent", "2", "x");
	child_tell(&child);
	child_end(&child);
	child = child_start(leave, tide);
	child_end(&child);
	begin(tide);
	put(tide, &table, "parent", "3", "x");
	child = child_start(inherit_transaction, tide);
	child_end(&child);
	MUST(tide_wakeup_open(&inherited_wakeup, tide, WAKEUP_COMMITS, &failure), failure);
	MUST(tide_waiter_open(&inherited_waiter, tide, false, &failure), failure);
	CHECK(tide_waiter_arm(inherited_waiter) > 0);
	child = child_start(commit_inherited, tide);
	child_end(&child);
	child = child_start(abort_inherited, tide);
	child_end(&child);
	tide_wakeup_close(inherited_wakeup);
	CHECK_EQUAL_UINT(store_shared_page(tide->store)->page->waiting[0], 1);
	tide_waiter_close(inherited_waiter);
	CHECK_EQUAL_UINT(store_shared_page(tide->store)->page->waiting[0], 0);
	CHECK(has(tide, &table, "parent", "3", "x"));
	commit(tide);
	CHECK(has(tide, &table, "parent", "3", "x"));
	check_clean(tide);
	tide_feed_finish(feed);
	tide_close(tide);
}

static void hold_the_lock(struct child *parent, void *context)
{
	struct tide *own = open_tide(context);
	struct tide_table table = table_named("orders");

	begin(own);
	put(own, &table, "killed", "1", "x");
	child_tell(parent);
	child_hear(parent);
}

/* After a writer was killed while it held the lock, the next writer gets the lock and finds
 * nothing of the killed writer's transaction. */
static void a_killed_writer_lets_go(void)
{
	const char *path = tide_path("killed.tide");
	struct tide *tide = open_tide(path);
	struct tide_table table = create_table(tide, "orders");
	struct child child;

	tide_close(tide);
	child = child_start(hold_the_lock, (void *)(uintptr_t)path);
	CHECK(child_hear(&child));
	tide = open_tide(path);
	CHECK_EQUAL_INT(tide_begin(tide, &failure), ERR_BUSY);
	CHECK_EQUAL_INT(failure.pid, child.pid);
	child_kill(&child);
	begin(tide);
	CHECK(!has(tide, &table, "killed", "1", "x"));
	CHECK_EQUAL_UINT(put(tide, &table, "next", "1", "x"), 2);
	commit(tide);
	check_clean(tide);
	tide_close(tide);
}

static void write_as_child(struct child *parent, void *context)
{
	struct tide *own = open_tide(shared_path);

	(void)parent;
	write_changes(own, (int)(intptr_t)context);
	tide_close(own);
}

static void processes_share_a_file(void)
{
	struct child children[THREADS];
	struct tide *tide;

	shared_path = tide_path("processes.tide");
	tide = open_tide(shared_path);
	create_table(tide, "orders");
	for (intptr_t i = 0; i < THREADS; i++)
		children[i] = child_start(write_as_child, (void *)i);
	follow(tide, THREADS);
	for (int i = 0; i < THREADS; i++)
		child_end(&children[i]);
	check_clean(tide);
	tide_close(tide);
}

/* --- waiting --- */

int main(void)
{
	opening_may_fail();
	read_only_writes_nothing();
	tables_are_described();
	refusals_of_definitions();
	a_transaction_is_one();
	queries_page_and_pin();
	a_pinned_query_releases_its_snapshot();
	feeds_follow();
	handles_after_fork();
	a_killed_writer_lets_go();
	processes_share_a_file();
	threads_share_a_file();
	return 0;
}
