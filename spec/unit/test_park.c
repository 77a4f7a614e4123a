/* test_park.c - table/park.h: parked records of consumers, and what check finds in their rows. */
#include "table/park.h"
#include "unit/consumers.h"
#include "unit/forge.h"

static struct failure failure;

/* A consumer, and the records of the table as a feed delivers them. */
struct fixture {
	struct tide *tide;
	struct tide_table table;
	uint64_t id;
	uint64_t epoch;
	uint64_t position;
};

static struct progress_row progress(const struct fixture *f)
{
	return described(f->tide, "c").progress;
}

static void join(struct fixture *f, const struct handler_batch *death)
{
	struct shard_owner owner = { .opening = "opening", .worker = 7 };
	struct progress_row row;

	MUST(tide_join_consumer(f->tide, whole(f->id, progress(f).epoch), &owner, death, &row,
		&failure), failure);
	f->epoch = row.epoch;
	f->position = row.position;
}

static void create(struct fixture *f, const char *path)
{
	struct tide_consumer_spec spec = consumer_spec("c", TIDE_LATEST);

	*f = (struct fixture){ .tide = open_tide(path) };
	f->table = create_table(f->tide, "orders");
	MUST(tide_create_consumer(f->tide, &spec, &failure), failure);
	f->id = described(f->tide, "c").row.id;
	join(f, NO_DEATH);
}

/* Puts an item. Sets *place to that of its record, and bytes to the record. */
static struct parked_copy put_record(struct fixture *f, const char *partition, const char *v,
	struct parked_place *place, struct buffer *bytes)
{
	struct parked_copy copy = { .attempts = 3, .error = slice_of_text("why") };
	struct tide_feed *feed;
	struct slice record;

	put_alone(f->tide, &f->table, partition, "sort", v);
	MUST(tide_consumer_feed(&feed, f->tide, whole(f->id, progress(f).epoch), 64,
		slice_of(NULL, 0), &failure), failure);
	MUST(tide_feed_fill(feed, f->tide, 1, &failure), failure);
	CHECK_EQUAL_INT(tide_feed_next(feed, &copy.stream, &record), 0);
	buffer_clear(bytes);
	buffer_put_slice(bytes, record);
	tide_feed_finish(feed);
	copy.record = buffer_slice(bytes);
	MUST(place_copy(f->tide, &copy, place, &failure), failure);
	place->consumer = f->id;
	return copy;
}

/* Advances the consumer to the place and parks the copy. */
static int park(struct fixture *f, const struct parked_place *place, struct parked_copy *copy,
	uint64_t max_records, uint64_t max_bytes)
{
	struct consume_batch batch = { .consumer = f->id, .epoch = f->epoch, .from = f->position,
		.to = place->sequence, .parked_version = progress(f).parked_version };
	int err;

	begin(f->tide);
	MUST(tide_advance_consumer(f->tide, &batch, &failure), failure);
	err = tide_park(f->tide, place, copy, 0, 0, max_records, max_bytes, &failure);
	if (err) {
		tide_abort(f->tide);
		return err;
	}
	commit(f->tide);
	f->position = place->sequence;
	return 0;
}

static struct parked_place park_one(struct fixture *f, const char *partition, const char *v)
{
	struct buffer bytes = { 0 };
	struct parked_place place;
	struct parked_copy copy = put_record(f, partition, v, &place, &bytes);

	MUST(park(f, &place, &copy, 1000, 1 << 20), failure);
	buffer_release(&bytes);
	return place;
}

static uint64_t change(struct fixture *f, enum tide_parked_command command, const char *table,
	uint64_t limit)
{
	struct tide_parked_scope scope = { .table_name = slice_of_text(table) };
	struct tide_parked_steps steps = { .limit = limit };

	while (!steps.is_done)
		MUST(tide_change_parked(f->tide, slice_of_text("c"), command, &scope, &steps,
			&failure), failure);
	return steps.count;
}

