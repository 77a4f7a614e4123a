/* test_consume.c - table/consume.h: creation, ownership and progress of consumers. */
#include "api/database.h"
#include "os/commit_notifier.h"
#include "table/consume.h"
#include "unit/consumers.h"
#include "unit/forge.h"

static struct failure failure;

static int try_create(struct tide *tide, const char *name, enum tide_from from, uint64_t at)
{
	struct tide_consumer_spec wanted = consumer_spec(name, from);
	int err;

	wanted.at = at;
	err = tide_create_consumer(tide, &wanted, &failure);
	CHECK(!tide_in_transaction(tide));
	return err;
}

static int try_delete(struct tide *tide, const char *name)
{
	bool is_done;

	return tide_delete_consumer(tide, slice_of_text(name), false, &is_done, &failure);
}

static int try_move(struct tide *tide, const char *name, enum tide_from from, uint64_t at)
{
	bool is_done;

	return tide_move_consumer(tide, slice_of_text(name), from, at, false, &is_done, &failure);
}

static struct tide_consumer created(struct tide *tide, const char *name, enum tide_from from,
	uint64_t at)
{
	MUST(try_create(tide, name, from, at), failure);
	return described(tide, name);
}

static uint64_t put_one(struct tide *tide, struct tide_table *table, const char *v)
{
	return put_alone(tide, table, "a", "b", v);
}

static struct progress_row joined(struct tide *tide, const struct tide_consumer *consumer)
{
	struct shard_owner owner = { .opening = "opening", .worker = 7 };
	struct progress_row row;

	MUST(tide_join_consumer(tide, whole(consumer->row.id, consumer->progress.epoch), &owner,
		NO_DEATH, &row, &failure), failure);
	return row;
}

static int advance(struct tide *tide, uint64_t id, uint64_t epoch, uint64_t from, uint64_t to)
{
	struct consume_batch batch = { .consumer = id, .epoch = epoch, .from = from, .to = to,
		.records = to - from };

	return commit_batch_of(tide, &batch, &failure);
}

static void names_and_sizes(struct tide *tide)
{
	char longest[CONSUMER_NAME_MAX + 2] = { 0 };
	struct tide_consumer_spec wanted = consumer_spec("shards", TIDE_LATEST);
	static uint8_t big[2100];

	memset(longest, 'n', CONSUMER_NAME_MAX + 1);
	CHECK_EQUAL_INT(try_create(tide, longest, TIDE_LATEST, 0), ERR_VALIDATION);
	longest[CONSUMER_NAME_MAX] = '\0';
	CHECK_EQUAL_INT(try_create(tide, longest, TIDE_LATEST, 0), 0);
	CHECK_EQUAL_INT(try_create(tide, longest, TIDE_LATEST, 0), ERR_IN_USE);
	delete_consumer(tide, longest);
	CHECK_EQUAL_INT(try_delete(tide, longest), ERR_NOT_FOUND);
	CHECK_EQUAL_INT(try_create(tide, "", TIDE_LATEST, 0), ERR_VALIDATION);
	CHECK_EQUAL_INT(try_create(tide, "a b", TIDE_LATEST, 0), ERR_VALIDATION);
	wanted.shards = 0;
	CHECK_EQUAL_INT(tide_create_consumer(tide, &wanted, &failure), ERR_VALIDATION);
	wanted.shards = CONSUMER_SHARDS_MAX + 1;
	CHECK_EQUAL_INT(tide_create_consumer(tide, &wanted, &failure), ERR_VALIDATION);
	wanted.shards = 1;
	wanted.settings = slice_of(big, sizeof big);
	CHECK_EQUAL_INT(tide_create_consumer(tide, &wanted, &failure), ERR_LIMIT);
	wanted.settings = NO_SETTINGS;
	wanted.streams = slice_of("\0\0\0\2\0\0\0\2", 8);      /* not ascending */
	CHECK_EQUAL_INT(tide_create_consumer(tide, &wanted, &failure), ERR_VALIDATION);
	wanted.streams = slice_of("\0\0\0\1\0\0\0\2", 8);      /* changes of tables */
	CHECK_EQUAL_INT(tide_create_consumer(tide, &wanted, &failure), ERR_VALIDATION);
	wanted.streams = slice_of(big, 4 * (CONSUMER_SOURCES_MAX + 1));
	CHECK_EQUAL_INT(tide_create_consumer(tide, &wanted, &failure), ERR_LIMIT);
	wanted.streams = slice_of("\0\0\0\x63", 4);
	CHECK_EQUAL_INT(tide_create_consumer(tide, &wanted, &failure), ERR_NOT_FOUND);
	CHECK_EQUAL_INT(tide_describe_consumer(tide, wanted.name, &(struct tide_consumer){ 0 },
		&failure), ERR_NOT_FOUND);
}

