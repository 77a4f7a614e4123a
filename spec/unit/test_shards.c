/* test_shards.c - tide_consumer.h: what the ranges of a consumer's shards are given to read. */
#include "api/database.h"
#include "unit/forge.h"
#include "unit/ranges.h"

#define NAME slice_of_text("c")
#define KEYS 40
#define PUTS_MAX 4000

static struct failure failure;
static struct tide *tide;
static struct tide_table tables[2];      /* streams 1 and 2; the second keeps four records */
static struct builder builder;

/* --- hashes --- */

static unsigned shard_of(uint32_t hash, unsigned shards)
{
	return (unsigned)((double)hash * shards / 4294967296.0);
}

/* The shards divide the hashes without gap or overlap, at the borders that format.md defines. */
static void borders_of_shards(void)
{
	for (unsigned n = 1; n <= CONSUMER_SHARDS_MAX; n++) {
		uint64_t next = 0;

		for (unsigned i = 0; i < n; i++) {
			struct shard_hashes one = hashes_of_shards((uint16_t)i, (uint16_t)i,
				(uint16_t)n);

			CHECK(one.first == next && one.first <= one.last);
			CHECK(hash_shard(one.first, n) == i && hash_shard(one.last, n) == i);
			CHECK(shard_of(one.first, n) == i && shard_of(one.last, n) == i);
			next = (uint64_t)one.last + 1;
		}
		CHECK_EQUAL_UINT(next, UINT64_C(1) << 32);
		CHECK_EQUAL_UINT(shard_hash(n, n), UINT64_C(1) << 32);
	}
}

static void ranges_of_hashes(void)
{
	for (int i = 0; i < 100000; i++) {
		uint16_t n = (uint16_t)(1 + check_random_below(CONSUMER_SHARDS_MAX)),
			last = (uint16_t)check_random_below(n),
			first = (uint16_t)check_random_below(last + 1u);
		struct shard_hashes hashes = hashes_of_shards(first, last, n);
		uint32_t hash = (uint32_t)check_random();
		unsigned shard = shard_of(hash, n);

		CHECK((hash >= hashes.first && hash <= hashes.last) ==
			(shard >= first && shard <= last));
		CHECK(hashes.first == shard_hash(first, n));
		CHECK_EQUAL_INT(hash_shard(hash, n), shard);
	}
}

/* --- records --- */

/* A record that was put, and what has become of it. */
struct written {
	uint64_t sequence;
	uint32_t stream;
	uint32_t hash;
	int delivered;
};

static struct written all[PUTS_MAX];
static size_t count;

static uint32_t hash_of(const char *partition)
{
	static const struct key_schema schema = { .partition = { TYPE_S, 1, "p" },
		.sort = { TYPE_S, 1, "s" } };
	struct key key;

	MUST(tide_item_key(tide, 1, &schema, item_of(&builder, partition, "s", NULL), &key),
		failure);
	return key.partition_hash;
}

static void put_random(int table)
{
	static unsigned version;
	char partition[16], v[16];

	CHECK(count < PUTS_MAX);
	snprintf(partition, sizeof partition, "key %u", (unsigned)check_random_below(KEYS));
	snprintf(v, sizeof v, "%u", ++version);
	all[count].sequence = put_alone(tide, &tables[table], partition, "s", v);
	all[count].stream = (uint32_t)(STREAM_ONE + table);
	all[count].hash = hash_of(partition);
	all[count++].delivered = 0;
}

static struct written *find_written(uint64_t sequence)
{
	size_t i = 0;

	while (i < count && all[i].sequence != sequence)
		i++;
	CHECK(i < count);
	return &all[i];
}

static void create(uint16_t shards, struct slice streams)
{
	struct tide_consumer_spec spec = consumer_spec("c", TIDE_LATEST);

	count = 0;
	spec.shards = shards;
	spec.streams = streams;
	MUST(tide_create_consumer(tide, &spec, &failure), failure);
}

