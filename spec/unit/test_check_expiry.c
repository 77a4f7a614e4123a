/* test_check_expiry.c - problems that tide_check reports of expiry indexes. */
#include "table/expiry_index.h"
#include "unit/expiring.h"
#include "unit/wrong.h"

#define EXPIRY_MS UINT64_C(4102444800000)    /* the year 2100 */
#define ITEMS 4
#define BUILDING 100
#define REMOVED 20

/* The indexes of the tables: one is complete, one is being built, one is being removed. */
enum { COMPLETE = 1, IN_BUILDING, IN_REMOVAL, UNKNOWN };

static uint64_t numbers[ITEMS];          /* sequence numbers of the items of `sessions` */

static void add_tables(void)
{
	struct tide_table sessions = create_expiring(tide, "sessions"), building, removed;

	begin(tide);
	for (int i = 0; i < ITEMS; i++)
		numbers[i] = put_expiring(tide, &sessions, "ann", i == 3 ? deep :
			(const char *[]){ "0", "1", "2" }[i], i == 2 ? big : "v", EXPIRY_MS);
	put_expiring(tide, &sessions, "ann", "4", "v", 0);
	commit(tide);
	building = create_table(tide, "building");
	put_many_expiring(tide, &building, 0, BUILDING, EXPIRY_MS);
	set_ttl(tide, "building", "e");
	removed = create_expiring(tide, "removed");
	put_many_expiring(tide, &removed, 0, REMOVED, EXPIRY_MS);
	set_ttl(tide, "removed", "");
	CHECK_EQUAL_UINT(tide->catalog.index, IN_BUILDING);      /* the first in progress */
}

static struct key key_of(const char *table, const char *p, const char *s)
{
	return forge_key(tide, table, item_of(&made, p, s, NULL));
}

static void put_row(uint32_t index, uint64_t expiry_ms, uint64_t sequence, const struct key *key)
{
	struct expiry_row row = { expiry_ms, sequence, key_whole(key) };

	CHECK_EQUAL_INT(expiry_row_put(txn, index, &row), 0);
}

static void put_session_row(uint64_t expiry_ms, uint64_t sequence, const char *sort)
{
	struct key key = key_of("sessions", "ann", sort);

	put_row(COMPLETE, expiry_ms, sequence, &key);
}

static void delete_row(int item)
{
	CHECK_EQUAL_INT(expiry_row_delete(txn, COMPLETE, EXPIRY_MS, numbers[item]), 0);
}

/* --- rows --- */

static void forge_no_row(void)
{
	delete_row(1);
}

static void forge_no_rows_of_all_kinds(void)
{
	delete_row(2);
	delete_row(3);
}

static void forge_extra_row(void)
{
	put_session_row(EXPIRY_MS, 1, "0");
}

static void forge_row_of_no_item(void)
{
	put_session_row(EXPIRY_MS, 1, "nobody");
}

static void forge_row_that_never_expires(void)
{
	put_session_row(EXPIRY_MS, numbers[3] + 1, "4");
}

static void forge_row_of_another_table(void)
{
	struct key key = key_of("orders", "ann", "1");

	put_row(COMPLETE, EXPIRY_MS, third, &key);
}

static void forge_other_item(void)
{
	put_session_row(EXPIRY_MS, numbers[1], "2");
}

static void forge_sequence(void)
{
	delete_row(1);
	put_session_row(EXPIRY_MS, 1, "1");
}

static void forge_expiry(void)
{
	delete_row(1);
	put_session_row(EXPIRY_MS - 1, numbers[1], "1");
}

static void forge_malformed_keys(void)
{
	static const uint8_t key[15] = { COMPLETE, 1, 2 };

	forge_row(txn, TREE_INDEXES, slice_of(key, sizeof key - 1), slice_of_text("?"));
	forge_row(txn, TREE_INDEXES, slice_of("\0no index id...", 15), slice_of_text("?"));
}

static void ruin_row(void)
{
	uint8_t bytes[EXPIRY_KEY_MAX];
	size_t len = expiry_row_key(bytes, COMPLETE, EXPIRY_MS, numbers[0]);

	CHECK_EQUAL_INT(txn_put(txn, TREE_INDEXES, slice_of(bytes, len), slice_of_text("ruin")), 0);
}

