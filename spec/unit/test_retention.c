/* test_retention.c - tests of stream/retention.h, clock and trimming, against plain models. */
#include "stream/pending.h"
#include "stream/retention.h"
#include "unit/stores.h"

#define HOUR UINT64_C(3600000)

/* --- the retention clock: doc/format.md, "Time" --- */

/* Model of the clock: the rules of that page. */
struct plain_clock {
	uint64_t at, elapsed;            /* at the last update */
	uint64_t boot;
	uint64_t lead;
	bool noted;                      /* true if a jump is recorded and not confirmed yet */
	uint64_t wall, seen, seen_boot;
};

/* Result of reading the clock, and the fields that an update would store. */
struct plain_answer {
	uint64_t at, lead;
	bool jumps, confirmed;
};

static struct plain_answer plain_ask(const struct plain_clock *clock, uint64_t now,
	uint64_t elapsed, uint64_t boot)
{
	struct plain_answer answer = { 0 };
	uint64_t passed = boot == clock->boot ? elapsed - clock->elapsed : 0;
	uint64_t lead = boot != clock->boot || clock->noted ? clock->lead : 0;
	uint64_t target = now + lead, base = clock->at + passed;

	if (clock->noted && now >= clock->wall) {
		uint64_t since = boot == clock->seen_boot ? elapsed - clock->seen : 0;
		uint64_t seen = clock->wall + lead + since;

		answer.confirmed = boot != clock->seen_boot || since >= HOUR;
		seen = seen < target ? seen : target;
		if (answer.confirmed && seen > base)
			base = seen;
	}
	answer.jumps = target > base + HOUR;
	answer.at = answer.jumps || target < base ? base : target;
	if (target < base && target >= clock->at && base - target <= 1000)
		answer.at = target;
	answer.lead = answer.jumps ? lead : answer.at - now;
	return answer;
}

static uint64_t plain_set(struct plain_clock *clock, uint64_t now, uint64_t elapsed,
	uint64_t boot)
{
	struct plain_answer answer = plain_ask(clock, now, elapsed, boot);

	if (answer.jumps && (!clock->noted || answer.confirmed || now < clock->wall)) {
		clock->wall = now;
		clock->seen = elapsed;
		clock->seen_boot = boot;
	}
	clock->noted = answer.jumps;
	clock->at = answer.at;
	clock->lead = answer.lead;
	clock->elapsed = elapsed;
	clock->boot = boot;
	return clock->at;
}

static struct time_sample sample_of(uint64_t now, uint64_t elapsed, uint64_t boot)
{
	struct time_sample sample = { .now_ms = now, .elapsed_ms = elapsed };

	memcpy(sample.boot, &boot, sizeof boot);
	return sample;
}

static uint64_t random_span(void)
{
	static const uint64_t spans[] = { 1, 1000, HOUR / 2, HOUR - 1, HOUR, HOUR + 1, 24 * HOUR,
		10000 * HOUR };

	return check_random_below(spans[check_random_below(8)] + 1);
}

static void clock_follows_the_page(void)
{
	for (int round = 0; round < 3000; round++) {
		uint64_t now = 1000000 * HOUR, elapsed = random_span(), boot = 1;
		struct plain_clock plain = { .at = now, .elapsed = elapsed, .boot = boot };
		struct state state = { 0 };
		struct time_sample sample = sample_of(now, elapsed, boot);

		CHECK_EQUAL_UINT(retention_clock_set(&state, &sample), now);
		for (int i = 0; i < 40; i++) {
			uint64_t span = random_span(), expected;

			switch (check_random_below(8)) {
			case 0:
				now += random_span();
				break;
			case 1:
				now -= random_span();
				break;
			case 2:
				boot++;
				elapsed = random_span();
				break;
			default:
				now += span;
				elapsed += span;
			}
			sample = sample_of(now, elapsed, boot);
			expected = plain_ask(&plain, now, elapsed, boot).at;
			CHECK_EQUAL_UINT(retention_clock(&state, &sample), expected);
			CHECK(expected >= plain.at);
			if (check_random_below(3) == 0)
				continue;            /* read without an update */
			CHECK_EQUAL_UINT(retention_clock_set(&state, &sample), expected);
			CHECK_EQUAL_UINT(plain_set(&plain, now, elapsed, boot), expected);
			CHECK_EQUAL_UINT(retention_clock(&state, &sample), expected);
		}
	}
}

