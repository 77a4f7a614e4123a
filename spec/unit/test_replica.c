/* test_replica.c - tests of codec/replica.h: rows of replicas come back as they were, others are
 * CORRUPT. */
#include "base/error.h"
#include "codec/replica.h"
#include "unit/check.h"

static struct buffer out;

static struct replica_row random_row(void)
{
	static const uint8_t no_settings[] = { 0 };
	struct replica_row row = { .id = 1 + check_random_below(1000),
		.created_ms = check_random(), .is_promoted = check_random_below(2),
		.has_source = check_random_below(2), .position = check_random(),
		.record_stream = (uint32_t)check_random(), .fingerprint = check_random(),
		.changed_ms = check_random(), .rounds = (uint8_t)check_random_below(4),
		.transactions = check_random(), .records = check_random(),
		.items = check_random(), .settings = slice_of(no_settings, 1) };

	row.record = check_random_below(2) ? 0 : row.position / 2;
	check_random_bytes(row.database, sizeof row.database);
	check_random_bytes(row.incarnation, sizeof row.incarnation);
	return row;
}

static void a_row_comes_back(void)
{
	for (uint64_t i = 0; i < check_runs(1000); i++) {
		struct replica_row row = random_row(), again = { 0 };

		buffer_clear(&out);
		replica_put(&out, &row);
		CHECK_EQUAL_INT(replica_get(&again, buffer_slice(&out)), 0);
		CHECK(again.id == row.id && again.is_promoted == row.is_promoted &&
			again.has_source == row.has_source && again.position == row.position &&
			again.record == row.record && again.record_stream == row.record_stream &&
			again.fingerprint == row.fingerprint && again.rounds == row.rounds &&
			again.items == row.items && again.records == row.records &&
			slice_equal(again.settings, row.settings));
		CHECK_BYTES(again.database, 16, row.database, 16);
		CHECK_BYTES(again.incarnation, 16, row.incarnation, 16);
		CHECK_EQUAL_INT(replica_get(&again, slice_of(out.data, out.len - 1)),
			ERR_CORRUPT);
	}
}

static int read_changed(struct replica_row row)
{
	buffer_clear(&out);
	replica_put(&out, &row);
	return replica_get(&row, buffer_slice(&out));
}

static void impossible_rows_are_corrupt(void)
{
	struct replica_row row = random_row();

	row.id = 0;
	CHECK_EQUAL_INT(read_changed(row), ERR_CORRUPT);
	row = random_row();
	row.position = 5;
	row.record = 6;
	CHECK_EQUAL_INT(read_changed(row), ERR_CORRUPT);
	row = random_row();
	row.settings = slice_of_text("\1");
	CHECK_EQUAL_INT(read_changed(row), ERR_CORRUPT);
}

static struct replica_table random_table(const uint8_t *ids)
{
	return (struct replica_table){ .state = (uint8_t)(1 + check_random_below(4)),
		.merges = check_random_below(2), .table = (uint32_t)check_random(),
		.stream = (uint32_t)check_random(), .items = check_random(),
		.path = slice_of(ids, DATABASE_ID_BYTES * (1 + check_random_below(PATH_MAX_IDS))),
		.incarnation = ids, .name = slice_of_text("orders"),
		.reason = slice_of_text(check_random_below(2) ? "" : "it has no stream"),
		.place = slice_of(ids, check_random_below(100)) };
}

static void a_table_comes_back(void)
{
	uint8_t ids[DATABASE_ID_BYTES * PATH_MAX_IDS];

	check_random_bytes(ids, sizeof ids);
	for (uint64_t i = 0; i < check_runs(1000); i++) {
		struct replica_table table = random_table(ids), again;

		buffer_clear(&out);
		replica_table_put(&out, &table);
		CHECK_EQUAL_INT(replica_table_get(&again, buffer_slice(&out)), 0);
		CHECK(again.state == table.state && again.merges == table.merges &&
			again.table == table.table && again.stream == table.stream &&
			again.items == table.items && slice_equal(again.path, table.path) &&
			slice_equal(again.name, table.name) &&
			slice_equal(again.reason, table.reason) &&
			slice_equal(again.place, table.place));
		out.data[0] = 9;
		CHECK_EQUAL_INT(replica_table_get(&again, buffer_slice(&out)), ERR_CORRUPT);
	}
}

/* The longest row of a table fits, so that two of them fit in a page. */
static void the_longest_table_fits(void)
{
	uint8_t bytes[KEY_HEAD_MAX + SORT_KEY_MAX];
	struct replica_table table = { .state = REPLICA_COPIES };

	memset(bytes, 'x', sizeof bytes);
	table.path = slice_of(bytes, DATABASE_ID_BYTES * PATH_MAX_IDS);
	table.incarnation = bytes;
	table.name = slice_of(bytes, TABLE_NAME_MAX);
	table.reason = slice_of(bytes, REPLICA_REASON_MAX);
	table.place = slice_of(bytes, sizeof bytes);
	buffer_clear(&out);
	replica_table_put(&out, &table);
	CHECK_EQUAL_INT(replica_table_get(&table, buffer_slice(&out)), 0);
	CHECK(REPLICA_TABLE_KEY + 4 + out.len <= 2028);
}

static void states_have_names(void)
{
	CHECK_EQUAL_STRING(replica_state_name(REPLICA_FOLLOWS), "FOLLOWING");
	CHECK_EQUAL_STRING(replica_state_name(REPLICA_OFF), "NOT_FOLLOWED");
	CHECK(!replica_state_name(0) && !replica_state_name(5));
	CHECK(replica_is_copying(REPLICA_WAITS) && replica_is_copying(REPLICA_COPIES));
	CHECK(!replica_is_copying(REPLICA_FOLLOWS) && !replica_is_copying(REPLICA_OFF));
}

int main(void)
{
	a_row_comes_back();
	impossible_rows_are_corrupt();
	a_table_comes_back();
	the_longest_table_fits();
	states_have_names();
	buffer_release(&out);
	return 0;
}
