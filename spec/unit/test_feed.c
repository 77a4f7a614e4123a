/* test_feed.c - tests of stream/feed.h: damaged streams, pages, disabled and removed streams. */
#include "stream/feed.h"

#include "unit/stores.h"

/* The streams of two tables. */
enum { ONE = STREAM_OF_TABLES + 1, TWO };

static struct stream_row rows[2];
static struct streams streams;
static struct state state;

static void append_long(struct txn *txn, uint32_t stream, uint64_t sequence, uint64_t ordinal,
	struct slice keys)
{
	struct record record = {
		.event = EVENT_REMOVE, .count = 1, .sequence = sequence, .transaction = sequence,
		.ordinal = ordinal, .stream_bytes = ordinal * (1000 + keys.len), .keys = keys,
	};

	CHECK_EQUAL_INT(log_append(txn, stream, &record, false), 0);
}

static void append(struct txn *txn, uint32_t stream, uint64_t sequence, uint64_t ordinal)
{
	append_long(txn, stream, sequence, ordinal, slice_of_text("keys"));
}

static struct txn *begin_streams(struct store *store)
{
	struct txn *txn = begin_write(store);

	streams_clear(&streams);
	for (uint32_t i = 0; i < 2; i++) {
		rows[i] = (struct stream_row){ .id = ONE + i, .table = 1, .view = VIEW_KEYS_ONLY,
			.status = STREAM_ENABLED, .retention = { .age_ms = 1000 }, .label = "label",
			.table_name = "orders", .schema = { .partition = { TYPE_S, 1, "p" } } };
		CHECK_EQUAL_INT(stream_write_row(txn, &rows[i]), 0);
	}
	state = (struct state){ .sequence = 10, .touched_after = UINT64_MAX };
	return txn;
}

static int fill(struct feed *feed, struct txn *txn, struct failure *failure)
{
	struct view_of_streams view = { txn, &streams, &state, 0 };

	return feed_fill(feed, 10, &view, failure);
}

/* The next record of neither stream is known, so nothing is returned. */
static void two_horizons_are_damaged(struct store *store)
{
	struct txn *txn = begin_streams(store);
	struct failure failure = { 0 };
	struct feed feed = { 0 };
	uint8_t key[5] = { CATALOG_HORIZON };

	append(txn, ONE, 1, 1);
	append(txn, TWO, 2, 1);
	for (uint32_t id = ONE; id <= TWO; id++) {
		set_u32(key + 1, id);
		CHECK_EQUAL_INT(txn_put(txn, TREE_CATALOG, slice_of(key, sizeof key),
			slice_of_text("no horizon")), 0);
	}
	CHECK_EQUAL_INT(fill(&feed, txn, &failure), ERR_CORRUPT);
	CHECK_EQUAL_INT(failure.err, ERR_CORRUPT);
	feed_release(&feed);
	cancel_write(txn);
}

/* A sequence number is in one stream only. If damage puts it in two, both are returned. */
static void a_number_is_given_twice(struct store *store)
{
	struct txn *txn = begin_streams(store);
	struct failure failure = { 0 };
	struct feed feed = { 0 };
	struct slice record;
	uint32_t stream;
	int given = 0;

	append(txn, ONE, 3, 1);
	append(txn, TWO, 3, 1);
	append(txn, TWO, 4, 2);
	CHECK_EQUAL_INT(fill(&feed, txn, &failure), 0);
	while (feed_next(&feed, &stream, &record) == 0)
		given++;
	CHECK_EQUAL_INT(given, 3);
	feed_release(&feed);
	cancel_write(txn);
}

/* The record after the second of two records with the same sequence number is damaged: each of them
 * is returned once, then the damage is reported. */
