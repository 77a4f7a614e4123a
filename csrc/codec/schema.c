/* schema.c - encoding and decoding of tables, streams and trim horizons. */
#include "codec/schema.h"

#include <string.h>

#include "base/error.h"
#include "codec/state.h"

static void attribute_put(struct buffer *out, const struct key_attribute *attribute)
{
	buffer_put_u8(out, (uint8_t)attribute->type);
	buffer_put_counted(out, attribute_name(attribute));
}

void key_schema_put(struct buffer *out, const struct key_schema *schema)
{
	attribute_put(out, &schema->partition);
	attribute_put(out, &schema->sort);
}

/* Reads a name of min to max bytes into text, which has max + 1 bytes, and terminates it with
 * NUL. */
static void get_text(struct source *source, char *text, size_t min, size_t max)
{
	struct slice bytes = source_counted(source);

	if (bytes.len < min || bytes.len > max || memchr(bytes.data, 0, bytes.len)) {
		source->err = ERR_CORRUPT;
		bytes.len = 0;
	}
	memcpy(text, bytes.data, bytes.len);
	text[bytes.len] = '\0';
}

/* Decodes a key attribute of a table. Its name may contain any UTF-8, including NUL. */
static void attribute_get(struct source *source, struct key_attribute *attribute, bool optional)
{
	uint8_t type = source_u8(source);
	struct slice name = source_counted(source);
	bool none = optional && type == 0 && name.len == 0;

	memset(attribute, 0, sizeof *attribute);
	if (!none && (type < TYPE_S || type > TYPE_B || name.len < 1 || name.len > 255))
		source->err = ERR_CORRUPT;
	if (source->err)
		return;
	attribute->type = (enum type)type;
	attribute->len = (uint8_t)name.len;
	memcpy(attribute->name, name.data, name.len);
}

void key_schema_get(struct source *source, struct key_schema *schema)
{
	attribute_get(source, &schema->partition, false);
	attribute_get(source, &schema->sort, true);
}

/* Reads time to live, which has an index if and only if it has an attribute. */
static void ttl_get(struct source *source, struct time_to_live *ttl)
{
	struct slice name;

	memset(ttl, 0, sizeof *ttl);
	ttl->index = source_u32(source);
	name = source_counted(source);
	if (name.len > 255 || (name.len > 0) != (ttl->index != 0))
		source->err = ERR_CORRUPT;
	if (source->err)
		return;
	ttl->len = (uint8_t)name.len;
	memcpy(ttl->name, name.data, name.len);
}

void table_put(struct buffer *out, const struct table_row *table)
{
	buffer_put_u32(out, table->id);
	buffer_put_u64(out, table->created_ms);
	buffer_put_u32(out, table->stream);
	buffer_put_u32(out, table->newest_stream);
	buffer_put_u32(out, table->ttl.index);
	buffer_put_counted(out, time_to_live_name(&table->ttl));
	buffer_put_u64(out, table->replica);
	key_schema_put(out, &table->schema);
}

int table_get(struct table_row *table, struct slice bytes)
{
	struct source source = source_of(bytes);

	table->id = source_u32(&source);
	table->created_ms = source_u64(&source);
	table->stream = source_u32(&source);
	table->newest_stream = source_u32(&source);
	ttl_get(&source, &table->ttl);
	table->replica = source_u64(&source);
	key_schema_get(&source, &table->schema);
	if (table->id == 0)
		return ERR_CORRUPT;
	return source_finish(&source);
}

void retention_put(struct buffer *out, const struct retention *retention)
{
	buffer_put_u64(out, retention->age_ms);
	buffer_put_u64(out, retention->max_bytes);
	buffer_put_u64(out, retention->max_count);
	buffer_put_u64(out, retention->hold_age_ms);
	buffer_put_u64(out, retention->hold_bytes);
}

void retention_get(struct source *source, struct retention *retention)
{
	retention->age_ms = source_u64(source);
	retention->max_bytes = source_u64(source);
	retention->max_count = source_u64(source);
	retention->hold_age_ms = source_u64(source);
	retention->hold_bytes = source_u64(source);
}

