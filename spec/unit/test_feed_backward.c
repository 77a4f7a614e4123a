/* test_feed_backward.c - tests of stream/feed_backward.h: order, pages, expired and damaged
 * records.
 */
#include "stream/feed.h"

#include "unit/stores.h"

#define STREAM (STREAM_OF_TABLES + 1)

static struct streams streams;
static struct state state;
static struct stream_row row;
static struct failure failure;

static void store_row(struct txn *txn)
{
	CHECK_EQUAL_INT(stream_write_row(txn, &row), 0);
	streams_clear(&streams);
}

static struct txn *begin_stream(struct store *store)
{
	struct txn *txn = begin_write(store);

	row = (struct stream_row){ .id = STREAM, .table = 1, .view = VIEW_KEYS_ONLY,
		.status = STREAM_ENABLED, .retention = { .age_ms = 1000 }, .label = "label",
		.table_name = "orders", .schema = { .partition = { TYPE_S, 1, "p" } } };
	store_row(txn);
	state = (struct state){ .sequence = 10 };
	return txn;
}

/* Appends a record with this number and time, of the transaction of this number. */
static void append(struct txn *txn, uint64_t sequence, uint64_t transaction, uint64_t ms,
	struct slice keys)
{
	struct record record = { .event = EVENT_REMOVE, .count = 3, .sequence = sequence,
		.position = (uint32_t)(sequence - transaction), .transaction = transaction,
		.created_ms = ms, .retention_ms = ms, .ordinal = sequence,
		.stream_bytes = sequence * (1000 + keys.len), .keys = keys };

	CHECK_EQUAL_INT(log_append(txn, STREAM, &record, false), 0);
}

static void append_until(struct txn *txn, uint64_t last)
{
	for (uint64_t i = 1; i <= last; i++)
		append(txn, i, i, i * 100, slice_of_text("keys"));
	state.sequence = last;
}

static struct feed started(struct txn *txn, uint64_t clock_ms)
{
	struct view_of_streams view = { txn, &streams, &state, clock_ms };
	struct feed feed = { .streams.one = STREAM };

	CHECK_EQUAL_INT(feed_start(&feed, (struct position){ POSITION_NEWEST, 0 }, &view,
		&failure), 0);
	return feed;
}

static int fill(struct feed *feed, struct txn *txn, uint32_t max, uint64_t clock_ms)
{
	struct view_of_streams view = { txn, &streams, &state, clock_ms };

	return feed_fill(feed, max, &view, &failure);
}

/* Returns the sequence numbers of the page's records as digits. */
static const char *page_of(struct feed *feed)
{
	static char text[64];
	struct slice record;
	uint32_t stream;
	size_t len = 0;

	while (feed_next(feed, &stream, &record) == 0) {
		struct record decoded;

		CHECK_EQUAL_UINT(stream, STREAM);
		CHECK_EQUAL_INT(record_get(&decoded, record), 0);
		len += (size_t)snprintf(text + len, sizeof text - len, "%d",
			(int)record_sequence(record.data));
	}
	text[len] = '\0';
	return text;
}

/* Commits after the start are not read. */
static void pages_in_descending_order(struct store *store)
{
	struct txn *txn = begin_stream(store);

	append_until(txn, 5);
	for (uint32_t max = 1; max <= 6; max++) {
		struct feed feed = started(txn, 0);
		char digits[64] = "";

		append(txn, 5 + max, 5 + max, 600, slice_of_text("keys"));
		while (feed_has_news(&feed, txn_id(txn))) {
			CHECK_EQUAL_INT(fill(&feed, txn, max, 0), 0);
			strncat(digits, page_of(&feed), 8);
		}
		CHECK_EQUAL_STRING(digits, "54321");
		CHECK(!feed_has_news(&feed, txn_id(txn) + 1));
		CHECK_EQUAL_INT(fill(&feed, txn, max, 0), 0);
		CHECK_EQUAL_STRING(page_of(&feed), "");
		feed_release(&feed);
	}
	cancel_write(txn);
}

static void records_of_several_rows(struct store *store)
{
	static const uint8_t keys[3 * LOG_SHARE];
	struct txn *txn = begin_stream(store);
	struct feed feed;

	append(txn, 1, 1, 1, slice_of(keys, sizeof keys));
	append(txn, 2, 2, 2, slice_of_text("keys"));
	append(txn, 3, 3, 3, slice_of(keys, sizeof keys));
	append(txn, 4, 4, 4, slice_of(keys, LOG_SHARE));
	feed = started(txn, 0);
	for (int i = 0; i < 2; i++) {
		CHECK_EQUAL_INT(fill(&feed, txn, 2, 0), 0);
		CHECK_EQUAL_INT(feed.page.len > sizeof keys, 1);
		if (i == 0)
			feed_reread(&feed);
	}
	CHECK_EQUAL_STRING(page_of(&feed), "43");
	CHECK_EQUAL_INT(fill(&feed, txn, 9, 0), 0);
	CHECK_EQUAL_STRING(page_of(&feed), "21");
	feed_release(&feed);
	cancel_write(txn);
}

