/* test_log.c - tests of stream/log.h: records of any size, and detection of damaged rows. */
#include "codec/state.h"
#include "stream/log.h"

#include "unit/stores.h"

#define STREAMS 3
#define RECORDS 60
#define LARGEST (4 * LOG_SHARE)

static struct buffer out;
static uint8_t bytes[LARGEST];

/* --- records as they were written --- */

static struct {
	uint32_t stream;
	struct record record;
} written[RECORDS];

/* Returns a length, often close to the limit of a row. */
static size_t random_length(size_t taken)
{
	switch (check_random_below(4)) {
	case 0: return check_random_below(40);
	case 1: return check_random_below(LARGEST);
	default: return LOG_SHARE - taken - 3 + check_random_below(7);
	}
}

static struct record random_record(uint64_t sequence)
{
	struct record record = {
		.event = (uint8_t)(EVENT_INSERT + check_random_below(3)), .count = 1,
		.sequence = sequence, .transaction = sequence, .ordinal = sequence,
		.stream_bytes = sequence * 100000,
		.keys = slice_of(bytes, 1 + check_random_below(50)),
		.is_annotated = check_random_below(3) == 0,
	};
	uint8_t head[RECORD_HEADER_MAX];
	size_t taken = record_put_header(&record, head) + record.keys.len;

	if (record.event != EVENT_INSERT)
		record.old_image = slice_of(bytes + 1, random_length(taken) % LARGEST);
	taken = (taken + record.old_image.len) % LOG_SHARE;
	if (record.event != EVENT_REMOVE)
		record.new_image = slice_of(bytes + 2, random_length(taken) % (LARGEST - 2));
	if (record.is_annotated)
		record.annotation = slice_of(bytes + 3, random_length(taken) % 5000);
	return record;
}

static size_t rows_for(size_t len)
{
	return (len + LOG_SHARE - 1) / LOG_SHARE;
}

/* Returns the expected number of rows. A record longer than a row is also split before its new
 * image. */
static size_t rows_of(const struct record *record)
{
	uint8_t head[RECORD_HEADER_MAX];
	size_t whole = record_put_header(record, head) + record_body(record);
	size_t last = record->new_image.len + record->annotation.len;

	return whole <= LOG_SHARE ? 1 : rows_for(whole - last) + rows_for(last);
}

static uint64_t count_rows(struct txn *txn)
{
	uint64_t rows;

	CHECK_EQUAL_INT(txn_count(txn, TREE_LOG, &rows), 0);
	return rows;
}

static void append(struct txn *txn, uint32_t stream, const struct record *record)
{
	uint64_t before = count_rows(txn);
	uint32_t end;

	CHECK_EQUAL_INT(log_last_stream(txn, &end), 0);
	CHECK_EQUAL_INT(log_append(txn, stream, record, stream >= end), 0);
	CHECK_EQUAL_UINT(count_rows(txn) - before, rows_of(record));
}

static void write_many(struct txn *txn)
{
	uint32_t end;

	CHECK_EQUAL_INT(log_last_stream(txn, &end), 0);
	CHECK_EQUAL_UINT(end, 0);
	for (size_t i = 0; i < RECORDS; i++) {
		written[i].stream = 1 + (uint32_t)check_random_below(STREAMS);
		written[i].record = random_record(10 + i);
		append(txn, written[i].stream, &written[i].record);
	}
}

/* --- all functions that read records --- */

static struct cursor *cursor_of(struct txn *txn)
{
	struct cursor *cursor;

	CHECK_EQUAL_INT(txn_cursor(txn, TREE_LOG, &cursor), 0);
	return cursor;
}

static void is_whole(const struct record *expected)
{
	struct record record;

	CHECK_EQUAL_INT(record_get(&record, buffer_slice(&out)), 0);
	CHECK_EQUAL_UINT(record.sequence, expected->sequence);
	CHECK(slice_equal(record.keys, expected->keys));
	CHECK(slice_equal(record.old_image, expected->old_image));
	CHECK(slice_equal(record.new_image, expected->new_image));
	CHECK(slice_equal(record.annotation, expected->annotation));
}

