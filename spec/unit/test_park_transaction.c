/* test_park_transaction.c - table/park_transaction.h and table/park.h: random parking, replay and
 * removal of transactions, compared with a plain model.
 */
#include "table/park_transaction.h"
#include "table/park.h"
#include "unit/consumers.h"
#include "unit/forge.h"

#define KEYS 6
#define MEMBERS 4            /* of a transaction */
#define RECORDS 600          /* of a run */
#define STEPS 300

static struct failure failure;

/* A record of the stream. */
struct written {
	uint64_t transaction, sequence;
	unsigned key;
	struct buffer bytes;
	uint32_t stream;
	bool is_settled;             /* it is parked or was removed */
};

/* The model of a parked transaction. */
struct unit {
	uint64_t id;
	bool is_marked;
	uint32_t attempts;           /* of its first member */
	size_t count;
	struct written *members[2 * MEMBERS];        /* in the order of their sequence numbers */
};

static struct tide *tide;
static struct tide_table table;
static uint64_t consumer, epoch, position;
static struct written records[RECORDS];
static size_t record_count;
static struct unit units[RECORDS];           /* in the order of their ids */
static size_t unit_count;

static struct progress_row progress(void)
{
	return described(tide, "c").progress;
}

static void join(const struct handler_batch *death)
{
	struct shard_owner owner = { .opening = "opening", .worker = 7 };
	struct progress_row row;

	MUST(tide_join_consumer(tide, whole(consumer, progress().epoch), &owner, death, &row,
		&failure), failure);
	epoch = row.epoch;
}

/* --- the model --- */

static uint64_t last_of(const struct unit *unit)
{
	return unit->members[unit->count - 1]->sequence;
}

static bool has_key(const struct unit *unit, unsigned key)
{
	for (size_t i = 0; i < unit->count; i++)
		if (unit->members[i]->key == key)
			return true;
	return false;
}

static bool share_key(const struct unit *a, const struct unit *b)
{
	for (size_t i = 0; i < a->count; i++)
		if (has_key(b, a->members[i]->key))
			return true;
	return false;
}

/* Returns true if a unit of the set has one of the keys of this unit. */
static bool touches(const bool *in, size_t i)
{
	for (size_t j = 0; j < unit_count; j++)
		if (in[j] && share_key(&units[i], &units[j]))
			return true;
	return false;
}

/* Sets in[i] for a unit and each that must be delivered before it. */
static void list_before(bool *in, size_t of)
{
	memset(in, 0, unit_count * sizeof *in);
	in[of] = true;
	for (size_t i = of; i-- > 0;)
		in[i] = touches(in, i);
}

/* Sets in[i] for a unit and each that must be delivered after it. */
static void list_after(bool *in, size_t of)
{
	memset(in, 0, unit_count * sizeof *in);
	in[of] = true;
	for (size_t i = of + 1; i < unit_count; i++)
		in[i] = touches(in, i);
}

static void model_unmark(size_t of)
{
	bool in[RECORDS];

	list_after(in, of);
	for (size_t i = 0; i < unit_count; i++)
		if (in[i])
			units[i].is_marked = false;
}

static uint64_t model_mark(size_t of, uint64_t most)
{
	bool in[RECORDS];
	uint64_t count = 0;

	list_before(in, of);
	for (size_t i = 0; i < unit_count && count < most; i++)
		if (in[i] && !units[i].is_marked) {
			units[i].is_marked = true;
			count++;
		}
	return count;
}

static void model_inherit(size_t of)
{
	bool has_older = false, is_blocked = false, newer_is_marked = false;

	for (size_t i = 0; i < unit_count; i++) {
		if (i == of || !share_key(&units[i], &units[of]))
			continue;
		has_older |= i < of;
		is_blocked |= i < of && !units[i].is_marked;
		newer_is_marked |= i > of && units[i].is_marked;
	}
	if (is_blocked || !(has_older || newer_is_marked || units[of].is_marked))
		model_unmark(of);
	else
		units[of].is_marked = true;
}

