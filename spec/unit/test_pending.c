/* test_pending.c - stream/pending.h through tide.h: the annotations of transactions.
 *
 * Random transactions write to two tables, and some of them meet expired items. Every feed shows
 * each record with the annotation of its transaction, from any position and with pages of any size,
 * also after the beginning of the streams was trimmed.
 */
#include "codec/annotation.h"
#include "unit/expiring.h"

#define START UINT64_C(1700000000000)
#define RECORDS_MAX 3000
#define TRANSACTIONS 60
#define LARGEST 30
#define CONTEXT_LONG 3000

static struct failure failure;
static struct clock *manual;
static struct tide *tide;
static struct tide_table tables[2];

/* --- what is expected --- */

static struct expected {
	bool is_change;              /* false: the record is a removal by time to live */
	uint8_t depth;
	char origin[8];
	size_t context;              /* length of its text; 0: no context */
} expected[RECORDS_MAX];             /* by sequence number */

static struct slice context_of(struct builder *builder, size_t len)
{
	static char text[CONTEXT_LONG];
	struct slice context;

	memset(text, 'c', sizeof text);
	builder_start(builder);
	builder_name(builder, slice_of_text("why"));
	builder_string(builder, slice_of(text, len));
	CHECK_EQUAL_INT(builder_finish(builder, &context), 0);
	return context;
}

/* Sets the annotation of the open transaction. */
static void annotate(const struct expected *wanted)
{
	struct annotation annotation = { .depth = wanted->depth,
		.origin = slice_of_text(wanted->origin) };
	struct builder builder = { 0 };
	struct buffer bytes = { 0 };

	if (wanted->context)
		annotation.context = context_of(&builder, wanted->context);
	MUST(annotation_encode(&bytes, &annotation, &failure), failure);
	MUST(tide_annotate(tide, buffer_slice(&bytes), &failure), failure);
	buffer_release(&bytes);
	builder_release(&builder);
}

static void is_expected(const struct record *record)
{
	const struct expected *wanted = &expected[record->sequence];
	struct annotation annotation;
	struct builder builder = { 0 };

	CHECK_EQUAL_INT(record_annotation(record, &annotation), 0);
	CHECK_EQUAL_INT(record->origin, wanted->is_change ? ORIGIN_USER : ORIGIN_TIME_TO_LIVE);
	CHECK_EQUAL_INT(annotation.depth, wanted->depth);
	CHECK(slice_equal(annotation.origin, slice_of_text(wanted->origin)));
	CHECK_EQUAL_INT(annotation.context.len > 0, wanted->context > 0);
	if (wanted->context)
		CHECK(slice_equal(annotation.context, context_of(&builder, wanted->context)));
	CHECK_EQUAL_INT(record->is_annotated, !annotation_is_empty(&annotation));
	builder_release(&builder);
}

/* --- writing --- */

static struct expected random_annotation(void)
{
	struct expected wanted = { .is_change = true };

	if (check_random_below(3) == 0)
		return wanted;
	if (check_random_below(2))
		wanted.depth = (uint8_t)check_random_below(20);
	if (check_random_below(2))
		snprintf(wanted.origin, sizeof wanted.origin, "o%d", (int)check_random_below(99));
	if (check_random_below(2))
		wanted.context = 1 + (size_t)check_random_below(check_random_below(2) ? 20 :
			CONTEXT_LONG);
	return wanted;
}

/* Puts an item, which may replace an expired one. */
static void put_random(const struct expected *wanted)
{
	char sort[16], value[24];
	uint64_t sequence;

	snprintf(sort, sizeof sort, "%d", (int)check_random_below(20));
	snprintf(value, sizeof value, "%" PRIx64, check_random());
	if (check_random_below(2))
		sequence = put(tide, &tables[1], "ann", sort, value);
	else
		sequence = put_expiring(tide, &tables[0], "ann", sort, value,
			clock_now_ms(manual) + check_random_below(2) * 5);
	CHECK(sequence < RECORDS_MAX);
	expected[sequence] = *wanted;
}

/* An aborted transaction uses sequence numbers that later ones use again. */
static void write_random(void)
{
	struct expected wanted = random_annotation();
	uint64_t count = 1 + check_random_below(LARGEST);
	bool is_aborted = check_random_below(5) == 0;
	static struct expected before[RECORDS_MAX];

	memcpy(before, expected, sizeof before);
	clock_advance(manual, check_random_below(3));
	begin(tide);
	if (check_random_below(2))
		annotate(&wanted);
	else
		wanted = (struct expected){ .is_change = true };
	for (uint64_t i = 0; i < count; i++)
		put_random(&wanted);
	if (!is_aborted) {
		commit(tide);
		return;
	}
	tide_abort(tide);
	memcpy(expected, before, sizeof before);
}

/* --- reading --- */

/* Reads a stream from a random position on, with pages of random sizes. Returns the number of
 * records. */
static size_t read_stream(uint32_t stream, uint64_t after)
{
	struct tide_feed *feed;
	struct slice bytes;
	struct record record;
	size_t count = 0;

	MUST(tide_feed_start(&feed, tide, stream, TIDE_AFTER, after, &failure), failure);
	do {
		MUST(tide_feed_fill(feed, tide, 1 + (uint32_t)check_random_below(40), &failure),
			failure);
		for (; tide_feed_next(feed, &stream, &bytes) == 0; count++) {
			CHECK_EQUAL_INT(record_check(bytes), 0);
			CHECK_EQUAL_INT(record_get(&record, bytes), 0);
			is_expected(&record);
		}
	} while (tide_feed_is_behind(feed));
	tide_feed_finish(feed);
	return count;
}

