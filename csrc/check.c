/* check.c - db:check(): the numbered invariants, on every row of a file.
 *
 * One snapshot is held while it runs. Each problem is a line that begins with
 * the invariant's number (doc/invariants.md) and names the row.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "database.h"
#include "table/items.h"

struct check {
	struct tide *tide;
	struct txn *txn;
	struct state state;
	struct tide_report *report;
	struct progress *progress;   /* NULL: nobody looks */
	uint64_t clock_ms;
	uint64_t part_rows;          /* rows of `parts` that items account for */
	struct buffer item;          /* an item put together */
	struct buffer record;
};

/* --- problems --- */

static void problem(struct check *check, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void problem(struct check *check, const char *format, ...)
{
	struct tide_report *report = check->report;
	char line[512];
	va_list args;

	if (report->problems++ >= TIDE_PROBLEMS_MAX)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	buffer_put(&report->text, line, strlen(line));
	buffer_put_u8(&report->text, '\n');
}

/* A key as text: what can be printed as it is, the rest in hex. */
struct shown {
	char text[160];
};

static struct shown show(struct slice key)
{
	struct shown shown;
	size_t at = 0;

	for (size_t i = 0; i < key.len && at < sizeof shown.text - 8; i++) {
		uint8_t c = key.data[i];

		if (c > ' ' && c < 0x7f && c != '\\')
			shown.text[at++] = (char)c;
		else
			at += (size_t)snprintf(shown.text + at, 5, "\\x%02x", c);
	}
	shown.text[at] = '\0';
	return shown;
}

/* --- every row by itself --- */

static bool is_known_meta(struct slice key)
{
	if (key.len == 0)
		return false;
	switch (key.data[0]) {
	case META_STAMP: case META_STATE: case META_WEAK_BOOT:
		return key.len == 1;
	case META_TABLE:
		return is_table_name(slice_of(key.data + 1, key.len - 1));
	case META_DROPPED: case META_STREAM: case META_HORIZON:
		return key.len == 5;
	default:
		return false;
	}
}

static bool is_of_a_table(const struct check *check, struct slice key)
{
	const struct catalog *catalog = &check->tide->catalog;
	uint8_t bytes[5] = { META_DROPPED };
	struct slice value;
	uint32_t id;

	if (key.len < 5)
		return false;
	id = get_u32(key.data);
	for (size_t i = 0; i < catalog->count; i++)
		if (catalog->tables[i].row.id == id)
			return true;
	set_u32(bytes + 1, id);
	return txn_get(check->txn, TREE_META, slice_of(bytes, sizeof bytes), &value) == 0;
}

static void check_place(struct check *check, enum tree tree, struct slice key)
{
	if (tree == TREE_META && !is_known_meta(key))
		problem(check, "1: meta holds a row of no known kind under %s", show(key).text);
	if (tree == TREE_ITEMS && !is_of_a_table(check, key))
		problem(check, "3: items holds a row of no table under %s", show(key).text);
	if (tree == TREE_LOG && (key.len != RECORD_KEY ||
			!streams_find(&check->tide->catalog.streams, get_u32(key.data))))
		problem(check, "3: log holds a row of no stream under %s", show(key).text);
}

static int check_rows(struct check *check, enum tree tree)
{
	static const char *const names[] = { "meta", "items", "tails", "parts", "log" };
	struct slice key, value, payload;
	struct cursor *cursor;
	int err = cursor_open(&cursor, check->txn, tree);

	if (err)
		return err;
	err = cursor_move(cursor, MOVE_FIRST, &key, &value);
	while (!err && !(tree == TREE_META && key.data[0] >= TREE_META_END)) {
		err = progress_step(check->progress, 1);
		if (err)
			break;
		check->report->rows++;
		check->report->bytes += key.len + value.len;
		if (row_open(key, value, &payload))
			problem(check, "1: the checksum of a row of %s is wrong, under %s",
				names[tree], show(key).text);
		check_place(check, tree, key);
		err = cursor_move(cursor, MOVE_NEXT, &key, &value);
	}
	cursor_close(cursor);
	return err < 0 ? err : 0;
}

/* --- items --- */

static const struct table *table_with_id(const struct check *check, uint32_t id)
{
	const struct catalog *catalog = &check->tide->catalog;

	for (size_t i = 0; i < catalog->count; i++)
		if (catalog->tables[i].row.id == id)
			return &catalog->tables[i];
	return NULL;
}

/* Where the item's last change is in sight, its record is there and shows it. */
static int check_last_record(struct check *check, const struct table *table,
	const struct stored *stored, const struct key *key)
{
	const struct stream *stream =
		streams_find(&check->tide->catalog.streams, table->row.stream);
	struct horizon horizon;
	struct cursor *cursor;
	struct record record;
	int err;

	if (!stream || stored->sequence <= stream->row.first_sequence)
		return 0;
	err = stream_horizon(check->txn, stream->row.id, &horizon);
	if (err || stored->sequence <= horizon.removed)
		return err;
	err = txn_cursor(check->txn, TREE_LOG, &cursor);
	if (!err)
		err = log_seek(cursor, stream->row.id, stored->sequence, &record);
	if (err < 0)
		return err == ERR_CORRUPT ? 0 : err;
	if (err == END || record.sequence != stored->sequence) {
		problem(check, "12: table %s, the item under %s was changed by %llu, and its"
			" stream has no such record", table->row.name,
			show(key_whole(key)).text, (unsigned long long)stored->sequence);
		return 0;
	}
	buffer_clear(&check->record);
	err = log_copy(cursor, stream->row.id, &record, &check->record);
	if (!err)
		err = record_get(&record, buffer_slice(&check->record));
	if (err)
		return err == ERR_CORRUPT ? 0 : err;
	if (view_has_new(stream->row.view) && !slice_equal(record.new_image, stored->item))
		problem(check, "12: table %s, the item under %s is not what its last record %llu"
			" shows", table->row.name, show(key_whole(key)).text,
			(unsigned long long)stored->sequence);
	return 0;
}

static int check_item(struct check *check, const struct row_walk *walk)
{
	const struct table *table = table_with_id(check, get_u32(walk->key));
	struct stored stored;
	struct key key;
	int err = stored_read(&stored, check->txn, walk->payload, &check->item);

	if (!err && stored.part)
		check->part_rows += (stored.item.len + ITEM_SHARE - 1) / ITEM_SHARE;
	if (!table)
		return err == ERR_CORRUPT ? 0 : err;
	check->report->items++;
	if (!err)
		err = map_check(stored.item);
	if (err == ERR_CORRUPT) {
		problem(check, "4: table %s, the item under %s does not decode", table->row.name,
			show(rows_key(walk)).text);
		return 0;
	}
	if (err)
		return err;
	if (key_of_item(&key, table->row.id, &table->row.schema, stored.item,
			check->tide->stamp.secret) || !slice_equal(key_whole(&key), rows_key(walk))) {
		problem(check, "4: table %s, an item lies under another key than its own, %s",
			table->row.name, show(rows_key(walk)).text);
		return 0;
	}
	if (stored.sequence > check->state.sequence || stored.sequence == 0)
		problem(check, "5: table %s, the item under %s has sequence number %llu, and %llu"
			" is the last given", table->row.name, show(rows_key(walk)).text,
			(unsigned long long)stored.sequence,
			(unsigned long long)check->state.sequence);
	if (stored.part > check->state.node)
		problem(check, "2: table %s, the item under %s has part id %llu, and %llu is the"
			" last given", table->row.name, show(rows_key(walk)).text,
			(unsigned long long)stored.part, (unsigned long long)check->state.node);
	if (item_size(stored.item) > ITEM_MAX_BYTES)
		problem(check, "6: table %s, the item under %s is too big", table->row.name,
			show(rows_key(walk)).text);
	return check_last_record(check, table, &stored, &key);
}

static int walk_from(struct check *check, struct row_walk *walk, struct slice key,
	uint64_t *tail_rows)
{
	*tail_rows += walk->tail_rows;
	rows_stop(walk);
	*walk = (struct row_walk){ 0 };
	return rows_from(walk, check->txn, key);
}

/* The key at which the walk went on behind damage. */
struct resumed {
	size_t len;
	uint8_t key[KEY_HEAD_MAX + SORT_KEY_MAX + 1];
};

/* Goes on behind a row that is damaged: with the next key there can be; behind
 * a damaged node (then the walk reaches no row) with the next that is not in it.
 * Where a damaged key leads back to where the walk has been, it ends. */
static int walk_on(struct check *check, struct row_walk *walk, struct resumed *resumed,
	uint64_t *tail_rows)
{
	uint8_t *next = resumed->key;
	size_t len = walk->key_len;
	int err;

	if (slice_compare(slice_of(walk->key, len), slice_of(next, resumed->len)) < 0)
		return END;
	memcpy(next, walk->key, len);
	next[len] = 0;
	resumed->len = len + 1;
	err = walk_from(check, walk, slice_of(next, len + 1), tail_rows);
	if (err != ERR_CORRUPT || walk->key_len > 0)
		return err;
	while (len > 0 && next[len - 1] == 0xff)
		len--;
	if (len == 0)
		return END;
	next[len - 1]++;
	resumed->len = len;
	err = walk_from(check, walk, slice_of(next, len), tail_rows);
	return err == ERR_CORRUPT && walk->key_len == 0 ? END : err;
}

static int check_items(struct check *check)
{
	struct row_walk walk = { 0 };
	struct resumed resumed = { 0 };
	uint64_t tail_rows = 0, tails, parts;
	bool damaged = false;
	int err = rows_from(&walk, check->txn, slice_of("", 0));

	while (err == 0 || err == ERR_CORRUPT) {
		if (err == ERR_CORRUPT) {
			damaged = true;
			err = walk_on(check, &walk, &resumed, &tail_rows);
			continue;
		}
		err = check_item(check, &walk);
		if (!err)
			err = progress_step(check->progress, 1);
		if (!err)
			err = rows_next(&walk);
	}
	tail_rows += walk.tail_rows;
	rows_stop(&walk);
	if (err < 0)
		return err;
	err = txn_count(check->txn, TREE_TAILS, &tails);
	if (!err)
		err = txn_count(check->txn, TREE_PARTS, &parts);
	if (err || damaged)
		return err;
	if (tails != tail_rows)
		problem(check, "3: tails has %llu rows, and %llu are reached",
			(unsigned long long)tails, (unsigned long long)tail_rows);
	if (parts != check->part_rows)
		problem(check, "3: parts has %llu rows, and items account for %llu",
			(unsigned long long)parts, (unsigned long long)check->part_rows);
	return 0;
}

/* --- streams --- */

struct record_place {
	struct check *check;
	const struct stream_row *row;
	uint64_t sequence;
};

static void record_problem(const struct record_place *place, int invariant, const char *what)
{
	problem(place->check, "%d: stream %s of table %s, record %llu: %s", invariant,
		place->row->label, place->row->table_name,
		(unsigned long long)place->sequence, what);
}

static void check_images(const struct record_place *place, const struct record *record)
{
	uint8_t view = place->row->view;
	bool has_old = record->old_image.len > 0, has_new = record->new_image.len > 0;

	if (has_old != (view_has_old(view) && record->event != EVENT_INSERT) ||
			has_new != (view_has_new(view) && record->event != EVENT_REMOVE))
		record_problem(place, 11, "its images are not those of its view and event");
	if (has_old && has_new && slice_equal(record->old_image, record->new_image))
		record_problem(place, 11, "its images are the same");
}

static bool agrees(const struct check *check, const struct stream_row *row, struct slice image,
	const struct key *key)
{
	struct key other;

	return image.len == 0 || (key_of_item(&other, 0, &row->schema, image,
		check->tide->stamp.secret) == 0 && slice_equal(key_whole(&other), key_whole(key)));
}

static void check_keys(const struct record_place *place, const struct record *record)
{
	struct check *check = place->check;
	struct key key;

	if (key_of_key(&key, 0, &place->row->schema, record->keys, check->tide->stamp.secret)) {
		record_problem(place, 13, "its keys are not keys of the table");
		return;
	}
	if (key.partition_hash != record->partition_hash)
		record_problem(place, 13, "its partition hash is not that of its keys");
	if (!agrees(check, place->row, record->old_image, &key) ||
			!agrees(check, place->row, record->new_image, &key))
		record_problem(place, 13, "an image has other keys");
}

/* What must hold between a record and the one before it in its stream. */
static void check_order(const struct record_place *place, const struct record *record,
	const struct record *before)
{
	if (record->sequence > place->check->state.sequence ||
			record->sequence <= place->row->first_sequence)
		record_problem(place, 8, "its sequence number was never given to this stream");
	if (record->sequence <= before->sequence)
		record_problem(place, 8, "it does not rise");
	if (record->ordinal != before->ordinal + 1)
		record_problem(place, 9, "ordinals have a gap: records are missing before it");
	if (record->stream_bytes != before->stream_bytes + record_bytes(record))
		record_problem(place, 9, "stream bytes don't add up");
	if (record->transaction == before->transaction &&
			(record->position <= before->position || record->count != before->count))
		record_problem(place, 10, "its place in its transaction is wrong");
	if (record->retention_ms < before->retention_ms)
		record_problem(place, 14, "the retention clock fell");
}

static int check_record(struct check *check, const struct stream_row *row,
	struct cursor *cursor, const struct record *head, struct record *before)
{
	struct record_place place = { check, row, head->sequence };
	struct record record;
	int err;

	buffer_clear(&check->record);
	err = log_copy(cursor, row->id, head, &check->record);
	if (!err)
		err = record_check(buffer_slice(&check->record));
	if (!err)
		err = record_get(&record, buffer_slice(&check->record));
	check->report->records++;
	if (err == ERR_CORRUPT) {
		record_problem(&place, 1, "it does not decode");
		return 0;
	}
	if (err)
		return err;
	check_order(&place, &record, before);
	check_images(&place, &record);
	check_keys(&place, &record);
	*before = record;
	return 0;
}

static int check_stream(struct check *check, const struct stream *stream)
{
	const struct stream_row *row = &stream->row;
	struct horizon horizon;
	struct record head, before = { 0 };
	struct cursor *cursor;
	uint64_t next = 0;
	int err = stream_horizon(check->txn, row->id, &horizon);

	if (!err)
		err = cursor_open(&cursor, check->txn, TREE_LOG);
	if (err)
		return err;
	before.sequence = horizon.removed;
	before.ordinal = horizon.ordinal;
	before.stream_bytes = horizon.stream_bytes;
	for (;;) {
		err = log_seek(cursor, row->id, next, &head);
		if (err == ERR_CORRUPT) {
			/* Named by check_rows; the rest of the stream is not compared. */
			problem(check, "9: stream %s of table %s can't be read from %llu on",
				row->label, row->table_name, (unsigned long long)next);
			err = 0;
			break;
		}
		if (err)
			break;
		if (head.sequence <= horizon.removed)
			problem(check, "16: stream %s of table %s still has record %llu, which was"
				" removed", row->label, row->table_name,
				(unsigned long long)head.sequence);
		next = head.sequence + 1;
		err = check_record(check, row, cursor, &head, &before);
		if (!err)
			err = progress_step(check->progress, 1);
		if (err)
			break;
	}
	cursor_close(cursor);
	return err < 0 ? err : 0;
}

static int check_catalog(struct check *check)
{
	const struct catalog *catalog = &check->tide->catalog;
	const struct state *state = &check->state;

	for (size_t i = 0; i < catalog->count; i++) {
		const struct table_row *row = &catalog->tables[i].row;
		const struct stream *stream = streams_find(&catalog->streams, row->stream);

		check->report->tables++;
		if (row->id > state->table || row->stream > state->stream)
			problem(check, "2: table %s has an id that was never given", row->name);
		if (row->stream && (!stream || stream->row.status != STREAM_ENABLED ||
				stream->row.table != row->id))
			problem(check, "3: the stream of table %s is not an enabled one of its"
				" own", row->name);
	}
	for (size_t i = 0; i < catalog->streams.count; i++) {
		const struct stream *stream = &catalog->streams.all[i];
		int err;

		check->report->streams++;
		if (stream->row.id > state->stream)
			problem(check, "2: stream %u has an id that was never given",
				stream->row.id);
		err = check_stream(check, stream);
		if (err)
			return err;
	}
	return 0;
}

/* --- transactions, over all streams in total order --- */

struct run {
	uint64_t transaction;
	uint32_t next, count;        /* the position that comes next */
	bool cut;                    /* some of it may have been removed */
};

static void end_run(struct check *check, const struct run *run)
{
	if (run->transaction && !run->cut && run->next != run->count)
		problem(check, "10: transaction %llu has %u records, and says %u",
			(unsigned long long)run->transaction, run->next, run->count);
}

static void run_on(struct check *check, struct run *run, const struct record *record,
	uint64_t horizon)
{
	if (record->transaction != run->transaction) {
		end_run(check, run);
		*run = (struct run){ record->transaction, 0, record->count,
			record->transaction <= horizon };
	}
	if (!run->cut && record->position != run->next)
		problem(check, "10: transaction %llu lacks a record before %llu",
			(unsigned long long)run->transaction,
			(unsigned long long)record->sequence);
	run->next = record->position + 1;
}

/* The last sequence number of which a stream may have lost records. Of what a
 * stream held that is gone altogether, nothing is known. */
static uint64_t last_lost(const struct check *check, const struct feed *feed)
{
	uint64_t lost = 0;

	if (check->tide->catalog.streams.count < check->state.stream)
		return UINT64_MAX;
	for (size_t i = 0; i < feed->floor_count; i++)
		if (feed->floors[i].hidden > lost)
			lost = feed->floors[i].hidden;
	return lost;
}

static int check_transactions(struct check *check)
{
	/* At clock 0 nothing expires by age: what is there is looked at. */
	struct view_of_streams view = { check->txn, &check->tide->catalog.streams, &check->state,
		0 };
	struct feed feed = { 0 };
	struct run run = { 0 };
	struct record record;
	struct slice bytes;
	uint64_t lost;
	uint32_t stream;
	int err = feed_start(&feed, 0, (struct position){ POSITION_TRIM_HORIZON, 0 }, &view, NULL);

	lost = last_lost(check, &feed);
	do {
		if (!err)
			err = feed_fill(&feed, FEED_PAGE_RECORDS, &view, NULL);
		while (!err && feed_next(&feed, &stream, &bytes) == 0) {
			if (record_get(&record, bytes) == 0)
				run_on(check, &run, &record, lost);
			err = progress_step(check->progress, 1);
		}
	} while (!err && !feed.caught_up);
	if (!err)
		end_run(check, &run);
	feed_release(&feed);
	return err == ERR_CORRUPT || err == ERR_TRIMMED ? 0 : err;
}

/* --- all of it --- */

static int check_all(struct check *check)
{
	int err = 0;

	for (int tree = 0; tree < TREE_COUNT && !err; tree++)
		err = check_rows(check, (enum tree)tree);
	if (!err)
		err = check_catalog(check);
	if (!err)
		err = check_items(check);
	if (!err)
		err = check_transactions(check);
	return err;
}

int tide_check(struct tide *tide, struct tide_report *report, struct failure *failure)
{
	return check_all_rows(tide, report, NULL, failure);
}

int check_all_rows(struct tide *tide, struct tide_report *report, struct progress *progress,
	struct failure *failure)
{
	struct check check = { .tide = tide, .report = report, .progress = progress };
	struct moment moment;
	int err;

	memset(report, 0, sizeof *report);
	if (tide->transaction.txn)
		return fail(failure, ERR_NESTED);
	err = tide->read_only ? 0 : store_clear_stale(tide->store, &report->stale_readers, failure);
	if (!err)
		err = reader_open(&check.txn, tide->store, failure);
	if (err)
		return err;
	err = reader_renew(check.txn, failure);
	if (!err) {
		err = state_read(check.txn, &check.state);
		if (!err)
			err = catalog_refresh(&tide->catalog, check.txn, &check.state);
		moment_take(&moment, store_clock(tide->store));
		check.clock_ms = retention_clock(&check.state, &moment);
		if (!err)
			err = check_all(&check);
		if (!err)
			err = buffer_error(&report->text);
		if (err)
			fail_with(failure, err, "while checking");
	}
	reader_close(check.txn);
	buffer_release(&check.item);
	buffer_release(&check.record);
	return err;
}
