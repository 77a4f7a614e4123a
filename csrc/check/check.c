/* check.c - db:check(): verifies the numbered invariants on every row of a file.
 *
 * The file is read without LMDB, because LMDB would crash or loop forever in a damaged file. This
 * file checks pages, single rows and the catalog, and runs the checks of items and streams.
 */
#include "check/check.h"

#include "base/memory.h"
#include "check/checker.h"
#include "check/consumers.h"
#include "check/expiry.h"
#include "check/items.h"
#include "check/problem.h"
#include "check/replicas.h"
#include "check/rows.h"
#include "check/streams.h"
#include "check/table_changes.h"
#include "codec/consumer.h"
#include "lmdb/raw_txn.h"
#include "lmdb/readers.h"
#include "os/file.h"
#include "table/expiry_index.h"
#include "table/item_count.h"

/* --- findings of the page audit --- */

static void take_finding(void *context, const struct finding *finding)
{
	struct check *check = context;

	if (finding->tree < TREE_COUNT)
		check->is_damaged[finding->tree] = true;
	subject_set_tree(check, finding->tree);
	subject_set_page(check, finding->page, finding->row);
	if (finding->has_range && finding->tree < TREE_COUNT) {
		problem_of_rows(check, finding->tree, finding->what, finding->low,
			finding->high);
		return;
	}
	if (finding->key.len && finding->tree < TREE_COUNT) {
		subject_set_row(check, (enum tree)finding->tree, finding->key);
		subject_set_page(check, finding->page, finding->row);
	}
	if (finding->has_number)
		problem(check, INVARIANT_PAGES, "%s %llu", finding->what,
			(unsigned long long)finding->number);
	else
		problem(check, INVARIANT_PAGES, "%s", finding->what);
}

static bool is_known_meta(struct slice key)
{
	switch (key.data[0]) {
	case META_FILE_HEADER: case META_STATE: case META_WEAK_BOOT: case META_MAX_SIZE:
		return key.len == 1;
	case META_ITEM_COUNT:
		return key.len == 5;
	default:
		return false;
	}
}

static bool is_known_catalog(struct slice key)
{
	struct slice table_name, label;

	switch (key.data[0]) {
	case CATALOG_TABLE:
		return is_table_name(slice_of(key.data + 1, key.len - 1));
	case CATALOG_DROPPED: case CATALOG_INDEX: case CATALOG_EXPIRY: case CATALOG_STREAM:
	case CATALOG_HORIZON:
		return key.len == 5;
	case CATALOG_INCARNATION:
		return key.len == 9;
	case CATALOG_LABEL:
		return stream_label_key(key, &table_name, &label);
	default:
		return false;
	}
}

/* --- orphan rows: one problem for each missing table, stream or index --- */

static void end_orphans(struct check *check, enum tree tree)
{
	uint64_t rows = check->orphan_rows;

	check->orphan_rows = 0;
	if (rows == 0)
		return;
	subject_set_tree(check, (int)tree);
	problem(check, 3, "holds %llu rows of %s %u, which is not in the catalog",
		(unsigned long long)rows, tree == TREE_ITEMS ? "table" : tree == TREE_LOG ? "stream"
		: "index", check->orphan_id);
}

static void take_orphan(struct check *check, enum tree tree, uint32_t id)
{
	if (check->orphan_rows && check->orphan_id != id)
		end_orphans(check, tree);
	check->orphan_id = id;
	check->orphan_rows++;
}

