/* fuzz_log.c - any rows in the log and any horizons: every way of reading returns ascending
 * records, or CORRUPT or TRIMMED, and ends.
 *
 *     for each of three streams: limits and horizon (u8 each; see read_streams)
 *     the state's last sequence number, lost, stepped back, the clock; a feed's stream and
 *     kind of position, its start (u8 each)
 *     for each row: stream, sequence number, how it is built (u8 each), then its fields
 */
#include "fuzz/rows.h"
#include "stream/feed.h"

#define STREAMS 3
#define FIRST 246                /* one existing and one missing stream have long ids */
#define ROWS_MAX 32
#define FILLS_MAX 200
#define CLOCK_UNIT 1000

static struct stream_row rows[STREAMS];
static struct streams streams;
static struct state state;
static uint64_t clock_ms;

/* --- reading the input --- */

static void read_streams(struct txn *txn, struct source *source)
{
	streams_clear(&streams);
	for (uint32_t i = 0; i < STREAMS; i++) {
		struct stream_row *row = &rows[i];
		struct horizon horizon;

		*row = (struct stream_row){ .id = FIRST + i, .table = 1, .view = VIEW_KEYS_ONLY,
			.status = STREAM_ENABLED, .label = "label", .table_name = "orders",
			.schema = { .partition = { TYPE_S, 1, "p" } } };
		row->retention.age_ms = 1 + (uint64_t)source_u8(source) * CLOCK_UNIT;
		row->retention.max_count = source_u8(source) / 16;
		row->retention.max_bytes = (uint64_t)(source_u8(source) / 8) * 100;
		CHECK_EQUAL_INT(stream_write_row(txn, row), 0);
		horizon.removed = source_u8(source) / 8;
		horizon.ordinal = source_u8(source) / 8;
		horizon.stream_bytes = (uint64_t)source_u8(source) * 10;
		horizon.hidden = source_u8(source) / 8;
		if (horizon.removed || horizon.hidden)
			CHECK_EQUAL_INT(stream_write_horizon(txn, row->id, &horizon), 0);
	}
	memset(&state, 0, sizeof state);
	state.sequence = source_u8(source);
	state.lost = source_u8(source) / 16;
	state.stepped_back = source_u8(source) / 8;
	clock_ms = (uint64_t)source_u8(source) * CLOCK_UNIT;
}

static struct record read_record(struct source *source, uint64_t sequence)
{
	static const uint8_t bytes[4096];
	struct record record = { .sequence = sequence };
	uint8_t flags = source_u8(source);

	record.event = flags % 4;
	record.origin = flags / 4 % 2;
	record.is_annotated = flags & 8;
	record.position = source_u8(source) % 8;
	record.count = record.position + (flags & 0x10 ? 0 : 1) + source_u8(source) % 4;
	record.transaction = sequence - record.position;
	record.ordinal = source_u8(source);
	record.stream_bytes = (uint64_t)source_u16(source) * 10;
	record.created_ms = record.retention_ms = (uint64_t)source_u8(source) * CLOCK_UNIT;
	record.keys = slice_of(bytes, source_u8(source));
	record.old_image = slice_of(bytes, flags & 0x20 ? (size_t)source_u8(source) * 16 : 0);
	record.new_image = slice_of(bytes, flags & 0x40 ? (size_t)source_u8(source) * 16 : 0);
	if (record.is_annotated && flags & 0x80)
		record.annotation = slice_of(bytes, source_u8(source));
	return record;
}

static void read_row(struct txn *txn, struct source *source)
{
	uint32_t stream = FIRST + source_u8(source) % (STREAMS + 1);
	uint64_t sequence = source_u8(source);
	uint8_t how = source_u8(source), key[RECORD_KEY_MAX];
	struct record record;
	size_t len;

	if (how == 0xff)
		sequence = UINT64_MAX - sequence;
	if (how % 4) {
		record = read_record(source, sequence);
		CHECK_EQUAL_INT(log_append(txn, stream, &record, false), 0);
		return;
	}
	len = record_set_key(key, stream, sequence, source_u8(source) % 4);
	fuzz_row(txn, TREE_LOG, slice_of(key, len - (how == 0x80)),
		source_counted(source), how > 0xc0);
}

/* --- one stream, record by record --- */

struct walked {
	uint64_t sequences[ROWS_MAX];
	size_t count;
	int end;
};

