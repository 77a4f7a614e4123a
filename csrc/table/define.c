/* define.c - creates, changes and deletes tables and their streams. */
#include "table/define.h"

#include <string.h>

#include "table/item_count.h"

static int find(struct transaction *transaction, struct slice name, struct table_row *row,
	struct failure *failure)
{
	const struct table *table = catalog_find(transaction->catalog, name);

	if (!table)
		return fail_as(failure, ERR_NOT_FOUND,
			"Requested resource not found: Table: %.*s not found",
			name.len > TABLE_NAME_MAX ? TABLE_NAME_MAX : (int)name.len,
			(const char *)name.data);
	*row = table->row;
	return 0;
}

/* Reports a failure after the first write, so the transaction can only be aborted. */
static int broken(struct transaction *transaction, int err, struct failure *failure)
{
	return err ? fail(failure, transaction_break(transaction, err)) : 0;
}

/* --- streams --- */

static bool label_is_taken(const struct streams *streams, const struct stream_row *row)
{
	for (size_t i = streams->count; i > 0; i--) {
		const struct stream_row *other = &streams->all[i - 1].row;

		if (!streams->is_unordered && other->created_ms < row->created_ms)
			return false;    /* so are those before it */
		if (strcmp(other->label, row->label) == 0 &&
				strcmp(other->table_name, row->table_name) == 0)
			return true;
	}
	return false;
}

static int check_retention(const struct retention *retention, struct failure *failure)
{
	return retention->age_ms ? 0 :
		fail_as(failure, ERR_VALIDATION, "retention age must be at least 1 ms");
}

static int check_stream(uint8_t view, const struct retention *retention,
	struct failure *failure)
{
	if (!view_name(view))
		return fail_as(failure, ERR_VALIDATION, "view type must be KEYS_ONLY, NEW_IMAGE,"
			" OLD_IMAGE or NEW_AND_OLD_IMAGES");
	return check_retention(retention, failure);
}

/* Creates a stream for a table and enters it in the table's row, which the caller writes. Sets
 * *made to its row. */
static int begin_stream(struct transaction *transaction, struct table_row *table, uint8_t view,
	const struct retention *retention, struct stream_row *made, struct failure *failure)
{
	struct state *state = &transaction->state;
	const struct streams *streams = &transaction->catalog->streams;
	struct stream_row row = {
		.table = table->id,
		.view = view,
		.status = STREAM_ENABLED,
		.created_ms = transaction->now_ms,
		.retention = *retention,
		.first_sequence = state->sequence,
		.schema = table->schema,
	};
	int err = check_stream(view, retention, failure);

	if (err)
		return err;
	if (streams->count >= STREAMS_MAX || state->stream == UINT32_MAX - 1)
		return fail_with(failure, ERR_LIMIT, "%d streams", STREAMS_MAX);
	row.id = ++state->stream;
	memcpy(row.table_name, table->name, sizeof row.table_name);
	do {
		clock_text(row.label, sizeof row.label, row.created_ms);
	} while (label_is_taken(streams, &row) && ++row.created_ms);
	table->stream = row.id;
	table->newest_stream = row.id;
	*made = row;
	return broken(transaction, stream_write_row(transaction->txn, &row), failure);
}

/* Disables the table's stream. Its records stay until they expire. */
static int end_stream(struct transaction *transaction, struct table_row *table,
	struct failure *failure)
{
	struct stream *stream = streams_find(&transaction->catalog->streams, table->stream);

	if (!stream)
		return fail_with(failure, ERR_CORRUPT, "table %s: its stream does not exist",
			table->name);
	stream->row.status = STREAM_DISABLED;
	stream->row.disabled_ms = transaction->clock_ms;
	table->stream = 0;
	return broken(transaction, stream_write_row(transaction->txn, &stream->row), failure);
}

int define_stream(struct transaction *transaction, struct slice name, uint8_t view,
	const struct retention *retention, struct failure *failure)
{
	struct stream_row made;
	struct table_row table;
	int err = find(transaction, name, &table, failure);

	if (err)
		return err;
	if (table.stream)
		return fail_as(failure, ERR_VALIDATION,
			"Table already has an enabled stream: Table: %s", table.name);
	err = begin_stream(transaction, &table, view, retention, &made, failure);
	if (!err)
		err = broken(transaction, catalog_put_table(transaction->txn, &table), failure);
	return err ? err : broken(transaction, transaction_catalog_changed(transaction), failure);
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
	err = end_stream(transaction, &table, failure);
	if (!err)
		err = broken(transaction, catalog_put_table(transaction->txn, &table), failure);
	return err ? err : broken(transaction, transaction_catalog_changed(transaction), failure);
}