/* Checks that a row's key is valid and that its table, stream or index exists. */
static void check_place(struct check *check, enum tree tree, struct slice key)
{
	struct record_place place;
	struct expiry_row expiry;
	uint32_t id = get_id(key);
	bool fits = tree == TREE_META ? is_known_meta(key)
		: tree == TREE_CATALOG ? is_known_catalog(key)
		: tree == TREE_CONSUMERS ? is_consumers_key(key)
		: tree == TREE_ITEMS ? id && key.len > id_width(key.data[0])
		: tree == TREE_TAILS ? key.len > 8
		: tree == TREE_PARTS ? key.len == PART_KEY
		: tree == TREE_INDEXES ? expiry_row_read_key(&id, &expiry, key)
		: record_get_key(&place, key);

	if (!fits) {
		subject_set_row(check, tree, key);
		problem(check, tree <= TREE_CATALOG || tree == TREE_CONSUMERS ? 1 : 3,
			"has an invalid key");
	} else if (tree == TREE_ITEMS && !check_table_with_id(check, id) &&
			!u64_map_find(&check->dropped, id)) {
		take_orphan(check, tree, id);
	} else if (tree == TREE_LOG && !streams_cached(&check->catalog.streams, id)) {
		take_orphan(check, tree, id);
	} else if (tree == TREE_INDEXES && !u64_map_find(&check->indexes, id)) {
		take_orphan(check, tree, id);
	}
}

static int take_row(void *context, const struct audit_row *row)
{
	struct check *check = context;
	struct slice payload;

	check->report->rows++;
	check->report->bytes += row->key.len + row->value.len;
	if (check->tree_of_rows != row->tree) {
		end_orphans(check, check->tree_of_rows);
		check->tree_of_rows = row->tree;
	}
	if (row_open(row->key, row->value, &payload)) {
		check->is_damaged[row->tree] = true;
		subject_set_row(check, row->tree, row->key);
		subject_set_page(check, row->page, row->row);
		problem(check, 1, "has a wrong checksum");
	} else {
		check_place(check, row->tree, row->key);
	}
	return progress_step(check->progress, 1);
}

static void check_metas(struct check *check)
{
	for (unsigned i = 0; i < 2; i++) {
		if (!check->faults.metas[i])
			continue;
		subject_set_file(check);
		problem(check, INVARIANT_PAGES, "has a damaged meta page %u, which %s;"
			" the last commit may be lost", i, check->faults.metas[i]);
	}
}

/* Reports leaked pages. A page that is neither free nor in use is only wasted space, but LMDB
 * never leaks pages, so the free list was damaged. */
static void check_leaks(struct check *check)
{
	bool is_damaged = check->faults.metas[0] || check->faults.metas[1];

	for (int i = 0; i <= TREE_COUNT; i++)
		is_damaged |= check->audit.is_damaged[i];
	if (is_damaged || !check->audit.pages_leaked)
		return;
	subject_set_tree(check, AUDIT_FREE_LIST);
	problem(check, INVARIANT_PAGES, "lacks %llu unused pages",
		(unsigned long long)check->audit.pages_leaked);
}

static int check_pages(struct check *check)
{
	struct audit_callbacks callbacks = { take_finding, take_row, check };
	struct report *report = check->report;
	int err;

	check_metas(check);
	err = audit_file(&check->audit, check->fd, &check->facts, &callbacks);
	end_orphans(check, check->tree_of_rows);
	check_leaks(check);
	report->pages = check->facts.page_count;
	report->pages_free = check->audit.pages_free;
	report->pages_leaked = check->audit.pages_leaked;
	report->commit = check->facts.commit;
	return err == ERR_CORRUPT ? 0 : err;
}

/* --- the readable rows of meta and of the catalog --- */

static int take_file_header(struct check *check, struct slice payload)
{
	struct file_header local;
	int err;

	file_header_local(&local, check->facts.page_bytes);
	err = file_header_get(&check->header, payload, &local);
	check->header.made_by = slice_of(NULL, 0);
	check->has_file_header = err == 0;
	return err;
}

/* Reports a row that does not decode. Returns other errors. */
static int report_row(struct check *check, enum tree tree, struct slice key, int err)
{
	if (err != ERR_CORRUPT && err != ERR_NOT_DATABASE)
		return err;
	subject_set_row(check, tree, key);
	problem(check, 1, "does not decode");
	return 0;
}

