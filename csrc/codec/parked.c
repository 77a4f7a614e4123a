/* parked.c - encoding and decoding of parked records. */
#include "codec/parked.h"

#include "base/error.h"
#include "codec/consumer.h"
#include "codec/record.h"
#include "codec/schema.h"
#include "codec/value.h"

void parked_set_place(uint8_t bytes[PARKED_PLACE_BYTES], const struct parked_place *place)
{
	set_u32(bytes, place->table);
	memcpy(bytes + 4, place->hash, HASH_BYTES);
	set_u64(bytes + PARKED_ITEM_BYTES, place->sequence);
}

void parked_get_place(struct parked_place *place, const uint8_t bytes[PARKED_PLACE_BYTES])
{
	place->table = get_u32(bytes);
	memcpy(place->hash, bytes + 4, HASH_BYTES);
	place->sequence = get_u64(bytes + PARKED_ITEM_BYTES);
}

size_t parked_set_key(uint8_t key[PARKED_KEY], uint8_t kind, const struct parked_place *place,
	uint16_t part)
{
	key[0] = kind;
	set_u64(key + 1, place->consumer);
	parked_set_place(key + 9, place);
	if (kind == CONSUMER_REPLAY)
		return PARKED_MARK_KEY;
	set_u16(key + PARKED_MARK_KEY, part);
	return PARKED_KEY;
}

bool parked_get_key(struct parked_place *place, uint16_t *part, struct slice key)
{
	size_t len = key.len && key.data[0] == CONSUMER_PARKED ? PARKED_KEY : PARKED_MARK_KEY;

	if (key.len != len || (key.data[0] != CONSUMER_PARKED && key.data[0] != CONSUMER_REPLAY))
		return false;
	place->consumer = get_u64(key.data + 1);
	parked_get_place(place, key.data + 9);
	*part = len == PARKED_KEY ? get_u16(key.data + PARKED_MARK_KEY) : 0;
	return true;
}

size_t parked_member_set_key(uint8_t key[PARKED_MEMBER_KEY], uint8_t kind,
	const struct parked_member *member)
{
	key[0] = kind;
	set_u64(key + 1, member->place.consumer);
	set_u64(key + 9, member->transaction);
	if (kind == CONSUMER_REPLAY_TRANSACTION)
		return PARKED_TRANSACTION_KEY;
	set_u64(key + PARKED_TRANSACTION_KEY, member->place.sequence);
	return PARKED_MEMBER_KEY;
}

bool parked_member_get_key(struct parked_member *member, struct slice key)
{
	bool is_member = key.len && key.data[0] == CONSUMER_MEMBER;

	if (!is_member && (!key.len || key.data[0] != CONSUMER_REPLAY_TRANSACTION))
		return false;
	if (key.len != (is_member ? PARKED_MEMBER_KEY : PARKED_TRANSACTION_KEY))
		return false;
	member->place.consumer = get_u64(key.data + 1);
	member->transaction = get_u64(key.data + 9);
	member->place.sequence = is_member ? get_u64(key.data + PARKED_TRANSACTION_KEY) : 0;
	return true;
}

void parked_member_set(uint8_t bytes[PARKED_ITEM_BYTES], const struct parked_member *member)
{
	set_u32(bytes, member->place.table);
	memcpy(bytes + 4, member->place.hash, HASH_BYTES);
}

int parked_member_get(struct parked_member *member, struct slice bytes)
{
	if (bytes.len != PARKED_ITEM_BYTES)
		return ERR_CORRUPT;
	member->place.table = get_u32(bytes.data);
	memcpy(member->place.hash, bytes.data + 4, HASH_BYTES);
	return 0;
}

void parked_put(struct buffer *out, const struct parked_copy *copy)
{
	struct slice error = copy->error;

	if (error.len > PARKED_ERROR_MAX) {
		error.len = PARKED_ERROR_MAX;
		error.len = utf8_prefix(error);
	}
	buffer_put_u32(out, copy->attempts);
	buffer_put_u64(out, copy->parked_ms);
	buffer_put_counted(out, error);
	buffer_put_u32(out, copy->stream);
	buffer_put_counted(out, copy->stream_row);
	buffer_put_slice(out, copy->record);
}

int parked_get(struct parked_copy *copy, struct slice bytes)
{
	struct source source = source_of(bytes);
	struct stream_row stream;

	copy->attempts = source_u32(&source);
	copy->parked_ms = source_u64(&source);
	copy->error = source_counted(&source);
	copy->stream = source_u32(&source);
	copy->stream_row = source_counted(&source);
	copy->record = source_take(&source, source_left(&source));
	if (source.err || copy->error.len > PARKED_ERROR_MAX || copy->stream == 0 ||
			copy->record.len <= RECORD_PREFIX)
		return ERR_CORRUPT;
	return stream_get(&stream, copy->stream_row);
}