static int is_even(void *context, const struct stream_row *stream, const struct record *record,
	bool *passes)
{
	++*(int *)context;
	CHECK_EQUAL_UINT(stream->id, STREAM);
	*passes = record->sequence % 2 == 0;
	return 0;
}

static void a_filter_leaves_records_out(struct store *store)
{
	struct txn *txn = begin_stream(store);
	int tested = 0;
	struct record_filter filter = { .test = is_even, .context = &tested };
	struct feed feed;

	append_until(txn, 7);
	feed = started(txn, 0);
	feed.filter = &filter;
	CHECK_EQUAL_INT(fill(&feed, txn, 2, 0), 0);
	CHECK_EQUAL_STRING(page_of(&feed), "64");
	CHECK_EQUAL_UINT(feed_position(&feed), 4);
	CHECK_EQUAL_INT(tested, 4);
	filter.has_hashes = true;
	filter.first_hash = filter.last_hash = 1;
	CHECK_EQUAL_INT(fill(&feed, txn, 2, 0), 0);
	CHECK_EQUAL_STRING(page_of(&feed), "");
	CHECK_EQUAL_INT(tested, 4);
	CHECK(!feed_is_behind(&feed));
	feed_release(&feed);
	cancel_write(txn);
}

/* Records of a transaction expire together, by age, or by the number of the later ones. */
static void an_expired_record_is_the_end(struct store *store)
{
	struct txn *txn = begin_stream(store);
	struct feed feed;

	append_until(txn, 8);
	feed = started(txn, 1500);
	CHECK_EQUAL_INT(fill(&feed, txn, 9, 1500), 0);
	CHECK_EQUAL_STRING(page_of(&feed), "876");
	CHECK(!feed_is_behind(&feed));
	feed_release(&feed);

	feed = started(txn, 0);
	CHECK_EQUAL_INT(fill(&feed, txn, 3, 0), 0);
	CHECK_EQUAL_STRING(page_of(&feed), "876");
	CHECK_EQUAL_INT(fill(&feed, txn, 3, 1400), 0);
	CHECK_EQUAL_STRING(page_of(&feed), "5");
	CHECK(!feed_is_behind(&feed));
	feed_release(&feed);

	append(txn, 9, 9, 900, slice_of_text("keys"));
	append(txn, 10, 9, 900, slice_of_text("keys"));
	state.sequence = 10;
	row.retention.max_count = 1;
	store_row(txn);
	feed = started(txn, 0);
	CHECK_EQUAL_INT(fill(&feed, txn, 9, 0), 0);
	CHECK_EQUAL_STRING(page_of(&feed), "109");
	CHECK(!feed_is_behind(&feed));
	feed_release(&feed);
	cancel_write(txn);
}

static void a_stream_without_records(struct store *store)
{
	struct txn *txn = begin_stream(store);
	struct feed feed = started(txn, 0);

	CHECK_EQUAL_INT(fill(&feed, txn, 9, 0), 0);
	CHECK_EQUAL_STRING(page_of(&feed), "");
	CHECK(!feed_has_news(&feed, txn_id(txn) + 1));
	feed_release(&feed);
	append_until(txn, 3);
	feed = started(txn, 0);
	CHECK_EQUAL_INT(stream_remove(txn, &row), 0);
	streams_clear(&streams);
	state.lost = 3;
	CHECK_EQUAL_INT(fill(&feed, txn, 9, 0), 0);
	CHECK_EQUAL_STRING(page_of(&feed), "");
	CHECK(!feed_has_news(&feed, txn_id(txn) + 1));
	feed_release(&feed);
	cancel_write(txn);
}

/* The newer records are returned first. */
static void a_record_is_damaged(struct store *store)
{
	struct txn *txn = begin_stream(store);
	uint8_t bytes[RECORD_KEY_MAX];
	struct slice key = slice_of(bytes, record_set_key(bytes, STREAM, 2, 0));
	struct feed feed;

	append_until(txn, 4);
	CHECK_EQUAL_INT(txn_put(txn, TREE_LOG, key, slice_of_text("damaged")), 0);
	feed = started(txn, 0);
	CHECK_EQUAL_INT(fill(&feed, txn, 9, 0), 0);
	CHECK_EQUAL_STRING(page_of(&feed), "43");
	CHECK(feed_is_behind(&feed));
	for (int i = 0; i < 2; i++) {
		CHECK_EQUAL_INT(fill(&feed, txn, 9, 0), ERR_CORRUPT);
		CHECK(strstr(failure.message, "at or before sequence number 2"));
	}
	feed_release(&feed);
	cancel_write(txn);
}

int main(void)
{
	struct store *store = open_small(store_path("feed"));

	pages_in_descending_order(store);
	records_of_several_rows(store);
	a_filter_leaves_records_out(store);
	an_expired_record_is_the_end(store);
	a_stream_without_records(store);
	a_record_is_damaged(store);
	store_close(store);
	return 0;
}
