/* test_consume_copy.c - table/consume_copy.h: the state of a consumer that is copying. */
#include "table/consume_copy.h"

#include "api/database.h"
#include "unit/consumers.h"
#include "unit/forge.h"

static struct failure failure;

/* Creates a consumer that is copying, and makes a worker its owner. */
static struct consume_batch joined(struct tide *tide, const char *name)
{
	struct tide_consumer_spec spec = consumer_spec(name, TIDE_SNAPSHOT);
	struct shard_owner owner = { .worker = 1 };
	struct tide_consumer consumer;
	struct progress_row row;

	MUST(tide_create_consumer(tide, &spec, &failure), failure);
	consumer = described(tide, name);
	MUST(tide_join_consumer(tide, whole(consumer.row.id, consumer.progress.epoch), &owner,
		NO_DEATH, &row, &failure), failure);
	CHECK(row.is_copying);
	return (struct consume_batch){ .consumer = consumer.row.id, .epoch = row.epoch,
		.from = row.position, .to = row.position };
}

static int advance(struct tide *tide, const struct consume_batch *batch)
{
	return commit_batch_of(tide, batch, &failure);
}

static struct consume_batch with_items(struct consume_batch batch, uint64_t copied, uint64_t items,
	const char *key)
{
	batch.copied = copied;
	batch.items = batch.records = items;
	batch.key = slice_of_text(key);
	return batch;
}

static void check_copy_row(struct tide *tide, uint64_t id, uint64_t items, const char *key)
{
	struct copy_row copy;

	begin(tide);
	MUST(copy_read(&copy, tide->transaction.txn, id), failure);
	CHECK_EQUAL_UINT(copy.items, items);
	CHECK(slice_equal(copy.key, slice_of_text(key)));
	tide_abort(tide);
}

/* A copy begins with a mark, moves with items in the order of their keys, and ends with a mark. */
static void a_copy_has_an_order(struct tide *tide)
{
	struct consume_batch batch = joined(tide, "ordered"), mark = batch, next;
	uint64_t batches = described(tide, "ordered").progress.batches;

	next = with_items(batch, 0, 2, "k2");
	CHECK_EQUAL_INT(advance(tide, &next), ERR_LEASE_LOST);
	mark.mark = MARK_END;
	CHECK_EQUAL_INT(advance(tide, &mark), ERR_LEASE_LOST);
	mark.mark = MARK_BEGIN;
	CHECK_EQUAL_INT(advance(tide, &mark), 0);
	CHECK_EQUAL_INT(advance(tide, &mark), ERR_LEASE_LOST);
	CHECK_EQUAL_INT(advance(tide, &next), 0);
	check_copy_row(tide, batch.consumer, 2, "k2");
	CHECK_EQUAL_INT(advance(tide, &next), ERR_LEASE_LOST);
	next = with_items(batch, 2, 1, "k1");
	CHECK_EQUAL_INT(advance(tide, &next), ERR_LEASE_LOST);
	next.key = slice_of(NULL, 0);
	CHECK_EQUAL_INT(advance(tide, &next), ERR_LEASE_LOST);
	next = with_items(batch, 2, 1, "k3");
	CHECK_EQUAL_INT(advance(tide, &next), 0);
	check_copy_row(tide, batch.consumer, 3, "k3");
	next = with_items(batch, 3, 0, "");
	next.is_ignored = true;
	CHECK_EQUAL_INT(advance(tide, &next), 0);
	check_copy_row(tide, batch.consumer, 3, "k3");
	CHECK_EQUAL_UINT(described(tide, "ordered").copy.items, 3);
	next.key = slice_of_text("k2");          /* ignored items have a key, too */
	CHECK_EQUAL_INT(advance(tide, &next), ERR_LEASE_LOST);
	next.key = slice_of_text("k3a");
	CHECK_EQUAL_INT(advance(tide, &next), 0);
	check_copy_row(tide, batch.consumer, 3, "k3a");
	next.is_ignored = false;                 /* changes, after ignored items */
	next.key = slice_of_text("k3");
	CHECK_EQUAL_INT(advance(tide, &next), ERR_LEASE_LOST);
	next.key = slice_of_text("k3b");
	CHECK_EQUAL_INT(advance(tide, &next), 0);
	check_copy_row(tide, batch.consumer, 3, "k3b");
	CHECK_EQUAL_UINT(described(tide, "ordered").progress.batches, batches + 3);
	mark.mark = MARK_END;
	CHECK_EQUAL_INT(advance(tide, &mark), ERR_LEASE_LOST);
	mark.copied = 3;
	CHECK_EQUAL_INT(advance(tide, &mark), 0);
	CHECK(!described(tide, "ordered").progress.is_copying);
	CHECK_EQUAL_INT(advance(tide, &mark), ERR_LEASE_LOST);
	next = with_items(batch, 3, 1, "k4");
	CHECK_EQUAL_INT(advance(tide, &next), ERR_LEASE_LOST);
}