int define_retention(struct transaction *transaction, uint32_t id,
	const struct retention *retention, struct failure *failure)
{
	struct stream *stream = streams_find(&transaction->catalog->streams, id);
	int err = check_retention(retention, failure);

	if (err)
		return err;
	if (!stream)
		return fail_with(failure, ERR_NOT_FOUND, "stream %u no longer exists", id);
	err = stream_load_bounds(&transaction->catalog->streams, stream, transaction->txn);
	if (!err)
		err = retention_hide(transaction->txn, stream, transaction->clock_ms);
	if (!err) {
		stream->row.retention = *retention;
		err = stream_write_row(transaction->txn, &stream->row);
	}
	if (!err)
		err = transaction_catalog_changed(transaction);
	return broken(transaction, err, failure);
}

/* --- time to live --- */

static int check_ttl(struct slice attribute, struct failure *failure)
{
	if (attribute.len > 255)
		return fail_as(failure, ERR_VALIDATION,
			"the name of the time-to-live attribute must have 1 to 255 bytes");
	if (!is_utf8(attribute))
		return fail_as(failure, ERR_VALIDATION,
			"the name of the time-to-live attribute must be UTF-8");
	return 0;
}

/* Gives the table a new expiry index for an attribute; the caller writes its row. */
static int begin_index(struct transaction *transaction, struct table_row *table,
	struct slice attribute, struct failure *failure)
{
	struct state *state = &transaction->state;
	int err = check_ttl(attribute, failure);

	if (err)
		return err;
	if (state->index == UINT32_MAX - 1)
		return fail_with(failure, ERR_LIMIT, "no index id is left");
	memset(&table->ttl, 0, sizeof table->ttl);
	table->ttl.index = ++state->index;
	table->ttl.len = (uint8_t)attribute.len;
	memcpy(table->ttl.name, attribute.data, attribute.len);
	return 0;
}

/* Begins the removal of the table's expiry index. An index that is still being built has a row,
 * which is replaced. */
static int end_index(struct transaction *transaction, struct table_row *table,
	struct failure *failure)
{
	struct index_row row = { .id = table->ttl.index, .work = INDEX_REMOVES,
		.table = table->id };

	memset(&table->ttl, 0, sizeof table->ttl);
	return broken(transaction, catalog_put_index(transaction->txn, &row), failure);
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

	if (!err)
		err = check_ttl(attribute, failure);
	if (err || slice_equal(time_to_live_name(&table.ttl), attribute))
		return err;
	if (table.ttl.index)
		err = end_index(transaction, &table, failure);
	if (!err && attribute.len)
		err = begin_index(transaction, &table, attribute, failure);
	if (!err && attribute.len)
		err = build_index(transaction, &table, failure);
	if (!err)
		err = broken(transaction, catalog_put_table(transaction->txn, &table), failure);
	return err ? err : broken(transaction, transaction_catalog_changed(transaction), failure);
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

int define_table(struct transaction *transaction, const struct table_spec *spec,
	struct failure *failure)
{
	struct state *state = &transaction->state;
	struct stream_row stream;
	struct table_row row = { .created_ms = transaction->now_ms, .schema = spec->schema };
	int err = check_spec(spec, failure);

	if (err)
		return err;
	memcpy(row.name, spec->name.data, spec->name.len);
	if (catalog_find(transaction->catalog, spec->name))
		return fail_as(failure, ERR_IN_USE, "Table already exists: %s", row.name);
	if (transaction->catalog->count >= TABLES_MAX || state->table == UINT32_MAX - 1)
		return fail_with(failure, ERR_LIMIT, "%d tables", TABLES_MAX);
	err = writer_check_space(transaction->txn, failure);
	if (err)
		return err;
	row.id = ++state->table;
	if (spec->ttl.len)
		err = begin_index(transaction, &row, spec->ttl, failure);
	if (!err && spec->view)
		err = begin_stream(transaction, &row, spec->view, &spec->retention, &stream,
			failure);
	if (!err)
		err = broken(transaction, catalog_put_table(transaction->txn, &row), failure);
	return err ? err : broken(transaction, transaction_table_created(transaction, &row,
		spec->view ? &stream : NULL), failure);
}

int define_delete(struct transaction *transaction, struct slice name, struct failure *failure)
{
	struct table_row table;
	int err = find(transaction, name, &table, failure);

	if (!err && table.stream)
		err = end_stream(transaction, &table, failure);
	if (!err && table.ttl.index)
		err = end_index(transaction, &table, failure);
	if (err)
		return err;
	err = catalog_delete_table(transaction->txn, name);
	if (!err)
		err = catalog_put_dropped(transaction->txn, table.id, name);
	if (!err)
		err = item_count_delete(transaction->txn, table.id);
	if (!err)
		err = transaction_catalog_changed(transaction);
	return broken(transaction, err, failure);
}