static void a_number_is_given_twice_before_damage(struct store *store)
{
	struct txn *txn = begin_streams(store);
	struct failure failure = { 0 };
	struct feed feed = { 0 };
	uint8_t key[RECORD_KEY_MAX];
	struct slice record;
	uint32_t stream;
	int given = 0;

	append(txn, ONE, 3, 1);
	append(txn, TWO, 3, 1);
	append(txn, TWO, 4, 2);
	CHECK_EQUAL_INT(txn_put(txn, TREE_LOG, slice_of(key, record_set_key(key, TWO, 4, 0)),
		slice_of_text("no record")), 0);
	CHECK_EQUAL_INT(fill(&feed, txn, &failure), 0);
	while (feed_next(&feed, &stream, &record) == 0)
		given++;
	CHECK_EQUAL_INT(given, 2);
	CHECK_EQUAL_INT(fill(&feed, txn, &failure), ERR_CORRUPT);
	feed_release(&feed);
	cancel_write(txn);
}

/* A record that lacks a row is not skipped, although the search for the row leads to the record
 * after it. */
static void a_row_is_missing(struct store *store)
{
	static const uint8_t keys[5000];
	struct txn *txn = begin_streams(store);
	struct failure failure = { 0 };
	struct feed feed = { 0 };
	uint8_t key[RECORD_KEY_MAX];
	struct slice record;
	uint32_t stream;

	append(txn, ONE, 1, 1);
	append_long(txn, ONE, 2, 2, slice_of(keys, sizeof keys));
	append(txn, ONE, 3, 3);
	for (uint16_t part = 1; part <= 5000 / LOG_SHARE; part++)
		CHECK_EQUAL_INT(txn_delete(txn, TREE_LOG,
			slice_of(key, record_set_key(key, ONE, 2, part))), 0);
	CHECK_EQUAL_INT(fill(&feed, txn, &failure), 0);
	CHECK_EQUAL_INT(feed_next(&feed, &stream, &record), 0);
	CHECK_EQUAL_UINT(record_sequence(record.data), 1);
	CHECK_EQUAL_INT(feed_next(&feed, &stream, &record), END);
	CHECK_EQUAL_INT(fill(&feed, txn, &failure), ERR_CORRUPT);
	feed_release(&feed);
	cancel_write(txn);
}

/* A record after the last sequence number assigned is damage. A feed of several streams would wait
 * for it for ever. */
static void a_number_was_never_assigned(struct store *store)
{
	struct txn *txn = begin_streams(store);
	struct failure failure = { 0 };
	struct feed feed = { 0 };
	struct slice record;
	uint32_t stream;

	append(txn, ONE, 3, 1);
	append(txn, TWO, 11, 1);
	CHECK_EQUAL_INT(fill(&feed, txn, &failure), 0);
	CHECK_EQUAL_INT(feed_next(&feed, &stream, &record), 0);
	CHECK_EQUAL_UINT(record_sequence(record.data), 3);
	CHECK_EQUAL_INT(feed_next(&feed, &stream, &record), END);
	CHECK(feed_is_behind(&feed));
	CHECK_EQUAL_INT(fill(&feed, txn, &failure), ERR_CORRUPT);
	state.sequence = 11;
	CHECK_EQUAL_INT(fill(&feed, txn, &failure), 0);
	CHECK_EQUAL_INT(feed_next(&feed, &stream, &record), 0);
	CHECK(!feed_is_behind(&feed));
	feed_release(&feed);
	cancel_write(txn);
}

/* The log has a row with a malformed key. A stream that continues after the row must not
 * look like one that ends. */
