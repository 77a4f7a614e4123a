/* test_feed_ahead.c - stream/feed_ahead.h: two feeds of the same streams, of which one reads ahead,
 * return the same records and errors in every fill, whatever happens between the fills. */
#include "stream/feed_ahead.h"

#include "base/memory.h"
#include "stream/hold.h"
#include "unit/stores.h"

/* The first one is that of the changes of tables, which has no row here. */
#define STREAMS 13
#define PAGE_MAX 20

/* A window has few records, so that it is full soon. */
static const struct read_ahead_limits small = { .least_bytes = 512, .most_bytes = 12288,
	.stream_bytes = 1024, .probe = 6, .process_bytes = 30000 };
static const struct read_ahead_limits none = { .probe = UINT32_MAX };

/* The streams, as they are in the last commit. */
static struct {
	struct store *store;
	struct txn *reader;
	struct streams streams;
	struct state state;
	uint64_t clock_ms;
	struct stream_row rows[STREAMS];
	uint64_t ordinals[STREAMS], bytes[STREAMS], last[STREAMS];
	bool is_removed[STREAMS];
} world;

/* The feed that reads ahead, and the plain one. */
struct pair {
	struct feed ahead, plain;
	struct record_filter filter;
	int faults;                  /* fills of the first one that ran out of memory */
};

/* How often the property was tested in a way that matters. */
static struct {
	int windows, stale, lost, damaged;
} seen;

static struct txn *begin_read(void)
{
	renew(world.reader);
	return world.reader;
}

static struct view_of_streams view_of(struct txn *txn)
{
	return (struct view_of_streams){ txn, &world.streams, &world.state, world.clock_ms };
}

/* --- changes of the streams --- */

static void write_stream(struct txn *txn, struct stream_row *row)
{
	row->retention = (struct retention){ .age_ms = 400 + check_random_below(3000),
		.max_count = check_random_below(3) ? 0 : 5 + check_random_below(60),
		.max_bytes = check_random_below(5) ? 0 : 5000 + check_random_below(20000),
		.hold_age_ms = HOLD_AGE_MS, .hold_bytes = HOLD_BYTES };
	CHECK_EQUAL_INT(stream_write_row(txn, row), 0);
	world.state.catalog_version++;
	streams_clear(&world.streams);
}

static void add_stream(struct txn *txn, uint32_t id)
{
	struct stream_row *row = &world.rows[id - 1];

	*row = (struct stream_row){ .id = id, .table = id, .view = VIEW_KEYS_ONLY,
		.status = STREAM_ENABLED, .label = "label", .table_name = "orders",
		.schema = { .partition = { TYPE_S, 1, "p" } } };
	write_stream(txn, row);
}

static void append_record(struct txn *txn, uint32_t stream, struct record *record)
{
	static const uint8_t bytes[9000];
	size_t at = stream - 1;

	record->event = EVENT_REMOVE;
	record->sequence = ++world.state.sequence;
	record->retention_ms = record->created_ms = world.clock_ms;
	record->partition_hash = (uint32_t)check_random();
	record->keys = slice_of(bytes, 1 + check_random_below(check_random_below(40) ? 200 : 9000));
	record->ordinal = ++world.ordinals[at];
	world.bytes[at] += record_bytes(record);
	record->stream_bytes = world.bytes[at];
	world.last[at] = record->sequence;
	CHECK_EQUAL_INT(log_append(txn, stream, record, false), 0);
}

/* Appends a transaction to several streams. If it is annotated, the first record of each of them
 * contains the annotation. */
static void append_transaction(struct txn *txn)
{
	bool is_annotated = check_random_below(4) == 0, has[STREAMS] = { false };
	uint32_t count = 1 + (uint32_t)check_random_below(12);
	struct record record = { .count = count, .transaction = world.state.sequence + 1 };
	uint32_t stream = 0;

	for (; record.position < count; record.position++) {
		if (!stream || check_random_below(8))
			stream = 1 + (uint32_t)check_random_below(STREAMS);
		while (world.is_removed[stream - 1])
			stream = stream % STREAMS + 1;
		record.is_annotated = is_annotated;
		record.annotation = slice_of("\1", is_annotated && !has[stream - 1] ? 2 : 0);
		has[stream - 1] = true;
		append_record(txn, stream, &record);
	}
	world.state.sequence += check_random_below(4) ? 0 : check_random_below(9);
}

