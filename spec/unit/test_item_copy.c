/* test_item_copy.c - table/item_copy.h: pages of items as records, in the order of their keys. */
#include "table/item_copy.h"

#include "api/database.h"
#include "unit/tides.h"

static struct failure failure;

static uint32_t id_of_table(struct tide *tide, const char *name, uint32_t *stream)
{
	struct tide_table table = table_named(name);
	const struct table_row *row;

	MUST(tide_describe_table(tide, &table, &row, &failure), failure);
	*stream = row->stream;
	return row->id;
}

static void add(struct item_copy *copy, struct tide *tide, const char *name)
{
	struct copy_source source;

	source.table = id_of_table(tide, name, &source.stream);
	MUST(item_copy_add(copy, &source), failure);
}

/* Fills the page from the last commit, at position 900. */
static int fill(struct item_copy *copy, struct tide *tide, uint32_t max)
{
	struct copy_moment moment = { .streams = &tide->catalog.streams,
		.secret = tide->header.secret, .position = 900, .now_ms = 1000 };
	struct read_view snapshot;
	int err;

	MUST(tide_read_begin(tide, &snapshot, &failure), failure);
	err = item_copy_fill(copy, max, snapshot.txn, &moment, &failure);
	MUST(tide_read_end(tide, &snapshot, 0, &failure), failure);
	return err;
}

static void create(struct tide *tide, const char *name, uint8_t view)
{
	struct tide_table_spec spec = spec_of(name);

	spec.view = view;
	MUST(tide_create_table(tide, &spec, &failure), failure);
}

/* The views of the streams of the tables one to four. */
static const char *const names[] = { "one", "two", "three", "four" };

static void fill_tables(struct tide *tide)
{
	char sort[1025], partition[300];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct tide_table table;

		create(tide, names[i], (uint8_t)(i + VIEW_KEYS_ONLY));
		table = table_named(names[i]);
		begin(tide);
		for (size_t n = 0; n < 100; n++) {
			size_t len = check_random_below(3) ? check_random_below(8) + 1 : 1024;
			size_t partition_len = check_random_below(4) ? 1 : sizeof partition - 1;

			memset(sort, 'a' + (int)check_random_below(2), len);
			snprintf(sort + len - 1, 2, "%c", 'a' + (int)check_random_below(26));
			memset(partition, 'a' + (int)check_random_below(3), partition_len);
			partition[partition_len] = '\0';
			put(tide, &table, partition, sort, "v");
		}
		commit(tide);
	}
}

static void check_record(const struct copied_item *item)
{
	uint8_t buf[KEY_ATTRIBUTES_MAX];
	struct record record;
	struct slice keys;
	const struct key_schema schema = spec_of("one").schema;

	MUST(record_get(&record, item->record), failure);
	CHECK_EQUAL_INT(record_check(item->record), 0);
	CHECK(record.event == EVENT_INSERT && record.origin == ORIGIN_SNAPSHOT);
	CHECK(record.ordinal == 900 && record.created_ms == 1000);
	CHECK(record.sequence > 0 && record.transaction == record.sequence);
	MUST(record_keys(&keys, &record, &schema, buf), failure);
	/* A stream without new images shows the keys only. */
	CHECK((record.new_image.len > 0) == ((item->stream - STREAM_ONE) % 2 == 1));
	CHECK(record.old_image.len == 0);
	CHECK_EQUAL_INT(record_get_header(&record, record.sequence, slice_of(
		item->record.data + RECORD_PREFIX, item->record.len - RECORD_PREFIX)),
		ERR_CORRUPT);
}

