/* items.c - checks items and the nodes and parts that belong to them. */
#include "check/items.h"

#include "check/expiry.h"
#include "check/problem.h"
#include "check/rows.h"

static int check_parts_of(struct check *check, const struct stored *stored)
{
	struct u64_map_entry *entry;

	if (!stored->part)
		return 0;
	if (check->has_state && stored->part > check->state.node)
		problem(check, 2, "has part id %llu, but the last assigned is %llu",
			(unsigned long long)stored->part, (unsigned long long)check->state.node);
	if (u64_map_find(&check->parts, stored->part))
		problem(check, 3, "has the part id of another item");
	entry = u64_map_make(&check->parts, stored->part);
	if (!entry)
		return ERR_NO_MEMORY;
	entry->a = (stored->item.len + ITEM_SHARE - 1) / ITEM_SHARE;
	return 0;
}

/* Checks that the record of the item's last change exists, unless it has expired, and has the item
 * as its new image. */
static int check_last_record(struct check *check, const struct table *table,
	const struct stored *stored)
{
	const struct stream *stream =
		streams_cached(&check->catalog.streams, table->row.stream);
	struct horizon horizon;
	struct cursor *cursor;
	struct record record;
	int err;

	if (!stream || stored->sequence <= stream->row.first_sequence)
		return 0;
	err = stream_horizon(check->txn, stream->row.id, &horizon);
	if (err || stored->sequence <= horizon.removed)
		return err == ERR_CORRUPT ? 0 : err;
	err = txn_cursor(check->txn, TREE_LOG, &cursor);
	if (!err)
		err = log_seek(cursor, stream->row.id, stored->sequence, &record);
	if (err < 0)
		return err == ERR_CORRUPT ? 0 : err;
	if (err == END || record.sequence != stored->sequence) {
		if (!check->is_damaged[TREE_LOG])
			problem(check, 12, "has sequence number %llu, but its stream has no such"
				" record", (unsigned long long)stored->sequence);
		return 0;
	}
	buffer_clear(&check->record);
	err = log_copy(cursor, stream->row.id, &record, &check->record);
	if (!err)
		err = record_get(&record, buffer_slice(&check->record));
	if (err)
		return err == ERR_CORRUPT ? 0 : err;
	if (view_has_new(stream->row.view) && !slice_equal(record.new_image, stored->item))
		problem(check, 12, "differs from the new image of its last record %llu",
			(unsigned long long)stored->sequence);
	return 0;
}

static bool has_matching_key(struct check *check, const struct table *table,
	struct slice item, struct slice whole)
{
	struct key key;

	return !check->has_file_header || (key_of_item(&key, table->row.id, &table->row.schema,
		item,
		check->header.secret) == 0 && slice_equal(key_whole(&key), whole));
}

static int check_item_of(struct check *check, const struct table *table,
	const struct stored *stored, struct slice whole)
{
	check->report->items++;
	if (map_check(stored->item)) {
		problem(check, 4, "does not decode");
		return 0;
	}
	if (!has_matching_key(check, table, stored->item, whole)) {
		problem(check, 4, "has key attributes that differ from its key");
		return 0;
	}
	if (check->has_state && (stored->sequence > check->state.sequence ||
			stored->sequence == 0))
		problem(check, 5, "has sequence number %llu, but the last assigned is %llu",
			(unsigned long long)stored->sequence,
			(unsigned long long)check->state.sequence);
	if (item_size(stored->item) > ITEM_MAX_BYTES)
		problem(check, 6, "exceeds the maximum item size");
	if (table->row.ttl.index) {
		int err = check_expiry_row(check, table, stored, whole);

		if (err)
			return err;
	}
	return check_last_record(check, table, stored);
}

static int check_item(struct check *check, const struct row_walk *walk)
{
	const struct table *table = check_table_with_id(check, get_id(row_walk_key(walk)));
	struct stored stored = { 0 };
	int err = stored_read(&stored, check->txn, walk->payload, &check->item);
	int noted;

	subject_set_item(check, row_walk_key(walk));
	noted = check_parts_of(check, &stored);
	if (noted)
		return noted;
	if (err == ERR_CORRUPT) {
		check->has_broken_items = true;
		if (!stored.part || !check->is_damaged[TREE_PARTS])
			problem(check, stored.part ? 3 : 4, stored.part
				? "has too few or too many parts" : "does not decode");
		else
			problem(check, 1, "has damaged parts");
		return 0;
	}
	return err || !table ? err : check_item_of(check, table, &stored, row_walk_key(walk));
}

/* Counts a row for each node that the walk over the items is in. */
static int note_nodes(struct check *check, const struct row_walk *walk)
{
	for (int level = 1; level <= walk->depth; level++) {
		struct u64_map_entry *entry = u64_map_make(&check->nodes, walk->levels[level].node);

		if (!entry)
			return ERR_NO_MEMORY;
		entry->a++;              /* rows in it or below it */
	}
	return 0;
}

/* Records that the walk over the items found an unreadable row. Reports the row only if no row is
 * damaged, because then a reference between rows is wrong. */
static void take_break(struct check *check, const struct row_walk *walk)
{
	check->has_broken_items = true;
	if (check->is_damaged[TREE_ITEMS] || check->is_damaged[TREE_TAILS] || check->breaks > 1)
		return;
	subject_set_item(check, row_walk_key(walk));
	problem(check, 3, "refers to a node that is empty or missing");
}

static int walk_items(struct check *check, struct row_walk *walk)
{
	uint64_t tails;
	int err = txn_count(check->txn, TREE_TAILS, &tails);

	if (err)
		return err;      /* without this limit the walk might loop forever */
	err = row_walk_from(walk, check->txn, slice_of("", 0));
	while (check_continues(check, TREE_ITEMS, &err)) {
		if (err == ERR_CORRUPT)
			take_break(check, walk);
		else
			err = check_item(check, walk);
		if (!err)
			err = note_nodes(check, walk);
		if (err && err != ERR_CORRUPT)
			return err;
		if (walk->tail_rows > tails) {
			subject_set_tree(check, TREE_TAILS);
			problem(check, 3, "has nodes with more than one reference");
			return 0;
		}
		err = progress_step(check->progress, 1);
		if (err)
			return err;
		err = row_walk_next(walk);
	}
	return err < 0 ? err : 0;
}

/* --- parts and nodes without a reference --- */

static int check_owner(struct check *check, enum tree tree, struct slice key, struct slice value)
{
	const struct u64_map *owners = tree == TREE_PARTS ? &check->parts : &check->nodes;
	const struct u64_map_entry *owner;

	(void)value;
	if (key.len < 8 || (tree == TREE_PARTS && key.len != PART_KEY))
		return 0;
	owner = u64_map_find(owners, get_u64(key.data));
	if (owner && (tree == TREE_TAILS || get_u16(key.data + 8) < owner->a))
		return 0;
	subject_set_row(check, tree, key);
	problem(check, 3, tree == TREE_PARTS ? "belongs to no item"
		: "is in a node that no key refers to");
	return 0;
}

int check_items(struct check *check)
{
	struct row_walk walk = { 0 };
	int err = walk_items(check, &walk);

	row_walk_stop(&walk);
	/* Rows that were not reached because of reported damage are not reported again. */
	if (err || check->has_broken_items || check->is_damaged[TREE_ITEMS] ||
			check->is_damaged[TREE_TAILS])
		return err;
	err = check_each_row(check, TREE_TAILS, check_owner, NULL);
	return err ? err : check_each_row(check, TREE_PARTS, check_owner, NULL);
}