static void copies(struct cursor *cursor, uint32_t stream, const struct record *head,
	const struct record *expected)
{
	CHECK_EQUAL_UINT(head->sequence, expected->sequence);
	CHECK_EQUAL_UINT(record_bytes(head), record_bytes(expected));
	CHECK_EQUAL_UINT(log_sequence_here(cursor, stream), expected->sequence);
	CHECK_EQUAL_UINT(log_sequence_here(cursor, stream + 1), 0);
	buffer_clear(&out);
	CHECK_EQUAL_INT(log_copy(cursor, stream, head, &out), 0);
	is_whole(expected);
}

typedef int step(struct cursor *cursor, uint32_t stream, struct record *head);

/* Reads the whole stream. Without copying, the later rows of a record are skipped. */
static void walk(struct cursor *cursor, uint32_t stream, step *next, bool copied)
{
	struct record head;
	int err = log_seek(cursor, stream, 0, &head);

	for (size_t i = 0; i < RECORDS; i++) {
		if (written[i].stream != stream)
			continue;
		CHECK_EQUAL_INT(err, 0);
		if (copied)
			copies(cursor, stream, &head, &written[i].record);
		CHECK_EQUAL_UINT(head.sequence, written[i].record.sequence);
		err = next(cursor, stream, &head);
	}
	CHECK_EQUAL_INT(err, END);
}

/* Checks the bytes of a record that has one row, and that only these are returned. */
static int next_in_place(struct cursor *cursor, uint32_t stream, struct record *head)
{
	struct slice row;
	size_t i = 0;
	int err = log_next_in_place(cursor, stream, head, &row);

	if (err) {
		CHECK(row.len == 0);
		return err;
	}
	while (written[i].record.sequence != head->sequence)
		i++;
	CHECK_EQUAL_INT(row.len > 0, rows_of(&written[i].record) == 1);
	if (row.len) {
		buffer_clear(&out);
		buffer_put_u64(&out, head->sequence);
		buffer_put_slice(&out, row);
		is_whole(&written[i].record);
		CHECK(slice_equal(head->keys, written[i].record.keys));
		CHECK(slice_equal(head->annotation, written[i].record.annotation));
	}
	return 0;
}

/* The row under the cursor is the one that log_step_row returned, and its record can be copied. */
static int step_row(struct cursor *cursor, uint32_t stream, struct record *head)
{
	struct log_row row, here;
	size_t i = 0;
	int err = log_step_row(cursor, stream, head, &row);

	if (err)
		return err;
	while (written[i].record.sequence != head->sequence)
		i++;
	CHECK_EQUAL_INT(log_here(cursor, stream, &here), 0);
	CHECK(slice_equal(row.key, here.key) && row.value.data == here.value.data);
	CHECK_EQUAL_INT(log_verify_row(&row), 0);
	buffer_clear(&out);
	CHECK_EQUAL_INT(log_copy_row(cursor, stream, head, &row, &out), 0);
	is_whole(&written[i].record);
	return 0;
}

static int previous(struct cursor *cursor, uint32_t stream, struct record *head)
{
	return log_previous(cursor, stream, head->sequence, head);
}

static void walk_back(struct cursor *cursor, uint32_t stream, step *back, bool copied)
{
	struct record head;
	int err = log_last(cursor, stream, &head);

	for (size_t i = RECORDS; i-- > 0;) {
		if (written[i].stream != stream)
			continue;
		CHECK_EQUAL_INT(err, 0);
		CHECK_EQUAL_UINT(head.sequence, written[i].record.sequence);
		CHECK_EQUAL_UINT(log_sequence_here(cursor, stream), head.sequence);
		if (copied)
			copies(cursor, stream, &head, &written[i].record);
		err = back(cursor, stream, &head);
	}
	CHECK_EQUAL_INT(err, END);
}

static void take_all(struct cursor *cursor, uint32_t stream)
{
	struct record head;
	bool is_first = true;
	int err = log_seek(cursor, stream, 0, &head);

	for (size_t i = 0; i < RECORDS; i++) {
		if (written[i].stream != stream)
			continue;
		CHECK_EQUAL_INT(err, 0);
		if (!is_first)
			is_whole(&written[i].record);
		is_first = false;
		buffer_clear(&out);
		err = log_take(cursor, stream, &head, &out);
	}
	CHECK_EQUAL_INT(err, END);
}

