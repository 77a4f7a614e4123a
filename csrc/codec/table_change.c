/* table_change.c - encoding and decoding of the changes of tables. */
#include "codec/table_change.h"

#include "base/error.h"

static const char *const event_names[] = {
	NULL, "CREATE_TABLE", "ALTER_TABLE", "DELETE_TABLE", "TRUNCATE_TABLE",
};

const char *table_event_name(uint8_t event)
{
	return event <= TABLE_TRUNCATED ? event_names[event] : NULL;
}

void table_definition_put(struct buffer *out, const struct table_row *table,
	const struct stream_row *stream)
{
	buffer_put_u64(out, table->created_ms);
	key_schema_put(out, &table->schema);
	buffer_put_counted(out, time_to_live_name(&table->ttl));
	buffer_put_u32(out, stream ? stream->id : 0);
	if (!stream)
		return;
	buffer_put_u8(out, stream->view);
	buffer_put_u64(out, stream->created_ms);
	retention_put(out, &stream->retention);
	buffer_put_counted(out, slice_of_text(stream->label));
}

static void stream_get_part(struct source *source, struct table_definition *definition)
{
	definition->view = source_u8(source);
	definition->stream_created_ms = source_u64(source);
	retention_get(source, &definition->retention);
	definition->label = source_counted(source);
	if (!view_name(definition->view) || definition->retention.age_ms == 0 ||
			!is_stream_label(definition->label))
		source->err = ERR_CORRUPT;
}

int table_definition_get(struct table_definition *definition, struct slice bytes)
{
	struct source source = source_of(bytes);

	*definition = (struct table_definition){ 0 };
	definition->created_ms = source_u64(&source);
	key_schema_get(&source, &definition->schema);
	definition->ttl = source_counted(&source);
	definition->stream = source_u32(&source);
	if (definition->stream)
		stream_get_part(&source, definition);
	if (definition->ttl.len > 255 || definition->stream == STREAM_OF_TABLES)
		return ERR_CORRUPT;
	return source_finish(&source);
}

void table_change_put(struct buffer *out, const struct table_change *change)
{
	buffer_put_u8(out, change->event);
	buffer_put_u32(out, change->table);
	buffer_put_counted(out, change->name);
	buffer_put_u16(out, (uint16_t)change->definition.len);
	buffer_put_slice(out, change->definition);
	buffer_put_slice(out, change->old_definition);
}

int table_change_get(struct table_change *change, struct slice bytes)
{
	struct source source = source_of(bytes);
	bool is_altered;

	change->event = source_u8(&source);
	change->table = source_u32(&source);
	change->name = source_counted(&source);
	change->definition = source_take(&source, source_u16(&source));
	change->old_definition = source_take(&source, source_left(&source));
	is_altered = change->event == TABLE_ALTERED;
	if (source.err || !table_event_name(change->event) || change->table == 0 ||
			!is_table_name(change->name) || change->definition.len == 0 ||
			is_altered != (change->old_definition.len > 0) ||
			slice_equal(change->definition, change->old_definition))
		return ERR_CORRUPT;
	return 0;
}

int table_change_check(struct slice bytes)
{
	struct table_definition definition;
	struct table_change change;
	int err = table_change_get(&change, bytes);

	if (!err)
		err = table_definition_get(&definition, change.definition);
	return err || change.old_definition.len == 0 ? err :
		table_definition_get(&definition, change.old_definition);
}
