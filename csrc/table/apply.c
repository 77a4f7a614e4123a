/* apply.c - applies the frames of a source: positions and transactions. */
#include "table/applying.h"

#include <string.h>

#include "codec/value.h"
#include "table/define.h"

/* --- tables --- */

void apply_forget(struct apply *apply)
{
	memset(apply->tables, 0, sizeof apply->tables);
}

int apply_read_table(struct apply *apply, uint32_t source, struct replica_table *table)
{
	struct buffer *kept = &apply->kept;
	int err = replica_table_read(table, apply->transaction->txn, apply->row.id, source);

	if (err)
		return err;
	buffer_clear(kept);
	replica_table_put(kept, table);
	return buffer_error(kept) ? buffer_error(kept) :
		replica_table_get(table, buffer_slice(kept));
}

static int read_applied(struct apply *apply, uint32_t source, struct applied_table *applied)
{
	struct replica_table table;
	int err = replica_table_read(&table, apply->transaction->txn, apply->row.id, source);

	if (err)
		return err;
	*applied = (struct applied_table){ .source = source, .state = table.state,
		.merges = table.merges, .id = table.table,
		.name_len = (uint16_t)table.name.len };
	memcpy(applied->name, table.name.data, table.name.len);
	return 0;
}

int apply_find(struct apply *apply, uint32_t source, struct applied_table **table)
{
	struct applied_table *entry;
	int err;

	for (unsigned i = 0; i < APPLIED_TABLES; i++) {
		*table = &apply->tables[i];
		if ((*table)->source == source)
			return 0;
	}
	entry = &apply->tables[apply->next_table++ % APPLIED_TABLES];
	err = read_applied(apply, source, entry);
	*table = err ? NULL : entry;
	if (err)
		entry->source = 0;
	return err == END ? 0 : err;
}

int apply_catalog_table(struct apply *apply, const struct applied_table *applied,
	const struct table **table)
{
	int err = catalog_find(apply->transaction->catalog, apply->transaction->txn,
		slice_of(applied->name, applied->name_len), table);

	if (err)
		return err == END ? ERR_CORRUPT : err;
	return (*table)->row.id == applied->id && (*table)->row.replica == apply->row.id ? 0 :
		ERR_CORRUPT;
}

int apply_check_item(struct apply *apply, struct slice item)
{
	bool is_valid = map_check(item) == 0 &&
		(item.len <= ITEM_MAX_BYTES / 2 || item_size(item) <= ITEM_MAX_BYTES);

	return is_valid ? 0 : fail_as(apply->failure, ERR_CORRUPT,
		"the data from the source is damaged: an item");
}

/* --- the end of a transaction --- */

/* Appends the source to the path of the annotation. */
static int extend_path(struct apply *apply, struct annotation *annotation)
{
	struct buffer *path = &apply->path;

	if (path_contains(annotation->source.path, apply->spec->database) ||
			memcmp(apply->row.database, apply->spec->database, FILE_ID_BYTES) == 0)
		return fail_as(apply->failure, ERR_LOOP, "a change that was made in this database"
			" would come back to it by way of the source");
	if (annotation->source.path.len >= PATH_MAX_IDS * DATABASE_ID_BYTES)
		return fail_as(apply->failure, ERR_LOOP,
			"the changes of the source have passed through %d databases", PATH_MAX_IDS);
	buffer_clear(path);
	buffer_put_slice(path, annotation->source.path);
	buffer_put(path, apply->row.database, DATABASE_ID_BYTES);
	annotation->source.path = buffer_slice(path);
	return buffer_error(path) ? fail(apply->failure, buffer_error(path)) : 0;
}

int apply_flush(struct apply *apply, struct annotation *annotation)
{
	struct transaction *transaction = apply->transaction;
	int err;

	if (transaction->pending.count == 0) {
		pending_clear(&transaction->pending);
		return 0;
	}
	buffer_clear(&apply->annotation);
	annotation_put(&apply->annotation, annotation);
	err = buffer_error(&apply->annotation);
	if (!err)
		err = transaction_annotate(transaction, buffer_slice(&apply->annotation));
	transaction->pending.annotates_all = true;
	if (!err)
		err = transaction_flush(transaction);
	transaction->bytes = 0;
	return err ? fail(apply->failure, transaction_break(transaction, err)) : 0;
}