/* Seeks each record from its own sequence number and from those before and after it. */
static void seek_each(struct cursor *cursor)
{
	struct record head;

	for (size_t i = 0; i < RECORDS; i++) {
		const struct record *record = &written[i].record;
		uint32_t stream = written[i].stream;

		CHECK_EQUAL_INT(log_seek(cursor, stream, record->sequence, &head), 0);
		CHECK_EQUAL_UINT(head.sequence, record->sequence);
		if (log_seek(cursor, stream, record->sequence + 1, &head) == 0)
			CHECK(head.sequence > record->sequence);
		CHECK_EQUAL_INT(log_previous(cursor, stream, record->sequence + 1, &head), 0);
		CHECK_EQUAL_UINT(head.sequence, record->sequence);
	}
}

static void every_way_to_read_gives_the_same(struct store *store)
{
	for (int round = 0; round < 20; round++) {
		struct txn *txn = begin_write(store);

		write_many(txn);
		for (uint32_t stream = 0; stream <= STREAMS + 1; stream++) {
			walk(cursor_of(txn), stream, log_next, round % 2);
			walk(cursor_of(txn), stream, log_step, round % 2);
			walk(cursor_of(txn), stream, next_in_place, round % 2);
			walk_back(cursor_of(txn), stream, previous, round % 2);
			walk_back(cursor_of(txn), stream, log_step_back, round % 2);
			walk(cursor_of(txn), stream, step_row, false);
			take_all(cursor_of(txn), stream);
		}
		seek_each(cursor_of(txn));
		cancel_write(txn);
	}
}

/* --- removing --- */

static void remove_one(struct txn *txn, size_t i)
{
	uint64_t before = count_rows(txn), rows = 0, next = 0;
	struct record head;
	int err;

	for (size_t j = i + 1; j < RECORDS && !next; j++)
		if (written[j].stream == written[i].stream)
			next = written[j].record.sequence;
	CHECK_EQUAL_INT(log_seek(cursor_of(txn), written[i].stream, 0, &head), 0);
	CHECK_EQUAL_UINT(head.sequence, written[i].record.sequence);
	err = log_remove(cursor_of(txn), written[i].stream, &head, &rows);
	CHECK_EQUAL_INT(err, next ? 0 : END);
	CHECK(!next || head.sequence == next);
	CHECK_EQUAL_UINT(rows, rows_of(&written[i].record));
	CHECK_EQUAL_UINT(before - count_rows(txn), rows);
}

static void what_is_removed_is_gone_and_no_more(struct store *store)
{
	struct txn *txn = begin_write(store);

	write_many(txn);
	for (size_t i = 0; i < RECORDS; i++)
		remove_one(txn, i);
	CHECK_EQUAL_UINT(count_rows(txn), 0);
	cancel_write(txn);
}

/* --- damage --- */

#define PARTS 4

/* Writes three records. The second one has four rows and will be damaged. */
static struct txn *write_three(struct store *store)
{
	struct txn *txn = begin_write(store);
	struct record record = {
		.event = EVENT_MODIFY, .count = 1, .stream_bytes = 1000000,
		.keys = slice_of_text("keys"),
	};

	for (uint64_t sequence = 1; sequence <= 3; sequence++) {
		record.sequence = record.transaction = record.ordinal = sequence;
		record.old_image = slice_of(bytes, sequence == 2 ? LOG_SHARE + 10 : 10);
		record.new_image = slice_of(bytes + 1, sequence == 2 ? LOG_SHARE + 10 : 10);
		append(txn, 1, &record);
	}
	return txn;
}

static struct slice key_of(uint64_t sequence, uint16_t part)
{
	static uint8_t key[RECORD_KEY_MAX];

	return slice_of(key, record_set_key(key, 1, sequence, part));
}

