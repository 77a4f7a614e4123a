/* test_read.c - table/read.h: pages with a filter and a projection. */
#include "table/read.h"

#include "api/database.h"
#include "base/memory.h"
#include "unit/tides.h"

#define ITEMS 20

static struct failure failure;
static struct builder builder;

/* Items { p = partition, s = "00" .., v = "keep" or "drop" } in a transaction that is open. */
static struct tide *open_with_items(const char *partition)
{
	struct tide_options options = { .in_memory = true, .max_bytes = 1 << 28 };
	struct tide_table table;
	struct tide *tide;
	char sort[16];

	MUST(tide_open(&tide, &options, &failure), failure);
	table = create_table(tide, "orders");
	begin(tide);
	for (int i = 0; i < ITEMS; i++) {
		snprintf(sort, sizeof sort, "%02d", i);
		put(tide, &table, partition, sort, i % 4 == 3 ? "keep" : "drop");
	}
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

static struct range whole(const struct keyspace *keyspace, bool backward)
{
	struct range range;

	range_of_keyspace(&range, keyspace);
	range.backward = backward;
	return range;
}

/* --- filters and projections --- */

struct counting {
	unsigned calls;
	unsigned fails_at;           /* number of the call that fails; 0 if none does */
	struct buffer out;
};

static bool text_is(struct slice item, const char *name, const char *text)
{
	struct value value;

	return map_find(item, slice_of_text(name), &value) == 0 && value.type == TYPE_S &&
		slice_equal(value.bytes, slice_of_text(text));
}

static int keep(void *context, struct slice item, struct slice *shown)
{
	struct counting *counting = context;

	if (++counting->calls == counting->fails_at)
		return ERR_CORRUPT;
	*shown = item;
	return text_is(item, "v", "keep") ? 0 : END;
}

static int drop_all(void *context, struct slice item, struct slice *shown)
{
	(void)context, (void)item, (void)shown;
	return END;
}

/* Projects to { v }. */
static int only_v(void *context, struct slice item, struct slice *shown)
{
	struct counting *counting = context;
	struct value value;
	struct slice map;

	if (++counting->calls == counting->fails_at)
		return ERR_NO_MEMORY;
	CHECK_EQUAL_INT(map_find(item, slice_of_text("v"), &value), 0);
	builder_start(&builder);
	builder_name(&builder, slice_of_text("v"));
	builder_string(&builder, value.bytes);
	CHECK_EQUAL_INT(builder_finish(&builder, &map), 0);
	buffer_clear(&counting->out);
	buffer_put_slice(&counting->out, map);
	*shown = buffer_slice(&counting->out);
	return 0;
}

/* --- tests --- */

static void a_page_without_a_filter_has_all_items(void)
{
	struct tide *tide = open_with_items("a");
	struct keyspace keyspace = orders(tide);
	struct page_request request = { .keyspace = &keyspace, .max = 7 };
	struct range range = whole(&keyspace, false);
	struct page page = { 0 };

	for (unsigned left = ITEMS; left > 0; left -= page.count) {
		MUST(page_fill(&page, &range, &request, tide->transaction.txn, &failure), failure);
		CHECK_EQUAL_UINT(page.count, left < 7 ? left : 7);
		CHECK_EQUAL_UINT(page.scanned, page.count);
		CHECK_EQUAL_UINT(page.scanned_bytes, page.bytes.len);
		CHECK_EQUAL_UINT(page.last_key.len, 0);
		CHECK(page.more == (left > 7));
	}
	page_release(&page);
	close_tide(tide);
}

/* The sort key of the n-th item evaluated. */
static const char *nth(unsigned n, bool backward)
{
	static char text[16];

	snprintf(text, sizeof text, "%02u", backward ? ITEMS - 1 - n : n);
	return text;
}

/* Reads in pages of `max` evaluated items. Each page continues where the range does or, if
 * `by_key`, after the last key in a new range. */
static void pages_of(struct tide *tide, const char *partition, uint32_t max, bool backward,
	bool by_key)
{
	struct keyspace keyspace = orders(tide);
	struct counting counting = { 0 };
	struct item_filter filter = { keep, &counting };
	struct page_request request = { .keyspace = &keyspace, .filter = &filter, .max = max };
	struct range range = whole(&keyspace, backward);
	struct page page = { 0 };
	unsigned scanned = 0, given = 0;
	struct slice item;
	uint64_t sequence;

	do {
		MUST(page_fill(&page, &range, &request, tide->transaction.txn, &failure), failure);
		CHECK_EQUAL_UINT(page.scanned, ITEMS - scanned < max ? ITEMS - scanned : max);
		scanned += page.scanned;
		CHECK_EQUAL_UINT(counting.calls, scanned);
		for (unsigned n = 0; page_next(&page, &sequence, &item) == 0; given++, n++) {
			CHECK(text_is(item, "v", "keep") && n < page.count);
			CHECK(text_is(item, "s", nth(backward ? 4 * given : 4 * given + 3,
				backward)));
		}
		CHECK(page.more == (scanned < ITEMS));
		CHECK(page.more == (page.last_key.len > 0));
		if (page.more)
			CHECK(slice_equal(buffer_slice(&page.last_key), item_of(&builder,
				partition, nth(scanned - 1, backward), NULL)));
		if (page.more && by_key) {
			range = whole(&keyspace, backward);
			MUST(range_start_after(&range, &keyspace, buffer_slice(&page.last_key),
				tide->header.secret, &failure), failure);
		}
	} while (page.more);
	CHECK_EQUAL_UINT(scanned, ITEMS);
	CHECK_EQUAL_UINT(given, ITEMS / 4);
	page_release(&page);
}

/* Tests a short partition key, and one that is hashed. */
static void a_page_counts_what_is_evaluated(void)
{
	char hashed[601];
	const char *partitions[] = { "a", hashed };

	memset(hashed, 'h', sizeof hashed - 1);
	hashed[sizeof hashed - 1] = '\0';
	for (size_t i = 0; i < sizeof partitions / sizeof *partitions; i++) {
		struct tide *tide = open_with_items(partitions[i]);

		for (uint32_t max = 1; max <= ITEMS + 1; max++)
			for (int way = 0; way < 4; way++)
				pages_of(tide, partitions[i], max, way & 1, way & 2);
		close_tide(tide);
	}
}

/* Filtered items count for the size of a page, those in parts with their whole size. */
static void a_page_ends_after_so_many_bytes(void)
{
	enum { SIZE = 300000 };
	struct tide *tide = open_with_items("a");
	struct tide_table table = table_named("orders");
	struct keyspace keyspace = orders(tide);
	struct item_filter filter = { drop_all, NULL };
	struct page_request request = { .keyspace = &keyspace, .filter = &filter, .max = 100 };
	struct range range = whole(&keyspace, false);
	struct page page = { 0 };
	char *big = malloc(SIZE + 1), sort[16];

	CHECK(big != NULL);
	memset(big, 'b', SIZE);
	big[SIZE] = '\0';
	for (int i = 0; i < 6; i++) {
		snprintf(sort, sizeof sort, "%02d", ITEMS + i);
		put(tide, &table, "a", sort, big);
	}
	MUST(page_fill(&page, &range, &request, tide->transaction.txn, &failure), failure);
	CHECK(page.more && page.count == 0 && page.scanned == ITEMS + 4);
	CHECK(page.scanned_bytes >= PAGE_BYTES && page.scanned_bytes < PAGE_BYTES + SIZE);
	CHECK(slice_equal(buffer_slice(&page.last_key), item_of(&builder, "a", "23", NULL)));
	MUST(page_fill(&page, &range, &request, tide->transaction.txn, &failure), failure);
	CHECK(!page.more && page.count == 0 && page.scanned == 2 && page.last_key.len == 0);
	free(big);
	page_release(&page);
	close_tide(tide);
}

/* The filter gets projected items, and the page contains projected items. */
static void a_keyspace_is_projected_first(void)
{
	struct tide *tide = open_with_items("a");
	struct keyspace keyspace = orders(tide);
	struct counting projected = { 0 }, filtered = { 0 };
	struct item_filter projection = { only_v, &projected }, filter = { keep, &filtered };
	struct page_request request = { .keyspace = &keyspace, .max = ITEMS - 1 };
	struct page page = { 0 };
	struct range range;
	struct slice item;
	uint64_t sequence;

	keyspace.projection = &projection;
	for (int with_filter = 0; with_filter < 2; with_filter++) {
		range = whole(&keyspace, false);
		request.filter = with_filter ? &filter : NULL;
		MUST(page_fill(&page, &range, &request, tide->transaction.txn, &failure), failure);
		CHECK_EQUAL_UINT(page.scanned, ITEMS - 1);
		CHECK_EQUAL_UINT(page.count, with_filter ? ITEMS / 4 - 1 : ITEMS - 1);
		CHECK(slice_equal(buffer_slice(&page.last_key), item_of(&builder, "a", "18",
			NULL)));
		while (page_next(&page, &sequence, &item) == 0)
			CHECK(sequence > 0 && item.data[0] == 1 &&
				(!with_filter || text_is(item, "v", "keep")));
	}
	projected = (struct counting){ .fails_at = 1, .out = projected.out };
	range = whole(&keyspace, false);
	CHECK_EQUAL_INT(page_fill(&page, &range, &request, tide->transaction.txn, &failure),
		ERR_NO_MEMORY);
	page_release(&page);
	buffer_release(&projected.out);
	close_tide(tide);
}

/* If a filter fails on the tenth item, the page ends before this item, and the next fill fails. */
static void a_filter_can_fail(void)
{
	struct tide *tide = open_with_items("a");
	struct keyspace keyspace = orders(tide);
	struct counting counting = { .fails_at = 10 };
	struct item_filter filter = { keep, &counting };
	struct page_request request = { .keyspace = &keyspace, .filter = &filter, .max = ITEMS };
	struct range range = whole(&keyspace, false);
	struct page page = { 0 };

	MUST(page_fill(&page, &range, &request, tide->transaction.txn, &failure), failure);
	CHECK(page.more && page.scanned == 9 && page.count == 2);
	CHECK(slice_equal(buffer_slice(&page.last_key), item_of(&builder, "a", "08", NULL)));
	counting.calls = 9;
	CHECK_EQUAL_INT(page_fill(&page, &range, &request, tide->transaction.txn, &failure),
		ERR_CORRUPT);
	CHECK(strstr(failure.message, "table orders, the item "));
	CHECK(!page.more && page.scanned == 0);
	counting.calls = 10;
	MUST(page_fill(&page, &range, &request, tide->transaction.txn, &failure), failure);
	CHECK(!page.more && page.scanned == 11 && page.count == 3);
	range = whole(&keyspace, false);
	request.max = 0;
	MUST(page_fill(&page, &range, &request, tide->transaction.txn, &failure), failure);
	CHECK(page.more && page.scanned == 0 && page.last_key.len == 0);
	page_release(&page);
	close_tide(tide);
}

/* The last item evaluated lacks its key attributes. */
static void an_item_without_keys_is_corrupt(void)
{
	struct tide *tide = open_with_items("a");
	struct keyspace keyspace = orders(tide);
	struct item_filter filter = { drop_all, NULL };
	struct page_request request = { .keyspace = &keyspace, .filter = &filter, .max = 1 };
	struct range range = whole(&keyspace, false);
	struct page page = { 0 };
	struct stored stored;
	struct key key;
	uint64_t node = 0;

	MUST(keyspace_key_alone(&key, &keyspace, item_of(&builder, "a", "00", NULL),
		tide->header.secret, &failure), failure);
	MUST(keyspace_get(&stored, &keyspace, tide->transaction.txn, &key,
		item_of(&builder, "a", "00", NULL), &tide->scratch, &failure), failure);
	CHECK_EQUAL_INT(item_put(tide->transaction.txn, &key, slice_of("\0", 1), 1, &stored,
		&node), 0);
	CHECK_EQUAL_INT(page_fill(&page, &range, &request, tide->transaction.txn, &failure),
		ERR_CORRUPT);
	page_release(&page);
	close_tide(tide);
}

/* Fills the page until the range ends. Returns the number of items. */
static unsigned read_on(struct page *page, struct range *range,
	const struct page_request *request, struct txn *txn)
{
	unsigned count = 0;

	do {
		MUST(page_fill(page, range, request, txn, &failure), failure);
		count += page->count;
	} while (page->more);
	return count;
}

static void a_filtered_page_without_memory_loses_nothing(void)
{
	struct tide *tide = open_with_items("a");
	struct keyspace keyspace = orders(tide);
	struct counting counting = { 0 };
	struct item_filter filter = { keep, &counting };
	struct page_request request = { .keyspace = &keyspace, .filter = &filter, .max = 8 };

	for (long allowed = 0; allowed == 0 || memory_was_refused(); allowed++) {
		struct range range = whole(&keyspace, false);
		struct page page = { 0 };
		int err;

		memory_fail_once_after(allowed);
		err = page_fill(&page, &range, &request, tide->transaction.txn, &failure);
		memory_fail_after(-1);
		CHECK(err == 0 || (err == ERR_NO_MEMORY && page.count == 0));
		CHECK_EQUAL_UINT(page.count + read_on(&page, &range, &request,
			tide->transaction.txn), ITEMS / 4);
		page_release(&page);
	}
	close_tide(tide);
}

int main(void)
{
	a_page_without_a_filter_has_all_items();
	a_page_counts_what_is_evaluated();
	a_page_ends_after_so_many_bytes();
	a_keyspace_is_projected_first();
	a_filter_can_fail();
	an_item_without_keys_is_corrupt();
	a_filtered_page_without_memory_loses_nothing();
	builder_release(&builder);
	return 0;
}