static void clock_bounds(void)
{
	uint64_t start = 1000000 * HOUR;
	struct state state = { 0 };
	struct time_sample sample = sample_of(start, 500, 1);

	retention_clock_set(&state, &sample);
	sample = sample_of(start + HOUR + 7, 507, 1);        /* 1 h more: trusted */
	CHECK_EQUAL_UINT(retention_clock(&state, &sample), start + HOUR + 7);
	sample.now_ms++;                                     /* 1 h and 1 ms more: not trusted */
	CHECK_EQUAL_UINT(retention_clock(&state, &sample), start + 7);
	sample = sample_of(start - 1, 507, 1);               /* set back: elapsed time counts */
	CHECK_EQUAL_UINT(retention_clock(&state, &sample), start + 7);
	sample = sample_of(start + 2 * HOUR, 0, 2);          /* another boot: no elapsed time */
	CHECK_EQUAL_UINT(retention_clock(&state, &sample), start);
}

static void small_differences_leave_no_lead(void)
{
	uint64_t start = 1000000 * HOUR;
	struct state state = { 0 };
	struct time_sample sample = sample_of(start, 0, 1);

	retention_clock_set(&state, &sample);
	sample = sample_of(start, 1000, 1);
	CHECK_EQUAL_UINT(retention_clock(&state, &sample), start);
	sample = sample_of(start, 1001, 1);
	CHECK_EQUAL_UINT(retention_clock(&state, &sample), start + 1001);
	sample = sample_of(start - 1, 10, 1);        /* never decreases */
	CHECK_EQUAL_UINT(retention_clock(&state, &sample), start + 10);
	CHECK_EQUAL_INT(retention_lead(start, start - 1000), 0);
	CHECK_EQUAL_INT(retention_lead(start, start - 1001), 1001);
	CHECK_EQUAL_INT(retention_lead(start, start + 1000), 0);
	CHECK_EQUAL_INT(retention_lead(start, start + 1001), -1001);
}

static uint64_t set_at(struct state *state, uint64_t now, uint64_t elapsed, uint64_t boot)
{
	struct time_sample sample = sample_of(now, elapsed, boot);

	return retention_clock_set(state, &sample);
}

/* The wall clock was years ahead and has been corrected: ages continue to grow. */
static void ages_grow_while_the_wall_clock_is_behind(void)
{
	uint64_t start = 1000000 * HOUR, ahead = start + 300000 * HOUR, at;
	struct state state = { 0 };

	CHECK_EQUAL_UINT(set_at(&state, ahead, 0, 1), ahead);
	CHECK_EQUAL_UINT(set_at(&state, start, 1000, 1), ahead + 1000);
	CHECK_EQUAL_UINT(set_at(&state, start + 9 * HOUR, 9 * HOUR, 1), ahead + 9 * HOUR);
	/* in another boot the wall clock decides, up to one hour */
	at = set_at(&state, start + 10 * HOUR, 5, 2);
	CHECK_EQUAL_UINT(at, ahead + 10 * HOUR);
	CHECK_EQUAL_UINT(set_at(&state, start + 11 * HOUR, HOUR + 5, 2), at + HOUR);
	/* after eight hours without power, these hours count when they are confirmed */
	at = set_at(&state, start + 19 * HOUR, 7, 3);
	CHECK_EQUAL_UINT(at, ahead + 11 * HOUR);
	at = set_at(&state, start + 19 * HOUR + 1000, 1007, 3);
	CHECK_EQUAL_UINT(at, ahead + 11 * HOUR + 1000);
	CHECK_EQUAL_UINT(set_at(&state, start + 20 * HOUR, HOUR + 7, 3), ahead + 20 * HOUR);
	/* confirmed by a later boot: they count immediately */
	CHECK_EQUAL_UINT(set_at(&state, start + 30 * HOUR, 1, 4), ahead + 20 * HOUR);
	CHECK_EQUAL_UINT(set_at(&state, start + 30 * HOUR + 9, 1, 5), ahead + 30 * HOUR + 9);
	/* after the wall clock was set back, the retention clock follows the elapsed time */
	CHECK_EQUAL_UINT(set_at(&state, start, 1, 6), ahead + 30 * HOUR + 9);
	CHECK_EQUAL_UINT(set_at(&state, start, 4, 6), ahead + 30 * HOUR + 12);
	/* the wall clock has caught up and is followed again */
	at = ahead + 31 * HOUR;
	CHECK_EQUAL_UINT(set_at(&state, at, 5, 6), at);
	CHECK_EQUAL_UINT(state.lead_ms, 0);
}

