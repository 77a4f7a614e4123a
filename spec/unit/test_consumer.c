/* test_consumer.c - codec/consumer.h and stream/consumer.h: rows of consumers. */
#include "codec/replica.h"
#include "stream/consumer.h"

#include "unit/stores.h"

static void names(void)
{
	static const char *const good[] = { "a", "A-9_.z", "totals" };
	static const char *const bad[] = { "", "a b", "a/b", "\xc3\xa4", "a\n" };
	char longest[CONSUMER_NAME_MAX + 1];

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		CHECK(is_consumer_name(slice_of_text(good[i])));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CHECK(!is_consumer_name(slice_of_text(bad[i])));
	memset(longest, 'x', sizeof longest);
	CHECK(is_consumer_name(slice_of(longest, CONSUMER_NAME_MAX)));
	CHECK(!is_consumer_name(slice_of(longest, CONSUMER_NAME_MAX + 1)));
}

/* A key of any kind has one length, or that of a name. */
static void keys(void)
{
	static const size_t lens[] = { [CONSUMER_PROGRESS - CONSUMER_ROW] = 11,
		[CONSUMER_FLOOR - CONSUMER_ROW] = 13, [CONSUMER_PARKED - CONSUMER_ROW] = 39,
		[CONSUMER_REPLAY - CONSUMER_ROW] = 37, [CONSUMER_COPY - CONSUMER_ROW] = 11,
		[CONSUMER_HOLD - CONSUMER_ROW] = 13, [CONSUMER_MEMBER - CONSUMER_ROW] = 25,
		[CONSUMER_REPLAY_TRANSACTION - CONSUMER_ROW] = 17,
		[REPLICA_TABLE - CONSUMER_ROW] = 13, [REPLICA_SEEN - CONSUMER_ROW] = 29,
		[REPLICA_SWEPT - CONSUMER_ROW] = 13 };
	uint8_t key[64];

	memset(key, 'k', sizeof key);
	CHECK(!is_consumers_key(slice_of(key, 0)));
	for (unsigned kind = 0; kind < 256; kind++)
		for (size_t len = 1; len <= sizeof key; len++) {
			bool is_name = (kind == CONSUMER_ROW || kind == REPLICA_ROW) && len > 1;
			bool has_len = kind > CONSUMER_ROW && kind <= REPLICA_SWEPT &&
				len == lens[kind - CONSUMER_ROW];

			key[0] = (uint8_t)kind;
			CHECK(is_consumers_key(slice_of(key, len)) == (is_name || has_len));
		}
}

static struct progress_row random_progress(void)
{
	struct progress_row row = { .epoch = check_random(), .records = check_random(),
		.batches = check_random(), .failures = check_random(), .gaps = check_random(),
		.attempts = (uint32_t)check_random(), .largest_batch = (uint32_t)check_random(),
		.limit_until = check_random(), .moved_ms = check_random(),
		.parked_bytes = check_random(), .parked_version = check_random(),
		.dead_letters = check_random(), .is_copying = check_random_below(2) };

	row.last = (uint16_t)check_random_below(CONSUMER_SHARDS_MAX);
	row.position = check_random_below(SEQUENCE_MAX + 1);
	row.parked = check_random_below(UINT64_C(1) << 32);
	row.replays = check_random_below(row.parked + 1);
	row.owner.worker = (uint32_t)check_random();
	check_random_bytes(row.owner.opening, sizeof row.owner.opening);
	return row;
}

/* Every value decodes to itself, and no part of its bytes decodes. */
static void progress_decodes(void)
{
	struct buffer bytes = { 0 }, again = { 0 };

	for (int i = 0; i < 1000; i++) {
		struct progress_row row = random_progress(), decoded;

		buffer_clear(&bytes);
		buffer_clear(&again);
		progress_put(&bytes, &row);
		CHECK_EQUAL_INT(progress_get(&decoded, buffer_slice(&bytes)), 0);
		progress_put(&again, &decoded);
		CHECK_BYTES(again.data, again.len, bytes.data, bytes.len);
		CHECK_EQUAL_INT(progress_get(&decoded, slice_of(bytes.data,
			(size_t)check_random_below(bytes.len))), ERR_CORRUPT);
	}
	buffer_release(&bytes);
	buffer_release(&again);
}

static int decode_progress(struct progress_row row)
{
	struct buffer bytes = { 0 };
	struct progress_row decoded;
	int err;

	progress_put(&bytes, &row);
	err = progress_get(&decoded, buffer_slice(&bytes));
	CHECK(err || slice_equal(decoded.end, row.end));
	buffer_release(&bytes);
	return err;
}

