/* test_segment.c - table/segment.h: segments of a scan, and pages that skip other segments. */
#include "table/segment.h"

#include "api/database.h"
#include "base/memory.h"
#include "unit/tides.h"

static struct failure failure;
static struct builder builder;

static struct tide *open_empty(void)
{
	struct tide_options options = { .in_memory = true, .max_bytes = 1 << 28 };
	struct tide_table_spec spec = spec_of("orders");
	struct tide *tide;

	spec.view = 0;
	MUST(tide_open(&tide, &options, &failure), failure);
	MUST(tide_create_table(tide, &spec, &failure), failure);
	begin(tide);
	return tide;
}

static void close_tide(struct tide *tide)
{
	tide_abort(tide);
	tide_close(tide);
}

static struct keyspace orders(struct tide *tide)
{
	struct tide_table table = table_named("orders");
	const struct table *found;

	MUST(tide_find(tide, tide->transaction.txn, &table, &found, &failure), failure);
	return keyspace_of_table(found, 0);
}

static struct segment segment_of(struct tide *tide, const struct keyspace *keyspace,
	uint32_t number, uint32_t total)
{
	struct segment segment;

	segment_start(&segment, number, total, keyspace->schema, tide->header.secret);
	return segment;
}

/* Returns the number of the one segment that has the item. */
static uint32_t number_of(struct tide *tide, const struct keyspace *keyspace, uint32_t total,
	struct slice item)
{
	uint32_t found = total;

	for (uint32_t number = 0; number < total; number++) {
		struct segment segment = segment_of(tide, keyspace, number, total);

		if (segment_has_item(&segment, item)) {
			CHECK_EQUAL_UINT(found, total);
			found = number;
		}
	}
	CHECK(found < total);
	return found;
}

/* The n-th partition key; every third one is hashed. */
static const char *partition(unsigned n)
{
	static char text[400];

	snprintf(text, sizeof text, "%0*u", n % 3 ? 4 : 300, n);
	return text;
}

static struct range whole(const struct keyspace *keyspace)
{
	struct range range;

	range_of_keyspace(&range, keyspace);
	return range;
}

static struct slice partition_of(struct slice item)
{
	struct value value;

	CHECK_EQUAL_INT(map_find(item, slice_of_text("p"), &value), 0);
	return value.bytes;
}

/* Fills 60 partitions of two items each. */
static void fill(struct tide *tide)
{
	struct tide_table table = table_named("orders");

	for (unsigned n = 0; n < 60; n++) {
		put(tide, &table, partition(n), "1", "x");
		put(tide, &table, partition(n), "2", "x");
	}
}

/* --- tests --- */

/* The segment follows from the hash that stream records carry. */
static void a_segment_is_a_range_of_hashes(void)
{
	const uint32_t totals[] = { 1, 2, 3, 7, 64, 1000 };
	struct tide *tide = open_empty();
	struct keyspace keyspace = orders(tide);

	for (size_t i = 0; i < sizeof totals / sizeof *totals; i++)
		for (unsigned n = 0; n < 60; n++) {
			struct slice item = item_of(&builder, partition(n), "s", "v");
			struct key key;

			MUST(keyspace_key(&key, &keyspace, item, tide->header.secret, &failure),
				failure);
			CHECK_EQUAL_UINT(number_of(tide, &keyspace, totals[i], item),
				(uint64_t)key.partition_hash * totals[i] / (UINT64_C(1) << 32));
		}
	close_tide(tide);
}

static void a_page_has_the_items_of_its_segment(void)
{
	struct tide *tide = open_empty();
	struct keyspace keyspace = orders(tide);
	struct page page = { 0 };
	unsigned all = 0;

	fill(tide);
	for (uint32_t number = 0; number < 5; number++) {
		struct segment segment = segment_of(tide, &keyspace, number, 5);
		struct page_request request = { .keyspace = &keyspace, .max = 7,
			.segment = &segment };
		struct range range = whole(&keyspace);
		struct slice item;
		uint64_t sequence;

		do {
			MUST(page_fill(&page, &range, &request, tide->transaction.txn, &failure),
				failure);
			CHECK(page.scanned == page.count && page.count <= 7);
			for (; page_next(&page, &sequence, &item) == 0; all++)
				CHECK_EQUAL_UINT(number_of(tide, &keyspace, 5, item), number);
			CHECK(page.more == (page.last_key.len > 0));
			if (page.more)
				CHECK_EQUAL_INT(segment_check_start(&segment, &keyspace,
					buffer_slice(&page.last_key), &failure), 0);
		} while (page.more);
	}
	CHECK_EQUAL_UINT(all, 120);
	page_release(&page);
	close_tide(tide);
}

enum { MANY = PAGE_SKIPPED + 20 * STOP_DISTANCE };