/* Divides the shards at random; each part is joined by a worker. */
static void divide(unsigned parts)
{
	for (unsigned i = 1; i < parts; i++) {
		struct ranges ranges = ranges_of(tide, "c");
		const struct progress_row *row = &ranges.all[check_random_below(ranges.count)];

		if (row->first < row->last)
			split_range(tide, "c", row->first, (uint16_t)(row->first + 1 +
				check_random_below((uint64_t)(row->last - row->first))), i % 2);
	}
	for (size_t i = 0; i < ranges_of(tide, "c").count; i++)
		join_range(tide, "c", ranges_of(tide, "c").all[i].first, 1 + (uint32_t)i, NO_DEATH);
}

static struct tide_feed *feed_of(const struct ranges *ranges, const struct progress_row *row,
	struct slice streams)
{
	struct tide_feed *feed;

	MUST(tide_consumer_feed(&feed, tide, range_of(ranges->consumer, row), ranges->shards,
		streams, &failure), failure);
	return feed;
}

/* Notes the records that a feed returns. They are of the range's shards, and follow *last, which
 * is set to the newest. */
static void take_records(const struct ranges *ranges, const struct progress_row *row,
	struct tide_feed *feed, uint64_t *last)
{
	struct slice bytes;
	uint32_t stream;

	while (tide_feed_next(feed, &stream, &bytes) == 0) {
		struct written *written = find_written(record_sequence(bytes.data));
		unsigned shard = shard_of(written->hash, ranges->shards);
		struct record record;

		CHECK_EQUAL_INT(record_get(&record, bytes), 0);
		CHECK(record.partition_hash == written->hash && stream == written->stream);
		CHECK(shard >= row->first && shard <= row->last);
		CHECK(written->sequence > *last);
		CHECK_EQUAL_INT(written->delivered++, 0);
		*last = written->sequence;
	}
}

/* Each record is returned to exactly one range, whatever the number of shards. */
static void feeds_divide_the_records(void)
{
	static const uint16_t numbers[] = { 1, 2, 3, 5, 64, 1000, CONSUMER_SHARDS_MAX };

	for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++) {
		struct slice streams = slice_of("\0\0\0\2", n % 2 ? 4 : 0);
		struct ranges ranges;

		create(numbers[n], streams);
		divide(1 + (unsigned)check_random_below(8));
		ranges = ranges_of(tide, "c");
		for (int i = 0; i < 300; i++)
			put_random(0);
		for (size_t i = 0; i < ranges.count; i++) {
			struct tide_feed *feed = feed_of(&ranges, &ranges.all[i], streams);
			uint64_t last = ranges.all[i].position;

			do {
				MUST(tide_feed_fill(feed, tide, 1 + (uint32_t)check_random_below(
					50), &failure), failure);
				take_records(&ranges, &ranges.all[i], feed, &last);
			} while (tide_feed_is_behind(feed));
			CHECK_EQUAL_UINT(tide_feed_position(feed), all[count - 1].sequence);
			tide_feed_finish(feed);
		}
		for (size_t i = 0; i < count; i++)
			CHECK_EQUAL_INT(all[i].delivered, 1);
		delete_consumer(tide, "c");
	}
}

static void feeds_are_refused(void)
{
	struct tide_feed *feed;
	struct shard_range range;

	create(64, slice_of(NULL, 0));
	split_range(tide, "c", 0, 20, false);
	range = range_at(tide, "c", 20);
	CHECK_EQUAL_INT(tide_consumer_feed(&feed, tide, range, 63, slice_of(NULL, 0), &failure),
		ERR_CORRUPT);
	range.first = 21;
	CHECK_EQUAL_INT(tide_consumer_feed(&feed, tide, range, 64, slice_of(NULL, 0), &failure),
		ERR_LEASE_LOST);
	range.first = 20;
	range.epoch++;
	CHECK_EQUAL_INT(tide_consumer_feed(&feed, tide, range, 64, slice_of(NULL, 0), &failure),
		ERR_LEASE_LOST);
	range.consumer++;
	CHECK_EQUAL_INT(tide_consumer_feed(&feed, tide, range, 64, slice_of(NULL, 0), &failure),
		ERR_CONSUMER_GONE);
	CHECK(!feed);
	delete_consumer(tide, "c");
}

/* --- gaps --- */