/* The rows from TREE_META_END on belong to LMDB, which stores the roots of the trees there. */
static int take_meta(struct check *check, enum tree tree, struct slice key, struct slice value)
{
	struct slice payload;
	int err = 0;

	if (key.data[0] >= TREE_META_END)
		return END;
	if (row_open(key, value, &payload) || !is_known_meta(key))
		return 0;                /* reported by the page audit */
	if (key.data[0] == META_FILE_HEADER)
		err = take_file_header(check, payload);
	if (key.data[0] == META_STATE) {
		err = state_get(&check->state, payload);
		check->has_state = err == 0;
	}
	if (key.data[0] == META_MAX_SIZE)
		err = payload.len == 8 ? 0 : ERR_CORRUPT;
	return report_row(check, tree, key, err);
}

static int take_consumers(struct check *check, enum tree tree, struct slice key,
	struct slice value)
{
	struct slice payload;

	if (row_open(key, value, &payload) || !is_consumers_key(key))
		return 0;                /* reported by the page audit */
	return report_row(check, tree, key, check_consumer_row(key, payload));
}

static int take_table(struct check *check, struct slice key, struct slice value)
{
	const struct table *table;
	int err = catalog_add_row(&check->catalog, key, value, &table);
	uint32_t index = err ? 0 : table->row.ttl.index;

	return !index || u64_map_make(&check->indexes, index) ? err : ERR_NO_MEMORY;
}

static int take_index(struct check *check, uint32_t id, struct slice payload)
{
	struct index_row row;
	int err = index_get(&row, payload);
	struct u64_map_entry *entry = err ? NULL : u64_map_make(&check->indexes, id);

	if (entry)
		entry->a = row.work;
	return err || entry ? err : ERR_NO_MEMORY;
}

static int take_catalog(struct check *check, enum tree tree, struct slice key, struct slice value)
{
	struct slice payload;
	int err = 0;

	if (row_open(key, value, &payload) || !is_known_catalog(key))
		return 0;                /* reported by the page audit */
	switch (key.data[0]) {
	case CATALOG_TABLE:
		err = take_table(check, key, value);
		break;
	case CATALOG_DROPPED:
		err = u64_map_make(&check->dropped, get_u32(key.data + 1)) ? 0 : ERR_NO_MEMORY;
		break;
	case CATALOG_INDEX:
		err = take_index(check, get_u32(key.data + 1), payload);
		break;
	case CATALOG_STREAM:
		err = streams_add_row(&check->catalog.streams, key, value);
		break;
	case CATALOG_HORIZON:
		err = horizon_get(&(struct horizon){ 0 }, payload);
		break;
	case CATALOG_INCARNATION:
		err = payload.len == FILE_ID_BYTES || (payload.len == FILE_ID_BYTES + 1 &&
			payload.data[FILE_ID_BYTES] == 1) ? 0 : ERR_CORRUPT;
		break;
	default:
		break;
	}
	check->lacks_rows |= err == ERR_CORRUPT;
	/* An index with such a row may be incomplete. */
	check->is_damaged[tree] |= err == ERR_CORRUPT && key.data[0] == CATALOG_INDEX;
	return report_row(check, tree, key, err);
}

/* --- the catalog --- */

/* Returns an error of reading that is no property of the file. */
static int only_failure(int err)
{
	return err == END || err == ERR_CORRUPT ? 0 : err;
}

/* Checks that the index of a table has a row with the table's name. */
static int check_expiry_name(struct check *check, const struct table_row *row)
{
	struct slice name;
	int err = row->ttl.index && check_has_whole_catalog(check) ?
		catalog_read_expiry(check->txn, row->ttl.index, &name) : 0;

	if (err == END)
		problem(check, 45, "has an expiry index without a row");
	return only_failure(err);
}