/* Returns the index of the unit with which the model parks a record; creates it if necessary. */
static size_t unit_for(uint64_t transaction, uint64_t sequence)
{
	size_t at = 0;

	for (size_t i = 0; i < unit_count; i++)
		if (units[i].id <= sequence && last_of(&units[i]) >= sequence)
			return i;
	while (at < unit_count && units[at].id < transaction)
		at++;
	if (at < unit_count && units[at].id == transaction)
		return at;
	memmove(&units[at + 1], &units[at], (unit_count - at) * sizeof *units);
	unit_count++;
	units[at] = (struct unit){ .id = transaction, .attempts = 1 };
	return at;
}

static size_t model_park(struct written *record, uint64_t transaction)
{
	size_t of = unit_for(transaction, record->sequence), at;
	struct unit *unit = &units[of];

	for (at = unit->count++; at && unit->members[at - 1]->sequence > record->sequence; at--)
		unit->members[at] = unit->members[at - 1];
	unit->members[at] = record;
	if (at == 0)
		unit->attempts = 1;
	record->is_settled = true;
	return of;
}

static void model_remove(size_t of)
{
	unit_count--;
	memmove(&units[of], &units[of + 1], (unit_count - of) * sizeof *units);
}

/* --- steps --- */

static void park_record_of(struct written *record, uint64_t transaction, uint64_t more)
{
	struct parked_copy copy = { .attempts = 1, .error = slice_of_text("why"),
		.stream = record->stream, .record = buffer_slice(&record->bytes) };
	struct parked_place place;

	MUST(place_copy(tide, &copy, &place, &failure), failure);
	place.consumer = consumer;
	MUST(tide_park(tide, &place, &copy, transaction, more, 10000, 1 << 30, &failure), failure);
}

static void advance(uint64_t to)
{
	struct consume_batch batch = { .consumer = consumer, .epoch = epoch, .from = position,
		.to = to, .parked_version = progress().parked_version };

	MUST(tide_advance_consumer(tide, &batch, &failure), failure);
	position = to;
}

/* Writes a transaction. Returns the number of its records, which are the last of `records`. */
static size_t write_transaction(void)
{
	size_t count = 1 + (size_t)check_random_below(MEMBERS);
	static unsigned items;
	struct tide_feed *feed;

	begin(tide);
	for (size_t i = 0; i < count; i++) {
		struct written *record = &records[record_count + i];
		char key[2] = { 0 }, sort[16];

		record->key = (unsigned)check_random_below(KEYS);
		record->is_settled = false;
		key[0] = (char)('a' + record->key);
		snprintf(sort, sizeof sort, "%u", items++);
		record->sequence = put(tide, &table, key, sort, "v");
	}
	commit(tide);
	MUST(tide_feed_start(&feed, tide, 2, TIDE_AFTER, records[record_count].sequence - 1,
		&failure), failure);
	MUST(tide_feed_fill(feed, tide, (uint32_t)count, &failure), failure);
	for (size_t i = 0; i < count; i++) {
		struct written *record = &records[record_count + i];
		struct slice bytes;

		CHECK_EQUAL_INT(tide_feed_next(feed, &record->stream, &bytes), 0);
		CHECK_EQUAL_UINT(record_sequence(bytes.data), record->sequence);
		record->transaction = records[record_count].sequence;
		buffer_clear(&record->bytes);
		buffer_put_slice(&record->bytes, bytes);
	}
	tide_feed_finish(feed);
	record_count += count;
	return count;
}

/* Writes a transaction and parks the records that a filter leaves. */
static void step_write(void)
{
	size_t count = write_transaction(), chosen[MEMBERS], n = 0, of = 0;
	bool parks = check_random_below(3) > 0;

	for (size_t i = record_count - count; i < record_count; i++)
		if (parks && check_random_below(4) > 0)
			chosen[n++] = i;
	begin(tide);
	advance(records[record_count - 1].sequence);
	for (size_t i = 0; i < n; i++) {
		struct written *record = &records[chosen[i]];

		park_record_of(record, record->transaction, n - i - 1);
		of = model_park(record, record->transaction);
	}
	commit(tide);
	if (n)
		model_inherit(of);
}