static int copy(struct cursor *cursor, uint32_t id, const struct record *head,
	struct buffer *out)
{
	struct record whole;
	int err;

	buffer_clear(out);
	err = log_copy(cursor, id, head, out);
	if (err)
		return err;
	CHECK_EQUAL_UINT(out->len, RECORD_PREFIX + record_len(head));
	CHECK_EQUAL_INT(record_get(&whole, buffer_slice(out)), 0);
	CHECK_EQUAL_UINT(whole.sequence, head->sequence);
	return 0;
}

static struct cursor *cursor_of(struct txn *txn)
{
	struct cursor *cursor;

	CHECK_EQUAL_INT(txn_cursor(txn, TREE_LOG, &cursor), 0);
	return cursor;
}

static bool may_be(int err)
{
	return err == 0 || err == END || err == ERR_CORRUPT;
}

static void walk(struct txn *txn, uint32_t id, struct walked *walked)
{
	static struct buffer out;
	struct cursor *cursor = cursor_of(txn);
	struct record head;
	int err = log_seek(cursor, id, 0, &head);

	for (walked->count = 0; !err; err = log_next(cursor, id, &head)) {
		if (walked->count)
			CHECK(head.sequence > walked->sequences[walked->count - 1]);
		CHECK(walked->count < ROWS_MAX);
		walked->sequences[walked->count++] = head.sequence;
		CHECK(may_be(copy(cursor, id, &head, &out)));
		CHECK_EQUAL_INT(log_seek(cursor, id, head.sequence, &head), 0);
	}
	CHECK(may_be(err));
	walked->end = err;
}

/* Checks that log_take returns what log_next and log_copy return. */
static void check_take(struct txn *txn, uint32_t id, const struct walked *walked)
{
	static struct buffer out;
	struct cursor *cursor = cursor_of(txn);
	struct record head;
	int err = log_seek(cursor, id, 0, &head);
	size_t i;

	for (i = 1; !err && i < walked->count; i++) {
		buffer_clear(&out);
		err = log_take(cursor, id, &head, &out);
		if (!err)
			CHECK_EQUAL_UINT(head.sequence, walked->sequences[i]);
	}
	CHECK(may_be(err));
}

static void check_backward(struct txn *txn, uint32_t id, const struct walked *walked)
{
	struct cursor *cursor = cursor_of(txn);
	struct record head;
	size_t i = walked->count;
	int err = log_last(cursor, id, &head);

	for (; !err; err = log_previous(cursor, id, head.sequence, &head)) {
		CHECK(i-- > 0);
		CHECK_EQUAL_UINT(head.sequence, walked->sequences[i]);
	}
	/* log_previous reports a part that precedes the first record as damage. */
	CHECK(err == END ? i == 0 : err == ERR_CORRUPT);
}

/* --- feeds --- */

static void try_feed(struct txn *txn, uint32_t id, enum position_kind kind, uint64_t at)
{
	struct view_of_streams view = { txn, &streams, &state, clock_ms };
	struct failure failure = { 0 };
	struct feed feed = { .streams.one = id };
	uint64_t last = 0;
	int err = feed_start(&feed, (struct position){ kind, at }, &view, &failure);
	bool given = true;

	for (int i = 0; !err && given; i++) {
		struct slice bytes;
		struct record record;
		uint32_t stream;

		CHECK(i < FILLS_MAX);
		err = feed_fill(&feed, 1 + (uint32_t)at % 7, &view, &failure);
		for (given = false; !err && feed_next(&feed, &stream, &bytes) == 0; given = true) {
			CHECK_EQUAL_INT(record_get(&record, bytes), 0);
			CHECK(record.sequence > last || (id == 0 && record.sequence == last));
			CHECK(id == 0 || id == stream);
			CHECK_EQUAL_UINT(feed.position, record.sequence);
			last = record.sequence;
		}
	}
	if (err) {
		CHECK(err == ERR_CORRUPT || err == ERR_TRIMMED || err == ERR_AHEAD ||
			err == ERR_NOT_FOUND);
		CHECK_EQUAL_INT(failure.err, err);
		CHECK(err != ERR_TRIMMED || failure.first <= failure.last);
	}
	feed_release(&feed);
}

/* --- trimming: removes a prefix and stores its end as the horizon --- */

