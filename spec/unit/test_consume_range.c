/* test_consume_range.c - table/consume_range.h: ranges of a consumer's shards. */
#include "api/database.h"
#include "table/consume.h"
#include "unit/consuming.h"
#include "unit/forge.h"
#include "unit/shared_consumer.h"

static void check_row(uint16_t first, uint16_t last, uint64_t epoch, uint32_t worker)
{
	struct progress_row row = row_at(tide, "c", first);

	CHECK_EQUAL_INT(row.last, last);
	CHECK_EQUAL_UINT(row.epoch, epoch);
	CHECK_EQUAL_UINT(row.owner.worker, worker);
}

static int try_split(struct shard_range range, uint16_t at)
{
	struct progress_row row;
	int err = tide_split_range(tide, range, at, false, &row, &failure);

	CHECK(!tide_in_transaction(tide));
	return err;
}

static int try_merge(struct shard_range left, struct shard_range right)
{
	struct progress_row row;
	int err = tide_merge_ranges(tide, left, right, &row, &failure);

	CHECK(!tide_in_transaction(tide));
	return err;
}

/* Returns the error of a batch of a range without records. */
static int try_batch(struct shard_range range, uint64_t position)
{
	struct consume_batch batch = { .consumer = range.consumer, .epoch = range.epoch,
		.first = range.first, .from = position, .to = position,
		.parked_version = described(tide, "c").progress.parked_version };

	return commit_batch_of(tide, &batch, &failure);
}

/* --- dividing --- */

static void a_split_keeps_one_side(void)
{
	uint64_t id = start(64), epoch = row_at(tide, "c", 0).epoch;
	struct shard_range old = range_at(tide, "c", 0);
	struct consume_batch batch = batch_of_range(tide, "c", 0, position_of(0) + 9);
	struct progress_row kept, other;

	advance_range(tide, "c", 0, position_of(0) + 1);
	batch.from++;
	MUST(tide_fail_consumer(tide, &batch, 5, &failure), failure);
	kept = split_range(tide, "c", 0, 20, false);
	CHECK(kept.first == 0 && kept.last == 19 && kept.epoch == epoch + 1);
	check_row(0, 19, epoch + 1, 1);
	check_row(20, 63, epoch + 1, 0);
	other = row_at(tide, "c", 20);
	CHECK(other.position == batch.from && other.attempts == 1 && other.largest_batch == 5);
	CHECK(other.limit_until == batch.to && other.moved_ms == kept.moved_ms);
	CHECK(other.records == 0 && other.batches == 0 && other.failures == 0);
	CHECK(kept.records == 1 && kept.batches == 1 && kept.failures == 1);
	CHECK_EQUAL_INT(try_batch(old, batch.from), ERR_LEASE_LOST);
	CHECK_EQUAL_INT(try_batch((struct shard_range){ id, 20, epoch }, batch.from),
		ERR_LEASE_LOST);
	join_range(tide, "c", 20, 2, NO_DEATH);
	kept = split_range(tide, "c", 20, 21, true);
	CHECK(kept.first == 21 && kept.last == 63 && kept.owner.worker == 2);
	check_row(20, 20, epoch + 3, 0);
	check_row(21, 63, epoch + 3, 2);
	split_range(tide, "c", 21, 63, false);
	check_row(21, 62, epoch + 4, 2);
	check_row(63, 63, epoch + 4, 0);
	check_row(0, 19, epoch + 1, 1);
	CHECK_EQUAL_UINT(ranges_of(tide, "c").count, 4);
	stop();
}