/* Reads all items in pages of `max` and returns their number. */
static uint64_t read_all(struct tide *tide, uint32_t max, uint32_t *pages)
{
	struct item_copy copy = { 0 };
	struct copied_item item, peeked;
	uint8_t last[KEY_HEAD_MAX + SORT_KEY_MAX];
	size_t last_len = 0;
	uint64_t count = 0;

	*pages = 0;
	while (!copy.is_last) {
		uint64_t before = count;

		copy.source_count = 0;
		for (size_t i = sizeof names / sizeof *names; i > 0; i--)
			add(&copy, tide, names[i - 1]);
		MUST(fill(&copy, tide, max), failure);
		++*pages;
		while (item_copy_peek(&copy, &peeked) == 0) {
			CHECK_EQUAL_INT(item_copy_next(&copy, &item), 0);
			CHECK(slice_equal(item.key, peeked.key) && item.stream == peeked.stream);
			CHECK(slice_compare(slice_of(last, last_len), item.key) < 0);
			slice_write(last, item.key);
			last_len = item.key.len;
			check_record(&item);
			count++;
		}
		CHECK(slice_equal(slice_of(copy.key, copy.key_len), slice_of(last, last_len)));
		CHECK(count - before <= max);
		CHECK_EQUAL_INT(item_copy_next(&copy, &item), END);
	}
	item_copy_release(&copy);
	return count;
}

static uint64_t count_items(struct tide *tide)
{
	uint64_t items = 0;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct tide_table table = table_named(names[i]);
		struct tide_query_spec spec = { .committed = true };
		struct tide_query *query;

		MUST(tide_query_start(&query, tide, &table, &spec, &failure), failure);
		do {
			MUST(tide_query_fill(query, tide, 1000, &failure), failure);
			items += tide_query_count(query);
		} while (tide_query_more(query));
		tide_query_finish(query);
	}
	return items;
}

static void every_item_is_read_once(struct tide *tide)
{
	uint64_t items = count_items(tide);
	uint32_t pages;

	CHECK_EQUAL_UINT(read_all(tide, 1000, &pages), items);
	CHECK_EQUAL_UINT(pages, 1);
	CHECK_EQUAL_UINT(read_all(tide, 7, &pages), items);
	CHECK_EQUAL_UINT(pages, (items + 6) / 7);
	CHECK_EQUAL_UINT(read_all(tide, 1, &pages), items);
}

/* Without sources, or after the last key, the page is empty and the last one. */
static void an_empty_page_is_the_last(struct tide *tide)
{
	struct item_copy copy = { 0 };
	struct copied_item item;

	MUST(fill(&copy, tide, 10), failure);
	CHECK(copy.is_last && item_copy_peek(&copy, &item) == END);
	create(tide, "empty", VIEW_NEW_IMAGE);
	add(&copy, tide, "empty");
	MUST(fill(&copy, tide, 10), failure);
	CHECK(copy.is_last && item_copy_peek(&copy, &item) == END);
	add(&copy, tide, "one");
	item_copy_set_key(&copy, slice_of("\xf7", 1));
	MUST(fill(&copy, tide, 10), failure);
	CHECK(copy.is_last && item_copy_peek(&copy, &item) == END);
	item_copy_release(&copy);
}

/* A page ends at about a megabyte. */
static void a_page_has_a_size(struct tide *tide)
{
	static char big[300001];
	struct item_copy copy = { 0 };
	struct copied_item item;
	struct tide_table table;
	char sort[2] = "a";
	int count = 0;

	create(tide, "big", VIEW_NEW_IMAGE);
	table = table_named("big");
	memset(big, 'b', sizeof big - 1);
	for (; sort[0] < 'k'; sort[0]++)
		put_alone(tide, &table, "p", sort, big);
	add(&copy, tide, "big");
	MUST(fill(&copy, tide, 1000), failure);
	while (item_copy_next(&copy, &item) == 0)
		count++;
	CHECK_EQUAL_INT(count, 4);
	CHECK(!copy.is_last);
	item_copy_clear(&copy);
	copy.source_count = 0;
	MUST(item_copy_add(&copy, &(struct copy_source){ 1, 99 }), failure);
	CHECK_EQUAL_INT(fill(&copy, tide, 10), ERR_CORRUPT);
	CHECK(!copy.is_last && item_copy_peek(&copy, &item) == END);
	item_copy_release(&copy);
}

/* A filter that one in `context` items passes. */
static int one_in(void *context, const struct stream_row *stream, const struct record *record,
	bool *passes)
{
	(void)stream;
	*passes = record->sequence % *(uint64_t *)context == 0;
	return 0;
}