static void try_trim(struct txn *txn, struct stream *stream)
{
	uint64_t before, after, removed, hidden;
	struct record head;
	int err = stream_load_bounds(&(struct streams){ 0 }, stream, txn);

	CHECK(may_be(err));
	if (err)
		return;
	before = stream->bounds.horizon.removed;
	err = retention_hidden(txn, &stream->row, &stream->bounds, clock_ms, 0, &hidden);
	CHECK(may_be(err));
	err = retention_trim(txn, stream, clock_ms, 5, &removed);
	CHECK(may_be(err));
	after = stream->bounds.horizon.removed;
	CHECK(removed ? after > before : after == before);
	CHECK(stream->bounds.horizon.hidden >= after);
	if (removed && log_seek(cursor_of(txn), stream->row.id, before + 1, &head) == 0)
		CHECK(head.sequence > after);
	if (!err)
		CHECK(may_be(retention_hide(txn, stream, clock_ms)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source source = source_of(slice_of(data, size));
	struct txn *txn = fuzz_begin();
	static struct walked walked;
	enum position_kind kind;
	struct stream *stream;
	uint8_t feed, at;
	uint32_t id;

	read_streams(txn, &source);
	feed = source_u8(&source);
	at = source_u8(&source);
	kind = (enum position_kind)(feed / 4 % (POSITION_TIME + 1));
	for (int i = 0; i < ROWS_MAX && source_left(&source); i++)
		read_row(txn, &source);
	for (id = FIRST; id < FIRST + STREAMS; id++) {
		walk(txn, id, &walked);
		check_take(txn, id, &walked);
		if (walked.end == END)
			check_backward(txn, id, &walked);
	}
	id = feed % (STREAMS + 1);
	try_feed(txn, id ? FIRST - 1 + id : 0, kind, kind == POSITION_TIME ? at * CLOCK_UNIT : at);
	for (id = FIRST; id < FIRST + STREAMS; id++) {
		CHECK_EQUAL_INT(streams_find(&streams, txn, id, &stream), 0);
		try_trim(txn, stream);
	}
	cancel_write(txn);
	return 0;
}

/* Three streams with records of transactions, small and in parts. Every fourth
 * seed has an additional row that does not belong to any stream. */
bool fuzz_seed(unsigned n, struct buffer *out)
{
	uint32_t bytes[STREAMS] = { 0 };

	for (unsigned i = 0; i < STREAMS; i++) {
		static const uint8_t limits[] = { 255, 0, 0, 0, 0, 0, 0 };

		buffer_put(out, limits, sizeof limits);
		out->data[out->len - 7] = (uint8_t)(n % 3 ? 255 : 4);
		out->data[out->len - 6] = (uint8_t)(n % 4 == 1 ? 48 : 0);
		out->data[out->len - 5] = (uint8_t)(n % 5 == 1 ? 40 : 0);
	}
	buffer_put_u32(out, 40u << 24 | (n % 3 ? 0u : 20u) << 8 | 20u);
	buffer_put_u8(out, (uint8_t)n);
	buffer_put_u8(out, (uint8_t)(n % 13));
	for (uint8_t sequence = 1; sequence <= 12 + n % 8; sequence++) {
		unsigned i = sequence % (n % 2 + 2);
		uint8_t flags = 0x62, image = (uint8_t)(n % 3 == 2 ? 100 : 4);

		bytes[i] += RECORD_OVERHEAD + 10 + 32u * image + (10 - (
			10 + 32u * image) % 10) % 10;
		buffer_put_u8(out, (uint8_t)i);
		buffer_put_u8(out, sequence);
		buffer_put_u8(out, 1);
		buffer_put_u8(out, flags);
		buffer_put_u8(out, (uint8_t)(n % 4 == 3 ? (sequence + 3) % 4 : 0));
		buffer_put_u8(out, (uint8_t)(n % 4 == 3 ? 3 - (sequence + 3) % 4 : 0));
		buffer_put_u8(out, (uint8_t)(sequence / (n % 2 + 2) + 1));
		buffer_put_u16(out, (uint16_t)(bytes[i] / 10 + 1));
		buffer_put_u8(out, sequence);
		buffer_put_u8(out, 10);
		buffer_put_u8(out, image);
		buffer_put_u8(out, image);
	}
	if (n % 4 == 0) {
		buffer_put_u8(out, 1);
		buffer_put_u8(out, 5);
		buffer_put_u8(out, 0);
		buffer_put_u8(out, (uint8_t)n);
		buffer_put_counted(out, slice_of_text("a row that no writer wrote"));
	}
	return n < 24;
}
