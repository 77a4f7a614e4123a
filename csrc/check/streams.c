/* streams.c - checks records: their order in their stream, their transaction, and their items.
 *
 * The records of a transaction may be in several streams. They are counted while a stream is read.
 * If the stream does not have all records of a transaction, an entry for the transaction is kept
 * until the other streams have been read.
 */
#include "check/streams.h"

#include "check/problem.h"
#include "check/rows.h"
#include "check/table_changes.h"
#include "stream/retention.h"

struct stream_walk {
	struct check *check;
	const struct stream_row *row;
	const struct table *table;   /* table whose items are compared; NULL if none */
	struct cursor *cursor;
	struct horizon horizon;
	struct record record, before;        /* current and previous record */
	bool torn;                   /* true if unreadable rows precede the current record */
	uint64_t run;                /* transaction of the current run of records */
	uint64_t seen;               /* number of records of the run */
	uint64_t positions;          /* sum of their positions, counted from 1 */
	struct {
		uint64_t transaction;        /* transaction of the last record that time to live
		                              * has not caused */
		bool is_marked;              /* its records are */
		bool is_found;               /* its annotation is, or was reported as missing */
		uint64_t torn;               /* transaction of the record after unreadable rows */
	} annotation;
};

static void record_problem(struct stream_walk *walk, int invariant, const char *what)
{
	subject_set_record(walk->check, walk->row, walk->record.sequence);
	problem(walk->check, invariant, "%s", what);
}

/* --- a single record --- */

static void check_images(struct stream_walk *walk)
{
	const struct record *record = &walk->record;
	uint8_t view = walk->row->view;
	bool has_old = record->old_image.len > 0, has_new = record->new_image.len > 0;

	if (has_old != (view_has_old(view) && record->event != EVENT_INSERT) ||
			has_new != (view_has_new(view) && record->event != EVENT_REMOVE))
		record_problem(walk, 11, "has images that do not fit its view type and event");
	if (has_new && record->keys.len > 0)
		record_problem(walk, 11, "has both keys and a new image");
	if (has_old && has_new && slice_equal(record->old_image, record->new_image))
		record_problem(walk, 11, "has identical old and new images");
}

static bool agrees(const struct stream_walk *walk, struct slice image, const struct key *key)
{
	struct key other;

	return image.len == 0 || (key_of_item(&other, walk->row->table, &walk->row->schema, image,
		walk->check->header.secret) == 0 &&
		slice_equal(key_whole(&other), key_whole(key)));
}

/* Sets *key to the key of the record's item. Returns an error if the record's keys are not exactly
 * the table's key attributes. */
static int key_of_record(struct key *key, const struct check *check,
	const struct stream_row *row, const struct record *record)
{
	uint8_t buf[KEY_ATTRIBUTES_MAX];
	struct slice keys;
	int err = record_keys(&keys, record, &row->schema, buf);

	return err ? err : key_of_key(key, row->table, &row->schema, keys, check->header.secret);
}

/* Sets *key to the key of the record's item. Returns false if the record has no valid key. */
static bool check_keys(struct stream_walk *walk, struct key *key)
{
	const struct record *record = &walk->record;

	if (!walk->check->has_file_header)
		return false;
	if (key_of_record(key, walk->check, walk->row, record)) {
		record_problem(walk, 13, "has keys that do not match the key schema");
		return false;
	}
	if (key->partition_hash != record->partition_hash)
		record_problem(walk, 13, "has a partition hash that does not match its keys");
	if (!agrees(walk, record->old_image, key) || !agrees(walk, record->new_image, key))
		record_problem(walk, 13, "has an image with different keys");
	return true;
}

/* --- a record and the annotation of its transaction --- */

static void begin_annotation(struct stream_walk *walk)
{
	walk->annotation.transaction = walk->record.transaction;
	walk->annotation.is_marked = walk->record.is_annotated;
	walk->annotation.is_found = false;
}