static void put_share(struct txn *txn, struct slice key, struct slice share)
{
	struct buffer value = { 0 };

	row_start(&value);
	buffer_put_slice(&value, share);
	CHECK_EQUAL_INT(row_seal(&value, key), 0);
	CHECK_EQUAL_INT(txn_put(txn, TREE_LOG, key, buffer_slice(&value)), 0);
	buffer_release(&value);
}

static void cut(struct txn *txn, struct slice key)
{
	CHECK_EQUAL_INT(txn_put(txn, TREE_LOG, key, slice_of("cut", 3)), 0);
}

static void cut_off(struct txn *txn, struct slice key)
{
	CHECK_EQUAL_INT(txn_put(txn, TREE_LOG, key, slice_of(NULL, 0)), 0);
}

static void lose(struct txn *txn, struct slice key)
{
	CHECK_EQUAL_INT(txn_delete(txn, TREE_LOG, key), 0);
}

static void empty(struct txn *txn, struct slice key)
{
	put_share(txn, key, slice_of(NULL, 0));
}

/* Appends one byte to the row. */
static void lengthen(struct txn *txn, struct slice key)
{
	struct slice value;

	CHECK_EQUAL_INT(txn_get(txn, TREE_LOG, key, &value), 0);
	buffer_clear(&out);
	buffer_put(&out, value.data + ROW_CHECKSUM, value.len - ROW_CHECKSUM);
	buffer_put_u8(&out, 0);
	put_share(txn, key, buffer_slice(&out));
}

/* Flips one bit after the checksum. A head can still be decoded afterwards. */
static void turn_a_bit(struct txn *txn, struct slice key)
{
	struct slice value;

	CHECK_EQUAL_INT(txn_get(txn, TREE_LOG, key, &value), 0);
	buffer_clear(&out);
	buffer_put_slice(&out, value);
	out.data[value.len > 40 ? 39 : value.len - 1] ^= 1;  /* created_ms of a header */
	CHECK_EQUAL_INT(txn_put(txn, TREE_LOG, key, buffer_slice(&out)), 0);
}

/* Returns a cursor on the first record; the damaged one is next. */
static struct cursor *behind_the_first(struct txn *txn)
{
	struct record head;

	CHECK_EQUAL_INT(log_seek(cursor_of(txn), 1, 1, &head), 0);
	return cursor_of(txn);
}

/* Checks that the damaged record cannot be copied. head_is_read: log_step succeeds, because it
 * does not verify the checksum. */
static void is_corrupt(struct txn *txn, uint16_t part, bool head_is_read)
{
	struct cursor *cursor = behind_the_first(txn);
	struct record head;
	struct slice row;
	int err = log_next(cursor, 1, &head);

	CHECK_EQUAL_INT(err, part > 0 ? 0 : ERR_CORRUPT);
	if (!err) {
		buffer_clear(&out);
		CHECK_EQUAL_INT(log_copy(cursor, 1, &head, &out), ERR_CORRUPT);
	}
	cursor = behind_the_first(txn);
	CHECK_EQUAL_INT(log_next_in_place(cursor, 1, &head, &row), part > 0 ? 0 : ERR_CORRUPT);
	CHECK(row.len == 0);
	cursor = behind_the_first(txn);
	CHECK_EQUAL_INT(log_step(cursor, 1, &head), head_is_read ? 0 : ERR_CORRUPT);
	if (!head_is_read)
		CHECK(log_damaged_after(cursor, 1, 1) >= 2);
	cursor = behind_the_first(txn);
	buffer_clear(&out);
	CHECK_EQUAL_INT(log_take(cursor, 1, &head, &out), ERR_CORRUPT);
	CHECK_EQUAL_INT(log_seek(cursor, 1, 2, &head), part > 0 ? 0 : ERR_CORRUPT);
}

static void a_row_may_be_damaged(struct store *store)
{
	static void (*const ways[])(struct txn *txn, struct slice key) = {
		cut, cut_off, empty, lengthen, turn_a_bit,
	};

	for (size_t way = 0; way < sizeof ways / sizeof *ways; way++)
		for (uint16_t part = 0; part < PARTS; part++) {
			struct txn *txn = write_three(store);

			/* a head followed by another byte is valid until the record is copied */
			if (ways[way] == lengthen && part == 0) {
				cancel_write(txn);
				continue;
			}
			ways[way](txn, key_of(2, part));
			is_corrupt(txn, part, part > 0 || ways[way] == turn_a_bit);
			cancel_write(txn);
		}
}

