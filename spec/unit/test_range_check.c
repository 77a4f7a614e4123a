/* test_range_check.c - check/consumers.h: ranges of a consumer's shards. */
#include "api/database.h"
#include "table/consume.h"
#include "unit/forge.h"
#include "unit/shared_consumer.h"

/* Writes a row of progress. Verifies that the check then finds so many problems, of which the first
 * is of this invariant, and writes the former row again. */
static void expect(const struct progress_row *before, const struct progress_row *wrong,
	unsigned problems, int invariant)
{
	uint64_t id = described(tide, "c").row.id;
	struct report report = { 0 };
	struct txn *txn = forge_begin(tide);

	MUST(progress_write(txn, id, wrong), failure);
	forge_commit(tide, txn);
	MUST(tide_check(tide, &report, &failure), failure);
	CHECK_EQUAL_UINT(report.problems, problems);
	buffer_put_u8(&report.text, 0);
	CHECK_EQUAL_INT(strtol((const char *)report.text.data, NULL, 10), invariant);
	buffer_release(&report.text);
	txn = forge_begin(tide);
	MUST(progress_write(txn, id, before), failure);
	forge_commit(tide, txn);
	check_clean(tide);
}

static void check_finds_fields_of_the_first_row(void)
{
	struct progress_row row, wrong;

	start_with_three();
	row = row_at(tide, "c", 20);
	for (int i = 0; i < 5; i++) {
		wrong = row;
		wrong.parked_version = i == 0;
		wrong.hold_ms = i == 1;
		wrong.gaps = i == 2;
		wrong.dead_letters = i == 3;
		wrong.end = slice_of_text(i == 4 ? "TRIMMED lost" : "");
		expect(&row, &wrong, 1, 54);
	}
	for (int i = 0; i < 2; i++) {            /* the records are missing, too */
		wrong = row;
		wrong.parked = i == 0;
		wrong.parked_bytes = i == 1;
		expect(&row, &wrong, 2, 54);
	}
	stop();
}

static void check_finds_wrong_ranges(void)
{
	struct progress_row rows[3], wrong;

	start_with_three();
	for (int i = 0; i < 3; i++)
		rows[i] = wrong = row_at(tide, "c", (uint16_t)(20 * i));
	for (int i = 0; i < 3; i++) {
		wrong = rows[i];
		wrong.position = described(tide, "c").last_sequence + 1;
		expect(&rows[i], &wrong, 1, 40);
		wrong.position--;
		wrong.attempts = 1;
		expect(&rows[i], &wrong, 1, 55);
	}
	wrong = rows[1];
	wrong.last--;
	expect(&rows[1], &wrong, 1, 40);         /* a gap */
	wrong.last += 2;
	expect(&rows[1], &wrong, 1, 40);         /* an overlap */
	wrong = rows[2];
	wrong.last--;
	expect(&rows[2], &wrong, 1, 40);         /* the last shard is missing */
	wrong.last += 2;
	expect(&rows[2], &wrong, 2, 40);         /* it is one too many */
	stop();
}

/* The attempts of a range are compared with the failures of all. */
static void check_accepts_inherited_attempts(void)
{
	struct progress_row row, wrong;

	start(64);
	fail_range(0, position_of(0) + 5, 2, 3);
	split_range(tide, "c", 0, 20, false);
	row = wrong = row_at(tide, "c", 20);
	CHECK(row.attempts == 3 && row.failures == 0);
	check_clean(tide);
	wrong.attempts++;
	expect(&row, &wrong, 1, 55);
	stop();
}

/* A copy is of one range. One that is copying also needs a hold, which the first row shows. */
static void check_finds_a_copy_of_ranges(void)
{
	for (uint16_t first = 0; first <= 20; first = (uint16_t)(first + 20)) {
		struct copy_row copy = { .rounds = 1 };
		struct progress_row row;
		struct txn *txn;
		uint64_t id = start(64);

		split_range(tide, "c", 0, 20, false);
		row = row_at(tide, "c", first);
		row.is_copying = true;
		txn = forge_begin(tide);
		MUST(progress_write(txn, id, &row), failure);
		MUST(copy_write(txn, id, &copy), failure);
		CHECK_EQUAL_UINT(forge_problems(tide, txn), first ? 1 : 2);
		txn = forge_begin(tide);
		row.is_copying = false;
		MUST(progress_write(txn, id, &row), failure);
		MUST(copy_remove(txn, id), failure);
		forge_commit(tide, txn);
		stop();
	}
}

int main(void)
{
	tide = open_tide(tide_path("range_check.tide"));
	orders = create_table(tide, "orders");
	create_table(tide, "others");
	check_finds_fields_of_the_first_row();
	check_finds_wrong_ranges();
	check_accepts_inherited_attempts();
	check_finds_a_copy_of_ranges();
	tide_close(tide);
	return 0;
}