static struct stream *find_stream(struct txn *txn, uint32_t id)
{
	struct stream *stream;

	CHECK_EQUAL_INT(streams_find(&world.streams, txn, id, &stream), 0);
	streams_forget_bounds(&world.streams);
	CHECK_EQUAL_INT(stream_load_bounds(&world.streams, stream, txn), 0);
	return stream;
}

static void trim(struct txn *txn, uint32_t id)
{
	uint64_t removed;

	CHECK_EQUAL_INT(retention_trim(txn, find_stream(txn, id), world.clock_ms,
		1 + check_random_below(30), &removed), 0);
}

/* Records that have expired stay hidden when the retention is extended. */
static void change_retention(struct txn *txn, uint32_t id)
{
	CHECK_EQUAL_INT(retention_hide(txn, find_stream(txn, id), world.clock_ms), 0);
	write_stream(txn, &world.rows[id - 1]);
}

/* Removes a stream with all its records. Leaves half of the streams. */
static void remove_stream(struct txn *txn, uint32_t id)
{
	struct record header;
	struct cursor *cursor;
	uint64_t rows = 0;
	int err;

	if (id % 2)
		return;
	CHECK_EQUAL_INT(txn_cursor(txn, TREE_LOG, &cursor), 0);
	for (err = log_seek(cursor, id, 0, &header); err == 0;)
		err = log_remove(cursor, id, &header, &rows);
	CHECK_EQUAL_INT(err, END);
	CHECK_EQUAL_INT(stream_remove(txn, &world.rows[id - 1]), 0);
	if (world.last[id - 1] > world.state.lost)
		world.state.lost = world.last[id - 1];
	world.is_removed[id - 1] = true;
	world.state.catalog_version++;
	streams_clear(&world.streams);
}

static void change_streams(void)
{
	uint32_t id = 1 + (uint32_t)check_random_below(STREAMS);
	uint64_t kind = check_random_below(100);
	struct txn *txn;

	world.clock_ms += check_random_below(60) ? check_random_below(9) : 300;
	if (kind >= 60)
		return;
	txn = begin_write(world.store);
	if (kind < 40)
		append_transaction(txn);
	else if (kind < 55 && !world.is_removed[id - 1])
		trim(txn, id);
	else if (kind < 58 && !world.is_removed[id - 1])
		change_retention(txn, id);
	else if (kind < 59 && !world.is_removed[id - 1])
		remove_stream(txn, id);
	commit(txn);
}

/* --- the feeds --- */

static int is_odd(void *context, const struct stream_row *stream, const struct record *record,
	bool *passes)
{
	(void)context;
	CHECK(stream->id >= 1 && stream->id <= STREAMS);
	*passes = record->ordinal % 2 || record->annotation.len;
	return 0;
}

static void choose_filter(struct pair *pair)
{
	uint64_t kind = check_random_below(4);

	pair->filter = (struct record_filter){ .test = kind & 1 ? is_odd : NULL,
		.ignores_annotations = check_random_below(2), .has_hashes = kind & 2,
		.first_hash = UINT32_MAX / 4, .last_hash = UINT32_MAX / 4 * 3 };
	if (kind)
		pair->ahead.filter = pair->plain.filter = &pair->filter;
}

static void start_feed(struct feed *feed, struct position position, const bool chosen[STREAMS])
{
	struct failure failure = { 0 };
	struct buffer ids = { 0 };
	struct txn *txn = begin_read();
	struct view_of_streams view = view_of(txn);

	for (uint32_t i = 0; chosen && i < STREAMS; i++)
		if (chosen[i] && !world.is_removed[i])
			buffer_put_u32(&ids, i + 1);
	CHECK_EQUAL_INT(stream_set_init(&feed->streams, buffer_slice(&ids)), 0);
	MUST(feed_start(feed, position, &view, &failure), failure);
	buffer_release(&ids);
	reader_reset(txn);
}

static void start_pair(struct pair *pair)
{
	struct position position = { check_random_below(3) ? POSITION_TRIM_HORIZON :
		check_random_below(2) ? POSITION_AFTER : POSITION_TIME,
		check_random_below(world.state.sequence + 1) };
	bool chosen[STREAMS];
	bool all = check_random_below(3);

	if (position.kind == POSITION_TIME)
		position.at = check_random_below(world.clock_ms + 1);
	for (int i = 0; i < STREAMS; i++)
		chosen[i] = i % 4 == 1 || check_random_below(2);
	*pair = (struct pair){ 0 };
	choose_filter(pair);
	start_feed(&pair->ahead, position, all ? NULL : chosen);
	start_feed(&pair->plain, position, all ? NULL : chosen);
}