/* A copy that has passed ignored items only has a key, and can lose their records. */
static void a_copy_passes_ignored_items(struct tide *tide, struct tide_table *table)
{
	struct consume_batch batch = joined(tide, "ignoring");
	struct progress_row row;

	batch.mark = MARK_BEGIN;
	CHECK_EQUAL_INT(advance(tide, &batch), 0);
	batch = with_items(batch, 0, 0, "k");
	batch.mark = MARK_NONE;
	batch.is_ignored = true;
	CHECK_EQUAL_INT(advance(tide, &batch), 0);
	check_copy_row(tide, batch.consumer, 0, "k");
	for (int i = 0; i < 4; i++)
		put_alone(tide, table, "gone", "s", i % 2 ? "1" : "2");
	MUST(tide_skip_gap(tide, slice_of_text("ignoring"), whole(batch.consumer, batch.epoch),
		false, &row, &failure), failure);
	CHECK(row.is_copying && row.gaps == 1);
	check_copy_row(tide, batch.consumer, 0, "");
	delete_consumer(tide, "ignoring");
}

/* A command that sets the position ends a copy or begins one anew. */
static void commands_replace_a_copy(struct tide *tide)
{
	struct consume_batch batch = joined(tide, "replaced");
	uint64_t last = described(tide, "replaced").last_sequence;

	batch.mark = MARK_BEGIN;
	CHECK_EQUAL_INT(advance(tide, &batch), 0);
	batch = with_items(batch, 0, 1, "k");
	batch.mark = MARK_NONE;
	CHECK_EQUAL_INT(advance(tide, &batch), 0);
	move_consumer(tide, "replaced", TIDE_SNAPSHOT, 0);
	check_copy_row(tide, batch.consumer, 0, "");
	CHECK_EQUAL_UINT(described(tide, "replaced").progress.position, last);
	CHECK_EQUAL_UINT(described(tide, "replaced").progress.epoch, batch.epoch + 1);
	move_consumer(tide, "replaced", TIDE_LATEST, 0);
	CHECK(!described(tide, "replaced").progress.is_copying);
	delete_consumer(tide, "replaced");
}

/* Makes the records after the position expire, except the last one. */
static void lose_records(struct tide *tide, struct tide_table *table)
{
	for (int i = 0; i < 4; i++)
		put_alone(tide, table, "lost", "s", i % 2 ? "1" : "2");
}

/* Records that have expired are counted once, and a copy begins at most three times. */
static void gaps_are_counted(struct tide *tide, struct tide_table *table)
{
	struct slice name = slice_of_text("trimmed");
	struct consume_batch batch = joined(tide, "trimmed");
	struct progress_row row;

	lose_records(tide, table);
	MUST(tide_skip_gap(tide, name, whole(batch.consumer, batch.epoch), false, &row, &failure),
		failure);
	CHECK(row.is_copying && row.gaps == 0);          /* no item was delivered */
	for (unsigned round = 1; round <= CONSUMER_ROUNDS_MAX; round++) {
		batch.from = batch.to = described(tide, "trimmed").progress.position;
		batch = with_items(batch, 0, 0, "");
		batch.mark = MARK_BEGIN;
		CHECK_EQUAL_INT(advance(tide, &batch), 0);
		batch = with_items(batch, 0, 1, "k");
		batch.mark = MARK_NONE;
		CHECK_EQUAL_INT(advance(tide, &batch), 0);
		CHECK_EQUAL_UINT(described(tide, "trimmed").copy.rounds, round);
		lose_records(tide, table);
		CHECK_EQUAL_INT(tide_skip_gap(tide, name, whole(batch.consumer, batch.epoch + 1),
			false, &row, &failure), ERR_LEASE_LOST);
		CHECK_EQUAL_INT(tide_skip_gap(tide, name, whole(batch.consumer, batch.epoch),
			false, &row, &failure), round < CONSUMER_ROUNDS_MAX ? 0 : ERR_TRIMMED);
	}
	row = described(tide, "trimmed").progress;
	CHECK_EQUAL_UINT(row.gaps, CONSUMER_ROUNDS_MAX - 1);
	move_consumer(tide, "trimmed", TIDE_TRIM_HORIZON, 0);
	row = described(tide, "trimmed").progress;
	CHECK_EQUAL_UINT(row.gaps, CONSUMER_ROUNDS_MAX);
	CHECK(!row.is_copying && row.position == described(tide, "trimmed").last_sequence - 1);
	lose_records(tide, table);
	MUST(tide_skip_gap(tide, name, whole(batch.consumer, row.epoch), false, &row, &failure),
		failure);
	CHECK_EQUAL_UINT(row.gaps, CONSUMER_ROUNDS_MAX + 1);
	CHECK_EQUAL_UINT(row.position, described(tide,
		"trimmed").last_sequence - 1);
	MUST(tide_skip_gap(tide, name, whole(batch.consumer, row.epoch), true, &row, &failure),
		failure);
	CHECK(!row.is_copying && row.gaps == CONSUMER_ROUNDS_MAX + 1);   /* nothing is lost now */
	CHECK_EQUAL_INT(tide_skip_gap(tide, slice_of_text("none"), whole(batch.consumer, 1), false,
		&row, &failure), ERR_CONSUMER_GONE);
	/* A later consumer of the same name is another one. */
	CHECK_EQUAL_INT(tide_skip_gap(tide, name, whole(batch.consumer + 1, row.epoch), false,
		&row, &failure), ERR_CONSUMER_GONE);
}