static int check_table(struct check *check, const struct table_row *row)
{
	const struct stream *stream = streams_cached(&check->catalog.streams, row->stream);
	struct slice name = slice_of_text(row->name);
	uint8_t key[1 + TABLE_NAME_MAX] = { CATALOG_TABLE };

	memcpy(key + 1, name.data, name.len);
	subject_set_row(check, TREE_CATALOG, slice_of(key, 1 + name.len));
	check->report->tables++;
	if (check->has_state && (row->id > check->state.table ||
			row->stream > check->state.stream || row->ttl.index > check->state.index))
		problem(check, 2, "has an id that was never assigned");
	if (row->stream && (stream || !check->is_damaged[TREE_CATALOG]) &&
			(!stream || stream->row.status != STREAM_ENABLED ||
			stream->row.table != row->id))
		problem(check, 3, "refers to a stream that is not an enabled stream of this table");
	return check_expiry_name(check, row);
}

/* Returns true if an index in progress is that of its table; if it is being removed, of any. */
static bool is_index_of(const struct check *check, const struct index_row *row)
{
	for (size_t i = 0; i < check->catalog.count; i++) {
		const struct table_row *table = &check->catalog.tables[i]->row;

		if (table->ttl.index == row->id && (row->work == INDEX_REMOVES ||
				table->id == row->table))
			return true;
	}
	return false;
}

static void check_index_row(struct check *check, struct index_row *row, struct slice payload)
{
	if (index_get(row, payload))
		return;
	if (check->has_state && row->id > check->state.index)
		problem(check, 2, "has an id that was never assigned");
	if (row->work == INDEX_REMOVES && is_index_of(check, row))
		problem(check, 3, "is being removed, but a table still uses this index");
	if (row->work == INDEX_BUILDS && !check->is_damaged[TREE_CATALOG] &&
			!is_index_of(check, row))
		problem(check, 3, "is being built, but is not the index of its table");
}

/* Checks that the table that the row of an expiry index names has this index. */
static int check_expiry_owner(struct check *check, uint32_t index)
{
	const struct table *table;
	struct slice name;
	int err = catalog_read_expiry(check->txn, index, &name);

	table = err ? NULL : catalog_cached(&check->catalog, name);
	if (err == ERR_CORRUPT)
		problem(check, 1, "does not decode");
	else if (!err && check_has_whole_catalog(check) &&
			(!table || table->row.ttl.index != index))
		problem(check, 45, "names a table that does not have this expiry index");
	return only_failure(err);
}

/* Checks that the row of a label has the id of the stream with this label. */
static int check_label(struct check *check, struct slice key)
{
	const struct stream *stream;
	struct slice table_name, label;
	uint32_t id;
	int err;

	stream_label_key(key, &table_name, &label);
	err = stream_id_of_label(check->txn, table_name, label, &id);
	stream = err ? NULL : streams_cached(&check->catalog.streams, id);
	if (err == ERR_CORRUPT)
		problem(check, 1, "does not decode");
	else if (!err && check_has_whole_catalog(check) && (!stream ||
			!slice_equal(slice_of_text(stream->row.label), label) ||
			!slice_equal(slice_of_text(stream->row.table_name), table_name)))
		problem(check, 45, "names a stream that does not have this label");
	return only_failure(err);
}

/* Checks rows that refer to a table, a stream or a sequence number. */
static int check_reference(struct check *check, enum tree tree, struct slice key,
	struct slice value)
{
	struct index_row row;
	struct slice payload;

	if (!is_known_catalog(key) || row_open(key, value, &payload))
		return 0;
	subject_set_row(check, tree, key);
	switch (key.data[0]) {
	case CATALOG_INDEX:
		row.id = get_u32(key.data + 1);
		check_index_row(check, &row, payload);
		break;
	case CATALOG_EXPIRY:
		return check_expiry_owner(check, get_u32(key.data + 1));
	case CATALOG_LABEL:
		return check_label(check, key);
	case CATALOG_INCARNATION:
		if (check->has_state && get_u64(key.data + 1) > check->state.sequence)
			problem(check, 52, "ends after the last sequence number assigned");
		break;
	}
	return 0;
}

static int check_item_count(struct check *check, enum tree tree, struct slice key,
	struct slice value)
{
	struct item_count count;
	struct slice payload;