/* Parks a record alone that was passed before, as a snapshot does. */
static void step_late(void)
{
	struct written *record = &records[check_random_below(record_count)];

	if (record->is_settled)
		return;
	begin(tide);
	park_record_of(record, record->sequence, 0);
	commit(tide);
	model_inherit(model_park(record, record->sequence));
}

/* Chooses the scope of a command. Returns the key; KEYS: all. */
static unsigned choose_scope(struct tide_parked_scope *scope, struct builder *builder)
{
	unsigned key = (unsigned)check_random_below(KEYS + 1);
	char text[2] = { (char)('a' + key), 0 };

	*scope = (struct tide_parked_scope){ 0 };
	if (key == KEYS)
		return key;
	if (check_random_below(2))
		scope->table_name = slice_of_text("orders");
	builder_start(builder);
	builder_name(builder, slice_of_text("p"));
	builder_string(builder, slice_of_text(text));
	CHECK_EQUAL_INT(builder_finish(builder, &scope->key), 0);
	return key;
}

static void run_command(enum tide_parked_command command)
{
	struct tide_parked_steps steps = { .limit = check_random_below(3) ?
		check_random_below(6) : UINT64_MAX };
	struct builder builder = { 0 };
	struct tide_parked_scope scope;
	unsigned key = choose_scope(&scope, &builder);
	uint64_t count = 0;

	while (!steps.is_done)
		MUST(tide_change_parked(tide, slice_of_text("c"), command, &scope, &steps,
			&failure), failure);
	for (size_t i = 0; i < unit_count && count < steps.limit; i++) {
		if (key < KEYS && !has_key(&units[i], key))
			continue;
		if (command == TIDE_REPLAY) {
			count += model_mark(i, steps.limit - count);
		} else {
			model_remove(i--);
			count++;
		}
	}
	CHECK_EQUAL_UINT(steps.count, count);
	builder_release(&builder);
}

/* Returns the index of the oldest marked unit, unit_count if there is none. */
static size_t oldest_marked(void)
{
	size_t i = 0;

	while (i < unit_count && !units[i].is_marked)
		i++;
	return i;
}

static struct parked_place place_of(const struct written *record)
{
	struct parked_copy copy = { .stream = record->stream,
		.record = buffer_slice(&record->bytes) };
	struct parked_place place;

	MUST(place_copy(tide, &copy, &place, &failure), failure);
	place.consumer = consumer;
	return place;
}

static void step_handled(void)
{
	size_t of = oldest_marked();
	uint64_t handled = progress().records;

	if (of == unit_count)
		return;
	begin(tide);
	for (size_t i = 0; i < units[of].count; i++) {
		struct parked_place place = place_of(units[of].members[i]);

		MUST(tide_parked_handled(tide, &place, &failure), failure);
	}
	commit(tide);
	CHECK_EQUAL_UINT(progress().records, handled + units[of].count);
	model_remove(of);
}

/* A replay of the oldest marked transaction fails, or its worker dies. */
static void step_failed(bool dies)
{
	size_t of = oldest_marked();
	struct parked_place place;

	if (of == unit_count)
		return;
	place = place_of(units[of].members[0]);
	if (dies) {
		join(&(struct handler_batch){ 1, place.sequence });
	} else {
		begin(tide);
		MUST(tide_parked_failed(tide, &place, slice_of_text("again"), &failure), failure);
		commit(tide);
	}
	units[of].attempts++;
	model_unmark(of);
}

