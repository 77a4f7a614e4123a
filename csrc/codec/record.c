/* record.c - records to bytes and back; record.h draws them. */
#include "codec/record.h"

#include "base/error.h"
#include "codec/state.h"
#include "codec/value.h"

const char *event_name(uint8_t event)
{
	switch (event) {
	case EVENT_INSERT: return "INSERT";
	case EVENT_MODIFY: return "MODIFY";
	case EVENT_REMOVE: return "REMOVE";
	default: return "?";
	}
}

void record_put_head(const struct record *record, uint8_t head[RECORD_HEAD])
{
	head[0] = RECORD_FORMAT;
	head[1] = record->event;
	head[2] = record->origin;
	head[3] = 0;
	set_u32(head + 4, record->position);
	set_u32(head + 8, record->count);
	set_u64(head + 12, record->sequence);
	set_u64(head + 20, record->transaction);
	set_u64(head + 28, record->created_ms);
	set_u64(head + 36, record->retention_ms);
	set_u64(head + 44, record->partition_hash);
	set_u64(head + 52, record->ordinal);
	set_u64(head + 60, record->stream_bytes);
	set_u32(head + 68, (uint32_t)record->keys.len);
	set_u32(head + 72, (uint32_t)record->old_image.len);
	set_u32(head + 76, (uint32_t)record->new_image.len);
}

static size_t image_size(struct slice image)
{
	return image.len ? item_size(image) : 0;
}

size_t record_size(const struct record *record)
{
	return item_size(record->keys) + image_size(record->old_image) +
		image_size(record->new_image);
}

/* What no writer of ours writes. An image may be missing where the stream's
 * view leaves it out, but nothing was there before an INSERT nor is after a
 * REMOVE. */
static bool is_possible(const struct record *record)
{
	if (record->event < EVENT_INSERT || record->event > EVENT_REMOVE)
		return false;
	if (record->origin > ORIGIN_TIME_TO_LIVE || record->position >= record->count)
		return false;
	if (record->transaction > record->sequence || record->transaction == 0)
		return false;
	if (record->sequence > SEQUENCE_MAX)
		return false;
	if (record->ordinal == 0 || record->stream_bytes < record_bytes(record))
		return false;
	if (record->event == EVENT_INSERT && record->old_image.len)
		return false;
	if (record->event == EVENT_REMOVE && record->new_image.len)
		return false;
	return record->keys.len > 0;
}

int record_get_head(struct record *record, struct slice bytes)
{
	const uint8_t *head = bytes.data;

	if (bytes.len < RECORD_HEAD || head[0] != RECORD_FORMAT || head[3] != 0)
		return ERR_CORRUPT;
	record->event = head[1];
	record->origin = head[2];
	record->position = get_u32(head + 4);
	record->count = get_u32(head + 8);
	record->sequence = get_u64(head + 12);
	record->transaction = get_u64(head + 20);
	record->created_ms = get_u64(head + 28);
	record->retention_ms = get_u64(head + 36);
	record->partition_hash = get_u64(head + 44);
	record->ordinal = get_u64(head + 52);
	record->stream_bytes = get_u64(head + 60);
	record->keys = slice_of(NULL, get_u32(head + 68));
	record->old_image = slice_of(NULL, get_u32(head + 72));
	record->new_image = slice_of(NULL, get_u32(head + 76));
	return is_possible(record) ? 0 : ERR_CORRUPT;
}

int record_get(struct record *record, struct slice bytes)
{
	int err = record_get_head(record, bytes);

	if (err)
		return err;
	if (bytes.len != record_bytes(record))
		return ERR_CORRUPT;
	record->keys.data = bytes.data + RECORD_HEAD;
	record->old_image.data = record->keys.data + record->keys.len;
	record->new_image.data = record->old_image.data + record->old_image.len;
	return 0;
}

/* No image, or a whole one. */
static int check_image(struct slice image)
{
	return image.len ? map_check(image) : 0;
}

int record_check(struct slice bytes)
{
	struct record record;
	int err;

	err = record_get(&record, bytes);
	if (!err)
		err = map_check(record.keys);
	if (!err)
		err = check_image(record.old_image);
	return err ? err : check_image(record.new_image);
}

void record_set_key(uint8_t key[RECORD_KEY], uint32_t stream, uint64_t sequence, uint16_t part)
{
	set_u32(key, stream);
	set_u64(key + 4, sequence);
	set_u16(key + 12, part);
}