/* --- rows --- */

static int decode(struct copy_row row)
{
	struct buffer bytes = { 0 };
	struct copy_row again;
	int err;

	copy_put(&bytes, &row);
	err = copy_get(&again, buffer_slice(&bytes));
	if (!err)
		CHECK(again.has_begun == row.has_begun && again.rounds == row.rounds &&
			again.items == row.items && slice_equal(again.key, row.key));
	for (size_t len = 0; len < 10; len++)
		CHECK_EQUAL_INT(copy_get(&again, slice_of(bytes.data, len)), ERR_CORRUPT);
	buffer_release(&bytes);
	return err;
}

static void rows_decode(void)
{
	static const uint8_t longest[KEY_HEAD_MAX + SORT_KEY_MAX + 1];
	struct copy_row row = { .rounds = 1 };

	CHECK_EQUAL_INT(decode(row), 0);
	row.rounds = 0;
	CHECK_EQUAL_INT(decode(row), ERR_CORRUPT);
	row.rounds = CONSUMER_ROUNDS_MAX + 1;
	CHECK_EQUAL_INT(decode(row), ERR_CORRUPT);
	row.rounds = CONSUMER_ROUNDS_MAX;
	row.items = 1;
	row.has_begun = true;
	CHECK_EQUAL_INT(decode(row), ERR_CORRUPT);
	row.key = slice_of(longest, sizeof longest - 1);
	CHECK_EQUAL_INT(decode(row), 0);
	row.has_begun = false;
	CHECK_EQUAL_INT(decode(row), ERR_CORRUPT);
	row.has_begun = true;
	row.key.len++;
	CHECK_EQUAL_INT(decode(row), ERR_CORRUPT);
}

/* --- check --- */

static void check_finds_a_wrong_copy(struct tide *tide)
{
	uint64_t id = joined(tide, "checked").consumer;
	struct copy_row row = { .rounds = 1 };
	struct txn *txn = forge_begin(tide);
	MUST(copy_remove(txn, id), failure);
	CHECK_EQUAL_UINT(forge_problems(tide, txn), 1);
	txn = forge_begin(tide);
	MUST(copy_write(txn, id, &row), failure);
	CHECK_EQUAL_UINT(forge_problems(tide, txn), 0);
	txn = forge_begin(tide);
	MUST(copy_write(txn, described(tide, "trimmed").row.id, &row), failure);
	CHECK_EQUAL_UINT(forge_problems(tide, txn), 1);
	delete_consumer(tide, "trimmed");
	check_clean(tide);
	txn = forge_begin(tide);
	MUST(copy_remove(txn, id), failure);
	forge_commit(tide, txn);
	CHECK_EQUAL_INT(tide_describe_consumer(tide, slice_of_text("checked"),
		&(struct tide_consumer){ 0 }, &failure), ERR_CORRUPT);
	delete_consumer(tide, "checked");
}

int main(void)
{
	struct tide *tide = open_tide(tide_path("copy.tide"));
	struct tide_table_spec spec = spec_of("orders");
	struct tide_table table;

	spec.retention.max_count = 1;
	spec.retention.hold_bytes = 1;
	MUST(tide_create_table(tide, &spec, &failure), failure);
	table = table_named("orders");
	rows_decode();
	a_copy_has_an_order(tide);
	commands_replace_a_copy(tide);
	a_copy_passes_ignored_items(tide, &table);
	gaps_are_counted(tide, &table);
	check_clean(tide);
	check_finds_a_wrong_copy(tide);
	check_clean(tide);
	tide_close(tide);
	return 0;
}