/* Sets the position, and removes the transactions that have records after it. */
static void step_move(void)
{
	uint64_t to = check_random_below(position + 1), count = 0;
	bool is_done;
	int err;

	for (size_t i = 0; i < unit_count; i++)
		count += last_of(&units[i]) > to ? units[i].count : 0;
	err = tide_move_consumer(tide, slice_of_text("c"), TIDE_AFTER, to, false, &is_done,
		&failure);
	CHECK_EQUAL_INT(err, count ? ERR_PARKED : 0);
	if (count) {
		char text[64];

		snprintf(text, sizeof text, "has %llu parked", (unsigned long long)count);
		CHECK(strstr(failure.message, text));
		do
			MUST(tide_move_consumer(tide, slice_of_text("c"), TIDE_AFTER, to, true,
				&is_done, &failure), failure);
		while (!is_done);
	}
	for (size_t i = unit_count; i-- > 0;)
		if (last_of(&units[i]) > to)
			model_remove(i);
	move_consumer(tide, "c", TIDE_LATEST, 0);
	join(NO_DEATH);
	position = progress().position;
}

/* --- comparison --- */

static void compare_page(struct source *page, const struct unit *unit)
{
	for (size_t i = 0; i < unit->count; i++) {
		struct parked_place place = { 0 };
		struct parked_copy copy;

		parked_get_place(&place, source_take(page, PARKED_PLACE_BYTES).data);
		CHECK_EQUAL_UINT(place.sequence, unit->members[i]->sequence);
		CHECK_EQUAL_INT(source_u8(page), unit->is_marked);
		CHECK_EQUAL_UINT(source_u64(page), unit->id);
		CHECK_EQUAL_INT(parked_get(&copy, source_counted(page)), 0);
		if (i == 0)
			CHECK_EQUAL_UINT(copy.attempts, unit->attempts);
	}
}

/* Compares the parked records of a key, or of all (KEYS), and the marked ones. */
static void compare(void)
{
	struct parked_place place = { 0 };
	struct builder builder = { 0 };
	struct buffer page = { 0 };
	struct tide_parked_scope scope;
	struct source source;
	unsigned key = choose_scope(&scope, &builder);
	uint64_t parked = 0, marked = 0;
	int err = 0;

	while (!err)
		err = tide_parked_page(tide, slice_of_text("c"), &scope,
			1 + (uint32_t)check_random_below(3), &place, &page, &failure);
	CHECK_EQUAL_INT(err, END);
	source = source_of(buffer_slice(&page));
	for (size_t i = 0; i < unit_count; i++) {
		if (key == KEYS || has_key(&units[i], key))
			compare_page(&source, &units[i]);
		parked += units[i].count;
		marked += units[i].is_marked ? units[i].count : 0;
	}
	CHECK_EQUAL_INT(source_finish(&source), 0);
	buffer_clear(&page);
	MUST(tide_parked_replays(tide, NULL, consumer, UINT32_MAX, &page, &failure), failure);
	source = source_of(buffer_slice(&page));
	for (size_t i = 0; i < unit_count; i++)
		if (units[i].is_marked)
			compare_page(&source, &units[i]);
	CHECK_EQUAL_INT(source_finish(&source), 0);
	CHECK_EQUAL_UINT(progress().parked, parked);
	CHECK_EQUAL_UINT(progress().replays, marked);
	buffer_release(&page);
	builder_release(&builder);
}

static void random_step(void)
{
	uint64_t what = check_random_below(100);

	if (what < 40 || !record_count)
		step_write();
	else if (what < 50)
		step_late();
	else if (what < 65)
		run_command(TIDE_REPLAY);
	else if (what < 70)
		run_command(TIDE_DISCARD);
	else if (what < 85)
		step_handled();
	else if (what < 97)
		step_failed(what % 2);
	else
		step_move();
}

static void create(void)
{
	struct tide_consumer_spec spec = consumer_spec("c", TIDE_LATEST);
	static unsigned files;
	char name[32];

	spec.shards = 1;
	snprintf(name, sizeof name, "park%u.tide", files++);
	tide = open_tide(tide_path(name));
	table = create_table(tide, "orders");
	MUST(tide_create_consumer(tide, &spec, &failure), failure);
	consumer = described(tide, "c").row.id;
	position = progress().position;
	join(NO_DEATH);
}