static void a_split_is_refused(void)
{
	uint64_t id = start(64);
	struct shard_range range = range_at(tide, "c", 0), other = range;

	CHECK_EQUAL_INT(try_split(range, 0), ERR_LEASE_LOST);
	CHECK_EQUAL_INT(try_split(range, 64), ERR_LEASE_LOST);
	CHECK_EQUAL_INT(try_split(range, UINT16_MAX), ERR_LEASE_LOST);
	other.epoch++;
	CHECK_EQUAL_INT(try_split(other, 20), ERR_LEASE_LOST);
	other.epoch -= 2;
	CHECK_EQUAL_INT(try_split(other, 20), ERR_LEASE_LOST);
	other = (struct shard_range){ id, 1, range.epoch };
	CHECK_EQUAL_INT(try_split(other, 20), ERR_LEASE_LOST);
	other = (struct shard_range){ id + 99, 1, range.epoch };
	CHECK_EQUAL_INT(try_split(other, 20), ERR_CONSUMER_GONE);
	CHECK_EQUAL_UINT(ranges_of(tide, "c").count, 1);
	split_range(tide, "c", 0, 20, false);
	range = range_at(tide, "c", 20);
	CHECK_EQUAL_INT(try_split(range, 20), ERR_LEASE_LOST);
	CHECK_EQUAL_INT(try_split(range, 19), ERR_LEASE_LOST);
	CHECK_EQUAL_INT(try_split(range_at(tide, "c", 0), 20), ERR_LEASE_LOST);
	CHECK_EQUAL_UINT(ranges_of(tide, "c").count, 2);
	stop();
	start(1);
	CHECK_EQUAL_INT(try_split(range_at(tide, "c", 0), 0), ERR_LEASE_LOST);
	CHECK_EQUAL_INT(try_split(range_at(tide, "c", 0), 1), ERR_LEASE_LOST);
	stop();
}

/* A copy is of all shards. */
static void a_copy_is_not_divided(void)
{
	create("c", 64, TIDE_SNAPSHOT);
	CHECK_EQUAL_INT(try_split(range_at(tide, "c", 0), 20), ERR_LEASE_LOST);
	move_consumer(tide, "c", TIDE_LATEST, 0);
	CHECK_EQUAL_INT(try_split(range_at(tide, "c", 0), 20), 0);
	move_consumer(tide, "c", TIDE_SNAPSHOT, 0);
	CHECK_EQUAL_UINT(ranges_of(tide, "c").count, 1);
	CHECK_EQUAL_INT(try_split(range_at(tide, "c", 0), 20), ERR_LEASE_LOST);
	stop();
}

/* --- uniting --- */

static void a_merge_is_refused(void)
{
	uint64_t id = start_with_three();
	struct shard_range a = range_at(tide, "c", 0), b = range_at(tide, "c", 20),
		c = range_at(tide, "c", 40), wrong = b;

	create("other", 64, TIDE_LATEST);
	join_range(tide, "other", 0, 1, NO_DEATH);
	CHECK_EQUAL_INT(try_merge(a, c), ERR_LEASE_LOST);
	CHECK_EQUAL_INT(try_merge(b, a), ERR_LEASE_LOST);
	CHECK_EQUAL_INT(try_merge(b, b), ERR_LEASE_LOST);
	wrong.epoch--;
	CHECK_EQUAL_INT(try_merge(a, wrong), ERR_LEASE_LOST);
	CHECK_EQUAL_INT(try_merge(wrong, c), ERR_LEASE_LOST);
	CHECK_EQUAL_INT(try_merge(a, (struct shard_range){ id, 21, b.epoch }), ERR_LEASE_LOST);
	CHECK_EQUAL_INT(try_merge(a, (struct shard_range){ id + 99, 20, b.epoch }),
		ERR_CONSUMER_GONE);
	CHECK_EQUAL_INT(try_merge(range_at(tide, "other", 0), b), ERR_LEASE_LOST);
	advance_range(tide, "c", 20, position_of(20) + 1);
	CHECK_EQUAL_INT(try_merge(a, b), ERR_LEASE_LOST);
	CHECK_EQUAL_INT(try_merge(b, c), ERR_LEASE_LOST);
	advance_range(tide, "c", 0, position_of(20));
	join_range(tide, "c", 0, 2, NO_DEATH);
	CHECK_EQUAL_INT(try_merge(range_at(tide, "c", 0), b), ERR_LEASE_LOST);
	MUST(tide_leave_consumer(tide, range_at(tide, "c", 0), &failure), failure);
	CHECK_EQUAL_INT(try_merge(range_at(tide, "c", 0), b), ERR_LEASE_LOST);
	CHECK_EQUAL_UINT(ranges_of(tide, "c").count, 3);
	delete_consumer(tide, "other");
	stop();
}