static void a_wall_clock_that_toggles_expires_nothing(void)
{
	uint64_t start = 1000000 * HOUR;
	struct state state = { 0 };

	set_at(&state, start, 0, 1);
	for (uint64_t i = 1; i < 1000; i++)
		set_at(&state, i % 2 ? start + HOUR / 2 : start, i, 1);
	CHECK(state.retention_ms <= start + HOUR / 2 + 1000);
}

/* Only the recorded jump is confirmed, not a later one. */
static void a_second_jump_is_confirmed_by_itself(void)
{
	uint64_t start = 1000000 * HOUR, far = start + 800000 * HOUR;
	struct state state = { 0 };

	set_at(&state, start, 0, 1);
	CHECK_EQUAL_UINT(set_at(&state, start + 2 * HOUR, 0, 1), start);
	CHECK_EQUAL_UINT(set_at(&state, far, HOUR, 1), start + 3 * HOUR);
	CHECK_EQUAL_UINT(set_at(&state, far + HOUR / 2, HOUR + HOUR / 2, 1),
		start + 3 * HOUR + HOUR / 2);
	CHECK_EQUAL_UINT(set_at(&state, start + 4 * HOUR, 2 * HOUR, 1), start + 4 * HOUR);
	CHECK_EQUAL_UINT(state.jump.wall_ms, 0);
	CHECK_EQUAL_UINT(set_at(&state, start + 6 * HOUR, 0, 2), start + 4 * HOUR);
	CHECK_EQUAL_UINT(set_at(&state, far, 0, 3), start + 6 * HOUR);
}

static void a_clock_at_the_end_of_time_stays_there(void)
{
	struct state state = { 0 };

	CHECK_EQUAL_UINT(set_at(&state, UINT64_MAX, 0, 1), UINT64_MAX);
	CHECK_EQUAL_UINT(set_at(&state, 1, HOUR, 1), UINT64_MAX);
	CHECK_EQUAL_UINT(set_at(&state, HOUR, HOUR, 2), UINT64_MAX);
}

/* --- streams, with a plain list as model --- */

#define STREAM 7
#define RECORDS_MAX 4000

struct plain_record {
	uint64_t sequence, transaction, clock_ms, bytes, rows;
};

static struct plain_record list[RECORDS_MAX];
static size_t list_count;                /* number of all records ever added */
static size_t list_removed, list_hidden; /* number of records removed or hidden */

static struct streams streams;
static uint64_t sequence, clock_ms;

static struct stream *the_stream(struct txn *txn)
{
	struct stream *stream;

	CHECK_EQUAL_INT(streams_find(&streams, txn, STREAM, &stream), 0);
	CHECK_EQUAL_INT(stream_load_bounds(&(struct streams){ 0 }, stream, txn), 0);
	return stream;
}