/* --- positions --- */

/* Returns END if the frame was applied before; REPLICA_MOVED if it does not continue at the
 * position. */
static int check_place(struct apply *apply, uint64_t from, uint64_t number)
{
	if (number < from)
		return fail(apply->failure, ERR_CORRUPT);
	if (number <= apply->row.position && number > from)
		return END;
	if (from == apply->row.position)
		return 0;
	return fail_with(apply->failure, ERR_REPLICA_MOVED, "it is at sequence number %llu, and"
		" the data from the source continues at %llu",
		(unsigned long long)apply->row.position, (unsigned long long)from);
}

static int advance(struct apply *apply, const struct frame *frame)
{
	struct source source = source_of(frame->body);
	uint64_t from = source_u64(&source), record = source_u64(&source);
	uint32_t stream = source_u32(&source);
	uint64_t fingerprint = source_u64(&source);
	int err = source_finish(&source) || record > frame->number ?
		fail(apply->failure, ERR_CORRUPT) : check_place(apply, from, frame->number);

	if (err)
		return err == END ? 0 : err;
	if (frame->number == apply->row.position && record == apply->row.record)
		return 0;
	apply->row.position = frame->number;
	if (record) {
		apply->row.record = record;
		apply->row.record_stream = stream;
		apply->row.fingerprint = fingerprint;
	}
	apply->has_changed = true;
	return 0;
}

/* --- the source --- */

/* Returns WOULD_LOSE if a replica in the source was promoted that did not get all changes of this
 * database. Sets *is_heir to true if there is one. */
static int check_promoted(struct apply *apply, struct source *source, bool *is_heir)
{
	uint64_t last = apply->transaction->state.sequence;

	for (unsigned count = source_u16(source); count > 0 && !source->err; count--) {
		struct slice database = source_take(source, DATABASE_ID_BYTES);
		uint64_t position;

		source_take(source, DATABASE_ID_BYTES);
		position = source_u64(source);
		if (source->err || memcmp(database.data, apply->spec->database,
				DATABASE_ID_BYTES) != 0)
			continue;
		*is_heir = true;
		if (position >= last || last - position <= apply->spec->loses)
			continue;
		fail_as(apply->failure, ERR_WOULD_LOSE, "%llu changes of this database, after"
			" sequence number %llu, were not replicated before the source was promoted,"
			" and would be lost", (unsigned long long)(last - position),
			(unsigned long long)position);
		if (apply->failure) {
			apply->failure->first = position + 1;
			apply->failure->last = last;
		}
		return ERR_WOULD_LOSE;
	}
	return 0;
}

static int check_source(struct apply *apply, struct slice database)
{
	if (memcmp(database.data, apply->spec->database, DATABASE_ID_BYTES) == 0)
		return fail_as(apply->failure, ERR_LOOP,
			"the source is this database, or a copy of it");
	if (apply->row.has_source &&
			memcmp(apply->row.database, database.data, DATABASE_ID_BYTES) != 0)
		return fail_as(apply->failure, ERR_SOURCE_DIFFERS,
			"replica %.*s: the source is another database", (int)apply->spec->name.len,
			(const char *)apply->spec->name.data);
	return 0;
}

/* Returns VALIDATION with the first table that only one of the two ends replicates. */
static int refuse_tables(struct apply *apply, struct slice name, bool is_sent)
{
	return fail_as(apply->failure, ERR_VALIDATION, "the two ends select other tables: replica"
		" %.*s %s table %.*s, and the source %s it", (int)apply->spec->name.len,
		(const char *)apply->spec->name.data,
		is_sent ? "does not have" : "has", (int)name.len, (const char *)name.data,
		is_sent ? "sends" : "does not send");
}