/* The stricter limits and the sums of both ranges remain. */
static void a_merge_adds_ranges(void)
{
	uint64_t id = start_with_three(), to = position_of(0) + 5, epoch;
	struct shard_range a, b;
	struct progress_row row;

	advance_range(tide, "c", 0, to);
	advance_range(tide, "c", 20, to - 1);
	advance_range(tide, "c", 20, to);
	fail_range(0, to + 3, 4, 1);
	fail_range(20, to + 2, 3, 2);
	a = range_at(tide, "c", 0);
	b = range_at(tide, "c", 20);
	epoch = a.epoch > b.epoch ? a.epoch : b.epoch;
	MUST(tide_merge_ranges(tide, a, b, &row, &failure), failure);
	CHECK(row.first == 0 && row.last == 39 && row.epoch == epoch + 1 && row.position == to);
	check_row(0, 39, epoch + 1, 1);
	CHECK(row.attempts == 2 && row.largest_batch == 3 && row.limit_until == to + 3);
	CHECK(row.records == 3 && row.batches == 3 && row.failures == 3);
	CHECK_EQUAL_INT(try_batch(a, to), ERR_LEASE_LOST);
	CHECK_EQUAL_INT(try_batch(b, to), ERR_LEASE_LOST);
	CHECK_EQUAL_INT(try_batch(range_of(id, &row), to), 0);
	split_range(tide, "c", 0, 20, false);
	CHECK_EQUAL_INT(try_batch(b, to), ERR_LEASE_LOST);
	CHECK_EQUAL_INT(try_batch(range_of(id, &row), to), ERR_LEASE_LOST);
	stop();
}

/* A limit of one range is not removed by a neighbour that has none. */
static void a_merge_keeps_a_limit(void)
{
	uint64_t to;

	for (int right = 0; right < 2; right++) {
		start_with_three();
		to = position_of(0) + 2;
		fail_range(right ? 20 : 0, to, 7, 1);
		MUST(tide_merge_ranges(tide, range_at(tide, "c", 0), range_at(tide, "c", 20),
			&(struct progress_row){ 0 }, &failure), failure);
		CHECK_EQUAL_UINT(row_at(tide, "c", 0).largest_batch, 7);
		CHECK_EQUAL_UINT(row_at(tide, "c", 0).limit_until, to);
		CHECK_EQUAL_UINT(row_at(tide, "c", 0).attempts, 1);
		stop();
	}
}

