/* define.c - creates, changes and deletes tables and their streams. */
#include "table/define.h"

#include <string.h>

#include "table/item_count.h"
#include "table/table_record.h"

static int fail_row(struct failure *failure, int err, struct slice name)
{
	return fail_about(failure, err, "the row of table %.*s", (int)name.len,
		(const char *)name.data);
}

static int find(struct transaction *transaction, struct slice name, struct table_row *row,
	struct failure *failure)
{
	const struct table *table;
	int err = catalog_find(transaction->catalog, transaction->txn, name, &table);

	if (err == END)
		return fail_as(failure, ERR_NOT_FOUND,
			"Requested resource not found: Table: %.*s not found",
			name.len > TABLE_NAME_MAX ? TABLE_NAME_MAX : (int)name.len,
			(const char *)name.data);
	if (err)
		return fail_row(failure, err, name);
	*row = table->row;
	return transaction_check_table(transaction, row, failure);
}

/* Reports a failure after the first write, so the transaction can only be aborted. */
static int broken(struct transaction *transaction, int err, struct failure *failure)
{
	return err ? fail(failure, transaction_break(transaction, err)) : 0;
}

/* --- streams --- */

/* Gives the new stream the label of its creation time, which is moved if another stream of a table
 * with this name has it. */
static int choose_label(struct txn *txn, struct stream_row *row)
{
	uint32_t other;
	int err;

	for (;; row->created_ms++) {
		clock_text(row->label, sizeof row->label, row->created_ms);
		err = stream_id_of_label(txn, slice_of_text(row->table_name),
			slice_of_text(row->label), &other);
		if (err)
			return err == END ? 0 : err;
	}
}

/* Returns the retention with the caps of holds that it does not give: those of `has`. */
static struct retention completed(const struct retention *retention, const struct retention *has)
{
	struct retention complete = *retention;

	if (!complete.hold_age_ms)
		complete.hold_age_ms = has->hold_age_ms;
	if (!complete.hold_bytes)
		complete.hold_bytes = has->hold_bytes;
	return complete;
}

static int check_retention(const struct retention *retention, struct failure *failure)
{
	return retention->age_ms ? 0 :
		fail_as(failure, ERR_VALIDATION, "retention age must be at least 1 ms");
}

/* Checks that a stream can be created. */
static int check_stream(const struct state *state, uint8_t view,
	const struct retention *retention, struct failure *failure)
{
	int err;

	if (!view_name(view))
		return fail_as(failure, ERR_VALIDATION, "view type must be KEYS_ONLY, NEW_IMAGE,"
			" OLD_IMAGE or NEW_AND_OLD_IMAGES");
	err = check_retention(retention, failure);
	if (!err && (state->streams >= STREAMS_MAX || state->stream == UINT32_MAX - 1))
		err = fail_with(failure, ERR_LIMIT, "%d streams", STREAMS_MAX);
	return err;
}

static int write_stream(struct txn *txn, struct stream_row *row)
{
	int err = choose_label(txn, row);

	if (!err)
		err = stream_write_row(txn, row);
	return err ? err : stream_write_label(txn, row);
}

/* Creates a stream, for which check_stream was called, and enters it in the row of its table, which
 * the caller writes. */
static int begin_stream(struct transaction *transaction, struct table_row *table, uint8_t view,
	const struct retention *retention, struct failure *failure)
{
	static const struct retention caps = { .hold_age_ms = HOLD_AGE_MS,
		.hold_bytes = HOLD_BYTES };
	struct state *state = &transaction->state;
	struct stream_row row = {
		.table = table->id,
		.view = view,
		.status = STREAM_ENABLED,
		.created_ms = transaction->now_ms,
		.retention = completed(retention, &caps),
		.first_sequence = state->sequence,
		.schema = table->schema,
	};

	row.id = ++state->stream;
	state->streams++;
	memcpy(row.table_name, table->name, sizeof row.table_name);
	table->stream = row.id;
	table->newest_stream = row.id;
	return broken(transaction, write_stream(transaction->txn, &row), failure);
}