/* Every start position becomes a sequence number at creation. */
static void start_positions(struct tide *tide, struct tide_table *table)
{
	uint64_t first = put_one(tide, table, "1"), last = put_one(tide, table, "2");

	CHECK_EQUAL_UINT(created(tide, "oldest", TIDE_TRIM_HORIZON, 0).progress.position, 0);
	CHECK_EQUAL_UINT(created(tide, "latest", TIDE_LATEST, 0).progress.position, last);
	CHECK_EQUAL_UINT(created(tide, "at", TIDE_AT, last).progress.position, last - 1);
	CHECK_EQUAL_UINT(created(tide, "after", TIDE_AFTER, first).progress.position, first);
	CHECK_EQUAL_UINT(created(tide, "time", TIDE_TIME, 0).progress.position, first - 1);
	CHECK_EQUAL_INT(try_create(tide, "ahead", TIDE_AFTER, last + 1), ERR_AHEAD);
}

/* Of two workers that believe to be the owner, only the later one commits. */
static void an_epoch_fences(struct tide *tide, struct tide_table *table)
{
	struct tide_consumer consumer = created(tide, "fenced", TIDE_LATEST, 0);
	uint64_t id = consumer.row.id, from = consumer.progress.position;
	struct progress_row old = joined(tide, &consumer), new;
	struct shard_owner other = { .worker = 8 };
	uint64_t to = put_one(tide, table, "3");

	CHECK_EQUAL_UINT(old.epoch, consumer.progress.epoch + 1);
	CHECK_EQUAL_INT(tide_join_consumer(tide, whole(id, consumer.progress.epoch), &other,
		NO_DEATH, &new, &failure), ERR_LEASE_LOST);
	CHECK_EQUAL_INT(tide_join_consumer(tide, whole(id, old.epoch), &other, NO_DEATH, &new,
		&failure), 0);
	CHECK_EQUAL_INT(advance(tide, id, old.epoch, from, to), ERR_LEASE_LOST);
	CHECK_EQUAL_INT(advance(tide, id, new.epoch, from, to), 0);
	CHECK_EQUAL_INT(advance(tide, id, new.epoch, from, to), ERR_LEASE_LOST);
	CHECK_EQUAL_INT(advance(tide, id, new.epoch, to, to + 1), ERR_AHEAD);
	CHECK_EQUAL_INT(advance(tide, id, new.epoch, to, from), ERR_AHEAD);
	CHECK_EQUAL_UINT(described(tide, "fenced").progress.position, to);
	CHECK_EQUAL_UINT(described(tide, "fenced").progress.records, to - from);
	CHECK_EQUAL_INT(tide_renew_consumer(tide, slice_of_text("fenced"), whole(id, new.epoch),
		slice_of("\0\0\0\3\0\0\0\2", 8), &(bool){ false }, &failure), ERR_VALIDATION);
	CHECK_EQUAL_INT(tide_leave_consumer(tide, whole(id, old.epoch), &failure), ERR_LEASE_LOST);
	CHECK_EQUAL_INT(tide_leave_consumer(tide, whole(id, new.epoch), &failure), 0);
	CHECK_EQUAL_INT((int)described(tide, "fenced").progress.owner.worker, 0);
}

/* A command that sets the position takes the batch in hand from its worker. */
static void a_move_fences(struct tide *tide, struct tide_table *table)
{
	struct tide_consumer consumer = created(tide, "moved", TIDE_LATEST, 0);
	uint64_t id = consumer.row.id, from = consumer.progress.position;
	struct progress_row row = joined(tide, &consumer);
	uint64_t to = put_one(tide, table, "4");

	move_consumer(tide, "moved", TIDE_AFTER, from);
	CHECK_EQUAL_INT(advance(tide, id, row.epoch, from, to), ERR_LEASE_LOST);
	CHECK_EQUAL_INT(try_move(tide, "moved", TIDE_AFTER, to + 1), ERR_AHEAD);
	CHECK_EQUAL_INT(try_move(tide, "none", TIDE_LATEST, 0), ERR_NOT_FOUND);
	CHECK_EQUAL_UINT(described(tide, "moved").progress.epoch, row.epoch + 1);
}