/* The newest record of each stream that had expired when a gap was counted. */
static uint64_t lost[2];

/* Returns true if a record of these streams, of both tables or of the second, can be read. */
static bool is_readable(const struct written *written, struct slice streams, uint64_t expired)
{
	return written->sequence > expired && (streams.len != 4 || written->stream == STREAM_TWO);
}

static uint64_t trimmed(uint32_t stream)
{
	struct tide_stream_state state;

	MUST(tide_describe_stream(tide, stream, &state, &failure), failure);
	return state.trimmed_through;
}

static uint64_t gaps(void)
{
	return described(tide, "c").progress.gaps;
}

/* Skips the gap before a range, which is counted once. Ranges move only ahead, none of them passes
 * a record that exists, and their owners and epochs remain. */
static void skip(size_t i, struct slice streams)
{
	struct ranges before = ranges_of(tide, "c"), after;
	uint64_t counted = gaps();
	struct progress_row row;

	MUST(tide_skip_gap(tide, NAME, range_of(before.consumer, &before.all[i]), false, &row,
		&failure), failure);
	CHECK_EQUAL_UINT(gaps(), counted + 1);
	after = ranges_of(tide, "c");
	CHECK(after.count == before.count && row.first == after.all[i].first &&
		row.position == after.all[i].position);
	for (size_t j = 0; j < after.count; j++) {
		const struct progress_row *was = &before.all[j], *is = &after.all[j];

		CHECK(is->epoch == was->epoch || after.count == 1);
		CHECK(is->owner.worker == was->owner.worker && is->position >= was->position);
		for (size_t k = 0; k < count && is->position > was->position; k++)
			CHECK(all[k].sequence <= was->position ||
				all[k].sequence > is->position ||
				!is_readable(&all[k], streams, trimmed(all[k].stream)));
		CHECK(is->position > was->position || is->attempts == was->attempts);
	}
	MUST(tide_skip_gap(tide, NAME, range_of(before.consumer, &after.all[i]), false, &row,
		&failure), failure);
	CHECK_EQUAL_UINT(gaps(), counted + 1);
	for (uint32_t stream = STREAM_ONE; stream <= STREAM_TWO; stream++)
		lost[stream - STREAM_ONE] = trimmed(stream);
}

/* Reads records of a range and moves its position. Returns false if there is nothing to read. */
static bool read_range(size_t i, struct slice streams)
{
	struct ranges ranges = ranges_of(tide, "c");
	const struct progress_row *row = &ranges.all[i];
	struct tide_feed *feed = feed_of(&ranges, row, streams);
	uint64_t last = row->position, position;
	int err = tide_feed_fill(feed, tide, 1 + (uint32_t)check_random_below(4), &failure);

	if (err == ERR_TRIMMED) {
		tide_feed_finish(feed);
		skip(i, streams);
		ranges = ranges_of(tide, "c");
		last = row->position;
		feed = feed_of(&ranges, row, streams);
		err = tide_feed_fill(feed, tide, 1, &failure);
	}
	MUST(err, failure);
	take_records(&ranges, row, feed, &last);
	position = tide_feed_position(feed);
	tide_feed_finish(feed);
	if (position == row->position)
		return false;
	advance_range(tide, "c", row->first, position);
	return true;
}

/* Ranges are read at different speed while records expire. No record is missing that had not
 * expired when a gap was counted, and none is returned twice. */
static void no_loss_is_silent(struct slice streams)
{
	struct ranges ranges;

	lost[0] = lost[1] = 0;
	create(16, streams);
	divide(4);
	ranges = ranges_of(tide, "c");
	for (int i = 0; i < 1000; i++) {
		size_t which = (size_t)check_random_below(ranges.count);

		if (check_random_below(3) == 0)
			put_random((int)check_random_below(2));
		else if (which == 0 || check_random_below(8 * which) == 0)
			read_range(which, streams);
		if (i % 100 == 0)
			check_clean(tide);
	}
	for (size_t i = 0; i < ranges.count; i++)
		while (read_range(i, streams))
			;
	for (size_t i = 0; i < count; i++)
		CHECK(all[i].delivered == 1 ||
			!is_readable(&all[i], streams, lost[all[i].stream - STREAM_ONE]));
	CHECK(gaps() > 0);
	check_clean(tide);
	delete_consumer(tide, "c");
}