static int find_stream(struct transaction *transaction, uint32_t id, struct stream **stream)
{
	return streams_find(&transaction->catalog->streams, transaction->txn, id, stream);
}

/* Disables the table's stream. Its records stay until they expire. */
static int end_stream(struct transaction *transaction, struct table_row *table,
	struct failure *failure)
{
	struct stream *stream;
	int err = find_stream(transaction, table->stream, &stream);

	if (err == END)
		return fail_with(failure, ERR_CORRUPT, "table %s: its stream does not exist",
			table->name);
	if (err)
		return fail_about(failure, err, "the row of stream %u", table->stream);
	stream->row.status = STREAM_DISABLED;
	stream->row.disabled_ms = transaction->clock_ms;
	table->stream = 0;
	return broken(transaction, stream_write_row(transaction->txn, &stream->row), failure);
}

/* Notes the definition of the table, which is about to change. */
static int note(struct transaction *transaction, const struct table_row *table,
	struct failure *failure)
{
	int err = table_record_note(transaction, table);

	return err ? fail_about(failure, err, "the row of stream %u", table->stream) : 0;
}

/* Writes the changed row of a table, and adds the record of its alteration. */
static int end_alteration(struct transaction *transaction, const struct table_row *table,
	struct failure *failure)
{
	int err = catalog_put_table(transaction->txn, table);

	if (!err)
		err = table_record_add_altered(transaction, table);
	if (!err)
		err = transaction_catalog_changed(transaction);
	return broken(transaction, err, failure);
}

int define_stream(struct transaction *transaction, struct slice name, uint8_t view,
	const struct retention *retention, struct failure *failure)
{
	struct table_row table;
	int err = find(transaction, name, &table, failure);

	if (err)
		return err;
	if (table.stream)
		return fail_as(failure, ERR_VALIDATION,
			"Table already has an enabled stream: Table: %s", table.name);
	err = check_stream(&transaction->state, view, retention, failure);
	if (!err)
		err = note(transaction, &table, failure);
	if (!err)
		err = begin_stream(transaction, &table, view, retention, failure);
	return err ? err : end_alteration(transaction, &table, failure);
}

int define_no_stream(struct transaction *transaction, struct slice name,
	struct failure *failure)
{
	struct table_row table;
	int err = find(transaction, name, &table, failure);

	if (err)
		return err;
	if (!table.stream)
		return fail_as(failure, ERR_VALIDATION,
			"Table has no enabled stream: Table: %s", table.name);
	err = note(transaction, &table, failure);
	if (!err)
		err = end_stream(transaction, &table, failure);
	return err ? err : end_alteration(transaction, &table, failure);
}

/* Sets *table to the table of which the stream is the enabled one; NULL if there is none. */
static int table_of_stream(struct transaction *transaction, const struct stream_row *row,
	const struct table **table)
{
	int err = row->status == STREAM_ENABLED ? catalog_find(transaction->catalog,
		transaction->txn, slice_of_text(row->table_name), table) : END;

	if (err || (*table)->row.stream != row->id)
		*table = NULL;
	return err < 0 ? err : 0;
}

/* Hides the expired records of the stream, and writes its changed row. */
static int change_retention(struct transaction *transaction, struct stream *stream,
	const struct retention *retention)
{
	int err = stream_load_bounds(&transaction->catalog->streams, stream, transaction->txn);

	if (!err)
		err = retention_hide(transaction->txn, stream, transaction->clock_ms);
	if (err)
		return err;
	stream->row.retention = completed(retention, &stream->row.retention);
	return stream_write_row(transaction->txn, &stream->row);
}

