/* test_expiry_steps.c - table/expire.h through tide.h: expiry indexes are built and removed in
 * steps, while the table changes. test_expire.c tests the removal of items.
 */
#include "lmdb/readers.h"
#include "unit/expiring.h"
#include "unit/files.h"
#include "unit/forge.h"

#define START UINT64_C(1700000000000)
#define ITEMS 600
#define SORTS 900
#define ROUNDS 12

static struct failure failure;
static struct builder made;
static struct clock *manual;
static const char *path;
static struct tide *tide;
static struct tide_table table, other;

static void open_again(void)
{
	tide_close(tide);
	tide = open_with_clock(path, manual);
}

/* Opens a new database with a table without time to live, and one item in another table. */
static void open_new(const char *name)
{
	manual = clock_manual(START);
	path = tide_path(name);
	tide = open_with_clock(path, manual);
	table = create_table(tide, "orders");
	other = create_table(tide, "others");
	put_alone(tide, &other, "ann", "1", "v");
}

static uint64_t rows_in(enum tree tree)
{
	uint64_t rows;

	MUST(reader_renew(tide->reader, &failure), failure);
	CHECK_EQUAL_INT(txn_count(tide->reader, tree, &rows), 0);
	reader_reset(tide->reader);
	return rows;
}

/* Returns true if an index is being built or removed. */
static bool is_in_progress(void)
{
	uint8_t key[5] = { CATALOG_INDEX };
	struct slice found = slice_of(key, sizeof key), value;
	struct cursor *cursor;
	bool is;

	MUST(reader_renew(tide->reader, &failure), failure);
	CHECK_EQUAL_INT(txn_cursor(tide->reader, TREE_CATALOG, &cursor), 0);
	is = cursor_move(cursor, MOVE_FROM, &found, &value) == 0 &&
		found.data[0] == CATALOG_INDEX;
	reader_reset(tide->reader);
	return is;
}

static void close_all(void)
{
	check_clean(tide);
	tide_close(tide);
	clock_drop(manual);
}

/* Changes an item of the other table. Returns true if the commit's number is one of SWEEP_TURN, so
 * that its step is larger. */
static bool change(void)
{
	static char value[] = "a";

	value[0] = (char)('a' + ('z' - value[0]));
	put_alone(tide, &other, "ann", "1", value);
	return tide_last_commit(tide) % SWEEP_TURN == 0;
}

