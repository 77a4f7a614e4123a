/* replica_start.c - encoding and decoding of the start message from a replica to its source. */
#include "codec/replica_start.h"

#include "base/error.h"
#include "codec/frame.h"

static uint16_t count_names(struct slice names)
{
	struct source source = source_of(names);
	uint16_t count = 0;

	for (; source_left(&source) && !source.err; count++)
		source_counted(&source);
	return count;
}

void replica_start_put(struct buffer *out, const uint8_t target[DATABASE_ID_BYTES],
	const struct replica_row *row, struct slice names)
{
	bool has_source = row && row->has_source;

	buffer_put_u8(out, FRAME_VERSION);
	buffer_put(out, target, DATABASE_ID_BYTES);
	buffer_put_u8(out, has_source);
	if (has_source) {
		buffer_put(out, row->database, DATABASE_ID_BYTES);
		buffer_put(out, row->incarnation, DATABASE_ID_BYTES);
		buffer_put_u64(out, row->position);
		buffer_put_u64(out, row->record);
		buffer_put_u32(out, row->record_stream);
		buffer_put_u64(out, row->fingerprint);
	}
	buffer_put_u16(out, count_names(names));
	buffer_put_slice(out, names);
}

void start_table_put(struct buffer *out, const struct start_table *table)
{
	buffer_put_u32(out, table->id);
	buffer_put_u32(out, table->stream);
	buffer_put_u8(out, table->state);
	buffer_put_counted(out, table->name);
	buffer_put_counted(out, table->place);
}

static void get_source(struct replica_start *start, struct source *source)
{
	start->database = source_take(source, DATABASE_ID_BYTES);
	start->incarnation = source_take(source, DATABASE_ID_BYTES);
	start->position = source_u64(source);
	start->record = source_u64(source);
	start->record_stream = source_u32(source);
	start->fingerprint = source_u64(source);
}

int replica_start_get(struct replica_start *start, struct slice bytes)
{
	struct source source = source_of(bytes);
	uint8_t version = source_u8(&source);
	const uint8_t *names;

	*start = (struct replica_start){ 0 };
	if (!source.err && version != FRAME_VERSION)
		return ERR_NEWER_FORMAT;
	start->target = source_take(&source, DATABASE_ID_BYTES);
	start->has_source = source_u8(&source) == 1;
	if (start->has_source)
		get_source(start, &source);
	start->name_count = source_u16(&source);
	names = source.at;
	for (unsigned i = 0; i < start->name_count && !source.err; i++)
		if (!is_table_name(source_counted(&source)))
			source.err = ERR_CORRUPT;
	start->names = slice_of(names, (size_t)(source.at - names));
	start->table_count = source_u32(&source);
	start->tables = source;
	return source.err ? ERR_CORRUPT : 0;
}

int start_table_get(struct start_table *table, struct source *source)
{
	table->id = source_u32(source);
	table->stream = source_u32(source);
	table->state = source_u8(source);
	table->name = source_counted(source);
	table->place = source_counted(source);
	return source->err || !replica_state_name(table->state) || !is_table_name(table->name) ||
		table->place.len > KEY_HEAD_MAX + SORT_KEY_MAX ? ERR_CORRUPT : 0;
}