/* Puts many items into one partition, in several transactions. */
static void fill_partition(struct tide *tide)
{
	struct tide_table table = table_named("orders");
	char sort[16];

	for (int i = 0; i < MANY; i++) {
		snprintf(sort, sizeof sort, "%06d", i);
		put(tide, &table, "p", sort, "v");
		if (i % 5000 == 0) {
			commit(tide);
			begin(tide);
		}
	}
}

/* The scan of the other segment ends a page at a stop, and continues there or from its key. */
static void a_page_skips_a_bounded_number_of_items(void)
{
	struct tide *tide = open_empty();
	struct keyspace keyspace = orders(tide);
	uint32_t other = 1 - number_of(tide, &keyspace, 2, item_of(&builder, "p", "s", "v"));
	struct segment segment = segment_of(tide, &keyspace, other, 2);
	struct page_request request = { .keyspace = &keyspace, .max = 7, .segment = &segment };
	struct range range = whole(&keyspace), again = range;
	struct page page = { 0 };
	unsigned skipped;

	fill_partition(tide);
	keyspace = orders(tide);
	MUST(page_fill(&page, &range, &request, tide->transaction.txn, &failure), failure);
	CHECK(page.more && page.scanned == 0 && page.count == 0);
	CHECK(page.skipped >= PAGE_SKIPPED && page.skipped < MANY);
	skipped = page.skipped;
	CHECK(slice_equal(partition_of(buffer_slice(&page.last_key)), slice_of_text("p")));
	CHECK_EQUAL_INT(segment_check_start(&segment, &keyspace, buffer_slice(&page.last_key),
		&failure), 0);
	MUST(range_start_after(&again, &keyspace, buffer_slice(&page.last_key),
		tide->header.secret, &failure), failure);
	for (int way = 0; way < 2; way++) {
		MUST(page_fill(&page, way ? &again : &range, &request, tide->transaction.txn,
			&failure), failure);
		CHECK(!page.more && page.scanned == 0 && page.last_key.len == 0);
		CHECK_EQUAL_UINT(page.skipped, MANY - skipped);
	}
	page_release(&page);
	close_tide(tide);
}

/* The item at the stop is in parts: reading it needs memory. */
static void a_stop_without_memory_loses_nothing(void)
{
	struct tide *tide = open_empty();
	struct tide_table table = table_named("orders");
	struct keyspace keyspace = orders(tide);
	uint32_t other = 1 - number_of(tide, &keyspace, 2, item_of(&builder, "p", "s", "v"));
	struct segment segment = segment_of(tide, &keyspace, other, 2);
	struct page_request request = { .keyspace = &keyspace, .max = 7, .segment = &segment };
	struct page page = { 0 };
	struct value sort;
	char text[5000], stop[16];
	unsigned refused = 0;

	fill_partition(tide);
	keyspace = orders(tide);
	for (long allowed = -1; allowed <= 0 || memory_was_refused(); allowed++) {
		struct range range = whole(&keyspace);
		int err;

		memory_fail_once_after(allowed);
		err = page_fill(&page, &range, &request, tide->transaction.txn, &failure);
		memory_fail_after(-1);
		CHECK(err == 0 || err == ERR_NO_MEMORY);
		refused += err != 0;
		if (err) {
			CHECK(!page.more && range.low.len == 0);
			MUST(page_fill(&page, &range, &request, tide->transaction.txn, &failure),
				failure);
		}
		CHECK(page.more && page.scanned == 0 && page.last_key.len > 0);
		if (allowed < 0) {
			CHECK_EQUAL_INT(map_find(buffer_slice(&page.last_key), slice_of_text("s"),
				&sort), 0);
			snprintf(stop, sizeof stop, "%.*s", (int)sort.bytes.len,
				(const char *)sort.bytes.data);
			memset(text, 't', sizeof text);
			text[sizeof text - 1] = '\0';
			put(tide, &table, "p", stop, text);
		}
		page_release(&page);
	}
	CHECK(refused >= 2);             /* the last key and the parts */
	close_tide(tide);
}

/* A start key of another segment is refused, unless it is a stop; about one in STOP_DISTANCE. */
static void a_start_key_is_in_the_segment(void)
{
	struct tide *tide = open_empty();
	struct keyspace keyspace = orders(tide);
	uint32_t ours = number_of(tide, &keyspace, 4, item_of(&builder, "p", "s", "v"));
	struct segment right = segment_of(tide, &keyspace, ours, 4);
	struct segment wrong = segment_of(tide, &keyspace, (ours + 1) % 4, 4);
	unsigned stops = 0;
	char sort[16], text[300];

	snprintf(text, sizeof text, "The provided starting key is invalid: Invalid"
		" ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment."
		" TotalSegments: 4 Segment: %u", (ours + 1) % 4);
	for (unsigned i = 0; i < 100 * STOP_DISTANCE; i++) {
		struct slice key;
		int err;

		snprintf(sort, sizeof sort, "%06u", i);
		key = item_of(&builder, "p", sort, NULL);
		CHECK_EQUAL_INT(segment_check_start(&right, &keyspace, key, &failure), 0);
		err = segment_check_start(&wrong, &keyspace, key, &failure);
		CHECK(err == 0 || err == ERR_VALIDATION);
		stops += err == 0;
		if (err)
			CHECK_EQUAL_STRING(failure.message, text);
	}
	CHECK(stops > 50 && stops < 200);
	close_tide(tide);
}