/* Returns the number of the newest expired record of the stream. */
static uint64_t trimmed(uint32_t stream)
{
	struct tide_stream_state state;

	MUST(tide_describe_stream(tide, stream, &state, &failure), failure);
	return state.trimmed_through;
}

static void read_all(void)
{
	uint64_t last = tide_last_change(tide), one = trimmed(STREAM_ONE),
		two = trimmed(STREAM_TWO);
	const struct {
		uint32_t stream;
		uint64_t from;
	} all[] = { { 0, one > two ? one : two }, { STREAM_ONE, one }, { STREAM_TWO, two } };

	for (int i = 0; i < 3; i++) {
		read_stream(all[i].stream, all[i].from);
		if (all[i].from < last)
			read_stream(all[i].stream, all[i].from +
				check_random_below(last - all[i].from));
	}
}

/* --- tests --- */

static void open_two(const char *name, uint64_t max_count)
{
	struct tide_table_spec spec = spec_of("others");
	static char path[32];
	static int number;

	snprintf(path, sizeof path, "%s%d.tide", name, number++);
	manual = clock_manual(START);
	tide = open_with_clock(tide_path(path), manual);
	memset(expected, 0, sizeof expected);
	tables[0] = create_expiring(tide, "orders");
	spec.retention.max_count = max_count;
	MUST(tide_create_table(tide, &spec, &failure), failure);
	tables[1] = table_named("others");
}

static void close_two(void)
{
	check_clean(tide);
	tide_close(tide);
	clock_drop(manual);
}

static void each_record_shows_the_annotation_of_its_transaction(void)
{
	open_two("random", 0);
	for (int i = 0; i < TRANSACTIONS; i++)
		write_random();
	CHECK(read_stream(0, 0) > TRANSACTIONS);
	read_all();
	close_two();
}

static void also_when_the_beginning_was_trimmed(void)
{
	open_two("trimmed", 25);
	for (int i = 0; i < TRANSACTIONS; i++) {
		write_random();
		if (i % 5 == 4) {
			read_all();
			check_clean(tide);
		}
	}
	CHECK(trimmed(STREAM_TWO) > 0);
	close_two();
}

/* A trim in steps leaves the second part of a transaction in the file, without its annotation. */
static void the_first_part_of_a_transaction_is_trimmed(void)
{
	struct expected wanted = { .is_change = true, .depth = 3, .origin = "long", .context = 9 };
	struct tide_swept swept = { 0 };
	uint64_t last;
	bool more = false;

	open_two("part", 1);
	begin(tide);
	annotate(&wanted);
	for (int i = 0; i < 2000; i++) {
		char sort[16];

		snprintf(sort, sizeof sort, "%d", i);
		last = put(tide, &tables[1], "ann", sort, "v");
		expected[last] = wanted;
	}
	commit(tide);
	CHECK_EQUAL_UINT(read_stream(STREAM_TWO, 0), 2000);
	CHECK_EQUAL_UINT(read_stream(STREAM_TWO, last - 1), 1);
	begin(tide);
	annotate(&wanted);
	last = put(tide, &tables[1], "bob", "1", "v");
	expected[last] = wanted;
	commit(tide);
	MUST(tide_sweep(tide, &swept, &more, &failure), failure);
	CHECK(more && swept.records > 0 && swept.records < 2000);
	CHECK_EQUAL_UINT(trimmed(STREAM_TWO), last - 1);
	check_clean(tide);
	CHECK_EQUAL_UINT(read_stream(STREAM_TWO, last - 1), 1);
	while (more)
		MUST(tide_sweep(tide, &swept, &more, &failure), failure);
	CHECK_EQUAL_UINT(read_stream(STREAM_TWO, last - 1), 1);
	close_two();
}

/* Only the first record of an annotated transaction counts the annotation in its stream's bytes. */
static void what_annotations_cost(void)
{
	struct expected wanted = { .is_change = true, .depth = 1, .origin = "me" };
	struct tide_stream_state annotated, both;

	open_two("cost", 0);
	begin(tide);
	annotate(&wanted);
	expected[put(tide, &tables[1], "ann", "1", "v")] = wanted;
	expected[put(tide, &tables[1], "ann", "2", "v")] = wanted;
	commit(tide);
	MUST(tide_describe_stream(tide, STREAM_TWO, &annotated, &failure), failure);
	begin(tide);
	expected[put(tide, &tables[1], "ann", "3", "v")].is_change = true;
	expected[put(tide, &tables[1], "ann", "4", "v")].is_change = true;
	commit(tide);
	MUST(tide_describe_stream(tide, STREAM_TWO, &both, &failure), failure);
	CHECK_EQUAL_UINT(both.bytes - annotated.bytes, annotated.bytes - 4);
	read_all();
	close_two();
}

int main(void)
{
	for (int i = 0; i < 5; i++) {
		each_record_shows_the_annotation_of_its_transaction();
		also_when_the_beginning_was_trimmed();
	}
	the_first_part_of_a_transaction_is_trimmed();
	what_annotations_cost();
	return 0;
}