/* Ranges behind the oldest record move to it, and the one ahead stays. */
static void ranges_behind_a_gap_move(void)
{
	struct slice streams = slice_of("\0\0\0\3", 4);
	struct consume_batch batch;
	struct progress_row row;
	uint64_t oldest;

	create(64, streams);
	split_range(tide, "c", 0, 20, false);
	split_range(tide, "c", 20, 40, false);
	join_range(tide, "c", 40, 4, NO_DEATH);
	for (int i = 0; i < 8; i++)
		put_random(1);
	oldest = trimmed(STREAM_TWO);
	batch = batch_of_range(tide, "c", 0, all[2].sequence);
	MUST(tide_fail_consumer(tide, &batch, 3, &failure), failure);
	advance_range(tide, "c", 20, all[6].sequence);
	advance_range(tide, "c", 40, all[2].sequence);
	CHECK(all[2].sequence < oldest && all[6].sequence > oldest);
	MUST(tide_skip_gap(tide, NAME, range_at(tide, "c", 20), false, &row, &failure), failure);
	CHECK(gaps() == 0 && row.position == all[6].sequence);
	MUST(tide_skip_gap(tide, NAME, range_at(tide, "c", 40), false, &row, &failure), failure);
	CHECK(row.first == 40 && row.position == oldest && row.owner.worker == 4);
	CHECK(row_at(tide, "c", 0).position == oldest && row_at(tide, "c", 0).attempts == 0);
	CHECK_EQUAL_UINT(row_at(tide, "c", 0).largest_batch, 0);
	CHECK_EQUAL_UINT(row_at(tide, "c", 20).position, all[6].sequence);
	CHECK_EQUAL_INT(commit_batch_of(tide, &batch, &failure), ERR_LEASE_LOST);
	MUST(tide_skip_gap(tide, NAME, range_at(tide, "c", 0), false, &row, &failure), failure);
	CHECK_EQUAL_UINT(gaps(), 1);
	check_clean(tide);
	delete_consumer(tide, "c");
}

/* With a snapshot, all ranges become one. */
static void a_snapshot_after_a_gap_unites(void)
{
	struct slice streams = slice_of("\0\0\0\3", 4);
	struct shard_range second;
	struct progress_row row;

	create(64, streams);
	split_range(tide, "c", 0, 20, false);
	join_range(tide, "c", 20, 2, NO_DEATH);
	for (int i = 0; i < 8; i++)
		put_random(1);
	second = range_at(tide, "c", 20);
	MUST(tide_skip_gap(tide, NAME, second, true, &row, &failure), failure);
	CHECK(row.is_copying && row.first == 0 && row.last == 63 && row.gaps == 1);
	CHECK(row.epoch > second.epoch && row.owner.worker == 0);
	CHECK_EQUAL_UINT(ranges_of(tide, "c").count, 1);
	CHECK_EQUAL_INT(tide_skip_gap(tide, NAME, second, true, &row, &failure), ERR_LEASE_LOST);
	check_clean(tide);
	delete_consumer(tide, "c");
}

/* --- parked records --- */

/* Parks the next records of a range. Returns the sequence number of the last one. */
static uint64_t park_next(uint16_t first, unsigned number)
{
	struct ranges ranges = ranges_of(tide, "c");
	struct progress_row row = row_at(tide, "c", first);
	struct tide_feed *feed = feed_of(&ranges, &row, slice_of(NULL, 0));
	struct consume_batch batch;
	struct parked_place place;
	uint64_t last = 0;

	MUST(tide_feed_fill(feed, tide, number, &failure), failure);
	for (unsigned i = 0; i < number; i++) {
		struct parked_copy copy = { .attempts = 1, .error = slice_of_text("why") };

		CHECK_EQUAL_INT(tide_feed_next(feed, &copy.stream, &copy.record), 0);
		MUST(place_copy(tide, &copy, &place, &failure), failure);
		place.consumer = ranges.consumer;
		last = place.sequence;
		batch = batch_of_range(tide, "c", first, last);
		begin(tide);
		MUST(tide_advance_consumer(tide, &batch, &failure), failure);
		MUST(tide_park(tide, &place, &copy, 0, 0, 1000, 1 << 20,
			&failure), failure);
		commit(tide);
	}
	tide_feed_finish(feed);
	return last;
}