	if (key.data[0] > META_ITEM_COUNT)
		return END;
	if (key.data[0] != META_ITEM_COUNT || !is_known_meta(key) ||
			row_open(key, value, &payload))
		return 0;
	subject_set_row(check, tree, key);
	if (item_count_read(check->txn, get_u32(key.data + 1), &count))
		problem(check, 1, "does not decode");
	else if (!check_table_with_id(check, get_u32(key.data + 1)) && !check->is_damaged[tree] &&
			check_has_whole_catalog(check))
		problem(check, 3, "belongs to no table");
	return 0;
}

static int check_stream_row(struct check *check, const struct stream_row *row)
{
	uint8_t key[5] = { CATALOG_STREAM };
	uint32_t id;
	int err = 0;

	if (row->id == STREAM_OF_TABLES)
		return 0;
	set_u32(key + 1, row->id);
	subject_set_row(check, TREE_CATALOG, slice_of(key, sizeof key));
	check->report->streams++;
	if (check->has_state && row->id > check->state.stream)
		problem(check, 2, "has an id that was never assigned");
	if (check_has_whole_catalog(check))
		err = stream_id_of_label(check->txn, slice_of_text(row->table_name),
			slice_of_text(row->label), &id);
	if (err == END)
		problem(check, 45, "has a label without a row");
	return only_failure(err);
}

static void check_count(struct check *check, const char *what, size_t found, uint32_t counted)
{
	const uint8_t key = META_STATE;

	if (!check->has_state || !check_has_whole_catalog(check) || found == counted)
		return;
	subject_set_row(check, TREE_META, slice_of(&key, 1));
	problem(check, 44, "counts %u %s, but there are %zu", counted, what, found);
}

static int check_catalog(struct check *check)
{
	const struct catalog *catalog = &check->catalog;
	int err = 0;

	subject_set_tree(check, TREE_META);
	if (!check->is_damaged[TREE_META] && check->has_broken_meta)
		problem(check, INVARIANT_PAGES, "has rows that can't be read");
	else if (!check->is_damaged[TREE_META] && !(check->has_file_header && check->has_state))
		problem(check, 1, "lacks the file header or the state");
	subject_set_tree(check, TREE_CATALOG);
	if (!check->is_damaged[TREE_CATALOG] && check->has_broken_catalog)
		problem(check, INVARIANT_PAGES, "has rows that can't be read");
	for (size_t i = 0; i < catalog->count && !err; i++)
		err = check_table(check, &catalog->tables[i]->row);
	for (size_t i = 0; i < catalog->streams.count && !err; i++)
		err = check_stream_row(check, &catalog->streams.all[i]->row);
	check_count(check, "tables", catalog->count, check->state.tables);
	check_count(check, "streams", check->report->streams, check->state.streams);
	if (check_has_whole_catalog(check) &&
			!streams_cached(&catalog->streams, STREAM_OF_TABLES)) {
		subject_set_tree(check, TREE_CATALOG);
		problem(check, 61, "lacks the stream of the changes of tables");
	}
	if (!err)
		err = check_each_row(check, TREE_CATALOG, check_reference, NULL);
	return err ? err : check_each_row(check, TREE_META, check_item_count, NULL);
}

/* --- the whole check --- */

/* Reports trees with rows that the page audit could read but a later step could not. It is unknown
 * whether these rows are damaged, and they were not compared with other rows. */
static void check_unread(struct check *check)
{
	for (int tree = 0; tree < TREE_COUNT; tree++) {
		if (!check->is_abandoned[tree])
			continue;
		subject_set_tree(check, tree);
		problem(check, INVARIANT_PAGES, "can't be read completely");
	}
	if (!raw_txn_unread(check->txn))
		return;
	subject_set_file(check);
	problem(check, INVARIANT_PAGES, "has pages that can't be read from the disk; %llu reads"
		" failed", (unsigned long long)raw_txn_unread(check->txn));
}