static void a_key_of_no_stream(struct store *store)
{
	struct txn *txn = begin_streams(store);
	struct failure failure = { 0 };
	struct feed feed = { .streams.one = ONE };
	uint8_t key[RECORD_KEY_MAX];
	size_t len = record_set_key(key, ONE, 4, 1);
	struct cursor *cursor;
	struct slice record;
	struct record head;
	uint32_t stream;

	append(txn, ONE, 3, 1);
	append(txn, ONE, 5, 2);
	CHECK_EQUAL_INT(txn_put(txn, TREE_LOG, slice_of(key, len - 1),
		slice_of_text("what is this")), 0);
	CHECK_EQUAL_INT(fill(&feed, txn, &failure), 0);
	CHECK_EQUAL_INT(feed_next(&feed, &stream, &record), 0);
	CHECK_EQUAL_UINT(record_sequence(record.data), 3);
	CHECK_EQUAL_INT(feed_next(&feed, &stream, &record), END);
	CHECK_EQUAL_INT(fill(&feed, txn, &failure), ERR_CORRUPT);
	CHECK_EQUAL_INT(txn_cursor(txn, TREE_LOG, &cursor), 0);
	CHECK_EQUAL_INT(log_seek(cursor, ONE, 4, &head), ERR_CORRUPT);
	CHECK_EQUAL_INT(log_previous(cursor, ONE, 5, &head), ERR_CORRUPT);
	CHECK_EQUAL_INT(txn_put(txn, TREE_LOG, slice_of("\xff", 1), slice_of_text("?")), 0);
	CHECK_EQUAL_INT(log_last_stream(txn, &stream), ERR_CORRUPT);
	feed_release(&feed);
	cancel_write(txn);
}

/* A fill with max = 0 returns no records; a large max is limited to FEED_PAGE_RECORDS. */
static void pages_of_any_size(struct store *store)
{
	struct view_of_streams view = { .streams = &streams, .state = &state };
	struct txn *txn = begin_streams(store);
	struct failure failure = { 0 };
	struct feed feed = { .streams.one = ONE };
	struct slice record;
	uint32_t stream;
	int given = 0;

	view.txn = txn;
	for (uint64_t i = 1; i <= FEED_PAGE_RECORDS + 5; i++)
		append(txn, ONE, i, i);
	state.sequence = FEED_PAGE_RECORDS + 5;
	CHECK_EQUAL_INT(feed_fill(&feed, 0, &view, &failure), 0);
	CHECK_EQUAL_INT(feed_next(&feed, &stream, &record), END);
	CHECK(!feed.caught_up);
	CHECK_EQUAL_INT(feed_fill(&feed, UINT32_MAX, &view, &failure), 0);
	while (feed_next(&feed, &stream, &record) == 0)
		given++;
	CHECK_EQUAL_INT(given, FEED_PAGE_RECORDS);
	feed_release(&feed);
	cancel_write(txn);
}

/* A page ends with the record that fills it. The limit of one stream is lower than that of
 * all streams. */
static void pages_of_long_records(struct store *store)
{
	static const uint8_t keys[40000];
	static const struct {
		uint32_t stream;
		size_t bytes;
	} pages[] = { { ONE, FEED_PAGE_BYTES }, { 0, FEED_MERGED_BYTES } };
	struct view_of_streams view = { .streams = &streams, .state = &state };
	struct txn *txn = begin_streams(store);
	struct failure failure = { 0 };

	view.txn = txn;
	for (uint64_t i = 1; i <= FEED_MERGED_BYTES / sizeof keys + 2; i++)
		append_long(txn, ONE, i, i, slice_of(keys, sizeof keys));
	state.sequence = FEED_MERGED_BYTES / sizeof keys + 2;
	for (int i = 0; i < 2; i++) {
		struct feed feed = { .streams.one = pages[i].stream };

		CHECK_EQUAL_INT(feed_fill(&feed, UINT32_MAX, &view, &failure), 0);
		CHECK(feed.page.len >= pages[i].bytes);
		CHECK(feed.page.len < pages[i].bytes + sizeof keys + 1000);
		CHECK(!feed.caught_up);
		feed_release(&feed);
	}
	cancel_write(txn);
}

/* A record of a merge that has expired since the page before is reported, also if no commit came
 * between. */