void stream_put(struct buffer *out, const struct stream_row *stream)
{
	buffer_put_u32(out, stream->table);
	buffer_put_u8(out, stream->view);
	buffer_put_u8(out, stream->status);
	buffer_put_u64(out, stream->created_ms);
	buffer_put_u64(out, stream->disabled_ms);
	retention_put(out, &stream->retention);
	buffer_put_u64(out, stream->first_sequence);
	buffer_put_counted(out, slice_of_text(stream->label));
	buffer_put_counted(out, slice_of_text(stream->table_name));
	key_schema_put(out, &stream->schema);
}

bool is_stream_label(struct slice label)
{
	for (size_t i = 0; i < label.len; i++)
		if (label.data[i] <= ' ' || label.data[i] > '~')
			return false;
	return label.len >= 1 && label.len <= LABEL_MAX;
}

/* Checks the label and the table name of a stream, because both appear in output. The stream of the
 * changes of tables has neither, and no key schema. */
static bool is_sound_stream(const struct stream_row *stream)
{
	if (stream->view == 0)
		return stream->table == 0 && stream->status == STREAM_ENABLED &&
			!stream->label[0] && !stream->table_name[0] &&
			stream->schema.partition.type == 0 && stream->schema.sort.type == 0;
	return view_name(stream->view) &&
		is_stream_label(slice_of_text(stream->label)) &&
		is_table_name(slice_of_text(stream->table_name));
}

int stream_get(struct stream_row *stream, struct slice bytes)
{
	struct source source = source_of(bytes);

	stream->table = source_u32(&source);
	stream->view = source_u8(&source);
	stream->status = source_u8(&source);
	stream->created_ms = source_u64(&source);
	stream->disabled_ms = source_u64(&source);
	retention_get(&source, &stream->retention);
	stream->first_sequence = source_u64(&source);
	get_text(&source, stream->label, 0, LABEL_MAX);
	get_text(&source, stream->table_name, 0, TABLE_NAME_MAX);
	attribute_get(&source, &stream->schema.partition, stream->view == 0);
	attribute_get(&source, &stream->schema.sort, true);
	if (stream->status < STREAM_ENABLED || stream->status > STREAM_DISABLED ||
			stream->retention.age_ms == 0 || stream->first_sequence > SEQUENCE_MAX ||
			!is_sound_stream(stream))
		return ERR_CORRUPT;
	return source_finish(&source);
}

void index_put(struct buffer *out, const struct index_row *index)
{
	buffer_put_u8(out, index->work);
	buffer_put_u32(out, index->table);
	buffer_put_slice(out, index->done);
}

int index_get(struct index_row *index, struct slice bytes)
{
	struct source source = source_of(bytes);

	index->work = source_u8(&source);
	index->table = source_u32(&source);
	index->done = source_take(&source, source_left(&source));
	if (index->work < INDEX_BUILDS || index->work > INDEX_REMOVES)
		return ERR_CORRUPT;
	return source_finish(&source);
}

void horizon_put(struct buffer *out, const struct horizon *horizon)
{
	buffer_put_u64(out, horizon->removed);
	buffer_put_u64(out, horizon->ordinal);
	buffer_put_u64(out, horizon->stream_bytes);
	buffer_put_u64(out, horizon->hidden);
}

int horizon_get(struct horizon *horizon, struct slice bytes)
{
	struct source source = source_of(bytes);

	horizon->removed = source_u64(&source);
	horizon->ordinal = source_u64(&source);
	horizon->stream_bytes = source_u64(&source);
	horizon->hidden = source_u64(&source);
	if (horizon->hidden < horizon->removed || horizon->hidden > SEQUENCE_MAX)
		return ERR_CORRUPT;
	return source_finish(&source);
}

static bool is_name_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		c == '_' || c == '.' || c == '-';
}

bool is_table_name(struct slice name)
{
	if (name.len < TABLE_NAME_MIN || name.len > TABLE_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!is_name_byte(name.data[i]))
			return false;
	return true;
}

static const char *const view_names[] = {
	NULL, "KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES",
};

const char *view_name(uint8_t view)
{
	return view <= VIEW_NEW_AND_OLD_IMAGES ? view_names[view] : NULL;
}
