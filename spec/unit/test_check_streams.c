/* test_check_streams.c - problems that tide_check reports of records and streams. */
#include "unit/wrong.h"

/* --- records --- */

static void ordinal_of_first(struct record *record)
{
	record->ordinal = 1;
}

static void forge_ordinal(void)
{
	forge_record(txn, STREAM_ONE, third, ordinal_of_first);
}

static void one_byte_more(struct record *record)
{
	record->stream_bytes++;
}

static void forge_stream_bytes(void)
{
	forge_record(txn, STREAM_ONE, last, one_byte_more);
}

static void unassigned_sequence(struct record *record)
{
	record->sequence += 1000;
}

static void forge_sequence(void)
{
	forge_record(txn, STREAM_ONE, last, unassigned_sequence);
}

static void forge_first_sequence(void)
{
	struct stream_row row = *stream_row();

	row.first_sequence = first;
	CHECK_EQUAL_INT(stream_write_row(txn, &row), 0);
}

static struct record kept;

static void keep(struct record *record)
{
	kept = *record;
}

/* The horizon is after the first two records, which still exist. */
static void forge_horizon(void)
{
	struct horizon horizon = { .removed = second, .ordinal = 2, .hidden = second };

	forge_record(txn, STREAM_ONE, second, keep);
	horizon.stream_bytes = kept.stream_bytes;
	CHECK_EQUAL_INT(stream_write_horizon(txn, STREAM_ONE, &horizon), 0);
}

static void ruin_horizon(void)
{
	static const uint8_t key[5] = { CATALOG_HORIZON, 0, 0, 0, STREAM_ONE };

	forge_row(txn, TREE_CATALOG, slice_of(key, sizeof key), slice_of_text("no horizon"));
}

static void position_of_first(struct record *record)
{
	record->position = 0;
}

static void forge_position(void)
{
	forge_record(txn, STREAM_ONE, both + 1, position_of_first);
}

static void one_record_more(struct record *record)
{
	record->count++;
}

static void forge_count(void)
{
	forge_record(txn, STREAM_ONE, both + 2, one_record_more);
}

static void one_record_less(struct record *record)
{
	record->count--;
	record->position--;
}

static void forge_last_count(void)
{
	forge_record(txn, STREAM_ONE, gone, one_record_less);
}

static void in_transaction_before(struct record *record)
{
	record->transaction = third;
}

static void first_in_transaction(struct record *record)
{
	record->transaction = both;
	record->position = 0;
	record->count = 4;
}

/* Replaces the last record of a transaction by a second one with position 0. */
static void forge_two_positions(void)
{
	forge_record(txn, STREAM_ONE, gone, in_transaction_before);
	forge_record(txn, STREAM_ONE, last, first_in_transaction);
}

static void earlier_clock(struct record *record)
{
	record->retention_ms = 1;
}

static void forge_retention_clock(void)
{
	forge_record(txn, STREAM_ONE, last, earlier_clock);
}

static void modify(struct record *record)
{
	record->event = EVENT_MODIFY;
}

static void forge_event(void)
{
	forge_record(txn, STREAM_ONE, first, modify);
}

/* An old image that the view type excludes, of an item that had none. */
static void forge_view(void)
{
	struct stream_row row = *stream_row();

	row.view = VIEW_NEW_IMAGE;
	CHECK_EQUAL_INT(stream_write_row(txn, &row), 0);
}

static void identical_images(struct record *record)
{
	record->old_image = record->new_image;
}

static void forge_images(void)
{
	forge_record(txn, STREAM_ONE, third, identical_images);
}

/* Keys of the same length that no item has. */
static void other_keys(struct record *record)
{
	static uint8_t bytes[100];

	CHECK(record->keys.len < sizeof bytes);
	memcpy(bytes, record->keys.data, record->keys.len);
	*(uint8_t *)memchr(bytes, 's', record->keys.len) = 't';
	record->keys = slice_of(bytes, record->keys.len);
}

static void forge_keys(void)
{
	forge_record(txn, STREAM_ONE, gone, other_keys);
}