static uint64_t difference(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/* Commits until no index is in progress; a commit adds or removes few rows. The file may be closed
 * between the steps. Returns the number of commits. */
static int finish_in_steps(void)
{
	uint64_t rows = rows_in(TREE_INDEXES);
	int commits = 0;

	for (; is_in_progress(); commits++) {
		uint64_t limit = change() ? SWEEP_ROWS : SWEEP_INDEXED;

		CHECK(difference(rows_in(TREE_INDEXES), rows) <= limit);
		rows = rows_in(TREE_INDEXES);
		if (commits % 8 == 0)
			check_clean(tide);
		if (commits % 3 == 0)
			open_again();
		CHECK(commits < 200);
	}
	check_clean(tide);
	return commits;
}

static struct tide_swept sweep(void)
{
	struct tide_swept swept = { 0 };
	bool more = true;

	while (more)
		MUST(tide_sweep(tide, &swept, &more, &failure), failure);
	return swept;
}

static void an_index_is_built_in_steps(void)
{
	open_new("built.tide");
	put_many_expiring(tide, &table, 0, ITEMS, START + DAY_MS);
	put_many_expiring(tide, &table, ITEMS, 50, 0);
	CHECK_EQUAL_UINT(rows_in(TREE_INDEXES), 0);
	set_ttl(tide, "orders", "e");
	CHECK(is_in_progress());
	CHECK(rows_in(TREE_INDEXES) <= SWEEP_INDEXED);
	CHECK(finish_in_steps() > 10);
	CHECK_EQUAL_UINT(rows_in(TREE_INDEXES), ITEMS);
	set_ttl(tide, "orders", "e");            /* the same attribute: nothing changes */
	CHECK(!is_in_progress());
	set_ttl(tide, "orders", "");
	CHECK(is_in_progress());
	CHECK(finish_in_steps() > 10);
	CHECK_EQUAL_UINT(rows_in(TREE_INDEXES), 0);
	close_all();
}

static void tide_sweep_builds_and_removes(void)
{
	struct tide_swept swept = { 0 };
	bool more = true;
	int steps = 0;

	open_new("sweep.tide");
	put_many_expiring(tide, &table, 0, ITEMS, START + DAY_MS);
	set_ttl(tide, "orders", "e");
	for (; is_in_progress(); steps++) {
		uint64_t rows = rows_in(TREE_INDEXES);

		MUST(tide_sweep(tide, &swept, &more, &failure), failure);
		CHECK(more);
		CHECK(rows_in(TREE_INDEXES) - rows <= SWEEP_ROWS);
		open_again();
	}
	CHECK_EQUAL_UINT(rows_in(TREE_INDEXES), ITEMS);
	CHECK(swept.rows > 0);
	CHECK(steps > 2 && steps < 8);
	set_ttl(tide, "orders", "");
	swept = sweep();
	CHECK(swept.rows >= ITEMS - SWEEP_ROWS);
	CHECK_EQUAL_UINT(rows_in(TREE_INDEXES), 0);
	CHECK_EQUAL_UINT(swept.items + swept.records, 0);
	close_all();
}

/* Items that have expired before time to live was enabled are removed when they are indexed. */
static void old_items_expire(void)
{
	struct tide_swept swept;

	open_new("old.tide");
	put_many_expiring(tide, &table, 0, ITEMS, START - 1);
	set_ttl(tide, "orders", "e");
	swept = sweep();
	CHECK(swept.items >= ITEMS - 2 * SWEEP_ROWS);
	CHECK_EQUAL_UINT(rows_in(TREE_ITEMS), 1);
	CHECK_EQUAL_UINT(rows_in(TREE_INDEXES), 0);
	close_all();
}

/* --- changes while an index is being built --- */

static void change_attribute(void)
{
	set_ttl(tide, "orders", "f");
}

static void disable(void)
{
	set_ttl(tide, "orders", "");
}

static void enable_again(void)
{
	set_ttl(tide, "orders", "");
	set_ttl(tide, "orders", "e");
}

static void delete_table(void)
{
	MUST(tide_delete_table(tide, slice_of_text("orders"), &failure), failure);
}

static void create_again(void)
{
	delete_table();
	table = create_expiring(tide, "orders");
	put_many_expiring(tide, &table, 0, 20, START + DAY_MS);
}

/* After a change in the middle of building, only the rows of the remaining index are left. */
static void building_may_be_ended(void)
{
	static const struct { void (*end)(void); uint64_t rows; } ends[] = {
		{ change_attribute, 0 }, { disable, 0 }, { enable_again, ITEMS },
		{ delete_table, 0 }, { create_again, 20 },
	};

	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		for (int by_commits = 0; by_commits < 2; by_commits++) {
			open_new(by_commits ? "ended-commits.tide" : "ended.tide");
			put_many_expiring(tide, &table, 0, ITEMS, START + DAY_MS);
			set_ttl(tide, "orders", "e");
			change();
			CHECK(is_in_progress());
			ends[i].end();
			check_clean(tide);
			open_again();
			if (by_commits)
				finish_in_steps();
			sweep();
			CHECK(!is_in_progress());
			CHECK_EQUAL_UINT(rows_in(TREE_INDEXES), ends[i].rows);
			close_all();
			remove_files(path);
		}
	}
}

/* --- random changes --- */

static void change_at_random(void)
{
	int i = (int)check_random_below(SORTS);
	bool expires = check_random_below(4) > 0;
	struct tide_change changed;
	char sort[16];

	snprintf(sort, sizeof sort, "%06d", i);
	if (check_random_below(4)) {
		put_expiring(tide, &table, "many", sort, check_random_below(2) ? "a" : "b",
			expires ? START + DAY_MS + check_random_below(3) : 0);
		return;
	}
	MUST(tide_delete(tide, &table, item_of(&made, "many", sort, NULL), &changed, &failure),
		failure);
}

/* Items are put and deleted before and after the place that building has reached. */
static void the_table_changes_while_its_index_is_built(void)
{
	for (int round = 0; round < ROUNDS; round++) {
		open_new("random.tide");
		begin(tide);
		for (int i = 0; i < ITEMS; i++)
			change_at_random();
		commit(tide);
		set_ttl(tide, "orders", "e");
		while (is_in_progress()) {
			begin(tide);
			for (uint64_t i = check_random_below(10); i > 0; i--)
				change_at_random();
			if (check_random_below(8))
				commit(tide);
			else
				tide_abort(tide);
			if (check_random_below(4) == 0)
				change();
			if (check_random_below(8) == 0)
				open_again();
		}
		check_clean(tide);
		CHECK(rows_in(TREE_INDEXES) > 0);
		close_all();
		remove_files(path);
	}
}

int main(void)
{
	an_index_is_built_in_steps();
	tide_sweep_builds_and_removes();
	old_items_expire();
	building_may_be_ended();
	the_table_changes_while_its_index_is_built();
	builder_release(&made);
	return 0;
}