/* A record expires by its age; unless it belongs to the newest transaction, also by the
 * number and bytes of the records that follow it. */
static bool plain_expired(const struct retention *limit, size_t at)
{
	uint64_t bytes_from = 0;

	for (size_t i = at; i < list_count; i++)
		bytes_from += list[i].bytes;
	if (clock_ms - list[at].clock_ms >= limit->age_ms)
		return true;
	if (list[at].transaction == list[list_count - 1].transaction)
		return false;
	return (limit->max_count && list_count - at > limit->max_count) ||
		(limit->max_bytes && bytes_from > limit->max_bytes);
}

/* Returns the number of hidden records: whole transactions, never fewer than before. */
static size_t plain_hidden(const struct retention *limit)
{
	size_t at = list_hidden;

	while (at < list_count) {
		size_t end = at;
		bool all = true;

		while (end < list_count && list[end].transaction == list[at].transaction)
			all = plain_expired(limit, end++) && all;
		if (!all)
			break;
		at = end;
	}
	return at;
}

static uint64_t sequence_at(size_t count)
{
	return count ? list[count - 1].sequence : 0;
}

static uint64_t shares(size_t bytes)
{
	return (bytes + LOG_SHARE - 1) / LOG_SHARE;
}

/* Returns the number of rows of a record: one if it fits, otherwise it is split before the new
 * image and wherever a row is full. */
static uint64_t plain_rows(const struct record *record)
{
	size_t bytes = record_len(record), image = record->new_image.len;

	return bytes <= LOG_SHARE ? 1 : shares(bytes - image) + shares(image);
}

/* Counts the rows of the last `count` records after they have been written, because the length of
 * a header is known only then. */
static void count_rows(struct txn *txn, size_t count)
{
	struct cursor *cursor;
	struct record head;

	CHECK_EQUAL_INT(txn_cursor(txn, TREE_LOG, &cursor), 0);
	for (size_t i = list_count - count; i < list_count; i++) {
		CHECK_EQUAL_INT(log_seek(cursor, STREAM, list[i].sequence, &head), 0);
		list[i].rows = plain_rows(&head);
	}
}

static void append(struct txn *txn, uint64_t count)
{
	static uint8_t bytes[6000];
	struct pending_records pending = { 0 };
	uint64_t transaction = sequence + 1;
	size_t first = list_count;

	the_stream(txn);
	for (uint64_t i = 0; i < count && list_count < RECORDS_MAX; i++) {
		struct record record = { .event = EVENT_INSERT, .sequence = ++sequence };

		record.keys = slice_of(bytes, 1 + check_random_below(20));
		record.new_image = slice_of(bytes, 1 + check_random_below(
			check_random_below(8) ? 100 : sizeof bytes));
		CHECK_EQUAL_INT(pending_add(&pending, STREAM, &record), 0);
		list[list_count++] = (struct plain_record){ sequence, transaction, clock_ms,
			record_bytes(&record), 0 };
		sequence += check_random_below(3) == 0;      /* gaps are normal */
	}
	CHECK_EQUAL_INT(pending_flush(&pending, txn, &streams, clock_ms, clock_ms), 0);
	pending_release(&pending);
	count_rows(txn, list_count - first);
}

static void check_hidden(struct txn *txn)
{
	const struct stream *stream = the_stream(txn);
	uint64_t hidden;

	CHECK_EQUAL_INT(retention_hidden(txn, &stream->row, &stream->bounds, clock_ms, 0,
		&hidden), 0);
	CHECK_EQUAL_UINT(hidden, sequence_at(plain_hidden(&stream->row.retention)));
}