/* A command makes one range of all shards, in an epoch that none of them had. */
static void a_move_unites(void)
{
	uint64_t id = start_with_three(), from = position_of(0), epoch;
	struct shard_range old[] = { range_at(tide, "c", 0), range_at(tide, "c", 20),
		range_at(tide, "c", 40) };
	struct progress_row row;

	advance_range(tide, "c", 0, from + 4);
	advance_range(tide, "c", 40, from + 3);
	fail_range(20, from + 1, 1, 2);
	epoch = old[2].epoch;
	CHECK(epoch > old[0].epoch && epoch > old[1].epoch);
	CHECK_EQUAL_UINT(described(tide, "c").progress.position, from);
	move_consumer(tide, "c", TIDE_AFTER, from + 3);
	CHECK_EQUAL_UINT(ranges_of(tide, "c").count, 1);
	row = row_at(tide, "c", 0);
	CHECK(row.last == 63 && row.epoch > epoch && row.owner.worker == 0);
	CHECK(row.position == from + 3 && row.records == 2 && row.batches == 2);
	CHECK(row.failures == 2 && row.attempts == 0 && row.largest_batch == 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQUAL_INT(try_batch(old[i], from + 3), ERR_LEASE_LOST);
	CHECK_EQUAL_INT(try_batch(range_of(id, &row), from + 3), 0);
	split_range(tide, "c", 0, 20, false);
	split_range(tide, "c", 20, 40, false);
	for (int i = 0; i < 3; i++)
		CHECK_EQUAL_INT(try_batch(old[i], from + 3), ERR_LEASE_LOST);
	stop();
}

/* Without progress there is nothing to unite. */
static void missing_progress_is_damage(void)
{
	uint64_t id = start(64);
	struct progress_row row = row_at(tide, "c", 0);
	struct txn *txn = forge_begin(tide);
	bool is_done;

	MUST(progress_remove(txn, id, 0), failure);
	forge_commit(tide, txn);
	CHECK_EQUAL_INT(tide_move_consumer(tide, NAME, TIDE_LATEST, 0, false, &is_done, &failure),
		ERR_CORRUPT);
	MUST(tide_pause_consumer(tide, NAME, true, &failure), failure);
	CHECK_EQUAL_INT(set_shards_of(tide, NAME, 48, 0, &failure), ERR_CORRUPT);
	CHECK_EQUAL_INT(set_shards_of(tide, NAME, 128, 0, &failure), ERR_CORRUPT);
	txn = forge_begin(tide);
	MUST(progress_write(txn, id, &row), failure);
	forge_commit(tide, txn);
	stop();
}

/* Ranges that do not cover the shards are neither described nor united: the records of the others
 * would be lost. */
static void a_missing_range_is_damage(void)
{
	for (uint16_t first = 20; first <= 40; first = (uint16_t)(first + 20)) {
		uint64_t id = start_with_three();
		struct progress_row row = row_at(tide, "c", first);
		struct tide_consumer consumer;
		struct txn *txn = forge_begin(tide);
		bool is_done;

		MUST(progress_remove(txn, id, first), failure);
		forge_commit(tide, txn);
		CHECK_EQUAL_INT(tide_describe_consumer(tide, NAME, &consumer, &failure),
			ERR_CORRUPT);
		CHECK_EQUAL_INT(tide_move_consumer(tide, NAME, TIDE_LATEST, 0, false, &is_done,
			&failure), ERR_CORRUPT);
		MUST(tide_pause_consumer(tide, NAME, true, &failure), failure);
		CHECK_EQUAL_INT(set_shards_of(tide, NAME, 48, 0, &failure), ERR_CORRUPT);
		CHECK_EQUAL_INT(set_shards_of(tide, NAME, 128, 0, &failure), ERR_CORRUPT);
		txn = forge_begin(tide);
		MUST(progress_write(txn, id, &row), failure);
		forge_commit(tide, txn);
		CHECK_EQUAL_UINT(ranges_of(tide, "c").count, 3);
		stop();
	}
}

/* --- the number of shards --- */

static int try_reshard(unsigned shards)
{
	int err = set_shards_of(tide, NAME, shards, 0, &failure);

	CHECK(!tide_in_transaction(tide));
	return err;
}

static void pause_consumer(bool is_paused)
{
	MUST(tide_pause_consumer(tide, NAME, is_paused, &failure), failure);
}

static void a_number_of_shards_is_refused(void)
{
	uint64_t from;

	start_with_three();
	from = position_of(0);
	CHECK_EQUAL_INT(try_reshard(64), 0);
	CHECK_EQUAL_INT(try_reshard(128), ERR_CONSUMER_DIFFERS);
	CHECK(strstr(failure.message, "paused"));
	pause_consumer(true);
	CHECK_EQUAL_INT(try_reshard(0), 0);      /* unchanged */
	CHECK_EQUAL_INT(try_reshard(CONSUMER_SHARDS_MAX + 1), ERR_VALIDATION);
	CHECK_EQUAL_INT(try_reshard(CONSUMER_SHARDS_MAX + 64), ERR_VALIDATION);
	CHECK_EQUAL_INT(set_shards_of(tide, slice_of_text("none"), 64, 0, &failure),
		ERR_NOT_FOUND);
	advance_range(tide, "c", 40, from + 1);
	CHECK_EQUAL_INT(try_reshard(32), ERR_VALIDATION);
	CHECK(strstr(failure.message, "multiple"));
	CHECK_EQUAL_INT(try_reshard(1), ERR_VALIDATION);
	CHECK_EQUAL_INT(try_reshard(65), ERR_VALIDATION);
	CHECK_EQUAL_INT(described(tide, "c").row.shards, 64);
	CHECK_EQUAL_UINT(ranges_of(tide, "c").count, 3);
	stop();
}

/* Each range has the hashes that it had, and a new epoch. */
static void shards_are_multiplied(void)
{
	uint64_t id = start_with_three(), from = position_of(0);
	struct shard_range old[] = { range_at(tide, "c", 0), range_at(tide, "c", 20),
		range_at(tide, "c", 40) };
	struct ranges before, after;

	advance_range(tide, "c", 20, from + 2);
	fail_range(40, from + 4, 3, 1);
	pause_consumer(true);
	before = ranges_of(tide, "c");
	CHECK_EQUAL_INT(try_reshard(128), 0);
	after = ranges_of(tide, "c");
	CHECK(after.shards == 128 && after.count == 3);
	for (size_t i = 0; i < 3; i++) {
		struct progress_row *b = &before.all[i], *a = &after.all[i];
		struct shard_hashes was = hashes_of_shards(b->first, b->last, 64),
			is = hashes_of_shards(a->first, a->last, 128);

		CHECK(was.first == is.first && was.last == is.last);
		CHECK(a->position == b->position && a->attempts == b->attempts);
		CHECK(a->largest_batch == b->largest_batch && a->records == b->records);
		CHECK(a->owner.worker == 0 && a->epoch > old[2].epoch);
		CHECK_EQUAL_INT(try_batch(old[i], b->position), ERR_LEASE_LOST);
		CHECK_EQUAL_INT(try_batch((struct shard_range){ id, a->first, b->epoch },
			b->position), ERR_LEASE_LOST);
		CHECK_EQUAL_INT(try_batch(range_of(id, a), a->position), 0);
	}
	check_row(40, 79, after.all[1].epoch, 0);
	CHECK_EQUAL_INT(try_reshard(CONSUMER_SHARDS_MAX), 0);
	CHECK_EQUAL_UINT(ranges_of(tide, "c").all[2].last, CONSUMER_SHARDS_MAX - 1);
	stop();
}

static int try_by(enum consumer_by by, unsigned shards)
{
	struct consumer_change change = { .settings = NO_SETTINGS, .shards = (uint16_t)shards,
		.by = by };

	return tide_set_consumer(tide, NAME, &change, &failure);
}

/* No batch that was read before can be committed, also if the number of shards is the same. */
static void a_change_of_batches_renews(void)
{
	uint64_t from, id = start(1);
	struct progress_row before = row_at(tide, "c", 0), after;

	from = before.position;
	CHECK_EQUAL_INT(try_by(BY_TRANSACTION, 1), ERR_CONSUMER_DIFFERS);
	CHECK(strstr(failure.message, "paused"));
	pause_consumer(true);
	CHECK_EQUAL_INT(try_by(BY_TRANSACTION, 1), 0);
	pause_consumer(false);
	after = row_at(tide, "c", 0);
	CHECK(after.epoch > before.epoch && after.position == from && after.last == 0);
	CHECK_EQUAL_INT(try_batch(range_of(id, &before), from), ERR_LEASE_LOST);
	stop();
}

/* Any number is possible while all ranges have the same position. */
static void shards_are_replaced(void)
{
	static const uint16_t numbers[] = { 48, 1, 7, CONSUMER_SHARDS_MAX, 3 };
	uint64_t id = start_with_three(), from = position_of(0) + 1;
	struct shard_range old[] = { range_at(tide, "c", 0), range_at(tide, "c", 20),
		range_at(tide, "c", 40) };

	for (uint16_t first = 0; first < 60; first = (uint16_t)(first + 20))
		advance_range(tide, "c", first, from);
	pause_consumer(true);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		struct progress_row before = row_at(tide, "c", 0), row;

		CHECK_EQUAL_INT(try_reshard(numbers[i]), 0);
		row = row_at(tide, "c", 0);
		CHECK_EQUAL_INT(described(tide, "c").row.shards, numbers[i]);
		CHECK_EQUAL_UINT(ranges_of(tide, "c").count, 1);
		CHECK(row.last == numbers[i] - 1 && row.epoch > before.epoch);
		CHECK(row.epoch > old[2].epoch && row.position == from && row.records == 3);
		CHECK_EQUAL_INT(try_batch(range_of(id, &before), from), ERR_LEASE_LOST);
		for (int j = 0; j < 3; j++)
			CHECK_EQUAL_INT(try_batch(old[j], from), ERR_LEASE_LOST);
		check_clean(tide);
	}
	stop();
}