/* The error that ended the last run has a limited length, and replays are parked records. */
static void limits_of_progress(void)
{
	static const uint8_t text[CONSUMER_END_MAX + 1] = "TRIMMED lost";
	struct progress_row row = { .end = slice_of(text, CONSUMER_END_MAX), .parked = 1,
		.replays = 1 };

	CHECK_EQUAL_INT(decode_progress(row), 0);
	row.end.len++;
	CHECK_EQUAL_INT(decode_progress(row), ERR_CORRUPT);
	row.end.len = 0;
	row.replays = 2;
	CHECK_EQUAL_INT(decode_progress(row), ERR_CORRUPT);
}

static int decode(struct consumer_row row)
{
	struct buffer bytes = { 0 };
	struct consumer_row decoded;
	int err;

	consumer_put(&bytes, &row);
	err = consumer_get(&decoded, buffer_slice(&bytes));
	if (!err) {
		CHECK_EQUAL_UINT(decoded.id, row.id);
		CHECK(decoded.is_paused == row.is_paused);
		CHECK_EQUAL_INT(decoded.shards, row.shards);
		CHECK(slice_equal(decoded.streams, row.streams));
		CHECK(slice_equal(decoded.settings, row.settings));
	}
	buffer_release(&bytes);
	return err;
}

static void consumers_decode(void)
{
	struct consumer_row row = { .id = 1, .created_ms = 2, .shards = 64,
		.streams = slice_of("\0\0\0\3\0\0\0\4", 8),
		.settings = { (const uint8_t *)"map", 3 } };

	CHECK_EQUAL_INT(decode(row), 0);
	row.is_paused = true;
	CHECK_EQUAL_INT(decode(row), 0);
	row.streams = slice_of("\0\0\0\4\0\0\0\4", 8);
	CHECK_EQUAL_INT(decode(row), ERR_CORRUPT);
	row.streams = slice_of("\0\0\0\0", 4);
	CHECK_EQUAL_INT(decode(row), ERR_CORRUPT);
	row.streams = slice_of(NULL, 0);
	CHECK_EQUAL_INT(decode(row), 0);
	row.shards = 0;
	CHECK_EQUAL_INT(decode(row), ERR_CORRUPT);
	row.shards = CONSUMER_SHARDS_MAX + 1;
	CHECK_EQUAL_INT(decode(row), ERR_CORRUPT);
	row.shards = 1;
	row.id = 0;
	CHECK_EQUAL_INT(decode(row), ERR_CORRUPT);
}

/* The progress of a shard is in the row that begins at it or before it. */
static void shards_are_found(struct txn *txn)
{
	struct progress_row row = { .first = 0, .last = 9, .position = 1 }, found;

	CHECK_EQUAL_INT(progress_read(&found, txn, 5, 0), END);
	CHECK_EQUAL_INT(progress_write(txn, 5, &row), 0);
	row = (struct progress_row){ .first = 10, .last = 63, .position = 2 };
	CHECK_EQUAL_INT(progress_write(txn, 5, &row), 0);
	for (uint16_t shard = 0; shard < 64; shard++) {
		CHECK_EQUAL_INT(progress_read(&found, txn, 5, shard), 0);
		CHECK_EQUAL_UINT(found.position, shard < 10 ? 1 : 2);
		CHECK_EQUAL_INT(found.first, shard < 10 ? 0 : 10);
	}
	CHECK_EQUAL_INT(progress_read(&found, txn, 5, 64), ERR_CORRUPT);
	CHECK_EQUAL_INT(progress_read(&found, txn, 4, 0), END);
	CHECK_EQUAL_INT(progress_read(&found, txn, 6, 0), END);
}

static void write_range(struct txn *txn, uint16_t first, uint16_t last, uint64_t position,
	uint64_t moved_ms)
{
	struct progress_row row = { .first = first, .last = last, .position = position,
		.moved_ms = moved_ms, .hold_ms = first ? 0 : 9, .records = first + 1u };

	CHECK_EQUAL_INT(progress_write(txn, 7, &row), 0);
}

static void check_oldest(struct txn *txn, uint64_t position, uint64_t moved_ms)
{
	struct progress_row row;

	CHECK_EQUAL_INT(progress_read_oldest(&row, txn, 7), 0);
	CHECK(row.position == position && row.moved_ms == moved_ms);
	CHECK(row.first == 0 && row.hold_ms == 9 && row.records == 1);
}

/* All rows are read in order, and the lowest position is found with the time since which records
 * wait there. */