static void change_parked(enum tide_parked_command command)
{
	struct tide_parked_steps steps = { .limit = 1000 };

	while (!steps.is_done)
		MUST(tide_change_parked(tide, NAME, command, &(struct tide_parked_scope){ 0 },
			&steps, &failure), failure);
}

/* Puts records of all shards, and divides these into 0 to 31, which worker 1 owns, and 32 to 63,
 * which worker 2 owns. */
static uint64_t start_parking(void)
{
	create(64, slice_of(NULL, 0));
	join_range(tide, "c", 0, 1, NO_DEATH);
	split_range(tide, "c", 0, 32, false);
	join_range(tide, "c", 32, 2, NO_DEATH);
	for (int i = 0; i < 100; i++)
		put_random(0);
	return described(tide, "c").row.id;
}

/* Returns the number of records that are delivered again for these hashes. Each has one. */
static unsigned count_replays(uint64_t id, const struct shard_hashes *hashes, uint32_t limit)
{
	struct buffer page = { 0 };
	struct source source;
	unsigned found = 0;

	MUST(tide_parked_replays(tide, hashes, id, limit, &page, &failure), failure);
	source = source_of(buffer_slice(&page));
	for (; source_left(&source); found++) {
		struct parked_place place;
		uint32_t hash;

		parked_get_place(&place, source_take(&source, PARKED_PLACE_BYTES).data);
		CHECK_EQUAL_INT(source_u8(&source), 1);
		CHECK_EQUAL_UINT(source_u64(&source), 0);
		source_counted(&source);
		hash = find_written(place.sequence)->hash;
		CHECK(!hashes || (hash >= hashes->first && hash <= hashes->last));
	}
	CHECK_EQUAL_INT(source_finish(&source), 0);
	buffer_release(&page);
	return found;
}

static void replays_are_of_a_range(void)
{
	uint64_t id = start_parking();
	struct shard_hashes left = hashes_of_shards(0, 31, 64),
		right = hashes_of_shards(32, 63, 64), none;
	unsigned sum = 0;

	park_next(0, 7);
	park_next(32, 5);
	CHECK_EQUAL_INT(count_replays(id, &left, 100), 0);
	change_parked(TIDE_REPLAY);
	CHECK_EQUAL_INT(count_replays(id, NULL, 100), 12);
	CHECK_EQUAL_INT(count_replays(id, &left, 100), 7);
	CHECK_EQUAL_INT(count_replays(id, &right, 100), 5);
	CHECK_EQUAL_INT(count_replays(id, &right, 3), 3);
	CHECK_EQUAL_INT(count_replays(id, &left, 0), 0);
	for (uint16_t shard = 0; shard < 64; shard++) {
		none = hashes_of_shards(shard, shard, 64);
		sum += count_replays(id, &none, 100);
	}
	CHECK_EQUAL_INT(sum, 12);
	check_clean(tide);
	change_parked(TIDE_DISCARD);
	delete_consumer(tide, "c");
}

/* The parked version is one of the whole consumer, and only commands change it. */
static void commands_change_the_parked_version(void)
{
	struct consume_batch batch;
	struct shard_range range;
	uint64_t version;

	start_parking();
	version = described(tide, "c").progress.parked_version;
	park_next(0, 2);
	park_next(32, 2);
	CHECK_EQUAL_UINT(described(tide, "c").progress.parked_version, version);
	CHECK_EQUAL_UINT(described(tide, "c").progress.parked, 4);
	CHECK_EQUAL_UINT(row_at(tide, "c", 32).parked, 0);
	for (int right = 0; right < 2; right++) {
		uint16_t first = right ? 32 : 0;

		batch = batch_of_range(tide, "c", first, row_at(tide, "c", first).position + 1);
		range = range_at(tide, "c", first);
		version = batch.parked_version;
		change_parked(right ? TIDE_DISCARD : TIDE_REPLAY);
		CHECK(described(tide, "c").progress.parked_version > version);
		CHECK_EQUAL_INT(commit_batch_of(tide, &batch, &failure), ERR_PARKED_CHANGED);
		begin(tide);
		CHECK_EQUAL_INT(tide_verify_parked(tide, range, version, &failure),
			ERR_PARKED_CHANGED);
		CHECK_EQUAL_INT(tide_verify_parked(tide, range, described(tide,
			"c").progress.parked_version, &failure), 0);
		tide_abort(tide);
		MUST(tide_fail_consumer(tide, &batch, 0, &failure), failure);
		MUST(tide_skip_ignored(tide, &batch, &failure), failure);
	}
	check_clean(tide);
	delete_consumer(tide, "c");
}