static int fill(struct feed *feed, const struct read_ahead_limits *limits, struct txn *txn,
	uint32_t max, struct failure *failure)
{
	struct view_of_streams view = view_of(txn);
	int err;

	read_ahead_limits = *limits;
	err = feed_fill(feed, max, &view, failure);
	CHECK(read_ahead_bytes(&feed->ahead) <= small.most_bytes);
	return err;
}

/* Fills the first feed. If memory runs out, both feeds start again at their position. */
static int fill_ahead(struct pair *pair, struct txn *txn, uint32_t max, struct failure *failure)
{
	bool had = pair->ahead.ahead.snapshot && pair->ahead.ahead.snapshot != txn_id(txn);
	int err;

	if (check_random_below(10) == 0)
		memory_fail_once_after((long)check_random_below(6));
	err = fill(&pair->ahead, &small, txn, max, failure);
	memory_fail_after(-1);
	if (err == ERR_NO_MEMORY) {
		pair->faults++;
		pair->plain.position = feed_position(&pair->plain);
		feed_reread(&pair->ahead);
		feed_reread(&pair->plain);
		err = fill(&pair->ahead, &small, txn, max, failure);
	}
	seen.windows += pair->ahead.ahead.snapshot == txn_id(txn);
	seen.stale += had && pair->ahead.ahead.snapshot &&
		pair->ahead.ahead.snapshot != txn_id(txn);
	return err;
}

static void compare(const struct pair *pair)
{
	const struct feed *a = &pair->ahead, *b = &pair->plain;

	CHECK_BYTES(a->page.data, a->page.len, b->page.data, b->page.len);
	CHECK_EQUAL_UINT(a->position, b->position);
	CHECK_EQUAL_UINT(a->filled_to, b->filled_to);
	CHECK_EQUAL_UINT(a->taken, b->taken);
	CHECK_EQUAL_UINT(a->filtered_out, b->filtered_out);
	CHECK_EQUAL_UINT(a->filtered_out_bytes, b->filtered_out_bytes);
	CHECK_EQUAL_INT(a->caught_up, b->caught_up);
	CHECK_EQUAL_INT(a->ended, b->ended);
	if (!pair->faults) {
		CHECK_EQUAL_UINT(a->transaction, b->transaction);
		CHECK_EQUAL_UINT(a->left_out, b->left_out);
	}
}

/* Lets both feeds continue after the records that they have lost. */
static void skip_lost(struct pair *pair, const struct failure *failure)
{
	seen.lost++;
	for (int i = 0; i < 2; i++) {
		struct feed *feed = i ? &pair->ahead : &pair->plain;

		feed->position = failure->last;
		feed_reread(feed);
	}
}

static void fill_both(struct pair *pair, struct txn *txn)
{
	uint32_t max = 1 + (uint32_t)check_random_below(PAGE_MAX);
	struct failure failures[2] = { 0 };
	int err = fill_ahead(pair, txn, max, &failures[0]);

	CHECK_EQUAL_INT(err, fill(&pair->plain, &none, txn, max, &failures[1]));
	CHECK(err == 0 || err == ERR_TRIMMED);
	if (err) {
		CHECK_EQUAL_STRING(failures[0].message, failures[1].message);
		CHECK_EQUAL_UINT(failures[0].first, failures[1].first);
		CHECK_EQUAL_UINT(failures[0].last, failures[1].last);
		skip_lost(pair, &failures[0]);
	}
	compare(pair);
}

/* Reads some or all records of the page. */
static void read_page(struct pair *pair)
{
	bool reads_all = check_random_below(8);
	struct slice a, b;
	uint32_t from_a, from_b;

	while (reads_all || check_random_below(20)) {
		int err = feed_next(&pair->ahead, &from_a, &a);

		CHECK_EQUAL_INT(err, feed_next(&pair->plain, &from_b, &b));
		if (err == END)
			return;
		CHECK_EQUAL_UINT(from_a, from_b);
		CHECK_BYTES(a.data, a.len, b.data, b.len);
	}
	if (check_random_below(2)) {
		feed_reread(&pair->ahead);
		feed_reread(&pair->plain);
	}
}

static void release_pair(struct pair *pair)
{
	feed_release(&pair->ahead);
	feed_release(&pair->plain);
}