static void steps_are_those_of_the_model(void)
{
	create();
	record_count = unit_count = 0;
	for (int i = 0; i < STEPS && record_count + MEMBERS < RECORDS; i++) {
		random_step();
		compare();
		if (i % 10 == 0)
			CHECK_EQUAL_UINT(problems_of(tide), 0);
	}
	CHECK_EQUAL_UINT(problems_of(tide), 0);
	tide_close(tide);
}

/* A transaction is parked whole or not at all at the limits. */
static void limits_refuse_whole_transactions(void)
{
	struct parked_copy copy = { .error = slice_of_text("why") };
	struct parked_place place;
	struct written *record;
	size_t count;

	create();
	record_count = unit_count = 0;
	do
		count = write_transaction();
	while (count < 3);
	record = &records[record_count - count];
	copy.stream = record->stream;
	copy.record = buffer_slice(&record->bytes);
	begin(tide);
	advance(records[record_count - 1].sequence);
	MUST(place_copy(tide, &copy, &place, &failure), failure);
	place.consumer = consumer;
	CHECK_EQUAL_INT(tide_park(tide, &place, &copy, record->transaction, count - 1, count - 1,
		1 << 30, &failure), ERR_PARKED_FULL);
	CHECK(strstr(failure.message, "; the transaction has "));
	for (size_t i = 0; i < count; i++) {
		copy.record = buffer_slice(&record[i].bytes);
		MUST(place_copy(tide, &copy, &place, &failure), failure);
		place.consumer = consumer;
		MUST(tide_park(tide, &place, &copy, record->transaction, count - i - 1, count, 1,
			&failure), failure);        /* the limit of bytes applies to the first */
	}
	commit(tide);
	CHECK_EQUAL_UINT(progress().parked, count);
	CHECK_EQUAL_UINT(problems_of(tide), 0);
	tide_close(tide);
}

/* A command marks or removes many transactions in several steps, and a transaction in one. */
static void steps_end_between_transactions(void)
{
	struct tide_parked_scope all = { 0 };
	struct tide_parked_steps steps = { .limit = UINT64_MAX };
	bool is_done;

	create();
	for (int i = 0; i < PARK_STEP_RECORDS / 2 + 2; i++) {
		record_count = 0;
		do
			record_count = 0;
		while (write_transaction() != 3);
		begin(tide);
		advance(records[2].sequence);
		for (size_t j = 0; j < 3; j++)
			park_record_of(&records[j], records[j].transaction, 2 - j);
		commit(tide);
	}
	MUST(tide_change_parked(tide, slice_of_text("c"), TIDE_REPLAY, &all, &steps, &failure),
		failure);
	CHECK(!steps.is_done && steps.count == (PARK_STEP_RECORDS + 2) / 3);
	CHECK_EQUAL_UINT(progress().replays, 3 * steps.count);
	CHECK_EQUAL_UINT(problems_of(tide), 0);
	while (!steps.is_done)
		MUST(tide_change_parked(tide, slice_of_text("c"), TIDE_REPLAY, &all, &steps,
			&failure), failure);
	CHECK_EQUAL_UINT(steps.count, PARK_STEP_RECORDS / 2 + 2);
	MUST(tide_delete_consumer(tide, slice_of_text("c"), true, &is_done, &failure), failure);
	CHECK(!is_done && progress().parked % 3 == 0);
	CHECK_EQUAL_UINT(problems_of(tide), 0);
	MUST(tide_delete_consumer(tide, slice_of_text("c"), true, &is_done, &failure), failure);
	CHECK(is_done);
	CHECK_EQUAL_UINT(problems_of(tide), 0);
	tide_close(tide);
}

/* --- check --- */

static struct parked_member member_of(const struct written *record, uint64_t transaction)
{
	return (struct parked_member){ transaction, place_of(record) };
}

/* Parks two transactions of three records and one key, of which the older one is marked. */
static void create_two(void)
{
	create();
	record_count = 0;
	for (size_t i = 0; i < 2; i++) {
		do
			record_count = 3 * i;
		while (write_transaction() != 3 || records[3 * i].key != 0);
		begin(tide);
		advance(records[3 * i + 2].sequence);
		for (size_t j = 0; j < 3; j++)
			park_record_of(&records[3 * i + j], records[3 * i].transaction, 2 - j);
		commit(tide);
	}
	CHECK_EQUAL_UINT(problems_of(tide), 0);
}