/* The death of a worker with a record that is delivered again is a failed attempt of that record,
 * not of the range's next batch, whatever the range. */
static void a_death_in_a_replay_is_found(void)
{
	uint64_t sequence, failures;

	start_parking();
	for (int right = 0; right < 2; right++) {
		uint16_t first = right ? 32 : 0;

		sequence = park_next(first, 1);
		change_parked(TIDE_REPLAY);
		CHECK(described(tide, "c").progress.replays > 0);
		failures = described(tide, "c").progress.failures;
		join_range(tide, "c", first, 3, &(struct handler_batch){ 1, sequence });
		CHECK_EQUAL_UINT(described(tide, "c").progress.failures, failures + 1);
		CHECK_EQUAL_UINT(described(tide, "c").progress.replays, 0);
		CHECK_EQUAL_UINT(row_at(tide, "c", first).attempts, 0);
		check_clean(tide);
		change_parked(TIDE_DISCARD);
	}
	join_range(tide, "c", 32, 3, &(struct handler_batch){ 1, row_at(tide, "c",
		32).position + 1 });
	CHECK_EQUAL_UINT(row_at(tide, "c", 32).attempts, 1);
	CHECK_EQUAL_UINT(row_at(tide, "c", 0).attempts, 0);
	delete_consumer(tide, "c");
}

/* A parked record must not follow the position of its own range. */
static void check_finds_a_record_before_its_delivery(void)
{
	struct progress_row rows[2];
	uint64_t id = start_parking();

	park_next(0, 3);
	park_next(32, 3);
	for (int right = 0; right < 2; right++)
		rows[right] = row_at(tide, "c", right ? 32 : 0);
	check_clean(tide);
	for (int right = 0; right < 2; right++) {
		struct progress_row wrong = rows[right];
		struct txn *txn = forge_begin(tide);

		wrong.position = 0;
		MUST(progress_write(txn, id, &wrong), failure);
		CHECK_EQUAL_UINT(forge_problems(tide, txn), 3);
		txn = forge_begin(tide);
		MUST(progress_write(txn, id, &rows[right]), failure);
		CHECK_EQUAL_UINT(forge_problems(tide, txn), 0);
	}
	change_parked(TIDE_DISCARD);
	delete_consumer(tide, "c");
}

int main(void)
{
	struct tide_table_spec spec = spec_of("short");

	borders_of_shards();
	ranges_of_hashes();
	tide = open_tide(tide_path("shards.tide"));
	tables[0] = create_table(tide, "orders");
	spec.retention.max_count = 4;
	MUST(tide_create_table(tide, &spec, &failure), failure);
	tables[1] = table_named("short");
	feeds_divide_the_records();
	feeds_are_refused();
	ranges_behind_a_gap_move();
	a_snapshot_after_a_gap_unites();
	for (int i = 0; i < 3; i++) {
		no_loss_is_silent(slice_of(NULL, 0));
		no_loss_is_silent(slice_of("\0\0\0\2\0\0\0\3", 8));
		no_loss_is_silent(slice_of("\0\0\0\3", 4));
	}
	replays_are_of_a_range();
	commands_change_the_parked_version();
	a_death_in_a_replay_is_found();
	check_finds_a_record_before_its_delivery();
	check_clean(tide);
	builder_release(&builder);
	tide_close(tide);
	return 0;
}
