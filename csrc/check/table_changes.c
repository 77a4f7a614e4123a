/* table_changes.c - checks the records of changes of tables against each other and the catalog.
 *
 * The last record of each table is kept while the stream is read: its sequence number, event and
 * definition. Records before unreadable rows are not compared with those after them.
 */
#include "check/table_changes.h"

#include "check/problem.h"
#include "codec/table_change.h"

/* An entry of check->changes: a: sequence number of the last record; b: offset in
 * check->definitions of its event (u8), the length of its definition (u16) and the definition. */
#define KEPT_HEADER 3

static uint8_t kept_event(const struct check *check, const struct u64_map_entry *entry)
{
	return check->definitions.data[entry->b];
}

static struct slice kept_definition(const struct check *check, const struct u64_map_entry *entry)
{
	const uint8_t *at = check->definitions.data + entry->b;

	return slice_of(at + KEPT_HEADER, get_u16(at + 1));
}

/* Keeps the change as the last one of its table. */
static int keep(struct check *check, const struct table_change *change, uint64_t sequence)
{
	struct u64_map_entry *entry = u64_map_make(&check->changes, change->table);
	struct buffer *out = &check->definitions;

	if (!entry)
		return ERR_NO_MEMORY;
	if (entry->a && slice_equal(kept_definition(check, entry), change->definition)) {
		entry->a = sequence;
		out->data[entry->b] = change->event;
		return 0;
	}
	entry->a = sequence;
	entry->b = out->len;
	buffer_put_u8(out, change->event);
	buffer_put_u16(out, (uint16_t)change->definition.len);
	buffer_put_slice(out, change->definition);
	return buffer_error(out);
}

/* --- a change and the one before it --- */

/* Checks a change against the last one of its table, NULL if there is none. */
static void check_succession(struct check *check, const struct table_change *change,
	const struct u64_map_entry *last)
{
	struct slice before = change->event == TABLE_ALTERED ? change->old_definition :
		change->definition;

	if (change->event == TABLE_CREATED && change->table <= check->last_created)
		problem(check, 62, "creates table %u after table %u", change->table,
			check->last_created);
	if (!last)
		return;
	if (change->event == TABLE_CREATED)
		problem(check, 62, "creates table %u again", change->table);
	else if (kept_event(check, last) == TABLE_DELETED)
		problem(check, 62, "changes table %u after its deletion", change->table);
	else if (!slice_equal(kept_definition(check, last), before))
		problem(check, 62, "does not begin with the definition of record %llu",
			(unsigned long long)last->a);
}

int check_table_change(struct check *check, const struct stream_row *row,
	const struct record *record, bool torn)
{
	const struct u64_map_entry *last;
	struct table_change change;

	if (table_change_get(&change, record->new_image))
		return 0;                /* reported when the record was read */
	if (torn)
		check->changes_torn = record->sequence;
	last = u64_map_find(&check->changes, change.table);
	if (last && last->a < check->changes_torn)
		last = NULL;
	subject_set_record(check, row, record->sequence);
	if (check->has_state && change.table > check->state.table)
		problem(check, 2, "is of table %u, whose id was never assigned", change.table);
	check_succession(check, &change, last);
	if (!last && change.event != TABLE_CREATED && check->changes_lost == 0 &&
			check->changes_torn == 0)
		problem(check, 62, "changes table %u before its creation", change.table);
	if (change.event == TABLE_CREATED)
		check->last_created = change.table;
	return keep(check, &change, record->sequence);
}

/* --- the last changes and the catalog --- */

/* Compares the definition of a table with that in its last record. */
static int check_definition(struct check *check, const struct table *table,
	const struct u64_map_entry *last)
{
	const struct stream *stream = table->row.stream ?
		streams_cached(&check->catalog.streams, table->row.stream) : NULL;

	if (table->row.stream && !stream)
		return 0;                /* reported with the catalog */
	buffer_clear(&check->scratch);
	table_definition_put(&check->scratch, &table->row, stream ? &stream->row : NULL);
	if (buffer_error(&check->scratch))
		return buffer_error(&check->scratch);
	if (!slice_equal(kept_definition(check, last), buffer_slice(&check->scratch)))
		problem(check, 62, "has another definition of table %s than the catalog",
			table->row.name);
	return 0;
}

static int check_last_change(struct check *check, const struct stream_row *row,
	const struct u64_map_entry *last)
{
	const struct table *table = check_table_with_id(check, (uint32_t)last->key);
	bool is_deleted = kept_event(check, last) == TABLE_DELETED;

	subject_set_record(check, row, last->a);
	if (is_deleted && table)
		problem(check, 62, "deletes table %s, which exists", table->row.name);
	else if (!is_deleted && !table)
		problem(check, 62, "is the last one of table %llu, which does not exist",
			(unsigned long long)last->key);
	return is_deleted || !table ? 0 : check_definition(check, table, last);
}

static void set_table_subject(struct check *check, struct slice name)
{
	uint8_t key[1 + TABLE_NAME_MAX] = { CATALOG_TABLE };

	slice_write(key + 1, name);
	subject_set_row(check, TREE_CATALOG, slice_of(key, 1 + name.len));
}

int check_last_changes(struct check *check, uint64_t removed, bool torn)
{
	const struct stream *stream = streams_cached(&check->catalog.streams, STREAM_OF_TABLES);
	int err = 0;

	if (torn || !check_has_whole_catalog(check))
		return 0;
	for (size_t i = 0; i < check->changes.cap && !err; i++) {
		const struct u64_map_entry *entry = &check->changes.entries[i];

		if (entry->used && entry->a >= check->changes_torn)
			err = check_last_change(check, &stream->row, entry);
	}
	for (size_t i = 0; i < check->catalog.count && !removed && !check->changes_torn; i++) {
		const struct table_row *row = &check->catalog.tables[i]->row;

		if (u64_map_find(&check->changes, row->id))
			continue;
		set_table_subject(check, slice_of_text(row->name));
		problem(check, 62, "has no record of its creation");
	}
	return err;
}

void check_changes_release(struct check *check)
{
	u64_map_release(&check->changes);
	buffer_release(&check->definitions);
}