static void a_record_expires_between_two_pages(struct store *store)
{
	struct view_of_streams view = { .streams = &streams, .state = &state };
	struct txn *txn = begin_streams(store);
	struct failure failure = { 0 };
	struct feed feed = { 0 };
	struct slice record;
	uint32_t stream;

	view.txn = txn;
	for (uint64_t i = 1; i <= 4; i++)
		append(txn, i % 2 ? ONE : TWO, i, (i + 1) / 2);
	for (uint64_t i = 1; i <= 2; i++) {
		view.clock_ms = i * 499;
		CHECK_EQUAL_INT(feed_fill(&feed, 1, &view, &failure), 0);
		CHECK_EQUAL_INT(feed_next(&feed, &stream, &record), 0);
		CHECK_EQUAL_UINT(record_sequence(record.data), i);
	}
	view.clock_ms = 2000;
	CHECK_EQUAL_INT(feed_fill(&feed, 1, &view, &failure), ERR_TRIMMED);
	CHECK_EQUAL_UINT(failure.first, 3);
	CHECK_EQUAL_UINT(failure.last, 3);
	feed_release(&feed);
	cancel_write(txn);
}

static void disable(struct txn *txn, uint32_t id)
{
	rows[id - ONE].status = STREAM_DISABLED;
	CHECK_EQUAL_INT(stream_write_row(txn, &rows[id - ONE]), 0);
	streams_clear(&streams);
}

static void remove_stream(struct txn *txn, uint32_t id)
{
	CHECK_EQUAL_INT(stream_remove(txn, &rows[id - ONE]), 0);
	streams_clear(&streams);
}

static void a_disabled_stream_ends_after_its_last_record(struct store *store)
{
	struct txn *txn = begin_streams(store);
	struct failure failure = { 0 };
	struct feed feed = { .streams.one = ONE }, merged = { 0 };
	struct slice record;
	uint32_t stream;

	append(txn, ONE, 3, 1);
	CHECK_EQUAL_INT(fill(&feed, txn, &failure), 0);
	CHECK_EQUAL_INT(feed_next(&feed, &stream, &record), 0);
	CHECK(!feed_has_ended(&feed));           /* caught up, but the stream is enabled */
	disable(txn, ONE);
	disable(txn, TWO);
	append(txn, ONE, 5, 2);
	CHECK_EQUAL_INT(fill(&feed, txn, &failure), 0);
	CHECK(!feed_has_ended(&feed));           /* the page has one record */
	CHECK_EQUAL_INT(feed_next(&feed, &stream, &record), 0);
	CHECK(feed_has_ended(&feed));
	CHECK_EQUAL_INT(fill(&feed, txn, &failure), 0);
	CHECK(feed_has_ended(&feed));

	CHECK_EQUAL_INT(fill(&merged, txn, &failure), 0);
	while (feed_next(&merged, &stream, &record) == 0)
		;
	CHECK_EQUAL_INT(fill(&merged, txn, &failure), 0);
	CHECK(!feed_has_ended(&merged));
	feed_release(&feed);
	feed_release(&merged);
	cancel_write(txn);
}

static void a_removed_stream_ends_for_feeds_that_read_it(struct store *store)
{
	struct txn *txn = begin_streams(store);
	struct feed reader = { .streams.one = ONE }, late = reader, slow = reader;
	struct failure failure = { 0 };
	struct slice record;
	uint32_t stream;

	append(txn, ONE, 3, 1);
	append(txn, ONE, 5, 2);
	disable(txn, ONE);
	CHECK_EQUAL_INT(fill(&reader, txn, &failure), 0);
	CHECK_EQUAL_INT(fill(&slow, txn, &failure), 0);
	for (int i = 0; i < 2; i++)
		CHECK_EQUAL_INT(feed_next(&reader, &stream, &record), 0);
	CHECK_EQUAL_INT(feed_next(&slow, &stream, &record), 0);

	remove_stream(txn, ONE);
	state.lost = 7;                          /* last record of any removed stream */
	CHECK_EQUAL_INT(fill(&reader, txn, &failure), 0);
	CHECK(feed_has_ended(&reader));
	late.position = late.filled_to = 7;
	CHECK_EQUAL_INT(fill(&late, txn, &failure), 0);
	CHECK(feed_has_ended(&late));
	CHECK(!feed_has_news(&late, txn_id(txn)));
	feed_reread(&slow);                      /* discards the unread rest of the page */
	CHECK(!feed_has_ended(&slow));
	CHECK_EQUAL_INT(fill(&slow, txn, &failure), ERR_NOT_FOUND);
	feed_release(&reader);
	feed_release(&late);
	feed_release(&slow);
	cancel_write(txn);
}