/* Checks that the source sends the tables that the replica has. */
static int check_names(struct apply *apply, struct slice names)
{
	struct source sent = source_of(names), has = source_of(apply->spec->names);

	if (slice_equal(names, apply->spec->names))
		return 0;
	if (names.len == 0 || apply->spec->names.len == 0)
		return fail_as(apply->failure, ERR_VALIDATION, "the two ends select other tables:"
			" replica %.*s has %s, and the source sends %s",
			(int)apply->spec->name.len, (const char *)apply->spec->name.data,
			names.len ? "all" : "only some", names.len ? "only some" : "all");
	while (source_left(&sent) && source_left(&has)) {
		struct slice a = source_counted(&sent), b = source_counted(&has);
		int order = slice_compare(a, b);

		if (sent.err || has.err)
			return fail(apply->failure, ERR_CORRUPT);
		if (order)
			return refuse_tables(apply, order < 0 ? a : b, order < 0);
	}
	return source_left(&sent) ? refuse_tables(apply, source_counted(&sent), true) :
		refuse_tables(apply, source_counted(&has), false);
}

static int take_source(struct apply *apply, const struct frame *frame)
{
	struct source source = source_of(frame->body);
	uint8_t version = source_u8(&source);
	struct slice database = source_take(&source, DATABASE_ID_BYTES);
	struct slice incarnation = source_take(&source, DATABASE_ID_BYTES), names;
	bool is_heir = false;
	int err;

	apply->head = source_u64(&source);
	names = source_counted(&source);
	if (!source.err && version != FRAME_VERSION)
		return fail_as(apply->failure, ERR_NEWER_FORMAT,
			"the source sends version %u, and this tidetable reads version %d", version,
			FRAME_VERSION);
	if (source.err)
		return fail(apply->failure, ERR_CORRUPT);
	err = check_source(apply, database);
	if (!err)
		err = check_names(apply, names);
	if (!err && apply->is_new)
		err = check_promoted(apply, &source, &is_heir);
	if (err)
		return err;
	if (apply->is_new)
		apply->is_adopting = apply->spec->adopts || is_heir;
	if (apply->row.has_source && memcmp(apply->row.incarnation, incarnation.data,
			DATABASE_ID_BYTES) == 0)
		return 0;
	apply->row.has_source = true;
	memcpy(apply->row.database, database.data, DATABASE_ID_BYTES);
	memcpy(apply->row.incarnation, incarnation.data, DATABASE_ID_BYTES);
	apply->has_changed = true;
	return 0;
}

/* --- transactions --- */

/* A transaction of the source. */
struct arrival {
	uint64_t id;
	uint64_t first;              /* distance of its first record from its id */
	uint64_t start;              /* sequence number here of that record */
	uint64_t count;              /* records that were applied */
	uint64_t max_distance;
	uint64_t next_distance;      /* least one of the next record */
	const uint8_t *incarnation;
	struct annotation annotation;
};

/* Notes an item with a hashed key that the source has, while a copy merges. */
static int note_seen(struct apply *apply, const struct applied_table *applied,
	const struct table *table, struct slice item)
{
	const uint8_t *secret = apply->transaction->secret;
	uint8_t hash[HASH_BYTES];
	struct key key;
	int err;

	if (!replica_is_copying(applied->state) || !applied->merges)
		return 0;
	err = key_of_item(&key, table->row.id, &table->row.schema, item, secret);
	if (err || !key_is_hashed(&key))
		return err;
	hash128(secret, key_whole(&key), hash);
	return replica_note_seen(apply->transaction->txn, apply->row.id, applied->source, hash);
}

static int write_record(struct apply *apply, const struct applied_table *applied,
	const struct frame_record *record)
{
	struct write_request request = { 0 };
	struct write_result result;
	bool removes = record->event == EVENT_REMOVE;
	int err = apply_catalog_table(apply, applied, &request.table);

	if (err)
		return fail_about(apply->failure, err, "table %s", applied->name);
	err = apply_check_item(apply, record->body);
	if (err)
		return err;
	if (removes)
		request.key = record->body;
	else
		request.item = record->body;
	request.removes_expired = removes && record->is_expiry;
	err = write_item(apply->transaction, &request, &result, apply->failure);
	if (err || removes)
		return err;
	err = note_seen(apply, applied, request.table, record->body);
	return err ? fail_about(apply->failure, transaction_break(apply->transaction, err),
		"table %s", applied->name) : 0;
}