/* Checks that the log has the remaining records of the list, and that the horizon is correct. */
static void check_log(struct txn *txn)
{
	uint64_t bytes = 0;
	struct horizon horizon;
	struct record record;
	struct cursor *cursor;
	size_t at = list_removed;
	int err;

	CHECK_EQUAL_INT(txn_cursor(txn, TREE_LOG, &cursor), 0);
	for (err = log_seek(cursor, STREAM, 0, &record); !err;
			err = log_next(cursor, STREAM, &record)) {
		CHECK_EQUAL_UINT(record.sequence, list[at].sequence);
		CHECK_EQUAL_UINT(record.ordinal, at + 1);
		at++;
	}
	CHECK_EQUAL_INT(err, END);
	CHECK_EQUAL_UINT(at, list_count);
	for (at = 0; at < list_removed; at++)
		bytes += list[at].bytes;
	CHECK_EQUAL_INT(stream_horizon(txn, STREAM, &horizon), 0);
	CHECK_EQUAL_UINT(horizon.removed, sequence_at(list_removed));
	CHECK_EQUAL_UINT(horizon.ordinal, list_removed);
	CHECK_EQUAL_UINT(horizon.stream_bytes, bytes);
	CHECK_EQUAL_UINT(horizon.hidden, sequence_at(list_hidden));
}

/* Checks one trim: the oldest hidden records are removed, at most max_rows rows, and a
 * transaction of which one record is removed is hidden as a whole. */
static uint64_t trim(struct txn *txn, uint64_t max_rows)
{
	struct stream *stream = the_stream(txn);
	size_t hidden = plain_hidden(&stream->row.retention);
	uint64_t removed, rows = 0, bytes = 0;

	CHECK_EQUAL_INT(retention_trim(txn, stream, clock_ms, max_rows, &removed), 0);
	for (uint64_t i = 0; i < removed; i++) {
		CHECK(rows < max_rows && bytes < TRIM_BYTES_MAX);
		rows += list[list_removed].rows;
		bytes += list[list_removed++].bytes;
	}
	CHECK(list_removed <= hidden);
	CHECK(list_removed == hidden || rows >= max_rows || bytes >= TRIM_BYTES_MAX);
	while (list_hidden < list_removed || (removed && list_hidden < list_count &&
			list[list_hidden].transaction == list[list_hidden - 1].transaction))
		list_hidden++;
	/* a trim is not due before the next transaction */
	if (!removed && list_removed < list_count && list[list_removed].transaction ==
			list[list_count - 1].transaction)
		CHECK(!retention_due(stream, clock_ms));
	return removed;
}

static size_t end_of_transaction(size_t at)
{
	size_t end = at;

	while (end < list_count && list[end].transaction == list[at].transaction)
		end++;
	return end;
}

/* Checks that if no trim is due, few records could be removed: TRIM_WORTH, the rest of the
 * last one's transaction, and one more transaction. */
static void check_due(struct txn *txn)
{
	const struct stream *stream = the_stream(txn);
	size_t enough = list_removed + TRIM_WORTH;

	if (!retention_due(stream, clock_ms) && enough <= list_count) {
		enough = end_of_transaction(enough - 1);
		if (enough < list_count)
			CHECK(plain_hidden(&stream->row.retention) < end_of_transaction(enough));
	}
}

static struct retention random_retention(void)
{
	return (struct retention){
		.age_ms = 1 + check_random_below(200),
		.max_count = check_random_below(2) ? 1 + check_random_below(300) : 0,
		.max_bytes = check_random_below(2) ? 1 + check_random_below(100000) : 0,
	};
}

static void change_retention(struct txn *txn)
{
	struct stream *stream = the_stream(txn);

	CHECK_EQUAL_INT(retention_hide(txn, stream, clock_ms), 0);
	list_hidden = plain_hidden(&stream->row.retention);
	CHECK_EQUAL_UINT(stream->bounds.horizon.hidden, sequence_at(list_hidden));
	stream->row.retention = random_retention();
	CHECK_EQUAL_INT(stream_write_row(txn, &stream->row), 0);
	streams_clear(&streams);
}