/* An annotation that unreadable or hidden records may have contained counts as found. */
static void check_annotation(struct stream_walk *walk)
{
	const struct record *record = &walk->record;
	bool has = record->annotation.len > 0;

	if (walk->torn)
		walk->annotation.torn = record->transaction;
	if (record->origin == ORIGIN_TIME_TO_LIVE && !record->is_annotated)
		return;
	if (walk->annotation.transaction != record->transaction)
		begin_annotation(walk);
	if (record->is_annotated != walk->annotation.is_marked)
		record_problem(walk, 46, record->is_annotated ?
			"is annotated, but others of its transaction are not" :
			"is not annotated, but others of its transaction are");
	else if (has && walk->annotation.is_found)
		record_problem(walk, 46, "has an annotation, but is not the first of its"
			" transaction");
	if (walk->annotation.torn == record->transaction ||
			record->sequence <= walk->horizon.hidden)
		walk->annotation.is_found = true;
	if (walk->annotation.is_marked && !has && !walk->annotation.is_found)
		record_problem(walk, 46, "is annotated, but no record of its transaction"
			" has the annotation");
	walk->annotation.is_found = true;
}

/* --- a record and the one before it --- */

static void check_order(struct stream_walk *walk)
{
	const struct record *record = &walk->record, *before = &walk->before;
	const struct state *state = &walk->check->state;

	if ((walk->check->has_state && record->sequence > state->sequence) ||
			record->sequence <= walk->row->first_sequence)
		record_problem(walk, 8, "has a sequence number that the stream never had");
	if (record->sequence <= before->sequence)
		record_problem(walk, 8, "has no greater sequence number than the one before it");
	if (record->transaction == before->transaction &&
			(record->position <= before->position || record->count != before->count))
		record_problem(walk, 10, "has a wrong position in its transaction");
	if (record->retention_ms < before->retention_ms)
		record_problem(walk, 14, "has an earlier retention clock than the one before it");
	if (record->sequence <= walk->horizon.removed)
		record_problem(walk, 16, "exists, but the horizon says that it was removed");
}

/* Checks that no record is missing before the current one. Does nothing after unreadable rows,
 * because they have already been reported. */
static void check_gap(struct stream_walk *walk)
{
	const struct record *record = &walk->record, *before = &walk->before;

	if (walk->torn)
		return;
	if (record->ordinal <= before->ordinal) {
		record_problem(walk, 9, "has no greater ordinal than the one before it");
	} else if (record->ordinal > before->ordinal + 1) {
		subject_set_record(walk->check, walk->row, record->sequence);
		problem(walk->check, 9, "is preceded by a gap: %llu records are missing after %llu",
			(unsigned long long)(record->ordinal - before->ordinal - 1),
			(unsigned long long)before->sequence);
	} else if (record->stream_bytes != before->stream_bytes + record_bytes(record)) {
		record_problem(walk, 9, "has stream bytes that do not match those before it");
	}
}

/* --- a record and its transaction --- */

/* Ends a run of records of one transaction. If some records of the transaction are not in the run,
 * adds the run to the transaction's entry. */
static int end_run(struct stream_walk *walk)
{
	uint64_t count = walk->before.count;
	struct u64_map_entry *entry;

	if (walk->seen == 0 || walk->seen == count)
		return 0;
	entry = u64_map_find(&walk->check->transactions, walk->run);
	if (!entry) {
		entry = u64_map_make(&walk->check->transactions, walk->run);
		if (!entry)
			return ERR_NO_MEMORY;
		entry->a = count;
		entry->b = count * (count + 1) / 2;
	}
	entry->a += walk->seen << 32;
	entry->b -= walk->positions;
	return 0;
}