static int apply_record(struct apply *apply, struct arrival *arrival,
	const struct frame_record *record)
{
	struct transaction *transaction = apply->transaction;
	struct applied_table *applied;
	int err = apply_find(apply, record->table, &applied);

	if (err)
		return fail_about(apply->failure, err, "a table of the replica");
	if (!applied || applied->state == REPLICA_OFF)
		return 0;
	if (arrival->count++ == 0) {
		arrival->first = record->distance;
		arrival->start = transaction->state.sequence + 1;
	}
	transaction_skip_to(transaction, arrival->start + (record->distance - arrival->first));
	return write_record(apply, applied, record);
}

/* Ends a transaction of the source: its records get its annotation, with the source. */
static int end_arrival(struct apply *apply, struct arrival *arrival)
{
	const struct pending_records *pending = &apply->transaction->pending;
	struct change_source *source = &arrival->annotation.source;
	uint64_t distance;
	int err;

	if (pending->count == 0)
		return 0;
	distance = arrival->first + (pending->all[0].record.sequence - arrival->start);
	if (!source->path.len) {
		source->incarnation = arrival->incarnation;
		source->sequence = arrival->id + distance;
	} else if (source->sequence) {
		source->sequence += distance;
	}
	err = extend_path(apply, &arrival->annotation);
	return err ? err : apply_flush(apply, &arrival->annotation);
}

/* Maximum distance of a record from the id of its transaction: its changes are limited in bytes. */
#define DISTANCE_MAX UINT32_MAX

static int get_arrival(struct apply *apply, struct arrival *arrival, uint64_t number,
	struct source *source)
{
	struct slice annotation;

	*arrival = (struct arrival){ .id = source_u64(source) };
	if (arrival->id > number)
		return ERR_CORRUPT;
	arrival->max_distance = number - arrival->id < DISTANCE_MAX ? number - arrival->id :
		DISTANCE_MAX;
	apply->row.changed_ms = source_u64(source);
	arrival->incarnation = source_take(source, DATABASE_ID_BYTES).data;
	annotation = source_counted(source);
	if (source->err)
		return ERR_CORRUPT;
	if (annotation.len == 0)
		return 0;
	return annotation_check(annotation) ? ERR_CORRUPT :
		annotation_get(&arrival->annotation, annotation);
}

static int apply_records(struct apply *apply, struct arrival *arrival, struct source *source)
{
	uint32_t count = source_u32(source);
	int err = 0;

	for (uint32_t i = 0; i < count && !err; i++) {
		struct frame_record record;

		frame_get_record(source, &record);
		if (source->err || record.distance < arrival->next_distance ||
				record.distance > arrival->max_distance)
			return fail(apply->failure, ERR_CORRUPT);
		arrival->next_distance = record.distance + 1;
		err = apply_record(apply, arrival, &record);
		apply->row.records++;
	}
	return err;
}

static int apply_transaction(struct apply *apply, const struct frame *frame)
{
	struct source source = source_of(frame->body);
	uint64_t from = source_u64(&source);
	struct arrival arrival;
	int err = check_place(apply, from, frame->number);

	if (err)
		return err == END ? 0 : err;
	err = get_arrival(apply, &arrival, frame->number, &source);
	if (err)
		return fail(apply->failure, err);
	err = apply_records(apply, &arrival, &source);
	if (!err && source_finish(&source))
		err = fail(apply->failure, ERR_CORRUPT);
	if (!err)
		err = end_arrival(apply, &arrival);
	if (err == ERR_TOO_BIG)
		return fail_as(apply->failure, err, "transaction %llu of the source is larger than"
			" a transaction can be here", (unsigned long long)arrival.id);
	apply->row.position = frame->number;
	apply->row.transactions++;
	apply->has_changed = true;
	return err;
}