static int no_item(void *context, const struct stream_row *stream, const struct record *record,
	bool *passes)
{
	(void)context, (void)stream, (void)record;
	*passes = false;
	return 0;
}

static int damaged(void *context, const struct stream_row *stream, const struct record *record,
	bool *passes)
{
	(void)context, (void)stream, (void)record, (void)passes;
	return ERR_CORRUPT;
}

/* Returns the number of items that pass the filter, and the place after each page is not before
 * any item that was read. */
static uint64_t read_filtered(struct tide *tide, const struct record_filter *filter,
	uint64_t *left_out)
{
	struct item_copy copy = { .filter = filter };
	struct copied_item item;
	uint64_t count = 0;

	while (!copy.is_last) {
		copy.source_count = 0;
		for (size_t i = 0; i < sizeof names / sizeof *names; i++)
			add(&copy, tide, names[i]);
		MUST(fill(&copy, tide, 7), failure);
		while (item_copy_next(&copy, &item) == 0) {
			struct record record;

			MUST(record_get(&record, item.record), failure);
			CHECK(record.sequence % *(uint64_t *)filter->context == 0);
			CHECK(slice_compare(item_copy_place(&copy), item.key) >= 0);
			count++;
		}
		CHECK(slice_compare(item_copy_place(&copy), slice_of(copy.key, copy.key_len)) >= 0);
		item_copy_set_key(&copy, item_copy_place(&copy));
	}
	*left_out = copy.left_out;
	item_copy_release(&copy);
	return count;
}

static void a_filter_leaves_out_items(struct tide *tide)
{
	uint64_t part = 5, left_out, items = count_items(tide);
	struct record_filter filter = { .test = one_in, .context = &part };
	uint64_t count = read_filtered(tide, &filter, &left_out);

	CHECK(count > 0 && left_out > count);
	CHECK_EQUAL_UINT(count + left_out, items);
	part = 1;
	CHECK_EQUAL_UINT(read_filtered(tide, &filter, &left_out), items);
	CHECK_EQUAL_UINT(left_out, 0);
}

/* At most COPY_PAGE_ITEMS items are read, and the place is after them. */
static void a_page_can_be_empty(struct tide *tide)
{
	struct record_filter filter = { .test = no_item };
	struct item_copy copy = { .filter = &filter };
	struct tide_table table;
	struct copied_item item;
	char sort[16];

	create(tide, "many", VIEW_NEW_IMAGE);
	table = table_named("many");
	begin(tide);
	for (int i = 0; i < COPY_PAGE_ITEMS + 10; i++) {
		snprintf(sort, sizeof sort, "%05d", i);
		put(tide, &table, "p", sort, "v");
	}
	commit(tide);
	add(&copy, tide, "many");
	MUST(fill(&copy, tide, 2000), failure);
	CHECK(!copy.is_last && item_copy_peek(&copy, &item) == END);
	CHECK_EQUAL_UINT(copy.left_out, COPY_PAGE_ITEMS);
	CHECK(copy.key_len == 0 && item_copy_place(&copy).len > 0);
	item_copy_set_key(&copy, item_copy_place(&copy));
	MUST(fill(&copy, tide, 11), failure);
	CHECK(copy.is_last && item_copy_peek(&copy, &item) == END);
	CHECK_EQUAL_UINT(copy.left_out, COPY_PAGE_ITEMS + 10);
	filter.test = damaged;
	item_copy_set_key(&copy, slice_of(NULL, 0));
	CHECK_EQUAL_INT(fill(&copy, tide, 10), ERR_CORRUPT);
	CHECK_EQUAL_UINT(item_copy_place(&copy).len, 0);
	item_copy_release(&copy);
}

int main(void)
{
	struct tide *tide = open_tide(tide_path("items.tide"));

	fill_tables(tide);
	every_item_is_read_once(tide);
	a_filter_leaves_out_items(tide);
	a_page_can_be_empty(tide);
	an_empty_page_is_the_last(tide);
	a_page_has_a_size(tide);
	tide_close(tide);
	return 0;
}