/* --- the property --- */

static void make_streams(struct txn *txn)
{
	streams_release(&world.streams);
	memset(&world, 0, sizeof world);
	world.clock_ms = 1000;
	world.state.touched_after = UINT64_MAX;
	world.is_removed[STREAM_OF_TABLES - 1] = true;
	for (uint32_t id = STREAM_OF_TABLES + 1; id <= STREAMS; id++)
		add_stream(txn, id);
	for (int i = 0; i < 200; i++)
		append_transaction(txn);
}

static void make_world(struct store *store)
{
	struct txn *txn = begin_write(store);

	make_streams(txn);
	commit(txn);
	world.store = store;
	world.reader = open_reader(store);
	reader_reset(world.reader);
}

static void run(struct pair *pair, int steps)
{
	for (int i = 0; i < steps; i++) {
		struct txn *txn = begin_read();

		for (uint64_t fills = check_random_below(4); fills > 0; fills--) {
			fill_both(pair, txn);
			read_page(pair);
			world.clock_ms += check_random_below(10) ? 0 : check_random_below(50);
		}
		reader_reset(txn);
		change_streams();
		if (check_random_below(30) == 0) {
			release_pair(pair);
			start_pair(pair);
		}
	}
}

static void feeds_agree(void)
{
	uint64_t runs = check_runs(40);

	for (uint64_t i = 0; i < runs; i++) {
		char name[40];
		struct store *store;
		struct pair pair;

		snprintf(name, sizeof name, "ahead%llu", (unsigned long long)i);
		store = open_small(store_path(name));
		make_world(store);
		start_pair(&pair);
		run(&pair, 200);
		release_pair(&pair);
		reader_close(world.reader);
		store_close(store);
		remove(store_path(name));
	}
	fprintf(stderr, "windows %d, used in later snapshots %d, records lost %d\n", seen.windows,
		seen.stale, seen.lost);
	CHECK(runs < 40 || (seen.windows > 500 && seen.stale > 100 && seen.lost > 50));
}

/* --- damage --- */

/* Changes a byte of a row of the log, or removes the row of a record that has several. */
static void damage(struct txn *txn)
{
	uint32_t stream = 1 + (uint32_t)check_random_below(STREAMS);
	uint64_t sequence = 1 + check_random_below(world.state.sequence);
	uint8_t bytes[RECORD_KEY_MAX], value[STORE_ROW_SHARE];
	uint16_t part = check_random_below(4) == 0;
	struct slice key = slice_of(bytes, record_set_key(bytes, stream, sequence, part)), found;
	struct record_place place;
	struct cursor *cursor;

	CHECK_EQUAL_INT(txn_cursor(txn, TREE_LOG, &cursor), 0);
	if (cursor_move(cursor, MOVE_FROM, &key, &found))
		return;
	CHECK(record_get_key(&place, key) && found.len <= sizeof value);
	if (place.part && check_random_below(2)) {
		CHECK_EQUAL_INT(cursor_delete(cursor), 0);
		return;
	}
	memcpy(bytes, key.data, key.len);
	memcpy(value, found.data, found.len);
	value[check_random_below(found.len)] ^= (uint8_t)(1 + check_random_below(255));
	CHECK_EQUAL_INT(txn_put(txn, TREE_LOG, slice_of(bytes, key.len),
		slice_of(value, found.len)), 0);
}

static int try_start(struct feed *feed, struct txn *txn)
{
	struct view_of_streams view = view_of(txn);
	struct failure failure = { 0 };
	struct position position = { POSITION_AFTER, 0 };

	return feed_start(feed, position, &view, &failure);
}

/* Lets both feeds continue after some records, of which one was damaged or lost. */
static void skip_damage(struct pair *pair)
{
	uint64_t position = feed_position(&pair->plain) + check_random_below(9);

	pair->plain.position = pair->ahead.position = position;
	feed_reread(&pair->plain);
	feed_reread(&pair->ahead);
}

static int fill_damaged(struct pair *pair, struct txn *txn)
{
	uint32_t max = 1 + (uint32_t)check_random_below(PAGE_MAX);
	struct failure failures[2] = { 0 };
	int err = fill(&pair->ahead, &small, txn, max, &failures[0]);

	CHECK_EQUAL_INT(err, fill(&pair->plain, &none, txn, max, &failures[1]));
	if (err)
		CHECK_EQUAL_STRING(failures[0].message, failures[1].message);
	compare(pair);
	seen.damaged += err == ERR_CORRUPT;
	return err;
}