int define_retention(struct transaction *transaction, uint32_t id,
	const struct retention *retention, struct failure *failure)
{
	const struct table *table;
	struct stream *stream;
	int err = check_retention(retention, failure);

	if (err)
		return err;
	err = id == STREAM_OF_TABLES ? END : find_stream(transaction, id, &stream);
	if (err == END)
		return fail_with(failure, ERR_NOT_FOUND, "stream %u no longer exists", id);
	if (err)
		return fail_about(failure, err, "the row of stream %u", id);
	err = table_of_stream(transaction, &stream->row, &table);
	if (err)
		return fail_row(failure, err, slice_of_text(stream->row.table_name));
	err = table ? note(transaction, &table->row, failure) : 0;
	if (err)
		return err;
	err = change_retention(transaction, stream, retention);
	if (!err && table)
		err = table_record_add_altered(transaction, &table->row);
	if (!err)
		err = transaction_catalog_changed(transaction);
	return broken(transaction, err, failure);
}

/* --- time to live --- */

/* Checks that an expiry index for this attribute can be created. */
static int check_index(const struct state *state, struct slice attribute,
	struct failure *failure)
{
	if (attribute.len > 255)
		return fail_as(failure, ERR_VALIDATION,
			"the name of the time-to-live attribute must have 1 to 255 bytes");
	if (!is_utf8(attribute))
		return fail_as(failure, ERR_VALIDATION,
			"the name of the time-to-live attribute must be UTF-8");
	return attribute.len && state->index == UINT32_MAX - 1 ?
		fail_with(failure, ERR_LIMIT, "no index id is left") : 0;
}

/* Gives the table a new expiry index for an attribute, for which check_index was called; the
 * caller writes the table's row. */
static int begin_index(struct transaction *transaction, struct table_row *table,
	struct slice attribute, struct failure *failure)
{
	memset(&table->ttl, 0, sizeof table->ttl);
	table->ttl.index = ++transaction->state.index;
	table->ttl.len = (uint8_t)attribute.len;
	memcpy(table->ttl.name, attribute.data, attribute.len);
	return broken(transaction, catalog_put_expiry(transaction->txn, table->ttl.index,
		slice_of_text(table->name)), failure);
}

/* Begins the removal of the table's expiry index. An index that is still being built has a row,
 * which is replaced. */
static int end_index(struct transaction *transaction, struct table_row *table,
	struct failure *failure)
{
	struct index_row row = { .id = table->ttl.index, .work = INDEX_REMOVES,
		.table = table->id };
	int err = catalog_delete_expiry(transaction->txn, row.id);

	memset(&table->ttl, 0, sizeof table->ttl);
	if (!err)
		err = catalog_put_index(transaction->txn, &row);
	return broken(transaction, err, failure);
}

static int build_index(struct transaction *transaction, const struct table_row *table,
	struct failure *failure)
{
	struct index_row row = { .id = table->ttl.index, .work = INDEX_BUILDS,
		.table = table->id };

	return broken(transaction, catalog_put_index(transaction->txn, &row), failure);
}

int define_ttl(struct transaction *transaction, struct slice name, struct slice attribute,
	struct failure *failure)
{
	struct table_row table;
	int err = find(transaction, name, &table, failure);

	if (err || slice_equal(time_to_live_name(&table.ttl), attribute))
		return err;
	err = check_index(&transaction->state, attribute, failure);
	if (!err)
		err = note(transaction, &table, failure);
	if (!err && table.ttl.index)
		err = end_index(transaction, &table, failure);
	if (!err && attribute.len)
		err = begin_index(transaction, &table, attribute, failure);
	if (!err && attribute.len)
		err = build_index(transaction, &table, failure);
	return err ? err : end_alteration(transaction, &table, failure);
}

/* --- tables --- */

static int check_attribute(const struct key_attribute *attribute, struct slice table,
	const char *what, struct failure *failure)
{
	int len = (int)table.len;
	const char *name = (const char *)table.data;

	if (attribute->len == 0)
		return fail_as(failure, ERR_VALIDATION,
			"%.*s: the name of the %s key must have 1 to 255 bytes", len, name, what);
	if (!is_utf8(attribute_name(attribute)))
		return fail_as(failure, ERR_VALIDATION,
			"%.*s: the name of the %s key must be UTF-8", len, name, what);
	if (attribute->type < TYPE_S || attribute->type > TYPE_B)
		return fail_as(failure, ERR_VALIDATION,
			"%.*s: the type of the %s key must be S, N or B", len, name, what);
	return 0;
}