static int check_all(struct check *check)
{
	/* The page audit reports unreadable rows. */
	int err = check_each_row(check, TREE_META, take_meta, &check->has_broken_meta);

	if (!err)
		err = check_each_row(check, TREE_CATALOG, take_catalog,
			&check->has_broken_catalog);
	if (!err)
		err = check_each_row(check, TREE_CONSUMERS, take_consumers, NULL);
	if (!err)
		err = check_pages(check);
	if (!err && !check->has_file_header && !check->has_state && !check->is_damaged[TREE_META] &&
			!check->has_broken_meta)
		return ERR_NOT_DATABASE;
	if (!err)
		err = check_catalog(check);
	if (!err)
		err = check_items(check);
	if (!err)
		err = check_expiry_indexes(check);
	if (!err)
		err = check_streams(check);
	if (!err)
		err = check_transactions(check);
	if (!err)
		err = check_consumers(check);
	if (!err)
		err = check_replicas(check);
	if (!err)
		check_unread(check);
	return err ? err : buffer_error(&check->report->text);
}

static void release(struct check *check)
{
	raw_txn_close(check->txn);
	catalog_release(&check->catalog);
	u64_map_release(&check->dropped);
	u64_map_release(&check->indexes);
	u64_map_release(&check->consumers);
	u64_map_release(&check->parked);
	u64_map_release(&check->replays);
	u64_map_release(&check->members);
	u64_map_release(&check->copies);
	u64_map_release(&check->holds);
	u64_map_release(&check->replicas);
	u64_map_release(&check->replicated);
	u64_map_release(&check->expiries);
	u64_map_release(&check->parts);
	u64_map_release(&check->nodes);
	u64_map_release(&check->overdue);
	u64_map_release(&check->transactions);
	check_changes_release(check);
	buffer_release(&check->item);
	buffer_release(&check->record);
	buffer_release(&check->scratch);
	buffer_release(&check->subject.key);
	buffer_release(&check->subject.name);
	buffer_release(&check->node_bytes);
	memory_free(check->node_names);
}

/* Checks a snapshot whose pages are not reused during the check. */
static int run(struct check *check, struct failure *failure)
{
	int err = raw_txn_open(&check->txn, check->fd, &check->facts);

	if (!err)
		err = check_all(check);
	release(check);
	return err ? fail_about(failure, err, "the check was not completed") : 0;
}

/* Checks the last commit of an open store. An LMDB reader prevents reuse of the pages of the
 * snapshot. */
int check_store(struct store *store, struct report *report, struct progress *progress,
	struct failure *failure)
{
	struct check check = { .report = report, .progress = progress };
	struct txn *pin;
	int err = reader_open(&pin, store, failure);
	int lost;

	report_start(report);
	if (err)
		return err;
	err = raw_txn_pin(pin, &check.fd, &check.facts, &check.faults, failure);
	if (!err)
		err = run(&check, failure);
	lost = reader_verify(pin, failure);
	reader_close(pin);
	return lost ? lost : err;
}

/* --- a file that is not open --- */

/* Checks a file that is not open. The pages of commit T do not change before commit T + 2
 * (lmdb/raw_txn.c), so *moved is set to true if that commit exists after the check. */
int check_still(const char *path, struct report *report, struct progress *progress,
	bool *moved, struct failure *failure)
{
	struct check check = { .report = report, .progress = progress };
	int err = file_open_to_read(&check.fd, path, failure);

	*moved = false;
	if (err == ERR_NO_FILE)
		return fail_as(failure, err, "the database %s does not exist", path);
	if (err)
		return err;
	report_start(report);
	err = meta_page_read_either(check.fd, path, &check.facts, &check.faults, failure);
	if (!err) {
		err = run(&check, failure);
		*moved = meta_page_newest_commit(check.fd, check.facts.page_bytes) >
			check.facts.commit + 1 && !check.faults.metas[0] && !check.faults.metas[1];
	}
	file_close(check.fd);
	return err;
}