static void ranges_are_enumerated(struct txn *txn)
{
	static const uint16_t ends[] = { 10, 11, 60, CONSUMER_SHARDS_MAX };
	struct progress_row row;
	uint16_t shard = 0, first = 0;

	CHECK_EQUAL_INT(progress_next(&row, txn, 7, &shard), END);
	CHECK_EQUAL_INT(progress_read_oldest(&row, txn, 7), END);
	write_range(txn, 0, 9, 5, 100);
	check_oldest(txn, 5, 100);
	write_range(txn, 10, 10, 5, 90);
	write_range(txn, 11, 59, 5, 95);
	write_range(txn, 60, CONSUMER_SHARDS_MAX - 1, 6, 80);
	check_oldest(txn, 5, 90);
	write_range(txn, 60, CONSUMER_SHARDS_MAX - 1, 4, 200);
	check_oldest(txn, 4, 200);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		CHECK_EQUAL_INT(progress_next(&row, txn, 7, &shard), 0);
		CHECK(row.first == first && row.last + 1 == ends[i] && shard == ends[i]);
		first = ends[i];
	}
	CHECK_EQUAL_INT(progress_next(&row, txn, 7, &shard), END);
	shard = 1;
	CHECK_EQUAL_INT(progress_next(&row, txn, 7, &shard), END);
	shard = 0;
	CHECK_EQUAL_INT(progress_next(&row, txn, 6, &shard), END);
	CHECK_EQUAL_INT(progress_next(&row, txn, 8, &shard), END);
}

/* A damaged row of any range is found, and one that ends before it begins. */
static void damaged_ranges_are_found(struct txn *txn)
{
	uint8_t key[CONSUMER_SHARD_KEY] = { CONSUMER_PROGRESS };
	struct progress_row row;
	uint16_t shard;

	set_u64(key + 1, 7);
	for (uint16_t first = 0; first <= 11; first++) {
		if (first != 0 && first < 10)
			continue;
		write_range(txn, 0, 9, 5, 1);
		write_range(txn, 10, 10, 5, 1);
		write_range(txn, 11, 63, 5, 1);
		set_u16(key + 9, first);
		CHECK_EQUAL_INT(txn_put(txn, TREE_CONSUMERS, slice_of(key, sizeof key),
			slice_of_text("damaged")), 0);
		shard = first;
		CHECK_EQUAL_INT(progress_next(&row, txn, 7, &shard), ERR_CORRUPT);
		CHECK_EQUAL_INT(shard, first);
		CHECK_EQUAL_INT(progress_read_oldest(&row, txn, 7), ERR_CORRUPT);
		CHECK_EQUAL_INT(progress_read(&row, txn, 7, first), ERR_CORRUPT);
	}
	write_range(txn, 11, 10, 5, 1);
	shard = 11;
	CHECK_EQUAL_INT(progress_next(&row, txn, 7, &shard), ERR_CORRUPT);
	CHECK_EQUAL_INT(progress_read_oldest(&row, txn, 7), ERR_CORRUPT);
	CHECK_EQUAL_INT(progress_remove(txn, 7, 11), 0);
	CHECK_EQUAL_INT(progress_remove(txn, 7, 11), END);
	CHECK_EQUAL_INT(progress_read_oldest(&row, txn, 7), 0);
}

/* Only floors after the position are kept, and a removed consumer leaves no row. */
static void floors_are_kept(struct txn *txn)
{
	struct floor floors[] = { { 2, 5, 9 }, { 7, 20, 30 }, { 9, 21, 40 } };
	struct feed feed = { .position = 10, .started = 50, .floors = { floors, 3, 3 } };
	struct feed again = { 0 };
	struct slice name = slice_of_text("name");
	struct consumer_row row = { .id = 5, .shards = 64 };

	CHECK_EQUAL_INT(floors_write(txn, 5, &feed), 0);
	CHECK_EQUAL_INT(floors_write(txn, 5, &feed), 0);
	CHECK_EQUAL_INT(floors_read(&again, txn, 5), 0);
	CHECK_EQUAL_UINT(again.started, 50);
	CHECK_EQUAL_UINT(again.floors.count, 2);
	CHECK(again.floors.all[0].stream == 7 && again.floors.all[0].hidden == 20);
	CHECK(again.floors.all[1].stream == 9 && again.floors.all[1].hidden == 21);
	feed_release(&again);
	CHECK_EQUAL_INT(consumer_write(txn, name, &row), 0);
	CHECK_EQUAL_INT(consumer_remove(txn, name, 5), 0);
	CHECK_EQUAL_INT(floors_read(&again, txn, 5), 0);
	CHECK(again.floors.count == 0 && again.started == 0);
	CHECK_EQUAL_INT(progress_read(&(struct progress_row){ 0 }, txn, 5, 0), END);
	CHECK_EQUAL_INT(consumer_read(&row, txn, name), END);
	feed_release(&again);
}

int main(void)
{
	struct store *store = open_small(store_path("consumer.tide"));
	struct txn *txn = begin_write(store);

	names();
	keys();
	progress_decodes();
	limits_of_progress();
	consumers_decode();
	shards_are_found(txn);
	ranges_are_enumerated(txn);
	damaged_ranges_are_found(txn);
	floors_are_kept(txn);
	cancel_write(txn);
	store_close(store);
	return 0;
}
