/* replicas.c - checks replicas: invariants 65 to 67.
 *
 * The rows of replicas precede the rows of their tables. The rows that copies have noted follow.
 */
#include "check/replicas.h"

#include "check/problem.h"
#include "check/rows.h"
#include "codec/consumer.h"
#include "codec/replica.h"
#include "codec/row.h"
#include "table/replica.h"

int check_replica_row(struct slice key, struct slice payload)
{
	switch (key.data[0]) {
	case REPLICA_ROW:
		return replica_get(&(struct replica_row){ 0 }, payload);
	case REPLICA_TABLE:
		return replica_table_get(&(struct replica_table){ 0 }, payload);
	case REPLICA_SEEN:
		return payload.len == 0 ? 0 : ERR_CORRUPT;
	default:
		return payload.len <= KEY_HEAD_MAX + SORT_KEY_MAX ? 0 : ERR_CORRUPT;
	}
}

/* Notes a replica. In check->replicas a is 1 if it was promoted. */
static int note_replica(struct check *check, struct slice payload)
{
	struct u64_map_entry *entry;
	struct replica_row row;

	if (replica_get(&row, payload))
		return 0;                        /* reported as a row that does not decode */
	if (check->has_state && row.id > check->state.node)
		problem(check, 2, "has an id that was never assigned");
	if (u64_map_find(&check->replicas, row.id))
		problem(check, 2, "has the id of another replica");
	entry = u64_map_make(&check->replicas, row.id);
	if (!entry)
		return ERR_NO_MEMORY;
	entry->a = row.is_promoted;
	return 0;
}

/* Sets *entry to the replica of a row; NULL if that was reported as missing. */
static void find_replica(struct check *check, struct slice key, struct u64_map_entry **entry)
{
	*entry = u64_map_find(&check->replicas, get_u64(key.data + 1));
	if (!*entry && !check->is_damaged[TREE_CONSUMERS])
		problem(check, 65, "belongs to no replica");
}

/* A table of a replica exists and belongs to it, unless it was promoted. Deletion of a promoted
 * table leaves the row. */
static int check_table(struct check *check, struct slice key, struct slice payload)
{
	uint64_t replica = get_u64(key.data + 1);
	struct replica_table row;
	struct u64_map_entry *entry;
	const struct table *table;

	find_replica(check, key, &entry);
	if (!entry || replica_table_get(&row, payload) || !row.table)
		return 0;
	entry = u64_map_make(&check->replicated, row.table);
	if (!entry)
		return ERR_NO_MEMORY;
	entry->a = replica;
	if (u64_map_find(&check->replicas, replica)->a || check->lacks_rows ||
			check->is_damaged[TREE_CATALOG])
		return 0;
	table = check_table_with_id(check, row.table);
	if (!table)
		problem(check, 66, "is the state of a table that does not exist");
	else if (table->row.replica != replica)
		problem(check, 66, "is the state of a table that does not belong to the replica");
	return 0;
}

/* Rows noted by a copy exist only while it merges. */
static void check_noted(struct check *check, struct slice key)
{
	struct u64_map_entry *entry;
	struct replica_table row;

	find_replica(check, key, &entry);
	if (!entry || check->is_damaged[TREE_CONSUMERS])
		return;
	if (replica_table_read(&row, check->txn, get_u64(key.data + 1),
			get_u32(key.data + 9)) == 0 &&
			(!replica_is_copying(row.state) || !row.merges))
		problem(check, 67, "is of a table that is not being merged");
}

static int take_row(struct check *check, enum tree tree, struct slice key, struct slice value)
{
	struct slice payload;

	(void)tree;
	if (!is_replica_key(key) || row_open(key, value, &payload))
		return 0;
	subject_set_row(check, TREE_CONSUMERS, key);
	switch (key.data[0]) {
	case REPLICA_ROW:
		return note_replica(check, payload);
	case REPLICA_TABLE:
		return check_table(check, key, payload);
	default:
		check_noted(check, key);
		return 0;
	}
}

/* Makes the row of a table in the catalog the subject. */
static void name_table(struct check *check, const struct table_row *row)
{
	uint8_t key[1 + TABLE_NAME_MAX];
	struct slice name = slice_of_text(row->name);

	key[0] = CATALOG_TABLE;
	slice_write(key + 1, name);
	subject_set_row(check, TREE_CATALOG, slice_of(key, 1 + name.len));
}

/* Every table that belongs to a replica has a row of it. */
static void check_owners(struct check *check)
{
	for (size_t i = 0; i < check->catalog.count; i++) {
		const struct table_row *row = &check->catalog.tables[i]->row;
		const struct u64_map_entry *entry;

		if (!row->replica)
			continue;
		entry = u64_map_find(&check->replicated, row->id);
		if (entry && entry->a == row->replica)
			continue;
		name_table(check, row);
		problem(check, 66, "belongs to a replica that has no row for it");
	}
}

int check_replicas(struct check *check)
{
	int err = check_each_row(check, TREE_CONSUMERS, take_row, NULL);

	if (!err && !check->is_damaged[TREE_CONSUMERS] && !check->is_abandoned[TREE_CONSUMERS])
		check_owners(check);
	return err;
}