static int fill_max(struct feed *feed, struct txn *txn, uint32_t max)
{
	struct view_of_streams view = { txn, &streams, &state, 0 };
	struct failure failure = { 0 };

	return feed_fill(feed, max, &view, &failure);
}

/* Lets records with an even sequence number pass. */
static int is_even(void *context, const struct stream_row *stream, const struct record *record,
	bool *passes)
{
	++*(int *)context;
	CHECK(stream->id == ONE || stream->id == TWO);
	*passes = record->sequence % 2 == 0;
	return 0;
}

static int is_damaged(void *context, const struct stream_row *stream,
	const struct record *record, bool *passes)
{
	(void)context;
	(void)stream;
	*passes = true;
	return record->sequence == 3 ? ERR_CORRUPT : 0;
}

/* Reads the whole feed; returns the sequence numbers as digits. Each fill but the last one reads
 * a record, and its position is that of the last record read or returned. */
static const char *read_all(struct feed *feed, struct txn *txn, uint32_t max)
{
	static char text[64];
	struct slice record;
	uint32_t stream;
	size_t len = 0;

	do {
		uint64_t position = feed_position(feed);

		CHECK_EQUAL_INT(fill_max(feed, txn, max), 0);
		CHECK(feed->filled_to > position || !feed_is_behind(feed));
		while (feed_next(feed, &stream, &record) == 0) {
			len += (size_t)snprintf(text + len, sizeof text - len, "%d",
				(int)record_sequence(record.data));
			CHECK(feed_position(feed) >= record_sequence(record.data));
		}
		CHECK_EQUAL_UINT(feed_position(feed), feed->filled_to);
	} while (feed_is_behind(feed));
	text[len] = '\0';
	return text;
}

static void a_filter_leaves_records_out(struct store *store)
{
	struct txn *txn = begin_streams(store);
	int tested = 0;
	struct record_filter filter = { .test = is_even, .context = &tested };

	for (uint64_t i = 1; i <= 7; i++)
		append(txn, i % 3 ? ONE : TWO, i, i);
	for (uint32_t max = 1; max <= 4; max++) {
		struct feed every = { .filter = &filter }, one = every;

		one.streams.one = ONE;
		CHECK_EQUAL_STRING(read_all(&one, txn, max), "24");
		CHECK_EQUAL_UINT(feed_position(&one), 7);
		CHECK(feed_is_past(&one, 6));
		CHECK(!feed_is_past(&one, 7));
		CHECK_EQUAL_STRING(read_all(&every, txn, max), "246");
		CHECK_EQUAL_UINT(feed_position(&every), 7);
		feed_release(&one);
		feed_release(&every);
	}
	CHECK_EQUAL_INT(tested, 4 * (5 + 7));
	cancel_write(txn);
}

/* The records of the test have hash 0, so none is copied and tested. */
static void a_hash_is_compared_first(struct store *store)
{
	struct txn *txn = begin_streams(store);
	int tested = 0;
	struct record_filter filter = { .test = is_even, .context = &tested, .has_hashes = true,
		.first_hash = 1, .last_hash = UINT32_MAX };
	struct feed feed = { .streams.one = ONE, .filter = &filter };

	for (uint64_t i = 1; i <= 5; i++)
		append(txn, ONE, i, i);
	CHECK_EQUAL_STRING(read_all(&feed, txn, 2), "");
	CHECK_EQUAL_UINT(feed_position(&feed), 5);
	CHECK_EQUAL_INT(tested, 0);
	feed_release(&feed);
	filter.first_hash = 0;
	feed = (struct feed){ .streams.one = ONE, .filter = &filter };
	CHECK_EQUAL_STRING(read_all(&feed, txn, 2), "24");
	CHECK_EQUAL_INT(tested, 5);
	feed_release(&feed);
	cancel_write(txn);
}