static void counts(const struct fixture *f, uint64_t parked, uint64_t replays)
{
	struct progress_row row = progress(f);

	CHECK_EQUAL_UINT(row.parked, parked);
	CHECK_EQUAL_UINT(row.replays, replays);
	CHECK((row.parked_bytes > 0) == (parked > 0));
	CHECK_EQUAL_UINT(problems_of(f->tide), 0);
}

/* A copy of several rows is read as it was written; the counts include all of it. */
static void long_records(struct fixture *f)
{
	static char v[150000];
	struct buffer bytes = { 0 }, page = { 0 };
	struct tide_parked_scope all = { 0 };
	struct parked_place place, from = { 0 };
	struct parked_copy copy, found;
	struct source source;

	memset(v, 'v', sizeof v - 1);
	copy = put_record(f, "long", v, &place, &bytes);
	MUST(park(f, &place, &copy, 1000, 1 << 20), failure);
	counts(f, 1, 0);
	CHECK(progress(f).parked_bytes > sizeof v);
	CHECK_EQUAL_INT(tide_parked_page(f->tide, slice_of_text("c"), &all, 10, &from, &page,
		&failure), END);
	source = source_of(buffer_slice(&page));
	source_take(&source, PARKED_PLACE_BYTES);
	CHECK_EQUAL_INT(source_u8(&source), 0);
	CHECK_EQUAL_UINT(source_u64(&source), 0);
	CHECK_EQUAL_INT(parked_get(&found, source_counted(&source)), 0);
	CHECK(slice_equal(found.record, copy.record) && slice_equal(found.error, copy.error));
	CHECK_EQUAL_INT((int)found.attempts, 3);
	CHECK_EQUAL_INT(source_finish(&source), 0);
	CHECK_EQUAL_UINT(change(f, TIDE_DISCARD, "others", 10), 0);
	CHECK_EQUAL_UINT(change(f, TIDE_DISCARD, "orders", 10), 1);
	counts(f, 0, 0);
	buffer_release(&page);
	buffer_release(&bytes);
}

/* A snapshot delivers an item again whose last change is parked: that copy stays, whatever its size
 * and the limits. */
static void parking_twice_keeps_one(struct fixture *f)
{
	static char v[5000];
	struct buffer bytes = { 0 };
	struct parked_place place;
	struct parked_copy copy;
	struct progress_row before;

	memset(v, 'v', sizeof v - 1);
	copy = put_record(f, "twice", v, &place, &bytes);
	MUST(park(f, &place, &copy, 1000, 1 << 20), failure);
	before = progress(f);
	copy.error = slice_of_text("");
	copy.record.len--;           /* nothing of it is stored */
	MUST(park(f, &place, &copy, 1, 1), failure);
	counts(f, 1, 0);
	CHECK_EQUAL_UINT(progress(f).parked_bytes, before.parked_bytes);
	CHECK_EQUAL_UINT(progress(f).parked_version, before.parked_version);
	CHECK_EQUAL_UINT(change(f, TIDE_DISCARD, "orders", 10), 1);
	counts(f, 0, 0);
	buffer_release(&bytes);
}

static void limits_refuse(struct fixture *f)
{
	struct buffer bytes = { 0 };
	struct parked_place place;
	struct parked_copy copy;
	uint64_t used;

	park_one(f, "a", "1");
	used = progress(f).parked_bytes;
	copy = put_record(f, "b", "2", &place, &bytes);
	CHECK_EQUAL_INT(park(f, &place, &copy, 1, 1 << 20), ERR_PARKED_FULL);
	CHECK_EQUAL_INT(park(f, &place, &copy, 2, used), ERR_PARKED_FULL);
	CHECK_EQUAL_INT(park(f, &place, &copy, 2, used + 1), 0);
	counts(f, 2, 0);
	CHECK_EQUAL_UINT(change(f, TIDE_DISCARD, "", UINT64_MAX), 2);
	buffer_release(&bytes);
}