/* The attempts and limits of a batch that has failed are kept, whatever the shards. */
static void attempts_survive_a_replacement(void)
{
	start_with_three();
	fail_range(40, position_of(40) + 5, 2, 3);
	pause_consumer(true);
	CHECK_EQUAL_INT(try_reshard(7), 0);
	CHECK_EQUAL_UINT(row_at(tide, "c", 0).attempts, 3);
	CHECK_EQUAL_UINT(row_at(tide, "c", 0).largest_batch, 2);
	CHECK_EQUAL_UINT(row_at(tide, "c", 0).limit_until, position_of(0) + 5);
	stop();
}

/* --- progress of two ranges --- */

static void ranges_move_alone(void)
{
	uint64_t from;
	struct progress_row left, right;

	start_with_three();
	from = position_of(0);
	fail_range(20, from + 6, 2, 1);
	advance_range(tide, "c", 0, from + 1);
	left = row_at(tide, "c", 0);
	right = row_at(tide, "c", 20);
	CHECK(left.position == from + 1 && left.attempts == 0 && left.largest_batch == 0);
	CHECK(right.position == from && right.attempts == 1 && right.largest_batch == 2);
	CHECK_EQUAL_UINT(row_at(tide, "c", 40).position, from);
	CHECK_EQUAL_UINT(described(tide, "c").progress.position, from);
	advance_range(tide, "c", 20, from + 6);
	advance_range(tide, "c", 40, from + 7);
	CHECK_EQUAL_UINT(row_at(tide, "c", 20).largest_batch, 0);
	CHECK_EQUAL_UINT(described(tide, "c").progress.position, from + 1);
	CHECK_EQUAL_UINT(described(tide, "c").progress.records, 3);
	CHECK_EQUAL_UINT(described(tide, "c").progress.batches, 3);
	CHECK_EQUAL_UINT(described(tide, "c").progress.failures, 1);
	CHECK_EQUAL_UINT(row_at(tide, "c", 0).records, 1);
	stop();
}