/* A fill reads at most the records, or the bytes, of a page. */
static void a_fill_without_a_result_is_bounded(struct store *store)
{
	struct txn *txn = begin_streams(store);
	int tested = 0;
	struct record_filter filter = { .test = is_even, .context = &tested };
	struct feed feed = { .streams.one = ONE, .filter = &filter };
	static uint8_t keys[FEED_PAGE_BYTES / 4];

	for (uint64_t i = 0; i < FEED_PAGE_RECORDS; i++)
		append(txn, ONE, 2 * i + 1, i + 1);
	for (uint64_t i = 0; i < 8; i++)
		append_long(txn, ONE, 2 * (FEED_PAGE_RECORDS + i) + 1, FEED_PAGE_RECORDS + i + 1,
			slice_of(keys, sizeof keys));
	CHECK_EQUAL_INT(fill_max(&feed, txn, FEED_PAGE_RECORDS), 0);
	CHECK(feed_is_behind(&feed));
	CHECK_EQUAL_INT(tested, FEED_PAGE_RECORDS);
	CHECK_EQUAL_UINT(feed_position(&feed), 2 * FEED_PAGE_RECORDS - 1);
	CHECK_EQUAL_INT(fill_max(&feed, txn, FEED_PAGE_RECORDS), 0);
	CHECK_EQUAL_INT(tested, FEED_PAGE_RECORDS + 4);
	feed_reread(&feed);
	CHECK_EQUAL_UINT(feed_position(&feed), 2 * FEED_PAGE_RECORDS - 1);
	CHECK_EQUAL_INT(fill_max(&feed, txn, FEED_PAGE_RECORDS), 0);
	CHECK_EQUAL_INT(tested, FEED_PAGE_RECORDS + 8);
	feed_release(&feed);
	cancel_write(txn);
}

/* The records before it are returned first. */
static void a_record_cannot_be_tested(struct store *store)
{
	struct txn *txn = begin_streams(store);
	struct record_filter filter = { .test = is_damaged };
	struct feed feed = { .streams.one = ONE, .filter = &filter };
	struct slice record;
	uint32_t stream;

	for (uint64_t i = 1; i <= 4; i++)
		append(txn, ONE, i, i);
	CHECK_EQUAL_INT(fill_max(&feed, txn, 10), 0);
	CHECK_EQUAL_INT(feed_next(&feed, &stream, &record), 0);
	CHECK_EQUAL_INT(feed_next(&feed, &stream, &record), 0);
	CHECK_EQUAL_INT(feed_next(&feed, &stream, &record), END);
	CHECK_EQUAL_INT(fill_max(&feed, txn, 10), ERR_CORRUPT);
	CHECK_EQUAL_UINT(feed_position(&feed), 2);
	feed_release(&feed);
	cancel_write(txn);
}

static void append_marked(struct txn *txn, uint64_t sequence, uint64_t transaction,
	struct slice annotation)
{
	struct record record = {
		.event = EVENT_REMOVE, .count = 3, .sequence = sequence, .ordinal = sequence,
		.position = (uint32_t)(sequence - transaction), .transaction = transaction,
		.stream_bytes = sequence * 1000, .keys = slice_of_text("keys"),
		.is_annotated = true, .annotation = annotation,
	};

	CHECK_EQUAL_INT(log_append(txn, ONE, &record, false), 0);
}