/* A command marks the oldest records of a key; one that is parked behind a marked one is marked. */
static void marks_are_inherited(struct fixture *f)
{
	struct parked_place first = park_one(f, "a", "3");

	park_one(f, "a", "4");
	CHECK_EQUAL_UINT(change(f, TIDE_REPLAY, "", 1), 1);
	CHECK_EQUAL_UINT(change(f, TIDE_REPLAY, "", 0), 0);
	park_one(f, "a", "5");
	counts(f, 3, 1);
	CHECK_EQUAL_UINT(change(f, TIDE_REPLAY, "orders", 10), 2);
	park_one(f, "a", "6");
	park_one(f, "b", "7");
	counts(f, 5, 4);
	begin(f->tide);
	CHECK_EQUAL_INT(tide_verify_parked(f->tide, whole(f->id, f->epoch), 1, &failure),
		ERR_PARKED_CHANGED);
	CHECK_EQUAL_INT(tide_verify_parked(f->tide, whole(f->id, f->epoch + 1), 1, &failure),
		ERR_LEASE_LOST);
	MUST(tide_parked_handled(f->tide, &first, &failure), failure);
	commit(f->tide);
	counts(f, 4, 3);
}

/* One failure removes the marks of its key and no others. */
static void failures_keep_records(struct fixture *f)
{
	struct parked_place place = { .consumer = f->id };
	struct handler_batch death = { .records = 1 };
	struct buffer page = { 0 };

	CHECK_EQUAL_UINT(change(f, TIDE_REPLAY, "", 10), 1);
	MUST(tide_parked_replays(f->tide, NULL, f->id, 1, &page, &failure), failure);
	parked_get_place(&place, page.data);
	begin(f->tide);
	MUST(tide_parked_failed(f->tide, &place, slice_of_text("again"), &failure), failure);
	commit(f->tide);
	CHECK(progress(f).replays == 1 || progress(f).replays == 3);
	change(f, TIDE_REPLAY, "", 10);
	counts(f, 4, 4);
	death.last = place.sequence;
	join(f, &death);
	CHECK(progress(f).replays == 1 || progress(f).replays == 3);
	CHECK_EQUAL_UINT(progress(f).attempts, 0);
	death.last = 1;                                /* no such record is marked */
	join(f, &death);
	CHECK(progress(f).replays > 0);
	CHECK_EQUAL_UINT(problems_of(f->tide), 0);
	buffer_release(&page);
}

/* A death with one live record is an attempt; one with several limits the next batches. */
static void deaths_halve(struct fixture *f)
{
	uint64_t failures = progress(f).failures;

	join(f, &(struct handler_batch){ 10, f->position + 10 });
	CHECK_EQUAL_UINT(progress(f).largest_batch, 5);
	CHECK_EQUAL_UINT(progress(f).limit_until, f->position + 10);
	CHECK_EQUAL_UINT(progress(f).attempts, 0);
	join(f, &(struct handler_batch){ 1, f->position + 1 });
	CHECK_EQUAL_UINT(progress(f).largest_batch, 1);
	CHECK_EQUAL_UINT(progress(f).attempts, 1);
	CHECK_EQUAL_UINT(progress(f).failures, failures + 1);
	join(f, NO_DEATH);
	CHECK_EQUAL_UINT(progress(f).attempts, 1);
	CHECK_EQUAL_UINT(progress(f).largest_batch, 1);
}