static void ends_are_kept_in_the_first_row(void)
{
	struct shard_range second;

	start_with_three();
	second = range_at(tide, "c", 20);
	MUST(tide_end_consumer(tide, second, slice_of_text("TRIMMED lost"), &failure), failure);
	CHECK(slice_equal(described(tide, "c").progress.end, slice_of_text("TRIMMED lost")));
	check_clean(tide);
	advance_range(tide, "c", 0, position_of(0) + 1);
	advance_range(tide, "c", 20, position_of(20) + 1);
	CHECK(slice_equal(described(tide, "c").progress.end, slice_of_text("TRIMMED lost")));
	join_range(tide, "c", 40, 3, NO_DEATH);
	CHECK_EQUAL_UINT(described(tide, "c").progress.end.len, 0);
	second.epoch--;
	CHECK_EQUAL_INT(tide_end_consumer(tide, second, slice_of_text("X"), &failure),
		ERR_LEASE_LOST);
	stop();
}

/* A consumer of one stream reads another one only after all ranges have read the first. */
static void a_renewal_waits_for_all_ranges(void)
{
	struct tide_consumer_spec spec = consumer_spec("c", TIDE_LATEST);
	struct slice next = slice_of("\0\0\0\3", 4);
	struct progress_row row;
	struct shard_range range;
	bool is_done = true;
	uint64_t last = 0;

	spec.streams = slice_of("\0\0\0\2", 4);
	MUST(tide_create_consumer(tide, &spec, &failure), failure);
	for (int i = 0; i < 3; i++)
		last = put_alone(tide, &orders, "a", "b", i % 2 ? "1" : "2");
	join_range(tide, "c", 0, 1, NO_DEATH);
	split_range(tide, "c", 0, 20, false);
	join_range(tide, "c", 20, 2, NO_DEATH);
	advance_range(tide, "c", 0, last);
	range = range_at(tide, "c", 0);
	for (int i = 0; i < 2; i++) {
		MUST(tide_renew_consumer(tide, NAME, i ? range_at(tide, "c", 20) : range, next,
			&is_done, &failure), failure);
		CHECK(!is_done);
	}
	CHECK(slice_equal(described(tide, "c").row.streams, spec.streams));
	CHECK_EQUAL_UINT(described(tide, "c").progress.gaps, 0);
	CHECK_EQUAL_UINT(ranges_of(tide, "c").count, 2);
	advance_range(tide, "c", 20, last);
	MUST(tide_renew_consumer(tide, NAME, range, next, &is_done, &failure), failure);
	CHECK(is_done);
	CHECK(slice_equal(described(tide, "c").row.streams, next));
	row = row_at(tide, "c", 0);
	CHECK(row.last == 63 && row.gaps == 1 && row.position == last);
	CHECK_EQUAL_INT(tide_renew_consumer(tide, NAME, range, next, &is_done, &failure),
		ERR_LEASE_LOST);
	stop();
}

