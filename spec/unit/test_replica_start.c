/* test_replica_start.c - tests of codec/replica_start.h: the start message to the source. */
#include "base/error.h"
#include "codec/replica_start.h"
#include "unit/check.h"

static const uint8_t target[DATABASE_ID_BYTES] = "target";

static struct buffer out;

static void put_tables(unsigned count)
{
	struct start_table table = { .stream = 7, .state = REPLICA_COPIES,
		.name = slice_of_text("orders"), .place = slice_of_text("place") };

	buffer_put_u32(&out, count);
	for (table.id = 1; table.id <= count; table.id++)
		start_table_put(&out, &table);
}

static void a_start_comes_back(void)
{
	struct replica_row row = { .id = 1, .has_source = true, .position = 99, .record = 98,
		.record_stream = 3, .fingerprint = 12345 };
	struct buffer names = { 0 };
	struct replica_start start;
	struct start_table table;

	buffer_put_counted(&names, slice_of_text("orders"));
	buffer_put_counted(&names, slice_of_text("files"));
	buffer_clear(&out);
	replica_start_put(&out, target, &row, buffer_slice(&names));
	put_tables(2);
	CHECK_EQUAL_INT(replica_start_get(&start, buffer_slice(&out)), 0);
	CHECK(start.has_source && start.position == 99 && start.record == 98 &&
		start.record_stream == 3 && start.fingerprint == 12345 && start.name_count == 2 &&
		slice_equal(start.names, buffer_slice(&names)) && start.table_count == 2);
	CHECK_BYTES(start.target.data, start.target.len, target, DATABASE_ID_BYTES);
	for (uint32_t id = 1; id <= 2; id++) {
		CHECK_EQUAL_INT(start_table_get(&table, &start.tables), 0);
		CHECK(table.id == id && table.stream == 7 && table.state == REPLICA_COPIES &&
			slice_equal(table.name, slice_of_text("orders")) &&
			slice_equal(table.place, slice_of_text("place")));
	}
	CHECK_EQUAL_INT(start_table_get(&table, &start.tables), ERR_CORRUPT);
	buffer_release(&names);
}

static void a_new_replica_has_no_source(void)
{
	struct replica_start start;

	buffer_clear(&out);
	replica_start_put(&out, target, NULL, slice_of(NULL, 0));
	put_tables(0);
	CHECK_EQUAL_INT(replica_start_get(&start, buffer_slice(&out)), 0);
	CHECK(!start.has_source && start.name_count == 0 && start.table_count == 0);
	for (size_t len = 0; len < out.len; len++)
		CHECK_EQUAL_INT(replica_start_get(&start, slice_of(out.data, len)), ERR_CORRUPT);
	out.data[0]++;
	CHECK_EQUAL_INT(replica_start_get(&start, buffer_slice(&out)), ERR_NEWER_FORMAT);
}

int main(void)
{
	a_start_comes_back();
	a_new_replica_has_no_source();
	buffer_release(&out);
	return 0;
}