static void moving_and_deleting_refuse(struct fixture *f)
{
	struct slice name = slice_of_text("c");
	struct parked_place last = park_one(f, "c", "8");
	bool is_done;

	CHECK_EQUAL_INT(tide_move_consumer(f->tide, name, TIDE_AFTER, last.sequence, false,
		&is_done, &failure), 0);
	CHECK_EQUAL_INT(tide_move_consumer(f->tide, name, TIDE_AT, last.sequence, false,
		&is_done, &failure), ERR_PARKED);
	CHECK(strstr(failure.message, "has 1 parked records after"));
	CHECK_EQUAL_INT(tide_move_consumer(f->tide, name, TIDE_AT, last.sequence, true, &is_done,
		&failure), 0);
	CHECK(is_done);
	CHECK_EQUAL_UINT(progress(f).parked, 4);
	CHECK_EQUAL_UINT(progress(f).position, last.sequence - 1);
	CHECK_EQUAL_UINT(problems_of(f->tide), 0);
	CHECK_EQUAL_INT(tide_delete_consumer(f->tide, name, false, &is_done, &failure),
		ERR_PARKED);
	CHECK(strstr(failure.message, "has 4 parked records;"));
	MUST(tide_delete_consumer(f->tide, name, true, &is_done, &failure), failure);
	CHECK(is_done);
	CHECK_EQUAL_UINT(problems_of(f->tide), 0);
}

/* Removing many records takes several transactions. */
static void steps(struct fixture *f)
{
	struct slice name = slice_of_text("c");
	bool is_done = true;

	for (int i = 0; i < PARK_STEP_RECORDS + 2; i++) {
		struct buffer bytes = { 0 };
		struct parked_place place;
		struct parked_copy copy;

		copy = put_record(f, "many", i % 2 ? "odd" : "even", &place, &bytes);
		begin(f->tide);
		MUST(tide_park(f->tide, &place, &copy, 0, 0, 10000, 1 << 30,
			&failure), failure);
		commit(f->tide);
		f->position = place.sequence;
		MUST(tide_move_consumer(f->tide, name, TIDE_LATEST, 0, false, &is_done,
			&failure), failure);
		buffer_release(&bytes);
	}
	join(f, NO_DEATH);
	CHECK_EQUAL_UINT(change(f, TIDE_REPLAY, "", UINT64_MAX), PARK_STEP_RECORDS + 2);
	counts(f, PARK_STEP_RECORDS + 2, PARK_STEP_RECORDS + 2);
	MUST(tide_delete_consumer(f->tide, name, true, &is_done, &failure), failure);
	CHECK(!is_done);
	counts(f, 2, 2);
	MUST(tide_delete_consumer(f->tide, name, true, &is_done, &failure), failure);
	CHECK(is_done);
	CHECK_EQUAL_UINT(problems_of(f->tide), 0);
}

/* --- check --- */

static void check_finds_damage(struct fixture *f)
{
	struct parked_place place = park_one(f, "a", "1"), other = park_one(f, "b", "2");
	struct txn *txn = forge_begin(f->tide);
	uint8_t key[PARKED_KEY];
	uint64_t bytes;

	MUST(parked_mark(txn, &other), failure);
	CHECK_EQUAL_UINT(forge_problems(f->tide, txn), 1);  /* a mark that is not counted */
	txn = forge_begin(f->tide);
	MUST(parked_remove(txn, &other, &bytes), failure);
	CHECK_EQUAL_UINT(forge_problems(f->tide, txn), 3);  /* also no record, and the count */
	txn = forge_begin(f->tide);
	MUST(txn_delete(txn, TREE_CONSUMERS, slice_of(key, parked_set_key(key,
		CONSUMER_PARKED, &place, 0))), failure);
	other.consumer++;
	MUST(parked_mark(txn, &other), failure);
	CHECK_EQUAL_UINT(forge_problems(f->tide, txn), 4);  /* also a mark of no consumer */
}

int main(void)
{
	struct fixture f;

	create(&f, tide_path("park.tide"));
	long_records(&f);
	parking_twice_keeps_one(&f);
	limits_refuse(&f);
	marks_are_inherited(&f);
	failures_keep_records(&f);
	deaths_halve(&f);
	moving_and_deleting_refuse(&f);
	tide_close(f.tide);
	create(&f, tide_path("steps.tide"));
	steps(&f);
	tide_close(f.tide);
	create(&f, tide_path("damage.tide"));
	check_finds_damage(&f);
	tide_close(f.tide);
	return 0;
}