/* The correct keys in a record that must not have keys. */
static void unneeded_keys(struct record *record)
{
	record->keys = slice_of("\2\1p\1\3bob\1s\1\1" "2", 13);
}

/* Keys of another item. */
static void keys_of_another(struct record *record)
{
	record->keys = slice_of("\2\1p\1\3bob\1s\1\1" "3", 13);
}

static void forge_keys_of_another(void)
{
	forge_record(txn, STREAM_ONE, both + 1, keys_of_another);
}

static void forge_unneeded_keys(void)
{
	forge_record(txn, STREAM_ONE, both + 1, unneeded_keys);
}

static void other_hash(struct record *record)
{
	record->partition_hash ^= 1;
}

static void forge_hash(void)
{
	forge_record(txn, STREAM_ONE, first, other_hash);
}

static struct slice with_byte(struct slice image, char from, char to)
{
	static uint8_t bytes[100];

	CHECK(image.len < sizeof bytes);
	memcpy(bytes, image.data, image.len);
	*(uint8_t *)memchr(bytes, from, image.len) = (uint8_t)to;
	return slice_of(bytes, image.len);
}

static void image_of_another(struct record *record)
{
	record->new_image = with_byte(record->new_image, 'a', 'b');
}

static void forge_new_image(void)
{
	forge_record(txn, STREAM_ONE, first, image_of_another);
}

static void old_image_of_another(struct record *record)
{
	record->old_image = with_byte(record->old_image, 'a', 'b');
}

static void forge_old_image(void)
{
	forge_record(txn, STREAM_ONE, third, old_image_of_another);
}

static void image_without_keys(struct record *record)
{
	record->new_image = with_byte(record->new_image, 's', 't');
}

static void forge_keyless_image(void)
{
	forge_record(txn, STREAM_ONE, first, image_without_keys);
}

static void old_image_without_keys(struct record *record)
{
	record->old_image = with_byte(record->old_image, 's', 't');
}

static void forge_keyless_old_image(void)
{
	forge_record(txn, STREAM_ONE, third, old_image_without_keys);
}

static void forge_gap(void)
{
	forge_no_record(txn, STREAM_ONE, both + 1);
}

static void forge_lost_end(void)
{
	forge_no_record(txn, STREAM_ONE, last);
}

/* Rewrites the state with this number of listed streams, of which the stream of the first table is
 * the last one. */
static void list_streams(uint8_t count, uint64_t last_record)
{
	struct buffer scratch = { 0 };
	struct state state;

	CHECK_EQUAL_INT(state_read(txn, &state), 0);
	CHECK_EQUAL_UINT(state.touched_count, 2);        /* and that of the changes of tables */
	CHECK_EQUAL_UINT(state.touched[1].sequence, last);
	state.touched_count = count;
	state.touched[1].sequence = last_record;
	CHECK_EQUAL_INT(state_write(txn, &state, &scratch), 0);
	buffer_release(&scratch);
}

static void forge_unlisted_stream(void)
{
	list_streams(1, last);
}

static void forge_listed_record(void)
{
	list_streams(2, last - 1);
}

/* --- annotations --- */

/* Depth 1, no origin, no context. */
static const uint8_t depth_1[] = { 1, 0 }, nothing[] = { 0, 0 };
#define DEPTH_1 slice_of(depth_1, sizeof depth_1)

static void mark(struct record *record)
{
	record->is_annotated = true;
}

static void annotate(struct record *record)
{
	mark(record);
	record->annotation = DEPTH_1;
	record->stream_bytes += DEPTH_1.len;
}

static void forge_valid_annotation(void)
{
	forge_record(txn, STREAM_ONE, last, annotate);
}

static void forge_mark(void)
{
	forge_record(txn, STREAM_ONE, last, mark);
}

static void forge_marks(void)
{
	for (uint64_t i = both; i <= gone; i++)
		forge_record(txn, STREAM_ONE, i, mark);
}

static void forge_one_mark(void)
{
	forge_record(txn, STREAM_ONE, both + 1, mark);
}