/* --- random steps --- */

/* What is known of each shard: the range that contains it. */
struct model {
	struct ranges ranges;
	struct shard_range stale[2000];
	size_t stale_count;
};

static const struct progress_row *find_row(const struct ranges *ranges, unsigned shard)
{
	size_t i = 0;

	while (ranges->all[i].last < shard)
		i++;
	CHECK(i < ranges->count);
	return &ranges->all[i];
}

static bool is_same(const struct progress_row *a, const struct progress_row *b)
{
	return a->first == b->first && a->last == b->last && a->epoch == b->epoch;
}

/* Notes the ranges that no longer exist, and verifies that the epoch of each shard has increased
 * if its range has changed. */
static void compare(struct model *model, const struct ranges *now)
{
	const struct ranges *before = &model->ranges;

	for (unsigned shard = 0; shard < now->shards; shard++) {
		unsigned old = shard * before->shards / now->shards;
		const struct progress_row *was = find_row(before, old),
			*is = find_row(now, shard);

		CHECK(is->epoch > was->epoch || (is_same(is, was) &&
			before->shards == now->shards));
	}
	for (size_t i = 0; i < before->count && model->stale_count < 2000; i++)
		if (before->shards != now->shards ||
				!is_same(&before->all[i], find_row(now, before->all[i].first)))
			model->stale[model->stale_count++] = range_of(before->consumer,
				&before->all[i]);
	model->ranges = *now;
}