/* The records before the first one without an annotation are returned first. */
static void an_annotation_is_missing(struct store *store)
{
	struct slice annotation = slice_of("\1", 2);
	struct txn *txn = begin_streams(store);
	struct feed feed = { .streams.one = ONE };
	struct slice bytes;
	struct record record;
	uint32_t stream;

	append(txn, ONE, 1, 1);
	append_marked(txn, 2, 2, annotation);
	append_marked(txn, 3, 2, slice_of(NULL, 0));
	append_marked(txn, 5, 5, slice_of(NULL, 0));
	append_marked(txn, 6, 5, annotation);
	append(txn, ONE, 7, 7);
	CHECK_EQUAL_INT(fill_max(&feed, txn, 10), 0);
	for (uint64_t i = 1; i <= 3; i++) {
		CHECK_EQUAL_INT(feed_next(&feed, &stream, &bytes), 0);
		CHECK_EQUAL_INT(record_get(&record, bytes), 0);
		CHECK_EQUAL_UINT(record.sequence, i);
		CHECK(slice_equal(record.annotation, i > 1 ? annotation : slice_of(NULL, 0)));
	}
	CHECK_EQUAL_INT(feed_next(&feed, &stream, &bytes), END);
	CHECK_EQUAL_INT(fill_max(&feed, txn, 10), ERR_CORRUPT);
	feed.position = feed.filled_to = 6;
	CHECK_EQUAL_INT(fill_max(&feed, txn, 10), 0);
	CHECK_EQUAL_INT(feed_next(&feed, &stream, &bytes), 0);
	feed_release(&feed);
	cancel_write(txn);
}

/* Lets the records of a transaction pass that are not its first. Counts those without their
 * annotation. */
static int is_later(void *context, const struct stream_row *stream, const struct record *record,
	bool *passes)
{
	(void)stream;
	*(int *)context += record_lacks_annotation(record);
	*passes = record->position > 0;
	return 0;
}

/* A filter that does not read annotations is applied before they are added. */
static void marked_records_are_filtered(struct store *store)
{
	struct slice annotation = slice_of("\1", 2), bytes;
	struct txn *txn = begin_streams(store);
	struct record record;
	uint32_t stream;

	append_marked(txn, 2, 2, annotation);
	append_marked(txn, 3, 2, slice_of(NULL, 0));
	append_marked(txn, 4, 2, slice_of(NULL, 0));
	for (int reads = 0; reads < 2; reads++) {
		int lacking = 0;
		struct record_filter filter = { .test = is_later, .context = &lacking,
			.ignores_annotations = !reads };
		struct feed feed = { .streams.one = ONE, .filter = &filter };

		CHECK_EQUAL_INT(fill_max(&feed, txn, 10), 0);
		CHECK_EQUAL_INT(lacking, reads ? 0 : 2);
		for (uint64_t i = 3; i <= 4; i++) {
			CHECK_EQUAL_INT(feed_next(&feed, &stream, &bytes), 0);
			CHECK_EQUAL_INT(record_get(&record, bytes), 0);
			CHECK_EQUAL_UINT(record.sequence, i);
			CHECK(slice_equal(record.annotation, annotation));
		}
		CHECK_EQUAL_INT(feed_next(&feed, &stream, &bytes), END);
		feed_release(&feed);
	}
	cancel_write(txn);
}

static void nothing_was_filled(void)
{
	struct feed feed = { 0 };
	struct slice record;
	uint32_t stream;

	CHECK_EQUAL_INT(feed_peek(&feed, &stream, &record), END);
	CHECK_EQUAL_INT(feed_next(&feed, &stream, &record), END);
}

int main(void)
{
	struct store *store = open_small(store_path("feed"));

	two_horizons_are_damaged(store);
	a_number_is_given_twice(store);
	a_number_is_given_twice_before_damage(store);
	a_row_is_missing(store);
	a_number_was_never_assigned(store);
	a_key_of_no_stream(store);
	pages_of_any_size(store);
	pages_of_long_records(store);
	a_record_expires_between_two_pages(store);
	a_disabled_stream_ends_after_its_last_record(store);
	a_removed_stream_ends_for_feeds_that_read_it(store);
	a_filter_leaves_records_out(store);
	a_hash_is_compared_first(store);
	a_fill_without_a_result_is_bounded(store);
	a_record_cannot_be_tested(store);
	an_annotation_is_missing(store);
	marked_records_are_filtered(store);
	nothing_was_filled();
	store_close(store);
	return 0;
}
