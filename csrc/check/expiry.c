/* expiry.c - checks the expiry indexes: invariant 33.
 *
 * Each item looks for its row. An index with as many rows as its items have found has no other
 * rows, so only an index with a different number is read to find them.
 */
#include "check/expiry.h"

#include "check/problem.h"
#include "check/rows.h"
#include "codec/expiry.h"
#include "codec/row.h"
#include "table/expiry_index.h"

static uint64_t work_on(const struct check *check, uint32_t index)
{
	const struct u64_map_entry *entry = u64_map_find(&check->indexes, index);

	return entry ? entry->a : 0;
}

/* Reads the item key of a row. Returns 0, END or an error. */
static int read_row(struct check *check, struct slice key, struct slice *item_key)
{
	struct slice value;
	int err = txn_get(check->txn, TREE_INDEXES, key, &value);

	return err ? err : row_open(key, value, item_key);
}

int check_expiry_row(struct check *check, const struct table *table, const struct stored *stored,
	struct slice item_key)
{
	const struct time_to_live *ttl = &table->row.ttl;
	uint64_t expiry_ms = item_expiry(stored->item, time_to_live_name(ttl));
	uint8_t bytes[EXPIRY_KEY_MAX];
	struct u64_map_entry *entry;
	struct slice found;
	int err;

	if (expiry_ms == EXPIRY_NEVER)
		return 0;
	err = read_row(check, slice_of(bytes, expiry_row_key(bytes, ttl->index, expiry_ms,
		stored->sequence)), &found);
	if (err == END && !check->is_damaged[TREE_INDEXES] && !check->is_damaged[TREE_CATALOG] &&
			work_on(check, ttl->index) != INDEX_BUILDS)
		problem(check, 33, "expires, but is not in the expiry index");
	if (err)
		return err == END || err == ERR_CORRUPT ? 0 : err;
	if (!slice_equal(found, item_key))
		problem(check, 33, "has a row in the expiry index that names another item");
	entry = u64_map_make(&check->expiries, ttl->index);
	if (!entry)
		return ERR_NO_MEMORY;
	entry->a++;
	return 0;
}

/* --- rows without an item --- */

static const struct table *table_of_index(const struct check *check, uint32_t index)
{
	for (size_t i = 0; i < check->catalog.count; i++)
		if (check->catalog.tables[i]->row.ttl.index == index)
			return check->catalog.tables[i];
	return NULL;
}

/* Returns 0 if the item that a row names has the row's expiry and sequence number, END if not, or
 * an error. */
static int find_item(struct check *check, const struct table *table,
	const struct expiry_row *row)
{
	struct stored stored;
	int err = get_id(row->item_key) != table->row.id ? END :
		item_at(&stored, check->txn, row->item_key, &check->item);

	if (err)
		return err == ERR_CORRUPT ? END : err;
	return stored.sequence == row->sequence && row->expiry_ms ==
		item_expiry(stored.item, time_to_live_name(&table->row.ttl)) ? 0 : END;
}

static int take_row(struct check *check, enum tree tree, struct slice key, struct slice value)
{
	const struct table *table;
	struct expiry_row row;
	uint32_t index;
	int err;

	if (!expiry_row_read_key(&index, &row, key) || row_open(key, value, &row.item_key) ||
			work_on(check, index) == INDEX_REMOVES)
		return 0;
	table = table_of_index(check, index);
	err = table ? find_item(check, table, &row) : 0;         /* reported by the page audit */
	if (err != END)
		return err;
	subject_set_row(check, tree, key);
	problem(check, 33, "names an item that does not expire at this time");
	return 0;
}

/* Returns the number of rows that the items have found. */
static uint64_t rows_found(const struct check *check)
{
	uint64_t rows = 0;

	for (size_t i = 0; i < check->catalog.count; i++) {
		const struct u64_map_entry *entry = u64_map_find(&check->expiries,
			check->catalog.tables[i]->row.ttl.index);

		rows += entry ? entry->a : 0;
	}
	return rows;
}

int check_expiry_indexes(struct check *check)
{
	uint64_t rows;
	int err = txn_count(check->txn, TREE_INDEXES, &rows);

	/* Rows whose items were not reached because of reported damage are not reported. */
	if (err || rows == rows_found(check) || check->has_broken_items ||
			check->is_damaged[TREE_ITEMS] || check->is_damaged[TREE_TAILS] ||
			check->is_damaged[TREE_PARTS] || check->is_damaged[TREE_CATALOG])
		return err;
	return check_each_row(check, TREE_INDEXES, take_row, NULL);
}