static int check_spec(const struct table_spec *spec, struct failure *failure)
{
	const struct key_schema *schema = &spec->schema;
	int err;

	if (!is_table_name(spec->name))
		return fail_as(failure, ERR_VALIDATION, "TableName must be at least 3 characters"
			" long and at most 255 characters long, of a-z, A-Z, 0-9, '_', '-' and '.'");
	err = check_attribute(&schema->partition, spec->name, "partition", failure);
	if (!err && schema->sort.type)
		err = check_attribute(&schema->sort, spec->name, "sort", failure);
	if (err)
		return err;
	if (schema->sort.type && slice_equal(attribute_name(&schema->partition),
			attribute_name(&schema->sort)))
		return fail_as(failure, ERR_VALIDATION, "Both the Hash Key and the Range Key"
			" element in the KeySchema have the same name");
	return 0;
}

/* Returns IN_USE, LIMIT or FULL if no table can be created with this name. */
static int check_free(struct transaction *transaction, struct slice name,
	struct failure *failure)
{
	const struct state *state = &transaction->state;
	const struct table *table;
	int err = catalog_find(transaction->catalog, transaction->txn, name, &table);

	if (!err)
		return fail_as(failure, ERR_IN_USE, "Table already exists: %s", table->row.name);
	if (err != END)
		return fail_row(failure, err, name);
	if (state->tables >= TABLES_MAX || state->table == UINT32_MAX - 1)
		return fail_with(failure, ERR_LIMIT, "%d tables", TABLES_MAX);
	return writer_check_space(transaction->txn, failure);
}

/* Writes the row of a new table, and adds the record of its creation. */
static int end_creation(struct transaction *transaction, const struct table_row *row,
	struct failure *failure)
{
	int err = catalog_put_table(transaction->txn, row);

	if (!err)
		err = table_record_note(transaction, row);
	if (!err)
		err = table_record_add(transaction, TABLE_CREATED, row);
	if (!err)
		transaction_table_created(transaction, row);
	return broken(transaction, err, failure);
}

int define_table(struct transaction *transaction, const struct table_spec *spec,
	struct failure *failure)
{
	struct table_row row = { .created_ms = transaction->now_ms, .schema = spec->schema };
	struct state *state = &transaction->state;
	int err = check_spec(spec, failure);

	if (!err)
		err = check_free(transaction, spec->name, failure);
	if (!err && spec->ttl.len)
		err = check_index(state, spec->ttl, failure);
	if (!err && spec->view)
		err = check_stream(state, spec->view, &spec->retention, failure);
	if (err)
		return err;
	memcpy(row.name, spec->name.data, spec->name.len);
	row.id = ++state->table;
	state->tables++;
	if (spec->ttl.len)
		err = begin_index(transaction, &row, spec->ttl, failure);
	if (!err && spec->view)
		err = begin_stream(transaction, &row, spec->view, &spec->retention, failure);
	return err ? err : end_creation(transaction, &row, failure);
}

int define_delete(struct transaction *transaction, struct slice name, struct failure *failure)
{
	struct table_row table;
	int err = find(transaction, name, &table, failure);

	if (!err)
		err = note(transaction, &table, failure);
	if (!err && table.stream)
		err = end_stream(transaction, &table, failure);
	if (!err && table.ttl.index)
		err = end_index(transaction, &table, failure);
	if (err)
		return err;
	if (transaction->state.tables)
		transaction->state.tables--;
	err = table_record_add(transaction, TABLE_DELETED, &table);
	if (!err)
		err = catalog_delete_table(transaction->txn, name);
	if (!err)
		err = catalog_put_dropped(transaction->txn, table.id, name);
	if (!err)
		err = item_count_delete(transaction->txn, table.id);
	if (!err)
		err = transaction_catalog_changed(transaction);
	return broken(transaction, err, failure);
}