static int take_run(struct stream_walk *walk)
{
	const struct record *record = &walk->record;
	int err = 0;

	if (record->transaction != walk->run || walk->seen == 0) {
		err = end_run(walk);
		walk->run = record->transaction;
		walk->seen = walk->positions = 0;
	}
	walk->seen++;
	walk->positions += record->position + UINT64_C(1);
	return err;
}

/* --- a record and its item --- */

/* Sets *sequence to the sequence number of the item's last change, 0 without an item. */
static int version_of(struct check *check, const struct key *key, uint64_t *sequence)
{
	struct slice row = key_whole(key), value, payload;
	enum tree tree = TREE_ITEMS;
	struct stored stored;
	struct place place;
	int err = 0;

	*sequence = 0;
	if (row.len >= STORE_KEY_MAX) {
		err = place_find(&place, check->txn, row);
		tree = place.tree;
		row = place_key(&place);
	}
	if (!err)
		err = txn_get(check->txn, tree, row, &value);
	if (!err)
		err = row_open(row, value, &payload);
	if (!err)
		err = stored_open(&stored, payload);
	if (!err)
		*sequence = stored.sequence;
	return err;
}

/* Compares a record with its item. A change that the item does not show is recorded as overdue
 * until a later record explains the difference. */
static int check_item_of(struct stream_walk *walk, const struct key *key)
{
	struct check *check = walk->check;
	uint64_t name = hash64(check->header.secret, key_whole(key));
	struct u64_map_entry *entry;
	uint64_t sequence;
	bool explained;
	int err = version_of(check, key, &sequence);

	if (err < 0 && err != ERR_CORRUPT)
		return err;
	if (walk->record.event == EVENT_REMOVE)
		explained = sequence == 0 || sequence > walk->record.sequence;
	else
		explained = sequence >= walk->record.sequence;
	if (err == ERR_CORRUPT || explained) {
		u64_map_remove(&check->overdue, name);
		return 0;
	}
	entry = u64_map_make(&check->overdue, name);
	if (!entry)
		return ERR_NO_MEMORY;
	entry->a = walk->record.sequence;
	entry->b = walk->row->id;
	return 0;
}

static int report_overdue(struct check *check, const struct u64_map_entry *entry)
{
	const struct stream *stream =
		streams_cached(&check->catalog.streams, (uint32_t)entry->b);
	struct cursor *cursor;
	struct record record;
	struct key key;
	int err = txn_cursor(check->txn, TREE_LOG, &cursor);

	if (!err)
		err = log_seek(cursor, stream->row.id, entry->a, &record);
	buffer_clear(&check->record);
	if (!err)
		err = log_copy(cursor, stream->row.id, &record, &check->record);
	if (!err)
		err = record_get(&record, buffer_slice(&check->record));
	if (!err)
		err = key_of_record(&key, check, &stream->row, &record);
	if (err)
		return err == ERR_CORRUPT || err == END ? 0 : err;
	subject_set_item(check, key_whole(&key));
	problem(check, 12, record.event == EVENT_REMOVE
		? "exists, but record %llu says that it was removed"
		: "is missing, or older than its last record %llu",
		(unsigned long long)record.sequence);
	return 0;
}

/* Reports the overdue changes. Does nothing if items are damaged, because that has already been
 * reported. */
static int check_overdue(struct check *check)
{
	int err = 0;

	if (check->is_damaged[TREE_ITEMS] || check->is_damaged[TREE_TAILS] ||
			check->has_broken_items)
		return 0;
	for (size_t i = 0; i < check->overdue.cap && !err; i++)
		if (check->overdue.entries[i].used)
			err = report_overdue(check, &check->overdue.entries[i]);
	return err;
}

/* --- a stream --- */

/* Reads the images of the current record, of which walk->record has the header. Returns CORRUPT if
 * its rows cannot be read or do not decode. */