static void random_step(const struct ranges *ranges, uint64_t last)
{
	size_t i = (size_t)check_random_below(ranges->count);
	const struct progress_row *row = &ranges->all[i];
	struct shard_range range = range_of(ranges->consumer, row);
	static const uint16_t numbers[] = { 1, 2, 6, 12, 24, 48 };
	struct progress_row out;
	uint64_t what = check_random_below(40);

	if (what < 8)
		join_range(tide, "c", row->first, 1 + (uint32_t)check_random_below(2), NO_DEATH);
	else if (what < 18 && row->first < row->last && ranges->count < RANGES_MAX)
		split_range(tide, "c", row->first, (uint16_t)(row->first + 1 +
			check_random_below((uint64_t)(row->last - row->first))), what % 2);
	else if (what < 26 && i > 0)
		CHECK(tide_merge_ranges(tide, range_of(ranges->consumer, row - 1), range, &out,
			&failure) == 0 || failure.err == ERR_LEASE_LOST);
	else if (what < 36)
		advance_range(tide, "c", row->first, check_random_below(4) ? last :
			row->position);
	else if (what < 38)
		CHECK(try_reshard(numbers[check_random_below(6)]) == 0 ||
			failure.err == ERR_VALIDATION);
	else if (what < 39)
		move_consumer(tide, "c", TIDE_AFTER, last);
	else
		MUST(tide_leave_consumer(tide, range, &failure), failure);
}

/* No range that was divided, united or taken over commits again, whatever happens later. */
static void stale_ranges_stay_stale(void)
{
	static struct model model;
	uint64_t runs = check_runs(600), last = 0;

	start(12);
	pause_consumer(true);
	model.stale_count = 0;
	model.ranges = ranges_of(tide, "c");
	for (uint64_t run = 0; run < runs; run++) {
		struct ranges now;

		if (run % 20 == 0)
			last = put_alone(tide, &orders, "a", "b", run % 40 ? "1" : "2");
		random_step(&model.ranges, last);
		now = ranges_of(tide, "c");
		CHECK(now.all[0].first == 0 && now.all[now.count - 1].last == now.shards - 1);
		compare(&model, &now);
		for (int i = 0; i < 5 && model.stale_count; i++) {
			struct shard_range stale = model.stale[check_random_below(
				model.stale_count)];

			CHECK_EQUAL_INT(try_batch(stale, last), ERR_LEASE_LOST);
		}
		if (run % 50 == 0)
			check_clean(tide);
	}
	CHECK(model.stale_count > 0);
	stop();
}

/* Random consumers with several ranges keep all invariants. */
static void random_consumers(void)
{
	struct tide *former = tide;
	struct tide_table_spec spec = spec_of("short");
	struct dice dice = dice_for(check_random(), 0, 0, 0);
	struct tide_table short_one;
	uint64_t runs = check_runs(5000);
	char partition[16], v[16];

	tide = open_tide(tide_path("random.tide"));
	orders = create_table(tide, "orders");
	spec.retention.max_count = 30;
	spec.retention.hold_bytes = 5000;
	MUST(tide_create_table(tide, &spec, &failure), failure);
	short_one = table_named("short");
	for (uint64_t run = 0; run < runs; run++) {
		snprintf(partition, sizeof partition, "%u", (unsigned)check_random_below(30));
		snprintf(v, sizeof v, "%u", (unsigned)run);
		if (check_random_below(3))
			put_alone(tide, check_random_below(2) ? &orders : &short_one, partition,
				"s", v);
		MUST(consume_step(tide, &dice, &failure), failure);
		if (run % 50 == 0)
			check_clean(tide);
	}
	check_clean(tide);
	tide_close(tide);
	tide = former;
}

int main(void)
{
	tide = open_tide(tide_path("range.tide"));
	orders = create_table(tide, "orders");
	create_table(tide, "others");
	a_split_keeps_one_side();
	a_split_is_refused();
	a_copy_is_not_divided();
	a_merge_is_refused();
	a_merge_adds_ranges();
	a_merge_keeps_a_limit();
	a_move_unites();
	missing_progress_is_damage();
	a_missing_range_is_damage();
	a_number_of_shards_is_refused();
	shards_are_multiplied();
	a_change_of_batches_renews();
	shards_are_replaced();
	attempts_survive_a_replacement();
	ranges_move_alone();
	ends_are_kept_in_the_first_row();
	a_renewal_waits_for_all_ranges();
	stale_ranges_stay_stale();
	random_consumers();
	tide_close(tide);
	return 0;
}
