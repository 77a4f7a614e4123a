/* frame.c - encoding and decoding of frames; the layouts are in frame.h. */
#include "codec/frame.h"

#include <string.h>

#include "base/checksum.h"
#include "base/error.h"

size_t frame_start(struct buffer *out, uint8_t kind)
{
	size_t start = out->len;

	buffer_put_u64(out, 0);
	buffer_put_u64(out, 0);
	buffer_put_u8(out, kind);
	return start;
}

void frame_end(struct buffer *out, size_t start, uint64_t number)
{
	uint8_t *head = out->data + start;
	size_t len;

	if (buffer_error(out))
		return;
	len = out->len - start - FRAME_HEAD;
	set_u64(head + FRAME_HEAD, number);
	set_u32(head, (uint32_t)len);
	set_u32(head + 4, checksum(0, head + FRAME_HEAD, len));
}

int frame_next(struct frame *frame, struct slice *bytes)
{
	uint32_t len;
	const uint8_t *at;

	if (bytes->len < FRAME_HEAD)
		return END;
	len = get_u32(bytes->data);
	if (len < FRAME_FIXED || len > FRAME_MAX_BYTES)
		return ERR_CORRUPT;
	if (bytes->len - FRAME_HEAD < len)
		return END;
	at = bytes->data + FRAME_HEAD;
	if (checksum(0, at, len) != get_u32(bytes->data + 4))
		return ERR_CORRUPT;
	frame->number = get_u64(at);
	frame->kind = at[8];
	frame->body = slice_of(at + FRAME_FIXED, len - FRAME_FIXED);
	*bytes = slice_of(at + len, bytes->len - FRAME_HEAD - len);
	return 0;
}

void frame_put_table(struct buffer *out, const struct frame_table *table)
{
	buffer_put_u32(out, table->id);
	buffer_put_u32(out, table->stream);
	buffer_put_u8(out, (uint8_t)(table->path.len / DATABASE_ID_BYTES));
	buffer_put_slice(out, table->path);
	buffer_put(out, table->incarnation, DATABASE_ID_BYTES);
	buffer_put_counted(out, table->name);
	buffer_put_counted(out, table->reason);
	buffer_put_counted(out, table->row);
	buffer_put_counted(out, table->stream_row);
}

void frame_get_table(struct source *source, struct frame_table *table)
{
	table->id = source_u32(source);
	table->stream = source_u32(source);
	table->path = source_take(source, (uint64_t)source_u8(source) * DATABASE_ID_BYTES);
	table->incarnation = source_take(source, DATABASE_ID_BYTES).data;
	table->name = source_counted(source);
	table->reason = source_counted(source);
	table->row = source_counted(source);
	table->stream_row = source_counted(source);
	if (!is_table_name(table->name) || table->path.len == 0 ||
			table->path.len > PATH_MAX_IDS * DATABASE_ID_BYTES ||
			table->reason.len > REPLICA_REASON_MAX)
		source->err = ERR_CORRUPT;
}

void frame_put_record(struct buffer *out, const struct frame_record *record)
{
	buffer_put_u32(out, record->table);
	buffer_put_u8(out, record->event);
	buffer_put_u8(out, record->is_expiry);
	buffer_put_varint(out, record->distance);
	buffer_put_counted(out, record->body);
}

void frame_get_record(struct source *source, struct frame_record *record)
{
	record->table = source_u32(source);
	record->event = source_u8(source);
	record->is_expiry = source_u8(source) == 1;
	record->distance = source_varint(source);
	record->body = source_counted(source);
}
