/* table_record.c - adds records of the changes of tables to the pending records. */
#include "table/table_record.h"

/* Replaces the contents of out with the definition of a table. */
static int put_definition(struct transaction *transaction, const struct table_row *table,
	struct buffer *out)
{
	struct stream *stream = NULL;
	int err = table->stream ? streams_find(&transaction->catalog->streams, transaction->txn,
		table->stream, &stream) : 0;

	if (err)
		return err == END ? ERR_CORRUPT : err;
	buffer_clear(out);
	table_definition_put(out, table, stream ? &stream->row : NULL);
	return buffer_error(out);
}

int table_record_note(struct transaction *transaction, const struct table_row *table)
{
	return put_definition(transaction, table, &transaction->definition);
}

static int add(struct transaction *transaction, const struct table_change *change)
{
	struct record record = { .event = EVENT_TABLE };
	struct buffer *content = &transaction->scratch;

	buffer_clear(content);
	table_change_put(content, change);
	if (buffer_error(content))
		return buffer_error(content);
	record.sequence = transaction_sequence(transaction);
	record.new_image = buffer_slice(content);
	return pending_add(&transaction->pending, STREAM_OF_TABLES, &record);
}

int table_record_add(struct transaction *transaction, enum table_event event,
	const struct table_row *table)
{
	const struct table_change change = { .event = (uint8_t)event, .table = table->id,
		.name = slice_of_text(table->name),
		.definition = buffer_slice(&transaction->definition) };

	return add(transaction, &change);
}

int table_record_add_altered(struct transaction *transaction, const struct table_row *table)
{
	struct table_change change = { .event = TABLE_ALTERED, .table = table->id,
		.name = slice_of_text(table->name),
		.old_definition = buffer_slice(&transaction->definition) };
	int err = put_definition(transaction, table, &transaction->new_definition);

	change.definition = buffer_slice(&transaction->new_definition);
	return err || slice_equal(change.definition, change.old_definition) ? err :
		add(transaction, &change);
}