/* --- indexes --- */

static void forge_row_of_no_index(void)
{
	struct key key = key_of("sessions", "ann", "0");

	put_row(UNKNOWN, EXPIRY_MS, numbers[0], &key);
}

/* Rows may be missing from an index that is being built, and one that is being removed may have any
 * rows. */
static void forge_in_progress(void)
{
	struct key key = key_of("sessions", "ann", "0");
	struct expiry_row row = { 0 };

	CHECK_EQUAL_INT(expiry_row_after(txn, IN_BUILDING, &row), 0);
	CHECK_EQUAL_INT(expiry_row_delete(txn, IN_BUILDING, row.expiry_ms, row.sequence), 0);
	put_row(IN_REMOVAL, EXPIRY_MS, 1, &key);
	row = (struct expiry_row){ 0 };
	CHECK_EQUAL_INT(expiry_row_after(txn, IN_REMOVAL, &row), 0);
}

static void forge_extra_row_while_building(void)
{
	struct key key = key_of("building", "many", "000001");

	put_row(IN_BUILDING, EXPIRY_MS, 1, &key);
}

static struct slice index_key(uint32_t index)
{
	static uint8_t key[5] = { CATALOG_INDEX };

	set_u32(key + 1, index);
	return slice_of(key, sizeof key);
}

static void put_index(uint32_t index, uint8_t work, uint32_t table)
{
	struct index_row row = { .id = index, .work = work, .table = table };

	CHECK_EQUAL_INT(catalog_put_index(txn, &row), 0);
}

static uint32_t id_of(const char *table)
{
	return forge_table(tide, table)->id;
}

static void forge_unknown_work(void)
{
	put_index(IN_BUILDING, INDEX_REMOVES + 1, id_of("building"));
}

static void forge_short_row_of_index(void)
{
	forge_row(txn, TREE_CATALOG, index_key(IN_BUILDING), slice_of("\1", 1));
}

static void ruin_row_of_index(void)
{
	CHECK_EQUAL_INT(txn_put(txn, TREE_CATALOG, index_key(IN_BUILDING),
		slice_of_text("ruin")), 0);
}

static void forge_index_of_no_table(void)
{
	put_index(UNKNOWN, INDEX_BUILDS, 1000);
}

static void forge_index_of_another_table(void)
{
	put_index(COMPLETE, INDEX_BUILDS, id_of("orders"));
}

static void forge_removal_of_an_index_in_use(void)
{
	put_index(COMPLETE, INDEX_REMOVES, id_of("sessions"));
}

static void forge_ids(void)
{
	struct buffer scratch = { 0 };
	struct state state;

	CHECK_EQUAL_INT(state_read(txn, &state), 0);
	CHECK_EQUAL_UINT(state.index, IN_REMOVAL);
	state.index = 0;
	CHECK_EQUAL_INT(state_write(txn, &state, &scratch), 0);
	buffer_release(&scratch);
}

#define EXTRA "*names an item that does not expire at this time"
#define MISSING "*expires, but is not in the expiry index"

static void forge_index_without_a_name(void)
{
	CHECK_EQUAL_INT(catalog_delete_expiry(txn, COMPLETE), 0);
}

static void forge_names_of_others(void)
{
	CHECK_EQUAL_INT(catalog_put_expiry(txn, IN_BUILDING, slice_of_text("sessions")), 0);
	CHECK_EQUAL_INT(catalog_put_expiry(txn, IN_REMOVAL, slice_of_text("no_table")), 0);
}

static void forge_short_name(void)
{
	uint8_t key[5] = { CATALOG_EXPIRY };

	set_u32(key + 1, COMPLETE);
	forge_row(txn, TREE_CATALOG, slice_of(key, sizeof key), slice_of("	x", 2));
}