static int read_record(struct stream_walk *walk)
{
	struct check *check = walk->check;
	int err;

	buffer_clear(&check->record);
	err = log_copy(walk->cursor, walk->row->id, &walk->record, &check->record);
	if (err)
		return err;
	err = record_check(buffer_slice(&check->record));
	if (!err)
		err = record_get(&walk->record, buffer_slice(&check->record));
	if (err == ERR_CORRUPT)
		record_problem(walk, 1, "does not decode");
	return err;
}

/* Records that unreadable rows precede the current record. Reports them only if the page audit has
 * not. */
static void take_break(struct stream_walk *walk)
{
	walk->torn = true;
	if (walk->check->is_damaged[TREE_LOG] || walk->check->breaks > 1)
		return;
	subject_set_record(walk->check, walk->row, walk->before.sequence);
	problem(walk->check, 9, "is followed by unreadable rows");
}

/* Checks the fields of a record that describe its item or table. */
static int check_content(struct stream_walk *walk)
{
	bool is_of_tables = walk->row->id == STREAM_OF_TABLES;
	struct key key;

	if (is_of_tables != (walk->record.event == EVENT_TABLE)) {
		record_problem(walk, 61, is_of_tables ? "is not the change of a table" :
			"is the change of a table in another stream");
		return 0;
	}
	if (is_of_tables) {
		walk->check->report->table_changes++;
		return check_table_change(walk->check, walk->row, &walk->record, walk->torn);
	}
	walk->check->report->records++;
	check_images(walk);
	return check_keys(walk, &key) && walk->table ? check_item_of(walk, &key) : 0;
}

static int check_record(struct stream_walk *walk)
{
	int err = read_record(walk);

	if (err == ERR_CORRUPT) {
		take_break(walk);
		return 0;
	}
	if (!err)
		err = take_run(walk);
	if (err)
		return err;
	check_order(walk);
	check_gap(walk);
	check_annotation(walk);
	err = check_content(walk);
	walk->before = walk->record;
	walk->torn = false;
	return err;
}

static int walk_stream(struct stream_walk *walk)
{
	int err = log_seek(walk->cursor, walk->row->id, 0, &walk->record);

	while (check_continues(walk->check, TREE_LOG, &err)) {
		if (err == ERR_CORRUPT)
			take_break(walk);
		else
			err = check_record(walk);
		if (err && err != ERR_CORRUPT)
			return err;
		err = progress_step(walk->check->progress, 1);
		if (err)
			return err;
		err = log_next(walk->cursor, walk->row->id, &walk->record);
	}
	return err < 0 ? err : end_run(walk);
}

/* Checks that the state lists the stream if its last record is recent. Does not report what follows
 * from damage that was reported: an unreadable record, or a sequence number never assigned. */
static void check_touched(struct stream_walk *walk)
{
	const struct state *state = &walk->check->state;
	uint64_t last = walk->before.sequence, listed = 0;

	if (!walk->check->has_state || walk->check->is_damaged[TREE_LOG] || walk->torn ||
			last <= state->touched_after || last > state->sequence)
		return;
	for (unsigned i = 0; i < state->touched_count; i++)
		if (state->touched[i].stream == walk->row->id)
			listed = state->touched[i].sequence;
	if (listed == last)
		return;
	subject_set_record(walk->check, walk->row, last);
	if (listed)
		problem(walk->check, 38, "is the last record of its stream, but the state lists"
			" record %llu", (unsigned long long)listed);
	else
		problem(walk->check, 38, "is the last record of its stream, but the state does not"
			" list the stream");
}

/* Checks that the stream has no record, which has not expired, before a change of a table that was
 * removed. Damage is reported by other steps. */