/* The item of a hashed partition lacks its partition key. */
static void an_item_without_keys_is_corrupt(void)
{
	struct tide *tide = open_empty();
	struct keyspace keyspace = orders(tide);
	struct segment segment = segment_of(tide, &keyspace, 0, 2);
	struct page_request request = { .keyspace = &keyspace, .max = 7, .segment = &segment };
	struct range range = whole(&keyspace);
	struct page page = { 0 };
	uint64_t node = 0;
	struct slice item;
	struct key key;

	MUST(keyspace_key(&key, &keyspace, item_of(&builder, partition(0), "1", NULL),
		tide->header.secret, &failure), failure);
	builder_start(&builder);
	builder_name(&builder, slice_of_text("v"));
	builder_string(&builder, slice_of_text("no key"));
	CHECK_EQUAL_INT(builder_finish(&builder, &item), 0);
	CHECK(!segment_has_item(&segment, item));
	CHECK_EQUAL_INT(item_put(tide->transaction.txn, &key, item, 1, NULL, &node), 0);
	CHECK_EQUAL_INT(page_fill(&page, &range, &request, tide->transaction.txn, &failure),
		ERR_CORRUPT);
	page_release(&page);
	close_tide(tide);
}

/* The item of a hashed partition has lost its parts. */
static void an_item_without_parts_is_corrupt(void)
{
	struct tide *tide = open_empty();
	struct tide_table table = table_named("orders");
	struct keyspace keyspace = orders(tide);
	struct segment segment = segment_of(tide, &keyspace, 0, 2);
	struct page_request request = { .keyspace = &keyspace, .max = 7, .segment = &segment };
	struct range range = whole(&keyspace);
	struct page page = { 0 };
	struct stored stored;
	char text[5000];
	uint64_t rows = 0;
	struct slice asked;
	struct key key;

	memset(text, 't', sizeof text);
	text[sizeof text - 1] = '\0';
	put(tide, &table, partition(0), "1", text);
	asked = item_of(&builder, partition(0), "1", NULL);
	MUST(keyspace_key(&key, &keyspace, asked, tide->header.secret, &failure), failure);
	MUST(keyspace_get(&stored, &keyspace, tide->transaction.txn, &key, asked, &tide->scratch,
		&failure), failure);
	CHECK_EQUAL_INT(item_delete_parts(tide->transaction.txn, stored.part, &rows), 0);
	CHECK(rows > 1);
	CHECK_EQUAL_INT(page_fill(&page, &range, &request, tide->transaction.txn, &failure),
		ERR_CORRUPT);
	page_release(&page);
	close_tide(tide);
}

static unsigned read_on(struct page *page, struct range *range,
	const struct page_request *request, struct txn *txn)
{
	unsigned items = 0;

	do {
		MUST(page_fill(page, range, request, txn, &failure), failure);
		items += page->count;
	} while (page->more);
	return items;
}

static void a_page_without_memory_loses_nothing(void)
{
	struct tide *tide = open_empty();
	struct keyspace keyspace = orders(tide);
	struct segment segment = segment_of(tide, &keyspace, 1, 3);
	struct page_request request = { .keyspace = &keyspace, .max = 8, .segment = &segment };
	struct range range = whole(&keyspace);
	struct page page = { 0 };
	unsigned items;

	fill(tide);
	items = read_on(&page, &range, &request, tide->transaction.txn);
	page_release(&page);
	CHECK(items > 8);
	for (long allowed = 0; allowed == 0 || memory_was_refused(); allowed++) {
		int err;

		range = whole(&keyspace);
		segment.last_len = 0;
		memory_fail_once_after(allowed);
		err = page_fill(&page, &range, &request, tide->transaction.txn, &failure);
		memory_fail_after(-1);
		CHECK(err == 0 || (err == ERR_NO_MEMORY && page.count == 0));
		CHECK_EQUAL_UINT(page.count + read_on(&page, &range, &request,
			tide->transaction.txn), items);
		page_release(&page);
	}
	close_tide(tide);
}

int main(void)
{
	a_segment_is_a_range_of_hashes();
	a_page_has_the_items_of_its_segment();
	a_page_skips_a_bounded_number_of_items();
	a_stop_without_memory_loses_nothing();
	a_start_key_is_in_the_segment();
	an_item_without_keys_is_corrupt();
	an_item_without_parts_is_corrupt();
	a_page_without_memory_loses_nothing();
	builder_release(&builder);
	return 0;
}