static void check_finds_damage(void)
{
	uint64_t first, second;
	struct parked_member member;
	struct parked_place place;
	struct txn *txn;

	create_two();
	first = records[0].transaction;
	second = records[3].transaction;
	txn = forge_begin(tide);
	CHECK_EQUAL_INT(parked_transaction_mark(txn, consumer, second), 0);
	/* Not counted; and each record of key 0 follows a transaction that is not marked. */
	CHECK(forge_problems(tide, txn) >= 2);
	txn = forge_begin(tide);
	CHECK_EQUAL_INT(parked_transaction_unmark(txn, consumer, second), 0);
	CHECK_EQUAL_INT(parked_transaction_mark(txn, consumer, second + 100), 0);
	CHECK_EQUAL_UINT(forge_problems(tide, txn), 1);     /* a mark without a transaction */
	txn = forge_begin(tide);
	CHECK_EQUAL_INT(parked_transaction_unmark(txn, consumer, second + 100), 0);
	member = member_of(&records[1], first);
	CHECK_EQUAL_INT(parked_member_remove(txn, &member), 0);
	CHECK_EQUAL_UINT(forge_problems(tide, txn), 1);     /* a record without a transaction */
	txn = forge_begin(tide);
	member.transaction = second;
	CHECK_EQUAL_INT(parked_member_write(txn, &member), 0);
	CHECK_EQUAL_UINT(forge_problems(tide, txn), 1);     /* it precedes the transaction */
	txn = forge_begin(tide);
	CHECK_EQUAL_INT(parked_member_remove(txn, &member), 0);
	member.transaction = first;
	CHECK_EQUAL_INT(parked_member_write(txn, &member), 0);
	member = member_of(&records[4], second);
	CHECK_EQUAL_INT(parked_member_remove(txn, &member), 0);
	member.transaction = first;
	CHECK_EQUAL_INT(parked_member_write(txn, &member), 0);
	CHECK_EQUAL_UINT(forge_problems(tide, txn), 1);     /* it overlaps the second one */
	txn = forge_begin(tide);
	CHECK_EQUAL_INT(parked_member_remove(txn, &member), 0);
	member.transaction = second;
	CHECK_EQUAL_INT(parked_member_write(txn, &member), 0);
	member.place.sequence = records[5].sequence + 1;
	member.transaction = second;
	CHECK_EQUAL_INT(parked_member_write(txn, &member), 0);
	CHECK_EQUAL_UINT(forge_problems(tide, txn), 2);     /* not parked, and one too many */
	txn = forge_begin(tide);
	CHECK_EQUAL_INT(parked_member_remove(txn, &member), 0);
	place = place_of(&records[0]);
	CHECK_EQUAL_INT(parked_mark(txn, &place), 0);
	CHECK_EQUAL_UINT(forge_problems(tide, txn), 2);     /* a mark of a record; not counted */
	txn = forge_begin(tide);
	CHECK_EQUAL_INT(parked_unmark(txn, &place), 0);
	member.place.consumer++;
	CHECK_EQUAL_INT(parked_member_write(txn, &member), 0);
	CHECK_EQUAL_UINT(forge_problems(tide, txn), 1);     /* of no consumer */
	txn = forge_begin(tide);
	CHECK_EQUAL_INT(parked_member_remove(txn, &member), 0);
	CHECK_EQUAL_UINT(forge_problems(tide, txn), 0);
	tide_close(tide);
}

int main(void)
{
	for (uint64_t i = check_runs(20); i > 0; i--)
		steps_are_those_of_the_model();
	limits_refuse_whole_transactions();
	steps_end_between_transactions();
	check_finds_damage();
	for (size_t i = 0; i < RECORDS; i++)
		buffer_release(&records[i].bytes);
	return 0;
}
