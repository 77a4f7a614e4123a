/* test_get.c - edge cases of reading: feeds by time after the clock was set back, the table
 * with the last id, too little memory for a page.
 */
#include "api/database.h"
#include "base/memory.h"
#include "unit/tides.h"

static struct failure failure;

/* Returns the sequence number of the first record of a feed from this time; 0 if it has none. */
static uint64_t first_since(struct tide *tide, uint64_t ms)
{
	struct tide_feed *feed;
	struct slice record;
	uint64_t sequence = 0;
	uint32_t stream;

	MUST(tide_feed_start(&feed, tide, STREAM_ONE, TIDE_TIME, ms, &failure), failure);
	MUST(tide_feed_fill(feed, tide, 1, &failure), failure);
	if (tide_feed_next(feed, &stream, &record) == 0)
		sequence = record_sequence(record.data);
	tide_feed_finish(feed);
	return sequence;
}

/* The records have random times, mostly ascending. A feed must begin at the first record, in
 * stream order, that was created at or after the given time. */
static void by_time(uint64_t steps_back)
{
	enum { RECORDS = 40 };
	struct clock *clock = clock_manual(1000);
	struct tide_options options = { .in_memory = true, .max_bytes = 1 << 28, .clock = clock };
	uint64_t times[RECORDS], now = 1000;
	struct tide_table table;
	struct tide *tide;
	char sort[16];

	MUST(tide_open(&tide, &options, &failure), failure);
	table = create_table(tide, "orders");
	for (int i = 0; i < RECORDS; i++) {
		now += check_random_below(3);
		if (steps_back && (i == RECORDS - 1 ||
				check_random_below(RECORDS / steps_back) == 0))
			now -= check_random_below(20);
		clock_set(clock, now);
		times[i] = now;
		snprintf(sort, sizeof sort, "%d", i);
		CHECK_EQUAL_UINT(put_alone(tide, &table, "a", sort, "v"), i + 2);
	}
	for (uint64_t ms = 960; ms < 1000 + 3 * RECORDS; ms++) {
		uint64_t expected = 0;

		for (int i = RECORDS; i-- > 0;)
			if (times[i] >= ms)
				expected = (uint64_t)i + 2;
		CHECK_EQUAL_UINT(first_since(tide, ms), expected);
	}
	tide_close(tide);
	clock_drop(clock);
}

/* No table gets the last id in practice, but a file may contain it. */
static void the_last_id(void)
{
	static const struct table table = { .row = { .id = UINT32_MAX, .name = "last" } };
	struct tide_options options = { .in_memory = true, .max_bytes = 1 << 28 };
	struct keyspace keyspace = keyspace_of_table(&table, 0);
	struct page_request request = { .keyspace = &keyspace, .max = 1 };
	struct page page = { 0 };
	struct range range;
	struct tide *tide;

	MUST(tide_open(&tide, &options, &failure), failure);
	begin(tide);
	range_of_keyspace(&range, &keyspace);
	CHECK_EQUAL_INT(page_fill(&page, &range, &request, tide->transaction.txn, &failure), 0);
	range.backward = true;
	CHECK_EQUAL_INT(page_fill(&page, &range, &request, tide->transaction.txn, &failure), 0);
	tide_abort(tide);
	page_release(&page);
	tide_close(tide);
}

/* Reads the rest of a query. Checks that each item is complete and none is missing. The creation of
 * the table has sequence number 1. */
static void read_on(struct tide_query *query, struct tide *tide, int expected)
{
	struct slice item;
	uint64_t sequence;
	int count = 0;

	for (;;) {
		while (tide_query_next(query, &sequence, &item) == 0) {
			CHECK_EQUAL_INT(map_check(item), 0);
			CHECK_EQUAL_UINT(sequence, 1 + (uint64_t)++count);
		}
		if (count == expected)
			return;
		MUST(tide_query_fill(query, tide, 1000, &failure), failure);
		CHECK(tide_query_peek(query, &sequence, &item) == 0);
	}
}

/* A page for which there is not enough memory fails or is shorter; continuing misses no item. */
static void a_page_without_memory_loses_nothing(void)
{
	enum { ITEMS = 100, SIZE = 3000 };
	struct tide_options options = { .in_memory = true, .max_bytes = 1 << 28 };
	struct tide_query_spec spec = { .snapshot = NULL };
	struct tide_table table;
	struct tide *tide;
	char sort[16], big[SIZE + 1];

	MUST(tide_open(&tide, &options, &failure), failure);
	table = create_table(tide, "orders");
	memset(big, 'b', SIZE);
	big[SIZE] = '\0';
	for (int i = 0; i < ITEMS; i++) {
		snprintf(sort, sizeof sort, "%03d", i);
		put_alone(tide, &table, "a", sort, big);
	}
	for (long allowed = 0; allowed == 0 || memory_was_refused(); allowed++) {
		struct tide_query *query;
		int err;

		MUST(tide_query_start(&query, tide, &table, &spec, &failure), failure);
		memory_fail_once_after(allowed);
		err = tide_query_fill(query, tide, 1000, &failure);
		memory_fail_after(-1);
		CHECK(err == 0 || err == ERR_NO_MEMORY);
		read_on(query, tide, ITEMS);
		tide_query_finish(query);
	}
	tide_close(tide);
}

int main(void)
{
	the_last_id();
	a_page_without_memory_loses_nothing();
	for (int i = 0; i < 20; i++)
		by_time((uint64_t)i % 4);
	return 0;
}