/* A late commit can't touch a new consumer with the same name. */
static void a_deleted_consumer_is_gone(struct tide *tide)
{
	struct tide_consumer consumer = created(tide, "gone", TIDE_LATEST, 0);
	uint64_t at = consumer.progress.position;
	struct progress_row row = joined(tide, &consumer);
	struct tide_feed *feed;

	delete_consumer(tide, "gone");
	CHECK_EQUAL_INT(advance(tide, consumer.row.id, row.epoch, at, at), ERR_CONSUMER_GONE);
	CHECK(created(tide, "gone", TIDE_LATEST, 0).row.id != consumer.row.id);
	CHECK_EQUAL_INT(advance(tide, consumer.row.id, row.epoch, at, at), ERR_CONSUMER_GONE);
	CHECK_EQUAL_INT(tide_leave_consumer(tide, whole(consumer.row.id, row.epoch), &failure),
		ERR_CONSUMER_GONE);
	CHECK_EQUAL_INT(tide_consumer_feed(&feed, tide, whole(consumer.row.id, row.epoch), 64,
		slice_of(NULL, 0), &failure), ERR_CONSUMER_GONE);
}

static void pause_and_settings_are_kept(struct tide *tide)
{
	static const struct slice other = { (const uint8_t *)"\0\0", 2 };
	struct tide_consumer consumer = created(tide, "paused", TIDE_LATEST, 0);

	CHECK(!consumer.row.is_paused);
	for (int i = 0; i < 2; i++)
		MUST(tide_pause_consumer(tide, slice_of_text("paused"), true, &failure), failure);
	CHECK(described(tide, "paused").row.is_paused);
	MUST(tide_set_consumer(tide, slice_of_text("paused"),
		&(struct consumer_change){ .settings = other }, &failure), failure);
	CHECK(slice_equal(described(tide, "paused").row.settings, other));
	CHECK(described(tide, "paused").row.is_paused);
	MUST(tide_pause_consumer(tide, slice_of_text("paused"), false, &failure), failure);
	CHECK(slice_equal(described(tide, "paused").row.settings, other));
	CHECK_EQUAL_INT(tide_pause_consumer(tide, slice_of_text("none"), true, &failure),
		ERR_NOT_FOUND);
}

static void failures_are_counted(struct tide *tide, struct tide_table *table)
{
	struct tide_consumer consumer = created(tide, "failing", TIDE_LATEST, 0);
	uint64_t at = consumer.progress.position;
	struct progress_row row = joined(tide, &consumer);
	struct consume_batch batch = { .consumer = consumer.row.id, .epoch = row.epoch,
		.from = at, .to = at };

	MUST(tide_fail_consumer(tide, &batch, 5, &failure), failure);
	MUST(tide_fail_consumer(tide, &batch, 2, &failure), failure);
	row = described(tide, "failing").progress;
	CHECK_EQUAL_INT((int)row.attempts, 2);
	CHECK_EQUAL_INT((int)row.largest_batch, 2);
	batch.to = put_one(tide, table, "7");    /* left out: it is no batch */
	MUST(tide_skip_ignored(tide, &batch, &failure), failure);
	row = described(tide, "failing").progress;
	CHECK_EQUAL_UINT(row.position, batch.to);
	CHECK_EQUAL_INT((int)row.attempts, 2);
	CHECK_EQUAL_UINT(row.batches, 0);
	at = batch.to;
	CHECK_EQUAL_INT(advance(tide, batch.consumer, row.epoch, at, put_one(tide, table, "8")), 0);
	row = described(tide, "failing").progress;
	CHECK_EQUAL_INT((int)row.attempts, 0);
	CHECK_EQUAL_INT((int)row.largest_batch, 0);
	CHECK_EQUAL_UINT(row.failures, 2);
	CHECK_EQUAL_UINT(row.batches, 1);
	CHECK_EQUAL_INT(tide_skip_ignored(tide, &batch, &failure), ERR_LEASE_LOST);
	CHECK_EQUAL_INT(tide_fail_consumer(tide, &batch, 1, &failure), ERR_LEASE_LOST);
}