/* Later rows are missing. (Without its first row a record would not be found.) */
static void a_row_may_be_missing(struct store *store)
{
	for (uint16_t part = 1; part < PARTS; part++) {
		struct txn *txn = write_three(store);

		lose(txn, key_of(2, part));
		is_corrupt(txn, part, true);
		cancel_write(txn);
	}
}

/* Read backward, the record of which only later rows are left is found. */
static void the_first_row_may_be_missing(struct store *store)
{
	struct txn *txn = write_three(store);
	struct record head;

	lose(txn, key_of(2, 0));
	CHECK_EQUAL_INT(log_last(cursor_of(txn), 1, &head), 0);
	CHECK_EQUAL_INT(log_step_back(cursor_of(txn), 1, &head), ERR_CORRUPT);
	CHECK_EQUAL_INT(log_previous(cursor_of(txn), 1, 3, &head), ERR_CORRUPT);
	cancel_write(txn);
}

/* All rows exist, and one more. */
static void a_row_may_be_one_too_many(struct store *store)
{
	struct txn *txn = write_three(store);
	struct slice value;

	CHECK_EQUAL_INT(txn_get(txn, TREE_LOG, key_of(2, PARTS - 1), &value), 0);
	buffer_clear(&out);
	buffer_put(&out, value.data + ROW_CHECKSUM, value.len - ROW_CHECKSUM);
	put_share(txn, key_of(2, PARTS), buffer_slice(&out));
	empty(txn, key_of(2, PARTS - 1));
	is_corrupt(txn, PARTS - 1, true);
	cancel_write(txn);
}

/* The missing row follows, but belongs to another record. */
static void a_row_may_be_another_record_s(struct store *store)
{
	struct txn *txn = write_three(store);
	struct record other = {
		.event = EVENT_MODIFY, .count = 1, .sequence = 4, .transaction = 4, .ordinal = 4,
		.stream_bytes = 1000000, .keys = slice_of_text("keys"),
		.old_image = slice_of(bytes, LOG_SHARE + 10),
		.new_image = slice_of(bytes + 1, LOG_SHARE + 10),
	};

	append(txn, 1, &other);
	lose(txn, key_of(2, PARTS - 1));
	lose(txn, key_of(3, 0));
	for (uint16_t part = 0; part < PARTS - 1; part++)
		lose(txn, key_of(4, part));
	is_corrupt(txn, PARTS - 1, true);
	cancel_write(txn);
}

/* The last row of the last record is missing. It is followed by nothing, by another stream or
 * by a malformed row. */
static void nothing_may_follow(struct store *store)
{
	for (int i = 0; i < 3; i++) {
		struct txn *txn = write_three(store);
		struct record head, other = { .event = EVENT_REMOVE, .count = 1, .sequence = 9,
			.transaction = 9, .ordinal = 1, .stream_bytes = 1000,
			.keys = slice_of_text("keys") };

		lose(txn, key_of(2, PARTS - 1));
		lose(txn, key_of(3, 0));
		if (i == 1)
			append(txn, 2, &other);
		if (i == 2)
			put_share(txn, slice_of_text("\1a key of no record"), slice_of(NULL, 0));
		CHECK_EQUAL_INT(log_seek(cursor_of(txn), 1, 2, &head), 0);
		buffer_clear(&out);
		CHECK_EQUAL_INT(log_copy(cursor_of(txn), 1, &head, &out), ERR_CORRUPT);
		CHECK_EQUAL_INT(log_seek(cursor_of(txn), 1, 3, &head), i == 2 ? ERR_CORRUPT : END);
		cancel_write(txn);
	}
}