static int check_followed(struct stream_walk *walk)
{
	const struct check *check = walk->check;
	struct bounds bounds = { 0 };
	struct record first;
	uint64_t hidden;
	int err;

	if (walk->row->id == STREAM_OF_TABLES || !check->has_state)
		return 0;
	err = stream_bounds(check->txn, walk->row->id, &bounds);
	if (!err)
		err = retention_hidden(check->txn, walk->row, &bounds, check->state.retention_ms,
			0, &hidden);
	if (!err)
		err = log_seek(walk->cursor, walk->row->id, hidden + 1, &first);
	if (err || first.sequence > check->changes_lost)
		return err == END || err == ERR_CORRUPT ? 0 : err;
	subject_set_record(walk->check, walk->row, first.sequence);
	problem(walk->check, 63, "precedes the change %llu of a table, which was removed",
		(unsigned long long)check->changes_lost);
	return 0;
}

static int check_stream(struct check *check, const struct stream *stream)
{
	const struct table *table = check_table_with_id(check, stream->row.table);
	struct stream_walk walk = { .check = check, .row = &stream->row };
	int err = stream_horizon(check->txn, stream->row.id, &walk.horizon);

	if (err == ERR_CORRUPT) {        /* already reported; the first record is unknown */
		walk.horizon = (struct horizon){ 0 };
		walk.torn = true;
		err = 0;
	}
	if (table && table->row.stream == stream->row.id)
		walk.table = table;
	if (stream->row.id == STREAM_OF_TABLES)
		check->changes_lost = walk.horizon.removed;
	walk.before.sequence = walk.horizon.removed;
	walk.before.ordinal = walk.horizon.ordinal;
	walk.before.stream_bytes = walk.horizon.stream_bytes;
	if (!err)
		err = cursor_open(&walk.cursor, check->txn, TREE_LOG);
	if (!err)
		err = walk_stream(&walk);
	if (!err)
		check_touched(&walk);
	if (!err)
		err = check_followed(&walk);
	if (!err && stream->row.id == STREAM_OF_TABLES)
		err = check_last_changes(check, walk.horizon.removed, walk.torn);
	cursor_close(walk.cursor);
	return err;
}

int check_streams(struct check *check)
{
	const struct streams *streams = &check->catalog.streams;
	int err = 0;

	for (size_t i = 0; i < streams->count && !err; i++)
		err = check_stream(check, streams->all[i]);
	return err ? err : check_overdue(check);
}

/* --- transactions --- */

/* Sets *lost to the greatest sequence number that any stream may have trimmed, UINT64_MAX if a
 * stream has been deleted. */
static int last_lost(struct check *check, uint64_t *lost)
{
	const struct streams *streams = &check->catalog.streams;
	int err = 0;

	*lost = streams->count < check->state.stream ? UINT64_MAX : 0;
	for (size_t i = 0; i < streams->count && !err; i++) {
		struct horizon horizon;

		err = stream_horizon(check->txn, streams->all[i]->row.id, &horizon);
		if (!err && horizon.hidden > *lost)
			*lost = horizon.hidden;
	}
	return err;
}

/* Reports a transaction if the records in all streams are not all records of the transaction. */
static void check_transaction(struct check *check, const struct u64_map_entry *entry)
{
	unsigned long long transaction = entry->key;
	uint32_t expected = (uint32_t)entry->a, found = (uint32_t)(entry->a >> 32);

	subject_set_tree(check, TREE_LOG);
	if (found != expected)
		problem(check, 10, "has %u records of transaction %llu, expected %u", found,
			transaction, expected);
	else if (entry->b)
		problem(check, 10, "has wrong record positions in transaction %llu", transaction);
}

int check_transactions(struct check *check)
{
	uint64_t lost;
	int err;

	if (check->is_damaged[TREE_LOG] || check->is_damaged[TREE_META] ||
			check->is_damaged[TREE_CATALOG])
		return 0;
	err = last_lost(check, &lost);
	for (size_t i = 0; i < check->transactions.cap && !err; i++) {
		const struct u64_map_entry *entry = &check->transactions.entries[i];

		if (entry->used && entry->key > lost)
			check_transaction(check, entry);
	}
	return err == ERR_CORRUPT ? 0 : err;
}