/* A commit that only moves a position wakes no reader; one of a command wakes the workers. */
static void progress_is_quiet(struct tide *tide, struct tide_table *table)
{
	const struct shared_page *shared = store_shared_page(tide->store);
	struct tide_consumer consumer = created(tide, "quiet", TIDE_LATEST, 0);
	struct progress_row row = joined(tide, &consumer);
	uint64_t at = row.position, to = put_one(tide, table, "5");
	uint32_t all = commit_count(shared, 0), one = commit_count(shared, 1);

	CHECK_EQUAL_INT(advance(tide, consumer.row.id, row.epoch, at, to), 0);
	CHECK_EQUAL_INT((int)commit_count(shared, 0), (int)all);
	CHECK_EQUAL_INT((int)commit_count(shared, 1), (int)one);
	MUST(tide_leave_consumer(tide, whole(consumer.row.id, row.epoch), &failure), failure);
	CHECK(commit_count(shared, 0) != all && commit_count(shared, 1) != one);
	all = commit_count(shared, 0);
	begin(tide);
	put(tide, table, "a", "b", "6");
	commit(tide);
	CHECK(commit_count(shared, 0) != all);
}

static void names_are_listed(struct tide *tide)
{
	struct buffer names = { 0 };
	struct slice before = slice_of_text("");
	struct source source;
	int count = 0;

	MUST(tide_consumer_names(tide, &names, &failure), failure);
	source = source_of(buffer_slice(&names));
	for (; source_left(&source); count++) {
		struct slice name = source_counted(&source);

		CHECK(slice_compare(before, name) < 0);
		before = name;
	}
	CHECK_EQUAL_INT(source_finish(&source), 0);
	CHECK(count >= 9);
	buffer_release(&names);
}

/* --- check --- */

static void check_finds_wrong_progress(struct tide *tide)
{
	struct tide_consumer consumer = described(tide, "quiet");
	struct progress_row row = consumer.progress;
	struct txn *txn = forge_begin(tide);
	row.last = 9;
	MUST(progress_write(txn, consumer.row.id, &row), failure);
	CHECK_EQUAL_UINT(forge_problems(tide, txn), 1);
	txn = forge_begin(tide);
	row.first = 8;
	row.last = 63;
	MUST(progress_write(txn, consumer.row.id, &row), failure);
	CHECK_EQUAL_UINT(forge_problems(tide, txn), 1);
	txn = forge_begin(tide);
	MUST(consumer_remove(txn, slice_of_text("quiet"), consumer.row.id), failure);
	row.first = 0;
	MUST(progress_write(txn, consumer.row.id, &row), failure);
	CHECK_EQUAL_UINT(forge_problems(tide, txn), 1);
	txn = forge_begin(tide);
	MUST(consumer_remove(txn, slice_of_text("latest"), consumer.row.id), failure);
	CHECK_EQUAL_UINT(forge_problems(tide, txn), 1);
}

/* A consumer without progress is damage, which is named. */
static void missing_progress_is_damage(struct tide *tide)
{
	struct tide_consumer torn = created(tide, "torn", TIDE_LATEST, 0), other;
	struct txn *txn;

	created(tide, "victim", TIDE_LATEST, 0);
	txn = forge_begin(tide);
	MUST(consumer_remove(txn, slice_of_text("victim"), torn.row.id), failure);
	forge_commit(tide, txn);
	CHECK_EQUAL_INT(tide_describe_consumer(tide, slice_of_text("torn"), &other, &failure),
		ERR_CORRUPT);
	CHECK(strstr(failure.message, "torn"));
	CHECK_EQUAL_INT(try_move(tide, "torn", TIDE_LATEST, 0), ERR_CORRUPT);
}

int main(void)
{
	struct tide *tide = open_tide(tide_path("consume.tide"));
	struct tide_table table = create_table(tide, "orders");

	names_and_sizes(tide);
	start_positions(tide, &table);
	an_epoch_fences(tide, &table);
	a_move_fences(tide, &table);
	a_deleted_consumer_is_gone(tide);
	pause_and_settings_are_kept(tide);
	failures_are_counted(tide, &table);
	progress_is_quiet(tide, &table);
	names_are_listed(tide);
	check_clean(tide);
	check_finds_wrong_progress(tide);
	missing_progress_is_damage(tide);
	tide_close(tide);
	return 0;
}