/* --- frames --- */

static int apply_frame(struct apply *apply, const struct frame *frame,
	struct apply_result *result, bool *is_done)
{
	*is_done = true;
	if ((frame->kind != FRAME_SOURCE && !apply->row.has_source) ||
			frame->number > SEQUENCE_MAX)
		return fail(apply->failure, ERR_CORRUPT);
	switch (frame->kind) {
	case FRAME_SOURCE:
		return take_source(apply, frame);
	case FRAME_TABLES:
		return apply_tables(apply, frame);
	case FRAME_TRANSACTION:
		return apply_transaction(apply, frame);
	case FRAME_TABLE: {
		struct source source = source_of(frame->body);
		int err = check_place(apply, source_u64(&source), frame->number);

		return err ? err == END ? 0 : err : apply_table(apply, frame);
	}
	case FRAME_PAGE:
		return apply_page(apply, frame, is_done);
	case FRAME_ADVANCE:
		return advance(apply, frame);
	case FRAME_END:
		result->has_ended = true;
		return 0;
	default:
		return fail(apply->failure, ERR_CORRUPT);
	}
}

static int apply_all(struct apply *apply, struct slice frames, struct apply_result *result)
{
	struct slice rest = frames;
	bool is_done = true;
	int err = 0;

	while (!err && is_done && !apply_is_full(apply)) {
		struct frame frame;

		err = frame_next(&frame, &rest);
		if (err == END)
			return rest.len ? fail(apply->failure, ERR_INCOMPLETE) : 0;
		if (err)
			return fail_as(apply->failure, err, "the data from the source is damaged");
		err = apply_frame(apply, &frame, result, &is_done);
		apply->spent += frame.body.len;
		if (err || !is_done)
			continue;
		result->consumed = frames.len - rest.len;
		result->has_moved = result->has_moved || frame.kind != FRAME_SOURCE;
	}
	return err;
}

/* --- the replica --- */

static int create_replica(struct apply *apply)
{
	struct transaction *transaction = apply->transaction;

	if (map_check(apply->spec->settings))
		return ERR_CORRUPT;
	apply->is_new = apply->has_changed = true;
	apply->row = (struct replica_row){ .id = ++transaction->state.node,
		.created_ms = transaction->now_ms };
	return 0;
}

/* Reads the row of the replica, or creates it. */
static int open_replica(struct apply *apply)
{
	const struct apply_spec *spec = apply->spec;
	int err = replica_read(&apply->row, apply->transaction->txn, spec->name);

	if (err == END)
		err = create_replica(apply);
	buffer_put_slice(&apply->settings, apply->is_new ? spec->settings : apply->row.settings);
	if (!err)
		err = buffer_error(&apply->settings);
	if (err)
		return replica_failed(apply->failure, err, spec->name);
	apply->row.settings = buffer_slice(&apply->settings);
	return apply->row.is_promoted ? fail_as(apply->failure, ERR_PROMOTED,
		"replica %.*s was promoted at sequence number %llu of its source",
		(int)spec->name.len, (const char *)spec->name.data,
		(unsigned long long)apply->row.position) : 0;
}

/* Sets *is_copying if a table waits for its copy. */
static int find_copying(struct txn *txn, uint64_t replica, bool *is_copying)
{
	struct replica_table table = { 0 };
	int err;

	*is_copying = false;
	while ((err = replica_table_next(&table, txn, replica)) == 0)
		if (replica_is_copying(table.state))
			*is_copying = true;
	return err == END ? 0 : err;
}

static int end_apply(struct apply *apply, struct apply_result *result)
{
	struct transaction *transaction = apply->transaction;
	int err = find_copying(transaction->txn, apply->row.id, &result->is_copying);

	result->position = apply->row.position;
	result->head = apply->head;
	if (!err && !result->is_copying && apply->row.rounds) {
		apply->row.rounds = 0;
		apply->has_changed = true;
	}
	if (!err && apply->has_changed) {
		transaction->changed = transaction->has_progressed = true;
		err = replica_write(transaction->txn, apply->spec->name, &apply->row);
	}
	return err ? fail_about(apply->failure, transaction_break(transaction, err),
		"the rows of replica %.*s", (int)apply->spec->name.len,
		(const char *)apply->spec->name.data) : 0;
}