static void begin_streams(struct store *store)
{
	struct txn *txn = begin_write(store);

	for (uint32_t id = STREAM - 1; id <= STREAM + 1; id++) {
		struct stream_row row = { .id = id, .table = 1, .view = VIEW_NEW_IMAGE,
			.status = STREAM_ENABLED, .retention = random_retention(),
			.label = "2026-01-31T12:00:00.000", .table_name = "orders",
			.schema = { .partition = { TYPE_S, 1, "p" } } };

		CHECK_EQUAL_INT(stream_write_row(txn, &row), 0);
	}
	streams_clear(&streams);
	commit(txn);
}

static void random_stream(int round)
{
	char name[32];
	struct store *store;

	snprintf(name, sizeof name, "stream%d.tide", round);
	store = open_small(store_path(name));
	list_count = list_removed = list_hidden = 0;
	sequence = check_random_below(1000);
	clock_ms = 1000;
	begin_streams(store);
	for (int i = 0; i < 100; i++) {
		struct txn *txn = begin_write(store);

		switch (check_random_below(8)) {
		case 0:
			trim(txn, 1 + check_random_below(300));
			break;
		case 1:
			while (trim(txn, 1 + check_random_below(50)))
				;
			break;
		case 2:
			change_retention(txn);
			break;
		case 3:
			append(txn, 1 + check_random_below(100));
			break;
		default:
			append(txn, 1 + check_random_below(8));
			clock_ms += check_random_below(20);
		}
		check_hidden(txn);
		check_due(txn);
		check_log(txn);
		commit(txn);
	}
	streams_release(&streams);
	store_close(store);
}

/* A later clock never hides fewer records, and finally hides all of them. */
static void age_alone_hides_all_in_the_end(void)
{
	struct retention limit = { .age_ms = 10 };
	struct stream_head head = { 9, 3, 500, 9 };
	struct record record = { .transaction = 8, .ordinal = 3, .stream_bytes = 500,
		.retention_ms = 100, .keys = { NULL, 100 } };

	CHECK(!retention_expired(&limit, &head, &record, 99));
	CHECK(!retention_expired(&limit, &head, &record, 109));
	CHECK(retention_expired(&limit, &head, &record, 110));
	limit = (struct retention){ .age_ms = UINT64_MAX, .max_count = 1 };
	CHECK(!retention_expired(&limit, &head, &record, 110));
	head.ordinal = 4;
	CHECK(retention_expired(&limit, &head, &record, 110));
	limit = (struct retention){ .age_ms = UINT64_MAX, .max_bytes = RECORD_OVERHEAD + 100 };
	CHECK(!retention_expired(&limit, &head, &record, 110));
	limit.max_bytes--;
	CHECK(retention_expired(&limit, &head, &record, 110));
}

static void the_newest_transaction_expires_by_age_alone(void)
{
	struct retention limit = { .age_ms = 10, .max_count = 1, .max_bytes = 1 };
	struct stream_head head = { 9, 3, 500, 7 };
	struct record record = { .transaction = 7, .ordinal = 1, .stream_bytes = 100,
		.retention_ms = 100, .keys = { NULL, 30 } };

	CHECK(!retention_expired(&limit, &head, &record, 109));
	CHECK(retention_expired(&limit, &head, &record, 110));
	record.transaction = 6;
	CHECK(retention_expired(&limit, &head, &record, 109));
}

int main(void)
{
	clock_follows_the_page();
	clock_bounds();
	small_differences_leave_no_lead();
	ages_grow_while_the_wall_clock_is_behind();
	a_wall_clock_that_toggles_expires_nothing();
	a_second_jump_is_confirmed_by_itself();
	a_clock_at_the_end_of_time_stays_there();
	age_alone_hides_all_in_the_end();
	the_newest_transaction_expires_by_age_alone();
	for (int round = 0; round < 20; round++)
		random_stream(round);
	return 0;
}