static void damage_is_reported_at_its_place(struct store *store)
{
	uint64_t runs = check_runs(100);

	for (uint64_t i = runs; i > 0; i--) {
		struct pair pair = { 0 };
		struct txn *txn = begin_write(store);

		make_streams(txn);
		for (uint64_t n = 1 + check_random_below(8); n > 0; n--)
			damage(txn);
		choose_filter(&pair);
		CHECK_EQUAL_INT(try_start(&pair.ahead, txn), 0);
		CHECK_EQUAL_INT(try_start(&pair.plain, txn), 0);
		for (int fills = 0; fills < 400 && !pair.plain.caught_up; fills++) {
			if (fill_damaged(&pair, txn))
				skip_damage(&pair);
			else
				read_page(&pair);
		}
		release_pair(&pair);
		cancel_write(txn);
	}
	fprintf(stderr, "damage reported %d times\n", seen.damaged);
	CHECK(runs < 100 || seen.damaged > 100);
}

static void keep_all_records(struct txn *txn)
{
	for (int i = STREAM_OF_TABLES; i < STREAMS; i++) {
		world.rows[i].retention = (struct retention){ .age_ms = 100000 };
		CHECK_EQUAL_INT(stream_write_row(txn, &world.rows[i]), 0);
	}
}

/* Damage puts the sequence number of a record in a second stream. Both records are returned. */
static void numbers_are_given_twice(struct store *store)
{
	struct txn *txn = begin_write(store);
	struct record record = { .count = 1 };
	struct feed feed = { 0 };
	struct failure failure;
	struct slice bytes;
	uint64_t last = 0;
	uint32_t stream;
	int given = 0;

	make_streams(txn);
	keep_all_records(txn);
	for (int i = 0; i < 20; i++) {
		world.state.sequence += 19;
		for (uint32_t id = 2; id <= 8; id++) {
			world.state.sequence -= id == 8;
			record.transaction = world.state.sequence + 1;
			append_record(txn, id, &record);
		}
	}
	CHECK_EQUAL_INT(try_start(&feed, txn), 0);
	feed.position = feed.filled_to = world.state.sequence - 20 * 25;
	while (!feed.caught_up) {
		CHECK_EQUAL_INT(fill(&feed, &small, txn, 30, &failure), 0);
		while (feed_next(&feed, &stream, &bytes) == 0) {
			CHECK(record_sequence(bytes.data) >= last);
			last = record_sequence(bytes.data);
			given++;
		}
	}
	CHECK_EQUAL_INT(given, 20 * 7);
	feed_release(&feed);
	cancel_write(txn);
}

/* Damage has removed a record that was read ahead. A fill that looks for it, because the catalog
 * has changed, skips it. */
static void a_record_has_vanished(struct store *store)
{
	struct txn *txn = begin_write(store);
	struct feed feed = { 0 };
	const struct ahead_entry *entry;
	struct failure failure;
	struct record header;
	struct cursor *cursor;
	uint64_t gone, rows = 0;

	make_streams(txn);
	keep_all_records(txn);
	CHECK_EQUAL_INT(try_start(&feed, txn), 0);
	do {
		CHECK_EQUAL_INT(fill(&feed, &small, txn, small.probe, &failure), 0);
		feed.at = feed.page.len;         /* as after feed_next */
		entry = read_ahead_next(&feed.ahead, feed.filled_to);
	} while (!entry);
	gone = entry->sequence;
	CHECK_EQUAL_INT(txn_cursor(txn, TREE_LOG, &cursor), 0);
	CHECK_EQUAL_INT(log_seek(cursor, entry->stream, gone, &header), 0);
	CHECK(log_remove(cursor, entry->stream, &header, &rows) >= 0);
	world.clock_ms++;
	world.state.catalog_version++;
	CHECK_EQUAL_INT(fill(&feed, &small, txn, 1, &failure), 0);
	CHECK(record_sequence(feed.page.data + 8) > gone);
	feed_release(&feed);
	cancel_write(txn);
}

int main(void)
{
	struct store *store = open_small(store_path("damaged"));

	feeds_agree();
	damage_is_reported_at_its_place(store);
	numbers_are_given_twice(store);
	a_record_has_vanished(store);
	store_close(store);
	streams_release(&world.streams);
	return 0;
}