static void unmark(struct record *record)
{
	record->is_annotated = false;
}

static void forge_one_without_mark(void)
{
	forge_marks();
	forge_record(txn, STREAM_ONE, gone, unmark);
}

static void annotate_twice(struct record *record)
{
	annotate(record);
	record->stream_bytes += DEPTH_1.len * (record->sequence - both);
}

static void forge_second_annotation(void)
{
	forge_record(txn, STREAM_ONE, both, annotate_twice);
	forge_record(txn, STREAM_ONE, both + 1, annotate_twice);
	forge_record(txn, STREAM_ONE, both + 2, mark);
	forge_record(txn, STREAM_ONE, gone, mark);
}

static void annotate_with_nothing(struct record *record)
{
	annotate(record);
	record->annotation = slice_of(nothing, sizeof nothing);
}

static void forge_empty_annotation(void)
{
	forge_record(txn, STREAM_ONE, parted, annotate_with_nothing);
}

/* The first record of the transaction is unreadable, and may have contained the annotation. */
static void forge_lost_annotation(void)
{
	forge_marks();
	forge_record(txn, STREAM_ONE, both, annotate_with_nothing);
}

static void by_time_to_live(struct record *record)
{
	record->origin = ORIGIN_TIME_TO_LIVE;
	record->is_annotated = false;
}

static void forge_lost_before_removal(void)
{
	forge_lost_annotation();
	forge_record(txn, STREAM_ONE, both + 1, by_time_to_live);
}