/* A key of invalid length is CORRUPT and must not look like the end of the stream. */
static void a_key_may_be_no_record_s(struct store *store)
{
	struct txn *txn = write_three(store);
	struct record head;
	uint64_t rows = 0;
	uint32_t end;

	put_share(txn, slice_of("\1\xff", 2), slice_of_text("?"));
	CHECK_EQUAL_INT(log_last_stream(txn, &end), ERR_CORRUPT);
	CHECK_EQUAL_INT(log_last(cursor_of(txn), 1, &head), ERR_CORRUPT);
	CHECK_EQUAL_INT(log_seek(cursor_of(txn), 1, 4, &head), ERR_CORRUPT);
	CHECK_EQUAL_UINT(log_sequence_here(cursor_of(txn), 1), 0);
	CHECK_EQUAL_INT(log_seek(cursor_of(txn), 1, 3, &head), 0);
	CHECK_EQUAL_INT(log_next(cursor_of(txn), 1, &head), ERR_CORRUPT);
	CHECK_EQUAL_INT(log_seek(cursor_of(txn), 1, 3, &head), 0);
	CHECK_EQUAL_INT(log_step(cursor_of(txn), 1, &head), ERR_CORRUPT);
	CHECK_EQUAL_INT(log_seek(cursor_of(txn), 1, 3, &head), 0);
	CHECK_EQUAL_INT(log_take(cursor_of(txn), 1, &head, &out), ERR_CORRUPT);
	CHECK_EQUAL_INT(log_seek(cursor_of(txn), 1, 3, &head), 0);
	CHECK_EQUAL_INT(log_remove(cursor_of(txn), 1, &head, &rows), ERR_CORRUPT);
	CHECK_EQUAL_UINT(rows, 1);
	cancel_write(txn);
}

/* Part numbers start at 1; part 0 would be a second key of the first row. */
static void no_row_is_number_0(struct store *store)
{
	struct txn *txn = write_three(store);
	struct record head;
	uint32_t end;

	put_share(txn, slice_of("\1\0\0\0\0\0\0\0\3\0\0", 11), slice_of_text("?"));
	CHECK_EQUAL_INT(log_last_stream(txn, &end), ERR_CORRUPT);
	CHECK_EQUAL_INT(log_seek(cursor_of(txn), 1, 3, &head), 0);
	CHECK_EQUAL_INT(log_next(cursor_of(txn), 1, &head), ERR_CORRUPT);
	cancel_write(txn);
}

/* A head with an invalid key, or after a later row. */
static void a_first_row_may_belong_to_no_stream(struct store *store)
{
	for (uint16_t part = 0; part < 2; part++) {
		struct txn *txn = write_three(store);
		struct record head;
		struct slice value;

		CHECK_EQUAL_INT(txn_get(txn, TREE_LOG, key_of(1, 0), &value), 0);
		buffer_clear(&out);
		buffer_put(&out, value.data + ROW_CHECKSUM, value.len - ROW_CHECKSUM);
		put_share(txn, key_of(4, part), buffer_slice(&out));
		CHECK_EQUAL_INT(log_seek(cursor_of(txn), 1, 4, &head), part ? ERR_CORRUPT : 0);
		put_share(txn, key_of(0, 0), buffer_slice(&out));
		CHECK_EQUAL_INT(log_seek(cursor_of(txn), 1, 0, &head), ERR_CORRUPT);
		put_share(txn, key_of(SEQUENCE_MAX + 1, 0), buffer_slice(&out));
		CHECK_EQUAL_INT(log_last(cursor_of(txn), 1, &head), ERR_CORRUPT);
		cancel_write(txn);
	}
}

int main(void)
{
	struct store *store = open_small(store_path("log.tide"));

	check_random_bytes(bytes, sizeof bytes);
	every_way_to_read_gives_the_same(store);
	what_is_removed_is_gone_and_no_more(store);
	a_row_may_be_damaged(store);
	a_row_may_be_missing(store);
	the_first_row_may_be_missing(store);
	a_row_may_be_one_too_many(store);
	a_row_may_be_another_record_s(store);
	nothing_may_follow(store);
	a_key_may_be_no_record_s(store);
	no_row_is_number_0(store);
	a_first_row_may_belong_to_no_stream(store);
	buffer_release(&out);
	store_close(store);
	return 0;
}