static void release(struct apply *apply)
{
	buffer_release(&apply->settings);
	buffer_release(&apply->annotation);
	buffer_release(&apply->path);
	buffer_release(&apply->kept);
	buffer_release(&apply->scratch);
}

int apply_frames(struct transaction *transaction, const struct apply_spec *spec,
	struct slice frames, struct apply_result *result, struct failure *failure)
{
	struct apply apply = { .transaction = transaction, .spec = spec, .failure = failure };
	int err;

	*result = (struct apply_result){ 0 };
	err = open_replica(&apply);
	transaction->replica = apply.row.id;
	if (!err)
		err = apply_all(&apply, frames, result);
	if (!err)
		err = end_apply(&apply, result);
	release(&apply);
	return err;
}

/* --- promotion --- */

/* Makes a table writable. */
static int free_table(struct transaction *transaction, uint64_t replica, struct slice name)
{
	const struct table *found;
	struct table_row row;
	int err = catalog_find(transaction->catalog, transaction->txn, name, &found);

	if (err || found->row.replica != replica)
		return err < 0 ? err : 0;
	row = found->row;
	row.replica = 0;
	err = catalog_put_table(transaction->txn, &row);
	return err ? err : transaction_catalog_changed(transaction);
}

static int free_tables(struct transaction *transaction, uint64_t replica)
{
	struct replica_table table = { 0 };
	char name[TABLE_NAME_MAX];
	int err;

	while ((err = replica_table_next(&table, transaction->txn, replica)) == 0) {
		size_t len = table.name.len;

		memcpy(name, table.name.data, len);
		err = free_table(transaction, replica, slice_of(name, len));
		if (err)
			return err;
	}
	return err == END ? 0 : err;
}

static int read_replica(struct transaction *transaction, struct slice name,
	struct replica_row *row, struct buffer *settings, struct failure *failure)
{
	int err = replica_read(row, transaction->txn, name);

	if (!err) {
		buffer_put_slice(settings, row->settings);
		err = buffer_error(settings);
		row->settings = buffer_slice(settings);
	}
	return replica_failed(failure, err, name);
}

static int check_promotion(struct transaction *transaction, struct slice name,
	const struct replica_row *row, struct failure *failure)
{
	bool is_copying;
	int err;

	if (row->is_promoted)
		return fail_as(failure, ERR_PROMOTED, "replica %.*s was promoted before",
			(int)name.len, (const char *)name.data);
	err = find_copying(transaction->txn, row->id, &is_copying);
	if (err)
		return fail(failure, err);
	return is_copying ? fail_as(failure, ERR_COPYING, "replica %.*s is copying: its tables"
		" are not those of the source at any time yet", (int)name.len,
		(const char *)name.data) : 0;
}

int apply_promotion(struct transaction *transaction, struct slice name, struct failure *failure)
{
	struct buffer settings = { 0 };
	struct replica_row row;
	int err = read_replica(transaction, name, &row, &settings, failure);

	if (!err)
		err = check_promotion(transaction, name, &row, failure);
	if (err)
		goto done;
	row.is_promoted = true;
	transaction->changed = true;
	err = free_tables(transaction, row.id);
	if (!err)
		err = replica_write(transaction->txn, name, &row);
	if (err)
		fail(failure, transaction_break(transaction, err));

done:
	buffer_release(&settings);
	return err;
}

int apply_removal(struct transaction *transaction, struct slice name, struct failure *failure)
{
	struct buffer settings = { 0 };
	struct replica_row row;
	int err = read_replica(transaction, name, &row, &settings, failure);

	if (err)
		goto done;
	transaction->changed = true;
	err = free_tables(transaction, row.id);
	if (!err)
		err = replica_remove(transaction->txn, name, row.id);
	if (err)
		fail(failure, transaction_break(transaction, err));

done:
	buffer_release(&settings);
	return err;
}