static const struct wrong wrongs[] = {
	{ "nothing", NULL, { NULL } },
	{ "an ordinal", forge_ordinal, {
		"9\tlog\t*record 6 has no greater ordinal than the one before it",
		"9\tlog\t*record 7 is preceded by a gap: 2 records are missing after 6",
	} },
	{ "stream bytes", forge_stream_bytes, {
		"9\tlog\t*has stream bytes that do not match those before it",
	} },
	{ "a sequence number", forge_sequence, {
		"12\titems\torders\t*has sequence number 12, but its stream has no such record",
		"8\tlog\torders\trecord 1012\t*that the stream never had",
		"12\titems\torders\t*is missing, or older than its last record 1012",
	} },
	{ "a stream's first", forge_first_sequence, {
		"8\tlog\t*record 4 has a sequence number that the stream never had",
	} },
	{ "a horizon", forge_horizon, {
		"8\tlog\t*record 4 has no greater sequence number than the one before it",
		"16\tlog\t*record 4 exists, but the horizon says that it was removed",
		"9\tlog\t*record 4 has no greater ordinal than the one before it",
		"16\tlog\t*record 5 exists, but the horizon says that it was removed",
	} },
	{ "no horizon", ruin_horizon, {
		"1\tcatalog\t\thorizon of stream 2\t*does not decode",
	} },
	{ "a position", forge_position, {
		"10\tlog\t*record 8 has a wrong position in its transaction",
	} },
	{ "a count", forge_count, {
		"10\tlog\t*record 9 has a wrong position in its transaction",
		"10\tlog\t*record 10 has a wrong position in its transaction",
	} },
	{ "the last count", forge_last_count, {
		"10\tlog\t*record 10 has a wrong position in its transaction",
		"10\tlog\t*has 4 records of transaction 7, expected 3",
	} },
	{ "two positions", forge_two_positions, {
		"10\tlog\t*has wrong record positions in transaction 7",
		"10\tlog\t*has 1 records of transaction 6, expected 4",
	} },
	{ "a retention clock", forge_retention_clock, {
		"14\tlog\t*record 12 has an earlier retention clock than the one before it",
	} },
	{ "an event", forge_event, {
		"11\tlog\t*record 4 has images that do not fit its view type and event",
	} },
	{ "a view", forge_view, {
		"62\tlog\t*record 1 has another definition of table orders than the catalog",
		"11\tlog\t*record 6 has images that do not fit its view type and event",
		"11\tlog\t*record 10 has images that do not fit its view type and event",
	} },
	{ "identical images", forge_images, {
		"11\tlog\t*record 6 has identical old and new images",
	} },
	{ "keys", forge_keys, {
		"13\tlog\t*record 10 has keys that do not match the key schema",
		"12\titems\t*s = \"2\" is missing, or older than its last record 5",
	} },
	{ "keys and a new image", forge_unneeded_keys, {
		"9\tlog\t*record 8 has stream bytes that do not match those before it",
		"11\tlog\t*record 8 has both keys and a new image",
	} },
	{ "other keys and a new image", forge_keys_of_another, {
		"9\tlog\t*record 8 has stream bytes that do not match those before it",
		"11\tlog\t*record 8 has both keys and a new image",
		"13\tlog\t*record 8 has an image with different keys",
	} },
	{ "an old image without keys", forge_keyless_old_image, {
		"13\tlog\t*record 6 has an image with different keys",
	} },
	{ "a hash", forge_hash, {
		"13\tlog\t*record 4 has a partition hash that does not match its keys",
	} },
	{ "a new image", forge_new_image, {
		"13\tlog\t*record 4 has a partition hash that does not match its keys",
		"12\titems\t*s = \"1\" is missing, or older than its last record 4",
	} },
	{ "an old image", forge_old_image, {
		"13\tlog\t*record 6 has an image with different keys",
	} },
	{ "an image without keys", forge_keyless_image, {
		"13\tlog\t*record 4 has keys that do not match the key schema",
	} },
	{ "a gap", forge_gap, {
		"12\titems\t*s = \"2\" has sequence number 8, but its stream has no such record",
		"9\tlog\t*record 9 is preceded by a gap: 1 records are missing after 7",
		"10\tlog\t*has 3 records of transaction 7, expected 4",
	} },
	{ "a lost end", forge_lost_end, {
		"12\titems\t*has sequence number 12, but its stream has no such record",
		"38\tlog\t*record 11 is the last record of its stream, but the state lists record"
			" 12",
	} },
	{ "an unlisted stream", forge_unlisted_stream, {
		"38\tlog\t*record 12 is the last record of its stream, but the state does not list"
			" the stream",
	} },
	{ "an annotation", forge_valid_annotation, { NULL } },
	{ "a mark", forge_mark, {
		"46\tlog\t*record 12 is annotated, but no record of its transaction has"
			" the annotation",
	} },
	{ "the marks of a transaction", forge_marks, {
		"46\tlog\t*record 7 is annotated, but no record of its transaction has"
			" the annotation",
	} },
	{ "one mark", forge_one_mark, {
		"46\tlog\t*record 8 is annotated, but others of its transaction are not",
	} },
	{ "one record without a mark", forge_one_without_mark, {
		"46\tlog\t*record 7 is annotated, but no record of its transaction has"
			" the annotation",
		"46\tlog\t*record 10 is not annotated, but others of its transaction are",
	} },
	{ "a second annotation", forge_second_annotation, {
		"46\tlog\t*record 8 has an annotation, but is not the first of its transaction",
		"9\tlog\t*record 9 has stream bytes that do not match those before it",
	} },
	{ "an annotation that says nothing", forge_empty_annotation, {
		"1\tlog\t*record 11 does not decode",
		"9\tlog\t*record 10 is followed by unreadable rows",
	} },
	{ "a lost annotation", forge_lost_annotation, {
		"1\tlog\t*record 7 does not decode",
		"9\tlog\t*record 6 is followed by unreadable rows",
		"10\tlog\t*has 3 records of transaction 7, expected 4",
	} },
	{ "a lost annotation before a removal", forge_lost_before_removal, {
		"1\tlog\t*record 7 does not decode",
		"9\tlog\t*record 6 is followed by unreadable rows",
		"10\tlog\t*has 3 records of transaction 7, expected 4",
	} },
	{ "a listed record", forge_listed_record, {
		"38\tlog\t*record 12 is the last record of its stream, but the state lists record"
			" 11",
	} },
};

int main(void)
{
	wrong_start();
	for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++)
		is_named(&wrongs[i]);
	builder_release(&made);
	return 0;
}