static const struct wrong wrongs[] = {
	{ "nothing", NULL, { NULL } },
	{ "no row", forge_no_row, {
		"33\titems\tsessions\tp = \"ann\", s = \"1\"\t" MISSING,
	} },
	{ "no row of a big item and a long key", forge_no_rows_of_all_kinds, {
		"33\titems\tsessions\tp = \"ann\", s = \"2\"\t" MISSING,
		"33\titems\tsessions\tp = \"ann\", s = \"ddd" MISSING,
	} },
	{ "an extra row", forge_extra_row, {
		"33\tindexes\t\tindex 1, expiry 4102444800000 ms, sequence number 1\t" EXTRA,
	} },
	{ "a row of no item", forge_row_of_no_item, {
		"33\tindexes\t\tindex 1, expiry 4102444800000 ms, sequence number 1\t" EXTRA,
	} },
	{ "a row of an item that never expires", forge_row_that_never_expires, {
		"33\tindexes\t" EXTRA,
	} },
	{ "a row of another table", forge_row_of_another_table, {
		"33\tindexes\t" EXTRA,
	} },
	{ "another item", forge_other_item, {
		"33\titems\tsessions\tp = \"ann\", s = \"1\"\t*has a row in the expiry index that"
			" names another item",
		"33\tindexes\t\tindex 1, expiry 4102444800000 ms, sequence number 85\t" EXTRA,
	} },
	{ "another sequence number", forge_sequence, {
		"33\titems\tsessions\tp = \"ann\", s = \"1\"\t" MISSING,
		"33\tindexes\t\tindex 1, expiry 4102444800000 ms, sequence number 1\t" EXTRA,
	} },
	{ "another expiry", forge_expiry, {
		"33\titems\tsessions\tp = \"ann\", s = \"1\"\t" MISSING,
		"33\tindexes\t\tindex 1, expiry 4102444799999 ms*" "names an item that does not"
			" expire at this time",
	} },
	{ "malformed keys", forge_malformed_keys, {
		"3\tindexes\t\t\\x00no index id...\t*has an invalid key",
		"3\tindexes\t*has an invalid key",
	} },
	{ "a ruined row", ruin_row, {
		"1\tindexes\t\tindex 1, expiry 4102444800000 ms*)",
	} },
	{ "a row of no index", forge_row_of_no_index, {
		"3\tindexes\t*holds 1 rows of index 4, which is not in the catalog",
	} },
	{ "indexes in progress", forge_in_progress, { NULL } },
	{ "an extra row while the index is built", forge_extra_row_while_building, {
		"33\tindexes\t\tindex 2, expiry 4102444800000 ms, sequence number 1\t" EXTRA,
	} },
	{ "unknown work", forge_unknown_work, {
		"1\tcatalog\t\tindex 2\t*does not decode",
	} },
	{ "a short row of an index", forge_short_row_of_index, {
		"1\tcatalog\t\tindex 2\t*does not decode",
	} },
	{ "a ruined row of an index", ruin_row_of_index, {
		"1\tcatalog\t\tindex 2\t*)",
	} },
	{ "an index of no table", forge_index_of_no_table, {
		"2\tcatalog\t\tindex 4\t*has an id that was never assigned",
		"3\tcatalog\t\tindex 4\t*is being built, but is not the index of its table",
	} },
	{ "an index of another table", forge_index_of_another_table, {
		"3\tcatalog\t\tindex 1\t*is being built, but is not the index of its table",
	} },
	{ "removal of an index in use", forge_removal_of_an_index_in_use, {
		"3\tcatalog\t\tindex 1\t*is being removed, but a table still uses this index",
	} },
	{ "an index without a name", forge_index_without_a_name, {
		"45\tcatalog\tsessions\ttable sessions\t*has an expiry index without a row",
	} },
	{ "names of others", forge_names_of_others, {
		"45\tcatalog\t\tthe table of index 2\t*names a table that does not have this"
			" expiry index",
		"45\tcatalog\t\tthe table of index 3\t*names a table that does not have this"
			" expiry index",
	} },
	{ "a short name", forge_short_name, {
		"1\tcatalog\t\tthe table of index 1\t*does not decode",
	} },
	{ "indexes never assigned", forge_ids, {
		"2\tcatalog\tbuilding\ttable building\t*has an id that was never assigned",
		"2\tcatalog\tsessions\ttable sessions\t*has an id that was never assigned",
		"2\tcatalog\t\tindex 2\t*has an id that was never assigned",
		"2\tcatalog\t\tindex 3\t*has an id that was never assigned",
	} },
};

int main(void)
{
	wrong_start();
	fill_more = add_tables;
	for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++)
		is_named(&wrongs[i]);
	builder_release(&made);
	return 0;
}
